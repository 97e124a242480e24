"""Build the web edition: python docs/build.py [LESSON …] [--views yes|no|kept] [--out FOLDER]

If you name lessons (03_attention …), the site contains only those lessons.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
ROOT = Path(__file__).parents[1]


def main() -> int:
    """Build the site according to the command-line arguments, and return the exit status."""
    parser = argparse.ArgumentParser(description="Build the web edition of the course.")
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="such as 03_attention; default: the whole course")
    parser.add_argument(
        "--views",
        choices=("yes", "no", "kept"),
        default="yes",
        help="yes: run each lesson whose views are not stored yet; kept: only use stored views; no: still pictures",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="site folder (default: build/site)")
    asked = parser.parse_args()

    try:
        from edition import SiteError
        from edition.building import build
    except ImportError as error:
        print(f'{error}. Run `make site`, which installs it, or: pip install -e ".[site]"', file=sys.stderr)
        return 1
    notebooks = ROOT / "notebooks"
    named = [notebooks / f"{Path(name).stem}.ipynb" for name in asked.lessons]
    chosen = named or sorted(notebooks.glob("[0-9]*.ipynb"))
    try:
        build(asked.out.resolve(), chosen, asked.views, whole=not asked.lessons)
    except SiteError as error:
        print(f"The site was not built. {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

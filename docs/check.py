"""Check a built site as its readers see it: python docs/check.py [PAGE …] [--site FOLDER]

Name pages by their address, such as lessons/03_attention.html; without names, every page is checked. The check needs
Chromium and the packages that `make test` installs.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "tests")]


def main() -> int:
    """Check the site as the command line asks, and return the exit status."""
    parser = argparse.ArgumentParser(description="Check a built site as its readers see it.")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="such as lessons/03_attention.html; default: all")
    parser.add_argument("--site", type=Path, default=ROOT / "build" / "site", help="site folder (default: build/site)")
    asked = parser.parse_args()

    from browser.chromium import launched
    from edition.checking import faults_of_files, pages_of
    from edition.looking import Reader, served
    from playwright.sync_api import sync_playwright

    faults = faults_of_files(asked.site)
    print("\n".join(faults), flush=True)
    names = asked.pages or [*pages_of(asked.site), "search.html?q=attention"]
    with served(asked.site) as address, sync_playwright() as playwright, launched(playwright) as browser:
        for name in names:
            page = browser.new_page(reduced_motion="reduce")
            found = [f"{name}: {fault}" for fault in Reader(page, address).faults(name)]
            print("\n".join(found) or f"{name}: no faults", flush=True)
            faults += found
            page.close()
    print(f"{len(names)} pages, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

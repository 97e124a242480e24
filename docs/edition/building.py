"""Build the site in a new folder, and replace the old site only when the new one is complete."""

import contextlib
import importlib.util
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat

from edition import SiteError, front, reference
from edition.lessons import Lesson, Pictures, Staging
from edition.views import has_views, kept_views, library_key, make_views, pages_in

ROOT = Path(__file__).parents[2]
VIEWS = ("yes", "no", "kept")  # run lessons for views that are missing; show still pictures; use only stored views


def build(
    target: Path,
    lessons: Sequence[Path],
    views: str = "yes",
    cache: Path = ROOT / "build" / "site-views",
    whole: bool = True,
) -> None:
    """Build the site of these lessons in `target`, which is replaced completely or not at all.

    `whole` adds the reference and the playground. Raises `SiteError` if something is missing.
    """
    began = time.perf_counter()
    if target.exists() and not _is_ours(target):
        raise SiteError(f"{target} is not a site, and building the site would replace it. Choose another folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    told = [Lesson(path) for path in lessons]
    for lesson in told:
        lesson.check()  # before any slow work starts
    folders = _views(told, views, cache)
    with _working_folder(target) as work:
        source, extra, made = work / "source", work / "extra", work / "site"
        staging = Staging([lesson.name for lesson in told], Pictures(extra / "pictures"))
        (source / "lessons").mkdir(parents=True)
        for lesson in told:
            addresses = _publish(folders.get(lesson.name), extra / "views" / lesson.name)
            nbformat.write(staging.staged(lesson, addresses), source / "lessons" / f"{lesson.name}.ipynb")
        descriptions = {f"lessons/{lesson.name}": lesson.promise for lesson in told}
        play = ROOT / "docs" / "playground" / "build.py"
        has_play = whole and play.is_file()
        descriptions |= front.write(source, told, staging, whole=whole, playground=has_play)
        if whole:
            descriptions |= reference.write(source / "reference")
        _copy_data(source / "data")
        _sphinx(source, made, work, {"extra": [str(extra)], "playground": has_play, "descriptions": descriptions})
        (made / "_static" / "outputs.css").write_text("\n".join(staging.sheets), encoding="utf-8")
        if has_play:
            _load(play).build(made / "playground")
        _replace(target, made)
    _tell(target, time.perf_counter() - began)


def _views(lessons: Sequence[Lesson], views: str, cache: Path) -> dict[str, Path]:
    """Return each lesson's folder of view pages; if `views` is "yes", run lessons to make missing folders."""
    if views == "no":
        return {}
    library, folders = library_key(), {}
    for lesson in filter(has_views, lessons):
        folder = kept_views(lesson, cache, library)
        if folder is None and views == "yes":
            print(f"Running {lesson.path.name} once, for its views …", end=" ", flush=True)
            began = time.perf_counter()
            folder = make_views(lesson, cache, library)
            print(f"{time.perf_counter() - began:.0f} s", flush=True)
        if folder is not None:
            folders[lesson.name] = folder
    return folders


def _publish(folder: Path | None, place: Path) -> dict[int, list[str]]:
    """Copy the pages of a lesson's views, and return their addresses as seen from the lesson's page."""
    if folder is None:
        return {}
    shutil.copytree(folder, place)
    return {cell: [f"../views/{place.name}/{page.name}" for page in pages] for cell, pages in pages_in(folder).items()}


def _copy_data(place: Path) -> None:
    """Copy the datasheets, which become a page, and the scripts that lessons link to."""
    place.mkdir()
    for file in (ROOT / "data").iterdir():
        if file.suffix == ".py" or file.name == "README.md":
            shutil.copy(file, place)


def _sphinx(source: Path, made: Path, work: Path, about: dict[str, object]) -> None:
    try:
        from sphinx.cmd.build import build_main
    except ImportError:
        raise SiteError('Sphinx is missing. Run `make site`, which installs it, or: pip install -e ".[site]"') from None
    os.environ["LLMLIB_SITE"] = json.dumps(about)
    quietly = ["-q", "--fail-on-warning", "--keep-going", "--doctree-dir", str(work / "doctrees")]
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        failed = build_main([*quietly, "--conf-dir", str(Path(__file__).parent), str(source), str(made)])
    if failed:
        raise SiteError(f"Sphinx could not make the pages, so the old site is unchanged:\n{said.getvalue().strip()}")
    for rest in (".buildinfo", "_sources"):
        path = made / rest
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _load(path: Path):
    spec = importlib.util.spec_from_file_location("llmlib_playground_build", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _working_folder(target: Path) -> Iterator[Path]:
    """Make a temporary folder on the same disk, so that renaming it can put the finished site in place."""
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _is_ours(target: Path) -> bool:
    """Check whether a folder is empty or holds a site that was built earlier."""
    return target.is_dir() and (not any(target.iterdir()) or (target / "_static" / "site.js").is_file())


def _replace(target: Path, made: Path) -> None:
    old = made.parent / "old"
    if target.exists():
        target.rename(old)
    try:
        made.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def _tell(target: Path, seconds: float) -> None:
    files = [path for path in target.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    views = [path for path in files if "views" in path.relative_to(target).parts[:1]]
    of_views = sum(path.stat().st_size for path in views)
    print(
        f"{target}: {size / 1e6:.1f} MB in {len(files)} files; {len(views)} views take {of_views / 1e6:.1f} MB of "
        f"that; built in {seconds:.0f} s."
    )
    print(f"To look at the site, run: {Path(sys.executable).name} -m http.server --directory {target}")

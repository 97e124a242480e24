"""Run a lesson once, and save each of its views as a page.

A view can be saved as a page that works without Python. At the end of each cell, a probe in the lesson's kernel saves
the views that the cell has shown. The folder of the pages is named after a hash of the lesson and of the library, so a
lesson is run again only if the lesson or the library has changed.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from edition import SiteError
from edition.lessons import Lesson, is_run, is_view

LIBRARY = Path(__file__).parents[2] / "llmlib"
SHOWN, PAGE, UNSAVED = (f"application/x.llmlib-view-{what}" for what in ("shown", "page", "unsaved"))
STILLS = "Or build the site with still pictures: make site VIEWS=no"
# A lesson's kernel runs this code first, in a separate namespace, since a lesson may use a name such as `id` for a
# token's number. The questions of `predict` and `quiz` are views, too, but the site shows them in its own way.
OBSERVER = f"""
def _keep_the_pages_of_views():
    from IPython import get_ipython
    from IPython.display import display
    from llmlib.exercises.engine.asking_view import QuestionsView
    from llmlib.widgets.shared.base import View

    plain, numbers, in_this_cell = View._repr_mimebundle_, {{}}, {{}}

    def numbered(self, **kwargs):
        bundle = plain(self, **kwargs)
        if bundle is None or isinstance(self, QuestionsView):
            return bundle
        data, metadata = bundle
        in_this_cell[id(self)] = self
        number = numbers.setdefault(id(self), (len(numbers), self))[0]  # the view is kept, so that its id is its own
        return {{**data, {SHOWN!r}: str(number)}}, metadata

    def keep(*_):
        for view in [*in_this_cell.values()]:
            try:
                kept = {{{PAGE!r}: view.to_html()}}
            except Exception as error:
                kept = {{{UNSAVED!r}: f"{{type(view).__name__}}: {{type(error).__name__}}: {{error}}"}}
            display({{**kept, {SHOWN!r}: str(numbers[id(view)][0]), "text/plain": ""}}, raw=True)
        in_this_cell.clear()

    View._repr_mimebundle_ = numbered
    get_ipython().events.register("post_run_cell", keep)


_keep_the_pages_of_views()
"""
PROBE = f"exec({OBSERVER!r}, {{}})"


def library_key() -> str:
    """Compute a hash of all files of the library, since a view may depend on any of them."""
    digest = hashlib.sha256()
    for file in sorted(path for path in LIBRARY.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(f"{file.relative_to(LIBRARY).as_posix()}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def key_of(lesson: Lesson, library: str) -> str:
    """Compute a hash of everything that the pages of a lesson's views depend on."""
    code = [cell.source for cell in lesson.notebook.cells if is_run(cell)]
    return hashlib.sha256(json.dumps([library, PROBE, code]).encode()).hexdigest()[:16]


def has_views(lesson: Lesson) -> bool:
    return any(is_view(output) for cell in lesson.notebook.cells for output in cell.get("outputs", ()))


def kept_views(lesson: Lesson, cache: Path, library: str) -> Path | None:
    """Return the folder of a lesson's view pages if it matches this lesson and this library, or else None."""
    folder = cache / f"{lesson.name}-{key_of(lesson, library)}"
    return folder if folder.is_dir() else None


def make_views(lesson: Lesson, cache: Path, library: str) -> Path:
    """Run a lesson, store the pages of its views, and return their folder; raise `SiteError` if that fails."""
    pages = pages_of_a_run(lesson)
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{lesson.name}-{key_of(lesson, library)}"
    temporary = Path(tempfile.mkdtemp(prefix=f".{lesson.name}-", dir=cache))
    try:
        for cell, several in pages.items():
            for k, page in enumerate(several):
                (temporary / f"{cell:03d}-{k}.html").write_text(page, encoding="utf-8")
        temporary.chmod(0o755)
        for old in cache.glob(f"{lesson.name}-*"):
            shutil.rmtree(old)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def pages_in(folder: Path) -> dict[int, list[Path]]:
    """Return the pages in a folder of view pages: for each cell, in the order in which the cell shows them."""
    pages: dict[int, list[Path]] = {}
    for page in sorted(folder.glob("*-*.html")):
        pages.setdefault(int(page.name.partition("-")[0]), []).append(page)
    return pages


def pages_of_a_run(lesson: Lesson) -> dict[int, list[str]]:
    """Run a lesson from top to bottom, and return the pages of the views that each cell showed."""
    notebook = nbformat.from_dict(lesson.notebook)
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(PROBE), *(_without_outputs(cell) for cell in notebook.cells)],
        metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    )
    path = os.environ.get("PYTHONPATH", "")
    with tempfile.TemporaryDirectory(prefix="llmlib-progress-") as progress:
        environment = {
            **os.environ,
            "LLMLIB_DATA_DIR": progress,  # the pages show what a new reader sees
            "PYTHONPATH": os.pathsep.join(filter(None, (str(LIBRARY.parent), path))),
        }
        client = NotebookClient(
            notebook,
            timeout=900,
            kernel_name="python3",
            resources={"metadata": {"path": str(lesson.path.parent)}},
            extra_arguments=["--log-level=ERROR"],  # otherwise each kernel prints that it uses TCP
        )
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            number = sum(cell.get("execution_count") is not None for cell in notebook.cells[1:])
            raise SiteError(
                f"{lesson.path.name} has an error, so its views cannot be saved. In [{number}]: "
                f"{error.ename}: {error.evalue}\n"
                f"Run the lesson in JupyterLab to see where it fails. {STILLS}"
            ) from None
        except Exception as error:  # the kernel did not start or died, or a cell took too long
            raise SiteError(
                f"{lesson.path.name} could not be run ({type(error).__name__}: {error}), so its views cannot be saved. "
                f"Run `make doctor` to check this machine. {STILLS}"
            ) from None
    return collected(notebook.cells[1:], lesson.path.name)


def _without_outputs(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if is_run(cell):
        return nbformat.v4.new_code_cell(cell.source)
    return nbformat.v4.new_markdown_cell("")  # so that the cells keep their numbers


def collected(cells: list[nbformat.NotebookNode], name: str) -> dict[int, list[str]]:
    """Return the pages of the views of each cell that has been run.

    A cell may show a view that a later cell completes (a training run): then the later page is used.
    """
    places: dict[int, list[str]] = {}  # for each cell, the numbers of the views that it shows
    pages: dict[tuple[int, str], str] = {}  # each page, by the cell that shows the view and the view's number
    for cell, outputs in ((i, cell.get("outputs", ())) for i, cell in enumerate(cells)):
        shown = [output.data for output in outputs if SHOWN in output.get("data", {})]
        for data in shown:
            if UNSAVED in data:
                raise SiteError(
                    f"{name}, cell {cell}: a view cannot be saved as a page ({data[UNSAVED]}). "
                    f"Fix the view's `to_html()`. {STILLS}"
                )
        places[cell] = [data[SHOWN] for data in shown if PAGE not in data]
        for data in shown:
            if PAGE in data:
                at = max((i for i in places if data[SHOWN] in places[i]), default=None)
                if at is not None:
                    pages[at, data[SHOWN]] = data[PAGE]
    return {cell: [pages[cell, number] for number in numbers] for cell, numbers in places.items() if numbers}

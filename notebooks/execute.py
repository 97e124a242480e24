"""Run lessons from top to bottom, and store outputs that are easy to compare and can be read anywhere.

    python notebooks/execute.py [LESSON.ipynb …]      (by default all lessons, like `make notebooks`)

A widget is stored only as its static picture, since a live view that is stored without its widget model would hide
the picture.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
VIEW = "application/vnd.jupyter.widget-view+json"
# The cell metadata to keep: tags for nbval, and settings that fold side paths and hide the first cell's code.
KEPT = ("tags", "jp-MarkdownHeadingCollapsed", "jupyter", "cellView")
NOT_RUN = "skip-execution"  # the tag of the cell that first_cell.py inserts; this cell has no number
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def execute(path: Path) -> float:
    """Run one lesson in place, and return how many seconds it took. If it fails, the file is not changed."""
    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(FOLDER)}},
    ).execute()
    normalise(notebook)
    nbformat.write(notebook, path)
    return time.perf_counter() - started


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Keep what a reader sees, and drop everything that differs from run to run."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    number = 0
    for cell in notebook.cells:
        if NOT_RUN in cell.metadata.get("tags", []):
            continue
        cell.id = f"cell-{number:03d}"
        number += 1
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in KEPT if key in cell.metadata})
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := _without_view(output))]


def _without_view(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    if output.output_type == "stream":
        return None if output.name == "stderr" else output  # stderr contains progress bars
    if "data" in output:
        output.data.pop(VIEW, None)
        output.metadata = nbformat.from_dict({})
        return output if output.data else None
    return output


if __name__ == "__main__":
    # A stored lesson shows what a new learner sees, not the progress of the person who runs this script.
    os.environ["LLMLIB_DATA_DIR"] = tempfile.mkdtemp(prefix="llmlib-progress-")
    lessons = [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("[0-9]*.ipynb"))
    for lesson in lessons:
        print(f"{lesson.name}: {execute(lesson):.0f} s")

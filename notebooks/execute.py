"""Run lessons from top to bottom and store their outputs in a form that diffs well and reads well anywhere.

    python notebooks/execute.py [LESSON.ipynb …]      (default: all; `make notebooks`)

Widgets leave their static fallback only: a saved live view without its model would hide it.
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
# Of a cell's metadata: what nbval ignores, folded side paths, and what hides the code of the first cell.
KEPT = ("tags", "jp-MarkdownHeadingCollapsed", "jupyter", "cellView")
NOT_RUN = "skip-execution"  # the tag of the cell that first_cell.py puts in: it has no number
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def execute(path: Path) -> float:
    """Run one lesson in place; returns the seconds it took. On an error the file stays as it was."""
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
    """Keep what a reader sees; drop what differs from run to run."""
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
        return None if output.name == "stderr" else output  # progress bars
    if "data" in output:
        output.data.pop(VIEW, None)
        output.metadata = nbformat.from_dict({})
        return output if output.data else None
    return output


if __name__ == "__main__":
    # A lesson shows what a new learner sees, not the progress of whoever runs this.
    os.environ["LLMLIB_DATA_DIR"] = tempfile.mkdtemp(prefix="llmlib-progress-")
    lessons = [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("[0-9]*.ipynb"))
    for lesson in lessons:
        print(f"{lesson.name}: {execute(lesson):.0f} s")

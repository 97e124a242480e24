"""Insert the same cell into every lesson; this cell installs the course where it is missing, as in Colab.

    python notebooks/first_cell.py

Run this script after you write a lesson, or when the repository's address changes. Only pyproject.toml contains the
address (`Repository` in `[project.urls]`); if there is none, the cell asks for it. Nothing else in a lesson changes.
The cell is not run when a lesson is stored, so it has no number and no output.
"""

import tomllib
from pathlib import Path

import nbformat

FOLDER = Path(__file__).parent
SKIPPED = "skip-execution"  # the tag of cells that nbclient does not run
CELL = """\
# @title Only in Colab: run this cell first. Anywhere else it does nothing.
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("llmlib") is None:
    print("llmlib is not installed. On your own computer, stop here and open the course with: make lab")
    if not os.path.isdir("course"):
        home = HOME
        subprocess.run(["git", "clone", "--depth", "1", home, "course"], check=True)
    install = ["-m", "pip", "install", "--quiet", "./course[course]"]
    subprocess.run([sys.executable, *install], check=True)
    importlib.invalidate_caches()
if os.path.isdir("course/notebooks"):
    os.chdir("course/notebooks")  # the lessons read files from ../data
"""
ASK = """input("In Colab, paste the address of this notebook's repository: ").strip()"""


def first_cell() -> nbformat.NotebookNode:
    """Make the cell, with the repository's address from pyproject.toml."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    home = project.get("urls", {}).get("Repository")
    source = CELL.replace("HOME", repr(home) if home else ASK).rstrip()
    hidden = {"tags": [SKIPPED], "jupyter": {"source_hidden": True}, "cellView": "form"}
    return nbformat.v4.new_code_cell(source, id="first-cell", metadata=hidden)


def put_into(notebook: nbformat.NotebookNode) -> None:
    """Insert the cell after the title, and remove any earlier version of it."""
    notebook.cells = [cell for cell in notebook.cells if SKIPPED not in cell.metadata.get("tags", [])]
    notebook.cells.insert(1, first_cell())


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("[0-9]*.ipynb")):
        lesson = nbformat.read(path, as_version=4)
        put_into(lesson)
        nbformat.write(lesson, path)

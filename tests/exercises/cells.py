"""Run solutions as a reader would: in a notebook cell, whose source IPython keeps in `linecache`."""

import ast
import importlib
import itertools
import linecache
from pathlib import Path

from llmlib.exercises import check

_numbers = itertools.count(1)


def run_cell(text, **names):
    """Run a cell in a notebook that already defines `names`, and return all its names afterwards."""
    notebook = {"__name__": "__main__", **names}
    run_in(notebook, text)
    return notebook


def run_in(notebook, text):
    """Run one more cell in a notebook, which is given as the dictionary of its names."""
    place = f"<a cell of the tests: {next(_numbers)}>"
    linecache.cache[place] = (len(text), None, text.splitlines(keepends=True), place)
    exec(compile(text, place, "exec"), notebook)


def solutions_in(lesson, kind):
    """Run a module from `right` as if it were a cell, and return pairs of an exercise's name and a solution.

    `kind` is the decorator that marks the solutions: "plain" or "solves".
    """
    module = importlib.import_module(f"exercises.right.{lesson}")
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    solved = []
    for node in tree.body:
        for decorator in getattr(node, "decorator_list", []):
            if isinstance(decorator, ast.Call) and decorator.func.id in ("plain", "solves"):
                solved += [(decorator.args[0].value, node.name)] if decorator.func.id == kind else []
                node.decorator_list = []
    tree.body = [node for node in tree.body if not ast.unparse(node).startswith("from exercises.")]
    notebook = run_cell(ast.unparse(tree))
    return [(exercise, notebook[name]) for exercise, name in solved]


def all_solutions(kind):
    """Return what `solutions_in` finds in all lessons."""
    modules = sorted(Path(__file__).parent.glob("right/lesson_*.py"))
    return [solution for path in modules for solution in solutions_in(path.stem, kind)]


MASK = "attention.causal_mask"
RIGHT = """
import torch
LATEST = 0

def place(n_query, n_key):
    return torch.arange(n_key - n_query, n_key)[:, None]  # of each query

# This took me an evening.
def my_mask(n_query, n_key):
    return torch.arange(n_key) - place(n_query, n_key) <= LATEST  # at or before
"""


def check_cell(text=RIGHT, name="my_mask", exercise=MASK):
    """Run a cell, and check one of its functions."""
    return check(exercise, run_cell(text)[name])

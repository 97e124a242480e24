"""A search among the points of a grid, where the exact place is asked for."""

import ast
from collections.abc import Iterator

from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.reasons import Finding, Reason
from llmlib.exercises.engine.repairing.constants import called
from llmlib.exercises.engine.repairing.edit import Slot, shown
from llmlib.exercises.engine.repairing.source import source_of
from llmlib.exercises.engine.running import run
from llmlib.exercises.engine.trials import equal_safely

FINER = 3  # times as many points
SECONDS = 0.5  # for one call
FEW = 3  # wrong cases that are tried again
COUNTED = ("linspace", "logspace", "geomspace")  # their third argument is how many points there are


def coarse(e: Examination) -> Reason | None:
    """A number that is another one with more points: told only if it changes in a case that is wrong."""
    source = source_of(e.attempt) if isinstance(e.example, float) else None
    wrong = [t for t in e.wrong if isinstance(t.got, float)][:FEW]
    for slot, call in _steps(source.tree) if source else ():
        node = slot.get()
        slot.set(ast.BinOp(node, ast.Mult() if called(call) in COUNTED else ast.Div(), ast.Constant(FINER)))
        try:
            finer = source.compiled()
            found = [run(finer, t.case.args, SECONDS) for t in wrong]
        finally:
            slot.set(node)
        if any(not f.error and not equal_safely(t.got, f.value) for f, t in zip(found, wrong)):
            says = (
                f"You search among the points of a grid, `{shown(call)}`. With {FINER} times as many points your result "
                "is another one: the exact place is between the points, or beyond the ends of the grid."
            )
            return Reason(finding=Finding("a grid", says, "Which numbers could the result be, by the task?"))
    return None


def _steps(tree: ast.AST) -> Iterator[tuple[Slot, ast.Call]]:
    """Where it says how fine a grid is: the number of its points, or the step of `arange`."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and called(call) in (*COUNTED, "arange") and len(call.args) == 3:
            yield Slot(call, "args", 2), call

"""Recognise an attempt that searches the points of a grid, although the task asks for the exact number."""

import ast
from collections.abc import Iterator

from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.reasons import Finding, Reason
from llmlib.exercises.engine.repairing.constants import called
from llmlib.exercises.engine.repairing.edit import Slot, shown
from llmlib.exercises.engine.repairing.source import Source, source_of
from llmlib.exercises.engine.running import run
from llmlib.exercises.engine.trials import Trial, equal_safely

FINER = 3  # we multiply the number of points or an endpoint by this, or divide the step by it
SECONDS = 0.5  # the time limit for one call
FEW = 3  # at most this many wrong cases are tried again
COUNTED = ("linspace", "logspace", "geomspace")  # the third argument of each is the number of points
BETWEEN = "With three times as many points, you get a different result: the exact number lies between the points."
BEYOND = "With a wider or narrower grid, you get a different result: the exact number lies outside the grid."


def coarse(e: Examination) -> Reason | None:
    """Find a grid where more points, or other endpoints, would change a wrong result."""
    source = source_of(e.attempt) if isinstance(e.example, float) else None
    wrong = [t for t in e.wrong if isinstance(t.got, float)][:FEW]
    for call in _grids(source.tree) if source else ():
        step = ast.Mult() if called(call) in COUNTED else ast.Div()
        for place, operator, why in ((2, step, BETWEEN), (0, ast.Mult(), BEYOND), (1, ast.Mult(), BEYOND)):
            if _matters(source, Slot(call, "args", place), operator, wrong):
                says = f"You search among the points of a grid, `{shown(call)}`. {why}"
                return Reason(finding=Finding("a grid", says, "Which numbers does the task allow?"))
    return None


def _grids(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield calls that create a grid with a constant number of points, or a constant step."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    for call in calls:
        counted = called(call) in (*COUNTED, "arange") and len(call.args) == 3
        if counted and isinstance(call.args[2], ast.Constant):
            yield call


def _matters(source: Source | None, slot: Slot, operator: ast.operator, wrong: list[Trial]) -> bool:
    """Check whether changing this number changes the result in a wrong case."""
    node = slot.get()
    slot.set(ast.BinOp(node, operator, ast.Constant(FINER)))
    try:
        changed = source.compiled() if source else None
        found = [run(changed, t.case.args, SECONDS) for t in wrong] if changed else []
    finally:
        slot.set(node)
    return any(not f.error and not equal_safely(t.got, f.value) for f, t in zip(found, wrong))

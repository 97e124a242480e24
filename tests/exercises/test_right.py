"""Right solutions must all pass: plain ones, and others in styles that differ from the library's."""

import importlib
import pkgutil

import pytest

from exercises import right
from exercises.right import PLAIN, STYLES
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.registry import all_exercises, find

for module in pkgutil.iter_modules(right.__path__):
    importlib.import_module(f"exercises.right.{module.name}")

RIGHT = [*PLAIN.items(), *((name, function) for name, functions in STYLES.items() for function in functions)]


@pytest.mark.slow  # slow only because there are so many solutions
@pytest.mark.parametrize(("name", "solution"), [pytest.param(n, f, id=f"{n}-{f.__name__}") for n, f in RIGHT])
def test_a_right_solution_passes(name, solution):
    report = examine(find(name), solution, seed=3)
    assert report.kind == "correct", report


def test_every_exercise_is_solved_plainly_and_in_two_other_styles():
    names = {exercise.name for exercise in all_exercises()}
    assert PLAIN.keys() == names
    assert {name: len(STYLES[name]) for name in names if len(STYLES[name]) < 2} == {}

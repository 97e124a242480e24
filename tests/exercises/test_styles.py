"""Right solutions in styles other than the library's. All of them must pass."""

import importlib
import pkgutil

import pytest

from exercises import styles
from exercises.styles import STYLES
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.registry import all_exercises, find

for module in pkgutil.iter_modules(styles.__path__):
    importlib.import_module(f"exercises.styles.{module.name}")


@pytest.mark.slow  # all of them together
@pytest.mark.parametrize(
    ("name", "solution"), [pytest.param(n, f, id=f"{n}-{f.__name__}") for n, fs in STYLES.items() for f in fs]
)
def test_a_right_solution_in_another_style_passes(name, solution, as_learners_have_it):
    report = examine(find(name), solution, seed=3)
    assert report.kind == "correct", report


def test_every_exercise_is_solved_in_two_other_styles():
    assert {name: len(STYLES[name]) for name in (e.name for e in all_exercises()) if len(STYLES[name]) < 2} == {}

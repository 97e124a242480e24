"""A wrong idea is named even if a few cases stay unexplained, but not if there is too little evidence for it."""

from dataclasses import replace

import pytest

from llmlib.exercises.engine import examination
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.comparing import find_difference
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.exercise import Case, Exercise, Misconception
from llmlib.exercises.engine.recognising import one_apart_from_unclear
from llmlib.exercises.engine.running import Outcome
from llmlib.exercises.engine.trials import Trial


def in_order(values, reverse=False):
    return sorted(values, reverse=reverse) if values or not reverse else values[0]  # reversing `[]` raises an error


BACKWARDS = Misconception("backwards", {"reverse": True}, "sorted downwards", "", "")
EXERCISE = Exercise(
    name="lists.in_order",
    task="",
    reference=sorted,
    cases=lambda seed: (),
    faulty=in_order,
    misconceptions=(BACKWARDS,),
    hints=("", "", ""),
    deepens="",
    minutes=1,
    difficulty=1,
)


def tried(values, got):
    """Return the trial of an attempt that returned or raised `got` for a list to sort."""
    right, raised = sorted(values), isinstance(got, Exception)
    outcome = Outcome(error=got) if raised else Outcome(got)
    return Trial(Case((values,)), right, outcome, None if raised else find_difference(right, got))


def examined(trials):
    return Examination(EXERCISE, in_order, tuple(trials))


SHOWN, SHOWN_TOO = tried([1, 2], [2, 1]), tried([3, 1, 2], [3, 2, 1])
RIGHT_EITHER_WAY, RIGHT_ALONE = tried([4, 4], [4, 4]), tried([], [])  # on the empty list, the idea would raise an error
RAISED = tried([], IndexError("nothing in it"))
NO_RESULT, NO_RESULT_TOO = tried([], None), tried([], None)


@pytest.mark.parametrize(
    ("trials", "open_cases"),
    [
        ([SHOWN, SHOWN_TOO, RAISED, RIGHT_ALONE], [RAISED]),
        ([SHOWN, SHOWN_TOO, RIGHT_EITHER_WAY, NO_RESULT], [NO_RESULT]),  # two cases show the idea, one has no result
        ([RAISED, SHOWN, RIGHT_EITHER_WAY, SHOWN_TOO, NO_RESULT], [RAISED, NO_RESULT]),
    ],
)
def test_an_idea_shown_by_two_cases_is_reported_with_the_cases_it_leaves_open(trials, open_cases):
    found = one_apart_from_unclear(examined(trials))
    assert found.ideas == (BACKWARDS,)
    assert list(found.open) == open_cases


@pytest.mark.parametrize(
    "trials",
    [
        [SHOWN, RAISED],  # shown once
        [SHOWN, RIGHT_EITHER_WAY, RIGHT_EITHER_WAY, RAISED],  # results that are right anyway show nothing
        [SHOWN, SHOWN_TOO, NO_RESULT, NO_RESULT_TOO],  # two cases show the idea, but two have no result
        [SHOWN, SHOWN_TOO, tried([5, 6], [5, 6])],  # the idea would have gone wrong here
        [SHOWN, SHOWN_TOO, tried([5, 6], [6])],  # wrong in another way
    ],
)
def test_an_idea_is_not_reported_on_too_little_evidence(trials):
    assert one_apart_from_unclear(examined(trials)) is None


def test_an_attempt_gets_a_report_even_if_the_search_runs_out_of_time(monkeypatch):
    """The search for ideas stops, and the reader still gets the cases and the task."""
    assert examine(EXERCISE, in_order).correct
    two_cases = replace(EXERCISE, cases=lambda seed: (Case(([1, 2],)), Case(([3, 1, 2],))))
    assert examine(two_cases, lambda values: in_order(values, reverse=True)).kind == "misconception"
    monkeypatch.setattr(examination, "SEARCH", -1.0)
    report = examine(two_cases, lambda values: in_order(values, reverse=True))
    assert report.kind in ("differs", "reason"), "a reason that is found quickly may still be reported"
    assert not report.correct
    assert "[1, 2]" in repr(report)

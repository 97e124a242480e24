"""When a wrong idea is named although a few cases stay unexplained, and when there is too little evidence for it."""

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
    return sorted(values, reverse=reverse) if values or not reverse else values[0]  # reversed, an empty list raises


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
    """Return the trial of an attempt that gave `got` for a list to sort, or raised it."""
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
        ([SHOWN, SHOWN_TOO, RIGHT_EITHER_WAY, NO_RESULT], [NO_RESULT]),  # one has no result, two show the idea
        ([RAISED, SHOWN, RIGHT_EITHER_WAY, SHOWN_TOO, NO_RESULT], [RAISED, NO_RESULT]),
    ],
)
def test_an_idea_shown_by_two_cases_is_named_with_the_cases_it_leaves_open(trials, open_cases):
    found = one_apart_from_unclear(examined(trials))
    assert found.ideas == (BACKWARDS,)
    assert list(found.open) == open_cases


@pytest.mark.parametrize(
    "trials",
    [
        [SHOWN, RAISED],  # shown once
        [SHOWN, RIGHT_EITHER_WAY, RIGHT_EITHER_WAY, RAISED],  # results that are right anyway show nothing
        [SHOWN, SHOWN_TOO, NO_RESULT, NO_RESULT_TOO],  # as many have no result as show the idea
        [SHOWN, SHOWN_TOO, tried([5, 6], [5, 6])],  # the idea would have gone wrong here
        [SHOWN, SHOWN_TOO, tried([5, 6], [6])],  # wrong in another way
    ],
)
def test_an_idea_is_not_named_on_too_little_evidence(trials):
    assert one_apart_from_unclear(examined(trials)) is None


def test_an_attempt_gets_a_report_when_the_time_for_the_search_is_over(monkeypatch):
    """The search for ideas stops, and the reader still gets the cases and the task."""
    assert examine(EXERCISE, in_order).correct
    two_cases = replace(EXERCISE, cases=lambda seed: (Case(([1, 2],)), Case(([3, 1, 2],))))
    assert examine(two_cases, lambda values: in_order(values, reverse=True)).kind == "misconception"
    monkeypatch.setattr(examination, "SEARCH", -1.0)
    report = examine(two_cases, lambda values: in_order(values, reverse=True))
    assert report.kind in ("differs", "reason"), "what takes little time may still be reported"
    assert not report.correct
    assert "[1, 2]" in repr(report)

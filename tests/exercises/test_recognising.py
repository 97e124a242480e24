"""When a wrong idea is named, although a few odd cases stay open, and when there is too little to name it."""

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
    return sorted(values, reverse=reverse) if values or not reverse else values[0]  # backwards, none is too few


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
    """A list to sort, and what the attempt gave for it, or what it raised."""
    right, raised = sorted(values), isinstance(got, Exception)
    outcome = Outcome(error=got) if raised else Outcome(got)
    return Trial(Case((values,)), right, outcome, None if raised else find_difference(right, got))


def examined(trials):
    return Examination(EXERCISE, in_order, tuple(trials))


SHOWN, SHOWN_TOO = tried([1, 2], [2, 1]), tried([3, 1, 2], [3, 2, 1])
RIGHT_EITHER_WAY, RIGHT_ALONE = tried([4, 4], [4, 4]), tried([], [])  # of the last the idea would have made nothing
RAISED = tried([], IndexError("nothing in it"))
SILENT, SILENT_TOO = tried([], None), tried([], None)


@pytest.mark.parametrize(
    ("trials", "open_cases"),
    [
        ([SHOWN, SHOWN_TOO, RAISED, RIGHT_ALONE], [RAISED]),
        ([SHOWN, SHOWN_TOO, RIGHT_EITHER_WAY, SILENT], [SILENT]),  # one that is silent, against two that speak
        ([RAISED, SHOWN, RIGHT_EITHER_WAY, SHOWN_TOO, SILENT], [RAISED, SILENT]),
    ],
)
def test_an_idea_that_is_shown_twice_is_named_with_what_it_leaves_open(trials, open_cases):
    found = one_apart_from_unclear(examined(trials))
    assert found.ideas == (BACKWARDS,)
    assert list(found.open) == open_cases


@pytest.mark.parametrize(
    "trials",
    [
        [SHOWN, RAISED],  # shown once
        [SHOWN, RIGHT_EITHER_WAY, RIGHT_EITHER_WAY, RAISED],  # what is right anyway shows nothing
        [SHOWN, SHOWN_TOO, SILENT, SILENT_TOO],  # as many silent ones as speak
        [SHOWN, SHOWN_TOO, tried([5, 6], [5, 6])],  # the idea would have gone wrong here
        [SHOWN, SHOWN_TOO, tried([5, 6], [6])],  # wrong in another way
    ],
)
def test_an_idea_is_not_named_on_too_little(trials):
    assert one_apart_from_unclear(examined(trials)) is None


def test_an_attempt_without_a_known_reason_is_answered_when_the_time_is_over(monkeypatch):
    """No idea is looked for any longer, and the reader still gets the cases and the task."""
    assert examine(EXERCISE, in_order).correct
    two_cases = replace(EXERCISE, cases=lambda seed: (Case(([1, 2],)), Case(([3, 1, 2],))))
    assert examine(two_cases, lambda values: in_order(values, reverse=True)).kind == "misconception"
    monkeypatch.setattr(examination, "SEARCH", -1.0)
    report = examine(two_cases, lambda values: in_order(values, reverse=True))
    assert report.kind in ("differs", "reason"), "what is cheap may still be said"
    assert not report.correct
    assert "[1, 2]" in repr(report)

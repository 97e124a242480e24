"""`examine` runs a learner's attempt and says what is wrong with it, the most helpful thing first.

This module alone decides what comes first. The ladder has four flights: replies that need no run, replies that need no
reason, the reasons, and the replies that give a reason. The first step of a flight that has something to say ends
that flight.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from llmlib.exercises.engine import answers
from llmlib.exercises.engine.detecting import aliases, grids, infinity, influence, search
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.exercise import Exercise
from llmlib.exercises.engine.properties import explained
from llmlib.exercises.engine.reasons import Finding, Reason
from llmlib.exercises.engine.recognising import (
    one_apart_from_odd,
    one_exactly,
    one_guarded,
    two_apart_from_odd,
    two_exactly,
)
from llmlib.exercises.engine.repairing.search import repair
from llmlib.exercises.engine.report import Report
from llmlib.exercises.engine.running import load_meta, quietly
from llmlib.exercises.engine.slips import slip

Said = TypeVar("Said", Report, Reason)

BEFORE_ANY_CALL: tuple[Callable[[Examination], Report | None], ...] = (
    answers.nothing_given,  # someone who just runs the cell gets the task, not a complaint
    answers.no_function,
    answers.parts_of_a_module,  # they have to be there before `forward` can be called
)

WITHOUT_A_REASON: tuple[Callable[[Examination], Report | None], ...] = (
    answers.nothing_written,
    answers.no_end,  # there is no result to reason about
    answers.right_values,  # it is correct, unless a property is broken
)


def two_ideas(e: Examination) -> Reason | None:
    """Find two misconceptions that explain every case, unless a single cause explains them all.

    Two ideas can have the same effect as one step (layers in the other order and queries swapped with keys give the
    expected result transposed), and a result that does not depend on the input can look like any two.
    """
    if influence.idle(e) or not (two := two_exactly(e)):
        return None
    return search.one_step(e) or edit(e) or two


def one_idea_apart_from_odd_cases(e: Examination) -> Reason | None:
    return None if influence.always_the_same(e) else one_apart_from_odd(e)


def looked_into(e: Examination) -> Reason | None:
    """Ask the exercise's own probes why the wrong cases are wrong."""
    broken = explained(e)
    return Reason(finding=Finding(f"property: {broken.says}", broken.found)) if broken else None


def edit(e: Examination) -> Reason | None:
    """Find the one change to the code that makes all cases right."""
    repaired = repair(e)
    return Reason(repair=repaired) if repaired else None


def edit_where_it_raises(e: Examination) -> Reason | None:
    first = next((trial for trial in e.trials if trial.outcome.error), None)
    return None if first is None or slip(e, first) else edit(e)  # the cure that an exception gives away comes first


def edit_where_it_runs(e: Examination) -> Reason | None:
    return None if e.raised else edit(e)


def two_ideas_apart_from_odd_cases(e: Examination) -> Reason | None:
    return two_apart_from_odd(e) if e.of_the_right_kind else None


REASONS: tuple[Callable[[Examination], Reason | None], ...] = (
    one_exactly,  # nothing is surer: the idea gives the same result in every case, exceptions included
    looked_into,  # an exercise that can look into the attempt itself knows more than what its results show
    infinity.infinities,  # before two ideas: if only infinities are wrong, each case is odd, and many ideas fit those
    two_ideas,  # what explains everything comes before what leaves something open
    one_idea_apart_from_odd_cases,  # people may write the same idea in their own way
    aliases.no_copy,  # a changed input spoils whatever would be computed from it
    edit_where_it_raises,  # there are few results to compute with, so we try the code first
    search.step_from_the_result,  # it says what the result is, and costs less than an edit, with its many programs
    search.changed_argument,  # after the result: many a shifted argument gives a shifted result
    search.step_from_one_of_the_results,  # after the two that explain all results at once
    grids.coarse,  # a change of the grid can make all of these cases right, and no others
    edit_where_it_runs,  # tried on all cases, and so surer than everything below
    aliases.changed_input,  # true, and what is computed from it looks like many an idea
    search.likely_finding,  # one cause is likelier than a guarded idea, or than two at once
    one_guarded,  # an idea, though the attempt is right in some spots where the idea would be wrong
    two_ideas_apart_from_odd_cases,
    search.idea_and_step,  # a step fits more easily than an idea, so it comes after two of those
    search.sign,  # true, but not a reason yet: better than nothing
)

WITH_THE_REASON: tuple[Callable[[Examination, Reason], Report | None], ...] = (
    answers.an_exception,  # the learner sees it first as well; the reason comes with it
    answers.another_form,  # no value can be compared before type, shape and dtype are right
    answers.the_reason,
    answers.a_property,  # after the reason: a broken property is often a consequence
    answers.that_it_differs,  # and where, if that can be said
)


def examine(exercise: Exercise, attempt: Any, seed: int = 0, seconds: float = 5.0) -> Report:
    """Report on an attempt at any exercise, even one outside the lessons; the reader's progress stays as it is."""
    given = Examination(exercise, attempt, seed=seed, seconds=seconds)
    if answer := _first(BEFORE_ANY_CALL, given):
        return answer
    function = exercise.as_function(attempt)
    load_meta(function)
    tried = replace(given, attempt=function).tried()
    if answer := _first(WITHOUT_A_REASON, tried):
        return answer
    with quietly():
        reason = _first(REASONS, tried.tried_again()) or Reason()
    return next(answer for step in WITH_THE_REASON if (answer := step(tried, reason)))


def _first(steps: tuple[Callable[[Examination], Said | None], ...], e: Examination) -> Said | None:
    return next((said for step in steps if (said := step(e))), None)

"""`examine` runs a learner's attempt and returns the most helpful reply to it.

Only this module decides which reply comes first. It tries four lists of steps: replies that are possible before the
attempt is run, replies that need no reason, the reasons themselves (diagnoses of what went wrong), and replies that
state a reason. In each list, the first step that finds something wins.
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
    one_apart_from_unclear,
    one_exactly,
    one_guarded,
    two_apart_from_unclear,
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
    answers.parts_of_a_module,  # a module needs its parts before we can call `forward`
)

WITHOUT_A_REASON: tuple[Callable[[Examination], Report | None], ...] = (
    answers.nothing_written,
    answers.no_end,  # there is no result to reason about
    answers.right_values,  # the attempt is correct, unless it breaks a property
)


def two_ideas(e: Examination) -> Reason | None:
    """Find two misconceptions that together explain every case, unless a single cause explains every case.

    Two misconceptions can have the same effect as a single step: for example, an attempt that reverses the order of the
    layers and also swaps queries and keys returns the expected result transposed. A result that does not depend on the
    input can also seem to fit any two misconceptions.
    """
    if influence.idle(e) or not (two := two_exactly(e)):
        return None
    return search.one_step(e) or edit(e) or two


def one_idea_apart_from_unclear_cases(e: Examination) -> Reason | None:
    return None if influence.always_the_same(e) else one_apart_from_unclear(e)


def looked_into(e: Examination) -> Reason | None:
    """Use the exercise's own probes to find out why the failing cases fail."""
    broken = explained(e)
    return Reason(finding=Finding(f"property: {broken.says}", broken.found)) if broken else None


def edit(e: Examination) -> Reason | None:
    """Find a single change to the code that makes all cases pass."""
    repaired = repair(e)
    return Reason(repair=repaired) if repaired else None


def edit_where_it_raises(e: Examination) -> Reason | None:
    first = next((trial for trial in e.trials if trial.outcome.error), None)
    return None if first is None or slip(e, first) else edit(e)  # a fix that the exception suggests comes first


def edit_where_it_runs(e: Examination) -> Reason | None:
    return None if e.raised else edit(e)


def two_ideas_apart_from_unclear_cases(e: Examination) -> Reason | None:
    return two_apart_from_unclear(e) if e.of_the_right_kind else None


REASONS: tuple[Callable[[Examination], Reason | None], ...] = (
    one_exactly,  # the surest reason: the idea leads to the attempt's result in every case, exceptions included
    looked_into,  # an exercise's own probe examines the attempt itself, and not only its results
    infinity.infinities,  # before two ideas: if only infinities are wrong, many ideas fit
    two_ideas,  # two ideas that explain every case come before one idea that leaves cases unexplained
    one_idea_apart_from_unclear_cases,  # people may write the same idea in their own way
    aliases.no_copy,  # a changed input spoils whatever we would compute from it
    edit_where_it_raises,  # there are few results to reason from, so we try changing the code first
    search.step_from_the_result,  # describes the result, and takes less time than trying many edits
    search.changed_argument,  # after `step_from_the_result`: a shifted argument often leads to a shifted result
    search.step_from_one_of_the_results,  # after the two steps that explain all results at once
    grids.coarse,  # before the edits: an edit that changes the grid may make these cases pass, but no others
    edit_where_it_runs,  # surer than everything below, since we try each edit on all cases
    aliases.changed_input,  # the effects of a changed input can look like various ideas
    search.likely_finding,  # one cause is likelier than a guarded idea, or than two ideas at once
    one_guarded,  # the attempt is right in some positions where the idea would be wrong
    two_ideas_apart_from_unclear_cases,
    search.idea_and_step,  # comes after two ideas, since a step fits by chance more easily than an idea
    search.sign,  # true, but not yet a reason: better than no explanation
)

WITH_THE_REASON: tuple[Callable[[Examination, Reason], Report | None], ...] = (
    answers.an_exception,  # the exception comes first, as it does when learners run their code; the reason follows
    answers.another_form,  # values can only be compared when type, shape and dtype are right
    answers.the_reason,
    answers.a_property,  # after the reason: the same mistake often breaks a property, too
    answers.that_it_differs,  # also says where, if we can tell
)


def examine(exercise: Exercise, attempt: Any, seed: int = 0, seconds: float = 5.0) -> Report:
    """Report on an attempt at any exercise, even one outside the lessons, without changing the learner's progress."""
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

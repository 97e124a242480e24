"""Make the possible replies to an attempt: each function returns one reply, or None if that reply does not apply.

`checking` decides in which order to try these functions.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from llmlib.exercises.engine.comparing import float_dtypes
from llmlib.exercises.engine.describing import describe
from llmlib.exercises.engine.detecting.influence import ANOTHER_TYPE
from llmlib.exercises.engine.detecting.search import where
from llmlib.exercises.engine.errors import has_loop, name_of, their_line
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.modules import BLANK, OnWeights
from llmlib.exercises.engine.properties import GENERAL, broken_property, explained, remarks
from llmlib.exercises.engine.reasons import Reason
from llmlib.exercises.engine.report import Part, Prose, Report
from llmlib.exercises.engine.running import Outcome, quietly, run_our_own
from llmlib.exercises.engine.trials import Trial, kept_cases, same_outcome
from llmlib.exercises.engine.wording import around, error_parts, line_of

PARTS_ARE_RIGHT = "The module's parts are right. `forward` comes next."
OTHER_PRECISION = {  # (expected, got)
    (torch.float64, torch.float32): "For float64 inputs, your result is float32, which is less precise. "
    "`dtype=x.dtype` keeps the input's dtype.",
    (torch.float32, torch.float64): "For float32 inputs, your result is float64, and torch does not multiply matrices "
    "of different dtypes. `.to(x.dtype)` converts the result back.",
}


def nothing_given(e: Examination) -> Report | None:
    return _not_attempted(e) if e.attempt is None or e.attempt is ... else None


def no_function(e: Examination) -> Report | None:
    if callable(e.attempt):
        return None
    text = f"`check` needs your function itself, but got {describe(e.attempt)}."
    call = f'check("{e.exercise.name}", {e.exercise.own.__name__})'
    return Report("form", e.exercise.name, text, (Prose(f"Pass the function without brackets: `{call}`."),))


def parts_of_a_module(e: Examination) -> Report | None:
    """Say what is still wrong with a module's parts before we call the module."""
    blueprint = e.exercise.blueprint
    if blueprint is None or not isinstance(e.attempt, type):
        return None
    with quietly():
        troubles = [blueprint.trouble(e.attempt, case.args) for case in kept_cases(e.exercise, e.seed)]
    if BLANK in troubles:
        return _not_attempted(e)
    if not any(troubles):
        return None
    parts = (Prose(next(filter(None, troubles))), Prose(e.exercise.task, "The task:"))
    return Report("form", e.exercise.name, "Not yet: some parts of your module are missing or wrong.", parts)


def nothing_written(e: Examination) -> Report | None:
    if e.stopped is None or e.stopped.outcome.timed_out:
        return None
    return _not_attempted(e, PARTS_ARE_RIGHT * isinstance(e.attempt, OnWeights))


def _not_attempted(e: Examination, done: str = "") -> Report:
    text = f"{e.exercise.task} (About {e.exercise.minutes} minutes.)"
    more = f'Replace the `...` and run the cell again. If you get stuck, `hint("{e.exercise.name}")` helps.'
    return Report("not attempted", e.exercise.name, done or "Not attempted yet.", (Prose(text), Prose(more)))


def no_end(e: Examination) -> Report | None:
    if e.stopped is None:
        return None
    ends = (
        "Does the condition of each loop become false at some point? Does each pass through the loop change something?"
    )
    no_end = "Your function has no loop. Does it call itself, or a slow function? If not, run the cell again."
    parts = [*line_of(e, e.stopped), Prose(ends if has_loop(e.attempt) else no_end)]
    heading = f"Stopped: no result after {e.seconds:g} seconds."
    return Report("timeout", e.exercise.name, heading, (*parts, *around(e, e.stopped)))


def right_values(e: Examination) -> Report | None:
    """Report that all values are right, or name a property that the attempt breaks.

    An error that is due only to mixed precisions is forgiven.
    """
    fixed = bool(e.wrong) and all(map(_mixes_precisions, e.wrong))
    if e.wrong and not fixed:
        return None
    right = e.of(t for t in e.trials if not t.wrong)
    return a_property(right) or _correct(right, fixed)


def _mixes_precisions(trial: Trial) -> bool:
    """Return whether torch refused to multiply float64 inputs by float32 tensors that the attempt creates."""
    if type(trial.outcome.error) is not RuntimeError or "float64" not in trial.case.note:
        return False
    says = str(trial.outcome.error).lower()
    return "double" in says and "float" in says.replace("double", "")


def _correct(e: Examination, fixed: bool) -> Report:
    parts: list[Part] = [Prose(e.exercise.deepens)]
    if fixed:
        text = (
            "For float64 inputs, your function raises an error, because one of the tensors that it makes is float32. "
            "Make that tensor with `dtype=x.dtype`."
        )
        parts.append(Prose(text, "A remark:"))
    changed = set().union(*(float_dtypes(t.expected, t.got) for t in e.trials))
    parts += [Prose(text, "A remark:") for dtypes, text in OTHER_PRECISION.items() if dtypes in changed]
    parts += [Prose(found, "A remark:") for found in remarks(e)]
    return Report("correct", e.exercise.name, f"Correct, in all {len(e.trials)} cases.", tuple(parts))


def an_exception(e: Examination, reason: Reason) -> Report | None:
    trial = next((t for t in e.trials if t.outcome.error), None)
    if trial is None or trial.outcome.error is None:
        return None
    beside = any(t is trial for t in reason.open)  # the reason explains other cases, but not this one
    case, *rest = around(e, trial)
    parts = [*error_parts(e, trial, known=bool(reason) and not beside), *_zeros(e, trial)]
    if beside:
        parts += [case, Prose("In other cases, something else is wrong:"), *replace(reason, open=()).parts, *rest]
    else:
        parts += [*reason.parts, case]
        if not reason and (broken := broken_property(e.of(t for t in e.trials if not t.outcome.error))):
            parts.append(Prose(f"In other cases, something else is wrong: {broken.found}"))
        parts += rest
    heading = f"Your function raised `{name_of(trial.outcome.error).rstrip('.')}`."
    return Report("raised", e.exercise.name, heading, tuple(parts), reason.names, reason.findings)


def _zeros(e: Examination, trial: Trial) -> list[Part]:
    """Say which arguments are 0 in a line that divides by them."""
    error = trial.outcome.error
    line = their_line(error, e.attempt) if isinstance(error, ZeroDivisionError) else None
    if line is None:
        return []
    named = zip(e.exercise.argument_names, trial.case.args)
    zeros = [f"`{name}`" for name, value in named if type(value) in (int, float) and value == 0]
    divisors = [name for name in zeros if re.search(rf"[/%][^,]*\b{name.strip('`')}\b", line[1])]
    be = "is" if len(divisors) == 1 else "are"
    return [Prose(f"In this case, {' and '.join(divisors)} {be} 0.")] if divisors else []


def another_form(e: Examination, reason: Reason) -> Report | None:
    other = [t for t in e.trials if t.difference and t.difference.what == "form"]
    trial = next((t for t in other if _shows_all(e, reason, t)), next(iter(other), None))
    if trial is None or trial.difference is None:
        return None
    known = bool(reason) and ANOTHER_TYPE not in reason.findings
    heading = f"Not yet{', and here is the reason' if known else ': the result has the wrong type, shape or dtype'}."
    advice = () if known else trial.difference.advice
    parts = (*trial.difference.parts, *reason.parts, *advice, *around(e, trial))
    return Report("form", e.exercise.name, heading, parts, reason.names, reason.findings)


def _shows_all(e: Examination, reason: Reason, trial: Trial) -> bool:
    """Return whether each idea on its own leads to a wrong result in this case, so that the case reveals them all."""
    right = Outcome(trial.expected)
    alone = [partial(e.exercise.faulty, **idea.faults) for idea in reason.ideas]
    return all(not same_outcome(right, run_our_own(faulty, trial.case.args)) for faulty in alone)


def the_reason(e: Examination, reason: Reason) -> Report | None:
    if not reason:
        return None
    heading = "Not yet, but close: this looks familiar." if reason.names else "Not yet, and here is the reason."
    if len(reason.names) + len(reason.findings) > 1:
        heading = "Not yet: there are two mistakes at once."
    seen = explained(e, beside=True) if reason.names else None
    looks = (Prose(seen.found),) if seen else ()
    parts = (*reason.parts, *looks, *_difference(e.wrong[0]), *around(e, e.wrong[0]))
    kind = "misconception" if reason.names else "reason"
    return Report(kind, e.exercise.name, heading, parts, reason.names, reason.findings)


def a_property(e: Examination, _reason: Reason | None = None) -> Report | None:
    broken = broken_property(e)
    if broken is None:
        return None
    beside = broken.says not in GENERAL and not broken.trial.wrong  # the sentence already gives numbers
    caption = "A case in which your result is correct" if beside else "The case"
    parts = (Prose(broken.says, "Should hold:"), Prose(broken.found), *around(e, broken.trial, caption))
    name = f"property: {broken.says}"
    return Report("property", e.exercise.name, "Not yet: your function breaks a rule.", parts, (), (name,))


def that_it_differs(e: Examination, _reason: Reason) -> Report:
    trial = next(t for t in e.trials if t.difference)
    differ = "is wrong" if len(e.wrong) == 1 else "are wrong"
    heading = f"Not yet: {len(e.wrong)} of {len(e.trials)} results {differ}. Here is the smallest case."
    lead = where(e) or Reason()
    parts = (*lead.parts, *_difference(trial), *around(e, trial))
    return Report("differs", e.exercise.name, heading, parts, (), lead.findings)


def _difference(trial: Trial) -> Sequence[Part]:
    return trial.difference.parts if trial.difference else ()

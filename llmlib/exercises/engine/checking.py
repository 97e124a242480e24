"""`examine`: runs a learner's attempt and says what is the matter with it, the most helpful thing first.

The order: not attempted, no function, no end, raised, another type or shape or dtype, a reason (see `reasoning`), a
broken property, another value, correct. A reason that is known is told along with an exception or another form as
well.
"""

import dis
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from llmlib.exercises.engine.comparing import find_difference, float_dtypes
from llmlib.exercises.engine.describing import describe
from llmlib.exercises.engine.detecting import ANOTHER_TYPE
from llmlib.exercises.engine.errors import code_of, has_loop, name_of, their_line
from llmlib.exercises.engine.exercise import Case, Exercise
from llmlib.exercises.engine.modules import BLANK, OnWeights
from llmlib.exercises.engine.properties import broken_property, remarks
from llmlib.exercises.engine.reasoning import Reason, find_lead, find_reason
from llmlib.exercises.engine.report import Part, Prose, Report
from llmlib.exercises.engine.running import Outcome, load_meta, quietly, run
from llmlib.exercises.engine.trials import Trial, expected_of, kept_cases
from llmlib.exercises.engine.wording import around, error_parts, line_of

PARTS_ARE_RIGHT = "Its parts are right. `forward` comes next."
QUICK = 0.5  # seconds for a call that only serves to find the reason


def examine(exercise: Exercise, attempt: Any, seed: int = 0, seconds: float = 5.0) -> Report:
    """What there is to say on an attempt, for an exercise of any origin; it leaves no trace in anybody's progress."""
    if attempt is None or attempt is ...:
        return _not_attempted(exercise)
    if not callable(attempt):
        text = f"`check` needs your function itself, and got {describe(attempt)}."
        call = f'check("{exercise.name}", {exercise.own.__name__})'
        return Report("form", exercise.name, text, (Prose(f"Give it without brackets: `{call}`."),))

    if exercise.blueprint and isinstance(attempt, type):
        unbuilt = _unbuilt(exercise, attempt, seed)
        if unbuilt:
            return unbuilt
        attempt = exercise.as_function(attempt)

    load_meta(attempt)
    trials = []
    for case in kept_cases(exercise, seed):
        outcome = run(attempt, case.args, seconds)
        if isinstance(outcome.error, NotImplementedError) or _is_stub(attempt, outcome):
            return _not_attempted(exercise, PARTS_ARE_RIGHT * isinstance(attempt, OnWeights))
        if outcome.timed_out:
            return _timed_out(exercise, attempt, case, outcome, seconds)
        trials.append(_trial(exercise, case, outcome))

    wrong = [t for t in trials if t.wrong]
    fixed = bool(wrong) and all(map(_mixes_precisions, wrong))  # right, but with tensors of its own in float32
    if fixed:
        trials = [t for t in trials if not t.wrong]
    if not any(t.wrong for t in trials):
        return _broken_property(exercise, attempt, trials, seconds) or _correct(
            exercise, attempt, trials, seconds, fixed
        )
    with quietly():
        reason = find_reason(exercise, attempt, [*trials, *_another_draw(exercise, attempt, seed + 1)])
    return (
        _raised(exercise, attempt, trials, reason, seconds)
        or _another_form(exercise, trials, reason)
        or _reason(exercise, trials, reason)
        or _broken_property(exercise, attempt, trials, seconds)
        or _differs(exercise, trials)
    )


def _trial(exercise: Exercise, case: Case, outcome: Outcome) -> Trial:
    expected = expected_of(exercise, case)
    difference = None if outcome.error else find_difference(expected, outcome.value, exercise.axes)
    return Trial(case, expected, outcome, difference)


def _another_draw(exercise: Exercise, attempt: Callable[..., Any], seed: int) -> Iterator[Trial]:
    """The cases with other numbers: a reason that holds for one draw alone is chance, and is not told."""
    for case in kept_cases(exercise, seed):
        outcome = run(attempt, case.args, QUICK)
        if outcome.timed_out:
            return
        yield _trial(exercise, case, outcome)


def _mixes_precisions(trial: Trial) -> bool:
    """Whether float64 inputs met tensors of the attempt's own in float32, which torch refuses to multiply."""
    if type(trial.outcome.error) is not RuntimeError or "float64" not in trial.case.note:
        return False
    says = str(trial.outcome.error).lower()
    return "double" in says and "float" in says.replace("double", "")


def _not_attempted(exercise: Exercise, done: str = "") -> Report:
    text = f"{exercise.task} (About {exercise.minutes} minutes.)"
    more = f'Replace the `...`, run the cell again; `hint("{exercise.name}")` helps.'
    return Report("not attempted", exercise.name, done or "Not attempted yet.", (Prose(text), Prose(more)))


def _unbuilt(exercise: Exercise, written: type, seed: int) -> Report | None:
    """What is still wrong with the parts of a module, before it is called."""
    assert exercise.blueprint is not None
    with quietly():
        told = [exercise.blueprint.trouble(written, case.args) for case in kept_cases(exercise, seed)]
    if BLANK in told:
        return _not_attempted(exercise)
    if not any(told):
        return None
    parts = (Prose(next(filter(None, told))), Prose(exercise.task, "The task:"))
    return Report("form", exercise.name, "Not yet: the module's parts are not what they should be.", parts)


def _is_stub(attempt: Callable[..., Any], outcome: Outcome) -> bool:
    """Whether the function does nothing: it returns `...`, or None from a body of `...`, `pass` or a docstring."""
    if outcome.error:
        return False
    if outcome.value is ...:
        return True
    code = code_of(attempt)
    if outcome.value is not None or code is None:
        return False
    idle = {"RESUME", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "NOP", "POP_TOP", "CACHE", "COPY_FREE_VARS"}
    return all(step.opname in idle for step in dis.get_instructions(code))


def _timed_out(exercise: Exercise, attempt: Any, case: Case, outcome: Outcome, seconds: float) -> Report:
    ends = "Does the condition of each loop become false at some time? Does each turn change something?"
    no_end = "There is no loop in your function. Does it call itself, or something that takes long? Else run it again."
    parts = [*line_of(outcome, attempt), Prose(ends if has_loop(attempt) else no_end)]
    heading = f"Stopped: no result after {seconds:g} seconds."
    return Report("timeout", exercise.name, heading, (*parts, *around(exercise, case, outcome)))


def _zeros(exercise: Exercise, attempt: Any, trial: Trial) -> list[Part]:
    """Which arguments are the 0 that the line divides by."""
    error = trial.outcome.error
    line = their_line(error, attempt) if isinstance(error, ZeroDivisionError) else None
    if line is None:
        return []
    named = zip(exercise.argument_names, trial.case.args)
    zeros = [f"`{name}`" for name, value in named if type(value) in (int, float) and value == 0]
    divisors = [name for name in zeros if re.search(rf"[/%][^,]*\b{name.strip('`')}\b", line[1])]
    be = "is" if len(divisors) == 1 else "are"
    return [Prose(f"In this case {' and '.join(divisors)} {be} 0.")] if divisors else []


def _raised(exercise: Exercise, attempt: Any, trials: Sequence[Trial], reason: Reason, seconds: float) -> Report | None:
    trial = next((t for t in trials if t.outcome.error), None)
    if trial is None or trial.outcome.error is None:
        return None
    error = trial.outcome.error
    beside = any(t is trial for t in reason.open)  # the reason is one for other cases
    case, *rest = _around(exercise, trial)
    parts = [*error_parts(exercise, attempt, trial.outcome, () if beside else reason)]
    parts += _zeros(exercise, attempt, trial)
    if beside:
        parts += [case, Prose("And in other cases:"), *replace(reason, open=()).parts, *rest]
    else:
        parts += [*reason.parts, case]
        heard = [t for t in trials if not t.outcome.error]
        if not reason and (broken := broken_property(exercise, attempt, heard, seconds)):
            parts.append(Prose(f"And in other cases: {broken.found}"))
        parts += rest
    heading = f"Your function raised `{name_of(error).rstrip('.')}`."
    return Report("raised", exercise.name, heading, tuple(parts), reason.names, reason.findings)


def _another_form(exercise: Exercise, trials: Sequence[Trial], reason: Reason) -> Report | None:
    trial = next((t for t in trials if t.difference and t.difference.what == "form"), None)
    if trial is None or trial.difference is None:
        return None
    heading = "Not yet: the result is of another type, shape or dtype."
    advice = () if reason and ANOTHER_TYPE not in reason.findings else trial.difference.advice
    parts = (*trial.difference.parts, *reason.parts, *advice, *_around(exercise, trial))
    return Report("form", exercise.name, heading, parts, reason.names, reason.findings)


def _reason(exercise: Exercise, trials: Sequence[Trial], reason: Reason) -> Report | None:
    if not reason:
        return None
    trial = next(t for t in trials if t.wrong)
    number = len(reason.names) + len(reason.findings)
    heading = "Not yet, and close: this looks familiar." if reason.names else "Not yet, and here is the reason."
    heading = heading if number == 1 else "Not yet: two things at once."
    difference = trial.difference.parts if trial.difference else ()
    parts = (*reason.parts, *difference, *_around(exercise, trial))
    kind = "misconception" if reason.names else "reason"
    return Report(kind, exercise.name, heading, parts, reason.names, reason.findings)


def _around(exercise: Exercise, trial: Trial) -> list[Part]:
    return around(exercise, trial.case, trial.outcome)


def _broken_property(exercise: Exercise, attempt: Any, trials: Sequence[Trial], seconds: float) -> Report | None:
    broken = broken_property(exercise, attempt, trials, seconds)
    if broken is None:
        return None
    parts = (Prose(broken.says, "Should hold:"), Prose(broken.found), *_around(exercise, broken.trial))
    name = f"property: {broken.says}"
    return Report("property", exercise.name, "Not yet: a property is broken.", parts, (), (name,))


def _differs(exercise: Exercise, trials: Sequence[Trial]) -> Report:
    trial = next(t for t in trials if t.difference)
    wrong = sum(t.wrong for t in trials)
    differ = "differs" if wrong == 1 else "differ"
    heading = f"Not yet: {wrong} of {len(trials)} cases {differ}. Here is the smallest."
    lead = find_lead(exercise, trials)
    difference = trial.difference.parts if trial.difference else ()
    parts = (*lead.parts, *difference, *_around(exercise, trial))
    return Report("differs", exercise.name, heading, parts, (), lead.findings)


OTHER_PRECISION = {  # (expected, got)
    (torch.float64, torch.float32): "For float64 inputs your result is float32, and so less exact. `dtype=x.dtype` "
    "keeps the input's.",
    (torch.float32, torch.float64): "For float32 inputs your result is float64. torch will not multiply the two; "
    "`.to(x.dtype)` turns it back.",
}


def _correct(exercise: Exercise, attempt: Any, trials: Sequence[Trial], seconds: float, fixed: bool) -> Report:
    parts: list[Part] = [Prose(exercise.deepens)]
    if fixed:
        text = "For float64 inputs it raises, since a tensor of your own is float32. Make it with `dtype=x.dtype`."
        parts.append(Prose(text, "A remark:"))
    changed = set().union(*(float_dtypes(t.expected, t.got) for t in trials))
    parts += [Prose(text, "A remark:") for dtypes, text in OTHER_PRECISION.items() if dtypes in changed]
    parts += [Prose(found, "A remark:") for found in remarks(exercise, attempt, trials, seconds)]
    return Report("correct", exercise.name, f"Correct, in all {len(trials)} cases.", tuple(parts))

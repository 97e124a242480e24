"""`examine`: runs a learner's attempt and says what is the matter with it, the most helpful thing first.

The order: not attempted, no function, no end, raised, another type or shape or dtype, a known misconception (or
two at once), a broken property, another value, correct.
"""

import dis
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from llmlib.exercises.engine.comparing import Difference, describe, equal, find_difference, kind
from llmlib.exercises.engine.errors import name_of, their_line, usual_cause
from llmlib.exercises.engine.exercise import Case, Exercise, Misconception, NoValue, with_faults
from llmlib.exercises.engine.report import Code, Part, Prose, Report, Table
from llmlib.exercises.engine.running import Outcome, duplicate, run, run_our_own, same


@dataclass(frozen=True)
class Trial:
    """One case, what the reference gave for it, what the attempt came to, and how the two differ."""

    case: Case
    expected: Any
    outcome: Outcome
    difference: Difference | None

    @property
    def wrong(self) -> bool:
        return self.outcome.error is not None or self.difference is not None


def examine(exercise: Exercise, attempt: Any, seed: int = 0, seconds: float = 5.0) -> Report:
    """What there is to say on an attempt, for an exercise of any origin; it leaves no trace in anybody's progress."""
    if attempt is None or attempt is ...:
        return _not_attempted(exercise)
    if not callable(attempt):
        text = f"`check` needs your function itself, and got {describe(attempt)}."
        call = f'check("{exercise.name}", {exercise.reference.__name__})'
        return Report("form", exercise.name, text, (Prose(f"Give it without brackets: `{call}`."),))

    trials = []
    for case in both_precisions(exercise.cases(seed), exercise.double):
        outcome = run(attempt, case.args, seconds)
        if isinstance(outcome.error, NotImplementedError) or _is_stub(attempt, outcome):
            return _not_attempted(exercise)
        if outcome.timed_out:
            return _timed_out(exercise, attempt, case, outcome, seconds)
        expected = exercise.reference(*duplicate(case.args))
        difference = None if outcome.error else find_difference(expected, outcome.value, exercise.axes)
        trials.append(Trial(case, expected, outcome, difference))

    ideas = recognise(exercise, trials)
    return (
        _raised(exercise, attempt, trials, ideas)
        or _another_form(exercise, trials, ideas)
        or _misconception(exercise, trials, ideas)
        or _broken_property(exercise, attempt, trials, seconds)
        or _differs(exercise, trials)
        or _correct(exercise, attempt, trials, seconds)
    )


def both_precisions(cases: Sequence[Case], double: bool = True) -> list[Case]:
    """The cases in float32, then those with floating-point tensors once more in float64."""
    single = [Case(tuple(_as_dtype(a, torch.float32) for a in case.args), case.note) for case in cases]
    if not double:
        return single
    twice = [Case(tuple(_as_dtype(a, torch.float64) for a in case.args), case.note) for case in cases]
    changed = [d for s, d in zip(single, twice) if not same(s.args, d.args)]
    return single + [Case(case.args, f"{case.note}; float64".removeprefix("; ")) for case in changed]


def _as_dtype(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if type(value) in (list, tuple):
        return type(value)(_as_dtype(item, dtype) for item in value)
    return value


def recognise(exercise: Exercise, trials: Sequence[Trial]) -> tuple[Misconception, ...]:
    """The misconception, or the two, that give what the attempt gave in all cases; empty if none do."""
    telling = sorted((t for t in trials if t.wrong), key=lambda t: t.outcome.error is not None)
    if not telling:
        return ()
    others = [t for t in trials if not t.wrong]
    for ideas in exercise.ideas():
        faulty = with_faults(exercise, ideas)
        if all(_same_outcome(run_our_own(faulty, t.case.args), t.outcome) for t in (*telling, *others)):
            return ideas
    return ()


def _same_outcome(a: Outcome, b: Outcome) -> bool:
    if a.error or b.error:
        return type(a.error) is type(b.error)
    return equal(a.value, b.value)


def _not_attempted(exercise: Exercise) -> Report:
    text = f"{exercise.task} (About {exercise.minutes} minutes.)"
    more = f'Replace the `...`, run the cell again; `hint("{exercise.name}")` helps.'
    return Report("not attempted", exercise.name, "Not attempted yet.", (Prose(text), Prose(more)))


def _is_stub(attempt: Callable[..., Any], outcome: Outcome) -> bool:
    """Whether the function does nothing: it returns `...`, or None from a body of `...`, `pass` or a docstring."""
    if outcome.error:
        return False
    if outcome.value is ...:
        return True
    code = getattr(attempt, "__code__", None)
    if outcome.value is not None or code is None:
        return False
    idle = {"RESUME", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "NOP", "POP_TOP", "CACHE", "COPY_FREE_VARS"}
    return all(step.opname in idle for step in dis.get_instructions(code))


def _timed_out(exercise: Exercise, attempt: Any, case: Case, outcome: Outcome, seconds: float) -> Report:
    parts = _line(outcome, attempt)
    parts += [Prose("Does the condition of each loop become false at some time? Does each turn change something?")]
    heading = f"Stopped: no result after {seconds:g} seconds."
    return Report("timeout", exercise.name, heading, (*parts, *_inputs(exercise, case), *_printed(outcome)))


def _raised(
    exercise: Exercise, attempt: Any, trials: Sequence[Trial], ideas: tuple[Misconception, ...]
) -> Report | None:
    trial = next((t for t in trials if t.outcome.error), None)
    if trial is None or trial.outcome.error is None:
        return None
    error = trial.outcome.error
    parts = _line(trial.outcome, attempt)
    if cause := usual_cause(error):
        parts.append(Prose(cause, "The usual cause:"))
    if isinstance(error, TypeError) and "argument" in str(error):
        parts.append(Prose(f"It is called with {', '.join(f'`{a}`' for a in exercise.argument_names)}, in this order."))
    parts += _advice(ideas)
    more = (*parts, *_inputs(exercise, trial.case), *_printed(trial.outcome))
    return Report("raised", exercise.name, f"Your function raised `{name_of(error).rstrip('.')}`.", more, _names(ideas))


def _another_form(exercise: Exercise, trials: Sequence[Trial], ideas: tuple[Misconception, ...]) -> Report | None:
    trial = next((t for t in trials if t.difference and t.difference.what == "form"), None)
    if trial is None or trial.difference is None:
        return None
    heading = "Not yet: the result is of another type, shape or dtype."
    parts = (*trial.difference.parts, *_advice(ideas), *_inputs(exercise, trial.case), *_printed(trial.outcome))
    return Report("form", exercise.name, heading, parts, _names(ideas))


def _misconception(exercise: Exercise, trials: Sequence[Trial], ideas: tuple[Misconception, ...]) -> Report | None:
    if not ideas:
        return None
    trial = next(t for t in trials if t.wrong)
    heading = "Not yet, and close: this looks familiar." if len(ideas) == 1 else "Not yet: two things at once."
    difference = trial.difference.parts if trial.difference else ()
    parts = (*_advice(ideas), *difference, *_inputs(exercise, trial.case), *_printed(trial.outcome))
    return Report("misconception", exercise.name, heading, parts, _names(ideas))


def _broken_property(exercise: Exercise, attempt: Any, trials: Sequence[Trial], seconds: float) -> Report | None:
    for says, broken in _general_properties(exercise, attempt, seconds):
        for trial in trials:
            if found := broken(trial):
                return _property_report(exercise, says, found, trial)
    for probe in exercise.probes:
        if not probe.remark:
            for trial in trials:
                if found := _probe(probe.broken, attempt, trial.case, seconds):
                    return _property_report(exercise, probe.says, found, trial)
    return None


def _general_properties(
    exercise: Exercise, attempt: Any, seconds: float
) -> list[tuple[str, Callable[[Trial], str | None]]]:
    """What holds for every exercise."""

    def unchanged(trial: Trial) -> str | None:
        names = [exercise.argument_names[i] for i in trial.outcome.changed]
        return f"Your function changes its input {' and '.join(f'`{n}`' for n in names)}; work on a copy." * bool(names)

    def undisturbed(trial: Trial) -> str | None:
        names = " and ".join(trial.outcome.disturbed)
        return f"Your function draws from the global random state of {names}. There is no chance in this." * bool(names)

    def repeatable(trial: Trial) -> str | None:
        if not trial.wrong or equal(trial.outcome.value, run(attempt, trial.case.args, seconds).value):
            return None
        return "Called twice with the same input, your function gives two results. Does it remember something?"

    return [
        ("The inputs stay as they are.", unchanged),
        ("No global randomness is used.", undisturbed),
        ("The same input gives the same result.", repeatable),
    ]


def _probe(
    broken: Callable[[Callable[..., Any], Case], str | None], attempt: Any, case: Case, seconds: float
) -> str | None:
    def call(*args: Any) -> Any:
        outcome = run_for_gradients(attempt, args, seconds)
        if outcome.error:
            raise NoValue(name_of(outcome.error))
        return outcome.value

    try:
        return broken(call, case)
    except NoValue:
        return None
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):  # from what the attempt returned
        return None


def run_for_gradients(attempt: Any, args: tuple[Any, ...], seconds: float) -> Outcome:
    """As `run`, but tensors that require a gradient are passed as they are, so that it can flow back."""
    if any(isinstance(a, torch.Tensor) and a.requires_grad for a in args):
        return run(lambda: attempt(*args), (), seconds)
    return run(attempt, args, seconds)


def _property_report(exercise: Exercise, says: str, found: str, trial: Trial) -> Report:
    parts = (Prose(says, "Should hold:"), Prose(found), *_inputs(exercise, trial.case), *_printed(trial.outcome))
    return Report("property", exercise.name, "Not yet: a property is broken.", parts)


def _differs(exercise: Exercise, trials: Sequence[Trial]) -> Report | None:
    trial = next((t for t in trials if t.difference), None)
    if trial is None or trial.difference is None:
        return None
    wrong = sum(t.wrong for t in trials)
    heading = f"Not yet: {wrong} of {len(trials)} cases differ. Here is the smallest."
    parts = (*trial.difference.parts, *_inputs(exercise, trial.case), *_printed(trial.outcome))
    return Report("differs", exercise.name, heading, parts)


def _correct(exercise: Exercise, attempt: Any, trials: Sequence[Trial], seconds: float) -> Report:
    parts: list[Part] = [Prose(exercise.deepens)]
    for probe in exercise.probes:
        if probe.remark:
            found = next(filter(None, (_probe(probe.broken, attempt, t.case, seconds) for t in trials)), None)
            parts += [Prose(found, "A remark:")] if found else []
    return Report("correct", exercise.name, f"Correct, in all {len(trials)} cases.", tuple(parts))


def _line(outcome: Outcome, attempt: Any) -> list[Part]:
    line = their_line(outcome.error, attempt) if outcome.error else None
    return [Prose(f"It happened in line {line[0]}:"), Code(line[1])] if line else []


def _advice(ideas: Sequence[Misconception]) -> list[Part]:
    parts: list[Part] = []
    for number, idea in enumerate(ideas, start=1):
        lead = f"{number}." if len(ideas) > 1 else ""
        parts += [
            Prose(idea.confuses, lead),
            Prose(idea.tempting, "Why it is tempting:"),
            Prose(idea.nudge, "Look at:"),
        ]
    return parts


def _names(ideas: Sequence[Misconception]) -> tuple[str, ...]:
    return tuple(idea.name for idea in ideas)


def _inputs(exercise: Exercise, case: Case) -> list[Part]:
    rows = tuple((name, describe(value)) for name, value in zip(exercise.argument_names, case.args))
    return [Table(("argument", "in this case"), rows, caption=f"The case: {case.note}" if case.note else "The case")]


def _printed(outcome: Outcome) -> list[Part]:
    lines = outcome.printed.strip("\n").splitlines()
    if not lines:
        return []
    shown = [line[:200] for line in lines[:10]] + (["…"] if len(lines) > 10 else [])
    return [Prose("Your function printed:"), Code("\n".join(shown))]


__all__ = ["Trial", "both_precisions", "examine", "kind", "recognise"]

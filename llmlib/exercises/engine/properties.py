"""What a right solution keeps to, whatever the values: inputs left alone, no chance, the exercise's own probes."""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.errors import name_of
from llmlib.exercises.engine.exercise import Case, Exercise, NoValue, Probe
from llmlib.exercises.engine.running import Outcome, change_of_model, gradients_left, quietly, run
from llmlib.exercises.engine.trials import Trial


@dataclass(frozen=True)
class Broken:
    """A property, how it is broken, and the trial that shows it."""

    says: str
    found: str
    trial: Trial


def broken_property(
    exercise: Exercise, attempt: Callable[..., Any], trials: Sequence[Trial], seconds: float
) -> Broken | None:
    for says, broken in _general_properties(exercise, attempt, seconds):
        for trial in trials:
            if found := broken(trial):
                return Broken(says, found, trial)
    return next(broken_probes(exercise, attempt, trials, seconds), None)


def remarks(exercise: Exercise, attempt: Callable[..., Any], trials: Sequence[Trial], seconds: float) -> Iterator[str]:
    """What the exercise's probes have to remark on a right solution."""
    if drawn := next((t.outcome.disturbed for t in trials if t.outcome.disturbed), None):
        yield (
            f"Your function draws from the global random state of {' and '.join(drawn)}, though its result is the same "
            "whatever is drawn. Whoever draws after it gets other numbers than without it."
        )
    yield from (broken.found for broken in broken_probes(exercise, attempt, trials, seconds, remarks=True))


def broken_probes(
    exercise: Exercise, attempt: Callable[..., Any], trials: Sequence[Trial], seconds: float, remarks: bool = False
) -> Iterator[Broken]:
    """The exercise's own properties that do not hold, or those of its remarks."""
    for probe in exercise.probes:
        if probe.remark == remarks:
            for trial in trials:
                if found := _asked(probe, attempt, trial.case, seconds):
                    yield Broken(probe.says, found, trial)
                    break


GRADIENTS_LEFT = (
    "Your function sets `requires_grad` on `{0}`, which is not its own. With `backward`, a second call with the same "
    "`{0}` would add its gradients to those of the first. Work on a copy: `{0}.detach().clone().requires_grad_()`."
)


def _general_properties(
    exercise: Exercise, attempt: Any, seconds: float
) -> list[tuple[str, Callable[[Trial], str | None]]]:
    """What holds for every exercise."""

    def unchanged(trial: Trial) -> str | None:
        if hooks := [
            text
            for i in trial.outcome.changed
            if (text := change_of_model(trial.case.args[i], trial.outcome.after[i], exercise.task))
        ]:
            return " ".join(hooks)
        for i in trial.outcome.changed:
            if gradients_left(trial.case.args[i], trial.outcome.after[i]):
                return GRADIENTS_LEFT.format(exercise.argument_names[i])
        names = [exercise.argument_names[i] for i in trial.outcome.changed]
        return f"Your function changes its input {' and '.join(f'`{n}`' for n in names)}; work on a copy." * bool(names)

    def undisturbed(trial: Trial) -> str | None:
        if not trial.outcome.disturbed or _whatever_is_drawn(attempt, trial, seconds):
            return None
        names = " and ".join(trial.outcome.disturbed)
        return (
            f"Your function draws random numbers, from the global random state of {names}; the task has no use for any."
        )

    def repeatable(trial: Trial) -> str | None:
        if not trial.wrong or equal(trial.outcome.value, run(attempt, trial.case.args, seconds).value):
            return None
        return "Called twice with the same input, your function gives two results. Does it remember something?"

    return [
        ("The inputs stay as they are.", unchanged),
        ("No global randomness is used.", undisturbed),
        ("The same input gives the same result.", repeatable),
    ]


def _whatever_is_drawn(attempt: Callable[..., Any], trial: Trial, seconds: float) -> bool:
    """Whether the result is the same from another random state, as with first weights that are replaced at once."""
    with quietly():
        torch.manual_seed(1)
        random.seed(1)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(1)
        again = run(attempt, trial.case.args, seconds)
    return not again.error and equal(trial.outcome.value, again.value)


def _asked(probe: Probe, attempt: Callable[..., Any], case: Case, seconds: float) -> str | None:
    def call(*args: Any) -> Any:
        outcome = _run_for_gradients(attempt, args, seconds)
        if outcome.error:
            raise NoValue(name_of(outcome.error))
        return outcome.value

    try:
        return probe.broken(call, case)
    except NoValue:
        return None
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):  # from what the attempt returned
        return None


def _run_for_gradients(attempt: Any, args: tuple[Any, ...], seconds: float) -> Outcome:
    """As `run`, but tensors that require a gradient are passed as they are, so that it can flow back."""
    if any(isinstance(a, torch.Tensor) and a.requires_grad for a in args):
        return run(lambda: attempt(*args), (), seconds)
    return run(attempt, args, seconds)

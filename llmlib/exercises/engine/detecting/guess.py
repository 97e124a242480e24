"""Guess how a wrong result came about, and check that the guess holds in all cases."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.reasons import Finding, Strength
from llmlib.exercises.engine.trials import Trial

FEW = 4  # fewer values than this, in a single wrong case, may agree by chance


@dataclass(frozen=True)
class Guess:
    """A guess at what went wrong.

    `fits(trial, base)` says whether the guess explains how the expected value `base` became the attempt's value.
    """

    finding: Finding
    fits: Callable[[Trial, Any], bool]


def agree(mine: Any, theirs: Any) -> bool:
    """Compare as `equal` does, but ignore a difference between two dtypes of the same kind."""
    if isinstance(mine, Tensor) and isinstance(theirs, Tensor):
        if mine.shape != theirs.shape or mine.is_floating_point() != theirs.is_floating_point():
            return False
        theirs = theirs.detach().to(mine.dtype)
    return equal(mine, theirs)


def first(guesses: Iterable[Guess], e: Examination, strength: Strength = "sure") -> Finding | None:
    """Return the finding of the first guess that has this strength and holds, or None if there is none."""
    if not any(map(_can_support, e.trials)):
        return None
    return next((g.finding for g in guesses if g.finding.strength == strength and holds(g, e)), None)


def holds(guess: Guess, e: Examination) -> bool:
    """Return whether the guess explains each wrong case and agrees with each correct one.

    Cases in which the attempt raised an error or returned NaN cannot support the guess, but a few such cases do not
    rule the guess out.
    """
    support = cases = open_cases = 0
    for trial in sorted(e.trials, key=lambda t: (not t.wrong, t.unclear)):
        if trial.outcome.error:
            continue
        agrees = fits(guess, trial)
        forgiven = trial.wrong and trial.unclear and (agrees is None or isinstance(trial.got, Tensor))
        if not agrees and (agrees is False or trial.wrong) and not forgiven:
            return False
        open_cases += not agrees and trial.wrong
        cases += bool(agrees and trial.wrong)
        if agrees and _can_support(trial):
            support += FEW if _size(trial.got) >= FEW else FEW // 2
    return support >= FEW and cases > open_cases


def _can_support(trial: Trial) -> bool:
    """Return whether the case can support a guess."""
    return trial.wrong and not trial.outcome.error and not (trial.unclear and isinstance(trial.got, Tensor))


def holds_everywhere(guess: Guess, e: Examination) -> bool:
    """Return whether the guess explains every wrong case without exception and contradicts no correct case."""
    for trial in sorted(e.trials, key=lambda t: not t.wrong):
        agrees = None if trial.outcome.error else fits(guess, trial)
        if agrees is False or (agrees is None and trial.wrong):
            return False
    return True


def fits(guess: Guess, trial: Trial) -> bool | None:
    """Return whether the guess predicts the attempt's result in this case, or None if it cannot be applied here."""
    try:
        return bool(guess.fits(trial, trial.expected))
    except Exception:  # shapes that do not match, indices out of range
        return None


def _size(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel()
    if isinstance(value, (list, tuple)):
        return sum(map(_size, value))
    return len(value) if isinstance(value, (str, dict)) else 1

"""Which wrong ideas of an exercise's list explain what an attempt gave.

An idea is known by what it gives where it differs from the truth: these cases tell. An idea may have several forms (a
mask filled with −∞ or with −1e30); one that agrees is enough. It holds if each wrong case is explained by it, and
each case in which it would have gone wrong did. Of cases that say little (an attempt that raises for an empty list,
or gives NaN for a single row) some may stay unexplained, as long as others speak clearly.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmlib.exercises.engine.exercise import Exercise, Misconception
from llmlib.exercises.engine.running import Outcome, run_our_own
from llmlib.exercises.engine.trials import Trial, alike, same_outcome

ENOUGH = 2  # clear cases that an idea must explain before odd ones are forgiven


@dataclass(frozen=True)
class Recognised:
    """Ideas that explain the attempt, and the wrong cases that they leave open."""

    ideas: tuple[Misconception, ...] = ()
    open: tuple[Trial, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(idea.name for idea in self.ideas)


def recognise(exercise: Exercise, trials: Sequence[Trial], together: int = 1) -> Recognised:
    """The misconception that the attempt shows, or so many `together`; empty if none do."""
    telling = sorted((t for t in trials if t.wrong), key=lambda t: t.odd)
    if not telling or (together > 1 and telling[0].outcome.error):
        return Recognised()
    ordered = [*telling, *(t for t in trials if not t.wrong)]
    hypotheses = [(ideas, faults) for ideas, faults in exercise.hypotheses() if len(ideas) == together]
    likely = []
    for ideas, faults in hypotheses:
        first = _faulty(exercise, faults, ordered[0])
        if same_outcome(first, ordered[0].outcome) or alike(first, ordered[0]) or ordered[0].odd:
            likely.append((ideas, faults))
    for ideas, faults in likely:
        if all(same_outcome(_faulty(exercise, faults, t), t.outcome) for t in ordered):
            return Recognised(ideas)
    if ordered[0].outcome.error:
        return Recognised()
    found = []
    for ideas, faults in likely:
        left = _left_open(exercise, faults, ordered)
        if left is not None:
            found.append((len(left), Recognised(ideas, left)))
    return min(found, key=lambda f: f[0], default=(0, Recognised()))[1]


def _left_open(exercise: Exercise, faults: Mapping[str, Any], ordered: Sequence[Trial]) -> tuple[Trial, ...] | None:
    """The wrong cases that these faults do not explain; None if any case speaks against them, or too few for them."""
    told, left = 0, []
    for trial in ordered:
        agrees = alike(_faulty(exercise, faults, trial), trial)
        if agrees is False or (agrees is None and not trial.odd and trial.wrong):
            return None
        told += bool(agrees) and trial.wrong
        if agrees is None and trial.wrong:
            left.append(trial)
    silent = sum(not trial.outcome.error for trial in left)
    return tuple(left) if told >= ENOUGH and silent < told else None


def _faulty(exercise: Exercise, faults: Mapping[str, Any], trial: Trial) -> Outcome:
    return run_our_own(lambda *args: exercise.faulty(*args, **faults), trial.case.args)


def faulty_outcomes(exercise: Exercise, trials: Sequence[Trial]) -> Iterator[tuple[Misconception, list[Outcome]]]:
    """What each single misconception, in each of its forms, would have given in each case."""
    for ideas, faults in exercise.hypotheses(pairs=False):
        yield ideas[0], [_faulty(exercise, faults, trial) for trial in trials]

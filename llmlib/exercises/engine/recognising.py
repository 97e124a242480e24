"""Which wrong ideas of an exercise's list explain what an attempt gave.

An idea is known by what it gives where it differs from the truth: these cases tell. An idea may have several forms (a mask
filled with −∞ or with −1e30); one that agrees is enough. It holds if each wrong case is explained by it, and each case in
which it would have gone wrong did. Of cases that say little (an attempt that raises for an empty list, or gives NaN for a
single row) some may stay unexplained, as long as others speak clearly.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmlib.exercises.engine.comparing import equal
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


def recognise(exercise: Exercise, trials: Sequence[Trial]) -> Recognised:
    """The misconception, or the two, that the attempt shows; empty if none do."""
    telling = sorted((t for t in trials if t.wrong), key=lambda t: t.odd)
    if not telling:
        return Recognised()
    ordered = [*telling, *(t for t in trials if not t.wrong)]
    for agree in (_exactly, _alike):
        for ideas, faults in exercise.hypotheses():
            if all(agree(_faulty(exercise, faults, t), t) for t in ordered):
                return Recognised(ideas)
    return _nearly(exercise, ordered)


def _nearly(exercise: Exercise, ordered: Sequence[Trial]) -> Recognised:
    """The idea, if it is one alone, that explains all clear cases, and leaves odd ones open."""
    found: dict[tuple[str, ...], Recognised] = {}
    clear = [t for t in ordered if not t.odd]
    for ideas, faults in exercise.hypotheses(pairs=False):
        told = 0
        for trial in clear:
            predicted = _faulty(exercise, faults, trial)
            if not _alike(predicted, trial):
                break
            told += trial.wrong
        else:
            if told >= ENOUGH:
                still = tuple(
                    t for t in ordered if t.odd and t.wrong and not _alike(_faulty(exercise, faults, t), t)
                )
                found.setdefault(tuple(i.name for i in ideas), Recognised(ideas, still))
    if not found:
        return Recognised()
    fewest = min(len(r.open) for r in found.values())
    best = [r for r in found.values() if len(r.open) == fewest]
    return best[0] if len(best) == 1 else Recognised()


def _faulty(exercise: Exercise, faults: Mapping[str, Any], trial: Trial) -> Outcome:
    return run_our_own(lambda *args: exercise.faulty(*args, **faults), trial.case.args)


def _exactly(predicted: Outcome, trial: Trial) -> bool:
    return same_outcome(predicted, trial.outcome)


def _alike(predicted: Outcome, trial: Trial) -> bool:
    if not trial.wrong:
        return predicted.error is None and equal(trial.expected, predicted.value)
    return alike(predicted, trial.outcome, trial.expected)


def faulty_outcomes(
    exercise: Exercise, trials: Sequence[Trial]
) -> Iterator[tuple[Misconception, list[Outcome]]]:
    """What each single misconception, in each of its forms, would have given in each case."""
    for ideas, faults in exercise.hypotheses(pairs=False):
        yield ideas[0], [_faulty(exercise, faults, trial) for trial in trials]

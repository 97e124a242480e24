"""Which wrong ideas of an exercise's list explain what an attempt gave.

An idea is known by what it gives. It explains an attempt *exactly* if it gives the same in every case, edge cases and
exceptions included; so may two ideas held at once. Two ideas that explain all come before one that leaves something
open.

An idea may also be written in a way of its own (a mask filled with −∞ or with −1e30). Then it holds *apart from odd
cases*: each clear wrong case is explained by it, and each clear case in which it would have gone wrong did. Of cases
that say little (an attempt that raises for an empty list, or gives NaN for a single row) some may stay open.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from llmlib.exercises.engine.comparing import equal, values_agree
from llmlib.exercises.engine.exercise import Exercise, Hypothesis, Misconception
from llmlib.exercises.engine.running import Outcome, run_our_own
from llmlib.exercises.engine.trials import Trial, alike, same_outcome

MOST_SHOW = 0.5  # of the places at which a guarded idea would go wrong, where whole cases are guarded
MORE_SHOW = 0.7  # where within one case some places show it and others do not, which chance can do as well
SHOWN_IN = 4  # cases, of two draws
LEFT = 4  # wrong cases that it may leave open
ENOUGH = 2  # wrong cases that speak for an idea, before odd ones are forgiven or two ideas are named


@dataclass(frozen=True)
class Recognised:
    """Ideas that explain the attempt, and the wrong cases that they leave open."""

    ideas: tuple[Misconception, ...] = ()
    open: tuple[Trial, ...] = ()


def exactly_one(exercise: Exercise, trials: Sequence[Trial]) -> Recognised:
    """The misconception that gives, in every case, what the attempt gave; empty if there is none."""
    return _exact(exercise, exercise.single_hypotheses, _telling_first(trials))


def exactly_two(exercise: Exercise, trials: Sequence[Trial]) -> Recognised:
    """The two misconceptions that together do so."""
    ordered = _telling_first(trials)
    return _exact(exercise, exercise.pair_hypotheses, ordered) if _says_enough(ordered) else Recognised()


def one_apart_from_odd(exercise: Exercise, trials: Sequence[Trial]) -> Recognised:
    """The misconception that explains all but odd cases."""
    return _apart_from_odd(exercise, exercise.single_hypotheses, _telling_first(trials))


def two_apart_from_odd(exercise: Exercise, trials: Sequence[Trial]) -> Recognised:
    """The two misconceptions that together do so."""
    return _apart_from_odd(exercise, exercise.pair_hypotheses, _telling_first(trials))


def one_guarded(exercise: Exercise, trials: Sequence[Trial]) -> Recognised:
    """The misconception whose results the attempt has, apart from places at which it is right: treated by hand, likely.

    Each wrong value has to be the idea's, and of the places at which the idea goes wrong most have to show it.
    """
    best, share = Recognised(), 0.0
    ordered = _telling_first(trials)
    for hypothesis in exercise.single_hypotheses if ordered else ():
        shown, hidden, cases, mixed, left = 0.0, 0.0, 0, False, []
        for trial in ordered:
            both = _shown_and_hidden(_faulty(exercise, hypothesis, trial), trial)
            if both is None:
                left.append(trial)
                if not trial.wrong or len(left) > LEFT:
                    break
            else:
                shown, hidden, cases = shown + both[0], hidden + both[1], cases + (both[0] > 0)
                mixed = mixed or min(both) > 0
        else:
            enough = cases >= SHOWN_IN and cases > 3 * len(left)
            least = max(share, MORE_SHOW if mixed else MOST_SHOW)
            if enough and shown >= least * (shown + hidden):
                best, share = Recognised(hypothesis.ideas, tuple(left)), shown / (shown + hidden)
    return best


def _shown_and_hidden(predicted: Outcome, trial: Trial) -> tuple[float, float] | None:
    """Which part of a result shows what was predicted, and which is right in spite of it; None if something else is."""
    if predicted.error or trial.outcome.error:
        return (0, 0) if not trial.wrong or same_outcome(predicted, trial.outcome) else None
    idea, got, right = predicted.value, trial.got, trial.expected
    if not (isinstance(idea, Tensor) and isinstance(got, Tensor) and isinstance(right, Tensor)):
        if not trial.wrong:
            return 0, not equal(right, idea)
        return (1, 0) if equal(idea, got) else None
    if not idea.shape == got.shape == right.shape or idea.dtype != right.dtype or not got.numel():
        return (0, 0) if not trial.wrong else None
    got = got.detach().to(right.dtype)
    as_idea, as_right = values_agree(idea, got), values_agree(right, got)
    if not bool((as_idea | as_right).all()):
        return None
    return (~as_right).float().mean().item(), (~as_idea).float().mean().item()


def _telling_first(trials: Sequence[Trial]) -> list[Trial]:
    """Clear wrong cases, odd ones, right ones; none at all if nothing is wrong, or nothing came to a value."""
    if not any(t.wrong for t in trials) or all(t.outcome.error for t in trials):
        return []
    return sorted(trials, key=lambda t: (not t.wrong, t.odd))


def _says_enough(trials: Sequence[Trial]) -> bool:
    """Whether two ideas can be told from what came out: it does not mostly raise."""
    return sum(t.wrong for t in trials) >= ENOUGH and not _mostly_raises(trials)


def _mostly_raises(trials: Sequence[Trial]) -> bool:
    return 2 * sum(t.outcome.error is not None for t in trials) > len(trials)


def _exact(exercise: Exercise, hypotheses: Sequence[Hypothesis], ordered: Sequence[Trial]) -> Recognised:
    for hypothesis in hypotheses if ordered else ():
        if all(same_outcome(_faulty(exercise, hypothesis, trial), trial.outcome) for trial in ordered):
            return Recognised(hypothesis.ideas)
    return Recognised()


def _apart_from_odd(exercise: Exercise, hypotheses: Sequence[Hypothesis], ordered: Sequence[Trial]) -> Recognised:
    """The hypothesis that leaves the fewest cases open, the first one of several."""
    if not ordered or ordered[0].outcome.error or _mostly_raises(ordered):
        return Recognised()
    found = []
    for hypothesis in hypotheses:
        left = _left_open(exercise, hypothesis, ordered)
        if left is not None:
            found.append(Recognised(hypothesis.ideas, left))
    return min(found, key=lambda f: len(f.open), default=Recognised())


def _left_open(exercise: Exercise, hypothesis: Hypothesis, ordered: Sequence[Trial]) -> tuple[Trial, ...] | None:
    """The wrong cases that it does not explain; None if any case speaks against it, or too few for it."""
    told, left = 0, []
    for trial in ordered:
        agrees = alike(_faulty(exercise, hypothesis, trial), trial)
        if agrees is False or (agrees is None and not trial.odd and trial.wrong):
            return None
        told += bool(agrees) and trial.wrong
        if agrees is None and trial.wrong:
            left.append(trial)
    silent = sum(not trial.outcome.error for trial in left)
    return tuple(left) if told >= ENOUGH and silent < told else None


def _faulty(exercise: Exercise, hypothesis: Hypothesis, trial: Trial) -> Outcome:
    faulty = partial(exercise.faulty, **hypothesis.faults)
    outcome: Outcome = trial.case.recall(hypothesis.key, lambda: run_our_own(faulty, trial.case.args))
    return outcome


def faulty_outcomes(exercise: Exercise, trials: Sequence[Trial]) -> Iterator[tuple[Misconception, list[Outcome]]]:
    """What each single misconception, in each of its forms, would have given in each case."""
    for hypothesis in exercise.single_hypotheses:
        yield hypothesis.ideas[0], [_faulty(exercise, hypothesis, trial) for trial in trials]

"""Find which misconceptions (wrong ideas) in an exercise's list explain an attempt's results.

We recognise a misconception by its results. It explains an attempt *exactly* if it leads to the same result in every
case, including edge cases and exceptions. A pair of misconceptions can do that, too. Two misconceptions that explain
everything take precedence over one that leaves cases unexplained.

People may also write the same idea in different ways (for example, by filling a mask with −∞ or with −1e30). Then the
misconception holds *apart from unclear cases*: it explains each clear wrong case, and each clear case in which it would
go wrong did go wrong. Some cases that reveal little (where an attempt raises an error for an empty list, or returns NaN
for a single row) may remain unexplained.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor

from llmlib.exercises.engine.comparing import equal, values_agree
from llmlib.exercises.engine.describing import kind
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.exercise import Hypothesis, Misconception
from llmlib.exercises.engine.reasons import Reason
from llmlib.exercises.engine.running import Outcome, run_our_own
from llmlib.exercises.engine.trials import Trial, alike, same_outcome

MOST_SHOW = 0.5  # of the values that a guarded idea gets wrong, at least this share must be wrong in the attempt
MORE_SHOW = 0.7  # this share instead if some case shows the idea in only some values, which can also happen by chance
SHOWN_IN = 4  # a guarded idea has to show in at least this many of the cases, which come from two draws
LEFT = 4  # a guarded idea may leave at most this many wrong cases unexplained
OPEN = 4  # a guarded idea has to leave fewer than one in this many cases unexplained
PAIRS = 0.15  # seconds of computing for pairs; a small model runs a few hundred times, not enough for all pairs
ENOUGH = 2  # wrong cases that have to support an idea before unclear cases are forgiven or two ideas are named


def one_exactly(e: Examination) -> Reason | None:
    """Find the misconception that leads to the attempt's result in every case."""
    return _exact(e, e.exercise.single_hypotheses, _clearest_first(e))


def two_exactly(e: Examination) -> Reason | None:
    """Find two misconceptions that together lead to the result in every case, if there are enough results to tell."""
    ordered = _clearest_first(e)
    says_enough = len(e.wrong) >= ENOUGH and not _mostly_raises(ordered)
    return _exact(e.within(PAIRS), e.exercise.pair_hypotheses, ordered) if says_enough else None


def one_apart_from_unclear(e: Examination) -> Reason | None:
    """Find the misconception that explains all but the unclear cases."""
    return _apart_from_unclear(e, e.exercise.single_hypotheses)


def two_apart_from_unclear(e: Examination) -> Reason | None:
    """Find two misconceptions that together explain all but the unclear cases."""
    return _apart_from_unclear(e, e.exercise.pair_hypotheses)


def one_guarded(e: Examination) -> Reason | None:
    """Find the misconception behind all the wrong values in an attempt that probably treats some cases separately.

    Each wrong value must be the one that the misconception predicts, and most of the values that the misconception gets
    wrong must be wrong in the attempt, too.
    """
    best, share = None, 0.0
    ordered = _clearest_first(e)
    for hypothesis in e.exercise.single_hypotheses if ordered else ():
        if e.out_of_time:
            break
        shown, hidden, cases, mixed, left = 0.0, 0.0, 0, False, []
        for trial in ordered:
            both = _shown_and_hidden(_faulty(e, hypothesis, trial), trial)
            if both is None:
                left.append(trial)
                if not trial.wrong or len(left) > LEFT or OPEN * len(left) >= len(ordered):
                    break
            else:
                shown, hidden, cases = shown + both[0], hidden + both[1], cases + (both[0] > 0)
                mixed = mixed or min(both) > 0
        else:
            enough = cases >= SHOWN_IN and cases + len(left) > OPEN * len(left)
            least = max(share, MORE_SHOW if mixed else MOST_SHOW)
            if enough and shown >= least * (shown + hidden):
                best = Reason(hypothesis.ideas, open=tuple(left), guarded=True)
                share = shown / (shown + hidden)
    return best


def _shown_and_hidden(predicted: Outcome, trial: Trial) -> tuple[float, float] | None:
    """Return the share of values that are wrong as the idea predicts, and the share that are right where it is wrong.

    Return None if the idea does not fit.
    """
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


def _clearest_first(e: Examination) -> list[Trial]:
    """Return the clear wrong cases, then the unclear wrong cases, then the right cases.

    The list is empty if all cases are right, or if all of them raised an error.
    """
    if not e.wrong or all(t.outcome.error for t in e.trials):
        return []
    return sorted(e.trials, key=lambda t: (not t.wrong, t.unclear))


def _mostly_raises(trials: Sequence[Trial]) -> bool:
    return 2 * sum(t.outcome.error is not None for t in trials) > len(trials)


def _exact(e: Examination, hypotheses: Sequence[Hypothesis], ordered: Sequence[Trial]) -> Reason | None:
    for hypothesis in hypotheses if ordered else ():
        if e.out_of_time:
            return None
        if all(same_outcome(_faulty(e, hypothesis, trial), trial.outcome) for trial in ordered):
            return Reason(hypothesis.ideas)
    return None


def _apart_from_unclear(e: Examination, hypotheses: Sequence[Hypothesis]) -> Reason | None:
    """Return the hypothesis that leaves the fewest cases unexplained; if there are several, return the first."""
    ordered = _clearest_first(e)
    if not ordered or ordered[0].outcome.error or _mostly_raises(ordered):
        return None
    found = []
    for hypothesis in hypotheses:
        if e.out_of_time:
            break
        left = _left_open(e, hypothesis, ordered)
        if left is not None:
            found.append(Reason(hypothesis.ideas, open=left))
    return min(found, key=lambda reason: len(reason.open), default=None)


def _left_open(e: Examination, hypothesis: Hypothesis, ordered: Sequence[Trial]) -> tuple[Trial, ...] | None:
    """Return the wrong cases that the idea does not explain.

    Return None if a case contradicts the idea, or if too few cases support it.
    """
    support, left = 0, []
    for trial in ordered:
        predicted = _faulty(e, hypothesis, trial)
        agrees = None if _is_no_number(predicted) and trial.wrong else alike(predicted, trial)
        if agrees is False or (agrees is None and trial.wrong and not (trial.unclear or _is_no_number(predicted))):
            return None
        support += bool(agrees) and trial.wrong
        if agrees is None and trial.wrong:
            left.append(trial)
    silent = sum(not trial.outcome.error for trial in left)
    return tuple(left) if support >= ENOUGH and silent < support else None


def _is_no_number(predicted: Outcome) -> bool:
    """Return whether the prediction is all NaN, which anyone with this idea would notice and guard against."""
    value = predicted.value
    return isinstance(value, Tensor) and value.numel() > 0 and bool(value.isnan().all())


def _faulty(e: Examination, hypothesis: Hypothesis, trial: Trial) -> Outcome:
    faulty = partial(e.exercise.faulty, **hypothesis.faults)
    outcome: Outcome = trial.case.recall(hypothesis.key, lambda: run_our_own(faulty, trial.case.args))
    return outcome


def on_top_of_each(e: Examination, worth: Callable[[Examination], bool]) -> Iterator[tuple[Misconception, Examination]]:
    """Yield each misconception on its own, in each form, with an examination that expects the misconception's results.

    We leave out misconceptions that raise an error or return a value of another type, and those for which `worth`
    returns False in the first clear case, because it may take a long time to compute their results in all other cases.
    """
    clear = next((trial for trial in e.trials if trial.wrong and not trial.unclear), None)
    for hypothesis in e.exercise.single_hypotheses:
        if e.out_of_time:
            return
        first = _as_if_expected(e, hypothesis, [clear]) if clear else e
        if first and (not clear or worth(first)) and (beyond := _as_if_expected(e, hypothesis, e.trials)):
            yield hypothesis.ideas[0], beyond


def _as_if_expected(e: Examination, hypothesis: Hypothesis, trials: Sequence[Trial]) -> Examination | None:
    given = [_faulty(e, hypothesis, trial) for trial in trials]
    if any(g.error or kind(g.value) != kind(t.expected) for g, t in zip(given, trials)):
        return None
    return e.of(replace(t, expected=g.value) for g, t in zip(given, trials))

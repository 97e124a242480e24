"""Compare two models on the same questions; only the questions on which they differ matter."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import ArrayLike

from llmlib.evaluation.intervals import bootstrap_interval, group_members


@dataclass(frozen=True)
class Comparison:
    """Holds the difference between two models' scores on the same questions, its interval and its p-value."""

    difference: float  # the first model's mean score minus the second's
    interval: tuple[float, float]  # the 95% interval
    p_value: float  # how often chance alone would give a difference at least this large
    better: int  # questions where the first model's score is higher
    worse: int
    of: int

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"Comparison({self.difference:+.3f}, {low:+.3f} to {high:+.3f}, p = {self.p_value:.2g}; "
            f"better on {self.better:,} of {self.of:,}, worse on {self.worse:,})"
        )


def compare(
    first: ArrayLike,
    second: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare the scores of two models question by question; return the mean difference, its interval and its p-value.

    A hard question is hard for both models, so its difficulty cancels out in the difference. This is why two models
    with overlapping intervals may still differ clearly. Scores can be any numbers, such as 1 for right and 0 for wrong.
    The interval comes from `bootstrap_interval`. The p-value comes from `mcnemar_test` if all the scores are 0 or 1 and
    there are no groups, and from `permutation_test` otherwise. Raises `ValueError` for the same reasons as these
    functions.

    >>> compare([1, 1, 1, 1, 1, 1, 0, 1], [0, 0, 0, 0, 0, 0, 0, 1])
    Comparison(+0.750, +0.497 to +1.000, p = 0.031; better on 6 of 8, worse on 0)
    """
    one, other = _paired(first, second)
    differences = one - other
    interval = bootstrap_interval(np.mean, differences, groups=groups, draws=draws, seed=seed)
    if groups is None and np.isin([one, other], [0, 1]).all():
        p_value = mcnemar_test(one, other)
    else:
        p_value = permutation_test(differences, groups=groups, draws=draws, seed=seed)
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    return Comparison(float(differences.mean()), interval, p_value, better, worse, len(one))


def mcnemar_test(first: ArrayLike, second: ArrayLike) -> float:
    """Return the p-value of McNemar's test on two models' right answers.

    The p-value says how often two equally good models would differ, just by chance, by at least as many right answers
    as these two. The test considers only the questions that one model gets right and the other gets wrong. If the
    models are equally good, each of these questions is like the toss of a fair coin, so the exact two-sided p-value
    comes from the binomial distribution. Source: McNemar (1947), "Note on the sampling error of the difference between
    correlated proportions or percentages". Raises `ValueError` for scores other than 0 and 1.

    >>> mcnemar_test([1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0])  # six heads in six throws, or six tails: 2 / 2⁶
    0.03125
    """
    one, other = _paired(first, second)
    if not np.isin([one, other], [0, 1]).all():
        raise ValueError("McNemar's test needs scores of 1 (right) or 0 (wrong). Use permutation_test instead.")
    better, worse = int((one > other).sum()), int((one < other).sum())
    n, fewer = better + worse, min(better, worse)
    return min(1.0, 2 * sum(comb(n, k) for k in range(fewer + 1)) / 2**n)


def permutation_test(
    differences: ArrayLike, groups: Sequence[Hashable] | None = None, draws: int = 2000, seed: int = 0
) -> float:
    """Return the p-value of a permutation test on the mean difference between two models.

    The p-value says how often the mean difference would be at least as far from 0 as the observed one if the models
    were swapped at random. Swapping the two models on a question flips the sign of its difference. The models are
    swapped on all of a group's questions or on none. If there are at most `draws` ways to swap the models, all of them
    are tried. Otherwise, `draws` of them are drawn at random, and the actual scores, unswapped, count as one more way,
    so that the p-value is never 0. Source: Fisher (1935), "The Design of Experiments", section 21. Raises `ValueError`
    if `differences` is empty.

    >>> permutation_test([0.5, 0.2, 0.4])  # of 8 ways to choose the signs, 2 are as far from 0: all plus and all minus
    0.25
    """
    values = np.asarray(differences, dtype=float)
    sums = np.array([values[places].sum() for places in group_members(len(values), groups)])
    n, least = len(sums), abs(sums.sum()) * (1 - 1e-12)  # slightly lowered, so that ties count despite rounding
    if 2 ** min(n, 64) <= draws:
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
        return float((abs(signs @ sums) >= least).mean())
    signs = 1 - 2 * np.random.default_rng(seed).integers(2, size=(draws, n))
    return float(((abs(signs @ sums) >= least).sum() + 1) / (draws + 1))


def _paired(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(
            "To compare two models on the same questions, pass one score per question for each model; got scores of "
            f"shape {list(one.shape)} and {list(other.shape)}."
        )
    if not len(one):
        raise ValueError("There are no questions to compare the models on.")
    return one, other

"""Compare a model's confidence with how often it is right, and correct the confidence with a temperature."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

SEARCHED = 1e4  # we search for a temperature between 1 / SEARCHED and SEARCHED


@dataclass(frozen=True)
class Bin:
    """Describes the answers in one confidence bin: how sure the model was, and how often it was right."""

    low: float  # the lower edge of the bin (not included, unless it is 0)
    high: float  # the upper edge of the bin (included)
    confidence: float  # the mean confidence
    right: float  # the share of right answers
    count: int


def reliability(confidences: ArrayLike, right: ArrayLike, bins: int = 10) -> list[Bin]:
    """Sort answers by confidence into bins of equal width between 0 and 1; return a `Bin` for each non-empty bin.

    A plot of the share of right answers against the confidence in each bin is called a reliability diagram; a
    calibrated model lies on its diagonal. Source: Guo et al. (2017), "On Calibration of Modern Neural Networks",
    section 2. Raises `ValueError` for confidences that are not between 0 and 1, for lengths that differ, or if there
    are no answers.

    >>> reliability([0.8, 0.9], [0, 1], bins=2)
    [Bin(low=0.5, high=1.0, confidence=0.85..., right=0.5, count=2)]
    """
    sure, hits = np.asarray(confidences, dtype=float), np.asarray(right, dtype=float)
    if sure.shape != hits.shape or sure.ndim != 1 or not len(sure):
        raise ValueError(
            "Each answer needs a confidence and a label, 1 (right) or 0 (wrong); got confidences of shape "
            f"{list(sure.shape)} and right of shape {list(hits.shape)}."
        )
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError(f"Confidences must be between 0 and 1, got values from {sure.min():.4g} to {sure.max():.4g}.")
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, got {bins}.")
    edges = np.linspace(0, 1, bins + 1)
    places = np.searchsorted(edges[1:-1], sure)  # a confidence on an edge belongs to the bin below
    return [
        Bin(float(edges[b]), float(edges[b + 1]), float(sure[here].mean()), float(hits[here].mean()), int(here.sum()))
        for b in range(bins)
        if (here := places == b).any()
    ]


def calibration_error(confidences: ArrayLike, right: ArrayLike, bins: int = 10) -> float:
    """Return the expected calibration error: the mean gap between a bin's confidence and its share of right answers.

    Each bin of `reliability` is weighted by its number of answers. The error is also called ECE. Even a perfectly
    calibrated model has an error above 0 on a small sample, because chance alone moves each bin off the diagonal. So
    compare the result with `chance_calibration_error`. Source: Guo et al. (2017), equation 3. Raises `ValueError` for
    the same reasons as `reliability`.

    >>> calibration_error([0.1, 0.9, 0.95], [0, 1, 0], bins=2)  # (1 · 0.1 + 2 · 0.425) / 3
    0.31666666666666...
    """
    found = reliability(confidences, right, bins)
    return sum(each.count * abs(each.right - each.confidence) for each in found) / sum(each.count for each in found)


def chance_calibration_error(confidences: ArrayLike, bins: int = 10, draws: int = 200, seed: int = 0) -> float:
    """Return the mean calibration error of a perfectly calibrated model with these confidences.

    In each of `draws` simulations, each answer is right with a probability equal to its confidence.

    >>> round(chance_calibration_error([0.5] * 100), 2)  # tosses of 100 fair coins: 50 heads, give or take 4
    0.04
    """
    sure, generator = np.asarray(confidences, dtype=float), np.random.default_rng(seed)
    return float(np.mean([calibration_error(sure, generator.random(len(sure)) < sure, bins) for _ in range(draws)]))


def fit_temperature(logits: ArrayLike, right: ArrayLike) -> float:
    """Return the temperature T for which the right choices are most likely when the logits are divided by T.

    `logits` has the shape `[question, choice]` (log-probabilities also work), and `right` holds the index of the right
    choice for each question. A temperature above 1 means that the model was overconfident. The temperature never
    changes which choice is the most likely. Do not fit the temperature to the questions for which you report results.
    Source: Guo et al. (2017), section 4.2.

    Raises `ValueError` if there is no best temperature: if the right choice is the most likely one for every question,
    a lower temperature is always better; if right choices are, on average, no more likely than other choices, a higher
    temperature is always better.

    >>> scores = np.log([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    >>> round(fit_temperature(scores, [0, 0, 1]), 2)  # 90% sure, and right two times in three: ln 9 / ln 2
    3.17
    """
    z, target = np.asarray(logits, dtype=float), np.asarray(right)
    if z.ndim != 2 or target.shape != z.shape[:1] or not len(z):
        raise ValueError(
            "logits must have the shape [question, choice], and right must hold the index of the right choice for each "
            f"question; got logits of shape {list(z.shape)} and right of shape {list(target.shape)}."
        )
    if not np.isfinite(z).all():
        raise ValueError("A logit is infinite or NaN. Leave out impossible choices.")
    chosen = z[np.arange(len(z)), target]

    def slope(inverse: float) -> float:
        """Return the derivative of the loss with respect to 1/T: mean logit minus right logit (it grows with 1/T)."""
        scaled = z * inverse
        p = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return float(((p * z).sum(axis=1) / p.sum(axis=1) - chosen).sum())

    low, high = 1 / SEARCHED, SEARCHED
    if slope(high) <= 0:
        raise ValueError(
            "The right choice is the most likely one for every question, so a lower temperature always fits better. "
            "Use more questions."
        )
    if slope(low) >= 0:
        raise ValueError("The right choices are no more likely than the other choices, so no temperature can help.")
    while high / low > 1 + 1e-12:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / math.sqrt(low * high)

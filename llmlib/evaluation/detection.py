"""Evaluate a detector: how many positives does it find at each threshold, and how many false alarms does it raise?"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class ROC(NamedTuple):
    """The receiver operating characteristic of a detector, from the strictest to the most lenient threshold."""

    false_alarms: np.ndarray  # the share of negatives whose score reaches the threshold
    found: np.ndarray  # the share of positives whose score reaches the threshold
    thresholds: np.ndarray  # the first threshold is infinite, so no score reaches it


def roc_curve(scores: ArrayLike, positive: ArrayLike) -> ROC:
    """Return the false-positive rate and the true-positive rate at every threshold that changes either of them.

    A high score should mean "positive". Source: Fawcett (2006), "An introduction to ROC analysis", algorithm 1. Raises
    `ValueError` for NaN, for lengths that differ, or if the cases are all positive or all negative.

    >>> curve = roc_curve([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0])
    >>> curve.false_alarms.tolist(), curve.found.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    values, is_positive = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if values.shape != is_positive.shape or values.ndim != 1:
        raise ValueError(
            "Each case needs a score and a label, 1 (positive) or 0 (negative); got scores of shape "
            f"{list(values.shape)} and labels of shape {list(is_positive.shape)}."
        )
    if np.isnan(values).any():
        raise ValueError("A score is NaN, so it cannot be compared with a threshold.")
    n_positive = int(is_positive.sum())
    if not 0 < n_positive < len(values):
        raise ValueError(
            "A detector needs both positives and negatives, "
            f"got {n_positive} positives and {len(values) - n_positive} negatives."
        )
    order = np.argsort(-values, kind="stable")
    values, is_positive = values[order], is_positive[order]
    last = np.append(np.flatnonzero(values[1:] != values[:-1]), len(values) - 1)  # where each run of equal scores ends
    found = np.append(0, is_positive.cumsum()[last])
    alarms = np.append(0, 1 + last) - found
    thresholds = np.append(np.inf, values[last])
    return ROC(alarms / (len(values) - n_positive), found / n_positive, thresholds)


def auc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Return the area under the `roc_curve`.

    The area is the probability that a random positive scores higher than a random negative (a tie counts half).
    Guessing gives an area of 0.5. Source: Hanley and McNeil (1982), "The meaning and use of the area under a
    receiver operating characteristic (ROC) curve". Raises `ValueError` for the same reasons as `roc_curve`.

    >>> auc([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0])  # 3 of the 4 pairs
    0.75
    """
    curve = roc_curve(scores, positive)
    return float(np.trapezoid(curve.found, curve.false_alarms))

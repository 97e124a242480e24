"""Compute the curves, the calibration and the counts at a threshold from the scores of right and wrong answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from llmlib.widgets.shared.runs.charts import nice

TICKS = 200  # the approximate number of thresholds along the axis


class Counts(NamedTuple):
    """The sizes of the four groups at a threshold; an answer whose score reaches the threshold is let through."""

    kept_right: int
    kept_wrong: int
    lost_right: int
    lost_wrong: int

    @property
    def kept(self) -> int:
        return self.kept_right + self.kept_wrong


@dataclass(frozen=True)
class Scores:
    """One number for each answer (higher means more certain), and whether each answer is right."""

    name: str
    values: Float[np.ndarray, " answer"]
    right: Bool[np.ndarray, " answer"]

    @property
    def is_share(self) -> bool:
        """Whether all values are between 0 and 1, and may therefore be probabilities."""
        return bool(self.values.min() >= 0 and self.values.max() <= 1)

    def axis(self) -> tuple[float, float, float]:
        """Return the ends of the axis, and a round number for the distance between neighbouring thresholds.

        >>> Scores("p", np.array([0.2, 0.9]), np.array([False, True])).axis()
        (0.0, 1.0, 0.005)
        >>> Scores("log p", np.array([-7.0, -1.0]), np.array([False, True])).axis()
        (-7.0, -0.98, 0.02)
        """
        if self.is_share:
            return 0.0, 1.0, 1 / TICKS
        low, high = float(self.values.min()), float(self.values.max())
        step = nice(((high - low) or abs(high)) / TICKS)
        first, last = round(low / step), math.floor(high / step) + 1
        if tidy(first * step) > low:  # the first threshold lets all answers through, the last threshold none
            first -= 1
        if tidy(last * step) <= high:
            last += 1
        return tidy(first * step), tidy(last * step), step

    def counts(self, threshold: float | int) -> Counts:
        """Count the right and the wrong answers on each side of a threshold.

        >>> Scores("p", np.array([0.2, 0.5, 0.9]), np.array([True, False, True])).counts(0.5)
        Counts(kept_right=1, kept_wrong=1, lost_right=1, lost_wrong=0)
        """
        kept = self.values >= threshold
        sides = (kept & self.right, kept & ~self.right, ~kept & self.right, ~kept & ~self.right)
        return Counts(*(int(side.sum()) for side in sides))

    def threshold_for(self, kept: float | int) -> float:
        """Find the threshold at which the number of answers let through is closest to `kept`.

        If several neighbouring thresholds are equally close, return the middle one.

        >>> Scores("p", np.array([0.2, 0.5, 0.9]), np.array([True, False, True])).threshold_for(1)
        0.705
        """
        low, high, step = self.axis()
        places = low + step * np.arange(round((high - low) / step) + 1)
        ordered = np.sort(self.values)
        off = np.abs(len(ordered) - np.searchsorted(ordered, np.array([tidy(place) for place in places])) - kept)
        best = np.flatnonzero(off == off.min())
        run = best[: int(np.argmax(np.append(np.diff(best) > 1, True))) + 1]  # the first run of neighbouring thresholds
        return tidy(float(places[run[len(run) // 2]]))

    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """Return how many right and how many wrong answers each threshold lets through, from none to all."""
        order = np.argsort(-self.values, kind="stable")
        values, hits = self.values[order], self.right[order]
        last = np.append(np.flatnonzero(values[1:] != values[:-1]), len(values) - 1)  # where each tie ends
        right = np.append(0, hits.cumsum()[last])
        return right, np.append(0, 1 + last) - right

    def area(self) -> float | None:
        """Return the area under the ROC curve, that is, how often a right answer scores higher than a wrong answer.

        Returns None if all answers are right, or all are wrong.
        """
        right, wrong = self.steps()
        if not (right[-1] and wrong[-1]):
            return None
        return float(np.trapezoid(right / right[-1], wrong / wrong[-1]))

    def reliability(self, bins: int) -> list[dict[str, Any]]:
        """Sort the answers into bins of equal width, as `llmlib.evaluation.reliability` does."""
        places = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], self.values)
        inside = [(place, places == place) for place in range(bins)]
        return [
            {
                "low": place / bins,
                "high": (place + 1) / bins,
                "score": float(self.values[here].mean()),
                "right": float(self.right[here].mean()),
                "count": int(here.sum()),
            }
            for place, here in inside
            if here.any()
        ]

    def describe(self, bins: int) -> dict[str, Any]:
        """Return all the data on this score that a page needs, except the score's values."""
        low, high, step = self.axis()
        found = self.reliability(bins) if self.is_share else []
        error = sum(one["count"] * abs(one["right"] - one["score"]) for one in found) / len(self.values)
        return {
            "name": self.name,
            "low": low,
            "high": high,
            "step": step,
            "area": self.area(),
            "bins": found,
            "error": error if found else None,
        }


def tidy(value: float | int) -> float:
    """Round to twelve significant digits to remove small floating-point errors, as `tidy` in data.mjs does.

    >>> tidy(0.1 + 0.2)
    0.3
    """
    return float(f"{value:.12g}")


def checked(name: str, values: Any, right: Bool[np.ndarray, " answer"]) -> Scores:
    """Convert a caller's values to scores. Raises `ValueError` unless each answer has one finite value."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != right.shape:
        raise ValueError(
            f"{name!r} must have one number for each of the {len(right)} answers; got shape {list(numbers.shape)}."
        )
    if not np.isfinite(numbers).all():
        at = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ValueError(
            f"{name!r} has {numbers[at]} for answer {at}, which cannot be compared with a threshold. "
            "Leave this answer out, or give it a score."
        )
    return Scores(name, numbers, right)


def checked_right(right: Any) -> Bool[np.ndarray, " answer"]:
    """Return `right` as booleans. Raises `ValueError` unless it is a list of one or more answers, each 0 or 1."""
    given = np.asarray(right)
    if given.ndim != 1 or not len(given):
        raise ValueError(f"right must be a list of one or more answers, each 0 or 1; got shape {list(given.shape)}.")
    if not np.isin(given, (0, 1)).all():
        invalid = given[~np.isin(given, (0, 1))][0]
        raise ValueError(f"An answer must be right (1) or wrong (0); got {invalid!s}.")
    return given.astype(bool)


def share(part: int | float, whole: int | float) -> str:
    """Format a share as a percentage, or "none" if `whole` is 0.

    >>> share(7, 8), share(1, 1000), share(0, 0)
    ('88%', '0.1%', 'none')
    """
    if not whole:
        return "none"
    percent = 100 * part / whole
    return f"{percent:.1f}%" if 0 < percent < 1 or 99 < percent < 100 else f"{percent:.0f}%"


def brief(value: float | int) -> str:
    """Format a threshold.

    >>> brief(0.62), brief(-3.0), brief(0.0)
    ('0.62', '−3', '0')
    """
    return f"{value + 0.0:.6g}".replace("-", "−")


def groups_in_words(counts: Counts, names: Sequence[str]) -> tuple[str, str]:
    """Say what is let through, and what is withheld, as `groupsInWords` in data.mjs does.

    >>> groups_in_words(Counts(61, 9, 12, 18), ("right", "wrong"))
    ('70 of 100 let through: 61 right, 9 wrong.', '30 withheld: 12 right, 18 wrong.')
    """
    n = sum(counts)
    yes, no = names
    return (
        f"{counts.kept:,} of {n:,} let through: {counts.kept_right:,} {yes}, {counts.kept_wrong:,} {no}.",
        f"{n - counts.kept:,} withheld: {counts.lost_right:,} {yes}, {counts.lost_wrong:,} {no}.",
    )

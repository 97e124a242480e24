"""Estimate how far off a measured number could be, by measuring it again on samples drawn from the same questions."""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike


def bootstrap_interval(
    statistic: Callable[..., float],
    *columns: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval that contains the middle 95% (or a different `level`) of a statistic's values on new samples.

    Each column has one number per question. Each of the `draws` new samples is drawn with replacement from the original
    sample, and has the same number of questions (with `groups`, the same number of groups); `statistic` is called with
    the columns of the new sample. Questions with the same name in `groups`, such as all those about one story, are
    drawn together. A model gets such questions right or wrong for the same reasons, so they are weaker evidence than
    their number suggests. Sources: Efron (1979), "Bootstrap Methods: Another Look at the Jackknife"; Field and Welsh
    (2007), "Bootstrapping clustered data", for groups. Raises `ValueError` for columns that are empty or have different
    lengths, or for fewer than two questions or groups.

    >>> right = [1, 1, 1, 0, 1, 1, 0, 1, 1, 1]
    >>> bootstrap_interval(np.mean, right)
    (0.5, 1.0)
    >>> bootstrap_interval(np.mean, right * 10, groups=list(range(10)) * 10)  # ten copies of each are no more evidence
    (0.5, 1.0)
    """
    arrays = [np.asarray(column) for column in columns]
    members = group_members(len(arrays[0]) if arrays else 0, groups)
    if any(len(array) != len(arrays[0]) for array in arrays):
        raise ValueError(f"The columns have different lengths: {[len(array) for array in arrays]}.")
    if len(members) < 2:
        raise ValueError(f"An interval needs at least 2 questions or groups to draw from, got {len(members)}.")
    if not 0 < level < 1 or draws < 1:
        raise ValueError(
            f"level must be between 0 and 1, and draws must be at least 1; got level={level} and draws={draws}."
        )
    generator, values = np.random.default_rng(seed), np.empty(draws)
    for number in range(draws):
        drawn = generator.integers(len(members), size=len(members))
        rows = np.concatenate([members[which] for which in drawn]) if groups is not None else drawn
        values[number] = statistic(*(array[rows] for array in arrays))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def group_members(n: int, groups: Sequence[Hashable] | None) -> list[np.ndarray]:
    """Return the positions of each group's questions; without groups, each question is its own group.

    >>> group_members(3, ["a", "b", "a"])
    [array([0, 2]), array([1])]
    """
    if n < 1:
        raise ValueError("There are no questions to measure a model on.")
    if groups is None:
        return list(np.arange(n)[:, None])
    if len(groups) != n:
        raise ValueError(f"There are {n} questions, but {len(groups)} group names. Pass one name for each question.")
    places: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(group, []).append(place)
    return [np.array(found) for found in places.values()]

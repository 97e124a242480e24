"""Name the axes of a result, and find which axis is missing."""

from collections.abc import Sequence

MISSING = "missing"


def aligned(expected: Sequence[int], got: Sequence[int]) -> list[int | str]:
    """Return the result's size along each expected axis, or "missing" for an axis that the result lacks.

    >>> aligned((2, 5, 7), (2, 7)), aligned((2, 5, 5), (5, 5)), aligned((2, 5), (5, 2))
    ([2, 'missing', 7], ['missing', 5, 5], [5, 2])
    """
    sizes: list[int | str] = [*got]
    for lacks in range(len(expected)):
        if len(got) == len(expected) - 1 and [*expected[:lacks], *expected[lacks + 1 :]] == sizes:
            return [*got[:lacks], MISSING, *got[lacks:]]
    return [*got, *[MISSING] * (len(expected) - len(got))]


def plain_axes(number: int) -> list[str]:
    """Return default names for `number` axes that have no names. In a report, an index follows each name."""
    return {1: ["index"], 2: ["row", "column"]}.get(number, [f"axis {i}: index" for i in range(number)])

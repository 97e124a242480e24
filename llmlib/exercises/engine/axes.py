"""The names of axes, and which axis a result lacks."""

from collections.abc import Sequence

MISSING = "missing"


def aligned(expected: Sequence[int], got: Sequence[int]) -> list[int | str]:
    """Return the sizes that belong to the expected axes: a missing axis is found from the others.

    >>> aligned((2, 5, 7), (2, 7)), aligned((2, 5, 5), (5, 5)), aligned((2, 5), (5, 2))
    ([2, 'missing', 7], ['missing', 5, 5], [5, 2])
    """
    sizes: list[int | str] = [*got]
    for lacks in range(len(expected)):
        if len(got) == len(expected) - 1 and [*expected[:lacks], *expected[lacks + 1 :]] == sizes:
            return [*got[:lacks], MISSING, *got[lacks:]]
    return [*got, *[MISSING] * (len(expected) - len(got))]


def plain_axes(number: int) -> list[str]:
    """Make names for axes without names, to be read before an index."""
    return {1: ["index"], 2: ["row", "column"]}.get(number, [f"axis {i}: index" for i in range(number)])

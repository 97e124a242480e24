"""The names of axes, and which axis a result lacks."""

from collections.abc import Sequence

MISSING = "missing"


def aligned(expected: Sequence[int], got: Sequence[int]) -> list[int | str]:
    """Return the result's size for each expected axis, or "missing": the other axes show which one is missing.

    >>> aligned((2, 5, 7), (2, 7)), aligned((2, 5, 5), (5, 5)), aligned((2, 5), (5, 2))
    ([2, 'missing', 7], ['missing', 5, 5], [5, 2])
    """
    sizes: list[int | str] = [*got]
    for lacks in range(len(expected)):
        if len(got) == len(expected) - 1 and [*expected[:lacks], *expected[lacks + 1 :]] == sizes:
            return [*got[:lacks], MISSING, *got[lacks:]]
    return [*got, *[MISSING] * (len(expected) - len(got))]


def plain_axes(number: int) -> list[str]:
    """Make names for unnamed axes; each is followed by an index in a report."""
    return {1: ["index"], 2: ["row", "column"]}.get(number, [f"axis {i}: index" for i in range(number)])

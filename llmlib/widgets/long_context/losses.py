"""Average the losses over blocks of positions, with a band around the mean if there are several rows."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

WIDTHS = (1, 4, 16, 64, 256)  # how many positions are averaged into one point
FEWEST = 8  # an averaged curve has at least this many points
FEW = 8  # the band spans all rows if there are at most this many; otherwise it is two standard errors on each side


class Curves(NamedTuple):
    """The losses of all arms, averaged over blocks of `width` positions, with NaN where an arm has no loss."""

    width: int
    first: Int[np.ndarray, " point"]  # first position of each block
    last: Int[np.ndarray, " point"]
    mean: Float[np.ndarray, "arm point"]
    low: Float[np.ndarray, "arm point"]
    high: Float[np.ndarray, "arm point"]

    def pack(self) -> bytes:
        """Pack the curves in little-endian order.

        First come the first and the last position of each block (u4), and then each arm's means, lows and highs (f4).
        """
        rows = np.stack([self.mean, self.low, self.high], axis=1)
        return self.first.astype("<u4").tobytes() + self.last.astype("<u4").tobytes() + rows.astype("<f4").tobytes()


def checked_losses(losses: Mapping[str, Any]) -> dict[str, Float[np.ndarray, "row position"]]:
    """Return each arm's losses as rows. Raises `ValueError` unless every loss is finite and the axes are correct."""
    found = {}
    for name, given in losses.items():
        rows = np.atleast_2d(np.asarray(given, dtype=np.float64))
        if rows.ndim != 2 or not rows.size:
            raise ValueError(
                f"The losses of {name!r} must have the axes [position] or [row, position]; "
                f"got shape {list(np.shape(given))}."
            )
        if not np.isfinite(rows).all():
            row, at = map(int, np.argwhere(~np.isfinite(rows))[0])
            raise ValueError(f"The loss of {name!r} in row {row} at index {at} must be finite; got {rows[row, at]}.")
        found[str(name)] = rows
    return found


def checked_positions(positions: Any, n: int) -> Int[np.ndarray, " position"]:
    """Return the positions of `n` losses, 1 to `n` by default. Raises `ValueError` unless the positions increase."""
    if positions is None:
        return np.arange(1, n + 1)
    given = np.asarray(positions)
    if given.shape != (n,):
        raise ValueError(f"Pass a position for each of the {n} losses; got positions of shape {list(given.shape)}.")
    if (given < 0).any() or (np.diff(given) <= 0).any():
        raise ValueError("positions must be increasing whole numbers, 0 or larger.")
    return given.astype(int)


def averaged(losses: Mapping[str, np.ndarray], positions: np.ndarray, width: int) -> Curves:
    """Average the losses over blocks of `width` positions.

    >>> curves = averaged({"a": np.array([[4.0, 2.0, 1.0], [2.0, 2.0, 3.0]])}, np.array([1, 2, 3]), 2)
    >>> curves.last, curves.mean, curves.low, curves.high
    (array([2, 3]), array([[2.5, 2. ]]), array([[2., 1.]]), array([[3., 3.]]))
    """
    begins = range(0, len(positions), width)
    blocks = [positions[begin : begin + width] for begin in begins]
    mean, low, high = (np.full((len(losses), len(blocks)), np.nan) for _ in range(3))
    for arm, rows in enumerate(losses.values()):
        for point, begin in enumerate(begins):
            if (block := rows[:, begin : begin + width]).size:
                each = block.mean(axis=1)
                mean[arm, point] = each.mean()
                spread = 2 * each.std(ddof=1) / len(each) ** 0.5 if len(each) > FEW else None
                low[arm, point] = each.min() if spread is None else each.mean() - spread
                high[arm, point] = each.max() if spread is None else each.mean() + spread
    first, last = (np.array([block[end] for block in blocks]) for end in (0, -1))
    return Curves(width, first, last, mean, low, high)


def levels(losses: Mapping[str, np.ndarray], positions: np.ndarray) -> list[Curves]:
    """Average the losses over blocks of each width, from one position to the widest block that leaves enough points."""
    widths = [width for width in WIDTHS if width == 1 or len(positions) / width >= FEWEST]
    return [averaged(losses, positions, width) for width in widths] if losses else []


def sides(rows: np.ndarray, positions: np.ndarray, trained: int | None) -> list[float | None]:
    """Return the mean loss up to the trained length and the mean loss beyond it; None means no positions.

    >>> sides(np.array([[3.0, 1.0, 5.0]]), np.array([1, 2, 3]), 2)
    [2.0, 5.0]
    """
    here = positions[: rows.shape[1]]
    inside = here <= (here[-1] if trained is None else trained)
    return [float(rows[:, side].mean()) if side.any() else None for side in (inside, ~inside)]

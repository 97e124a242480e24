"""Store curves in a form that stays small however long a run is; `unpackCurves` in curves.mjs reads them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt

MOST = 1024  # a curve has at most this many points, more than a screen can show


class Curve:
    """A curve of at most `MOST` points; to stay within this limit, it merges neighbouring points in pairs.

    A point stores its first and last steps and, for each value, the mean, the lowest and the highest, so that a single
    spike among 100,000 steps still shows. Adding a step takes the same time however long the run is.

    >>> curve = Curve(1)
    >>> for step in range(1, 100_001):
    ...     curve.add(step, 0.1 * step, [9.0 if step == 777 else 1.0])
    >>> len(curve), curve.width, curve.high.max().item()
    (782, 128, 9.0)
    """

    def __init__(self, n_values: int):
        self.n, self.width, self.filled = 0, 1, 0  # points; steps per point; steps in the last point
        self._first = np.zeros(MOST, "<u4")
        self._last = np.zeros(MOST, "<u4")
        self._seconds = np.zeros(MOST, "<f4")  # seconds since the run began, at each point's last step
        self._values = np.full((3, n_values, MOST), np.nan)  # mean, lowest, highest

    def __len__(self) -> int:
        return self.n

    def add(self, step: int, seconds: float, values: Sequence[float]) -> None:
        """Add the values at the next step; an unknown value is NaN."""
        if self.n == 0 or self.filled == self.width:
            if self.n == MOST:
                self._halve()
            self._first[self.n] = step
            self._values[:, :, self.n] = values
            self.n, self.filled = self.n + 1, 0
        else:
            mean, low, high = self._values[:, :, self.n - 1]
            mean += (np.asarray(values) - mean) / (self.filled + 1)
            np.minimum(low, values, out=low)
            np.maximum(high, values, out=high)
        self.filled += 1
        self._last[self.n - 1] = step
        self._seconds[self.n - 1] = seconds

    def _halve(self) -> None:
        """Merge neighbouring points in pairs; all points are full, so all have the same weight."""
        half = MOST // 2
        mean, low, high = self._values.reshape(3, self._values.shape[1], half, 2)
        self._values[:, :, :half] = mean.mean(-1), low.min(-1), high.max(-1)
        self._first[:half] = self._first[::2]
        self._last[:half] = self._last[1::2]
        self._seconds[:half] = self._seconds[1::2]
        self.n, self.width, self.filled = half, 2 * self.width, 2 * self.width

    @property
    def first(self) -> UInt[np.ndarray, " point"]:
        return self._first[: self.n]

    @property
    def last(self) -> UInt[np.ndarray, " point"]:
        return self._last[: self.n]

    @property
    def mean(self) -> Float[np.ndarray, "value point"]:
        return self._values[0, :, : self.n]

    @property
    def low(self) -> Float[np.ndarray, "value point"]:
        return self._values[1, :, : self.n]

    @property
    def high(self) -> Float[np.ndarray, "value point"]:
        return self._values[2, :, : self.n]

    def pack(self) -> bytes:
        """Pack the curve in little-endian order.

        First come the numbers of points, of steps per point and of values, then the first and the last steps (u4), the
        seconds, means, lows and highs (f4). Lows and highs are left out as long as each point is one step.
        """
        head = np.array([self.n, self.width, len(self.mean)], "<u4")
        whole = [self.mean] if self.width == 1 else [self.mean, self.low, self.high]
        parts = (head, self.first, self.last, self._seconds[: self.n], *(values.astype("<f4") for values in whole))
        return b"".join(part.tobytes() for part in parts)

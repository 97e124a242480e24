"""Record how large the values inside a model are at some steps; `unpackInside` in sizes.mjs unpacks the records."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

MOST_RECORDS = 128  # a run keeps at most this many records
KINDS = ("updates", "gradients", "activations")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class History:
    """Quantiles of each group's values at up to `MOST_RECORDS` steps.

    A run with more records keeps only every second, fourth, … record. The newest record is always kept.

    >>> history = History()
    >>> for step in range(1, 301):
    ...     history.add(step, 0.1 * step, ["block 0"], np.full((3, 1, 5), 0.001))
    >>> history.steps[:3], history.steps[-2:], history.every
    ([1, 5, 9], [297, 300], 4)
    """

    def __init__(self) -> None:
        self.groups: list[str] = []
        self.steps: list[int] = []
        self.every = 1  # one record in this many is kept
        self._seconds: list[float] = []
        self._values: list[Float[np.ndarray, "kind group quantile"]] = []
        self._came = 0

    def __len__(self) -> int:
        return len(self.steps)

    def add(
        self, step: int, seconds: float, groups: Sequence[str], values: Float[np.ndarray, "kind group quantile"]
    ) -> None:
        """Add a record. Raises `ValueError` if the values have the wrong shape, or if the groups have changed."""
        shape = len(KINDS), len(groups), len(QUANTILES)
        if np.shape(values) != shape:
            raise ValueError(f"Statistics of {len(groups)} groups must have the shape {shape}; got {np.shape(values)}.")
        if self.groups and list(groups) != self.groups:
            raise ValueError(f"A run must keep the same groups: they were {self.groups} and are now {list(groups)}.")
        self.groups = list(groups)
        if self.steps and (self._came - 1) % self.every:
            self._drop(slice(-1, None))  # the last record was kept only because it was the newest
        elif len(self.steps) == MOST_RECORDS:
            self._drop(slice(1, None, 2))
            self.every *= 2
        self._came += 1
        self.steps.append(step)
        self._seconds.append(seconds)
        self._values.append(np.asarray(values, dtype="<f4"))

    def _drop(self, which: slice) -> None:
        for rows in (self.steps, self._seconds, self._values):
            del rows[which]

    def of(self, kind: str) -> Float[np.ndarray, "record group quantile"]:
        """Return the values of one kind (one of `KINDS`) in all records, oldest first."""
        which = KINDS.index(kind)
        return np.array([values[which] for values in self._values]).reshape(-1, len(self.groups), len(QUANTILES))

    def pack(self) -> bytes:
        """Pack the records in little-endian order.

        First come the number of records, the number of groups and the steps (u4), then the seconds (f4), and then the
        values (f4), with the axes record, kind, group and quantile.
        """
        head = np.array([len(self), len(self.groups), *self.steps], "<u4")
        values = np.array(self._values, "<f4")
        return head.tobytes() + np.array(self._seconds, "<f4").tobytes() + values.tobytes()

"""Make pictures of a tensor's values: few enough cells that each one is visible, and one byte per cell."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

MOST_ROWS, MOST_COLUMNS, MOST_CELLS = 192, 288, 64_000


@dataclass(frozen=True)
class Picture:
    """A tensor's cells in one or more panels (one per head).

    A cell shows the strongest value in its square. A code c stands for the value ±scale·(c / 127)², with the sign of c.
    """

    codes: bytes
    meta: dict[str, Any]  # panels, rows, columns, scale, and `shape` (the size of a panel before cells were merged)


def picture_of(values: Float[np.ndarray, "panel row column"]) -> Picture:
    """Make a picture of any values; a value that is not finite gets the code -128.

    >>> picture = picture_of(np.array([[[4.0, -1.0, 0.0]]]))
    >>> np.frombuffer(picture.codes, np.int8).tolist(), picture.meta["scale"]
    ([127, -64, 0], 4.0)
    """
    n_panels, n_rows, n_columns = values.shape
    rows, columns = min(n_rows, MOST_ROWS), min(n_columns, MOST_COLUMNS)
    if n_panels * rows * columns > MOST_CELLS:  # if there are many heads, each head gets a smaller panel
        shrink = (MOST_CELLS / (n_panels * rows * columns)) ** 0.5
        rows, columns = max(1, int(rows * shrink)), max(1, int(columns * shrink))
    cells = strongest(strongest(values, rows, axis=1), columns, axis=2)
    finite = np.isfinite(cells)
    scale = float(np.abs(cells[finite]).max(initial=0.0)) or 1.0
    cells = np.where(finite, cells, 0.0)
    codes = np.sign(cells) * np.round(127 * np.sqrt(np.abs(cells) / scale))
    codes = np.where(finite, codes, -128).astype(np.int8)
    meta = {"panels": n_panels, "rows": rows, "columns": columns, "scale": scale, "shape": [n_rows, n_columns]}
    return Picture(codes.tobytes(), meta)


def strongest(
    values: Float[np.ndarray, "panel row column"], parts: int, axis: int
) -> Float[np.ndarray, "panel new_row new_column"]:
    """Merge neighbouring values along an axis into `parts` cells; each cell keeps the value farthest from zero."""
    length = values.shape[axis]
    if length == parts:
        return values
    starts = (np.arange(parts) * length) // parts
    high, low = np.maximum.reduceat(values, starts, axis), np.minimum.reduceat(values, starts, axis)
    return np.where(high >= -low, high, low)

"""Record and pack two models' predictions for each token of a text; `unpackMoves` in data.mjs unpacks them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

SHOWN = 5  # how many of the likeliest tokens are kept at each position
SCALES = (0.5, 1.0, 2.0, 4.0, 8.0)  # the possible ends of the colour scale, in nats


class Expected(NamedTuple):
    """A model's predictions for each token, with NaN or 0 for the first token, because nothing comes before it."""

    log_probs: Float[np.ndarray, " seq"]  # for the tokens in the text
    top: Int[np.ndarray, "seq k"]  # ids, the likeliest first
    top_log_probs: Float[np.ndarray, "seq k"]

    def pack(self) -> bytes:
        """Pack the predictions in little-endian order.

        First come the tokens' log-probabilities (f4), then the likeliest ids (u4), and then the log-probabilities of
        these ids (f4).
        """
        columns = ((self.log_probs, "<f4"), (self.top, "<u4"), (self.top_log_probs, "<f4"))
        return b"".join(column.astype(kind).tobytes() for column, kind in columns)


def nothing(seq: int, vocab_size: int) -> Expected:
    """Return empty predictions for `seq` tokens."""
    k = min(SHOWN, vocab_size)
    return Expected(np.full(seq, np.nan), np.zeros((seq, k), dtype=np.int64), np.zeros((seq, k)))


def look(expected: Expected, first: int, logits: Float[np.ndarray, "row vocab"], ids: Int[np.ndarray, " row"]) -> None:
    """Record the log-probabilities of the tokens `ids`, and the likeliest tokens, from position `first` on.

    Row k of `logits` is the model's prediction for token k of `ids`.

    >>> expected = nothing(2, vocab_size=3)
    >>> look(expected, 1, np.log([[0.2, 0.7, 0.1]]), np.array([2]))
    >>> float(np.exp(expected.log_probs[1]).round(2)), expected.top[1].tolist()
    (0.1, [1, 0, 2])
    """
    rows = slice(first, first + len(ids))
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    k = expected.top.shape[1]
    candidates = np.argpartition(-log_probs, k - 1, axis=-1)[:, :k]
    order = np.argsort(-np.take_along_axis(log_probs, candidates, axis=-1), axis=-1, kind="stable")
    top = np.take_along_axis(candidates, order, axis=-1)
    expected.log_probs[rows] = np.take_along_axis(log_probs, ids[:, None], axis=-1)[:, 0]
    expected.top[rows], expected.top_log_probs[rows] = top, np.take_along_axis(log_probs, top, axis=-1)


def scale_of(moves: Float[np.ndarray, " seq"]) -> float:
    """Choose how far the colour scale reaches on each side, in nats (at most 8), so that it covers 90% of the changes.

    >>> scale_of(np.array([np.nan, 0.1, -0.2, 1.5])), scale_of(np.array([]))
    (2.0, 0.5)
    """
    sizes = np.sort(np.abs(moves[~np.isnan(moves)]))
    most = sizes[int(0.9 * (len(sizes) - 1) + 0.999)] if len(sizes) else 0.0
    return next((scale for scale in SCALES if scale >= most), SCALES[-1])


class Mean(NamedTuple):
    """The mean surprise of both models over some tokens, in nats; `tokens` is the number of tokens."""

    tokens: int
    base: float
    tuned: float


def mean_surprise(base: Float[np.ndarray, " seq"], tuned: Float[np.ndarray, " seq"], places: Sequence[int]) -> Mean:
    """Return each model's mean surprise over the tokens at `places`, or NaN if no token counts.

    A text's first token has no surprise, so it does not count.
    """
    counted = [k for k in places if not np.isnan(base[k])]
    if not counted:
        return Mean(0, float("nan"), float("nan"))
    return Mean(len(counted), -float(base[counted].mean()), -float(tuned[counted].mean()))

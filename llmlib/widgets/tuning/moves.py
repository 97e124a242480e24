"""What two models expected at each token of one text; the counterpart of `unpackMoves` in data.mjs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

SHOWN = 5  # likeliest tokens at each place
SCALES = (0.5, 1.0, 2.0, 4.0, 8.0)  # nats at the ends of the colours


class Expected(NamedTuple):
    """What a model expected where it read a token; nothing comes before the first one, where all is NaN and 0."""

    log_probs: Float[np.ndarray, " seq"]  # of the tokens that came
    top: Int[np.ndarray, "seq k"]  # ids of the likeliest, falling
    top_log_probs: Float[np.ndarray, "seq k"]

    def pack(self) -> bytes:
        """Column by column, little-endian: f4 log-probabilities, u4 ids, f4 their log-probabilities."""
        columns = ((self.log_probs, "<f4"), (self.top, "<u4"), (self.top_log_probs, "<f4"))
        return b"".join(column.astype(kind).tobytes() for column, kind in columns)


def nothing(seq: int, vocab_size: int) -> Expected:
    """Room for what is expected at so many tokens."""
    k = min(SHOWN, vocab_size)
    return Expected(np.full(seq, np.nan), np.zeros((seq, k), dtype=np.int64), np.zeros((seq, k)))


def look(expected: Expected, first: int, logits: Float[np.ndarray, "row vocab"], ids: Int[np.ndarray, " row"]) -> None:
    """Write down what these logits say of the tokens `ids` that follow them, which stand from place `first` on.

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
    """The nats at the ends of the colours: nine of ten tokens lie within.

    >>> scale_of(np.array([np.nan, 0.1, -0.2, 1.5])), scale_of(np.array([]))
    (2.0, 0.5)
    """
    sizes = np.sort(np.abs(moves[~np.isnan(moves)]))
    most = sizes[int(0.9 * (len(sizes) - 1) + 0.999)] if len(sizes) else 0.0
    return next((scale for scale in SCALES if scale >= most), SCALES[-1])


class Mean(NamedTuple):
    """The mean surprise over some tokens, in nats, of both models; `tokens` is how many there are."""

    tokens: int
    base: float
    tuned: float


def mean_surprise(base: Float[np.ndarray, " seq"], tuned: Float[np.ndarray, " seq"], places: Sequence[int]) -> Mean:
    """NaN where there are no tokens; the first token of a text has no surprise."""
    counted = [k for k in places if not np.isnan(base[k])]
    if not counted:
        return Mean(0, float("nan"), float("nan"))
    return Mean(len(counted), -float(base[counted].mean()), -float(tuned[counted].mean()))

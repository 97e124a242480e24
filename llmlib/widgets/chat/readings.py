"""How likely each token of an answer was for the model; the counterpart of `unpackReadings` in data.mjs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

SHOWN = 5  # likeliest tokens beside the one that was drawn
NOTHING = 2**32 - 1  # in place of a word, if the vocabulary has fewer tokens than are shown

# A token: its word, a number in the view's list of words, and its log-probability; then the same of the likeliest.
TOKEN = np.dtype([("word", "<u4"), ("log_prob", "<f4"), ("words", "<u4", SHOWN), ("log_probs", "<f4", SHOWN)])


def reading(word: int, log_prob: float, likeliest: Sequence[tuple[int, float]]) -> Any:
    """Pack one token for the browser.

    >>> reading(7, -0.5, [(7, -0.5), (9, -1.5)])["words"].tolist()[:3]
    [7, 9, 4294967295]
    """
    padded = [*likeliest[:SHOWN], *[(NOTHING, -np.inf)] * (SHOWN - len(likeliest))]
    words, log_probs = zip(*padded)
    return np.array((word, log_prob, words, log_probs), dtype=TOKEN)


def pack(readings: Sequence[Any]) -> bytes:
    """Pack all tokens of an answer, one after the other."""
    return b"".join(one.tobytes() for one in readings)

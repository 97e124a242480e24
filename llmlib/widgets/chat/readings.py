"""Pack the probabilities that the model gave to the tokens of an answer; `unpackReadings` in data.mjs unpacks them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

SHOWN = 5  # how many of the likeliest tokens each reading holds
NOTHING = 2**32 - 1  # stands for a missing word if the vocabulary has fewer than SHOWN tokens

# A token: its word (an index into the view's list of words) and its log-probability, followed by the words and
# log-probabilities of the likeliest tokens.
TOKEN = np.dtype([("word", "<u4"), ("log_prob", "<f4"), ("words", "<u4", SHOWN), ("log_probs", "<f4", SHOWN)])


def reading(word: int, log_prob: float, likeliest: Sequence[tuple[int, float]]) -> Any:
    """Pack one token's data for the browser: the token and the likeliest tokens, each with its log-probability.

    >>> reading(7, -0.5, [(7, -0.5), (9, -1.5)])["words"].tolist()[:3]
    [7, 9, 4294967295]
    """
    padded = [*likeliest[:SHOWN], *[(NOTHING, -np.inf)] * (SHOWN - len(likeliest))]
    words, log_probs = zip(*padded)
    return np.array((word, log_prob, words, log_probs), dtype=TOKEN)


def pack(readings: Sequence[Any]) -> bytes:
    """Pack the readings for all the tokens in an answer, one after the other."""
    return b"".join(one.tobytes() for one in readings)

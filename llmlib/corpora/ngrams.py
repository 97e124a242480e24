"""Count n-grams to build a simple baseline that every trained model should be compared with."""

import numpy as np
from jaxtyping import Float, Int


def witten_bell(
    learned: Int[np.ndarray, "tokens"], rows: Int[np.ndarray, "row seq"], order: int, vocab_size: int
) -> Float[np.ndarray, "row seq"]:
    """Return the surprise, −ln p in nats, of each token in `rows` under an n-gram model with counts from `learned`.

    The model predicts a token from up to `order` − 1 tokens before it in its row (order 1 uses none, order 2 is a
    bigram model). Each order is mixed with the next lower one, whose weight is the number of distinct tokens that have
    followed the context. At the lowest level, below single-token counts, every token is equally likely. Raises
    `ValueError` for an order below 1, or for an order so high that the n-grams of this vocabulary cannot be numbered in
    63 bits.

    Source: Witten and Bell (1991), "The zero-frequency problem", method C; mixed as in Chen and Goodman (1998).

    >>> learned, rows = (
    ...     np.array([0, 1, 0, 0]),
    ...     np.array([[0, 1]]),
    ... )  # 0 came 3 times out of 4; after it came 0 once, 1 once
    >>> np.exp(-witten_bell(learned, rows, order=2, vocab_size=2)) * 12  # (3 + 2 · ½) / 6, then (1 + 2 · ⅓) / 4
    array([[8., 5.]])
    """
    if order < 1 or vocab_size**order >= 2**63:
        raise ValueError(
            f"order must be at least 1, and {vocab_size}**order must be less than 2**63; got order={order}."
        )
    p = np.full(rows.shape, 1 / vocab_size)
    for n in range(1, order + 1):
        if n > min(len(learned), rows.shape[1]):
            break
        grams, counts = np.unique(_numbered(learned, n, vocab_size), return_counts=True)
        contexts, first = np.unique(grams // vocab_size, return_index=True)  # sorted by context
        seen, kinds = np.add.reduceat(counts, first), np.diff(first, append=len(grams))
        asked = _numbered(rows, n, vocab_size)
        count, total, successors = (
            _looked_up(asked, grams, counts),
            _looked_up(asked // vocab_size, contexts, seen),
            _looked_up(asked // vocab_size, contexts, kinds),
        )
        lower = p[:, n - 1 :]
        p[:, n - 1 :] = np.where(total > 0, (count + successors * lower) / np.maximum(total + successors, 1), lower)
    return -np.log(p)


def _numbered(ids: Int[np.ndarray, "*axes seq"], n: int, vocab_size: int) -> Int[np.ndarray, "*axes places"]:
    """Return a number for each n-gram; the number's digits in base `vocab_size` are the n-gram's tokens."""
    places = ids.shape[-1] - n + 1
    number = np.zeros((*ids.shape[:-1], places), dtype=np.int64)
    for i in range(n):
        number = number * vocab_size + ids[..., i : i + places]
    return number


def _looked_up(
    keys: Int[np.ndarray, "*axes"], known: Int[np.ndarray, "k"], values: Int[np.ndarray, "k"]
) -> Int[np.ndarray, "*axes"]:
    """Return the value of each key, or 0 for an unknown key. `known` must be sorted."""
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[place] == keys, values[place], 0)

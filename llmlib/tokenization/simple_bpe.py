"""Run the simplest byte-pair encoding, as in lesson 01, on lists of ids, without a dictionary of pieces or a heap.

Each merge passes over the whole text, so training takes minutes where `llmlib.tokenization.bpe_training` takes seconds;
the merges are the same. Sources: Gage (1994), "A New Algorithm for Data Compression"; Sennrich et al. (2016),
https://arxiv.org/abs/1508.07909.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

Pair = tuple[int, int]


def most_common_pair(ids: Sequence[int]) -> Pair | None:
    """Return the most common pair of neighbours (the smaller pair if two are tied), or None if there is no pair.

    >>> most_common_pair([5, 6, 5, 6, 9]), most_common_pair([5])
    ((5, 6), None)
    """
    counts = Counter(pairwise(ids))
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


def merge(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """Replace each `pair` with `new_id`, from left to right.

    >>> merge([1, 2, 1, 2, 1], (1, 2), 256)
    [256, 256, 1]
    """
    merged: list[int] = []
    i = 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def train(text: str, n_merges: int) -> list[Pair]:
    """Learn up to `n_merges` pairs from a text's UTF-8 bytes; pair number i makes the token with the id 256 + i.

    Training stops early if the whole text has become a single token.

    >>> train("hug hugs", 2)
    [(104, 117), (256, 103)]
    """
    ids = list(text.encode())
    merges: list[Pair] = []
    while len(merges) < n_merges and (pair := most_common_pair(ids)):
        ids = merge(ids, pair, 256 + len(merges))
        merges.append(pair)
    return merges


def encode(text: str, merges: Sequence[Pair]) -> list[int]:
    """Turn a text into ids by taking its bytes, and then applying the merges in the order in which they were learned.

    >>> encode("hugs", [(117, 103), (104, 256)])
    [257, 115]
    """
    ids = list(text.encode())
    for number, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + number)
    return ids


def decode(ids: Sequence[int], merges: Sequence[Pair]) -> str:
    """Turn ids into text by joining the bytes of all tokens, and then reading them as UTF-8.

    Bytes that are not valid UTF-8 (because a character was cut in two) become U+FFFD.

    >>> decode([257, 115], [(117, 103), (104, 256)])
    'hugs'
    """
    table = [bytes([b]) for b in range(256)]
    for left, right in merges:
        table.append(table[left] + table[right])
    return b"".join(table[id] for id in ids).decode(errors="replace")


def count_pairs(pieces: Mapping[tuple[int, ...], int]) -> Counter[Pair]:
    """Count each pair of neighbours in a text, given its distinct pieces and how often each one occurs.

    >>> count_pairs({(1, 2, 3): 10, (2, 3): 1})
    Counter({(2, 3): 11, (1, 2): 10})
    """
    counts: Counter[Pair] = Counter()
    for piece, times in pieces.items():
        for pair in pairwise(piece):
            counts[pair] += times
    return counts

"""Wrong solutions of lesson 01 as people write them."""

from collections import Counter
from itertools import pairwise

from exercises.wrong import wrong


@wrong("tokenization.merge", "steps over one")
def _(ids, pair, new_id):
    out = []
    prev = None
    for x in ids:
        if prev == pair[0] and x == pair[1]:
            out.pop()
            out.append(new_id)
        else:
            out.append(x)
        prev = x
    return out


@wrong("tokenization.count_pairs", "overwritten")
def _(pieces):
    total = {}
    for piece, n in pieces.items():
        here = Counter(pairwise(piece))
        total.update({p: k * n for p, k in here.items()})
    return total


@wrong("tokenization.decode", "taken apart in the order of learning")
def _(ids, merges):
    ids = list(ids)
    for i, pair in enumerate(merges):
        new = []
        for x in ids:
            new.extend(pair if x == 256 + i else [x])
        ids = new
    return bytes(x % 256 for x in ids).decode("utf-8", errors="replace")


@wrong("tokenization.most_common_pair", "order of a set")
def _(ids):
    pairs = list(pairwise(ids))
    if not pairs:
        return None
    return sorted(set(pairs), key=pairs.count)[-1]


@wrong("tokenization.decode", "half lengthened")
def _(ids, merges):
    vocab = {i: [i] for i in range(256)}
    for i, (a, b) in enumerate(merges):
        vocab[256 + i] = vocab[a]
        vocab[256 + i] += vocab[b]
    return bytes(x for i in ids for x in vocab[i]).decode("utf-8", errors="replace")

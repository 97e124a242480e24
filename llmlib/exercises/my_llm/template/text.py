"""Bytes, the pairs that were merged, and a real model's ids."""

import re
from collections import Counter
from itertools import groupby, pairwise


def most_common_pair(ids):
    """The commonest pair of neighbours; among equals the smaller one; None if there is no pair."""
    counts = Counter(pairwise(ids))
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


def merge(ids, pair, new_id):
    """Each occurrence of the pair replaced by the new id, from left to right."""
    merged, i = [], 0
    while i < len(ids):
        found = tuple(ids[i : i + 2]) == pair
        merged.append(new_id if found else ids[i])
        i += 2 if found else 1
    return merged


def learn_merges(text, n_merges):
    """Merge the commonest pair again and again; pair number i makes the token 256 + i."""
    ids, merges = list(text.encode()), []
    while len(merges) < n_merges and (pair := most_common_pair(ids)):
        ids = merge(ids, pair, 256 + len(merges))
        merges.append(pair)
    return merges


def encode(text, merges):
    """The bytes of a text, then each merge in the order in which it was learned."""
    ids = list(text.encode())
    for number, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + number)
    return ids


def decode(ids, merges):
    """The bytes of all tokens together, read as UTF-8."""
    table = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        table.append(table[left] + table[right])
    return b"".join(table[id] for id in ids).decode(errors="replace")


class Tokenizer:
    """`encode` and `decode` for a model, with its own numbers for our ids (`theirs`), and its special tokens."""

    def __init__(self, merges, special, theirs=None, pieces=r"[^\n]*\n?"):
        self.merges, self.special, self.pieces = [tuple(pair) for pair in merges], special, pieces
        self.theirs = theirs or list(range(256 + len(merges)))
        self.tokens, self.known = [bytes([byte]) for byte in range(256)], {}
        for left, right in self.merges:
            self.tokens.append(self.tokens[left] + self.tokens[right])

    def encode(self, text):
        ids = []
        for part in re.split("(" + "|".join(map(re.escape, self.special)) + ")", text):
            pieces = [] if part in self.special else re.findall(self.pieces, part)
            ids += [self.special[part]] if part in self.special else []
            ids += [self.theirs[id] for piece in pieces for id in self.of_piece(piece)]
        return ids

    def of_piece(self, piece):
        """`encode` with the merges that are in the piece; a real model has 49,000 of them."""
        if piece not in self.known:
            data = piece.encode()
            needed = [*range(256), *(id for id in range(256, len(self.tokens)) if self.tokens[id] in data)]
            merges = [tuple(map(needed.index, self.merges[id - 256])) for id in needed[256:]]
            self.known[piece] = [needed[id] for id in encode(piece, merges)]
        return self.known[piece]

    def decode(self, ids):
        names = {id: name for name, id in self.special.items()}
        ours = {their: our for our, their in enumerate(self.theirs)}
        text = ""
        for is_special, run in groupby(ids, names.__contains__):
            if is_special:
                text += "".join(names[id] for id in run)
            else:
                text += decode([ours[id] for id in run if id in ours], self.merges)
        return text

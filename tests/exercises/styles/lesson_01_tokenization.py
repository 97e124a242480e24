"""Right solutions of lesson 01 in other styles."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np

from exercises.styles import solves


@solves("tokenization.most_common_pair")
def counted_by_hand(ids):
    best, best_count = None, 0
    counts = {}
    for i in range(len(ids) - 1):
        counts[ids[i], ids[i + 1]] = counts.get((ids[i], ids[i + 1]), 0) + 1
    for pair, count in counts.items():
        if count > best_count or (count == best_count and pair < best):
            best, best_count = pair, count
    return best


@solves("tokenization.most_common_pair")
def counted_with_numpy(ids):
    if len(ids) < 2:
        return None
    pairs, counts = np.unique(np.array([ids[:-1], ids[1:]]).T, axis=0, return_counts=True)
    return tuple(pairs[counts.argmax()])


@solves("tokenization.merge")
def merged_backwards_into_a_stack(ids, pair, new_id):
    waiting, out = list(reversed(ids)), []
    while waiting:
        first = waiting.pop()
        if waiting and (first, waiting[-1]) == pair:
            waiting.pop()
            first = new_id
        out.append(first)
    return out


@solves("tokenization.merge")
def merged_recursively_and_as_numpy(ids, pair, new_id):
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == pair:
            return list(np.array([*ids[:i], new_id])) + merged_recursively_and_as_numpy(ids[i + 2 :], pair, new_id)
    return list(ids)


@solves("tokenization.count_pairs")
def counted_in_a_plain_dictionary(pieces):
    counts = defaultdict(int)
    for piece in pieces:
        for i in range(1, len(piece)):
            counts[piece[i - 1], piece[i]] += pieces[piece]
    return dict(counts)


@solves("tokenization.count_pairs")
def counted_from_a_long_list(pieces):
    return Counter(pair for piece, n in pieces.items() for _ in range(n) for pair in pairwise(piece))


@solves("tokenization.train")
def trained_recursively(text, n_merges):
    def go(ids, merges):
        pair = counted_by_hand(ids)
        if pair is None or len(merges) == n_merges:
            return merges
        return go(merged_backwards_into_a_stack(ids, pair, 256 + len(merges)), [*merges, pair])

    return go(bytearray(text, "utf-8"), [])


@solves("tokenization.train")
def trained_on_strings(text, n_merges):
    text = "".join(map(chr, text.encode()))
    merges = []
    for number in range(n_merges):
        pair = counted_by_hand(text)
        if pair is None:
            break
        text = text.replace("".join(pair), chr(256 + number))
        merges.append(tuple(map(ord, pair)))
    return merges


@solves("tokenization.encode")
def encoded_by_the_lowest_rank(text, merges):
    ids, rank = list(text.encode()), {pair: i for i, pair in enumerate(merges)}
    while len(ids) > 1:
        best = min(pairwise(ids), key=lambda pair: rank.get(pair, math.inf))
        if best not in rank:
            break
        ids = merged_backwards_into_a_stack(ids, best, 256 + rank[best])
    return ids


@solves("tokenization.encode")
def encoded_one_merge_at_a_time(text, merges):
    ids = [int(b) for b in np.frombuffer(text.encode(), dtype=np.uint8)]
    while found := sorted((merges.index(p), i) for i, p in enumerate(pairwise(ids)) if p in merges):
        number, i = found[0]
        ids[i : i + 2] = [256 + number]
    return ids


@solves("tokenization.decode")
def decoded_with_a_stack(ids, merges):
    waiting, data = list(ids)[::-1], bytearray()
    while waiting:
        id = waiting.pop()
        if id < 256:
            data.append(id)
        else:
            left, right = merges[id - 256]
            waiting += [right, left]
    return str(data, "utf-8", "replace")


@solves("tokenization.decode")
def decoded_recursively(ids, merges):
    def parts(id):
        return bytes([id]) if id < 256 else parts(merges[id - 256][0]) + parts(merges[id - 256][1])

    return b"".join(map(parts, ids)).decode("utf-8", errors="replace")

"""Wrong solutions to `encode`.

`faulty_encode` is a copy of the reference solution, with keyword arguments that switch faults on.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

from llmlib.exercises.lessons.lesson_01_tokenization.faulty_merging import Merging, merge_with
from llmlib.tokenization import simple_bpe
from llmlib.tokenization.simple_bpe import Pair

Next = (
    Literal["leftmost", "leftmost, everywhere", "rightmost", "smallest", "smallest sum", "largest", "latest"]
    | Literal["commonest", "commonest, smaller", "commonest, first", "unknown first"]
)
EncodeOrder = (
    Next | Literal["learned", "reversed", "once", "one sweep", "sweeps", "on the spot", "longest"] | Literal["trained"]
)


def faulty_encode(
    text: str,
    merges: Sequence[Pair],
    order: EncodeOrder = "learned",
    alphabet: Literal["bytes", "characters"] = "bytes",
    first_id: Literal[256, 0, 255, 257] = 256,
    number: Literal["place", "sorted", "used", "same"] = "place",
    merging: Merging | None = None,
    gaps: Literal["skipped", "stop"] = "skipped",
    words: Literal["whole text", "cut", "apart", "with their spaces", "spaces alone"] = "whole text",
) -> list[int]:
    match words:
        case "apart":
            return _encode_each(text.split(), merges)
        case "spaces alone":
            return _encode_each(re.split("( )", text), merges)
        case "with their spaces":
            return _encode_each(re.findall(r" ?\S+|\s+", text), merges)
        case "cut":
            text = text.replace(" ", "")
        case "whole text":
            pass
    ids = [ord(c) for c in text] if alphabet == "characters" else list(text.encode())
    if number == "sorted":
        merges = sorted(merges)
    rank = {pair: i for i, pair in reversed(list(enumerate(merges)))}
    match order:
        case "learned" | "reversed":
            numbered, used = list(enumerate(merges)), 0
            for i, pair in reversed(numbered) if order == "reversed" else numbered:
                before = ids
                ids = merge_with(merging, ids, pair, first_id + {"used": used, "same": 0}.get(number, i))
                used += ids != before
                if ids == before and gaps == "stop":
                    break
            return ids
        case "once":
            known = [pair for pair in pairwise(ids) if pair in rank]
            first = min(known, key=lambda pair: rank[pair], default=None)
            return ids if first is None else simple_bpe.merge(ids, first, first_id + rank[first])
        case "longest":
            return _encode_longest(ids, merges)
        case "one sweep":
            return _sweep(ids, rank, first_id)
        case "on the spot":
            return _merge_on_the_spot(ids, rank, first_id)
        case "sweeps":
            while (swept := _sweep(ids, rank, first_id)) != ids:
                ids = swept
            return ids
        case "trained":
            for i in range(len(merges)):
                if (commonest := simple_bpe.most_common_pair(ids)) is None:
                    break
                ids = simple_bpe.merge(ids, commonest, first_id + i)
            return ids
        case _:
            return _merge_one_by_one(ids, rank, first_id, order)


def _encode_each(parts: Sequence[str], merges: Sequence[Pair]) -> list[int]:
    return [id for part in parts for id in simple_bpe.encode(part, merges)]


def _merge_one_by_one(ids: list[int], rank: Mapping[Pair, int], first_id: int, order: Next) -> list[int]:
    """Merge one pair at a time, and after each merge choose the next pair from the new ids."""
    while possible := [pair for pair in pairwise(ids) if pair in rank]:
        pair = _next_pair(ids, possible, rank, order)
        if pair not in rank:
            break
        if order == "leftmost" or order == "rightmost":
            places = [i for i, p in enumerate(pairwise(ids)) if p == pair]
            at = places[0] if order == "leftmost" else places[-1]
            ids = [*ids[:at], first_id + rank[pair], *ids[at + 2 :]]
        else:
            ids = simple_bpe.merge(ids, pair, first_id + rank[pair])
    return ids


def _next_pair(ids: list[int], possible: list[Pair], rank: Mapping[Pair, int], order: Next) -> Pair:
    counts = Counter(possible)
    match order:
        case "leftmost" | "leftmost, everywhere":
            return possible[0]
        case "rightmost":
            return possible[-1]
        case "smallest":
            return min(possible)
        case "smallest sum":
            return min(possible, key=sum)
        case "largest":
            return max(possible)
        case "latest":
            return max(possible, key=lambda p: rank[p])
        case "commonest":
            return min(counts, key=lambda p: (-counts[p], rank[p]))
        case "commonest, smaller":
            return min(counts, key=lambda p: (-counts[p], p))
        case "commonest, first":
            return max(counts, key=lambda p: counts[p])
        case "unknown first":
            return min(pairwise(ids), key=lambda p: rank.get(p, 0))


def _sweep(ids: list[int], rank: Mapping[Pair, int], first_id: int) -> list[int]:
    """Go through the ids once, from left to right, and merge each known pair."""
    found, i = [], 0
    while i < len(ids):
        pair = ids[i], ids[i + 1] if i + 1 < len(ids) else -1
        found.append(first_id + rank[pair] if pair in rank else ids[i])
        i += 2 if pair in rank else 1
    return found


def _merge_on_the_spot(ids: list[int], rank: Mapping[Pair, int], first_id: int) -> list[int]:
    """Go through the ids once, from left to right; try to merge each new token immediately with its right neighbour."""
    ids, i = list(ids), 0
    while i + 1 < len(ids):
        if (pair := (ids[i], ids[i + 1])) in rank:
            ids[i : i + 2] = [first_id + rank[pair]]
        else:
            i += 1
    return ids


def _encode_longest(ids: Sequence[int], merges: Sequence[Pair]) -> list[int]:
    table: dict[tuple[int, ...], int] = {(b,): b for b in [*range(256), *ids]}
    parts: dict[int, tuple[int, ...]] = {b: (b,) for b in [*range(256), *ids]}
    for number, (left, right) in enumerate(merges):
        parts[256 + number] = parts[left] + parts[right]
        table.setdefault(parts[256 + number], 256 + number)
    found, i = [], 0
    while i < len(ids):
        length = next(n for n in range(len(ids) - i, 0, -1) if tuple(ids[i : i + n]) in table)
        found.append(table[tuple(ids[i : i + length])])
        i += length
    return found

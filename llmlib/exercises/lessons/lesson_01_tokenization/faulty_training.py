"""Wrong solutions to `train`.

`faulty_train` is a copy of the reference solution, with keyword arguments that switch faults on.
"""

import re
from collections import Counter
from itertools import pairwise
from typing import Any, Literal

from llmlib.exercises.lessons.lesson_01_tokenization.faulty import faulty_most_common_pair
from llmlib.exercises.lessons.lesson_01_tokenization.faulty_merging import Merging, merge_with
from llmlib.tokenization import simple_bpe
from llmlib.tokenization.simple_bpe import Pair

LONGEST_TOKEN = 1 << 16  # in bytes
TrainNewId = Literal["next", "same", "downwards", "downwards from one more", "largest", "kinds", "length"]


def faulty_train(
    text: str,
    n_merges: int,
    alphabet: Literal["bytes", "characters"] = "bytes",
    first_id: Literal[256, 0, 255, 257] = 256,
    recount: Literal["each", "never", "not merged", "merged anew"] = "each",
    tie: Literal["smaller", "first", "last", "larger"] = "smaller",
    least: Literal[1, 2] = 1,
    new_id: TrainNewId = "next",
    give: Literal["pairs", "ids", "bytes", "dictionary"] = "pairs",
    stop: Literal["none left", "vocabulary", "one more", "one less", "None noted"] = "none left",
    merging: Merging | None = None,
    words: Literal["whole text", "apart", "with spaces"] = "whole text",
    windows: Literal["sliding", "disjoint", "any two", "without overlap"] = "sliding",
) -> Any:
    if words != "whole text":
        return _train_on_words(text, n_merges, words)
    ids = [ord(c) for c in text] if alphabet == "characters" else list(text.encode())
    if recount == "never":
        counts = Counter(pairwise(ids))
        ranked = sorted(counts, key=lambda p: (-counts[p],) if tie == "first" else (-counts[p], *p))
        return [pair for pair in ranked if counts[pair] >= least][:n_merges]
    merges: list[Any] = []
    start = list(ids)
    rounds = {"vocabulary": n_merges - 256, "one more": n_merges + 1, "one less": n_merges - 1}.get(stop, n_merges)
    for _ in range(rounds):
        pair = faulty_most_common_pair(ids, tie=tie, windows=windows)
        if pair is None and stop == "None noted":
            merges.append(pair)
            continue
        if pair is None or Counter(pairwise(ids))[pair] < least:
            break
        number = _number(ids, len(merges), n_merges, first_id, new_id)
        if recount == "each":
            ids = merge_with(merging, ids, pair, number)
        elif recount == "merged anew":
            ids = simple_bpe.merge(start, pair, number)
        merges.append(pair)
    match give:
        case "pairs":
            return merges
        case "ids":
            return ids
        case "dictionary":
            return {pair: first_id + i for i, pair in enumerate(merges)}
        case "bytes":
            return _as_bytes(merges)


def _number(ids: list[int], n_before: int, n_merges: int, first_id: int, new_id: TrainNewId) -> int:
    """Return the id of the token that is created after `n_before` other merges."""
    match new_id:
        case "next":
            return first_id + n_before
        case "same":
            return first_id
        case "downwards":
            return first_id + n_merges - n_before - 1
        case "downwards from one more":
            return first_id + n_merges - n_before
        case "largest":
            return max(ids) + 1
        case "kinds":
            return len(set(ids)) + n_before
        case "length":
            return len(ids) + n_before


def _as_bytes(merges: list[Pair]) -> list[tuple[bytes, bytes]]:
    """Write each pair as the bytes of its two halves."""
    table = [bytes([b]) for b in range(256)]
    for left, right in merges:
        if len(table[left]) > LONGEST_TOKEN:  # with a faulty merge, tokens can double in length forever
            raise MemoryError
        table.append(table[left] + table[right])
    return [(table[left], table[right]) for left, right in merges]


def _train_on_words(text: str, n_merges: int, words: Literal["apart", "with spaces"]) -> list[Pair]:
    """Train on single words, as fast trainers do, without spaces or with the space before each word."""
    pieces = [list(word.encode()) for word in (text.split() if words == "apart" else re.findall(r" ?\S+|\s+", text))]
    merges: list[Pair] = []
    for i in range(n_merges):
        counts = Counter(pair for piece in pieces for pair in pairwise(piece))
        if not counts:
            break
        merges.append(min(counts, key=lambda pair: (-counts[pair], pair)))
        pieces = [simple_bpe.merge(piece, merges[-1], 256 + i) for piece in pieces]
    return merges

"""Wrong solutions to the exercises of lesson 01: each reference again, with keywords for its faults."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, pairwise

from llmlib.tokenization import simple_bpe
from llmlib.tokenization.simple_bpe import Pair


def faulty_most_common_pair(ids, tie="smaller", windows="sliding", order="kept", what="pair"):
    pairs = _windows(list(ids), windows)
    if order == "ignored":
        pairs = [(min(pair), max(pair)) for pair in pairs]
    if order == "equal ones left out":
        pairs = [pair for pair in pairs if pair[0] != pair[1]]
    if what == "two ids":
        most = sorted(set(ids), key=lambda id: (-list(ids).count(id), id))
        return tuple(most[:2]) if len(most) > 1 else None
    counts = Counter(pairs)
    if not counts:
        return None
    if what == "id and its follower":
        firsts = Counter(pair[0] for pair in pairs)
        first = min(firsts, key=lambda id: (-firsts[id], id))
        return min((p for p in counts if p[0] == first), key=lambda pair: (-counts[pair], pair))
    if what == "smaller or commoner":
        best = pairs[0]
        for pair in counts:
            best = pair if counts[pair] > counts[best] or pair < best else best
        return best
    most = min(counts.values()) if what == "rarest" else max(counts.values())
    best = [pair for pair in counts if what == "any" or counts[pair] == most]
    pick = {
        "smaller": min,
        "larger": max,
        "first": lambda pairs: pairs[0],
        "last": lambda pairs: pairs[-1],
        "second id": lambda pairs: min(pairs, key=lambda pair: pair[::-1]),
        "second id alone": lambda pairs: min(pairs, key=lambda pair: pair[1]),
        "as texts": lambda pairs: min(pairs, key=str),
        "sum": lambda pairs: min(pairs, key=sum),
        "first of a set": lambda pairs: next(pair for pair in set(counts) if pair in pairs),
        "last of a set": lambda pairs: [pair for pair in set(counts) if pair in pairs][-1],
        "first id": lambda pairs: min(pairs, key=lambda pair: pair[0]),
    }[tie]
    if what == "twice at least" and most < 2:
        return None
    return counts[pick(best)] if what == "how often" else pick(best)


def _windows(ids, windows):
    """List pairs of ids, in the ways that people take them from a list."""
    if windows == "disjoint":
        return [(ids[i], ids[i + 1]) for i in range(0, len(ids) - 1, 2)]
    if windows == "without overlap":
        pairs, last_end = [], {}
        for i, pair in enumerate(pairwise(ids)):
            if last_end.get(pair, -1) < i:
                pairs.append(pair)
                last_end[pair] = i + 1
        return pairs
    if windows == "runs once":
        return [pair for i, pair in enumerate(pairwise(ids)) if i == 0 or pair != (ids[i - 1], ids[i])]
    if windows == "any two":
        return [(ids[i], ids[j]) for i in range(len(ids)) for j in range(i + 1, len(ids))]
    if windows == "one between":
        return list(zip(ids, ids[2:]))
    return {
        "ring": list(zip(ids, ids[1:] + ids[:1])),
        "last lost": list(pairwise(ids[:-1])),
        "first lost": list(pairwise(ids[1:])),
        "sliding": list(pairwise(ids)),
    }[windows]


def faulty_merge(
    ids,
    pair,
    new_id,
    step=2,
    tail="kept",
    times="all",
    direction="left",
    order="kept",
    fits="both",
    write="new",
    other=1,
):
    if fits == "in a text":
        joined = " ".join(map(str, ids)).replace(" ".join(map(str, pair)), str(new_id))
        return [int(id) for id in joined.split()]
    left_to_right = direction == "left"
    ids = list(ids) if left_to_right else list(ids)[::-1]
    if fits == "used again":
        return _merge_in_place_of_the_last(ids, pair, new_id)
    wanted = {pair if left_to_right else pair[::-1]}
    if order == "ignored":
        wanted |= {p[::-1] for p in wanted}
    merged, i, done = [], 0, 0
    while i < len(ids):
        here = {
            "both": tuple(ids[i : i + 2]) in wanted,
            "first": i + 1 < len(ids) and ids[i] == pair[0],
            "even places": i % 2 == 0 and tuple(ids[i : i + 2]) in wanted,
            "either": ids[i] in pair,
        }[fits]
        if here and not (times == "once" and done):
            merged += {
                "new": [new_id],
                "step from new": [new_id],
                "nothing": [],
                "beside": [*ids[i : i + 2], new_id],
                "twice": [new_id, new_id],
                "first stays": [ids[i] if left_to_right else new_id, new_id if left_to_right else ids[i]],
            }[write]
            i += 1 if fits == "either" else step
            done += 1
            if write == "step from new" and i < len(ids):
                merged.append(ids[i])
                i += 1
        else:
            if tail == "kept" or (tail == "lost" and i + 1 < len(ids)):
                merged.append(ids[i])
            i += other
    return merged if left_to_right else merged[::-1]


def _merge_in_place_of_the_last(ids, pair, new_id):
    """Compare each id with the original one before it, even if that one is already part of a merge."""
    merged = []
    for i, id in enumerate(ids):
        if i and (ids[i - 1], id) == pair:
            merged[-1] = new_id
        else:
            merged.append(id)
    return merged


def faulty_count_pairs(
    pieces,
    times="counted",
    borders="kept",
    size="pairs",
    repeats="all",
    windows="sliding",
    order="kept",
    which="all",
    give="dict",
):
    if borders == "one list":
        return Counter(pairwise(id for piece, occurrences in pieces.items() for id in piece * occurrences))
    counts: Counter = Counter()
    previous = None
    entries = list(pieces.items())
    for piece, occurrences in {"all": entries, "first": entries[:1], "last": entries[-1:]}[which]:
        weight = {"squared": occurrences**2, "presence": 1, "ignored": 1}.get(times, occurrences)
        if borders == "ignored" and previous is not None and piece:
            counts[previous, piece[0]] += weight
        found = list(piece) if size == "single" else _windows(list(piece), windows)
        if size == "any two":
            found = list(combinations(piece, 2))
        if size == "triples":
            found = list(zip(piece, piece[1:], piece[2:]))
        if borders == "copies" and len(piece):
            found = list(pairwise(piece * occurrences))
            weight = 1
        if order == "ignored":
            found = [(min(pair), max(pair)) for pair in found]
        if repeats == "added up, then overwritten":
            dict.update(counts, {pair: n * weight for pair, n in Counter(found).items()})
            continue
        for pair in dict.fromkeys(found) if repeats == "once a piece" else found:
            before = counts[pair]
            counts[pair] = {
                "overwritten": weight,
                "largest": max(weight, before),
                "first kept": before or weight,
                "begun with 1": before + weight if before else 1,
            }.get(times, before + weight)
        previous = piece[-1] if piece else previous
    if give == "shares":
        return {pair: count / sum(counts.values()) for pair, count in counts.items()}
    return dict.fromkeys(counts, 1) if times == "presence" else counts


LONGEST_TOKEN = 1 << 16  # bytes


def faulty_train(
    text,
    n_merges,
    alphabet="bytes",
    first_id=256,
    recount="each",
    tie="smaller",
    least=1,
    new_id="next",
    give="pairs",
    stop="none left",
    merging=None,
    words="whole text",
    windows="sliding",
):
    if words != "whole text":
        return _train_on_words(text, n_merges, words)
    ids = [ord(c) for c in text] if alphabet == "characters" else list(text.encode())
    if recount == "never":
        counts = Counter(pairwise(ids))
        ranked = sorted(counts, key=lambda p: -counts[p] if tie == "first" else (-counts[p], p))
        return [pair for pair in ranked if counts[pair] >= least][:n_merges]
    merges: list[Pair] = []
    start = list(ids)
    for _ in range(
        {"vocabulary": n_merges - 256, "one more": n_merges + 1, "one less": n_merges - 1}.get(stop, n_merges)
    ):
        pair = faulty_most_common_pair(ids, tie=tie, windows=windows)
        if pair is None and stop == "None noted":
            merges.append(pair)
            continue
        if pair is None or Counter(pairwise(ids))[pair] < least:
            break
        number = {
            "next": first_id + len(merges),
            "same": first_id,
            "largest": max(ids) + 1,
            "kinds": len(set(ids)) + len(merges),
            "length": len(ids) + len(merges),
        }.get(new_id, first_id + n_merges - len(merges) - (new_id == "downwards"))
        if recount == "each":
            ids = faulty_merge(ids, pair, number, **FAULTS_OF_MERGE.get(merging, {}))
        elif recount == "merged anew":
            ids = simple_bpe.merge(start, pair, number)
        merges.append(pair)
    if give == "bytes":
        table = [bytes([b]) for b in range(256)]
        for left, right in merges:
            if len(table[left]) > LONGEST_TOKEN:  # of a merge that never comes to an end, each token doubles
                raise MemoryError
            table.append(table[left] + table[right])
        return [(table[left], table[right]) for left, right in merges]
    return {"ids": ids, "pairs": merges, "dictionary": {pair: first_id + i for i, pair in enumerate(merges)}}[give]


def _train_on_words(text, n_merges, words):
    """Take each word on its own, as fast trainers do: without the spaces, or with the space before it."""
    pieces = [list(word.encode()) for word in (text.split() if words == "apart" else re.findall(r" ?\S+|\s+", text))]
    merges: list[Pair] = []
    for i in range(n_merges):
        counts = Counter(pair for piece in pieces for pair in pairwise(piece))
        if not counts:
            break
        merges.append(min(counts, key=lambda pair: (-counts[pair], pair)))
        pieces = [simple_bpe.merge(piece, merges[-1], 256 + i) for piece in pieces]
    return merges


FAULTS_OF_MERGE = {
    "step": {"step": 1},
    "used again": {"fits": "used again"},
    "tail": {"tail": "lost"},
    "times": {"times": "once"},
    "direction": {"direction": "right"},
    "order": {"order": "ignored"},
    "nothing written": {"write": "nothing"},
    "others lost": {"tail": "others lost"},
    "twice": {"write": "twice"},
    "first alone": {"fits": "first"},
    "even places": {"fits": "even places"},
    "by two": {"other": 2},
}


def faulty_encode(
    text,
    merges,
    order="learned",
    alphabet="bytes",
    first_id=256,
    number="place",
    merging=None,
    gaps="skipped",
    words="whole text",
):
    if words == "apart":
        return [id for word in text.split() for id in simple_bpe.encode(word, merges)]
    if words == "spaces alone":
        return [id for part in re.split("( )", text) for id in simple_bpe.encode(part, merges)]
    if words == "with their spaces":
        return [id for word in re.findall(r" ?\S+|\s+", text) for id in simple_bpe.encode(word, merges)]
    if words == "cut":
        text = text.replace(" ", "")
    ids = [ord(c) for c in text] if alphabet == "characters" else list(text.encode())
    faults = FAULTS_OF_MERGE.get(merging, {})
    if number == "sorted":
        merges = sorted(merges)
    rank = {pair: i for i, pair in reversed(list(enumerate(merges)))}
    if order in ("learned", "reversed"):
        numbered, used = list(enumerate(merges)), 0
        for i, pair in reversed(numbered) if order == "reversed" else numbered:
            before = ids
            ids = faulty_merge(ids, pair, first_id + {"used": used, "same": 0}.get(number, i), **faults)
            used += ids != before
            if ids == before and gaps == "stop":
                break
        return ids
    if order == "once":
        known = [pair for pair in pairwise(ids) if pair in rank]
        first = min(known, key=lambda pair: rank[pair], default=None)
        return ids if first is None else simple_bpe.merge(ids, first, first_id + rank[first])
    if order == "longest":
        return _encode_longest(ids, merges)
    if order == "one sweep":
        return _sweep(ids, rank, first_id)
    if order == "on the spot":
        return _merge_on_the_spot(ids, rank, first_id)
    if order == "sweeps":
        while (swept := _sweep(ids, rank, first_id)) != ids:
            ids = swept
        return ids
    if order == "trained":
        for i in range(len(merges)):
            if (pair := simple_bpe.most_common_pair(ids)) is None:
                break
            ids = simple_bpe.merge(ids, pair, first_id + i)
        return ids
    while possible := [pair for pair in pairwise(ids) if pair in rank]:
        counts = Counter(possible)
        pair = {
            "leftmost": possible[0],
            "leftmost, everywhere": possible[0],
            "rightmost": possible[-1],
            "smallest": min(possible),
            "smallest sum": min(possible, key=sum),
            "largest": max(possible),
            "latest": max(possible, key=lambda p: rank[p]),
            "commonest": min(counts, key=lambda p: (-counts[p], rank[p])),
            "commonest, smaller": min(counts, key=lambda p: (-counts[p], p)),
            "commonest, first": max(counts, key=lambda p: counts[p]),
            "unknown first": min(pairwise(ids), key=lambda p: rank.get(p, 0)),
        }[order]
        if pair not in rank:
            break
        if order in ("leftmost", "rightmost"):
            places = [i for i, p in enumerate(pairwise(ids)) if p == pair]
            at = places[0] if order == "leftmost" else places[-1]
            ids = [*ids[:at], first_id + rank[pair], *ids[at + 2 :]]
        else:
            ids = simple_bpe.merge(ids, pair, first_id + rank[pair])
    return ids


def _sweep(ids, rank, first_id):
    """Go once from left to right, and merge each known pair where you meet it."""
    found, i = [], 0
    while i < len(ids):
        pair = tuple(ids[i : i + 2])
        found.append(first_id + rank[pair] if pair in rank else ids[i])
        i += 2 if pair in rank else 1
    return found


def _merge_on_the_spot(ids, rank, first_id):
    """Go once from left to right, and try each merged token at once with its right neighbour."""
    ids, i = list(ids), 0
    while i < len(ids):
        if (pair := tuple(ids[i : i + 2])) in rank:
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

"""Exercises of lesson 01: byte-pair encoding, from the commonest pair to decoding."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.tokenization import simple_bpe
from llmlib.tokenization.simple_bpe import Pair

TEXTS = texts_of(Path(__file__).parent)
WORDS = (
    "low",
    "lower",
    "lowest",
    "new",
    "newer",
    "wide",
    "aaa",
    "banana",
    "hug",
    "hugs",
    "über",
    "naïve",
    "日本",
    "🙂",
)


def random_ids(rng: random.Random, length: int, kinds: int = 3) -> list[int]:
    return [rng.randrange(1, kinds + 1) for _ in range(length)]


def random_text(rng: random.Random, n_words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(n_words))


# --- tokenization.most_common_pair ---


def faulty_most_common_pair(ids, tie="smaller", windows="sliding", order="kept", what="pair"):
    pairs = _windows(list(ids), windows)
    if order == "ignored":
        pairs = [(min(pair), max(pair)) for pair in pairs]
    if what == "two ids":
        most = sorted(set(ids), key=lambda id: (-list(ids).count(id), id))
        return tuple(most[:2]) if len(most) > 1 else None
    counts = Counter(pairs)
    if not counts:
        return None
    most = min(counts.values()) if what == "rarest" else max(counts.values())
    best = [pair for pair in counts if what == "any" or counts[pair] == most]
    pick = {
        "smaller": min, "larger": max, "first": lambda pairs: pairs[0], "last": lambda pairs: pairs[-1],
        "second id": lambda pairs: min(pairs, key=lambda pair: pair[::-1]),
        "first id": lambda pairs: min(pairs, key=lambda pair: pair[0]),
    }[tie]  # fmt: skip
    return counts[pick(best)] if what == "how often" else pick(best)


def _windows(ids, windows):
    """Pairs of ids, as somebody may take them from a list."""
    if windows == "disjoint":
        return [(ids[i], ids[i + 1]) for i in range(0, len(ids) - 1, 2)]
    if windows == "without overlap":
        pairs, last_end = [], {}
        for i, pair in enumerate(pairwise(ids)):
            if last_end.get(pair, -1) < i:
                pairs.append(pair)
                last_end[pair] = i + 1
        return pairs
    if windows == "any two":
        return [(ids[i], ids[j]) for i in range(len(ids)) for j in range(i + 1, len(ids))]
    if windows == "one between":
        return list(zip(ids, ids[2:]))
    return {
        "ring": list(zip(ids, ids[1:] + ids[:1])), "last lost": list(pairwise(ids[:-1])),
        "first lost": list(pairwise(ids[1:])), "sliding": list(pairwise(ids)),
    }[windows]  # fmt: skip


def cases_most_common_pair(seed):
    rng = random.Random(seed)
    return [
        Case(([7, 8, 7, 8, 9],)),
        Case(([],), "no ids at all"),
        Case(([5],), "a single id, so no pair"),
        Case(([5, 4],), "a single pair"),
        Case(([6, 2, 6, 2, 1, 9, 1, 9, 1],), "equally often, and the later one is smaller"),
        Case(([3, 3, 3, 3, 1, 2, 1, 2, 3],), "a run of one id: pairs overlap"),
        Case(([9, 1, 4, 2, 9, 1, 4, 2],), "two pairs occur equally often"),
        Case(([2, 1, 5, 1, 2, 6, 2, 1, 7, 1, 2, 8, 4, 9, 4, 9, 4, 9],), "(1, 2) and (2, 1) both occur"),
        *(Case((random_ids(rng, 4 + n, 2 + n % 3),)) for n in range(30)),
    ]


MOST_COMMON_PAIR = Exercise(
    **TEXTS["most_common_pair"],
    reference=simple_bpe.most_common_pair,
    cases=cases_most_common_pair,
    faulty=faulty_most_common_pair,
)


# --- tokenization.merge ---


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
    wanted = {pair if left_to_right else pair[::-1]}
    if order == "ignored":
        wanted |= {p[::-1] for p in wanted}
    merged, i, done = [], 0, 0
    while i < len(ids):
        here = {
            "both": tuple(ids[i : i + 2]) in wanted, "first": i + 1 < len(ids) and ids[i] == pair[0],
            "even places": i % 2 == 0 and tuple(ids[i : i + 2]) in wanted, "either": ids[i] in pair,
        }[fits]  # fmt: skip
        if here and not (times == "once" and done):
            merged += {"new": [new_id], "nothing": [], "beside": [*ids[i : i + 2], new_id], "twice": [new_id, new_id]}[
                write
            ]
            i += 1 if fits == "either" else step
            done += 1
        else:
            if tail == "kept" or (tail == "lost" and i + 1 < len(ids)):
                merged.append(ids[i])
            i += other
    return merged if left_to_right else merged[::-1]


def cases_merge(seed):
    rng = random.Random(seed)
    return [
        Case(([5, 6, 7, 5, 6], (5, 6), 256)),
        Case(([], (1, 2), 256), "no ids at all"),
        Case(([1], (1, 2), 256), "a single id"),
        Case(([1, 2], (1, 2), 256), "nothing but the pair"),
        Case(([3, 2, 1], (1, 2), 256), "the pair does not occur"),
        Case(([4, 4, 4, 9], (4, 4), 300), "three equal ids: only two of them can be one pair"),
        Case(([1, 2, 1, 3, 2, 1, 2, 2, 3], (1, 2), 257)),
        Case(([15, 6, 7, 5, 60, 5, 6], (5, 6), 258), "ids of several digits"),
        *(Case((random_ids(rng, n, 2), (rng.randint(1, 2), rng.randint(1, 2)), 256 + n)) for n in (9, 17, 33, 34, 65)),
        Case((random_ids(rng, 40, 2), (1, 1), 270)),
    ]


def merge_keeps_the_text(call, case):
    ids, pair, new_id = case.args
    back = [x for id in call(ids, pair, new_id) for x in (pair if id == new_id else (id,))]
    if back != list(ids):
        return f"Put {pair} back for each {new_id} of your result, and {back[:12]} comes out, where {ids[:12]} went in."
    return None


MERGE = Exercise(
    **TEXTS["merge"],
    reference=simple_bpe.merge,
    cases=cases_merge,
    faulty=faulty_merge,
    probes=(Probe("Splitting every new id again gives the old ids.", merge_keeps_the_text),),
)


# --- tokenization.count_pairs ---


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
        weight = {"counted": occurrences, "overwritten": occurrences, "squared": occurrences**2}.get(times, 1)
        if borders == "ignored" and previous is not None and piece:
            counts[previous, piece[0]] += weight
        found = list(piece) if size == "single" else _windows(list(piece), windows)
        if borders == "copies" and len(piece):
            found = list(pairwise(piece * occurrences))
            weight = 1
        if order == "ignored":
            found = [(min(pair), max(pair)) for pair in found]
        for pair in dict.fromkeys(found) if repeats == "once a piece" else found:
            counts[pair] = weight if times == "overwritten" else counts[pair] + weight
        previous = piece[-1] if piece else previous
    if give == "shares":
        return {pair: count / sum(counts.values()) for pair, count in counts.items()}
    return dict.fromkeys(counts, 1) if times == "presence" else counts


def cases_count_pairs(seed):
    rng = random.Random(seed)

    def pieces(n, length):
        return {tuple(random_ids(rng, rng.randint(1, length), 3)): rng.randint(1, 9) for _ in range(n)}

    return [
        Case(({(1, 2, 3): 10, (2, 3): 1},)),
        Case(({},), "no pieces"),
        Case(({(7,): 5},), "a piece of one id"),
        Case(({(4, 4, 4): 2},), "a run of one id: the pair begins at two places"),
        Case(({(1, 2): 1, (3, 4): 1},), "pieces that stand side by side"),
        Case(
            ({(1, 2, 1, 2, 5): 3, (2, 1): 4, (5, 5, 5): 2, (9,): 6},),
            "a pair comes twice in one piece, and in another order",
        ),
        Case(({(6, 7, 8): 2, (7, 8): 5, (6, 7): 3},), "pairs that several pieces have"),
        *(Case((pieces(n, length),)) for n, length in ((3, 4), (6, 5), (12, 6))),
    ]


COUNT_PAIRS = Exercise(
    **TEXTS["count_pairs"],
    reference=simple_bpe.count_pairs,
    cases=cases_count_pairs,
    faulty=faulty_count_pairs,
    arguments=("pieces",),
)


# --- tokenization.train ---


def faulty_train(
    text, n_merges, alphabet="bytes", first_id=256, recount="each", tie="smaller", least=1, new_id="next", give="pairs",
    stop="none left", merging=None, words="whole text", windows="sliding",
):  # fmt: skip
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
        number = {"next": first_id + len(merges), "same": first_id, "largest": max(ids) + 1}[new_id]
        if recount == "each":
            ids = faulty_merge(ids, pair, number, **FAULTS_OF_MERGE.get(merging, {}))
        elif recount == "merged anew":
            ids = simple_bpe.merge(start, pair, number)
        merges.append(pair)
    if give == "bytes":
        table = [bytes([b]) for b in range(256)]
        for left, right in merges:
            table.append(table[left] + table[right])
        return [(table[left], table[right]) for left, right in merges]
    return {"ids": ids, "pairs": merges, "dictionary": {pair: first_id + i for i, pair in enumerate(merges)}}[give]


def _train_on_words(text, n_merges, words):
    """Each word by itself, as fast trainers do: without the spaces, or with the space that stands before it."""
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
    "step": {"step": 1}, "tail": {"tail": "lost"}, "times": {"times": "once"}, "direction": {"direction": "right"},
    "order": {"order": "ignored"}, "nothing written": {"write": "nothing"}, "others lost": {"tail": "others lost"},
    "twice": {"write": "twice"}, "first alone": {"fits": "first"}, "even places": {"fits": "even places"}, "by two": {"other": 2},
}  # fmt: skip


def cases_train(seed):
    rng = random.Random(seed)
    return [
        Case(("hug hugs", 2)),
        Case(("", 5), "an empty text"),
        Case(("a", 5), "a single character"),
        Case(("low lower", 0), "no merges wanted"),
        Case(("abc", 5), "more merges wanted than there are pairs"),
        Case(("日本日本", 4), "characters of three bytes each"),
        Case(("aaaaaaaa", 3)),
        Case(("hug hugs hug", 258), "more than 256 merges wanted"),
        *(Case((random_text(rng, n), merges)) for n, merges in ((6, 6), (12, 10), (20, 12))),
        Case((random_text(rng, 8) + " über naïve 日本", 15)),
    ]


TRAIN = Exercise(
    **TEXTS["train"],
    reference=simple_bpe.train,
    helpers=(simple_bpe.most_common_pair, simple_bpe.merge),
    cases=cases_train,
    faulty=faulty_train,
)


# --- tokenization.encode ---


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
    if order == "longest":
        return _encode_longest(ids, merges)
    if order == "one sweep":
        return _sweep(ids, rank, first_id)
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
            "leftmost": possible[0], "leftmost, everywhere": possible[0], "rightmost": possible[-1], "smallest": min(possible), "largest": max(possible),
            "latest": max(possible, key=lambda p: rank[p]), "commonest": min(counts, key=lambda p: (-counts[p], rank[p])),
            "commonest, smaller": min(counts, key=lambda p: (-counts[p], p)),
            "commonest, first": max(counts, key=lambda p: counts[p]),
        }[order]  # fmt: skip
        if order in ("leftmost", "rightmost"):
            places = [i for i, p in enumerate(pairwise(ids)) if p == pair]
            at = places[0] if order == "leftmost" else places[-1]
            ids = [*ids[:at], first_id + rank[pair], *ids[at + 2 :]]
        else:
            ids = simple_bpe.merge(ids, pair, first_id + rank[pair])
    return ids


def _sweep(ids, rank, first_id):
    """Once from left to right, with each known pair merged where it is met."""
    found, i = [], 0
    while i < len(ids):
        pair = tuple(ids[i : i + 2])
        found.append(first_id + rank[pair] if pair in rank else ids[i])
        i += 2 if pair in rank else 1
    return found


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


def cases_encode(seed):
    rng = random.Random(seed)
    hug = [(117, 103), (104, 256)]  # ug, hug
    learned = simple_bpe.train(random_text(rng, 40), 30)
    return [
        Case(("hugs", hug)),
        Case(("", hug), "an empty text"),
        Case(("xyz", hug), "no merge applies"),
        Case((" hug  hugs ", [(32, 104), *hug]), "spaces around and within"),
        Case(
            ("hab hug", [(122, 122), (97, 98), (104, 117), (104, 257), (258, 103)]),
            "merges that this text does not need",
        ),
        Case(("abab", []), "no merges were learned"),
        Case(("abc", [(98, 99), (97, 98)]), "two merges want the same b"),
        Case(("ababc", [(97, 98), (98, 99), (256, 256), (97, 257)]), "the longest token is not reached"),
        Case(("abcbcabab", [(98, 99), (97, 98), (97, 256)]), "one pair is commoner, another was learned earlier"),
        Case(("hughug hug", hug), "a pair that occurs several times"),
        Case(("日本 hug 日", [(230, 151), (256, 165), *[(117, 103)]]), "characters of several bytes"),
        Case(("aabaaab", [(97, 98), (97, 97), (97, 256)]), "a run in which pairs overlap"),
        *(Case((random_text(rng, n), learned[: 10 * n])) for n in (2, 3, 4, 6, 9, 12)),
        *(Case((" ".join([rng.choice(WORDS)] * n), learned), "one word again and again") for n in (2, 3, 4)),
    ]


ENCODE = Exercise(
    **TEXTS["encode"],
    reference=simple_bpe.encode,
    helpers=(simple_bpe.merge,),
    cases=cases_encode,
    faulty=faulty_encode,
)


# --- tokenization.decode ---


def faulty_decode(
    ids, merges, join="bytes", codec="utf-8", errors="replace", order="left first", levels="all", first_id=256, ends="kept",
    unknown="merged",
):  # fmt: skip
    table = [bytes([b]) for b in range(256)]
    for left, right in merges:
        halves = (left, right) if order == "left first" else (right, left)
        if levels in ("left alone", "right alone"):
            table.append(table[left if levels == "left alone" else right])
        elif levels == "one":
            table.append(b"".join(bytes([half]) if half < 256 else b"" for half in halves))
        else:
            table.append(b"".join(table[half] for half in halves))
    if join == "bytes":
        text = b"".join(_looked_up(table, id, first_id, unknown) for id in ids).decode(codec, errors)
    else:
        text = ("" if join == "texts" else " ").join(table[id].decode(codec, errors) for id in ids)
    return text.strip() if ends == "stripped" else text


def _looked_up(table, id, first_id, unknown):
    if id < 256:
        return table[id]
    return {"merged": table[id - first_id + 256], "dropped": b"", "character": chr(id).encode()}[unknown]


def cases_decode(seed):
    rng = random.Random(seed)
    hug = [(117, 103), (104, 256)]
    learned = simple_bpe.train(random_text(rng, 40), 30)

    def coded(n):
        return simple_bpe.encode(random_text(rng, n), learned)

    return [
        Case(([257, 115], hug)),
        Case(([], hug), "no ids"),
        Case(([104, 105], []), "bytes alone"),
        Case((list("é".encode()), []), "a character whose two bytes are two tokens"),
        Case(([*b"a", *"日".encode()[:2]], []), "the last character is cut: its third byte is missing"),
        Case(([255, 104, 105], []), "a byte that UTF-8 never uses"),
        Case(([32, 257, 10, 257, 32, 32], hug), "spaces and line breaks at the ends"),
        Case(([259, 256, 258], [(117, 103), (104, 256), (257, 115), (258, 258)]), "tokens within tokens within tokens"),
        *(Case((coded(n), learned)) for n in (2, 5, 9)),
        Case((simple_bpe.encode("naïve über 日本 🙂", learned[:3]), learned)),
    ]


DECODE = Exercise(
    **TEXTS["decode"],
    reference=simple_bpe.decode,
    cases=cases_decode,
    faulty=faulty_decode,
)

EXERCISES = (MOST_COMMON_PAIR, MERGE, COUNT_PAIRS, TRAIN, ENCODE, DECODE)

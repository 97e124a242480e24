"""Wrong solutions to the exercises on finding and counting pairs.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any, Literal

from llmlib.tokenization.simple_bpe import Pair

Windows = (
    Literal["sliding", "disjoint", "without overlap", "runs once", "any two", "one between", "ring"]
    | Literal["first lost", "last lost"]
)
Tie = (
    Literal["smaller", "larger", "first", "last", "second id", "second id alone", "first id", "as texts", "sum"]
    | Literal["first of a set", "last of a set"]
)
MostCommonPairWhat = (
    Literal["pair", "how often", "rarest", "any", "two ids", "smaller or commoner", "id and its follower"]
    | Literal["twice at least"]
)


def faulty_most_common_pair(
    ids: Sequence[int],
    tie: Tie = "smaller",
    windows: Windows = "sliding",
    order: Literal["kept", "ignored", "equal ones left out"] = "kept",
    what: MostCommonPairWhat = "pair",
) -> Any:
    if what == "two ids":
        most_common = sorted(set(ids), key=lambda id: (-list(ids).count(id), id))
        return tuple(most_common[:2]) if len(most_common) > 1 else None
    pairs = _pairs(list(ids), windows)
    if order == "ignored":
        pairs = [(min(pair), max(pair)) for pair in pairs]
    if order == "equal ones left out":
        pairs = [pair for pair in pairs if pair[0] != pair[1]]
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
    if what == "twice at least" and most < 2:
        return None
    best = _one_of([pair for pair in counts if what == "any" or counts[pair] == most], set(counts), tie)
    return counts[best] if what == "how often" else best


def _one_of(best: list[Pair], known: set[Pair], tie: Tie) -> Pair:
    """Choose one of the equally common pairs in `best`, which are listed in the order in which they first occur."""
    match tie:
        case "smaller":
            return min(best)
        case "larger":
            return max(best)
        case "first":
            return best[0]
        case "last":
            return best[-1]
        case "second id":
            return min(best, key=lambda pair: pair[::-1])
        case "second id alone":
            return min(best, key=lambda pair: pair[1])
        case "first id":
            return min(best, key=lambda pair: pair[0])
        case "as texts":
            return min(best, key=str)
        case "sum":
            return min(best, key=sum)
        case "first of a set":
            return next(pair for pair in known if pair in best)
        case "last of a set":
            return [pair for pair in known if pair in best][-1]


def _pairs(ids: list[int], windows: Windows) -> list[Pair]:
    """List the pairs of ids. `windows` determines which ids form a pair; only "sliding" is right."""
    match windows:
        case "sliding":
            return list(pairwise(ids))
        case "first lost":
            return list(pairwise(ids[1:]))
        case "last lost":
            return list(pairwise(ids[:-1]))
        case "ring":
            return list(zip(ids, ids[1:] + ids[:1]))
        case "one between":
            return list(zip(ids, ids[2:]))
        case "disjoint":
            return [(ids[i], ids[i + 1]) for i in range(0, len(ids) - 1, 2)]
        case "any two":
            return list(combinations(ids, 2))
        case "runs once":
            return [pair for i, pair in enumerate(pairwise(ids)) if i == 0 or pair != (ids[i - 1], ids[i])]
        case "without overlap":
            pairs: list[Pair] = []
            last_end: dict[Pair, int] = {}
            for i, pair in enumerate(pairwise(ids)):
                if last_end.get(pair, -1) < i:
                    pairs.append(pair)
                    last_end[pair] = i + 1
            return pairs


CountPairsTimes = Literal["counted", "ignored", "presence", "overwritten", "largest", "begun with 1", "first kept"]


def faulty_count_pairs(
    pieces: Mapping[tuple[int, ...], int],
    times: CountPairsTimes = "counted",
    borders: Literal["kept", "ignored", "one list", "copies"] = "kept",
    size: Literal["pairs", "single", "triples", "any two"] = "pairs",
    repeats: Literal["all", "once a piece", "added up, then overwritten"] = "all",
    windows: Literal["sliding", "disjoint", "without overlap", "last lost", "first lost", "ring"] = "sliding",
    order: Literal["kept", "ignored"] = "kept",
    which: Literal["all", "first", "last"] = "all",
    give: Literal["dict", "shares"] = "dict",
) -> Any:
    if borders == "one list":
        return Counter(pairwise(id for piece, occurrences in pieces.items() for id in piece * occurrences))
    counts: Counter[Any] = Counter()
    previous = None
    entries = list(pieces.items())
    for piece, occurrences in {"all": entries, "first": entries[:1], "last": entries[-1:]}[which]:
        weight = 1 if times == "presence" or times == "ignored" else occurrences
        if borders == "ignored" and previous is not None and piece:
            counts[previous, piece[0]] += weight
        found = _counted(piece, size, windows)
        if borders == "copies" and len(piece):
            found = list(pairwise(piece * occurrences))
            weight = 1
        if order == "ignored":
            found = [(min(pair), max(pair)) for pair in found]
        if repeats == "added up, then overwritten":
            dict.update(counts, {pair: n * weight for pair, n in Counter(found).items()})
            continue
        for pair in dict.fromkeys(found) if repeats == "once a piece" else found:
            counts[pair] = _updated(counts[pair], weight, times)
        previous = piece[-1] if piece else previous
    if give == "shares":
        return {pair: count / sum(counts.values()) for pair, count in counts.items()}
    return dict.fromkeys(counts, 1) if times == "presence" else counts


def _counted(
    piece: tuple[int, ...], size: Literal["pairs", "single", "triples", "any two"], windows: Windows
) -> list[Any]:
    """List the items to count in a piece, such as its pairs."""
    match size:
        case "pairs":
            return _pairs(list(piece), windows)
        case "single":
            return list(piece)
        case "triples":
            return list(zip(piece, piece[1:], piece[2:]))
        case "any two":
            return list(combinations(piece, 2))


def _updated(before: int, weight: int, times: CountPairsTimes) -> int:
    """Return the new count of a pair that was found in a piece; `weight` is how often the piece occurs."""
    match times:
        case "counted" | "ignored" | "presence":
            return before + weight
        case "overwritten":
            return weight
        case "largest":
            return max(weight, before)
        case "first kept":
            return before or weight
        case "begun with 1":
            return before + weight if before else 1

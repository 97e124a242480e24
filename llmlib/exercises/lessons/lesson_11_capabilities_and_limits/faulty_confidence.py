"""Wrong solutions to the exercises on confidence.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import math
from statistics import median
from typing import Any, Literal

Edges = Literal["below", "above", "above, unguarded", "0 left out", "1 left out", "rounded", "in both", "in none"]
Gap = Literal["size", "signed", "square", "root of squares", "largest", "too sure", "each answer"]
Weigh = Literal[
    "answers", "bins with answers", "all bins", "sum", "sum of answers", "by bins", "answers by bins", "each"
]


def faulty_calibration_error(
    confidences: Any,
    right: Any,
    bins: Any,
    edges: Edges = "below",
    gap: Gap = "size",
    weigh: Weigh = "answers",
    sure: Literal["mean", "median", "of all", "middle", "low", "high", "number"] = "mean",
    share: Literal["of the bin", "of all", "wrong", "count", "of all right"] = "of the bin",
    empty: Literal["left out", "single too", "raises", "nan"] = "left out",
    width: Literal["equal", "equal counts", "from smallest to largest", "from ½", "one"] = "equal",
) -> Any:
    n = len(confidences)
    number = 1 if width == "one" else bins
    found: list[list[tuple[float, bool]]] = [[] for _ in range(number + 1)]
    low, high = 0.0, 1.0
    if width == "from smallest to largest":
        low, high = min(confidences), max(confidences)
    if width == "from ½":
        low = 0.5
    ranked = sorted(range(n), key=lambda i: confidences[i])
    for place, i in enumerate(ranked):
        confidence = confidences[i]
        scaled = (confidence - low) / ((high - low) or 1) * number
        if width == "equal counts":
            scaled = (place + 0.5) / n * number
        match edges:
            case "below":
                at = max(0, math.ceil(scaled) - 1)
            case "above":
                at = min(int(scaled), number - 1)
            case "above, unguarded":
                if scaled >= number:
                    raise IndexError("list index out of range")
                at = int(scaled)
            case "0 left out":
                if scaled <= 0:
                    continue
                at = math.ceil(scaled) - 1
            case "1 left out":
                if scaled >= number:
                    continue
                at = int(scaled)
            case "rounded":
                at = round(scaled)
            case "in both":
                at = max(0, math.ceil(scaled) - 1)
                if scaled == at + 1 < number:
                    found[at + 1].append((confidence, bool(right[i])))
            case "in none":
                if scaled == int(scaled):
                    continue
                at = int(scaled)
        found[max(0, min(at, number))].append((confidence, bool(right[i])))
    if empty in ("raises", "nan") and not all(found[:number]):
        return math.nan if empty == "nan" else 1 / 0
    gaps, sizes = [], []
    for b, members in enumerate(found):
        if len(members) < (2 if empty == "single too" else 1):
            continue
        size, hits = len(members), sum(hit for _, hit in members)
        mean = {
            "mean": sum(c for c, _ in members) / size,
            "of all": sum(confidences) / n,
            "median": median(c for c, _ in members),
            "middle": low + (b + 0.5) / number * (high - low),
            "low": b / number,
            "high": (b + 1) / number,
            "number": float(b),
        }[sure]
        part = {
            "of the bin": hits / size,
            "of all": hits / n,
            "wrong": 1 - hits / size,
            "count": float(hits),
            "of all right": hits / (sum(map(bool, right)) or 1),
        }[share]
        difference = mean - part
        match gap:
            case "size" | "largest":
                difference = abs(difference)
            case "square" | "root of squares":
                difference = difference**2
            case "too sure":
                difference = max(0.0, difference)
            case "each answer":  # the bin's mean of |confidence − right|
                difference = sum(abs(c - hit) for c, hit in members) / size
            case "signed":
                pass
        gaps.append(difference)
        sizes.append(size)
    if gap == "largest":
        return max(gaps)
    total = sum(size * difference for size, difference in zip(sizes, gaps))
    match weigh:
        case "answers":
            error = total / n
        case "bins with answers":
            error = sum(gaps) / len(gaps)
        case "all bins":
            error = sum(gaps) / bins
        case "sum":
            error = sum(gaps)
        case "sum of answers":
            error = total
        case "by bins":
            error = sum(gaps) / n
        case "answers by bins":
            error = total / bins
        case "each":
            return gaps
    if gap == "root of squares":
        return math.sqrt(error)
    return error


Of = Literal["given", "found", "all", "decisions", "number", "wrong"]
Picks = Literal[
    "lowest",
    "highest",
    "before the first failure",
    "best share",
    "largest score of right",
    "quantile",
    "last",
    "by halves",
    "most right",
    "first of the list",
]


def faulty_threshold(
    scores: Any,
    right: Any,
    wanted: Any,
    of: Of = "given",
    picks: Picks = "lowest",
    reaches: Literal["at least", "more than"] = "at least",
    bar: Literal["at least", "more than", "below", "at most"] = "at least",
    ties: Literal["together", "one by one", "one by one, right first", "as listed", "from there on"] = "together",
    never: Literal["inf", "none", "0", "largest", "smallest", "-inf", "nan", "raises", "above the largest"] = "inf",
    give: Literal["threshold", "place", "count", "share", "pair", "between", "coverage"] = "threshold",
) -> Any:
    n = len(scores)
    found: list[tuple[float, int, float]] = []  # threshold, number of shown answers, share of right answers
    if ties == "together":
        candidates = [(s, [bool(h) for x, h in zip(scores, right) if _given(x, s, bar)]) for s in scores]
    elif ties == "from there on":
        candidates = [(scores[k], [bool(hit) for hit in right[k:]]) for k in range(n)]
    elif ties == "as listed":
        candidates = [(scores[k], [bool(hit) for hit in right[: k + 1]]) for k in range(n)]
    else:
        order = sorted(range(n), key=lambda i: (-scores[i], not right[i] if ties.endswith("right first") else 0))
        candidates = [(scores[order[k]], [bool(right[i]) for i in order[: k + 1]]) for k in range(n)]
    all_right = sum(map(bool, right))
    for s, given in candidates:
        kept_back = sum(not h for x, h in zip(scores, right) if not _given(x, s, bar))
        share = {
            "given": sum(given) / len(given) if given else 0.0,
            "found": sum(given) / (all_right or 1),
            "all": sum(given) / n,
            "decisions": (sum(given) + kept_back) / n,
            "number": float(sum(given)),
            "wrong": 1 - sum(given) / len(given) if given else 0.0,
        }[of]
        found.append((s, len(given), share))
    good = [one for one in found if (one[2] >= wanted if reaches == "at least" else one[2] > wanted)]
    match picks:
        case "lowest":
            chosen = min(good, default=None)
        case "highest":
            chosen = max(good, default=None)
        case "last":
            chosen = good[-1] if good else None
        case "first of the list":
            chosen = good[0] if good else None
        case "before the first failure":
            chosen = None
            for one in sorted(found, key=lambda one: -one[0]):
                if one not in good:
                    break
                chosen = one
        case "by halves":
            rank = sorted(found)
            at, end = 0, len(rank)
            while at < end:
                middle = (at + end) // 2
                at, end = (at, middle) if rank[middle] in good else (middle + 1, end)
            chosen = rank[at] if at < len(rank) else None
        case "most right":
            chosen = max(good, key=lambda one: (round(one[1] * one[2]), one[0]), default=None)
        case "best share":
            chosen = max(found, key=lambda one: (one[2], one[1])) if good else None
        case "largest score of right":
            chosen = min((one for one, h in zip(found, right) if h), default=None)
        case "quantile":
            rank = sorted(found)
            chosen = rank[min(n - 1, int(wanted * n))]
    if chosen is None:
        if never == "raises":
            raise ValueError("min() arg is an empty sequence")
        return {
            "inf": math.inf,
            "none": None,
            "0": 0.0,
            "largest": max(scores),
            "smallest": min(scores),
            "-inf": -math.inf,
            "nan": math.nan,
            "above the largest": max(scores) + 1,
        }[never]
    match give:
        case "threshold":
            return chosen[0]
        case "place":
            return list(scores).index(chosen[0])
        case "count":
            return chosen[1]
        case "share":
            return chosen[2]
        case "coverage":
            return chosen[1] / n
        case "pair":
            return chosen[0], chosen[1]
        case "between":
            below = [s for s in scores if s < chosen[0]]
            return (chosen[0] + max(below)) / 2 if below else chosen[0]


def _given(score: float, threshold: float, bar: str) -> bool:
    match bar:
        case "at least":
            return score >= threshold
        case "more than":
            return score > threshold
        case "at most":
            return score <= threshold
        case _:
            return score < threshold

"""Wrong solutions to `bm25` and `longer_theta`.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, Literal

Rarity = Literal[
    "never negative",
    "negative",
    "plain",
    "plain and 1",
    "1 outside",
    "upside down",
    "none",
    "share",
    "occurrences",
    "occurrences, from 0 on",
    "bracket below",
    "bracket above",
    "base 2",
    "base 10",
    "no logarithm",
    "without the word",
    "document",
    "negative, from 0 on",
    "no half above",
    "no half below",
    "all over n",
    "smoothed",
    "of known words",
]
Slowed = Literal[
    "by length",
    "not at all",
    "upside down",
    "b exchanged",
    "plain length",
    "brackets missing",
    "k1 at the 1",
    "different words",
    "sum of lengths",
    "without k1",
    "by the longest",
    "median",
    "times the fraction",
    "under the fraction",
    "characters",
    "different words everywhere",
    "whole mean",
    "mean of those with it",
]


Repeated = Literal["counts", "once", "squared", "by the document"]


def faulty_bm25(
    query: Any,
    documents: Any,
    k1: Any,
    b: Any,
    rarity: Rarity = "never negative",
    times: Literal[
        "counted", "there or not", "parts of words", "parts of words everywhere", "share", "in all documents"
    ] = "counted",
    curve: Literal[
        "saturates",
        "linear",
        "no k1 above",
        "no times above",
        "k1 above",
        "no curve at all",
        "no brackets above",
        "no brackets below",
    ] = "saturates",
    slowed: Slowed = "by length",
    repeated: Repeated = "counts",
    total: Literal["sum", "mean", "largest", "product"] = "sum",
    give: Literal["scores", "best", "order", "one number", "pairs", "running", "of the best"] = "scores",
    read: Literal["as it is", "in small letters"] = "as it is",
) -> Any:
    if read == "in small letters":
        query, documents = [w.lower() for w in query], [[w.lower() for w in document] for document in documents]
    n, lengths = len(documents), [len(document) for document in documents]
    size: Callable[[list[str]], int] = {
        "characters": lambda document: len("".join(document)),
        "different words everywhere": lambda document: len(set(document)),
    }.get(slowed, len)
    mean = sum(map(size, documents)) / n
    found = []
    for document in documents:
        parts = []
        match repeated:
            case "counts" | "squared":
                words = list(query)
            case "once":
                words = list(dict.fromkeys(query))
            case "by the document":
                words = [word for word in document if word in query]
        for word in words:
            having = sum(word in other for other in documents)
            if times == "parts of words everywhere":
                having = sum(word in " ".join(other) for other in documents)
            tf = _times(times, word, document, documents)
            mean_here = mean
            if slowed == "mean of those with it":
                mean_here = sum(len(other) for other in documents if word in other) / having if having else 1.0
            slow = _slowed(slowed, document, k1, b, mean_here, lengths)
            match curve:
                case "saturates":
                    gain = tf * (k1 + 1) / (tf + slow)
                case "no brackets above":
                    gain = (tf * k1 + 1) / (tf + slow)
                case "no brackets below":
                    gain = 1.0 * tf * (k1 + 1) / tf + slow
                case "linear":
                    gain = tf * (k1 + 1) / slow
                case "no curve at all":
                    gain = tf
                case "no k1 above":
                    gain = tf / (tf + slow)
                case "no times above":
                    gain = (k1 + 1) / (tf + slow) if tf else 0.0
                case "k1 above":
                    gain = tf * k1 / (tf + slow)
            norm = 1 - b + b * len(document) / mean
            gain = {"times the fraction": gain * norm, "under the fraction": gain / norm}.get(slowed, gain)
            weight = _rarity(rarity, word, document, documents, n, having)
            parts.append(weight * gain * (query.count(word) if repeated == "squared" else 1))
        match total:
            case "sum":
                found.append(sum(parts, 0.0))
            case "mean":
                found.append(sum(parts) / len(parts) if parts else 0.0)
            case "largest":
                found.append(max(parts, default=0.0))
            case "product":
                found.append(math.prod(parts))
    order = sorted(range(n), key=lambda i: -found[i])
    match give:
        case "scores":
            return found
        case "best":
            return order[0]
        case "order":
            return order
        case "one number":
            return sum(found)
        case "of the best":
            return [score / (max(found) or 1.0) for score in found]
        case "running":
            return list(itertools.accumulate(found))
        case "pairs":
            return list(zip(found, range(n)))


def _times(times: str, word: str, document: list[str], documents: list[list[str]]) -> float:
    match times:
        case "counted":
            return document.count(word)
        case "there or not":
            return word in document
        case "parts of words" | "parts of words everywhere":
            return " ".join(document).count(word)
        case "share":
            return document.count(word) / len(document)
        case _:  # "in all documents"
            return sum(other.count(word) for other in documents) if word in document else 0


def _rarity(how: Rarity, word: str, document: list[str], documents: list[list[str]], n: int, having: int) -> float:
    odds = (n - having + 0.5) / (having + 0.5)
    match how:
        case "of known words":
            if not having:
                raise KeyError(word)
            return math.log(1 + odds)
        case "never negative":
            return math.log(1 + odds)
        case "negative":
            return math.log(odds)
        case "negative, from 0 on":
            return max(0.0, math.log(odds))
        case "no half above":
            return math.log(1 + (n - having) / (having + 0.5))
        case "no half below":
            return math.log(1 + (n - having + 0.5) / having) if having else 0.0
        case "all over n":
            return math.log(1 + n / (having + 0.5))
        case "smoothed":
            return math.log((n + 1) / (having + 1)) + 1
        case "plain":
            return math.log(n / having) if having else 0.0
        case "plain and 1":
            return math.log(n / (1 + having))
        case "1 outside":
            return 1 + math.log(odds)
        case "upside down":
            return math.log(1 + 1 / odds)
        case "none":
            return 1.0
        case "share":
            return having / n
        case "bracket below":
            return math.log(1 + (n - having + 0.5) / having + 0.5) if having else 0.0
        case "bracket above":
            return math.log(1 + n - having + 0.5 / (having + 0.5))
        case "occurrences" | "occurrences, from 0 on":
            all_of_them = sum(other.count(word) for other in documents)
            inside = 1 + (n - all_of_them + 0.5) / (all_of_them + 0.5)
            if how == "occurrences, from 0 on":
                return math.log(max(inside, 1.0))
            if inside <= 0:
                raise ValueError("math domain error")
            return math.log(inside)
        case "base 2":
            return math.log2(1 + odds)
        case "base 10":
            return math.log10(1 + odds)
        case "no logarithm":
            return 1 + odds
        case "without the word":
            return math.log(1 + (n + 0.5) / (having + 0.5))
        case "document":  # as if the word had to be rare in this document
            inside = 1 + (n - document.count(word) + 0.5) / (document.count(word) + 0.5)
            return math.log(max(inside, 1e-9))


def _slowed(how: Slowed, document: list[str], k1: float, b: float, mean: float, lengths: list[int]) -> float:
    length = len(document)
    match how:
        case "by length" | "mean of those with it":
            return k1 * (1 - b + b * length / mean)
        case "not at all":
            return k1
        case "upside down":
            return k1 * (1 - b + b * mean / length)
        case "b exchanged":
            return k1 * (b + (1 - b) * length / mean)
        case "plain length":
            return k1 * (1 - b + b * length)
        case "brackets missing":
            return k1 * 1 - b + b * length / mean
        case "k1 at the 1":
            return k1 * (1 - b) + b * length / mean
        case "different words":
            return k1 * (1 - b + b * len(set(document)) / mean)
        case "different words everywhere":
            return k1 * (1 - b + b * len(set(document)) / mean)
        case "characters":
            return k1 * (1 - b + b * len("".join(document)) / mean)
        case "whole mean":
            return k1 * (1 - b + b * length / (mean // 1))
        case "sum of lengths":
            return k1 * (1 - b + b * length / sum(lengths))
        case "without k1":
            return 1 - b + b * length / mean
        case "by the longest":
            return k1 * (1 - b + b * length / max(lengths))
        case "times the fraction" | "under the fraction":
            return k1
        case "median":
            return k1 * (1 - b + b * length / sorted(lengths)[len(lengths) // 2])


Exponent = Literal[
    "d / (d − 2)",
    "1",
    "(d − 2) / d",
    "d / (d − 1)",
    "d / (2d − 2)",
    "−i / d",
    "d",
    "d − 2",
    "d / 2",
    "2 / d",
    "−2 / d",
    "2 / (d − 2)",
    "d / 2 − 1",
    "1 / (d − 2)",
    "1 / d",
    "d / (d + 2)",
    "d / (d − 4)",
    "d / (d − 4), unguarded",
    "rounded",
]


Raised = Literal["factor", "both", "theta", "nothing", "product", "without brackets", "without inner brackets"]


def faulty_longer_theta(
    theta: Any,
    d_head: Any,
    factor: Any,
    exponent: Exponent = "d / (d − 2)",
    side: Literal["times", "divided"] = "times",
    raised: Raised = "factor",
    give: Literal["theta", "divisor", "slowest", "old slowest", "unchanged", "whole", "frequencies"] = "theta",
) -> Any:
    d = d_head
    if exponent == "d / (d − 4), unguarded":
        return theta * factor ** (d / 2 / (d / 2 - 2))
    power = {
        "d / (d − 2)": d / (d - 2),
        "1": 1,
        "(d − 2) / d": (d - 2) / d,
        "d / (d − 1)": d / (d - 1),
        "d / (2d − 2)": d / (2 * d - 2),
        "−i / d": 2 * d / (d - 2),
        "d": d,
        "d − 2": d - 2,
        "d / 2": d / 2,
        "2 / d": 2 / d,
        "−2 / d": -2 / d,
        "2 / (d − 2)": 2 / (d - 2),
        "d / 2 − 1": d / 2 - 1,
        "1 / (d − 2)": 1 / (d - 2),
        "rounded": d // (d - 2),
        "1 / d": 1 / d,
        "d / (d + 2)": d / (d + 2),
        "d / (d − 4)": d / (d - 4) if d != 4 else 1.0,
    }[exponent]
    match raised:
        case "factor":
            by = factor**power
        case "both":  # raises (theta · factor) to this power
            by = (theta * factor) ** power / theta
        case "theta":
            by = theta**power * factor / theta
        case "product":
            by = factor * power
        case "without brackets":
            by = factor**d / (d - 2)
        case "without inner brackets":
            by = factor ** (d / d - 2)
        case "nothing":
            by = theta ** (factor - 1)
    new = theta * by if side == "times" else theta / by
    match give:
        case "theta":
            return new
        case "divisor":
            return by
        case "slowest":
            return new ** (-(d - 2) / d)
        case "old slowest":
            return theta ** (-(d - 2) / d)
        case "unchanged":
            return theta
        case "whole":
            return int(new)
        case "frequencies":
            return [new ** (-2 * i / d) for i in range(d // 2)]

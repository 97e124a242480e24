"""Wrong solutions to `choose` and `p_value`.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import math
from typing import Any, Literal


def faulty_choose(
    choices: Any,
    log_probs: Any,
    by: Literal[
        "bytes",
        "nothing",
        "characters",
        "letters",
        "words",
        "bytes and space",
        "bytes and quotes",
        "utf-16",
        "product",
        "sum",
        "bytes, stripped",
    ] = "bytes",
    of: Literal["log", "probability"] = "log",
    best: Literal["highest", "lowest", "shortest", "longest"] = "highest",
    ties: Literal["first", "last"] = "first",
    give: Literal["place", "choice", "score", "scores", "order", "from 1"] = "place",
    digits: int | None = None,
) -> Any:
    scores = []
    for choice, log_prob in zip(choices, log_probs):
        n_bytes = len(choice.encode())
        value = log_prob if of == "log" else math.exp(log_prob)
        match by:
            case "bytes":
                score = value / n_bytes
            case "bytes, stripped":
                score = value / max(1, len(choice.strip().encode()))
            case "nothing":
                score = value
            case "characters":
                score = value / len(choice)
            case "letters":
                score = value / sum(letter.isalpha() for letter in choice)
            case "words":
                score = value / len(choice.split())
            case "bytes and space":
                score = value / (n_bytes + 1)
            case "bytes and quotes":
                score = value / (n_bytes + 2)
            case "sum":
                score = value + n_bytes
            case "utf-16":
                score = value / len(choice.encode("utf-16"))
            case "product":
                score = value * n_bytes
        scores.append(score if digits is None else round(score, digits))
    lengths = [len(choice.encode()) for choice in choices]
    match best:
        case "highest":
            order = sorted(range(len(scores)), key=lambda i: -scores[i])
        case "lowest":
            order = sorted(range(len(scores)), key=lambda i: scores[i])
        case "shortest":
            order = sorted(range(len(scores)), key=lambda i: lengths[i])
        case "longest":
            order = sorted(range(len(scores)), key=lambda i: -lengths[i])
    place = order[0]
    if ties == "last":
        place = max(i for i in order if scores[i] == scores[place])
    match give:
        case "place":
            return place
        case "choice":
            return choices[place]
        case "score":
            return scores[place]
        case "scores":
            return scores
        case "order":
            return order
        case "from 1":
            return place + 1


Tail = Literal["as uneven", "more uneven", "exactly this", "the other side", "all but one side"]
Formula = Literal["coins", "chi-square", "corrected", "statistic", "difference", "share of the differing"]


def faulty_p_value(
    first: Any,
    second: Any,
    counts: Literal[
        "one alone",
        "all",
        "all, by the gap",
        "all below",
        "one or both",
        "one or none",
        "each by itself",
        "agree or differ",
    ] = "one alone",
    sides: Literal[
        "both", "one", "first better", "second better", "first better, twice", "second better, twice"
    ] = "both",
    tail: Tail = "as uneven",
    limit: Literal["1", "none", "none, guarded"] = "1",
    formula: Formula = "coins",
    even: Literal["1", "0", "½", "raises", "none", "nan"] = "1",
    complement: bool = False,
) -> Any:
    better = sum(bool(a) and not b for a, b in zip(first, second))
    worse = sum(bool(b) and not a for a, b in zip(first, second))
    n = better + worse
    if not n and even != "1":
        return {"0": 0.0, "½": 0.5, "raises": None, "none": None, "nan": math.nan}[even] if even != "raises" else 1 / n
    match counts:
        case "one alone" | "all below":
            pass
        case "all":  # a question on which both agree counts as a coin toss that the weaker model lost
            n = len(first)
        case "all, by the gap":  # the gap stays the same, but every question counts as a toss
            n, gap = len(first), abs(better - worse)
            return min(1.0, sum(math.comb(n, k) for k in range(n + 1) if abs(2 * k - n) >= gap) / 2**n)
        case "one or both":
            n = sum(bool(a) or bool(b) for a, b in zip(first, second))
        case "one or none":
            n = sum(not (a and b) for a, b in zip(first, second))
        case "each by itself":  # as if the models had been asked different questions
            better, worse = sum(map(bool, first)), sum(map(bool, second))
            n = better + worse
        case "agree or differ":
            worse = len(first) - n
            better, n = n, len(first)
    fewer = min(better, worse)
    match sides:
        case "first better" | "first better, twice":
            fewer = n - better
        case "second better" | "second better, twice":
            fewer = better
        case "both" | "one":
            pass
    match formula:
        case "coins":
            first_of, last = {
                "as uneven": (0, fewer),
                "more uneven": (0, fewer - 1),
                "exactly this": (fewer, fewer),
                "the other side": (fewer, n),
                "all but one side": (fewer + 1, n),
            }[tail]
            p = sum(math.comb(n, k) for k in range(first_of, last + 1)) / 2 ** (
                len(first) if counts == "all below" else n
            )
            p = 2 * p if sides == "both" or sides.endswith("twice") else p
        case "difference":
            return (better - worse) / len(first)
        case "share of the differing":
            return better / n if n else 0.0
        case "chi-square" | "corrected" | "statistic":
            gap = abs(better - worse) - (1 if formula == "corrected" else 0)
            statistic = gap**2 / n if n else 0.0
            if formula == "statistic":
                return statistic
            p = math.erfc(math.sqrt(statistic / 2))
    p = 1 - p if complement else p
    return min(1.0, p) if limit == "1" or (limit == "none, guarded" and not n) else p

"""Wrong solutions to the exercises on evaluation in lesson 08.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from collections.abc import Sequence
from typing import Any, Literal

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|endoftext|>"
IntervalFormula = (
    Literal["wilson", "textbook", "clipped", "largest spread", "agresti", "agresti, clipped", "plus four"]
    | Literal["laplace"]
)
IntervalGive = (
    Literal["bounds", "exchanged", "middle and half", "half", "width", "from the share", "percent", "numbers"]
    | Literal["rounded"]
)
IntervalRoot = Literal["taken", "forgotten", "over z", "over all", "first term", "halved", "each alone", "z forgotten"]


def faulty_interval(
    right: Any,
    n: Any,
    z: float = 1.96,
    formula: IntervalFormula = "wilson",
    root: IntervalRoot = "taken",
    less: int = 0,
    middle: Literal["moved", "at p", "p divided", "no 2", "term divided", "times n"] = "moved",
    below: Literal["divided", "nothing", "middle alone", "half alone", "brackets missing"] = "divided",
    inner: Literal[
        "n²", "not by n", "n − 1", "n", "left out", "no 4", "4 squared", "brackets missing", "times n²"
    ] = "n²",
    power: int = 2,
    of: Literal["right", "wrong"] = "right",
    give: IntervalGive = "bounds",
) -> Any:
    p = right / n if of == "right" else (n - right) / n
    m = n - less
    if formula in ("plus four", "laplace"):
        extra = 2 if formula == "plus four" else 1
        p, m = (right + extra) / (n + 2 * extra), n + 2 * extra
    elif formula.startswith("agresti"):
        p, m = (right + z**2 / 2) / (n + z**2), n + z**2
    if formula == "wilson":
        grown = 1 + z**power / m
        spread = p * (1 - p) / (n - 1 if inner == "n − 1" else m)
        under = {
            "n²": p * (1 - p) / m + z**power / (4 * m**2),
            "n": p * (1 - p) / m + z**power / (4 * m),
            "left out": p * (1 - p) / m,
            "no 4": p * (1 - p) / m + z**power / m**2,
            "4 squared": p * (1 - p) / m + z**power / (4 * m) ** 2,
            "brackets missing": p * 1 - p / m + z**power / (4 * m**2),
            "times n²": p * (1 - p) / m + z**power / 4 * m**2,
            "not by n": p * (1 - p) + z**power / (4 * m**2),
            "n − 1": spread + z**power / (4 * m**2),
        }[inner]
        centre = {
            "moved": p + z**power / (2 * m),
            "at p": p,
            "p divided": p,
            "no 2": p + z**power / m,
            "times n": p + z**power / 2 * m,
            "term divided": p + z**power / (2 * m) / grown,
        }[middle]
        if middle not in ("at p", "term divided") and below in ("divided", "middle alone"):
            centre = centre / grown
        match root:
            case "taken":
                half = z * under**0.5
            case "forgotten":
                half = z * under
            case "over z":
                half = (z * under) ** 0.5
            case "first term":
                half = z * (spread**0.5 + under - spread)
            case "halved":
                half = z * under**0.5 / 2
            case "each alone":
                half = z * (spread**0.5 + z / (2 * m))
            case "z forgotten":
                half = under**0.5
            case "over all":
                half = (z * under / grown) ** 0.5 * grown
        if below in ("divided", "half alone"):
            half = half / grown
        if below == "brackets missing":
            centre, half = centre / 1 + z**power / m, half / 1 + z**power / m
    else:
        spread = (0.25 if formula == "largest spread" else p * (1 - p)) / (1 if inner == "not by n" else m)
        centre = p
        half = z * (spread**0.5 if root == "taken" else spread)
    low, high = centre - half, centre + half
    if formula in ("clipped", "agresti, clipped"):
        low, high = max(0.0, low), min(1.0, high)
    match give:
        case "bounds":
            return (low, high)
        case "exchanged":
            return (high, low)
        case "middle and half":
            return (centre, half)
        case "half":
            return half
        case "width":
            return high - low
        case "percent":
            return (100 * low, 100 * high)
        case "numbers":
            return (n * low, n * high)
        case "rounded":
            return (round(low, 2), round(high, 2))
        case "from the share":
            return (p - low, high - p)


BestByWordingDecide = (
    Literal["majority", "one for all", "minority", "answers all", "refuses all", "answers if ever told"]
    | Literal["refuses if ever untold", "pure only", "half of the mixed", "as the last", "as the first"]
    | Literal["at random as often", "first word", "answers alone", "so far, answers", "so far, refuses", "ties lost"]
)


def faulty_best_by_wording(
    asked: Sequence[tuple[str, bool]],
    decide: BestByWordingDecide = "majority",
    weigh: Literal["questions", "wordings", "by wordings", "best one", "each question"] = "questions",
    give: Literal["share", "count", "percent", "rounded", "by wording"] = "share",
    read: Literal["as it is", "in small letters", "without its signs", "once each"] = "as it is",
) -> Any:
    told: dict[str, list[bool]] = {}
    if read == "once each":
        asked = list(dict.fromkeys(asked))
    elif read != "as it is":
        signs = " ?.!…" if read == "without its signs" else " "
        asked = [(wording.lower().strip(signs), is_told) for wording, is_told in asked]
    for wording, is_told in asked:
        wording = wording.split()[0] if decide == "first word" else wording
        told.setdefault(wording, []).append(is_told)
    if decide == "one for all":
        told = {"": [is_told for _, is_told in asked]}
    rights = []
    for some in told.values():
        yes, no = sum(some), len(some) - sum(some)
        right = {
            "majority": max(yes, no),
            "first word": max(yes, no),
            "one for all": max(yes, no),
            "minority": min(yes, no),
            "answers all": yes,
            "refuses all": no,
            "answers if ever told": yes or no,
            "refuses if ever untold": no or yes,
            "answers alone": yes if yes > no else 0,
            "pure only": 0 if yes and no else yes + no,
            "half of the mixed": (yes + no) / 2 if yes and no else yes + no,
            "as the first": yes if some[0] else no,
            "as the last": yes if some[-1] else no,
            "at random as often": (yes**2 + no**2) / (yes + no),
            "ties lost": max(yes, no) if yes != no else 0,
            "so far, answers": _one_by_one(some, at_first=True),
            "so far, refuses": _one_by_one(some, at_first=False),
        }[decide]
        rights.append(right)
    n = len(asked)
    shares = [right / len(some) for right, some in zip(rights, told.values())]
    share = {
        "questions": sum(rights) / n,
        "wordings": sum(shares) / len(shares),
        "each question": sum(right * len(some) for right, some in zip(rights, told.values())) / n,
        "by wordings": sum(rights) / len(told),
        "best one": max(shares),
    }
    value = share[weigh]
    match give:
        case "share":
            return value
        case "count":
            return sum(rights)
        case "percent":
            return 100 * value
        case "rounded":
            return round(value, 1)
        case "by wording":
            return dict(zip(told, shares))


def _one_by_one(some: list[bool], at_first: bool) -> int:
    """Count how many guesses are right if each guess is the commoner of the earlier values (`at_first` in a tie)."""
    before = [(sum(some[:i]), i - sum(some[:i])) for i in range(len(some))]
    return sum((yes > no or (yes == no and at_first)) == told for (yes, no), told in zip(before, some))

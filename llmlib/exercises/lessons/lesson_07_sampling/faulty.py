"""Wrong solutions to the exercises in lesson 07.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

INF = float("inf")


# Wrong ways to draw: some count the True values (so the id may be past the last token), others find the first True.
DRAWN_OTHERWISE = {
    "none, counted": lambda p, u: (p <= u).sum(-1),
    "none, or the last": lambda p, u: torch.where((p > u).any(-1), (p > u).long().argmax(-1), p.shape[-1] - 1),
    "1 - u": lambda p, u: (p.cumsum(-1) <= 1 - u).sum(-1),
    "1 - u, within": lambda p, u: (p.cumsum(-1) <= 1 - u).sum(-1).clamp(max=p.shape[-1] - 1),
    "1 - u, first": lambda p, u: (p.cumsum(-1) > 1 - u).long().argmax(-1),
    "first below": lambda p, u: (p.cumsum(-1) <= u).long().argmax(-1),
}


DrawLine = (
    Literal["sum", "none", "none, counted", "none, or the last", "greedy", "nearest", "rank", "largest first"]
    | Literal["from the end", "1 - u", "1 - u, first", "1 - u, within", "first below", "softmax", "over rows"]
    | Literal["over all"]
)


def faulty_draw(
    probabilities: Any,
    u: Any,
    line: DrawLine = "sum",
    edge: Literal["right", "left"] = "right",
    whose: Literal["own", "first"] = "own",
    give: Literal["id", "probability", "one-hot", "column"] = "id",
    shift: int = 0,
) -> Any:
    p = probabilities
    if line in DRAWN_OTHERWISE:
        return DRAWN_OTHERWISE[line](p, u[:, None])
    if whose == "first":
        u = u[:1].expand_as(u)
    if line == "softmax":
        p = p.softmax(-1)
    order: Any = None
    if line in ("largest first", "rank"):
        p, order = p.sort(dim=-1, descending=True, stable=True)
    if line == "from the end":
        p = p.flip(-1)
    sums = {
        "none": lambda: p,
        "over rows": lambda: p.cumsum(0),
        "over all": lambda: p.flatten().cumsum(0).view_as(p),
    }.get(line, lambda: p.cumsum(-1))()
    if line == "none":
        drawn = (sums > u[:, None]).long().argmax(-1)
    elif line == "nearest":
        drawn = (sums - u[:, None]).abs().argmin(-1)
    elif line == "greedy":
        drawn = probabilities.argmax(-1)
    else:
        below = sums < u[:, None] if edge == "left" else sums <= u[:, None]
        drawn = below.sum(-1).clamp(max=p.shape[-1] - 1)
    drawn = (drawn + shift).clamp(0, p.shape[-1] - 1)
    if line == "largest first":
        drawn = order.gather(1, drawn[:, None])[:, 0]
    if line == "from the end":
        drawn = p.shape[-1] - 1 - drawn
    match give:
        case "id":
            return drawn
        case "probability":
            return probabilities.gather(1, drawn[:, None])[:, 0]
        case "one-hot":
            return F.one_hot(drawn, p.shape[-1])
        case "column":
            return drawn[:, None]


TemperatureScale = (
    Literal["divided", "multiplied", "root", "squared", "of the probabilities", "after", "not normalised", "power"]
    | Literal["power of T", "one more", "ignored"]
)
TemperatureSmall = (
    Literal["safe", "overflows", "overflows in float64", "largest of the batch", "largest of all"]
    | Literal["largest of all in float64", "repaired", "repaired, all rows"]
)
TemperatureZero = Literal["first", "not there", "shared", "all of them", "one of all", "last", "as 1", "even", "ids"]


def faulty_temperature(
    logits: Tensor,
    temperature: Any,
    scale: TemperatureScale = "divided",
    zero: TemperatureZero = "first",
    small: TemperatureSmall = "safe",
    axis: int = -1,
    give: Literal["probabilities", "log", "likeliest", "entropy"] = "probabilities",
    floor: float = 0.0,
    greedy: float = 0.0,
    added: float = 0.0,
) -> Any:
    axis = axis if logits.ndim > 1 else -1
    temperature = temperature + added
    temperature = 0.0 if temperature < greedy else max(temperature, floor) if temperature else temperature
    if temperature == 0 and zero != "not there":
        best = logits.amax(-1, keepdim=True)
        match zero:
            case "first":
                p = F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
            case "shared":
                p = (logits == best).to(logits.dtype) / (logits == best).sum(-1, keepdim=True)
            case "all of them":
                p = (logits == best).to(logits.dtype)
            case "as 1":
                p = logits.softmax(-1)
            case "ids":
                p = logits.argmax(-1)
            case "one of all":
                p = F.one_hot(logits.argmax(), logits.numel()).view_as(logits).to(logits.dtype)
            case "even":
                p = torch.full_like(logits, 1 / logits.shape[-1])
            case "last":
                p = F.one_hot(logits.shape[-1] - 1 - logits.flip(-1).argmax(-1), logits.shape[-1]).to(logits.dtype)
    else:
        dtype = logits.dtype
        if scale == "divided":
            first = F.one_hot(logits.argmax(axis), logits.shape[axis]).to(dtype)
            logits = _less_a_maximum(logits.double() if small.endswith("in float64") else logits, small, axis)
        match scale:
            case "divided":
                p = (logits / temperature).softmax(axis).to(dtype)
            case "multiplied":
                p = (logits * temperature).softmax(axis)
            case "root":
                p = (logits / temperature**0.5).softmax(axis)
            case "squared":
                p = (logits / temperature**2).softmax(axis)
            case "of the probabilities":
                p = (logits.softmax(axis) / temperature).softmax(axis)
            case "after":
                p = logits.softmax(axis) / temperature
            case "not normalised":
                p = logits.softmax(axis) ** (1 / temperature)
            case "power":
                p = _normalised(logits.softmax(axis) ** (1 / temperature), axis)
            case "power of T":
                p = _normalised(logits.softmax(axis) ** temperature, axis)
            case "one more":
                p = (logits / (1 + temperature)).softmax(axis)
            case "ignored":
                p = logits.softmax(axis)
        if small.startswith("repaired"):
            p = torch.where(p.isnan() | (p.isnan().any() & (small == "repaired, all rows")), first, p)
    match give:
        case "probabilities":
            return p
        case "log":
            return p.log()
        case "likeliest":
            return p.argmax(-1)
        case "entropy":
            return torch.special.entr(p).sum(-1)


def _normalised(weights: Any, axis: Any) -> Any:
    return weights / weights.sum(axis, keepdim=True)


def _less_a_maximum(logits: Tensor, small: str, axis: int) -> Any:
    match small.removesuffix(" in float64"):
        case "safe":
            largest = logits.amax(axis, keepdim=True)
        case "overflows":
            largest = torch.zeros_like(logits)
        case "repaired":
            largest = torch.zeros_like(logits)
        case "repaired, all rows":
            largest = torch.zeros_like(logits)
        case "largest of all":
            largest = logits.max()
        case "largest of the batch":
            largest = logits.amax(0, keepdim=True) if logits.ndim > 1 else logits.max()
        case _:
            raise ValueError(small)
    return logits - largest


PenaltyAbove = Literal[
    "divided", "multiplied", "subtracted", "log subtracted", "counts subtracted", "smaller", "forbidden"
]
PenaltyBelow = (
    Literal["multiplied", "divided", "subtracted", "log subtracted", "counts subtracted", "smaller", "left"]
    | Literal["forbidden"]
)


def faulty_penalty(
    logits: Tensor,
    ids: Tensor,
    penalty: Any,
    above: PenaltyAbove = "divided",
    below: PenaltyBelow = "multiplied",
    times: Literal["once", "each", "added up"] = "once",
    whose: Literal["own", "all", "last", "not the last", "twice"] = "own",
    who: Literal["seen", "unseen", "everyone"] = "seen",
    on: Literal["logits", "probabilities", "log"] = "logits",
    mask: Literal["chooses", "multiplied", "in the factor"] = "chooses",
) -> Any:
    vocab = logits.shape[-1]
    counts = F.one_hot(ids, vocab).sum(1)
    if whose == "all":
        counts = counts.sum(0, keepdim=True).expand_as(counts)
    elif whose == "last":
        counts = F.one_hot(ids[:, -1], vocab)
    elif whose == "not the last":
        counts = F.one_hot(ids[:, :-1], vocab).sum(1)
    elif whose == "twice":
        counts = (counts > 1).long() * counts
    if who == "unseen":
        counts = (counts == 0).long()
    elif who == "everyone":
        counts = torch.ones_like(counts)
    x = logits.softmax(-1) if on == "probabilities" else logits.log_softmax(-1) if on == "log" else logits
    power = counts.to(logits.dtype) if times != "once" else (counts > 0).to(logits.dtype)
    factor = torch.as_tensor(penalty, dtype=logits.dtype) ** (power if times != "added up" else (power > 0))
    ways = {
        "divided": lambda: x / factor,
        "multiplied": lambda: x * factor,
        "subtracted": lambda: x - (factor if times == "each" else penalty) * (power > 0),
        "left": lambda: x,
        "forbidden": lambda: x.masked_fill(power > 0, -INF),
        "log subtracted": lambda: x - factor.log(),
        "counts subtracted": lambda: x - penalty * counts,
        "smaller": lambda: torch.minimum(x / factor, x * factor),
    }
    if mask == "in the factor":
        return torch.where(x > 0, x / (penalty * (power > 0)), x * penalty * (power > 0))
    result = torch.where(x > 0, ways[above](), ways[below]())
    if times == "added up":
        result = x + power * (result - x)
    return result * (power > 0) if mask == "multiplied" else result


def faulty_distinct(
    texts: Sequence[Sequence[Hashable]],
    n: int,
    pool: Literal["all", "mean", "each set", "joined", "first"] = "all",
    step: Literal["n"] | int = 1,
    gram: Literal["ordered", "sorted", "sets", "joined"] = "ordered",
    count: Literal["different", "repeated", "once", "once of the different"] = "different",
    over: Literal["all", "tokens", "texts", "possible", "lengths", "words", "nothing"] = "all",
    end: int = 0,
    size: Literal["up to n"] | int = 0,
    stumps: Literal["no", "at the end", "short texts"] = "no",
) -> Any:
    lengths = range(1, n + 1) if size == "up to n" else [max(1, n + size)]
    n = lengths[-1]
    form = {
        "ordered": lambda g: g,
        "sets": frozenset,
        "sorted": lambda g: tuple(sorted(g)),
        "joined": lambda g: "".join(map(str, g)),
    }[gram]

    def grams_of(text: Any) -> list[Any]:
        found: list[Any] = []
        for length in lengths:
            begins = {
                "no": len(text) - length + 1 - end,
                "short texts": max(1, len(text) - length + 1 - end),
                "at the end": len(text) - end,
            }[stumps]
            found += [text[i : i + length] for i in range(0, begins, n if step == "n" else step)]
        return [form(tuple(piece)) for piece in found]

    n_texts = len(texts)
    if pool == "joined":
        texts = [[token for text in texts for token in text]]
    if pool == "mean":
        shares = [_share(grams_of(text), text, count, over) for text in texts if len(text) >= n + end]
        return sum(shares) / len(shares) if shares else math.nan
    if pool == "first":
        texts = texts[:1] if len(texts[0]) >= n else texts
    if pool == "each set":  # an n-gram counts once for each text that contains it
        each = [grams_of(text) for text in texts]
        return sum(len(set(grams)) for grams in each) / max(1, sum(map(len, each)))
    grams = [gram for text in texts for gram in grams_of(text)]
    places = sum(len(text) - n + 1 for text in texts)
    return _share(grams, [token for text in texts for token in text], count, over, places, n_texts, n)


def _share(grams: Any, tokens: Any, count: Any, over: Any, places: int = 0, texts: int = 1, n: int = 1) -> Any:
    counts = Counter(grams)
    found = {
        "different": len(counts),
        "once": sum(times == 1 for times in counts.values()),
        "once of the different": sum(times == 1 for times in counts.values()),
        "repeated": len(grams) - len(counts),
        "come again": sum(times > 1 for times in counts.values()),
    }[count]
    divisor = {
        "all": len(grams),
        "tokens": len(tokens),
        "nothing": 1,
        "texts": texts,
        "words": len(set(tokens)),
        "possible": len(set(tokens)) ** n,
        "lengths": places,
    }[over]
    if count == "once of the different":
        divisor = len(counts)
    return found if over == "nothing" else found / max(1, divisor)

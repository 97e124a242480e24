"""The wrong ways through the exercises of lesson 07: each reference once more, with keywords for its faults."""

import math
from collections import Counter

import torch
import torch.nn.functional as F

INF = float("inf")


# What counts on after the last token (and so may give an id that is none), or finds the first True.
DRAWN_OTHERWISE = {
    "none, counted": lambda p, u: (p <= u).sum(-1),
    "none, or the last": lambda p, u: torch.where((p > u).any(-1), (p > u).long().argmax(-1), p.shape[-1] - 1),
    "1 - u": lambda p, u: (p.cumsum(-1) <= 1 - u).sum(-1),
    "1 - u, within": lambda p, u: (p.cumsum(-1) <= 1 - u).sum(-1).clamp(max=p.shape[-1] - 1),
    "1 - u, first": lambda p, u: (p.cumsum(-1) > 1 - u).long().argmax(-1),
    "first below": lambda p, u: (p.cumsum(-1) <= u).long().argmax(-1),
}


def faulty_draw(probabilities, u, line="sum", edge="right", whose="own", give="id", shift=0):
    p = probabilities
    if line in DRAWN_OTHERWISE:
        return DRAWN_OTHERWISE[line](p, u[:, None])
    if whose == "first":
        u = u[:1].expand_as(u)
    if line == "softmax":
        p = p.softmax(-1)
    order = None
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
    return {
        "id": lambda: drawn,
        "probability": lambda: probabilities.gather(1, drawn[:, None])[:, 0],
        "one-hot": lambda: F.one_hot(drawn, p.shape[-1]),
        "column": lambda: drawn[:, None],
    }[give]()


def faulty_temperature(logits, temperature, scale="divided", zero="first", small="safe", axis=-1, give="probabilities",
                       floor=0.0, greedy=0.0, added=0.0):  # fmt: skip
    axis = axis if logits.ndim > 1 else -1
    temperature = temperature + added
    temperature = 0.0 if temperature < greedy else max(temperature, floor) if temperature else temperature
    if temperature == 0 and zero != "not there":
        best = logits.amax(-1, keepdim=True)
        p = {
            "first": lambda: F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype),
            "shared": lambda: (logits == best).to(logits.dtype) / (logits == best).sum(-1, keepdim=True),
            "all of them": lambda: (logits == best).to(logits.dtype),
            "as 1": lambda: logits.softmax(-1),
            "ids": lambda: logits.argmax(-1),
            "one of all": lambda: F.one_hot(logits.argmax(), logits.numel()).view_as(logits).to(logits.dtype),
            "even": lambda: torch.full_like(logits, 1 / logits.shape[-1]),
            "last": lambda: F.one_hot(
                logits.shape[-1] - 1 - logits.flip(-1).argmax(-1), logits.shape[-1]
            ).to(logits.dtype),
        }[zero]()  # fmt: skip
    else:
        dtype = logits.dtype
        if scale == "divided":
            first = F.one_hot(logits.argmax(axis), logits.shape[axis]).to(dtype)
            logits = _less_a_maximum(logits.double() if small.endswith("in float64") else logits, small, axis)
        p = {
            "divided": lambda: (logits / temperature).softmax(axis).to(dtype),
            "multiplied": lambda: (logits * temperature).softmax(axis),
            "root": lambda: (logits / temperature**0.5).softmax(axis),
            "squared": lambda: (logits / temperature**2).softmax(axis),
            "of the probabilities": lambda: (logits.softmax(axis) / temperature).softmax(axis),
            "after": lambda: logits.softmax(axis) / temperature,
            "not normalised": lambda: logits.softmax(axis) ** (1 / temperature),
            "power": lambda: _normalised(logits.softmax(axis) ** (1 / temperature), axis),
            "one more": lambda: (logits / (1 + temperature)).softmax(axis),
            "ignored": lambda: logits.softmax(axis),
        }[scale]()
        if small.startswith("repaired"):
            p = torch.where(p.isnan() | (p.isnan().any() & (small == "repaired, all rows")), first, p)
    return {
        "probabilities": lambda: p,
        "log": lambda: p.log(),
        "likeliest": lambda: p.argmax(-1),
        "entropy": lambda: torch.special.entr(p).sum(-1),
    }[give]()


def _normalised(weights, axis):
    return weights / weights.sum(axis, keepdim=True)


def _less_a_maximum(logits, small, axis):
    largest = {
        "safe": lambda: logits.amax(axis, keepdim=True),
        "overflows": lambda: torch.zeros_like(logits),
        "repaired": lambda: torch.zeros_like(logits),
        "repaired, all rows": lambda: torch.zeros_like(logits),
        "largest of all": logits.max,
        "largest of the batch": lambda: logits.amax(0, keepdim=True) if logits.ndim > 1 else logits.max(),
    }[small.removesuffix(" in float64")]()
    return logits - largest


def faulty_top_p(logits, p, crossing="kept", order="largest first", of="probabilities", axis=-1, give="logits",
                 back="scattered", mass="p", rows="own"):  # fmt: skip
    values = logits.softmax(axis) if of == "probabilities" else logits.clone()
    if mass.startswith("rest"):
        p = 1 - p
    shares, places = values.sort(dim=-1, descending=order == "largest first", stable=True)
    if order == "as it stands":
        shares, places = values, torch.arange(values.shape[-1]).expand_as(values)
    sums = shares.cumsum(-1)
    kept = {
        "kept": lambda: (sums - shares < p) | torch.tensor(p >= 1 and mass != "rest, even the first"),
        "cut": lambda: (sums <= p) | torch.tensor(p >= 1),
        "cut, as the sum is rounded": lambda: sums <= p,
        "cut where p is met": lambda: sums < p,
        "one more": lambda: (
            (sums - shares - shares.roll(1, -1) * (torch.arange(shares.shape[-1]) > 0) < p) | torch.tensor(p >= 1)
        ),
        "cut, even the first": lambda: sums <= p,
        "cut where p is met, even the first": lambda: sums < p,
        "each": lambda: shares >= p,
        "a share of the vocabulary": lambda: torch.arange(shares.shape[-1]).expand_as(shares) < p * shares.shape[-1],
        "min-p": lambda: shares >= p * shares.amax(-1, keepdim=True),
    }[crossing]()
    kept = kept.clone()
    if crossing not in ("each", "min-p") and "even the first" not in crossing + mass:
        kept[..., 0] = True
    if rows == "widest":
        kept = kept.any(dim=0, keepdim=True).expand_as(kept)
    if rows == "first's":
        kept = kept[:1].expand_as(kept)
    if back == "scattered":
        kept = torch.empty_like(kept).scatter_(-1, places, kept)
    if back == "gathered":
        kept = kept.gather(-1, places)
    if rows == "first's tokens":
        kept = kept[:1].expand_as(kept)
    if rows == "every":
        kept = kept.all(dim=0, keepdim=True).expand_as(kept)
    base = logits.gather(-1, places) if back == "sorted" else logits
    return _given(base, kept, give)


def _given(logits, kept, give):
    cut = logits.masked_fill(~kept, -INF)
    return {
        "logits": lambda: cut,
        "zeros": lambda: logits.masked_fill(~kept, 0.0),
        "probabilities": lambda: cut.softmax(-1),
        "log-probabilities": lambda: cut.log_softmax(-1),
        "log-probabilities of all": lambda: logits.log_softmax(-1).masked_fill(~kept, -INF),
        "mask": lambda: kept,
        "the others": lambda: logits.masked_fill(kept, -INF),
        "shares": lambda: logits.softmax(-1).masked_fill(~kept, 0.0),
        "probabilities for logits": lambda: logits.softmax(-1).masked_fill(~kept, -INF),
    }[give]()


def faulty_min_p(logits, p, against="largest", of="probabilities", give="logits", axis=-1):
    values = {
        "probabilities": lambda: logits.softmax(axis) if axis != "all" else logits.flatten().softmax(0).view_as(logits),
        "logits": lambda: logits,
        "log-probabilities": lambda: logits.log_softmax(-1),
        "exponentials": lambda: logits.exp(),
        "exponentials, divided": lambda: logits.exp() / logits.exp().sum(-1, keepdim=True),
    }[of]()
    if against == "top-p":
        shares, order = values.sort(dim=-1, descending=True, stable=True)
        before = (shares.cumsum(-1) - shares >= p) & torch.tensor(p < 1)
        return _given(logits, ~torch.zeros_like(before).scatter(-1, order, before), give)
    level = {
        "largest": lambda: p * values.amax(-1, keepdim=True),
        "alone": lambda: torch.full_like(values[..., :1], p),
        "largest of all": lambda: (p * values.amax()).expand_as(values[..., :1]),
        "largest of each column": lambda: (p * values.amax(0, keepdim=True)).expand_as(values),
        "mean": lambda: p * values.mean(-1, keepdim=True),
        "median": lambda: p * values.median(-1, keepdim=True).values,
        "smallest": lambda: p * values.amin(-1, keepdim=True),
        "rest of the row": lambda: p * (1 - values.amax(-1, keepdim=True)),
        "below": lambda: values.amax(-1, keepdim=True) - p,
        "rest": lambda: (1 - p) * values.amax(-1, keepdim=True),
        "second": lambda: p * values.topk(2, dim=-1).values[..., 1:],
        "divided": lambda: values.amax(-1, keepdim=True) / p,
        "first token": lambda: p * values[..., :1],
        "first row's": lambda: (p * values[:1].amax()).expand_as(values[..., :1]),
    }[against]()
    return _given(logits, ~(values < level), give)  # where it is NaN, nothing is cut


def faulty_penalty(logits, ids, penalty, above="divided", below="multiplied", times="once", whose="own", who="seen",
                   on="logits", mask="chooses"):  # fmt: skip
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


def faulty_distinct(texts, n, pool="all", step=1, gram="ordered", count="different", over="all", end=0, size=0,
                    stumps="no"):  # fmt: skip
    lengths = range(1, n + 1) if size == "up to n" else [max(1, n + size)]
    n = lengths[-1]
    form = {
        "ordered": lambda g: g,
        "sets": frozenset,
        "sorted": lambda g: tuple(sorted(g)),
        "joined": lambda g: "".join(map(str, g)),
    }[gram]

    def grams_of(text):
        found = []
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
    if pool == "each set":  # what is said twice in one text counts once, in two texts twice
        each = [grams_of(text) for text in texts]
        return sum(len(set(grams)) for grams in each) / max(1, sum(map(len, each)))
    grams = [gram for text in texts for gram in grams_of(text)]
    places = sum(len(text) - n + 1 for text in texts)
    return _share(grams, [token for text in texts for token in text], count, over, places, n_texts, n)


def _share(grams, tokens, count, over, places=0, texts=1, n=1):
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

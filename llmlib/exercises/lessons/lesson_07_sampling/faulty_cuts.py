"""Wrong solutions to lesson 07's exercises on top-p and min-p.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from typing import Any, Literal

import torch
from torch import Tensor

TopPCrossing = (
    Literal["kept", "cut", "cut, as the sum is rounded", "cut where p is met", "cut, even the first"]
    | Literal["cut where p is met, even the first", "one more", "each", "a share of the vocabulary", "min-p"]
    | Literal["each, by the rest"]
)
TopPGive = (
    Literal["logits", "zeros", "probabilities", "shares", "log-probabilities", "log-probabilities of all", "mask"]
    | Literal["the others", "probabilities for logits"]
)


def faulty_top_p(
    logits: Tensor,
    p: float | int | Tensor,
    crossing: TopPCrossing = "kept",
    order: Literal["largest first", "smallest first", "as it stands"] = "largest first",
    of: Literal["probabilities", "logits"] = "probabilities",
    axis: int = -1,
    give: TopPGive = "logits",
    back: Literal["scattered", "none", "gathered", "sorted"] = "scattered",
    mass: Literal["p", "rest", "rest, even the first"] = "p",
    rows: Literal["own", "first's", "widest", "first's tokens", "every"] = "own",
) -> Any:
    values = logits.softmax(axis) if of == "probabilities" else logits.clone()
    rest = 1 - p
    if mass.startswith("rest"):
        p = rest
    shares, places = values.sort(dim=-1, descending=order == "largest first", stable=True)
    if order == "as it stands":
        shares, places = values, torch.arange(values.shape[-1]).expand_as(values)
    sums = shares.cumsum(-1)
    match crossing:
        case "kept":
            kept = (sums - shares < p) | torch.tensor(p >= 1 and mass != "rest, even the first")
        case "cut":
            kept = (sums <= p) | torch.tensor(p >= 1)
        case "cut, as the sum is rounded":
            kept = sums <= p
        case "cut where p is met":
            kept = sums < p
        case "one more":
            kept = (sums - shares - shares.roll(1, -1) * (torch.arange(shares.shape[-1]) > 0) < p) | torch.tensor(
                p >= 1
            )
        case "cut, even the first":
            kept = sums <= p
        case "cut where p is met, even the first":
            kept = sums < p
        case "each":
            kept = shares >= p
        case "each, by the rest":
            kept = shares >= rest
        case "a share of the vocabulary":
            kept = torch.arange(shares.shape[-1]).expand_as(shares) < p * shares.shape[-1]
        case "min-p":
            kept = shares >= p * shares.amax(-1, keepdim=True)
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


def _given(logits: Tensor, kept: Tensor, give: str) -> Any:
    cut = logits.masked_fill(~kept, -torch.inf)
    match give:
        case "logits":
            return cut
        case "zeros":
            return logits.masked_fill(~kept, 0.0)
        case "probabilities":
            return cut.softmax(-1)
        case "log-probabilities":
            return cut.log_softmax(-1)
        case "log-probabilities of all":
            return logits.log_softmax(-1).masked_fill(~kept, -torch.inf)
        case "mask":
            return kept
        case "the others":
            return logits.masked_fill(kept, -torch.inf)
        case "shares":
            return logits.softmax(-1).masked_fill(~kept, 0.0)
        case "probabilities for logits":
            return logits.softmax(-1).masked_fill(~kept, -torch.inf)
        case _:
            raise ValueError(give)


MinPAgainst = (
    Literal["largest", "alone", "largest of all", "first row's", "mean", "median", "smallest", "rest of the row"]
    | Literal["below", "rest", "divided", "top-p", "first token", "second", "largest of each column"]
)
MinPGive = (
    Literal["logits", "zeros", "probabilities", "shares", "log-probabilities", "log-probabilities of all", "mask"]
    | Literal["the others", "probabilities for logits"]
)
MinPOf = Literal["probabilities", "logits", "log-probabilities", "exponentials", "exponentials, divided"]


def faulty_min_p(
    logits: Tensor,
    p: float | int | Tensor,
    against: MinPAgainst = "largest",
    of: MinPOf = "probabilities",
    give: MinPGive = "logits",
    axis: Literal["all"] | int = -1,
) -> Any:
    match of:
        case "probabilities":
            values = logits.softmax(axis) if axis != "all" else logits.flatten().softmax(0).view_as(logits)
        case "logits":
            values = logits
        case "log-probabilities":
            values = logits.log_softmax(-1)
        case "exponentials":
            values = logits.exp()
        case "exponentials, divided":
            values = logits.exp() / logits.exp().sum(-1, keepdim=True)
    if against == "top-p":
        shares, order = values.sort(dim=-1, descending=True, stable=True)
        before = (shares.cumsum(-1) - shares >= p) & torch.tensor(p < 1)
        return _given(logits, ~torch.zeros_like(before).scatter(-1, order, before), give)
    match against:
        case "largest":
            level = p * values.amax(-1, keepdim=True)
        case "alone":
            level = torch.full_like(values[..., :1], float(p))
        case "largest of all":
            level = (p * values.amax()).expand_as(values[..., :1])
        case "largest of each column":
            level = (p * values.amax(0, keepdim=True)).expand_as(values)
        case "mean":
            level = p * values.mean(-1, keepdim=True)
        case "median":
            level = p * values.median(-1, keepdim=True).values
        case "smallest":
            level = p * values.amin(-1, keepdim=True)
        case "rest of the row":
            level = p * (1 - values.amax(-1, keepdim=True))
        case "below":
            level = values.amax(-1, keepdim=True) - p
        case "rest":
            level = (1 - p) * values.amax(-1, keepdim=True)
        case "second":
            level = p * values.topk(2, dim=-1).values[..., 1:]
        case "divided":
            level = values.amax(-1, keepdim=True) / p
        case "first token":
            level = p * values[..., :1]
        case "first row's":
            level = (p * values[:1].amax()).expand_as(values[..., :1])
    return _given(logits, ~(values < level), give)  # where a value is NaN, nothing is cut

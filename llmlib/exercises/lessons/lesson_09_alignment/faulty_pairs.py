"""Wrong solutions to lesson 09's exercises on pairwise losses.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Curve = (
    Literal["log sigmoid", "in two steps", "none", "hinge", "square"]
    | Literal["probability", "its own probability", "squared probability"]
)
Mean = Literal["mean", "sum", "each", "before the logarithm"]


def _surprise(margin: Tensor, curve: Curve) -> Tensor:
    """Turn the lead of the chosen answer into a loss."""
    match curve:
        case "log sigmoid":
            return -F.logsigmoid(margin)
        case "in two steps":
            return -torch.sigmoid(margin).log()
        case "probability":
            return 1 - torch.sigmoid(margin)
        case "its own probability":
            return -torch.sigmoid(margin)
        case "squared probability":
            return (1 - torch.sigmoid(margin)) ** 2
        case "none":
            return -margin
        case "hinge":
            return (1 - margin).relu()
        case "square":
            return (1 - margin) ** 2


def _over(losses: Tensor, mean: Mean) -> Tensor:
    """Combine the pairs' losses."""
    match mean:
        case "mean":
            return losses.mean()
        case "sum":
            return losses.sum()
        case "each":
            return losses
        case "before the logarithm":
            return -(-losses).exp().mean().log()


PreferenceLossCompares = (
    Literal["both", "chosen", "sum", "size", "means", "each with each"]
    | Literal["each alone", "surprises", "of sigmoids"]
)


def faulty_preference_loss(
    chosen: Tensor,
    rejected: Tensor,
    order: Literal["chosen first", "rejected first"] = "chosen first",
    curve: Curve = "log sigmoid",
    mean: Mean = "mean",
    sign: int = 1,
    compares: PreferenceLossCompares = "both",
    unit: Literal["nats", "bits"] = "nats",
) -> Any:
    if order == "rejected first":
        chosen, rejected = rejected, chosen

    def loss(margin: Tensor) -> Tensor:
        nats = _surprise(margin, curve)
        return nats / torch.log(torch.tensor(2.0)) if unit == "bits" else nats

    match compares:
        case "both":
            losses = loss(chosen - rejected)
        case "chosen":
            losses = loss(chosen)
        case "sum":
            losses = loss(chosen + rejected)
        case "size":
            losses = loss((chosen - rejected).abs())
        case "means":
            losses = loss((chosen.mean() - rejected.mean())[None])
        case "each with each":
            losses = loss(chosen[:, None] - rejected[None, :])
        case "each alone":
            losses = loss(chosen) + loss(-rejected)
        case "surprises":
            losses = loss(chosen) - loss(rejected)
        case "of sigmoids":
            losses = loss(chosen.sigmoid() - rejected.sigmoid())
    return sign * _over(losses, mean)


def _lead(chosen: Tensor, rejected: Tensor, compares: Literal["both", "chosen", "sum", "probabilities"]) -> Tensor:
    """Return how far the chosen answer is ahead of the rejected one, under either the policy or the reference."""
    match compares:
        case "both":
            return chosen - rejected
        case "chosen":
            return chosen
        case "sum":
            return chosen + rejected
        case "probabilities":
            return chosen.exp() - rejected.exp()


def faulty_dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float,
    reference: Literal["both", "none", "added", "chosen only"] = "both",
    order: Literal["right", "rejected first"] = "right",
    scale: Literal["margin", "outside", "none", "divided", "policy", "reference"] = "margin",
    curve: Curve | Literal["IPO"] = "log sigmoid",
    mean: Mean | Literal["inside"] = "mean",
    sign: int = 1,
    compares: Literal["both", "chosen", "sum", "probabilities", "each alone", "of sigmoids"] = "both",
) -> Any:
    def loss(margin: Tensor) -> Tensor:
        margin = margin.mean()[None] if mean == "inside" else margin
        return ((margin - 0.5) / beta) ** 2 if curve == "IPO" else _surprise(margin, curve)

    def over(losses: Tensor) -> Tensor:
        return sign * _over(losses, "mean" if mean == "inside" else mean)

    if compares == "each alone" or compares == "of sigmoids":  # compare rewards, which are beta * (policy - reference)
        ours, theirs = beta * (chosen - reference_chosen), beta * (rejected - reference_rejected)
        if compares == "of sigmoids":
            return over(loss(ours.sigmoid() - theirs.sigmoid()))
        return over(loss(ours) + loss(-theirs))
    if order == "rejected first":
        chosen, rejected = rejected, chosen
        reference_chosen, reference_rejected = reference_rejected, reference_chosen
    match reference:
        case "none":
            reference_chosen = reference_rejected = torch.zeros_like(chosen)
        case "added":
            reference_chosen, reference_rejected = -reference_chosen, -reference_rejected
        case "chosen only":
            reference_rejected = torch.zeros_like(rejected)
        case "both":
            pass
    ours, theirs = _lead(chosen, rejected, compares), _lead(reference_chosen, reference_rejected, compares)
    match scale:
        case "margin":
            margin = beta * (ours - theirs)
        case "policy":
            margin = beta * ours - theirs
        case "reference":
            margin = ours - beta * theirs
        case "divided":
            margin = (ours - theirs) / beta
        case "none" | "outside":
            margin = ours - theirs
    return beta * over(loss(margin)) if scale == "outside" else over(loss(margin))

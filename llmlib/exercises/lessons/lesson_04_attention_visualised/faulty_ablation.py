"""Wrong solutions to `ablate_heads`.

`faulty_ablate_heads` is a copy of the reference solution, with keyword arguments that switch faults on.
"""

from typing import Any, Literal

import torch
from torch import Tensor

AblateHeadsGive = (
    Literal["logits", "difference", "other difference", "probabilities", "log-probabilities", "last", "best"]
    | Literal["untouched", "pair"]
)
AblateHeadsHow = (
    Literal["zero", "mean", "mean of positions", "mean of heads", "mean of channels", "mean of all", "half", "sign"]
    | Literal["one", "places turned round", "places moved on", "channels turned round", "twice", "tenth", "-inf"]
)
Elsewhere = (
    Literal["position", "channel", "one channel", "text", "text within", "last position", "first position"]
    | Literal["first text", "from here", "up to here"]
)


def faulty_ablate_heads(
    model: Any,
    ids: Tensor,
    layer: int,
    head: int,
    what: Literal["z", "scores", "v"] = "z",
    which: Literal["this", "others", "all"] | Elsewhere = "this",
    how: AblateHeadsHow = "zero",
    clean: Literal["yes", "everybody"] = "yes",
    where: Literal["own layer", "every layer", "last", "first", "one before", "exchanged"] = "own layer",
    give: AblateHeadsGive = "logits",
    off_by: int = 0,
    returns: Literal["value"] = "value",
) -> object:
    if where == "exchanged":
        layer, head = head, layer
    if give == "untouched":
        with torch.no_grad():
            return model(ids)
    layers = {"every layer": range(len(model.blocks)), "one before": [layer - 1], "last": [-1], "first": [0]}.get(
        where, [layer]
    )
    head = head + off_by

    def edit(value: Tensor) -> Tensor:
        value = value.clone()
        chosen = torch.zeros(value.shape[1], dtype=torch.bool)
        chosen[head] = True
        if which != "this" and which != "others" and which != "all":
            _cleared(value, head, which)
            return value
        chosen = {"this": chosen, "others": ~chosen, "all": torch.ones_like(chosen)}[which]
        match how:
            case "zero":
                value[:, chosen] = torch.zeros_like(value[:, chosen])
            case "mean":
                value[:, chosen] = value[:, chosen].mean(dim=(0, 2), keepdim=True)
            case "mean of all":
                value[:, chosen] = value[:, chosen].mean()
            case "mean of positions":
                value[:, chosen] = value[:, chosen].mean(dim=2, keepdim=True)
            case "half":
                value[:, chosen] = value[:, chosen] / 2
            case "mean of heads":
                value[:, chosen] = value.mean(dim=1, keepdim=True)
            case "sign":
                value[:, chosen] = -value[:, chosen]
            case "one":
                value[:, chosen] = torch.ones_like(value[:, chosen])
            case "places turned round":
                value[:, chosen] = value[:, chosen].flip(2)
            case "places moved on":
                value[:, chosen] = value[:, chosen].roll(1, 2)
            case "channels turned round":
                value[:, chosen] = value[:, chosen].flip(-1)
            case "twice":
                value[:, chosen] = 2 * value[:, chosen]
            case "tenth":
                value[:, chosen] = value[:, chosen] / 10
            case "-inf":
                value[:, chosen] = torch.full_like(value[:, chosen], -torch.inf)
            case "mean of channels":
                value[:, chosen] = value[:, chosen].mean(-1, keepdim=True)
        return value

    points = [getattr(model.blocks[at].attention, f"hook_{what}") for at in layers]
    handles = [point.add_hook(edit) for point in points]
    try:
        with torch.no_grad():
            logits = model(ids)
    finally:
        for handle in handles:
            if clean == "yes":
                handle.remove()
        if clean == "everybody":
            for part in model.modules():
                part._forward_hooks.clear()
    with torch.no_grad():
        match give:
            case "logits":
                return logits
            case "difference":
                return model(ids) - logits
            case "other difference":
                return logits - model(ids)
            case "last":
                return logits[:, -1]
            case "probabilities":
                return logits.softmax(-1)
            case "log-probabilities":
                return logits.log_softmax(-1)
            case "best":
                return logits.argmax(-1)
            case "pair":
                return (logits, model)


def _cleared(value: Tensor, i: int, where: Elsewhere) -> None:
    match where:
        case "position":
            value[:, :, i] = 0
        case "channel":
            value[..., i] = 0
        case "text":
            value[i] = 0
        case "text within":
            value[i % len(value)] = 0
        case "last position":
            value[:, i, -1] = 0
        case "first position":
            value[:, i, 0] = 0
        case "first text":
            value[0, i] = 0
        case "from here":
            value[:, i:] = 0
        case "up to here":
            value[:, : i + 1] = 0
        case "one channel":
            value[:, i, :, 0] = 0

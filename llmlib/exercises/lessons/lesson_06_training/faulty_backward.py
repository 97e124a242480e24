"""Wrong solutions to lesson 06's exercise on the backward pass.

`faulty_backward` is a copy of the reference solution, with keyword arguments that switch faults on.
"""

from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor

BackwardTanh = (
    Literal["right", "left out", "tanh itself", "of h", "of a again", "not squared", "of a sigmoid"]
    | Literal["after the product"]
)


def faulty_backward(
    x: Tensor,
    w1: Tensor,
    w2: Tensor,
    targets: Tensor,
    logits: Literal["right", "sign", "no target", "no softmax", "all rows"] = "right",
    mean: Literal["rows", "none", "numbers", "classes"] = "rows",
    tanh: BackwardTanh = "right",
    way_back: Literal["through w2", "new w2"] = "through w2",
    order: Literal["own", "exchanged"] = "own",
    weights: Literal["both", "h for a"] = "both",
    forward: Literal["tanh", "left out"] = "tanh",
) -> Any:
    h = x @ w1
    a = h.tanh() if forward == "tanh" else h
    p, y = (a @ w2).softmax(dim=-1), F.one_hot(targets, w2.shape[1])
    slope = {
        "right": p - y,
        "sign": y - p,
        "no target": p,
        "no softmax": a @ w2 - y,
        "all rows": p - y.amax(dim=0),
    }[logits]
    slope = slope / {"rows": len(x), "none": 1, "numbers": y.numel(), "classes": y.shape[1]}[mean]
    d_w2 = (h if weights == "h for a" else a).T @ slope
    back = slope @ w2.T
    if way_back == "new w2":
        back = slope @ (w2 - d_w2).T
    match tanh:
        case "right":
            slope = back * (1 - a**2)
        case "left out":
            slope = back
        case "tanh itself":
            slope = back * a
        case "of h":
            slope = back * (1 - h**2)
        case "of a again":
            slope = back * (1 - a.tanh() ** 2)
        case "not squared":
            slope = back * (1 - a)
        case "of a sigmoid":
            slope = back * a * (1 - a)
        case "after the product":
            slope = back
    d_w1 = x.T @ slope * (1 - a**2).mean(0) if tanh == "after the product" else x.T @ slope
    both = (d_w1, d_w2)
    return both[::-1] if order == "exchanged" else both

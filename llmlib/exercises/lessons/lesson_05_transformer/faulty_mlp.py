"""Wrong solutions to lesson 05's exercises on the MLP: its nonlinearity, its memory and its gate."""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Act = (
    Literal["none", "gelu", "tanh form", "quick", "normal", "silu", "relu", "square", "smooth", "sigmoid", "tanh"]
    | Literal["step", "softmax", "over positions"]
)


def _nonlinear(h: Tensor, act: Act) -> Tensor:
    match act:
        case "none":
            return h
        case "gelu":
            return F.gelu(h)
        case "tanh form":
            return F.gelu(h, approximate="tanh")
        case "quick":
            return h * torch.sigmoid(1.702 * h)
        case "normal":
            return torch.special.ndtr(h)
        case "silu":
            return F.silu(h)
        case "relu":
            return F.relu(h)
        case "square":
            return F.relu(h) ** 2
        case "smooth":
            return F.softplus(h)
        case "sigmoid":
            return torch.sigmoid(h)
        case "tanh":
            return torch.tanh(h)
        case "step":
            return (h > 0).to(h.dtype)
        case "softmax":
            return h.softmax(-1)
        case "over positions":
            return h.softmax(-2)


MemoryCompare = Literal["dot", "cosine", "distance", "minus distance", "all positions", "number by number"]


def faulty_memory(
    x: Tensor,
    keys: Tensor,
    values: Tensor,
    act: Act = "gelu",
    where: Literal["units", "output", "input", "both"] = "units",
    roles: Literal["own", "exchanged", "keys alone", "values alone"] = "own",
    adds: Literal["sum", "strongest", "residual", "mean", "weighted mean", "fires"] = "sum",
    scale: Literal["none", "root"] = "none",
    compare: MemoryCompare = "dot",
) -> object:
    if roles == "exchanged":
        keys, values = values, keys
    elif roles == "keys alone":
        values = keys
    elif roles == "values alone":
        keys = values
    nonlinear = partial(_nonlinear, act=act)
    if compare == "cosine":
        x, keys = F.normalize(x, dim=-1), F.normalize(keys, dim=-1)
    x_in = nonlinear(x) if where == "input" else x
    match = x_in @ keys.T
    if compare in ("distance", "minus distance"):
        match = torch.cdist(x_in, keys.expand(len(x), -1, -1)) * (1 if compare == "distance" else -1)
    if compare == "all positions":
        match = match.sum(1, keepdim=True).expand_as(match)
    if compare == "number by number":
        return (nonlinear(x[..., None, :] * keys) * values).sum(-2)
    if scale == "root":
        match = match / x.shape[-1] ** 0.5
    fires = nonlinear(match) if where in ("units", "both") else match
    if adds == "strongest":
        fires = fires * F.one_hot(fires.argmax(-1), fires.shape[-1])
    out = fires @ values
    if where in ("output", "both"):
        out = nonlinear(out)
    match adds:
        case "sum":
            return out
        case "strongest":
            return out
        case "residual":
            return x + out
        case "mean":
            return out / len(keys)
        case "weighted mean":
            return out / fires.sum(-1, keepdim=True)
        case "fires":
            return fires


def faulty_swiglu(
    x: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
    act: Act = "silu",
    on: Literal["gate", "up", "both", "product", "output", "matrix", "x", "x for both"] = "gate",
    combine: Literal["product", "sum", "larger", "gate alone", "up alone", "difference"] = "product",
    give: Literal["output", "with residual", "hidden"] = "output",
    turned: Literal["transposed", "reshaped", "two reshaped"] = "transposed",
) -> Tensor:
    if turned == "reshaped":  # each matrix is reshaped to the shape of its transpose
        gate, up, down = (m.reshape(m.shape[::-1]).T for m in (gate, up, down))
    elif turned == "two reshaped":
        gate, up = (m.reshape(m.shape[::-1]).T for m in (gate, up))
    g, u = x @ gate.T, x @ up.T
    nonlinear = partial(_nonlinear, act=act)
    if on in ("matrix", "x", "x for both"):
        g = x @ nonlinear(gate).T if on == "matrix" else nonlinear(x) @ gate.T
        u = nonlinear(x) @ up.T if on == "x for both" else u
        nonlinear = partial(_nonlinear, act="none")
    if on == "up":
        g, u = u, g
    if on == "product":
        hidden = nonlinear(g * u)
    else:
        u = nonlinear(u) if on == "both" else u
        g = g if on == "output" else nonlinear(g)
        parts = {"product": g * u, "sum": g + u, "gate alone": g, "up alone": u, "difference": u - g}
        hidden = torch.maximum(g, u) if combine == "larger" else parts[combine]
    if give == "hidden":
        return hidden
    out = hidden @ down.T
    if on == "output":
        out = nonlinear(out)
    return x + out if give == "with residual" else out

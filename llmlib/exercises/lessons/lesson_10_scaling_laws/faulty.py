"""Wrong solutions to the exercises in lesson 10.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor


def faulty_training_cost(
    n_layers: int,
    d_model: int,
    d_mlp: int,
    vocab_size: int,
    tokens: int,
    passes: Literal[6, 2, 3, 4] = 6,
    tables: Literal["output", "both", "none", "output and a row"] = "output",
    attention: Literal[4, 3] = 4,
    mlp: Literal[3, 2] = 3,
    layers: Literal["all", "one", "tables too", "of the MLP", "of attention"] = "all",
    of: Literal["run", "token", "weights", "layers alone"] = "run",
    sides: Literal["both", "d_mlp"] = "both",
    norms: Literal[0, 1] = 0,
    numbers: Literal["whole", "floats", "floats, the other way"] = "whole",
) -> Any:
    in_attention = attention * d_model**2
    in_mlp = mlp * d_mlp * (d_mlp if sides == "d_mlp" else d_model)
    if layers in ("all", "of the MLP"):
        in_mlp *= n_layers
    if layers in ("all", "of attention"):
        in_attention *= n_layers
    table = {"output": 1, "both": 2, "none": 0, "output and a row": 1}[tables] * vocab_size * d_model
    table += d_model * (tables == "output and a row")
    weights = in_attention + in_mlp + norms * (2 * n_layers + 1) * d_model
    if of == "layers alone":
        return passes * (weights * tokens + table)
    weights += table
    if layers == "tables too":
        weights *= n_layers
    if numbers != "whole":
        return int(float(passes) * tokens * weights if numbers == "floats" else float(passes) * weights * tokens)
    return {"run": passes * weights * tokens, "token": passes * weights, "weights": weights}[of]


HuberOutside = (
    Literal["line", "no offset", "half of delta", "whole delta", "flat", "zero", "plain"]
    | Literal["slope of 1", "slope of 1, no jump", "of 1", "twice as steep", "twice as steep, from the square"]
)


def faulty_huber(
    deviations: Tensor,
    delta: float,
    inside: Literal["half", "square"] = "half",
    outside: HuberOutside = "line",
    side: Literal["size", "signed", "line alone"] = "size",
    mean: Literal["each", "mean", "sum"] = "each",
    swapped: bool = False,
    whole: Literal["huber", "over delta", "smooth", "line", "parabola"] = "huber",
) -> Any:
    if whole == "smooth":
        return delta**2 * ((1 + (deviations / delta) ** 2).sqrt() - 1)
    size = deviations if side == "signed" else deviations.abs()
    square = size**2 / {"half": 2, "square": 1}[inside]
    line = delta * (deviations - delta / 2) if side == "line alone" else _line(size, delta, outside)
    if whole == "parabola":
        return square
    if whole == "line":
        return line
    small = size > delta if swapped else size <= delta
    each = torch.where(small, square, line) / (delta if whole == "over delta" else 1)
    match mean:
        case "each":
            return each
        case "mean":
            return each.mean()
        case "sum":
            return each.sum()


def _line(size: Tensor, delta: float, outside: HuberOutside) -> Tensor:
    match outside:
        case "line":
            return delta * (size - delta / 2)
        case "no offset":
            return delta * size
        case "half of delta":
            return delta * size - delta / 2
        case "whole delta":
            return delta * (size - delta)
        case "slope of 1":
            return size - delta / 2
        case "slope of 1, no jump":
            return delta**2 / 2 + size - delta
        case "of 1":
            return size - 0.5
        case "twice as steep":
            return delta**2 / 2 + 2 * delta * (size - delta)
        case "twice as steep, from the square":
            return 2 * delta * size - delta**2
        case "plain":
            return size
        case "flat":
            return torch.full_like(size, delta**2 / 2)
        case "zero":
            return torch.zeros_like(size)


Vertex = Literal["half", "whole", "sign", "whole, from 0", "sign, from 0", "back to front"]
FACTORS: dict[Vertex, float] = {
    "half": -0.5,
    "whole": -1,
    "sign": 0.5,
    "whole, from 0": -1,
    "sign, from 0": 0.5,
    "back to front": -0.5,
}


def _vertex(x: np.ndarray, y: np.ndarray, vertex: Vertex) -> tuple[float, float]:
    """Return the lowest point of a parabola fitted to the points, and its height.

    `vertex` determines the formula, and whether x is measured from the middle of the points or from 0.
    """
    middle, scale = x.mean(), np.abs(x).max()
    bend, slope, height = np.polyfit((x - middle) / scale, y, 2)
    start = middle
    if vertex in ("whole, from 0", "sign, from 0", "back to front"):
        start, away = 0.0, middle / scale
        height = height - slope * away + bend * away**2
        slope = slope - 2 * bend * away
    if vertex == "back to front":
        bend, height = height, bend
        scale = 1 / scale
    down = FACTORS[vertex] * slope / bend
    return start + scale * down, height + slope * down + bend * down**2


LowestPointAxis = Literal["log", "plain", "log10", "log of both"]


def faulty_lowest_point(
    sizes: Sequence[float],
    losses: Sequence[float],
    axis: LowestPointAxis = "log",
    vertex: Vertex = "half",
    gives: Literal["size", "e", "10", "logarithm", "loss"] = "size",
    chooses: Literal[
        "parabola", "smallest", "between", "of the parabola", "three around the lowest", "three of all"
    ] = "parabola",
) -> Any:
    x, y = _on_axes(np.asarray(sizes, dtype=float), np.asarray(losses, dtype=float), axis)
    if chooses in ("three around the lowest", "three of all"):
        middle = min(max(int(y.argmin()), 1), len(y) - 2)
        few = [middle - 1, middle, middle + 1] if chooses == "three around the lowest" else [0, len(y) // 2, -1]
        x, y = x[few], y[few]
    if chooses == "smallest":
        at, low = x[y.argmin()], y.min()
    else:
        at, low = _vertex(x, y, vertex)
        if chooses == "between":
            at = min(max(at, x.min()), x.max())
        if chooses == "of the parabola":
            at = x[np.abs(x - at).argmin()]
    if gives == "loss":
        return float(np.exp(low) if axis == "log of both" else low)
    if gives == "logarithm":
        return float(at)
    tens = gives == "10" or (axis == "log10" and gives != "e")
    return float(at if axis == "plain" else 10**at if tens else np.exp(at))


def _on_axes(sizes: np.ndarray, losses: np.ndarray, axis: LowestPointAxis) -> tuple[np.ndarray, np.ndarray]:
    match axis:
        case "log":
            return np.log(sizes), losses
        case "log10":
            return np.log10(sizes), losses
        case "log of both":
            return np.log(sizes), np.log(losses)
        case "plain":
            return sizes, losses


def faulty_best_size(
    A: float,
    B: float,
    alpha: float,
    beta: float,
    compute: float,
    flops: Literal["6", "1", "2", "times"] = "6",
    share: Literal["beta", "alpha", "half", "beta alone", "root alone"] = "beta",
    balance: Literal["slopes", "terms", "upside down", "none", "crossed", "twenty"] = "slopes",
    root: Literal["sum", "none", "alpha"] = "sum",
    gives: Literal["size", "tokens", "both"] = "size",
) -> Any:
    budget = compute / {"6": 6, "1": 1, "2": 2, "times": 1 / 6}[flops]
    power = {
        "beta": beta / (alpha + beta),
        "alpha": alpha / (alpha + beta),
        "half": 0.5,
        "beta alone": beta,
        "root alone": 1 / (alpha + beta),
    }[share]
    exponent = {"sum": 1 / (alpha + beta), "none": 1.0, "alpha": 1 / alpha}[root]
    match balance:
        case "slopes":
            ratio = alpha * A / (beta * B)
        case "terms":
            ratio = A / B
        case "upside down":
            ratio = beta * B / (alpha * A)
        case "crossed":
            ratio = beta * A / (alpha * B)
        case "none":
            ratio = 1.0
        case "twenty":  # 20 tokens for each parameter, whatever the law says
            ratio, exponent, power = 20**-0.5, 1.0, 0.5
    size = ratio**exponent * budget**power
    return {"size": size, "tokens": budget / size, "both": (size, budget / size)}[gives]


TokensForNever = (
    Literal["inf", "absolute", "a formula alone", "E alone", "E alone, without a sign"]
    | Literal["zero", "none", "no number", "minus one"]
)
ANSWERS: dict[TokensForNever, float | None] = {  # what to return if no number of tokens reaches the loss
    "inf": math.inf,
    "E alone": math.inf,
    "E alone, without a sign": math.inf,
    "zero": 0.0,
    "none": None,
    "no number": math.nan,
    "minus one": -1.0,
}


def faulty_tokens_for(
    parameters: float,
    loss: float,
    E: float,
    A: float,
    B: float,
    alpha: float,
    beta: float,
    takes: Literal["both", "E", "size", "none"] = "both",
    root: Literal["root", "power", "minus", "below alone"] = "root",
    exponents: Literal["own", "swapped"] = "own",
    never: TokensForNever = "inf",
    ratio: Literal["B above", "left above", "no alpha"] = "B above",
) -> Any:
    if exponents == "swapped":
        alpha, beta = beta, alpha
    small = A / (parameters if ratio == "no alpha" else parameters**alpha)
    left = loss - {"both": E + small, "E": E, "size": small, "none": 0.0}[takes]
    if left <= 0 and never != "a formula alone" and (loss <= E or not never.startswith("E alone")):
        if never in ANSWERS:
            return ANSWERS[never]
        left = abs(left) or 1e-9
    if never == "E alone, without a sign":
        left = abs(left)
    # In Python, a fractional power of a negative number is complex.
    quotient = B / left if ratio != "left above" else left / B
    match root:
        case "root":
            return quotient ** (1 / beta)
        case "power":
            return quotient**beta
        case "minus":
            return quotient ** (-1 / beta)
        case "below alone":
            return B / left ** (1 / beta)

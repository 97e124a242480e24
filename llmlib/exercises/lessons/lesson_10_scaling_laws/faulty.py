"""Wrong solutions to the exercises of lesson 10: each reference again, with keywords for its faults."""

import math

import numpy as np
import torch


def faulty_training_cost(n_layers, d_model, d_mlp, vocab_size, tokens, passes=6, tables="output", attention=4, mlp=3,
                         layers="all", of="run", sides="both", norms=0, numbers="whole"):  # fmt: skip
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


def faulty_huber(deviations, delta, inside="half", outside="line", side="size", mean="each", swapped=False,
                 whole="huber"):  # fmt: skip
    if whole == "smooth":
        return delta**2 * ((1 + (deviations / delta) ** 2).sqrt() - 1)
    size = deviations.abs() if side in ("size", "line alone") else deviations
    square = size**2 / {"half": 2, "square": 1}[inside]
    line = {
        "line": lambda: delta * (size - delta / 2), "no offset": lambda: delta * size,
        "half of delta": lambda: delta * size - delta / 2, "slope of 1": lambda: size - delta / 2,
        "slope of 1, no jump": lambda: delta**2 / 2 + size - delta,
        "flat": lambda: torch.full_like(size, delta**2 / 2), "of 1": lambda: size - 0.5,
        "twice as steep": lambda: delta**2 / 2 + 2 * delta * (size - delta),
        "twice as steep, from the square": lambda: 2 * delta * size - delta**2,
        "whole delta": lambda: delta * (size - delta), "zero": lambda: torch.zeros_like(size), "plain": lambda: size,
    }[outside]()  # fmt: skip
    if side == "line alone":
        line = delta * (deviations - delta / 2)
    if whole in ("parabola", "line"):
        return square if whole == "parabola" else line
    small = size > delta if swapped else size <= delta
    each = torch.where(small, square, line) / (delta if whole == "over delta" else 1)
    return {"each": lambda: each, "mean": lambda: each.mean(), "sum": lambda: each.sum()}[mean]()


VERTEX = {"half": -0.5, "whole": -1, "sign": 0.5, "whole, from 0": -1, "sign, from 0": 0.5, "back to front": -0.5}


def _vertex(x, y, vertex):
    """Where a parabola through the points is lowest, and how low; x is counted from the middle, or from 0."""
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
    down = VERTEX[vertex] * slope / bend
    return start + scale * down, height + slope * down + bend * down**2


def faulty_lowest_point(sizes, losses, axis="log", vertex="half", gives="size", chooses="parabola"):
    s, y = np.asarray(sizes, dtype=float), np.asarray(losses, dtype=float)
    x = {"log": np.log, "plain": lambda s: s, "log10": np.log10, "log of both": np.log}[axis](s)
    if axis == "log of both":
        y = np.log(y)
    if chooses in ("three around the lowest", "three of all"):
        middle = min(max(int(y.argmin()), 1), len(y) - 2)
        few = [middle - 1, middle, middle + 1] if chooses == "three around the lowest" else [0, len(y) // 2, -1]
        x, y = x[few], y[few]
    if chooses == "smallest":
        at = x[y.argmin()]
        low = y.min()
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


def faulty_best_size(A, B, alpha, beta, compute, flops="6", share="beta", balance="slopes", root="sum", gives="size"):
    budget = compute / {"6": 6, "1": 1, "2": 2, "times": 1 / 6}[flops]
    power = {
        "beta": beta / (alpha + beta), "alpha": alpha / (alpha + beta), "half": 0.5, "beta alone": beta,
        "root alone": 1 / (alpha + beta),
    }[share]  # fmt: skip
    ratio = {
        "slopes": alpha * A / (beta * B), "terms": A / B, "upside down": beta * B / (alpha * A), "none": 1.0,
        "crossed": beta * A / (alpha * B), "twenty": 1.0,
    }[balance]  # fmt: skip
    if balance == "twenty":
        power, root, ratio = 0.5, "none", 20**-0.5
    exponent = {"sum": 1 / (alpha + beta), "none": 1.0, "alpha": 1 / alpha}[root]
    size = ratio**exponent * budget**power
    return {"size": size, "tokens": budget / size, "both": (size, budget / size)}[gives]


def faulty_tokens_for(parameters, loss, E, A, B, alpha, beta, takes="both", root="root", exponents="own", never="inf",
                      ratio="B above"):  # fmt: skip
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
    quotient = B / left if ratio != "left above" else left / B  # of a number below 0, Python's root is complex
    if root == "below alone":
        return B / left ** (1 / beta)
    return quotient ** {"root": 1 / beta, "power": beta, "minus": -1 / beta}[root]


ANSWERS = {
    "inf": math.inf, "E alone": math.inf, "E alone, without a sign": math.inf, "zero": 0.0, "none": None,
    "no number": math.nan, "minus one": -1.0,
}  # fmt: skip

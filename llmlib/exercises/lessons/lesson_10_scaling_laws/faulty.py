"""The wrong ways through the exercises of lesson 10: each reference once more, with keywords for its faults."""

import math

import numpy as np
import torch


def faulty_training_cost(n_layers, d_model, d_mlp, vocab_size, tokens, passes=6, tables="output", attention=4, mlp=3,
                         layers="all", of="run"):  # fmt: skip
    per_layer = attention * d_model**2 + mlp * d_model * d_mlp
    weights = per_layer * (n_layers if layers == "all" else 1)
    weights += {"output": 1, "both": 2, "none": 0}[tables] * vocab_size * d_model
    if layers == "tables too":
        weights *= n_layers
    return {"run": passes * weights * tokens, "token": passes * weights, "weights": weights}[of]


def faulty_huber(deviations, delta, inside="half", outside="line", side="size", mean="each", swapped=False):
    size = deviations.abs() if side == "size" else deviations
    square = size**2 / {"half": 2, "square": 1}[inside]
    line = {
        "line": lambda: delta * (size - delta / 2), "no offset": lambda: delta * size,
        "slope of 1": lambda: size - delta / 2, "flat": lambda: torch.full_like(size, delta**2 / 2),
        "whole delta": lambda: delta * (size - delta), "zero": lambda: torch.zeros_like(size), "plain": lambda: size,
    }[outside]()  # fmt: skip
    small = size > delta if swapped else size <= delta
    each = torch.where(small, square, line)
    return {"each": lambda: each, "mean": lambda: each.mean(), "sum": lambda: each.sum()}[mean]()


def faulty_lowest_point(sizes, losses, axis="log", vertex="half", gives="size", chooses="parabola"):
    s, y = np.asarray(sizes, dtype=float), np.asarray(losses, dtype=float)
    x = {"log": np.log, "plain": lambda s: s, "log10": np.log10, "log of both": np.log}[axis](s)
    if axis == "log of both":
        y = np.log(y)
    if chooses == "smallest":
        at = x[y.argmin()]
        low = y.min()
    else:
        middle, scale = x.mean(), np.abs(x).max()
        u = (x - middle) / scale
        bend, slope, height = np.polyfit(u, y, 2)
        at = middle + scale * {"half": -slope / (2 * bend), "whole": -slope / bend, "sign": slope / (2 * bend)}[vertex]
        low = height + slope * (at - middle) / scale + bend * ((at - middle) / scale) ** 2
    if gives == "loss":
        return float(np.exp(low) if axis == "log of both" else low)
    if gives == "logarithm":
        return float(at)
    return float(at if axis == "plain" else np.exp(at) if gives == "e" or axis != "log10" else 10**at)


def faulty_best_size(A, B, alpha, beta, compute, flops="6", share="beta", balance="slopes", root="sum", gives="size"):
    budget = compute / {"6": 6, "1": 1, "2": 2}[flops]
    power = {"beta": beta / (alpha + beta), "alpha": alpha / (alpha + beta), "half": 0.5}[share]
    ratio = {
        "slopes": alpha * A / (beta * B), "terms": A / B, "upside down": beta * B / (alpha * A), "none": 1.0,
    }[balance]  # fmt: skip
    exponent = {"sum": 1 / (alpha + beta), "none": 1.0, "alpha": 1 / alpha}[root]
    size = ratio**exponent * budget**power
    return {"size": size, "tokens": budget / size, "both": (size, budget / size)}[gives]


def faulty_tokens_for(parameters, loss, E, A, B, alpha, beta, takes="both", root="root", exponents="own", never="inf",
                      ratio="B above"):  # fmt: skip
    if exponents == "swapped":
        alpha, beta = beta, alpha
    small = A / parameters**alpha
    left = loss - {"both": E + small, "E": E, "size": small, "none": 0.0}[takes]
    if left <= 0:
        if never == "inf":
            return math.inf
        if never in ("zero", "none"):
            return 0.0 if never == "zero" else None
        left = abs(left) or 1e-9
    quotient = B / left if ratio == "B above" else left / B
    return quotient ** {"root": 1 / beta, "power": beta, "minus": -1 / beta}[root]

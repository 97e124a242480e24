"""Wrong solutions of lesson 10 as people write them."""

import math

import numpy as np
import torch

from exercises.wrong import wrong


@wrong("scaling.training_cost", "forward pass only")
def _(n_layers, d_model, d_mlp, vocab_size, tokens):
    per_layer = 4 * d_model**2 + 3 * d_model * d_mlp
    return 2 * (n_layers * per_layer + vocab_size * d_model) * tokens


@wrong("scaling.training_cost", "the token table is multiplied")
def _(n_layers, d_model, d_mlp, vocab_size, tokens):
    parameters = n_layers * (4 * d_model**2 + 3 * d_model * d_mlp) + 2 * vocab_size * d_model
    return 6 * parameters * tokens


@wrong("scaling.training_cost", "no table is multiplied")
def _(n_layers, d_model, d_mlp, vocab_size, tokens):
    return tokens * sum(6 * (4 * d_model * d_model + 3 * d_model * d_mlp) for _ in range(n_layers))


@wrong("scaling.training_cost", "two matrices of the MLP")
def _(n_layers, d_model, d_mlp, vocab_size, tokens):
    layer = 2 * d_model * (2 * d_model + d_mlp)
    return 6 * tokens * (layer * n_layers + vocab_size * d_model)


@wrong("scaling.lowest_point", "no logarithm")
def _(sizes, losses):
    a, b, _ = np.polyfit(sizes, losses, 2)
    return -b / (2 * a)


@wrong("scaling.lowest_point", "the logarithm of the size")
def _(sizes, losses):
    a, b, _ = np.polyfit(np.log(sizes), losses, 2)
    return float(-b / 2 / a)


@wrong("scaling.lowest_point", "the best of the trained models")
def _(sizes, losses):
    return min(zip(losses, sizes))[1]


@wrong("scaling.lowest_point", "two different bases")
def _(sizes, losses):
    a, b, _ = np.polyfit(np.log10(sizes), losses, 2)
    return math.exp(-b / (2 * a))


@wrong("scaling.huber", "the absolute value beyond delta")
def _(deviations, delta):
    return torch.where(deviations.abs() <= delta, 0.5 * deviations**2, deviations.abs())


@wrong("scaling.huber", "the sign is kept")
def _(deviations, delta):
    return torch.where(deviations <= delta, deviations**2 / 2, delta * deviations - delta**2 / 2)


@wrong("scaling.huber", "a jump at delta")
def _(deviations, delta):
    r = deviations.abs()
    return torch.where(r <= delta, r * r / 2, delta * r)


@wrong("scaling.huber", "one number for all runs")
def _(deviations, delta):
    return torch.nn.functional.huber_loss(deviations, torch.zeros_like(deviations), delta=delta)


@wrong("scaling.best_size", "always the square root")
def _(A, B, alpha, beta, compute):
    return (alpha * A / (beta * B)) ** (1 / (alpha + beta)) * math.sqrt(compute / 6)


@wrong("scaling.best_size", "the 6 is missing")
def _(A, B, alpha, beta, compute):
    return (alpha * A * compute**beta / (beta * B)) ** (1 / (alpha + beta))


@wrong("scaling.best_size", "terms are equal")
def _(A, B, alpha, beta, compute):
    return (A / B * (compute / 6) ** beta) ** (1 / (alpha + beta))


@wrong("scaling.tokens_for", "an answer where there is none")
def _(parameters, loss, E, A, B, alpha, beta):
    return abs(B / (loss - E - A / parameters**alpha)) ** (1 / beta)


@wrong("scaling.tokens_for", "a power instead of a root")
def _(parameters, loss, E, A, B, alpha, beta):
    left = loss - E - A / parameters**alpha
    return (B / left) ** beta if left > 0 else float("inf")


@wrong("scaling.tokens_for", "the size is forgotten")
def _(parameters, loss, E, A, B, alpha, beta):
    return (B / (loss - E)) ** (1 / beta) if loss > E else math.inf


@wrong("scaling.training_cost", "one part in one layer alone")
def _(n_layers, d_model, d_mlp, vocab_size, tokens):
    return 6 * tokens * (4 * d_model**2 + 3 * d_model * d_mlp * n_layers + vocab_size * d_model)


@wrong("scaling.lowest_point", "the half is missing")
def _(sizes, losses):
    a, b, _ = np.polyfit(np.log(sizes), losses, 2)
    return math.exp(-b / a)


@wrong("scaling.lowest_point", "only between the trained sizes")
def _(sizes, losses):
    curve, grid = np.polyfit(np.log(sizes), losses, 2), np.linspace(np.log(min(sizes)), np.log(max(sizes)), 200_001)
    return float(np.exp(grid[np.polyval(curve, grid).argmin()]))


@wrong("scaling.huber", "a slope of 1")
def _(deviations, delta):
    r = deviations.abs()
    return torch.where(r <= delta, r**2 / 2, delta**2 / 2 + (r - delta))


@wrong("scaling.huber", "a line with a sign")
def _(deviations, delta):
    return torch.where(deviations.abs() <= delta, deviations**2 / 2, delta * (deviations - delta / 2))


@wrong("scaling.best_size", "twenty tokens for each parameter")
def _(A, B, alpha, beta, compute):
    return (compute / 120) ** 0.5


@wrong("scaling.tokens_for", "an answer where there is none")
def _(parameters, loss, E, A, B, alpha, beta):
    return (B / (loss - E - A / parameters**alpha)) ** (1 / beta)


@wrong("scaling.tokens_for", "property: The result is infinity")
def _(parameters, loss, E, A, B, alpha, beta):
    return (B / max(loss - E - A / parameters**alpha, 1e-12)) ** (1 / beta)

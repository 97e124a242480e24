"""Right solutions of lesson 10: a plain one for each exercise, and others in other styles."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from exercises.right import plain, solves


@plain("scaling.training_cost")
def training_cost(n_layers, d_model, d_mlp, vocab_size, tokens):
    attention = 4 * d_model * d_model
    mlp = 3 * d_model * d_mlp
    weights = n_layers * (attention + mlp) + vocab_size * d_model
    return 6 * weights * tokens


@solves("scaling.training_cost")
def cost_layer_by_layer(n_layers, d_model, d_mlp, vocab_size, tokens):
    matrices = [(d_model, d_model)] * 4 + [(d_model, d_mlp)] * 2 + [(d_mlp, d_model)]
    one_layer = sum(rows * columns for rows, columns in matrices)
    forward = 2 * (n_layers * one_layer + d_model * vocab_size)
    return (forward + 2 * forward) * tokens


@solves("scaling.training_cost")
def cost_in_one_line(n_layers, d_model, d_mlp, vocab_size, tokens):
    return 6 * tokens * d_model * (n_layers * (4 * d_model + 3 * d_mlp) + vocab_size)


@plain("scaling.lowest_point")
def lowest_point(sizes, losses):
    a, b, _ = np.polyfit(np.log(sizes), losses, 2)
    return float(np.exp(-b / (2 * a)))


@solves("scaling.lowest_point")
def lowest_by_least_squares(sizes, losses):
    x = np.log(np.array(sizes))
    columns = np.stack([x**2, x, np.ones_like(x)], axis=1)
    a, b, _ = np.linalg.lstsq(columns, np.array(losses), rcond=None)[0]
    return float(math.exp(-b / a / 2))


@solves("scaling.lowest_point")
def lowest_with_a_polynomial(sizes, losses):
    curve = np.polynomial.Polynomial.fit([math.log(size) for size in sizes], losses, 2)
    return math.exp(curve.deriv().roots()[0])


@solves("scaling.lowest_point")
def lowest_in_powers_of_ten(sizes, losses):
    a, b, _ = np.polyfit(np.log10(sizes), losses, 2)
    return 10 ** float(-b / (2 * a))


@plain("scaling.huber")
def huber(deviations, delta):
    size = deviations.abs()
    line = delta**2 / 2 + delta * (size - delta)
    return (size <= delta) * size**2 / 2 + (size > delta) * line


@solves("scaling.huber")
def huber_of_torch(deviations, delta):
    return F.huber_loss(deviations, torch.zeros_like(deviations), reduction="none", delta=delta)


@solves("scaling.huber")
def huber_by_clamping(deviations, delta):
    inside = deviations.abs().clamp(max=delta)
    return inside * deviations.abs() - inside**2 / 2


@solves("scaling.huber")
def huber_one_by_one(deviations, delta):
    each = [r**2 / 2 if -delta <= r <= delta else delta * (abs(r) - delta / 2) for r in deviations]
    return torch.stack(each)


@plain("scaling.best_size")
def best_size(A, B, alpha, beta, compute):
    power_of_n = alpha * A / (beta * B) * (compute / 6) ** beta
    return power_of_n ** (1 / (alpha + beta))


@solves("scaling.best_size")
def size_in_logarithms(A, B, alpha, beta, compute):
    log_n = math.log(alpha * A) - math.log(beta * B) + beta * math.log(compute / 6)
    return math.exp(log_n / (alpha + beta))


@solves("scaling.best_size")
def size_by_bisection(A, B, alpha, beta, compute):
    def slope(log_n):
        n = math.exp(log_n)
        return beta * B * (6 * n / compute) ** beta - alpha * A * n**-alpha

    low, high = -60.0, 120.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return math.exp(low)


@plain("scaling.tokens_for")
def tokens_for(parameters, loss, E, A, B, alpha, beta):
    left = loss - E - A / parameters**alpha
    if left <= 0:
        return math.inf
    return (B / left) ** (1 / beta)


@solves("scaling.tokens_for")
def tokens_in_logarithms(parameters, loss, E, A, B, alpha, beta):
    floor = E + A * math.exp(-alpha * math.log(parameters))
    if loss <= floor:
        return float("inf")
    return math.exp((math.log(B) - math.log(loss - floor)) / beta)


@solves("scaling.tokens_for")
def tokens_by_numpy(parameters, loss, E, A, B, alpha, beta):
    left = max(loss - E - A * parameters**-alpha, 0.0)
    with np.errstate(divide="ignore"):
        return float(np.power(np.float64(left) / B, -1 / beta))

"""Exercises for lesson 10: the cost of training, a robust loss, the best size for a budget, and longer training."""

import math
import random
from pathlib import Path

import numpy as np
import torch

from llmlib.exercises.engine.describing import describe
from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import gradients_flow, randn
from llmlib.exercises.lessons.lesson_10_scaling_laws.faulty import (
    faulty_best_size,
    faulty_huber,
    faulty_lowest_point,
    faulty_tokens_for,
    faulty_training_cost,
)

TEXTS = texts_of(Path(__file__).parent)


# --- scaling.training_cost ---


def training_cost(n_layers, d_model, d_mlp, vocab_size, tokens):
    """Return the FLOPs that training requires: 6 per token for each weight that is used in a matrix product."""
    weights_per_layer = 4 * d_model**2 + 3 * d_model * d_mlp
    weights = n_layers * weights_per_layer + vocab_size * d_model
    return 6 * weights * tokens


def cases_training_cost(seed):
    chance = random.Random(seed)
    drawn = [
        (
            chance.randint(2, 9),
            chance.choice([24, 40, 56, 72]),
            chance.randint(70, 300),
            chance.randint(300, 900),
            chance.randint(50, 5000),
        )
        for _ in range(3)
    ]
    return [
        Case((1, 2, 3, 5, 1)),
        Case((2, 4, 10, 7, 100), "two layers"),
        Case((3, 8, 20, 1000, 50), "a large vocabulary"),
        Case((12, 64, 168, 512, 100_000), "a model from this lesson"),
        Case((5, 16, 40, 1, 30), "a vocabulary of one token"),
        Case((12, 769, 2053, 50_257, 3_000_000_001), "a model the size of GPT-2, and 3 billion tokens"),
        *(Case(each) for each in drawn),
    ]


TRAINING_COST = Exercise(
    **TEXTS["training_cost"],
    reference=training_cost,
    cases=cases_training_cost,
    faulty=faulty_training_cost,
    double=False,
)


# --- scaling.huber ---


def huber(deviations, delta):
    """Return half the square of each deviation up to delta, and beyond delta a line that continues the parabola."""
    size = deviations.abs()
    return torch.where(size <= delta, size**2 / 2, delta * (size - delta / 2))


def cases_huber(seed):
    return [
        Case((torch.tensor([0.5, 1.0, 3.0, -3.0], dtype=torch.float64), 1.0)),
        Case((randn(seed, 6) / 10, 0.5), "all deviations are small"),
        Case((randn(seed + 1, 5).sign() * (randn(seed + 2, 5).abs() + 2), 0.5), "all deviations are large"),
        Case(
            (torch.tensor([-0.25, 0.0, 0.25, 0.75, -0.75], dtype=torch.float64), 0.25),
            "some deviations are exactly delta",
        ),
        Case((randn(seed + 3, 8), 0.3), "a small delta"),
        Case((2 * randn(seed + 4, 8), 2.0), "a delta above 1"),
        Case((randn(seed + 5, 1), 0.1), "a single run"),
        Case((randn(seed + 6, 7), 0.6)),
    ]


HUBER = Exercise(
    **TEXTS["huber"],
    reference=huber,
    cases=cases_huber,
    faulty=faulty_huber,
    axes=("run",),
    probes=(gradients_flow(("deviations",), 0),),
)


# --- scaling.lowest_point ---


def lowest_point(sizes, losses):
    """Return the size at the lowest point of a parabola fitted to the losses against the logarithm of the size."""
    x = np.log(sizes)
    middle = x.mean()
    bend, slope, _ = np.polyfit(x - middle, losses, 2)
    return float(np.exp(middle - slope / (2 * bend)))


def cases_lowest_point(seed):
    chance = random.Random(seed)

    def case(best, factors, loss, bend, note="", noise=0.0):
        sizes = [best * factor for factor in factors]
        losses = [loss + bend * math.log(f) ** 2 + noise * chance.uniform(-1, 1) for f in factors]
        return Case((sizes, losses), note)

    return [
        Case(([1000.0, 10_000.0, 100_000.0], [3.5, 3.0, 3.25])),
        case(3e5, [0.1, 0.5, 2.5, 8], 2.8, 0.05, "losses without noise"),
        case(5e4, [0.3, 0.6, 1.1, 2, 5], 2.5, 0.2, "five sizes with noise", noise=0.02),
        case(2e6, [0.02, 0.1, 0.4], 1.9, 0.08, "the lowest point lies beyond the largest size"),
        case(8e3, [1.5, 6, 20, 50], 3.2, 0.06, "the lowest point lies below the smallest size"),
        case(chance.uniform(1e4, 1e6), [0.2, 0.9, 1.5, 3, 7, 9], chance.uniform(1, 4), 0.15, noise=0.03),
    ]


LOWEST_POINT = Exercise(
    **TEXTS["lowest_point"], reference=lowest_point, cases=cases_lowest_point, faulty=faulty_lowest_point, double=False
)


# --- scaling.best_size ---


def best_size(A, B, alpha, beta, compute):
    """Return the size with the lowest loss for a compute budget: there, the slopes of the loss's two terms cancel."""
    balance = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    return balance * (compute / 6) ** (beta / (alpha + beta))


def cases_best_size(seed):
    chance = random.Random(seed)
    drawn = [
        (
            chance.uniform(5, 500),
            chance.uniform(5, 500),
            chance.uniform(0.2, 0.6),
            chance.uniform(0.2, 0.6),
            10 ** chance.uniform(9, 24),
        )
        for _ in range(3)
    ]
    return [
        Case((8.0, 2.0, 0.5, 0.5, 600.0)),
        Case((400.0, 400.0, 0.3, 0.3, 1e12), "both terms have the same form"),
        Case((8.0, 2.0, 0.5, 0.5, 2.0), "a size that is not a whole number"),
        Case((406.4, 410.7, 0.34, 0.28, 5.76e23), "the constants of Hoffmann et al. (2022) and Chinchilla's compute"),
        Case((20.0, 300.0, 0.25, 0.5, 1e11), "the loss falls faster with tokens than with parameters"),
        Case((300.0, 20.0, 0.5, 0.25, 1e11), "the loss falls faster with parameters than with tokens"),
        *(Case(each) for each in drawn),
    ]


BEST_SIZE = Exercise(
    **TEXTS["best_size"], reference=best_size, cases=cases_best_size, faulty=faulty_best_size, double=False
)


# --- scaling.tokens_for ---


def tokens_for(parameters, loss, E, A, B, alpha, beta):
    """Return how many tokens a model of this size needs to reach this loss, or infinity if no number is enough."""
    left = loss - E - A / parameters**alpha  # the part of the loss that depends on the tokens
    return (B / left) ** (1 / beta) if left > 0 else math.inf


def cases_tokens_for(seed):
    chance = random.Random(seed)

    def case(parameters, tokens, E, A, B, alpha, beta, note=""):
        loss = E + A / parameters**alpha + B / tokens**beta
        return Case((parameters, loss, E, A, B, alpha, beta), note)

    drawn = [
        (
            10 ** chance.uniform(4, 9),
            10 ** chance.uniform(5, 10),
            chance.uniform(0.5, 2),
            chance.uniform(5, 400),
            chance.uniform(5, 400),
            chance.uniform(0.2, 0.6),
            chance.uniform(0.2, 0.6),
        )
        for _ in range(2)
    ]
    return [
        Case((100.0, 4.0, 1.0, 10.0, 20.0, 0.5, 0.5)),
        case(8e9, 15e12, 1.69, 406.4, 410.7, 0.34, 0.28, "a small model that is trained for a long time"),
        Case((100.0, 6.0, 1.0, 10.0, 6.0, 0.5, 0.5), "a number of tokens that is not a whole number"),
        Case((1e4, 2.0, 1.5, 40.0, 300.0, 0.3, 0.4), "a model that is too small for this loss"),
        Case((1e6, 1.4, 1.5, 40.0, 300.0, 0.3, 0.4), "a loss below E"),
        Case((4.0, 2.0, 1.0, 2.0, 20.0, 0.5, 0.5), "a loss that the model approaches, but never reaches"),
        case(1e5, 1e6, 0.3, 20.0, 30.0, 0.5, 0.3, "a different law"),
        *(case(*each) for each in drawn),
    ]


def a_number_where_there_is_none(call, case):
    if tokens_for(*case.args) != math.inf:
        return None
    given = call(*case.args)
    return given != math.inf and (
        f"Here no number of tokens is enough, but you return {describe(given)}. The task says what to return instead."
    )


TOKENS_FOR = Exercise(
    **TEXTS["tokens_for"],
    reference=tokens_for,
    cases=cases_tokens_for,
    faulty=faulty_tokens_for,
    probes=(
        Probe("The result is infinity if no number of tokens is enough.", a_number_where_there_is_none, explains=True),
    ),
    double=False,
)


EXERCISES = (TRAINING_COST, LOWEST_POINT, HUBER, BEST_SIZE, TOKENS_FOR)

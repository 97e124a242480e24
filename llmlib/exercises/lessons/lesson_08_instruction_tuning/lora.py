"""Exercises for lesson 08 on LoRA: use adapters, merge them, adapt a model, and measure what a low rank keeps."""

import copy
from functools import lru_cache
from pathlib import Path

import torch

from llmlib.exercises.engine.exercise import Case, Exercise, texts_of
from llmlib.exercises.engine.probes import gradients_flow, randn
from llmlib.exercises.lessons.lesson_08_instruction_tuning.faulty_lora import (
    faulty_adapted,
    faulty_kept_by_rank,
    faulty_lora_linear,
    faulty_merged,
)
from llmlib.transformer import Transformer, TransformerConfig

TEXTS = texts_of(Path(__file__).parent)


# --- instruction_tuning.lora_linear and instruction_tuning.merged ---


def lora_linear(x, w, a, b, alpha):
    """Apply a linear layer, and add the output of a low-rank adapter, multiplied by alpha / r."""
    return x @ w.T + alpha / a.shape[0] * (x @ a.T @ b.T)


def merged(w, a, b, alpha):
    """Return the single matrix that has the same effect as `w` together with its adapter."""
    return w + alpha / a.shape[0] * (b @ a)


def adapters(seed):
    """Make layers of several sizes with adapters and notes. Some are square, so that shapes do not reveal a mistake."""
    sizes = [
        (3, 4, 2, 6.0, ""),
        (5, 3, 2, 8.0, "wider than tall"),
        (4, 6, 1, 3.0, "rank 1"),
        (4, 4, 2, 5.0, "a square matrix"),
        (5, 5, 3, 0.75, "a square matrix, and a small alpha"),
        (3, 3, 3, 2.0, "the rank is equal to the width"),
        (4, 4, 4, 6.0, "the rank is equal to the width"),
        (6, 5, 4, 4.0, "alpha is equal to r"),
        (3, 2, 5, 4.0, "the rank is larger than both widths"),
        (3, 5, 4, 16, "the rank is larger than one of the widths"),
    ]
    for i, (d_in, d_out, r, alpha, note) in enumerate(sizes):
        w, a, b = randn(seed + i, d_out, d_in), randn(seed + i + 20, r, d_in), randn(seed + i + 40, d_out, r)
        yield (w, a, b, alpha), note
    yield (w, a, torch.zeros_like(b), 8.0), "a new adapter: B is zero"


def cases_lora_linear(seed):
    return [
        Case((randn(seed + 60 + i, 1 + i % 3, 2 + i % 2, matrices[0].shape[1]), *matrices), note)
        for i, (matrices, note) in enumerate(adapters(seed))
    ]


LORA_LINEAR = Exercise(
    **TEXTS["lora_linear"],
    reference=lora_linear,
    cases=cases_lora_linear,
    faulty=faulty_lora_linear,
    axes=("batch", "seq", "d_out"),
    probes=(gradients_flow(("x", "a", "b"), 0, 2, 3),),
)

MERGED = Exercise(
    **TEXTS["merged"],
    reference=merged,
    cases=lambda seed: [Case(matrices, note) for matrices, note in adapters(seed + 7)],
    faulty=faulty_merged,
    axes=("d_out", "d_in"),
    probes=(gradients_flow(("a", "b"), 1, 2),),
)


# --- instruction_tuning.kept_by_rank ---


def kept_by_rank(update, r):
    """Return the share of a matrix's squared norm that its best rank-r approximation keeps."""
    squares = torch.linalg.svdvals(update) ** 2
    total = squares.sum().item()
    return squares[:r].sum().item() / total if total > 0 else 1.0


def cases_kept_by_rank(seed):
    rank_2 = randn(seed + 1, 6, 2) @ randn(seed + 2, 2, 5)
    return [
        Case((torch.diag(torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)), 1)),
        Case((randn(seed + 3, 4, 6), 2), "wider than tall"),
        Case((torch.diag(torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64)), 1), "a singular value that is 0"),
        Case((randn(seed + 4, 7, 4), 3), "taller than wide"),
        Case((randn(seed + 5, 5, 5), 1), "a square matrix that is not symmetric"),
        Case((randn(seed + 6, 5, 5) * 100, 2), "large numbers"),
        Case((randn(seed + 12, 4, 4) / 50, 2), "small numbers"),
        Case((randn(seed + 7, 4, 4), 4), "full rank"),
        Case((randn(seed + 8, 3, 5), 7), "r is larger than both dimensions of the matrix"),
        Case((rank_2, 2), "a product of two thin matrices"),
        Case((rank_2 + randn(seed + 9, 6, 5) / 4, 2), "nearly a product of two thin matrices"),
        Case((randn(seed + 10, 3, 4), 0), "rank 0"),
        Case((torch.zeros(3, 4, dtype=torch.float64), 2), "a matrix of zeros"),
        Case((torch.zeros(2, 2, dtype=torch.float64), 0), "a matrix of zeros, and rank 0"),
        Case((randn(seed + 11, 6, 6), 3)),
    ]


KEPT_BY_RANK = Exercise(
    **TEXTS["kept_by_rank"], reference=kept_by_rank, cases=cases_kept_by_rank, faulty=faulty_kept_by_rank
)


# --- instruction_tuning.adapted ---


def adapted(model, ids, adapters, alpha):
    """Return the model's logits with an adapter alongside each named linear map, and leave the model as it was."""

    def adapter(a, b):
        return lambda layer, inputs, y: y + alpha / a.shape[0] * (inputs[0] @ a.T @ b.T)

    handles = [model.get_submodule(name).register_forward_hook(adapter(a, b)) for name, a, b in adapters]
    try:
        with torch.no_grad():
            return model(ids)
    finally:
        for handle in handles:
            handle.remove()


@lru_cache(maxsize=8)
def small_weights(seed):
    config = TransformerConfig(vocab_size=11, max_seq_len=16, d_model=16, n_layers=2, n_heads=4, d_mlp=16)
    model = Transformer(config, seed=seed)
    for parameter in model.parameters():
        parameter.data *= 12 if parameter.ndim > 1 else 1  # with smaller weights, an adapter would hardly matter
    model.blocks[0].register_forward_hook(of_somebody_else)
    return model


def of_somebody_else(layer, inputs, y):
    """Stand in for a hook that other code registered earlier, and change nothing."""


def cases_adapted(seed):
    generator = torch.Generator().manual_seed(seed)
    model = copy.deepcopy(small_weights(seed))

    def case(batch, seq, maps, rank, alpha, note=""):
        ids = torch.randint(0, 11, (batch, seq), generator=generator)
        adapters = [
            (name, torch.randn(r, 16, generator=generator) / 2, torch.randn(16, r, generator=generator) / 2)
            for name, r in zip(maps, rank if isinstance(rank, tuple) else (rank,) * len(maps))
        ]
        return Case((model, ids, adapters, alpha), note)

    query, value = "blocks.0.attention.query", "blocks.1.attention.value"
    return [
        case(1, 4, [query], 2, 6.0),
        case(2, 5, [query, value, "blocks.1.attention.output"], 2, 5.0, "three maps, each with its own A and B"),
        case(3, 4, [value, "blocks.0.mlp.up"], 4, 3.0, "a map in the MLP, too"),
        case(1, 6, [], 2, 4.0, "no adapter at all"),
        case(2, 3, [value, query], 1, 0.5, "rank 1"),
        case(2, 4, ["blocks.0.mlp.up", "blocks.0.attention.output", "blocks.1.mlp.up"], 3, 8.0),
        case(2, 3, [query, value], (2, 4), 3.0, "adapters with two different ranks"),
        case(1, 3, [value], 20, 3.0, "a rank that is larger than the width"),
    ]


ADAPTED = Exercise(
    **TEXTS["adapted"],
    reference=adapted,
    cases=cases_adapted,
    faulty=faulty_adapted,
    axes=("batch", "seq", "vocab"),
    double=False,
)

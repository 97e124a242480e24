"""Exercises of lesson 06: targets and loss, a step, its size, what counts in a batch, and what to measure."""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # torch.optim imports it at its first use: seconds, which an attempt should not be stopped for
import torch.nn.functional as F
from torch import nn

from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import gradients_flow, randn
from llmlib.exercises.lessons.lesson_06_training.faulty import (
    faulty_accumulated,
    faulty_clip,
    faulty_decaying,
    faulty_descend,
    faulty_learning_rate,
    faulty_loss,
    faulty_validation,
    faulty_windows,
)
from llmlib.transformer import Transformer, TransformerConfig

TEXTS = texts_of(Path(__file__).parent)
IGNORED = -100


def whole_numbers(seed, below, *shape):
    return torch.randint(0, below, shape, generator=torch.Generator().manual_seed(seed))


# --- training.windows ---


def windows(ids, starts, seq_len):
    """Pieces of a text, and for each of their tokens the one that follows it."""
    both = torch.stack([ids[start : start + seq_len + 1] for start in starts])
    return both[:, :-1], both[:, 1:]


def cases_windows(seed):
    ids = whole_numbers(seed, 50, 30)
    return [
        Case((torch.arange(10, 22), [2, 5], 3)),
        Case((ids, [0, 7, 19], 6), "a window at the very beginning"),
        Case((ids, [25], 4), "a window up to the last token but one"),
        Case((ids, [3, 3, 4, 11], 1), "windows of one token"),
        Case((ids, [9, 1], 12), "windows that overlap, not in order"),
    ]


WINDOWS = Exercise(
    **TEXTS["windows"], reference=windows, cases=cases_windows, faulty=faulty_windows, axes=("batch", "seq"),
    double=False,
)  # fmt: skip


# --- training.next_token_loss ---


def next_token_loss(logits, targets):
    """The mean surprise at the targets that count, in nats."""
    counts = targets != IGNORED
    log_p = logits.log_softmax(dim=-1)
    surprise = -log_p.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return surprise[counts].mean()


def cases_loss(seed):
    def case(batch, seq, vocab, note="", ignored=(), scale=2.0):
        targets = whole_numbers(seed + seq, vocab, batch, seq)
        for row, position in ignored:
            targets[row, position] = IGNORED
        return Case((scale * randn(seed, batch, seq, vocab), targets), note)

    return [
        Case((torch.zeros(1, 2, 4, dtype=torch.float64), torch.tensor([[3, 1]])), "equal logits: a uniform guess"),
        case(2, 3, 5),
        case(3, 4, 6, "two targets do not count", ((0, 1), (2, 3))),
        case(2, 4, 3, "of one text only one target counts", ((1, 0), (1, 1), (1, 3))),
        case(4, 4, 4, "as many texts as tokens and words", ((0, 0),)),
        case(2, 5, 7, "large logits", scale=800.0),
    ]


NEXT_TOKEN_LOSS = Exercise(
    **TEXTS["next_token_loss"],
    reference=next_token_loss,
    cases=cases_loss,
    faulty=faulty_loss,
    probes=(gradients_flow(("logits",), 0),),
)


# --- training.descend ---


def descend(weight, batches, learning_rate):
    """A step against the gradient for each batch; the model is logits = x @ weight."""
    weight = weight.clone().requires_grad_()
    for x, targets in batches:
        loss = F.cross_entropy(x @ weight, targets)
        weight.grad = None
        loss.backward()
        with torch.no_grad():
            weight -= learning_rate * weight.grad
    return weight.detach()


def carries_gradient(call, case):
    return call(*case.args).requires_grad and (
        "The weights that you return carry a gradient, and with it the whole way to them. `.detach()` cuts it off."
    )


def cases_descend(seed):
    def case(sizes, d_model, vocab, learning_rate, note=""):
        batches = [
            (randn(seed + i, size, d_model), whole_numbers(seed + i, vocab, size)) for i, size in enumerate(sizes)
        ]
        return Case((randn(seed + 9, d_model, vocab), batches, learning_rate), note)

    return [
        case((2,), 2, 3, 0.5, "a single batch"),
        case((3, 3), 2, 3, 0.5),
        case((4, 2, 5), 3, 4, 0.3, "batches of different sizes"),
        case((3, 4, 3, 4), 4, 3, 1.0, "four steps"),
    ]


DESCEND = Exercise(
    **TEXTS["descend"],
    reference=descend,
    cases=cases_descend,
    faulty=faulty_descend,
    axes=("d_model", "vocab"),
    probes=(Probe("The result is numbers alone.", carries_gradient, remark=True),),
)


# --- training.learning_rate_at ---


def learning_rate_at(step, steps, warmup, peak):
    """A straight rise, and half a cosine wave down to 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    passed = (step - warmup) / (steps - warmup)
    return peak * (1 + math.cos(math.pi * passed)) / 2


def cases_learning_rate(seed):
    more = seed % 7
    return [
        Case((0, 20, 4, 0.1), "the first step"),
        Case((2, 20, 4, 0.1), "in the middle of the warm-up"),
        Case((3, 20, 4, 0.5), "the last step of the warm-up"),
        Case((4, 20, 4, 0.5), "the first step after the warm-up"),
        Case((12, 20, 4, 0.1), "half of the way down"),
        Case((19, 20, 4, 3.0), "the last step"),
        Case((0, 30 + more, 0, 2.0), "no warm-up"),
        Case((11 + more, 40, 9, 0.7)),
        Case((25 + more, 50, 10 + more, 1.5)),
        Case((6, 8, 7, 0.3), "all steps but one are warm-up"),
    ]


LEARNING_RATE_AT = Exercise(
    **TEXTS["learning_rate_at"],
    reference=learning_rate_at,
    cases=cases_learning_rate,
    faulty=faulty_learning_rate,
    double=False,
)


# --- training.clip_together ---


def clip_together(gradients, limit):
    """All gradients times one number, so that their common norm is at most the limit."""
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    return [gradient * (limit / norm) if norm > limit else gradient for gradient in gradients]


def cases_clip(seed):
    def case(shapes, limit, note="", scale=1.0):
        return Case(([scale * randn(seed + i, *shape) for i, shape in enumerate(shapes)], limit), note)

    def number(value):
        return torch.tensor([value], dtype=torch.float64)

    return [
        Case(([number(3.0), number(4.0)], 1.0)),
        case([(2, 3), (3,)], 1.5, scale=3.0),
        case([(4, 2), (2,), (3, 3)], 0.5, "three gradients"),
        case([(2, 2), (2,)], 50.0, "all are small enough"),
        Case(([number(6.0), number(0.5)], 2.0), "one is large, and one is small"),
        case([(3, 4), (4,)], 4.0, "a limit above 1", scale=10.0),
        Case(([number(0.0), torch.zeros(2, dtype=torch.float64)], 1.0), "no gradient at all"),
        case([(5,)], 2.0, "a single gradient", scale=4.0),
    ]


CLIP_TOGETHER = Exercise(
    **TEXTS["clip_together"], reference=clip_together, cases=cases_clip, faulty=faulty_clip
)  # fmt: skip


# --- training.accumulated_gradient ---


def accumulated_gradient(weight, parts):
    """The gradient of the mean loss over all targets that count, part by part."""
    total = sum(int((targets != IGNORED).sum()) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight, targets, ignore_index=IGNORED, reduction="sum") / total
        loss.backward()
    return weight.grad


def cases_accumulated(seed):
    def case(sizes, d_model, vocab, note="", ignored=()):
        parts = [(randn(seed + i, size, d_model), whole_numbers(seed + i, vocab, size)) for i, size in enumerate(sizes)]
        for part, position in ignored:
            parts[part][1][position] = IGNORED
        return Case((randn(seed + 9, d_model, vocab), parts), note)

    return [
        case((3,), 2, 3, "a single part"),
        case((3, 3), 2, 3),
        case((4, 4, 4), 3, 4, "in one part fewer targets count", ((0, 0), (0, 1), (0, 3))),
        case((2, 5), 3, 3, "parts of different sizes"),
        case((3, 4, 2), 4, 3, "different sizes, and targets that do not count", ((1, 0), (1, 2), (2, 1))),
        case((2, 3), 2, 4, "a part in which no target counts", ((0, 0), (0, 1))),
    ]


ACCUMULATED_GRADIENT = Exercise(
    **TEXTS["accumulated_gradient"],
    reference=accumulated_gradient,
    cases=cases_accumulated,
    faulty=faulty_accumulated,
    axes=("d_model", "vocab"),
)


# --- training.decaying ---


def decaying(model):
    """The names of the parameters that weight decay makes smaller: the matrices in the blocks."""
    return [name for name, p in model.named_parameters() if name.startswith("blocks.") and p.ndim == 2]


@lru_cache(maxsize=16)
def model_of(kind, d_model):
    llama: dict[str, Any] = {"positions": "rotary", "norm": "rmsnorm", "mlp": "swiglu"}
    gpt2: dict[str, Any] = {"qkv_bias": True, "output_bias": True, "mlp_bias": True}
    untied = {**llama, "tied_embeddings": False, "qk_norm": True}
    choices = {"llama": llama, "gpt2": gpt2, "untied": untied}[kind]
    return Transformer(TransformerConfig(11, 8, d_model, n_layers=2, n_heads=2, **choices), seed=0)


def cases_decaying(seed):
    d_model = 8 + 4 * (seed % 3)
    return [
        Case((model_of("llama", d_model),), "RMSNorm, no biases, one table"),
        Case((model_of("gpt2", d_model),), "LayerNorm, biases, learned positions"),
        Case((model_of("untied", d_model),), "a table of its own for the output, norms on queries and keys"),
    ]


DECAYING = Exercise(**TEXTS["decaying"], reference=decaying, cases=cases_decaying, faulty=faulty_decaying, double=False)


# --- training.validation_loss ---


def validation_loss(model, train_batches, validation_batches):
    """The mean surprise at each target of the validation data, with dropout off."""
    was_training = model.training
    model.eval()
    total, n_targets = 0.0, 0
    with torch.no_grad():
        for x, y in validation_batches:
            total += F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum").item()
            n_targets += y.numel()
    model.train(was_training)
    return total / n_targets


class Dropout(nn.Module):
    """While training, about half of the channels are 0. The same ones each time, so that results can be compared."""

    def forward(self, x):
        if not self.training:
            return x
        generator = torch.Generator().manual_seed(x.shape[1])
        return x * 2 * (torch.rand(x.shape, generator=generator) < 0.5)


class WithDropout(nn.Sequential):
    """A model of three parts: ids in, logits out."""

    def __init__(self, vocab_size, d_model, seed):
        table, output = nn.Embedding(vocab_size, d_model), nn.Linear(d_model, vocab_size, bias=False)
        super().__init__(table, Dropout(), output)
        for i, part in enumerate((table, output)):
            part.weight.data = randn(seed + i, vocab_size, d_model).float()


def cases_validation(seed):
    def case(train_sizes, sizes, note="", seq=3, is_training=True, longer=0):
        def batch(i, size, length=seq):
            return whole_numbers(seed + i, 7, size, length), whole_numbers(seed + i + 50, 7, size, length)

        model = WithDropout(7, 6, seed).train(is_training)
        train = [batch(i, size) for i, size in enumerate(train_sizes)]
        return Case((model, train, [batch(i + 20, size, seq + i * longer) for i, size in enumerate(sizes)]), note)

    return [
        case((2,), (2,), "a single batch"),
        case((2, 2), (2, 2)),
        case((4, 4), (4, 4, 1), "the last batch is smaller", seq=4),
        case((3,), (1, 3), "batches of different sizes", seq=5),
        case((2,), (3, 2), "batches of texts of different lengths", longer=3),
        case((2, 3), (2, 1), "a model that is not in training mode", is_training=False),
    ]


def keeps_gradients(call, case):
    """Whether autograd was on while the model was asked: right, but slow, and it takes memory."""
    seen = []
    hook = case.args[0].register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    try:
        call(*case.args)
    finally:
        hook.remove()
    return any(seen) and (
        "Autograd was on while you measured. The number is right; but without `torch.no_grad()` all that the forward "
        "pass computes is kept for a backward pass that never comes."
    )


VALIDATION_LOSS = Exercise(
    **TEXTS["validation_loss"],
    reference=validation_loss,
    cases=cases_validation,
    faulty=faulty_validation,
    double=False,
    probes=(Probe("Measuring keeps nothing for a backward pass.", keeps_gradients, remark=True),),
)

EXERCISES = (
    WINDOWS,
    NEXT_TOKEN_LOSS,
    DESCEND,
    LEARNING_RATE_AT,
    CLIP_TOGETHER,
    ACCUMULATED_GRADIENT,
    DECAYING,
    VALIDATION_LOSS,
)

"""Exercises for lesson 06: targets and loss, the loop, gradient accumulation and what to measure (see also `steps`)."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

# torch.optim imports torch._dynamo on first use. This takes seconds, which should not count as the time of an attempt.
import torch._dynamo
import torch.nn.functional as F
from torch import nn

from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import gradients_flow, randn
from llmlib.exercises.lessons.lesson_06_training.faulty import (
    faulty_accumulated,
    faulty_bits,
    faulty_descend,
    faulty_loss,
    faulty_validation,
    faulty_windows,
)
from llmlib.exercises.lessons.lesson_06_training.faulty_steps import faulty_fit
from llmlib.exercises.lessons.lesson_06_training.probes import (
    hangs_together,
    lets_an_optimizer_do_it,
    returns_gradients,
)
from llmlib.exercises.lessons.lesson_06_training.steps import (
    ADAMW_STEP,
    BACKWARD,
    CLIP_TOGETHER,
    IGNORED,
    LEARNING_RATE_AT,
    ORTHOGONALISE,
    adamw_step,
    clip_together,
    fit,
    next_token_loss,
    whole_numbers,
)
from llmlib.exercises.lessons.lesson_06_training.whole_runs import FIRST_WEIGHT, LEARN, WEIGHT_SHAPES

TEXTS = texts_of(Path(__file__).parent)


# --- training.windows ---


def windows(ids, starts, seq_len):
    """Cut windows of `seq_len` ids from a text. Return them and their targets, the windows that start one id later."""
    both = torch.stack([ids[start : start + seq_len + 1] for start in starts])
    return both[:, :-1], both[:, 1:]


def cases_windows(seed):
    ids = whole_numbers(seed, 50, 30)
    return [
        Case((torch.arange(10, 22), [2, 5], 3)),
        Case((ids, [0, 7, 19], 6), "a window at the very beginning"),
        Case((ids, [25], 4), "a window that ends at the second-to-last token"),
        Case((ids, [3, 3, 4, 11], 1), "windows of one token"),
        Case((ids, [9, 1], 12), "overlapping windows, out of order"),
    ]


WINDOWS = Exercise(
    **TEXTS["windows"],
    reference=windows,
    cases=cases_windows,
    faulty=faulty_windows,
    axes=("batch", "seq"),
    double=False,
)


# --- training.next_token_loss ---


def cases_loss(seed):
    def case(batch, seq, vocab, note="", ignored=(), scale=2.0):
        targets = whole_numbers(seed + seq, vocab, batch, seq)
        for row, position in ignored:
            targets[row, position] = IGNORED
        return Case((scale * randn(seed, batch, seq, vocab), targets), note)

    return [
        Case((torch.zeros(1, 2, 4, dtype=torch.float64), torch.tensor([[3, 1]])), "equal logits, so a uniform guess"),
        case(2, 3, 5),
        case(3, 4, 6, "two targets do not count", ((0, 1), (2, 3))),
        case(2, 4, 3, "one text has only one target that counts", ((1, 0), (1, 1), (1, 3))),
        case(4, 4, 4, "batch, seq and vocab are all the same size", ((0, 0),)),
        case(2, 5, 7, "large logits", scale=800.0),
    ]


NEXT_TOKEN_LOSS = Exercise(
    **TEXTS["next_token_loss"],
    reference=next_token_loss,
    cases=cases_loss,
    faulty=faulty_loss,
    probes=(gradients_flow(("logits",), 0, needed_for="nothing can learn from this loss"),),
)


# --- training.descend ---


def descend(weight, batches, learning_rate):
    """For each batch, take one step against the gradient of the loss. Return the new weights.

    The model is logits = x @ weight.
    """
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
        "The weights that you return carry a gradient and everything that the gradient was computed from. "
        "`.detach()` drops both."
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
    probes=(Probe("The result does not carry a gradient.", carries_gradient),),
)


# --- training.fit ---


@dataclass(frozen=True)
class LossOfTwoLayers:
    """A loss function for `fit`: the loss of a two-layer network on a batch (x, targets)."""

    def __call__(self, weights, batch):
        first, second = weights
        x, targets = batch
        return F.cross_entropy((x @ first).tanh() @ second, targets)


def cases_fit(seed):
    def case(rates, limit, note="", n_in=3, hidden=4, n_classes=5):
        steps = range(len(rates))
        batches = [(2 * randn(seed + i, 3, n_in).float(), whole_numbers(seed + i, n_classes, 3)) for i in steps]
        weights = [randn(seed + 90, n_in, hidden).float(), randn(seed + 91, hidden, n_classes).float()]
        return Case((weights, LossOfTwoLayers(), batches, rates, limit), note)

    return [
        case([0.1, 0.2], 1.0, "two steps"),
        case([0.3, 0.3, 0.1, 0.05], 0.5, n_in=4, hidden=4, n_classes=4),
        case([0.05, 0.4, 0.2, 0.3, 0.1], 0.2, "a rate that rises and falls, and a low limit", hidden=2),
        case([0.2, 0.1, 0.3, 0.2, 0.1, 0.4, 0.1, 0.2], 1e6, "a limit that is never reached"),
    ]


FIT = Exercise(
    **TEXTS["fit"],
    reference=fit,
    helpers=(clip_together, adamw_step),
    cases=cases_fit,
    faulty=faulty_fit,
    double=False,
    probes=(
        Probe("Each step keeps only plain numbers from earlier steps.", hangs_together),
        Probe("The function returns only plain numbers.", returns_gradients),
        Probe("You take the steps yourself.", lets_an_optimizer_do_it, remark=True),
    ),
)


# --- training.bits_per_byte ---


def bits_per_byte(loss, n_tokens, text):
    """Convert a loss in nats per token into bits per byte, a measure that does not depend on the tokenizer."""
    return loss * n_tokens / math.log(2) / len(text.encode("utf-8"))


def cases_bits(seed):
    more = seed % 5
    return [
        Case((math.log(2), 4, "abcd"), "a coin is tossed for each of four letters"),
        Case((2.0, 5, "A small otter ran.")),
        Case((1.5, 9 + more, "Zoë said: “Für Élise!”"), "letters that take more than one byte"),
        Case((0.9 + more / 10, 40, "the same and the same and the same and the same " * 4), "a longer text"),
        Case((6.93, 12, "日本語の文"), "three-byte letters"),
    ]


BITS_PER_BYTE = Exercise(
    **TEXTS["bits_per_byte"], reference=bits_per_byte, cases=cases_bits, faulty=faulty_bits, double=False
)


# --- training.accumulated_gradient ---


def accumulated_gradient(weight, parts):
    """Compute the gradient of the mean loss over all targets except −100, one part at a time."""
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
        case((4, 4, 4), 3, 4, "one part has fewer targets that count", ((0, 0), (0, 1), (0, 3))),
        case((2, 5), 3, 3, "parts of different sizes"),
        case((3, 4, 2), 4, 3, "parts of different sizes, and some targets that do not count", ((1, 0), (1, 2), (2, 1))),
        case((2, 3), 2, 4, "a part where no target counts", ((0, 0), (0, 1))),
        case((3, 2), 2, 3, "two parts, and one target in the larger part does not count", ((0, 1),)),
    ]


ACCUMULATED_GRADIENT = Exercise(
    **TEXTS["accumulated_gradient"],
    reference=accumulated_gradient,
    cases=cases_accumulated,
    faulty=faulty_accumulated,
    axes=("d_model", "vocab"),
)


# --- training.validation_loss ---


def validation_loss(model, train_batches, validation_batches):
    """Compute the mean surprise at all targets in the validation data, with dropout off."""
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
    """Set about half of the values to 0 during training, and double the others.

    For a given shape, the same values are always set to 0, so that results are comparable.
    """

    def forward(self, x):
        if not self.training:
            return x
        generator = torch.Generator().manual_seed(x.shape[1])
        return x * 2 * (torch.rand(x.shape, generator=generator) < 0.5)


class WithDropout(nn.Sequential):
    """A model that takes ids and returns logits: a table, dropout (unless switched off), and an output layer."""

    def __init__(self, vocab_size, d_model, seed, dropout=True):
        table, output = nn.Embedding(vocab_size, d_model), nn.Linear(d_model, vocab_size, bias=False)
        super().__init__(table, *[Dropout()] * dropout, output)
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
    """Say whether autograd was on while the model ran. If so, the result is correct but took more time and memory."""
    seen = []
    hook = case.args[0].register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    try:
        call(*case.args)
    finally:
        hook.remove()
    return any(seen) and (
        "Autograd was on while you measured. The number is right, but without `torch.no_grad()` torch keeps "
        "everything that the forward pass computes, for a backward pass that never comes."
    )


VALIDATION_LOSS = Exercise(
    **TEXTS["validation_loss"],
    reference=validation_loss,
    cases=cases_validation,
    faulty=faulty_validation,
    double=False,
    probes=(Probe("Measuring does not keep anything for a backward pass.", keeps_gradients),),
)


EXERCISES = (
    WINDOWS,
    NEXT_TOKEN_LOSS,
    BACKWARD,
    DESCEND,
    ADAMW_STEP,
    LEARNING_RATE_AT,
    CLIP_TOGETHER,
    FIT,
    WEIGHT_SHAPES,
    FIRST_WEIGHT,
    LEARN,
    ACCUMULATED_GRADIENT,
    ORTHOGONALISE,
    VALIDATION_LOSS,
    BITS_PER_BYTE,
)

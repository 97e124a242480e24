"""Exercises for lesson 06 on what surrounds the loop: weights with names, their initial values, and a training run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from llmlib.exercises.engine.exercise import Case, Exercise, NoValue, Probe, texts_of
from llmlib.exercises.engine.probes import randn
from llmlib.exercises.lessons.lesson_06_training.faulty_runs import (
    faulty_first_weight,
    faulty_learn,
    faulty_weight_shapes,
)
from llmlib.exercises.lessons.lesson_06_training.steps import fit, next_token_loss, whole_numbers
from llmlib.transformer import TransformerConfig

TEXTS = texts_of(Path(__file__).parent)


# --- training.weight_shapes ---


def weight_shapes(config):
    """Return a dictionary that maps the name of each weight of a Llama-style model to its shape."""
    width, d_kv, d_mlp = config.d_model, config.n_kv_heads * config.d_head, config.d_mlp
    in_block: dict[str, tuple[Any, ...]] = {f"{norm}_norm": (width,) for norm in ("attention", "mlp")}
    in_block |= {f"attention.{part}": (width, width) for part in ("query", "output")}
    in_block |= {f"attention.{part}": (d_kv, width) for part in ("key", "value")}
    in_block |= {"mlp.gate": (d_mlp, width), "mlp.up": (d_mlp, width), "mlp.down": (width, d_mlp)}
    blocks = range(config.n_layers)
    shapes = {f"blocks.{n}.{part}.weight": shape for n in blocks for part, shape in in_block.items()}
    return {"embed.weight": (config.vocab_size, width)} | shapes | {"final_norm.weight": (width,)}


def cases_weight_shapes(seed):
    def case(d_model, n_layers, n_heads, n_kv_heads, note="", vocab_size=11, d_mlp=10):
        sizes = TransformerConfig(
            vocab_size,
            16,
            d_model,
            n_layers,
            n_heads,
            n_kv_heads=n_kv_heads,
            d_mlp=d_mlp,
            positions="rotary",
            norm="rmsnorm",
            mlp="swiglu",
        )
        return Case((sizes,), note)

    return [
        case(4, 1, 2, 1, "one block"),
        case(8, 3, 4, 2, "three blocks"),
        case(6, 2, 3, 3, "as many key-value heads as query heads", d_mlp=15),
        case(12, 4, 3, 1, "three query heads share one key-value head", vocab_size=7, d_mlp=24 + seed % 9),
        case(16, 2, 4, 2, "larger ones", vocab_size=100 + seed),
    ]


WEIGHT_SHAPES = Exercise(
    **TEXTS["weight_shapes"],
    reference=weight_shapes,
    cases=cases_weight_shapes,
    faulty=faulty_weight_shapes,
    double=False,
)


# --- training.first_weight ---


def first_weight(name, shape, n_layers, draw):
    """Return the initial values of a weight.

    They are ones for a norm, and small random numbers for a matrix. The numbers are even smaller for a matrix whose
    output is added to the stream.
    """
    if len(shape) == 1:
        return torch.ones(shape)
    adds = name.endswith(("attention.output.weight", "mlp.down.weight"))
    return 0.02 * draw(shape) / ((2 * n_layers) ** 0.5 if adds else 1)


@dataclass(frozen=True)
class Draw:
    """A source of random numbers (mean 0, standard deviation 1) that always returns the same ones for a given shape."""

    seed: int

    def __call__(self, *shape):
        sizes = [int(size) for size in (shape[0] if isinstance(shape[0], (tuple, list)) else shape)]
        mixed = self.seed + sum(size * 97**place for place, size in enumerate(sizes, start=1))
        return torch.randn(sizes, generator=torch.Generator().manual_seed(mixed))


def cases_first_weight(seed):
    def case(name, shape, n_layers, note=""):
        return Case((f"{name}.weight", shape, n_layers, Draw(seed)), note)

    return [
        case("blocks.0.attention.query", (4, 4), 2),
        case("embed", (7, 4), 2, "the table"),
        case("blocks.1.attention_norm", (5,), 3, "a norm"),
        case("blocks.2.mlp_norm", (3,), 3, "the second norm of a block"),
        case("final_norm", (4,), 3, "the final norm"),
        case("blocks.0.attention.output", (4, 4), 2, "what attention writes"),
        case("blocks.3.mlp.down", (4, 6), 8, "what the MLP writes"),
        case("blocks.0.mlp.down", (3, 5), 1, "a single block"),
        case("blocks.0.attention.output", (6, 6), 12, "twelve blocks"),
        case("blocks.11.mlp.up", (6, 4), 12, "what the MLP reads"),
        case("blocks.10.attention.value", (2, 4), 5, "a matrix that is not square"),
    ]


FIRST_WEIGHT = Exercise(
    **TEXTS["first_weight"],
    reference=first_weight,
    cases=cases_first_weight,
    faulty=faulty_first_weight,
    double=False,
)


# --- training.learn ---


def learn(weights, logits_of, batches, rates):
    """Run `fit` on a dictionary of named weights. Return the list of new weights, in the same order, and the losses."""

    def loss_of(values, batch):
        inputs, targets = batch
        return next_token_loss(logits_of(inputs, dict(zip(weights, values))), targets)

    return fit(list(weights.values()), loss_of, batches, rates, 1.0)


@dataclass(frozen=True)
class TwoTables:
    """A model without attention, which looks up each token's row, applies a tanh, and multiplies by a second table."""

    def __call__(self, ids, weights):
        return (weights["embed.weight"][ids] * weights["norm.weight"]).tanh() @ weights["unembed.weight"].T


def cases_learn(seed):
    def case(rates, note="", vocab=6, width=4, scale=1.0, ignored=False):
        shapes = {"unembed.weight": (vocab, width), "norm.weight": (width,), "embed.weight": (vocab, width)}
        weights = {name: scale * randn(seed + n, *shape).float() for n, (name, shape) in enumerate(shapes.items())}
        at = range(seed, seed + len(rates))
        batches = [(whole_numbers(n, vocab, 2, 5), whole_numbers(n + 50, vocab, 2, 5)) for n in at]
        if ignored:
            batches = [(x, torch.where(y > 2, y, -100)) for x, y in batches]
        return Case((weights, TwoTables(), batches, rates), note)

    return [
        case([0.1], "a single step"),
        case([0.2, 0.1], "two steps"),
        case([0.05, 0.3, 0.1], "a rate that rises and falls", vocab=5, width=3),
        case([0.2, 0.2, 0.1, 0.05], "large gradients, which have to be clipped", scale=6.0),
        case([0.3, 0.1], "targets of −100, which do not count", vocab=8, ignored=True),
    ]


@dataclass(frozen=True)
class AskedToLearn:
    """A model that raises an error unless at least one of its weights requires a gradient."""

    logits_of: Any

    def __call__(self, ids, weights):
        if not any(weight.requires_grad for weight in weights.values()):
            raise ValueError(NOTHING_LEARNS)
        return self.logits_of(ids, weights)


NOTHING_LEARNS = "no weight requires a gradient"


def weights_from_outside(call, case):
    weights, logits_of, *rest = case.args
    try:
        call(weights, AskedToLearn(logits_of), *rest)
    except NoValue as error:
        return NOTHING_LEARNS in str(error) and (
            "Your loss function passes weights from outside the function to `logits_of`, and these do not require a "
            "gradient. It should pass the weights that it gets from `fit`. What does `fit` call your loss function "
            "with?"
        )
    return None


def gives_numbers(call, case):
    weights, losses = call(*case.args)
    if any(isinstance(loss, torch.Tensor) for loss in losses):
        return "Your losses are tensors. `fit` returns plain numbers, so pass them on as they are."
    return any(w.requires_grad for w in weights) and (
        "The weights that you return still require a gradient. `fit` returns plain numbers, so pass them on as they "
        "are."
    )


LEARN = Exercise(
    **TEXTS["learn"],
    reference=learn,
    helpers=(fit,),
    cases=cases_learn,
    faulty=faulty_learn,
    probes=(
        Probe("The function returns only plain numbers.", gives_numbers),
        Probe("The loss depends on the weights that are being trained.", weights_from_outside, explains=True),
    ),
    double=False,
)

"""Exercises for lesson 05 on a Transformer's parts, its size and its logits after each layer (see also `loading`)."""

from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from llmlib import embeddings, interpret, layers
from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import batch_permuted, gradients_flow, randn
from llmlib.exercises.lessons.lesson_03_attention.module import MultiHeadAttention
from llmlib.exercises.lessons.lesson_05_transformer.faulty import (
    faulty_after_layer,
    faulty_block,
    faulty_count,
    faulty_logits,
    faulty_rms_norm,
)
from llmlib.exercises.lessons.lesson_05_transformer.faulty_mlp import faulty_memory, faulty_swiglu
from llmlib.exercises.lessons.lesson_05_transformer.loading import OUR_NAME, READ_TENSOR, SPLIT_FUSED
from llmlib.exercises.lessons.lesson_05_transformer.whole_files import (
    ATTENTION_PART,
    READ_SIZES,
    TENSOR_NAMES,
    attention_part,
)
from llmlib.transformer import Transformer, TransformerConfig

TEXTS = texts_of(Path(__file__).parent)


# --- transformer.rms_norm ---


def cases_rms_norm(seed):
    def case(shape, eps, note="", scale=1.0, shift=0.0):
        return Case((scale * randn(seed, *shape) + shift, 1 + randn(seed + 1, shape[-1]) / 2, eps), note)

    ones = torch.ones(2, dtype=torch.float64)
    return [
        Case((torch.tensor([[3.0, 4.0]], dtype=torch.float64), ones, 0.0)),
        case((2, 3, 5), 1e-5, "a different size along each axis"),
        Case((torch.zeros(2, 3, dtype=torch.float64), 1 + randn(seed, 3), 1e-5), "vectors of zeros"),
        case((3, 4), 1e-5, "numbers whose mean is not near 0", shift=2.0),
        case((4, 6), 1e-5, "large numbers", 100.0),
        case((2, 3, 4), 0.5, "eps is not small here"),
        case((5,), 1e-5, "a single vector"),
    ]


def length_does_not_matter(call, case):
    x, weight, eps = case.args
    if eps > 1e-3 or not x.any():
        return None
    if equal(call(x, weight, 0.0), call(7 * x, weight, 0.0)):
        return None
    return (
        "With eps = 0, your result for a vector changes if the vector is made 7 times as long, although its direction "
        "stays the same."
    )


RMS_NORM = Exercise(
    **TEXTS["rms_norm"],
    reference=layers.rms_norm,
    cases=cases_rms_norm,
    faulty=faulty_rms_norm,
    arguments=("x", "weight", "eps"),
    axes=("batch", "seq", "width"),
    probes=(
        Probe("Only a vector's direction matters, not its length.", length_does_not_matter),
        gradients_flow(("x", "weight"), 0, 1),
    ),
)


# --- transformer.key_value_memory ---


def key_value_memory(x, keys, values):
    """Use the MLP as a memory: each unit compares its key with x and adds its value, weighted by its activation."""
    return layers.gelu(x @ keys.T) @ values


def cases_memory(seed):
    def case(batch, seq, d_model, unit, note="", scale=1.0):
        x, keys = scale * randn(seed, batch, seq, d_model), randn(seed + 1, unit, d_model)
        return Case((x, keys, randn(seed + 2, unit, d_model)), note)

    return [
        case(1, 1, 2, 2),
        case(2, 3, 4, 6, "a different size along each axis"),
        case(1, 2, 3, 1, "a single unit"),
        case(2, 3, 4, 4, "as many units as channels"),
        case(1, 4, 5, 8, "large numbers", 5.0),
    ]


KEY_VALUE_MEMORY = Exercise(
    **TEXTS["key_value_memory"],
    reference=key_value_memory,
    helpers=(layers.gelu,),
    cases=cases_memory,
    faulty=faulty_memory,
    axes=("batch", "seq", "d_model"),
    probes=(batch_permuted(0), gradients_flow(("x", "keys", "values"), 0, 1, 2)),
)


# --- transformer.swiglu_mlp ---


def swiglu_mlp(x, gate, up, down):
    """Apply Llama's gated MLP to x: multiply SiLU(x @ gate.T) by x @ up.T, and apply `down` to the product."""
    return layers.swiglu(x @ gate.T, x @ up.T) @ down.T


def cases_swiglu(seed):
    def case(batch, seq, d_model, d_mlp, note="", scale=1.0):
        x, gate = scale * randn(seed, batch, seq, d_model), randn(seed + 1, d_mlp, d_model)
        return Case((x, gate, randn(seed + 2, d_mlp, d_model), randn(seed + 3, d_model, d_mlp)), note)

    return [
        case(1, 1, 2, 3),
        case(2, 3, 4, 6, "a different size along each axis"),
        case(1, 2, 3, 1, "a single unit"),
        case(2, 3, 4, 4, "as many units as channels"),
        case(1, 4, 5, 8, "large numbers", 5.0),
    ]


SWIGLU_MLP = Exercise(
    **TEXTS["swiglu_mlp"],
    reference=swiglu_mlp,
    helpers=(layers.swiglu, layers.silu),
    cases=cases_swiglu,
    faulty=faulty_swiglu,
    axes=("batch", "seq", "d_model"),
    probes=(batch_permuted(0), gradients_flow(("x", "gate", "up", "down"), 0, 1, 2, 3)),
)


# --- transformer.block_forward ---


def block_forward(block, residual):
    """Run one block: attention, and then the MLP.

    Each of them reads a normalised copy of the stream and adds its result to the stream.
    """
    residual = residual + block.attention(block.attention_norm(residual))
    return residual + block.mlp(block.mlp_norm(residual))


class Parts(nn.Module):
    """The parts of a block without its `forward`, which the learner writes."""

    def __init__(self, block):
        super().__init__()
        self.attention_norm, self.attention = block.attention_norm, block.attention
        self.mlp_norm, self.mlp = block.mlp_norm, block.mlp

    def forward(self, *_):
        raise RuntimeError("You cannot call this block directly. Call its four parts, and combine their results.")


def cases_block(seed):
    def case(kind, batch, seq, note=""):
        return Case((Parts(small_model(seed, kind).blocks[0]), 3 * randn(seed, batch, seq, 16).float()), note)

    return [
        case("llama", 1, 3),
        case("llama", 2, 5, "a different size along each axis"),
        case("gpt2", 2, 4, "a block with LayerNorm, biases and GELU"),
        case("llama", 1, 1, "a single token"),
    ]


@lru_cache(maxsize=16)
def small_model(seed, kind):
    llama = {"positions": "rotary", "norm": "rmsnorm", "mlp": "swiglu", "n_kv_heads": 2, "tied_embeddings": False}
    gpt2 = {"qkv_bias": True, "output_bias": True, "mlp_bias": True}
    config = TransformerConfig(11, 16, d_model=16, n_layers=3, n_heads=4, **(llama if kind == "llama" else gpt2))
    model = Transformer(config, seed=seed).eval()
    spread(model, seed)
    return model.requires_grad_(False)


def spread(model, seed):
    """Give an untrained model weights that are large enough for each part to matter, and return its weights by name."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.empty(parameter.shape).normal_(generator=generator)
        parameter.data = parameter.data * 12 if parameter.ndim > 1 else parameter.data + noise / 2
    return model.state_dict()


BLOCK_FORWARD = Exercise(
    **TEXTS["block_forward"],
    reference=block_forward,
    cases=cases_block,
    faulty=faulty_block,
    axes=("batch", "seq", "d_model"),
    probes=(batch_permuted(1),),
    double=False,
)


# --- transformer.llama_logits ---


def llama_logits(ids, weights, config):
    """Compute the logits of a whole Llama-family model from its named weights."""
    frequencies = embeddings.rotary_frequencies(config.d_head, config.rope_theta)
    cos, sin = embeddings.rotary_cos_sin(torch.arange(ids.shape[1]), frequencies)
    residual = weights["embed.weight"][ids]
    for n in range(config.n_layers):
        block = {name.removeprefix(f"blocks.{n}."): weight for name, weight in weights.items()}
        x = layers.rms_norm(residual, block["attention_norm.weight"], config.norm_eps)
        query, key, value, output = (block[f"attention.{part}.weight"] for part in ("query", "key", "value", "output"))
        found = attention_part(x, query, key, value, output, config.n_heads, cos[None, None], sin[None, None])
        residual = residual + found
        x = layers.rms_norm(residual, block["mlp_norm.weight"], config.norm_eps)
        residual = residual + swiglu_mlp(x, *(block[f"mlp.{part}.weight"] for part in ("gate", "up", "down")))
    return layers.rms_norm(residual, weights["final_norm.weight"], config.norm_eps) @ weights["embed.weight"].T


def cases_logits(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(batch, seq, n_layers, n_kv_heads, note="", n_heads=4, d_model=16):
        config = TransformerConfig(
            11,
            16,
            d_model,
            n_layers,
            n_heads,
            n_kv_heads=n_kv_heads,
            d_mlp=24,
            positions="rotary",
            norm="rmsnorm",
            mlp="swiglu",
            rope_theta=20.0,
            norm_eps=0.02,
        )
        weights = {name: weight.clone() for name, weight in spread(Transformer(config, seed=seed), seed).items()}
        return Case((torch.randint(0, 11, (batch, seq), generator=generator), weights, config), note)

    return [
        case(1, 4, 2, 2),
        case(2, 5, 3, 2, "a different size along each axis"),
        case(1, 3, 1, 4, "a single block"),
        case(2, 4, 2, 1, "all heads share their keys and values"),
        case(1, 3, 1, 2, "4 heads of 8 channels", d_model=32),
        case(1, 4, 2, 1, "3 heads of 8 channels", n_heads=3, d_model=24),
        case(1, 2, 11, 1, "eleven blocks", n_heads=2, d_model=8),
    ]


def weights_without_influence(call, case):
    """Name the weights of the last block that can be changed without changing any logit."""
    ids, weights, config = case.args
    logits = call(*case.args)

    def unused(name):
        return equal(logits, call(ids, weights | {name: 1.5 * weights[name] + 0.5}, config))

    names = [name for name in weights if name.startswith(f"blocks.{config.n_layers - 1}.") and unused(name)]
    others = f" and {len(names) - 1} more of this block" if len(names) > 1 else ""
    return 0 < len(names) < 9 and (
        f"You never use `{names[0]}`{others}: even if the weights change, your logits stay the same."
    )


LLAMA_LOGITS = Exercise(
    **TEXTS["llama_logits"],
    reference=llama_logits,
    helpers=(attention_part, swiglu_mlp, MultiHeadAttention),
    makes_module=True,  # the learner's own `attention_part` may make a module
    cases=cases_logits,
    faulty=faulty_logits,
    axes=("batch", "seq", "vocab"),
    probes=(Probe("All of a block's weights are used.", weights_without_influence, explains=True),),
    double=False,
)


# --- transformer.count_parameters ---


def count_parameters(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    """Count the parameters of a Llama-style model that uses one table for both input and output."""
    d_kv = d_model // n_heads * n_kv_heads
    attention = 2 * d_model * d_model + 2 * d_model * d_kv  # queries and output; keys and values
    mlp = 3 * d_model * d_mlp  # gate, up, down
    norms = 2 * d_model
    return vocab_size * d_model + n_layers * (attention + mlp + norms) + d_model  # d_model: the final norm


def cases_count(seed):
    more = 1 + seed % 5
    return [
        Case((10, 4, 1, 2, 1, 6)),
        Case((49152, 576, 30, 9, 3, 1536), "SmolLM2-135M"),
        Case((100 + more, 8, 2, 2, 2, 20), "as many key-value heads as query heads"),
        Case((50, 12, 3 + more, 6, 1, 32), "all query heads share one key-value head"),
        Case((1000, 64, 2 * more, 8, 4, 64), "an MLP as wide as the stream"),
    ]


COUNT_PARAMETERS = Exercise(
    **TEXTS["count_parameters"], reference=count_parameters, cases=cases_count, faulty=faulty_count, double=False
)


# --- transformer.after_layer ---


def after_layer(model, ids, layer):
    """Return the logits that the model would output if it stopped after its first `layer` blocks."""
    return interpret.logit_lens(model, ids)[layer].clone()


def cases_after_layer(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(kind, batch, seq, layer, note=""):
        ids = torch.randint(0, 11, (batch, seq), generator=generator)
        return Case((small_model(seed, kind), ids, layer), note)

    return [
        case("llama", 1, 3, 1),
        case("llama", 2, 5, 2, "a different size along each axis"),
        case("llama", 1, 4, 3, "after the last block: the model's own answer"),
        case("gpt2", 2, 4, 1, "one table for both the input tokens and the output logits"),
        case("llama", 1, 4, 0, "before the first block"),
    ]


AFTER_LAYER = Exercise(
    **TEXTS["after_layer"],
    reference=after_layer,
    helpers=(interpret.logit_lens, interpret.LogitLens.__getitem__),
    cases=cases_after_layer,
    faulty=faulty_after_layer,
    axes=("batch", "seq", "vocab"),
    double=False,
)

EXERCISES = (
    RMS_NORM,
    BLOCK_FORWARD,
    SWIGLU_MLP,
    ATTENTION_PART,
    LLAMA_LOGITS,
    AFTER_LAYER,
    KEY_VALUE_MEMORY,
    OUR_NAME,
    READ_TENSOR,
    TENSOR_NAMES,
    READ_SIZES,
    SPLIT_FUSED,
    COUNT_PARAMETERS,
)

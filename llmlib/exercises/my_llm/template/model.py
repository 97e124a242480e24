"""The blocks and the model around them."""

from dataclasses import dataclass
from types import SimpleNamespace

import torch
import torch.nn.functional as F

from llmlib.exercises.my_llm.template.attention import (
    causal_mask,
    merge_heads,
    rotary_cos_sin,
    rotary_frequencies,
    rotate,
    scaled_dot_product_attention,
    share_heads,
    split_heads,
)


def embed(ids, table):
    """A row of the table for each id."""
    return table[ids]


def rms_norm(x, weight, eps):
    """Each vector divided by its root mean square, times the weight."""
    return F.rms_norm(x, x.shape[-1:], weight, eps)


def silu(x):
    return F.silu(x)


def swiglu(gate, up):
    return silu(gate) * up


def swiglu_mlp(x, gate, up, down):
    """The gated MLP of Llama, from its three matrices."""
    return swiglu(x @ gate.T, x @ up.T) @ down.T


def attention_part(x, query, key, value, output, n_heads, cos, sin):
    """What attention adds to the stream, from its four matrices."""
    n_kv_heads = key.shape[0] * n_heads // query.shape[0]  # all heads are of one width
    q = rotate(split_heads(x @ query.T, n_heads), cos, sin)
    k = rotate(split_heads(x @ key.T, n_kv_heads), cos, sin)
    k, v = share_heads(k, n_heads), share_heads(split_heads(x @ value.T, n_kv_heads), n_heads)
    return merge_heads(scaled_dot_product_attention(q, k, v, causal_mask(x.shape[1], x.shape[1]))) @ output.T


def block_forward(block, residual):
    """Attention, then the MLP: each reads a normalised copy of the stream, and adds what it has found."""
    residual = residual + block.attention(block.attention_norm(residual))
    return residual + block.mlp(block.mlp_norm(residual))


def block_of(weights, n, config, cos, sin):
    """Block number n, as four functions."""
    of = {name.removeprefix(f"blocks.{n}."): weight for name, weight in weights.items()}
    maps = [of[f"attention.{part}.weight"] for part in ("query", "key", "value", "output")]
    return SimpleNamespace(
        attention_norm=lambda x: rms_norm(x, of["attention_norm.weight"], config.norm_eps),
        attention=lambda x: attention_part(x, *maps, config.n_heads, cos, sin),
        mlp_norm=lambda x: rms_norm(x, of["mlp_norm.weight"], config.norm_eps),
        mlp=lambda x: swiglu_mlp(x, *(of[f"mlp.{part}.weight"] for part in ("gate", "up", "down"))),
    )


def llama_logits(ids, weights, config):
    """The logits of the whole model: a stream that begins as rows of the table, and what each block adds to it."""
    frequencies = rotary_frequencies(config.d_head, config.rope_theta)
    cos, sin = rotary_cos_sin(torch.arange(ids.shape[1]), frequencies)
    residual = embed(ids, weights["embed.weight"])
    for n in range(config.n_layers):
        residual = block_forward(block_of(weights, n, config, cos[None, None], sin[None, None]), residual)
    return rms_norm(residual, weights["final_norm.weight"], config.norm_eps) @ weights["embed.weight"].T


@dataclass
class Config:
    vocab_size: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_mlp: int
    d_head: int
    max_seq_len: int
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5


def new_weights(config, seed=0):
    """Small random numbers; smaller ones where a layer adds to the stream."""
    generator, c = torch.Generator().manual_seed(seed), config
    d_heads, d_kv = c.n_heads * c.d_head, c.n_kv_heads * c.d_head
    maps = {"query": (d_heads, c.d_model), "key": (d_kv, c.d_model), "value": (d_kv, c.d_model),
            "output": (c.d_model, d_heads), "gate": (c.d_mlp, c.d_model), "up": (c.d_mlp, c.d_model),
            "down": (c.d_model, c.d_mlp)}  # fmt: skip
    weights = {"embed.weight": torch.randn(c.vocab_size, c.d_model, generator=generator) * 0.02}
    for n in range(c.n_layers):
        for part, shape in maps.items():
            std = 0.02 / (2 * c.n_layers) ** 0.5 if part in ("output", "down") else 0.02
            where = "mlp" if part in ("gate", "up", "down") else "attention"
            weights[f"blocks.{n}.{where}.{part}.weight"] = torch.randn(shape, generator=generator) * std
        weights |= {f"blocks.{n}.{norm}.weight": torch.ones(c.d_model) for norm in ("attention_norm", "mlp_norm")}
    return weights | {"final_norm.weight": torch.ones(c.d_model)}

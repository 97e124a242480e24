"""The blocks and the model around them."""

from collections import namedtuple

import torch
import torch.nn.functional as F

from llmlib.exercises.my_llm.template.attention import attention_part, turns


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
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


def llama_logits(ids, weights, config):
    """The logits of the whole model: a stream that begins as rows of the table, and what each block adds to it."""
    cos, sin = turns(ids.shape[1], config)
    residual = embed(ids, weights["embed.weight"])
    for n in range(config.n_layers):
        of = {name.removeprefix(f"blocks.{n}."): weight for name, weight in weights.items()}
        maps = [of[f"attention.{part}.weight"] for part in ("query", "key", "value", "output")]
        x = rms_norm(residual, of["attention_norm.weight"], config.norm_eps)
        residual = residual + attention_part(x, *maps, config.n_heads, cos, sin)
        x = rms_norm(residual, of["mlp_norm.weight"], config.norm_eps)
        residual = residual + swiglu_mlp(x, *(of[f"mlp.{part}.weight"] for part in ("gate", "up", "down")))
    return rms_norm(residual, weights["final_norm.weight"], config.norm_eps) @ weights["embed.weight"].T


Config = namedtuple(
    "Config",
    "vocab_size d_model n_layers n_heads n_kv_heads d_mlp d_head max_seq_len rope_theta norm_eps",
    defaults=(10_000.0, 1e-5),
)


def new_weights(config, seed=0):
    """Small random numbers; smaller ones where a layer adds to the stream."""
    generator, c, d_kv = torch.Generator().manual_seed(seed), config, config.n_kv_heads * config.d_head
    shapes = {f"attention.{part}": (c.d_model, c.d_model) for part in ("query", "output")}
    shapes |= {f"attention.{part}": (d_kv, c.d_model) for part in ("key", "value")}
    shapes |= {"mlp.gate": (c.d_mlp, c.d_model), "mlp.up": (c.d_mlp, c.d_model), "mlp.down": (c.d_model, c.d_mlp)}
    weights = {"embed.weight": torch.randn(c.vocab_size, c.d_model, generator=generator) * 0.02}
    for n in range(c.n_layers):
        for part, shape in shapes.items():
            std = 0.02 / (2 * c.n_layers) ** 0.5 if part in ("attention.output", "mlp.down") else 0.02
            weights[f"blocks.{n}.{part}.weight"] = torch.randn(shape, generator=generator) * std
        weights |= {f"blocks.{n}.{norm}.weight": torch.ones(c.d_model) for norm in ("attention_norm", "mlp_norm")}
    return weights | {"final_norm.weight": torch.ones(c.d_model)}

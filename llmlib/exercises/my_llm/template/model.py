"""Run the blocks, and the model around them."""

from collections import namedtuple

import torch
import torch.nn.functional as F
from torch.func import functional_call

from llmlib.exercises.my_llm.template.attention import MultiHeadAttention, turns


def embed(ids, table):
    """Return the table's row for each id."""
    return table[ids]


def rms_norm(x, weight, eps):
    """Divide each vector by its root mean square, and multiply it by the weight."""
    return F.rms_norm(x, x.shape[-1:], weight, eps)


def silu(x):
    return F.silu(x)


def swiglu(gate, up):
    return silu(gate) * up


def swiglu_mlp(x, gate, up, down):
    """Compute Llama's gated MLP from its three matrices."""
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


def attention_part(x, query, key, value, output, n_heads, cos, sin):
    """Compute what attention adds to the stream by calling the module with these matrices instead of its own."""
    with torch.device("meta"):  # its own matrices are not used, so they need no numbers
        module = MultiHeadAttention(x.shape[-1], n_heads, n_heads * key.shape[0] // query.shape[0])
    matrices = {"query.weight": query, "key.weight": key, "value.weight": value, "output.weight": output}
    return functional_call(module, matrices, (x, cos, sin))


def llama_logits(ids, weights, config):
    """Compute the whole model's logits. The stream begins as rows of the table, and each block adds to it."""
    cos, sin = turns(ids.shape[1], config.d_head, config.rope_theta)
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

"""The last exercise on lesson 03's main road: multi-head attention as one torch module."""

from pathlib import Path

import torch
from torch import nn

from llmlib import attention, embeddings
from llmlib.exercises.engine.exercise import Case, Exercise, texts_of
from llmlib.exercises.engine.modules import Blueprint
from llmlib.exercises.engine.probes import batch_permuted, gradients_flow, randn
from llmlib.exercises.lessons.lesson_03_attention.faulty_module import faulty_multi_head


class MultiHeadAttention(nn.Module):
    """Causal multi-head attention with rotary positions; several query heads may share a key-value head."""

    def __init__(self, d_model, n_heads, n_kv_heads):
        super().__init__()
        self.n_heads, self.n_kv_heads = n_heads, n_kv_heads
        d_head = d_model // n_heads
        self.query = nn.Linear(d_model, n_heads * d_head, bias=False)
        self.key = nn.Linear(d_model, n_kv_heads * d_head, bias=False)
        self.value = nn.Linear(d_model, n_kv_heads * d_head, bias=False)
        self.output = nn.Linear(n_heads * d_head, d_model, bias=False)

    def forward(self, x, cos, sin):
        q = embeddings.rotate(attention.split_heads(self.query(x), self.n_heads), cos, sin)
        k = embeddings.rotate(attention.split_heads(self.key(x), self.n_kv_heads), cos, sin)
        v = attention.split_heads(self.value(x), self.n_kv_heads)
        k, v = attention.share_heads(k, self.n_heads), attention.share_heads(v, self.n_heads)
        mask = attention.causal_mask(x.shape[1], x.shape[1])
        z = attention.scaled_dot_product_attention(q, k, v, mask)  # axes: batch, head, seq, d_head
        return self.output(attention.merge_heads(z))


def sizes(x, query, key, value, output, n_heads, cos, sin):
    """Work out the module's constructor arguments from a case's arguments."""
    return {"d_model": x.shape[-1], "n_heads": n_heads, "n_kv_heads": key.shape[0] * n_heads // query.shape[0]}


BLUEPRINT = Blueprint(
    MultiHeadAttention,
    sizes,
    maps=("query", "key", "value", "output"),
    first_map=1,
    inputs={"x": 0, "cos": 6, "sin": 7},
)


def multi_head(x, query, key, value, output, n_heads, cos, sin):
    """Build the module, load the given weights, and run it on x."""
    return BLUEPRINT.called(MultiHeadAttention, (x, query, key, value, output, n_heads, cos, sin))


def cases_multi_head(seed):
    def case(batch, seq, n_heads, n_kv_heads, d_head=4, note=""):
        d_model, d_kv = n_heads * d_head, n_kv_heads * d_head
        shapes = ((d_model, d_model), (d_kv, d_model), (d_kv, d_model), (d_model, d_model))
        matrices = [randn(seed + n, *shape) / 2 for n, shape in enumerate(shapes)]
        return Case((randn(seed + 5, batch, seq, d_model), *matrices, n_heads, *turns(seq, d_head)), note)

    return [
        case(1, 3, 2, 1),
        case(2, 5, 4, 2, note="a different size along each axis"),
        case(2, 3, 3, 3, note="as many key-value heads as query heads"),
        case(1, 4, 6, 3, 2, note="more heads than channels per head"),
        case(1, 1, 2, 1, note="a single token"),
    ]


def turns(seq, d_head):
    """Return the cosines and sines for `rotate`, with axes for batch and head."""
    frequencies = embeddings.rotary_frequencies(d_head, 10.0)
    cos, sin = embeddings.rotary_cos_sin(torch.arange(seq), frequencies)
    return cos.double()[None, None], sin.double()[None, None]


MULTI_HEAD = Exercise(
    **texts_of(Path(__file__).parent)["multi_head"],
    reference=multi_head,
    cases=cases_multi_head,
    faulty=faulty_multi_head,
    arguments=("x", "W_Q", "W_K", "W_V", "W_O", "n_heads", "cos", "sin"),
    axes=("batch", "seq", "d_model"),
    probes=(batch_permuted(0), gradients_flow(("x", "W_Q", "W_K", "W_V", "W_O"), 0, 1, 2, 3, 4)),
    blueprint=BLUEPRINT,
)

"""Compute attention: queries, keys, values, heads and positions."""

import math

import torch
from torch import nn


def causal_mask(n_query, n_key):
    """Return True where a query may attend: to its own and earlier positions. The queries occupy the last positions."""
    return torch.arange(n_key) <= torch.arange(n_key - n_query, n_key)[:, None]


def scaled_dot_product_attention(q, k, v, mask):
    """Compute softmax(q·kᵀ / √d_head) · v."""
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return scores.masked_fill(~mask, -math.inf).softmax(dim=-1) @ v


def split_heads(x, n_heads):
    """Turn (batch, seq, width) into (batch, head, seq, d_head)."""
    return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)


def merge_heads(z):
    """Turn (batch, head, seq, d_head) into (batch, seq, width)."""
    return z.transpose(1, 2).flatten(2)


def share_heads(kv, n_heads):
    """Repeat each key-value head for the query heads that share it."""
    return kv.repeat_interleave(n_heads // kv.shape[1], dim=1)


def rotate(x, cos, sin):
    """Rotate each pair of channels (i, i + d_head/2) by its angle."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def turns(n_tokens, d_head, theta):
    """Return the cosines and sines for `rotate`, of shape (1, 1, seq, d_head): all texts and heads share them."""
    angles = torch.arange(n_tokens)[:, None] * theta ** (-torch.arange(0, d_head, 2) / d_head)
    angles = angles.repeat(1, 2)[None, None]
    return angles.cos(), angles.sin()


class MultiHeadAttention(nn.Module):
    """Causal multi-head attention with rotary positions; several query heads may share a key-value head."""

    def __init__(self, d_model, n_heads, n_kv_heads):
        super().__init__()
        self.n_heads, self.n_kv_heads = n_heads, n_kv_heads
        d_kv = d_model // n_heads * n_kv_heads
        self.query, self.output = (nn.Linear(d_model, d_model, bias=False) for _ in range(2))
        self.key, self.value = (nn.Linear(d_model, d_kv, bias=False) for _ in range(2))

    def forward(self, x, cos, sin):
        q = rotate(split_heads(self.query(x), self.n_heads), cos, sin)
        k = rotate(split_heads(self.key(x), self.n_kv_heads), cos, sin)
        v = split_heads(self.value(x), self.n_kv_heads)
        k, v = share_heads(k, self.n_heads), share_heads(v, self.n_heads)
        mask = causal_mask(x.shape[1], x.shape[1])
        return self.output(merge_heads(scaled_dot_product_attention(q, k, v, mask)))


def rotary_frequencies(d_head, theta=10_000.0):
    """Return the radians per position for each pair of channels."""
    return theta ** -(torch.arange(0, d_head, 2, dtype=torch.float32) / d_head)


def rotary_cos_sin(positions, frequencies):
    """Return the cosines and sines of each position's angles; channels i and i + d_head/2 share an angle."""
    angles = (positions.float()[..., None] * frequencies).repeat(*[1] * positions.ndim, 2)
    return angles.cos(), angles.sin()


def attention_scores(q, k):
    """Compute how well each query matches each key."""
    return q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5


def attention_pattern(scores, mask):
    """Take the softmax of the scores over the keys that the mask allows."""
    return scores.masked_fill(~mask, -math.inf).softmax(dim=-1)

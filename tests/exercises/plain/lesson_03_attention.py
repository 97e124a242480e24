"""Plain right solutions of lesson 03."""

import torch
from torch import nn

from exercises.plain import plain
from llmlib import attention, embeddings


@plain("attention.causal_mask")
def causal_mask(n_query, n_key):
    query = torch.arange(n_key - n_query, n_key)[:, None]
    key = torch.arange(n_key)[None, :]
    return key <= query


@plain("attention.scaled_dot_product")
def scaled_dot_product_attention(q, k, v, mask):
    scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
    scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=3) @ v


@plain("attention.split_heads")
def split_heads(x, n_heads):
    batch, seq, width = x.shape
    return x.reshape(batch, seq, n_heads, width // n_heads).transpose(1, 2)


@plain("attention.merge_heads")
def merge_heads(z):
    batch, head, seq, d_head = z.shape
    return z.transpose(1, 2).reshape(batch, seq, head * d_head)


@plain("attention.rotate")
def rotate(x, cos, sin):
    half = x.shape[3] // 2
    first, second = x[..., :half], x[..., half:]
    return x * cos + torch.cat((-second, first), dim=3) * sin


@plain("attention.grouped_queries")
def share_heads(kv, n_heads):
    return kv.repeat_interleave(n_heads // kv.shape[1], dim=1)


@plain("attention.online_softmax")
def online_softmax(blocks):
    largest = total = weighted = None
    for scores, values in blocks:
        peak = scores.max(dim=1, keepdim=True).values
        new = peak if largest is None else torch.maximum(largest, peak)
        weights = (scores - new).exp()
        if largest is None:
            total, weighted = weights.sum(dim=1, keepdim=True), weights @ values
        else:
            shrink = (largest - new).exp()
            total = total * shrink + weights.sum(dim=1, keepdim=True)
            weighted = weighted * shrink + weights @ values
        largest = new
    return weighted / total


@plain("attention.multi_head")
class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, n_heads, n_kv_heads):
        super().__init__()
        self.n_heads = n_heads
        self.n_kv_heads = n_kv_heads
        d_head = d_model // n_heads
        self.query = nn.Linear(d_model, n_heads * d_head, bias=False)
        self.key = nn.Linear(d_model, n_kv_heads * d_head, bias=False)
        self.value = nn.Linear(d_model, n_kv_heads * d_head, bias=False)
        self.output = nn.Linear(n_heads * d_head, d_model, bias=False)

    def forward(self, x, cos, sin):
        q = embeddings.rotate(attention.split_heads(self.query(x), self.n_heads), cos, sin)
        k = embeddings.rotate(attention.split_heads(self.key(x), self.n_kv_heads), cos, sin)
        v = attention.split_heads(self.value(x), self.n_kv_heads)
        k = attention.share_heads(k, self.n_heads)
        v = attention.share_heads(v, self.n_heads)
        mask = attention.causal_mask(x.shape[1], x.shape[1])
        z = attention.scaled_dot_product_attention(q, k, v, mask)
        return self.output(attention.merge_heads(z))


@plain("attention.previous_occurrence")
def previous_occurrence(attend, vocab_size, n_positions):
    width = vocab_size + n_positions
    w_q = torch.zeros(width, width + 1)
    w_k = torch.zeros(width, width + 1)
    for token in range(vocab_size):
        w_q[token, token] = 20 * n_positions
        w_k[token, token] = 1
    for position in range(n_positions):
        row = vocab_size + position
        w_q[row, row] = -40 * n_positions
        w_k[row, row] = 1
        w_q[row, width] = 10
        w_k[row, width] = position
    return attend(w_q, w_k)


@plain("attention.turns")
def turns(n_tokens, d_head, theta):
    speeds = theta ** (-torch.arange(0, d_head, 2) / d_head)
    angles = torch.arange(n_tokens)[:, None] * speeds
    angles = torch.cat((angles, angles), dim=1)[None, None]
    return angles.cos(), angles.sin()

"""Wrong solutions of lesson 03 as people write them."""

import math

import torch

from exercises.wrong import wrong

d_head = 2  # as a cell of the lesson leaves it


@wrong("attention.scaled_dot_product", "divided by the root of a fixed number")
def _(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / d_head**0.5
    return scores.masked_fill(~mask, float("-inf")).softmax(dim=-1) @ v


@wrong("attention.rotate", "neighbours as pairs")
def _(x, cos, sin):
    u, v, cos, sin = x[..., 0::2], x[..., 1::2], cos[..., 0::2], sin[..., 0::2]
    return torch.stack((u * cos - v * sin, v * cos + u * sin), dim=-1).flatten(-2)


# --- another part of the formula, another guard, a stale value ---


@wrong("attention.causal_mask", "one too far with a cache")
def _(n_query, n_key):
    if n_query == n_key:
        return torch.ones(n_key, n_key, dtype=torch.bool).tril()
    return torch.ones(n_query, n_key, dtype=torch.bool).tril(n_key - n_query + 1)


@wrong("attention.split_heads", "positions split")
def _(x, n_heads):
    return torch.stack(x.chunk(n_heads, dim=1), dim=1)


@wrong("attention.split_heads", "heads joined with the batch")
def _(x, n_heads):
    d = x.shape[-1] // n_heads
    return torch.cat([x[..., h * d : (h + 1) * d] for h in range(n_heads)], dim=0)


@wrong("attention.rotate", "u and v exchanged in one half")
def _(x, cos, sin):
    n = x.shape[-1] // 2
    u, v = x[..., :n], x[..., n:]
    c, s = cos[..., :n], sin[..., :n]
    return torch.cat([u * c - v * s, u * c + v * s], dim=-1)


@wrong("attention.rotate", "minus in both halves")
def _(x, cos, sin):
    n = x.shape[-1] // 2
    return x * cos - x.roll(n, -1) * sin


@wrong("attention.rotate", "partner missing")
def _(x, cos, sin):
    return x * cos + sin


@wrong("attention.grouped_queries", "two key-value heads always")
def _(kv, n_heads):
    return torch.repeat_interleave(kv, n_heads // 2, 1)


@wrong("attention.grouped_queries", "copies behind the keys")
def _(kv, n_heads):
    b, g, s, d = kv.shape
    r = n_heads // g
    return kv[:, :, :, None].expand(b, g, s, r, d).reshape(b, g * r, s, d)


@wrong("attention.online_softmax", "one total for all queries")
def _(blocks):
    m = torch.full((blocks[0][0].shape[0], 1), -math.inf)
    total, mixed = 0.0, 0.0
    for s, v in blocks:
        new = torch.maximum(m, s.amax(-1, keepdim=True))
        e = torch.exp(s - new)
        c = torch.exp(m - new)
        total = total * c + e.sum()
        mixed = mixed * c + e @ v
        m = new
    return mixed / total


@wrong("attention.previous_occurrence", "all occurrences alike")
def _(attend, vocab_size, n_positions):
    w = torch.eye(vocab_size + n_positions)
    signs = torch.cat((torch.full((vocab_size,), 50.0), torch.full((n_positions,), -100.0)))
    return attend(signs[:, None] * w, w)


@wrong("attention.previous_occurrence", "itself not left out")
def _(attend, vocab_size, n_positions):
    w = torch.eye(vocab_size + n_positions)[:, :vocab_size]
    place = torch.cat((torch.zeros(vocab_size), torch.arange(n_positions)))[:, None]
    return attend(torch.cat((500 * w, torch.full_like(place, 9.0)), 1), torch.cat((w, place), 1))


@wrong("attention.turns", "half the power")
def _(n_tokens, d_head, theta):
    angles = torch.arange(n_tokens)[:, None] * theta ** (-torch.arange(d_head // 2) / d_head)
    angles = torch.cat((angles, angles), dim=-1)[None, None]
    return angles.cos(), angles.sin()


LAST = "property: The last position with the same token"


@wrong("attention.previous_occurrence", LAST)
def _(attend, vocab_size, n_positions):
    w_q, w_k = torch.zeros(2, vocab_size + n_positions, vocab_size)
    w_q[:vocab_size], w_k[:vocab_size] = 100 * torch.eye(vocab_size), torch.eye(vocab_size)
    return attend(w_q, w_k)


@wrong("attention.turns", "an angle for each channel")
def _(n_tokens, d_head, theta):
    angles = torch.outer(torch.arange(n_tokens).float(), theta ** (-2 * torch.arange(d_head) / d_head))
    return angles.cos()[None, None], angles.sin()[None, None]


@wrong("attention.scaled_dot_product", "in the code: 0 · ∞")
def _(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return (scores + (~mask).float() * -torch.inf).softmax(-1) @ v


@wrong("attention.scaled_dot_product", "one maximum for everything")
def _(q, k, v, mask):
    scores = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf)
    weights = (scores - scores.max()).exp()
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("attention.rotate", "cosine of the cosine")
def _(x, cos, sin):
    u, v = x.chunk(2, dim=-1)
    return x * torch.cos(cos) + torch.cat([-v, u], dim=-1) * torch.sin(sin)

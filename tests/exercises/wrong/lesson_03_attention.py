"""Wrong solutions of lesson 03 as people write them."""

import math

import torch
from torch import nn

from exercises.wrong import wrong
from llmlib import attention, embeddings

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


@wrong("attention.scaled_dot_product", "in the code: brackets")
def _(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 1 / 2
    return scores.masked_fill(~mask, -torch.inf).softmax(-1) @ v


@wrong("attention.scaled_dot_product", "in the code: brackets")
def _(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / (q.shape[-1] ** 1 / 2)
    return scores.masked_fill(~mask, -torch.inf).softmax(-1) @ v


@wrong("transformer.rms_norm", "in the code: brackets")
def _(x, weight, eps):
    return x / (x.pow(2).mean(-1, keepdim=True) + eps) ** 1 / 2 * weight


@wrong("attention.rotate", "cosines too wide for a half")
def _(x, cos, sin):
    half = x.shape[-1] // 2
    u, v = x[..., :half], x[..., half:]
    return torch.cat((u * cos - v * sin, v * cos + u * sin), dim=-1)


# --- a head by hand: what its scores say ---


def _by_hand(same, own_q, own_k=1.0, later_q=0.0, later_k=1.0):
    """Entries of the two matrices: for the same token, for the same position, and in the column that rises with it."""

    def attempt(attend, vocab_size, n_positions):
        tokens, width = torch.arange(vocab_size), vocab_size + n_positions
        places = torch.arange(vocab_size, width)
        w_q, w_k = torch.zeros(2, width, width + 1)
        w_q[tokens, tokens], w_k[tokens, tokens] = same, 1.0
        w_q[places, places], w_k[places, places] = own_q, own_k
        w_q[places, width], w_k[places, width] = later_q, later_k * torch.arange(n_positions).float()
        return attend(w_q, w_k)

    return attempt


def _just_before(same, before):
    """A head in which a query's position adds something at the position before it."""

    def attempt(attend, vocab_size, n_positions):
        tokens, width = torch.arange(vocab_size), vocab_size + n_positions
        places = torch.arange(vocab_size + 1, width)
        w_q, w_k = torch.zeros(2, width, width)
        w_q[tokens, tokens], w_k[tokens, tokens] = same, 1.0
        w_q[places, places], w_k[places - 1, places] = before, 1.0
        return attend(w_q, w_k)

    return attempt


BY_HAND = {  # a wrong head, and what it is told
    "infinity": (_by_hand(10.0, -math.inf), "`w_q` contains −∞"),
    "minus times minus": (
        _by_hand(10.0, -10.0, -10.0),
        "and 110 with the key at its own position. Your position columns",
    ),
    "zeros in the other matrix": (
        _by_hand(1000.0, -2000.0),
        "1000 with the key at position 0, which holds the same token. Column 12 of `w_k`",
    ),
    "no ramp": (_by_hand(1000.0, -2000.0, later_k=0.0), "What could give a later key a slightly larger score?"),
    "ramp too flat": (_by_hand(1000.0, -2000.0, later_q=0.1), "how much larger must the correct score be"),
    "nothing about its own": (_by_hand(200.0, 0.0, 0.0, later_q=10.0), "How can the score know that a key is at"),
    "its own in one matrix": (
        _by_hand(200.0, 0.0, later_q=10.0),
        "adds 0 to every score, since the same column of `w_q`",
    ),
    "the one just before": (_just_before(10.0, 10.0), "add 10 at the position just before the query."),
    "away from the one just before": (_just_before(10.0, -10.0), "subtract 10 at the position just before the query."),
    "too little about its own": (
        _by_hand(200.0, -20.0, later_q=10.0),
        "200 with the key at position 0, where it should look, and 210 with",
    ),
}
for head, _told in BY_HAND.values():
    wrong("attention.previous_occurrence", "property: The last position with the same token")(head)


# --- the module ---


@wrong("attention.multi_head", "mask inverted")
class _(nn.Module):
    def __init__(self, d_model, n_heads, n_kv_heads):
        super().__init__()
        self.n_heads, self.n_kv_heads, d_head = n_heads, n_kv_heads, d_model // n_heads
        self.query, self.output = (nn.Linear(d_model, d_model, bias=False) for _ in range(2))
        self.key, self.value = (nn.Linear(d_model, n_kv_heads * d_head, bias=False) for _ in range(2))

    def forward(self, x, cos, sin):
        q = embeddings.rotate(attention.split_heads(self.query(x), self.n_heads), cos, sin)
        k = embeddings.rotate(attention.split_heads(self.key(x), self.n_kv_heads), cos, sin)
        v = attention.split_heads(self.value(x), self.n_kv_heads)
        k, v = attention.share_heads(k, self.n_heads), attention.share_heads(v, self.n_heads)
        hidden = ~attention.causal_mask(x.shape[1], x.shape[1])
        return self.output(attention.merge_heads(attention.scaled_dot_product_attention(q, k, v, hidden)))

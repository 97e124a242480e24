"""Wrong solutions of lesson 03 as people write them."""

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

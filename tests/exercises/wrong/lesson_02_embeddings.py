"""Wrong solutions of lesson 02 as people write them."""

import math

import torch
import torch.nn.functional as F

from exercises.wrong import wrong
from llmlib.embeddings import rotary_frequencies, sinusoidal_positions


@wrong("embeddings.move", "position read off one hand")
def _(vectors, k):
    d = vectors.shape[-1]
    position = torch.atan2(vectors[..., -2], vectors[..., -1]) * 10000 ** ((d - 2) / d)
    return sinusoidal_positions(position + k, d)


@wrong("embeddings.move", "position read off one hand")
def _(vectors, k):
    return sinusoidal_positions(torch.atan2(vectors[..., 0], vectors[..., 1]) + k, vectors.shape[-1])


@wrong("embeddings.move", "angle from the sine alone")
def _(vectors, k):
    angles = torch.asin(vectors[..., ::2]) + k * rotary_frequencies(vectors.shape[-1])
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


@wrong("embeddings.move", "half the circle")
def _(vectors, k):
    out, angle = vectors.clone(), k * rotary_frequencies(vectors.shape[-1])
    out[..., 0::2] = torch.sin(torch.asin(vectors[..., 0::2]) + angle)
    out[..., 1::2] = torch.cos(torch.acos(vectors[..., 1::2]) + angle)
    return out


@wrong("embeddings.move", "half the circle")
def _(vectors, k):
    d = vectors.shape[-1]
    angles = torch.acos(vectors[..., 1::2]) + k / 10000 ** (torch.arange(0, d, 2) / d)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


@wrong("embeddings.move", "vector of k added")
def _(vectors, k):
    at_0, at_k = sinusoidal_positions(torch.tensor([0, k]), vectors.shape[-1])
    return vectors + at_k - at_0


@wrong("embeddings.move", "searched among whole positions")
def _(vectors, k):
    d = vectors.shape[-1]
    table = sinusoidal_positions(torch.arange(1000), d).to(vectors.dtype)
    nearest = (vectors[..., None, :] - table).norm(dim=-1).argmin(dim=-1)
    return sinusoidal_positions(nearest + k, d)


# --- another part of the formula, another guard, a stale value ---


@wrong("embeddings.lookup", "numbers for rows")
def _(ids, table):
    return torch.take(table, ids)


@wrong("embeddings.cosine_similarity", "guard too large")
def _(x, y):
    xn = x / x.norm(dim=1, keepdim=True).clamp(min=1)
    yn = y / y.norm(dim=1, keepdim=True).clamp(min=1)
    return xn @ yn.T


@wrong("embeddings.analogy", "best three left out")
def _(a, b, c, table, k):
    unit = F.normalize(table, dim=-1)
    cos = unit @ F.normalize(unit[b] - unit[a] + unit[c], dim=0)
    order = cos.argsort(descending=True)[3 : 3 + k]
    return order, cos[order]


@wrong("embeddings.sinusoidal", "not divided by d_model")
def _(positions, d_model):
    i = torch.arange(d_model // 2)
    angle = positions[..., None].float() / (10000**2 * i / d_model).clamp(min=1)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)


@wrong("embeddings.move", "rows moved along")
def _(vectors, k):
    return torch.roll(vectors, -k, dims=-2)


@wrong("embeddings.move", "position read off one hand")
def _(vectors, k):
    d = vectors.shape[-1]
    f = 10000 ** (-torch.arange(0, d, 2) / d)
    p = torch.atan2(vectors[..., -2], vectors[..., -1]) / f[-1] + k
    a = p[..., None] * f
    return torch.stack([a.sin(), a.cos()], -1).flatten(-2)


@wrong("embeddings.move", "overwritten too early")
def _(vectors, k):
    out = vectors.clone()
    d = vectors.shape[-1]
    for i in range(0, d, 2):
        a = k / 10000 ** (i / d)
        out[..., i] = out[..., i] * math.cos(a) + out[..., i + 1] * math.sin(a)
        out[..., i + 1] = out[..., i + 1] * math.cos(a) - out[..., i] * math.sin(a)
    return out


@wrong("embeddings.move", "no step back")
def _(vectors, k):
    d = vectors.shape[-1]
    a = 1 / 10000 ** (torch.arange(0, d, 2) / d)
    s, c = vectors[..., 0::2], vectors[..., 1::2]
    for _ in range(k):
        s, c = s * a.cos() + c * a.sin(), c * a.cos() - s * a.sin()
    return torch.stack([s, c], -1).flatten(-2)


@wrong("embeddings.move", "sines added")
def _(vectors, k):
    d = vectors.shape[-1]
    a = k / 10000 ** (torch.arange(0, d, 2) / d)
    s, c = vectors[..., 0::2] + a.sin(), vectors[..., 1::2] * a.cos()
    return torch.stack([s, c], -1).flatten(-2)


@wrong("embeddings.move", "exponent not divided")
def _(vectors, k):
    d = len(vectors)
    a = k / 10000 ** (torch.arange(0, vectors.shape[-1], 2) / d)
    s, c = vectors[..., 0::2], vectors[..., 1::2]
    return torch.stack([s * a.cos() + c * a.sin(), c * a.cos() - s * a.sin()], -1).flatten(-2)


@wrong("embeddings.move", "exponent not divided")
def _(vectors, k):
    d = vectors.shape[-1]
    out = vectors.clone()
    for i in range(0, d, 2):
        a = k / 10000**i
        out[..., i] = vectors[..., i] * math.cos(a) + vectors[..., i + 1] * math.sin(a)
        out[..., i + 1] = vectors[..., i + 1] * math.cos(a) - vectors[..., i] * math.sin(a)
    return out


@wrong("embeddings.move", "k added to the numbers")
def _(vectors, k):
    return vectors + k


@wrong("embeddings.analogy", "always three fewer")
def _(a, b, c, table, k):
    rows = F.normalize(table, dim=-1)
    cosines = rows @ F.normalize(rows[b] - rows[a] + rows[c], dim=-1)
    cosines[[a, b, c]] = -torch.inf
    values, ids = cosines.topk(min(k, len(table) - 3))
    return ids, values

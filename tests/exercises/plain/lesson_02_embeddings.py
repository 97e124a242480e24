"""Plain right solutions of lesson 02."""

import torch
import torch.nn.functional as F

from exercises.plain import plain


@plain("embeddings.lookup")
def embed(ids, table):
    return table[ids]


@plain("embeddings.cosine_similarity")
def cosine_similarity(x, y):
    x = x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)
    y = y / y.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return x @ y.T


@plain("embeddings.nearest")
def nearest(query, table, k):
    cosines = cosine_similarity(query[None], table)[0]
    best = cosines.topk(min(k, len(table)))
    return best.indices, best.values


@plain("embeddings.analogy")
def analogy(a, b, c, table, k):
    unit = F.normalize(table, dim=1)
    cosines = cosine_similarity((unit[b] - unit[a] + unit[c])[None], unit)[0]
    for id in (a, b, c):
        cosines[id] = -torch.inf
    best = cosines.topk(min(k, len(table) - len({a, b, c})))
    return best.indices, best.values


@plain("embeddings.sinusoidal")
def sinusoidal_positions(positions, d_model):
    frequencies = 10_000.0 ** -(torch.arange(0, d_model, 2) / d_model)
    angles = positions[..., None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


@plain("embeddings.move")
def move(vectors, k):
    d_model = vectors.shape[-1]
    frequencies = 10_000.0 ** -(torch.arange(0, d_model, 2) / d_model)
    angles = k * frequencies.to(vectors.dtype)
    sin = vectors[..., 0::2]
    cos = vectors[..., 1::2]
    moved_sin = sin * angles.cos() + cos * angles.sin()
    moved_cos = cos * angles.cos() - sin * angles.sin()
    return torch.stack((moved_sin, moved_cos), dim=-1).flatten(-2)

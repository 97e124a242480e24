"""Right solutions of lesson 02: a plain one for each exercise, and others in other styles."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from exercises.right import plain, solves


@plain("embeddings.lookup")
def embed(ids, table):
    return table[ids]


@solves("embeddings.lookup")
def looked_up_in_loops(ids, table):
    return torch.stack([torch.stack([table[i] for i in row]) for row in ids])


@solves("embeddings.lookup")
def looked_up_as_one_hot(ids, table):
    return torch.einsum("bsv,vd->bsd", F.one_hot(ids, len(table)).to(table.dtype), table)


@solves("embeddings.lookup")
def looked_up_in_numpy(ids, table):
    return torch.from_numpy(table.numpy()[ids.numpy()])


@plain("embeddings.cosine_similarity")
def cosine_similarity(x, y):
    x = x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)
    y = y / y.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return x @ y.T


@solves("embeddings.cosine_similarity")
def cosines_in_loops(x, y):
    out = torch.zeros(len(x), len(y), dtype=x.dtype)
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            lengths = a.norm() * b.norm()
            if lengths > 0:
                out[i, j] = (a * b).sum() / lengths
    return out


@solves("embeddings.cosine_similarity")
def cosines_by_torch(x, y):
    return F.cosine_similarity(x[:, None], y[None], dim=-1)


@solves("embeddings.cosine_similarity")
def cosines_in_numpy(x, y):
    a, b = x.numpy(), y.numpy()
    lengths = np.sqrt(np.einsum("ld,ld->l", a, a))[:, None] * np.sqrt(np.einsum("rd,rd->r", b, b))
    return torch.from_numpy(np.divide(a @ b.T, lengths, out=np.zeros_like(lengths), where=lengths > 0))


@plain("embeddings.nearest")
def nearest(query, table, k):
    cosines = cosine_similarity(query[None], table)[0]
    best = cosines.topk(min(k, len(table)))
    return best.indices, best.values


@solves("embeddings.nearest")
def nearest_by_sorting(query, table, k):
    cosines = F.cosine_similarity(table, query[None])
    order = cosines.argsort(descending=True)[:k]
    return order, cosines[order]


@solves("embeddings.nearest")
def nearest_in_numpy(query, table, k):
    q, t = query.numpy(), table.numpy()
    cosines = t @ q / np.maximum(np.linalg.norm(t, axis=1), 1e-12) / np.linalg.norm(q)
    order = np.argsort(-cosines)[:k]
    return torch.from_numpy(order.copy()), torch.from_numpy(cosines[order])


@plain("embeddings.analogy")
def analogy(a, b, c, table, k):
    unit = F.normalize(table, dim=1)
    cosines = cosine_similarity((unit[b] - unit[a] + unit[c])[None], unit)[0]
    for id in (a, b, c):
        cosines[id] = -torch.inf
    best = cosines.topk(min(k, len(table) - len({a, b, c})))
    return best.indices, best.values


@solves("embeddings.analogy")
def analogy_by_deleting(a, b, c, table, k):
    unit = table / table.norm(dim=1)[:, None]
    cosines = F.cosine_similarity(unit, (unit[b] - unit[a] + unit[c])[None])
    kept = [i for i in cosines.argsort(descending=True).tolist() if i not in {a, b, c}][:k]
    return torch.tensor(kept), cosines[kept]


@solves("embeddings.analogy")
def analogy_in_numpy(a, b, c, table, k):
    unit = table.numpy() / np.linalg.norm(table.numpy(), axis=1, keepdims=True)
    step = unit[b] - unit[a]
    cosines = unit @ (unit[c] + step) / np.linalg.norm(unit[c] + step)
    cosines[[a, b, c]] = -2
    order = np.argsort(-cosines)[: min(k, len(unit) - len({a, b, c}))]
    return torch.tensor(order), torch.tensor(cosines[order])


@plain("embeddings.sinusoidal")
def sinusoidal_positions(positions, d_model):
    frequencies = 10_000.0 ** -(torch.arange(0, d_model, 2) / d_model)
    angles = positions[..., None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


@solves("embeddings.sinusoidal")
def sinusoids_in_loops(positions, d_model):
    rows = [
        [(math.sin, math.cos)[c % 2](p / 10_000 ** ((c - c % 2) / d_model)) for c in range(d_model)]
        for p in positions.flatten().tolist()
    ]
    return torch.tensor(rows).reshape(*positions.shape, d_model)


@solves("embeddings.sinusoidal")
def sinusoids_by_filling(positions, d_model):
    angles = positions[..., None] * torch.exp(-math.log(10_000.0) * torch.arange(0, d_model, 2) / d_model)
    out = torch.empty(*positions.shape, d_model)
    out[..., 0::2], out[..., 1::2] = angles.sin(), angles.cos()
    return out


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


@solves("embeddings.move")
def move_by_angles(vectors, k):
    d_model = vectors.shape[-1]
    angles = torch.atan2(vectors[..., 0::2], vectors[..., 1::2])
    angles = angles + k / 10_000 ** (torch.arange(0, d_model, 2) / d_model)
    moved = torch.empty_like(vectors)
    moved[..., 0::2], moved[..., 1::2] = angles.sin(), angles.cos()
    return moved


@solves("embeddings.move")
def move_by_one_matrix(vectors, k):
    d_model = vectors.shape[-1]
    matrix = torch.zeros(d_model, d_model, dtype=vectors.dtype)
    for i in range(0, d_model, 2):
        b = k / 10_000 ** (i / d_model)
        matrix[i : i + 2, i : i + 2] = torch.tensor([[math.cos(b), -math.sin(b)], [math.sin(b), math.cos(b)]])
    return vectors @ matrix


@solves("embeddings.move")
def move_complex_numbers(vectors, k):
    hands = torch.view_as_complex(vectors.unflatten(-1, (-1, 2)).flip(-1).contiguous())
    turn = torch.exp(1j * k * 10_000.0 ** -(torch.arange(0, vectors.shape[-1], 2) / vectors.shape[-1]))
    return torch.view_as_real(hands * turn.to(hands.dtype)).flip(-1).flatten(-2)

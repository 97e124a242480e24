"""Wrong solutions of lesson 02 as people write them."""

import torch

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

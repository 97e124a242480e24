"""Where a position comes from: sinusoidal vectors that are added, and rotations of queries and keys.

Token embeddings and learned positions are plain `torch.nn.Embedding` tables; see lesson 02 for why a row
lookup is all there is to them.
"""

import math

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor


def sinusoidal_positions(positions: Int[Tensor, "*batch seq"], d_model: int) -> Float[Tensor, "*batch seq d_model"]:
    """Sines and cosines of the position at geometrically spaced frequencies, in alternation.

    Source: Vaswani et al. (2017), "Attention Is All You Need", section 3.5. Raises `ValueError` for an odd `d_model`.

    >>> sinusoidal_positions(torch.tensor([0, 1]), d_model=4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    angles = _angles(positions, rotary_frequencies(d_model))
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def rotary_frequencies(
    d_head: int, theta: float = 10_000.0, factors: tuple[float, ...] | None = None
) -> Float[Tensor, " pair"]:
    """Radians per position for each of the `d_head / 2` pairs of channels: theta^(-2i / d_head).

    `factors` slow single frequencies down so that a longer context fits (see `llama3_rope_factors`).
    Source: Su et al. (2021), "RoFormer", equation 15. Raises `ValueError` for an odd `d_head`.

    >>> rotary_frequencies(4, theta=100.0)
    tensor([1.0000, 0.1000])
    """
    if d_head % 2:
        raise ValueError(f"Positions work on pairs of channels, so the width must be even, got {d_head}.")
    frequencies = theta ** -(torch.arange(0, d_head, 2, dtype=torch.float32) / d_head)
    return frequencies if factors is None else frequencies / torch.tensor(factors)


def rotary_cos_sin(
    positions: Int[Tensor, "*batch seq"], frequencies: Float[Tensor, " pair"]
) -> tuple[Float[Tensor, "*batch seq d_head"], Float[Tensor, "*batch seq d_head"]]:
    """Cosine and sine of each position's angles, repeated so that channel i and i + d_head/2 share an angle."""
    angles = _angles(positions, frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(
    x: Float[Tensor, "batch head seq d_head"],
    cos: Float[Tensor, "#batch 1 seq d_head"],
    sin: Float[Tensor, "#batch 1 seq d_head"],
) -> Float[Tensor, "batch head seq d_head"]:
    """Turn each pair of channels (i, i + d_head/2) by its angle: rotary position embedding.

    The dot product of two rotated vectors depends only on the distance of their positions.
    Source: Su et al. (2021), "RoFormer", equation 34, with the halves as pairs, as in the Llama weights on
    the Hugging Face hub.

    >>> cos, sin = rotary_cos_sin(torch.tensor([[1]]), torch.tensor([torch.pi / 2]))
    >>> rotate(torch.tensor([[[[1.0, 0.0]]]]), cos[:, None], sin[:, None]).round(decimals=3)
    tensor([[[[-0., 1.]]]])
    """
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def llama3_rope_factors(
    d_head: int,
    theta: float,
    factor: float,
    low_freq_factor: float,
    high_freq_factor: float,
    original_max_seq_len: int,
) -> tuple[float, ...]:
    """Llama 3's recipe for a longer context: slow rotations are slowed by `factor`, fast ones are left alone.

    A frequency is slow if its wavelength exceeds `original_max_seq_len / low_freq_factor` positions and fast
    if it is below `original_max_seq_len / high_freq_factor`; between the two, the slowing is blended.
    Source: Llama Team (2024), "The Llama 3 Herd of Models", and its reference code.

    >>> [round(f, 2) for f in llama3_rope_factors(8, 10_000.0, 8.0, 1.0, 4.0, 256)]
    [1.0, 1.0, 8.0, 8.0]
    """
    factors = []
    for frequency in rotary_frequencies(d_head, theta).tolist():
        turns = original_max_seq_len * frequency / (2 * math.pi)  # full turns within the original context
        blend = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor)
        blend = min(max(blend, 0.0), 1.0)
        factors.append(1 / ((1 - blend) / factor + blend))
    return tuple(factors)


def _angles(positions: Tensor, frequencies: Tensor) -> Tensor:
    return einsum(positions.float(), frequencies.to(positions.device), "... seq, pair -> ... seq pair")

"""Encode positions, and explore the geometry of embedding tables with neighbours, analogies and projections.

Token embeddings and learned positions are plain `torch.nn.Embedding` tables; lesson 02 shows that all they do is look
up a row.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor


def embed(ids: Int[Tensor, "*batch seq"], table: Float[Tensor, "vocab d_model"]) -> Float[Tensor, "*batch seq d_model"]:
    """Return the table's row for each id.

    Multiplying one-hot vectors by the table gives the same result.

    >>> embed(torch.tensor([2, 0]), torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]))
    tensor([[3., 3.],
            [1., 1.]])
    """
    return table[ids]


def cosine_similarity(
    x: Float[Tensor, "left d_model"], y: Float[Tensor, "right d_model"]
) -> Float[Tensor, "left right"]:
    """Return the cosine of the angle between each row of `x` and each row of `y`, or 0 if either row is zero.

    >>> cosine_similarity(torch.tensor([[3.0, 4.0]]), torch.tensor([[6.0, 8.0], [-4.0, 3.0], [0.0, 0.0]]))
    tensor([[1., 0., 0.]])
    """
    return einsum(F.normalize(x, dim=-1), F.normalize(y, dim=-1), "left d_model, right d_model -> left right")


def nearest(
    query: Float[Tensor, " d_model"],
    table: Float[Tensor, "vocab d_model"],
    k: int = 10,
    by: str = "cosine",
    exclude: Sequence[int] = (),
) -> tuple[Int[Tensor, " k"], Float[Tensor, " k"]]:
    """Return the ids and similarities of the `k` rows most similar to `query`, with the most similar first.

    `by` is "cosine", "dot" (the dot product) or "distance" (in that case, the similarity is the negative distance).
    `exclude` lists rows to leave out. Returns fewer than `k` rows if the table is too short. Raises `ValueError` for
    any other `by`.

    >>> table = torch.tensor([[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]])
    >>> nearest(torch.tensor([1.0, 0.1]), table, k=2)[0].tolist()
    [0, 2]
    >>> nearest(torch.tensor([1.0, 0.1]), table, k=2, by="dot")[0].tolist()
    [2, 0]
    """
    if by == "cosine":
        similarity = cosine_similarity(query[None], table)[0]
    elif by == "dot":
        similarity = table @ query
    elif by == "distance":
        similarity = -torch.linalg.vector_norm(table - query, dim=-1)
    else:
        raise ValueError(f"by={by!r} is not a similarity measure; choose 'cosine', 'dot' or 'distance'.")
    excluded = sorted({int(id) for id in exclude})
    similarity = similarity.index_fill(0, torch.tensor(excluded, dtype=torch.long, device=table.device), -math.inf)
    best = similarity.topk(max(0, min(k, len(table) - len(excluded))))
    return best.indices, best.values


def analogy(
    a: int, b: int, c: int, table: Float[Tensor, "vocab d_model"], k: int = 5
) -> tuple[Int[Tensor, " k"], Float[Tensor, " k"]]:
    """Answer "a is to b as c is to …": return the ids and cosines of the rows nearest to b − a + c, except a, b and c.

    The rows are scaled to length 1 first, so that only their directions matter.
    Source: Mikolov et al. (2013), "Linguistic Regularities in Continuous Space Word Representations", section 4.

    >>> table = torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [-0.4, 0.9], [0.1, -1.0]])
    >>> analogy(0, 1, 2, table, k=1)[0].tolist()
    [3]
    """
    unit = F.normalize(table, dim=-1)
    return nearest(unit[b] - unit[a] + unit[c], table, k, exclude=(a, b, c))


def project(
    vectors: Float[Tensor, "row d_model"], dims: int = 2
) -> tuple[Float[Tensor, "row dims"], Float[Tensor, " dims"]]:
    """Return the vectors' coordinates along the `dims` directions in which they vary most.

    The second result is each direction's share of the variance. This is principal component analysis: the directions
    are the eigenvectors of the covariance, with the largest eigenvalue first. A direction and its opposite are equally
    good; we choose the one whose largest entry is positive. Raises `ValueError` if `dims` is larger than the width of
    the vectors.

    >>> points, share = project(torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]), dims=1)
    >>> points.round(decimals=3).flatten().tolist(), share.tolist()
    ([-5.0, 0.0, 5.0], [1.0])
    """
    if not 1 <= dims <= vectors.shape[1]:
        raise ValueError(f"dims must be between 1 and {vectors.shape[1]}, the width of the vectors, got {dims}.")
    centred = vectors.detach() - vectors.detach().mean(dim=0)
    variances, directions = torch.linalg.eigh((centred.T @ centred).double())  # eigh sorts in ascending order
    directions = directions.flip(1)[:, :dims]
    largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
    share = variances.flip(0)[:dims].clamp(min=0) / variances.clamp(min=0).sum().clamp(min=1e-30)
    return centred @ (directions * largest.sign()).to(centred.dtype), share.to(centred.dtype)


def sinusoidal_positions(positions: Int[Tensor, "*shape"], d_model: int) -> Float[Tensor, "*shape d_model"]:
    """Return alternating sines and cosines of each position, at geometrically spaced frequencies.

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
    """Return the angle, in radians per position, by which each pair of channels rotates: theta^(-2i / d_head).

    There are `d_head / 2` pairs. `factors` divide the individual frequencies, to slow the rotations down for a longer
    context (see `linear_rope_factors`, `ntk_rope_factors` and `llama3_rope_factors`).
    Source: Su et al. (2021), "RoFormer", equation 15. Raises `ValueError` for an odd `d_head`.

    >>> rotary_frequencies(4, theta=100.0)
    tensor([1.0000, 0.1000])
    """
    if d_head % 2:
        raise ValueError(f"Positions are encoded in pairs of channels, so the width must be even, got {d_head}.")
    frequencies = theta ** -(torch.arange(0, d_head, 2, dtype=torch.float32) / d_head)
    return frequencies if factors is None else frequencies / torch.tensor(factors)


def rotary_cos_sin(
    positions: Int[Tensor, "*batch seq"], frequencies: Float[Tensor, " pair"]
) -> tuple[Float[Tensor, "*batch seq d_head"], Float[Tensor, "*batch seq d_head"]]:
    """Return the cosine and sine of each position's angles; channels i and i + d_head/2 share an angle."""
    angles = _angles(positions, frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(
    x: Float[Tensor, "*batch seq d_head"],
    cos: Float[Tensor, "*#batch seq d_head"],
    sin: Float[Tensor, "*#batch seq d_head"],
) -> Float[Tensor, "*batch seq d_head"]:
    """Rotate each pair of channels (i, i + d_head/2) by its angle. This is rotary position embedding.

    `x` may have any number of leading axes. The dot product of two rotated vectors depends only on how far apart their
    positions are. Source: Su et al. (2021), "RoFormer", equation 34, but with pairs taken across the two halves, as in
    the Llama weights on the Hugging Face hub.

    >>> cos, sin = rotary_cos_sin(torch.tensor([[1]]), torch.tensor([torch.pi / 2]))
    >>> rotate(torch.tensor([[[[1.0, 0.0]]]]), cos[:, None], sin[:, None]).round(decimals=3)
    tensor([[[[-0., 1.]]]])
    """
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def split_from_interleaved(d_head: int) -> Int[Tensor, " d_head"]:
    """Return, for each channel in the split layout of rotary pairs, its index in the interleaved layout.

    We rotate channel i together with i + d_head/2 (split, as on the Hugging Face hub); the RoFormer paper, Meta's Llama
    files and llama.cpp rotate the neighbouring channels 2i and 2i + 1 (interleaved). The layouts differ by this
    permutation of the query and key channels: `split = interleaved[..., split_from_interleaved(d_head)]`, and the
    `argsort()` of the permutation converts back. Raises `ValueError` for an odd `d_head`.

    >>> split_from_interleaved(6)
    tensor([0, 2, 4, 1, 3, 5])
    """
    if d_head % 2:
        raise ValueError(f"Rotary positions rotate pairs of channels, so d_head must be even, got {d_head}.")
    return torch.arange(d_head).reshape(-1, 2).T.flatten()


def split_heads_from_interleaved(
    weight: Float[Tensor, "rows *columns"], n_heads: int
) -> Float[Tensor, "rows *columns"]:
    """Reorder the rows of a query or key weight (or bias) from the interleaved to the split layout of rotary pairs.

    Raises `ValueError` if the rows cannot be split into `n_heads` heads with the same, even number of rows.

    >>> split_heads_from_interleaved(torch.arange(8.0), n_heads=2)
    tensor([0., 2., 1., 3., 4., 6., 5., 7.])
    """
    if len(weight) % (2 * n_heads):
        raise ValueError(
            f"{len(weight)} rows cannot be split into n_heads={n_heads} heads: each head needs the same number of "
            "rows, and that number must be even."
        )
    d_head = len(weight) // n_heads
    return weight.unflatten(0, (n_heads, d_head))[:, split_from_interleaved(d_head)].flatten(0, 1)


def llama3_rope_factors(
    d_head: int,
    theta: float,
    factor: float,
    low_freq_factor: float,
    high_freq_factor: float,
    original_max_seq_len: int,
) -> tuple[float, ...]:
    """Return the numbers by which Llama 3 divides the rotary frequencies for a longer context.

    The frequencies of slow rotations are divided by `factor`, and those of fast rotations do not change. A rotation is
    slow if its wavelength is longer than `original_max_seq_len / low_freq_factor` positions, and fast if its wavelength
    is shorter than `original_max_seq_len / high_freq_factor`; in between, the frequency is a blend of the divided
    frequency and the unchanged one.
    Source: Llama Team (2024), "The Llama 3 Herd of Models", and its reference code. Raises `ValueError` for settings
    that are not positive, or for a `high_freq_factor` that is not greater than `low_freq_factor`.

    >>> [round(f, 2) for f in llama3_rope_factors(8, 10_000.0, 8.0, 1.0, 4.0, 256)]
    [1.0, 1.0, 8.0, 8.0]
    """
    if not (0 < factor < math.inf and 0 < low_freq_factor < high_freq_factor < math.inf and original_max_seq_len > 0):
        raise ValueError(
            "Llama 3's frequency scaling needs factor > 0, 0 < low_freq_factor < high_freq_factor and "
            f"original_max_seq_len > 0; got factor={factor}, low_freq_factor={low_freq_factor}, "
            f"high_freq_factor={high_freq_factor} and original_max_seq_len={original_max_seq_len}."
        )
    factors = []
    for frequency in rotary_frequencies(d_head, theta).tolist():
        turns = original_max_seq_len * frequency / (2 * math.pi)  # number of full turns within the original context
        blend = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor)
        blend = min(max(blend, 0.0), 1.0)
        factors.append(1 / ((1 - blend) / factor + blend))
    return tuple(factors)


def linear_rope_factors(d_head: int, factor: float | int) -> tuple[float, ...]:
    """Return divisors for the rotary frequencies, to squeeze a longer context into the angles of the old context.

    The new context is `factor` times as long. This is position interpolation: position 2000 of 4000 is rotated by the
    same angles as position 1000 of 2000 was, so the model sees no new angles, but the angles of neighbouring positions
    are closer together than in training. Source: Chen et al. (2023), "Extending Context Window of Large Language Models
    via Positional Interpolation". Raises `ValueError` for a factor below 1.

    >>> linear_rope_factors(8, 2.0)
    (2.0, 2.0, 2.0, 2.0)
    """
    _check_stretch(d_head, factor)
    return (float(factor),) * (d_head // 2)


def ntk_rope_factors(d_head: int, factor: float | int) -> tuple[float, ...]:
    """Return divisors for the rotary frequencies, to slow down mainly the slow rotations for a longer context.

    The slowest rotation is slowed down by `factor`, the fastest rotation not at all, and the others by amounts in
    between. Fast rotations distinguish neighbouring positions, so they stay as they are. Slow rotations show where in a
    long text a position is, and only slow rotations would reach angles that the model has never seen. This is the same
    as multiplying the base theta by factor^(d_head / (d_head - 2)). Source: bloc97 (2023), "NTK-Aware Scaled RoPE", as
    described in Peng et al. (2023), "YaRN", section 3.1. Raises `ValueError` for a factor below 1.

    >>> [round(divisor, 2) for divisor in ntk_rope_factors(8, 8.0)]
    [1.0, 2.0, 4.0, 8.0]
    """
    _check_stretch(d_head, factor)
    slowest = max(d_head // 2 - 1, 1)
    return tuple(float(factor ** (pair / slowest)) for pair in range(d_head // 2))


def _check_stretch(d_head: int, factor: float | int) -> None:
    if d_head % 2 or not 1 <= factor < math.inf:
        raise ValueError(
            "To stretch the context, d_head must be even and factor at least 1 (and finite), "
            f"got d_head={d_head} and factor={factor}."
        )


def _angles(positions: Tensor, frequencies: Tensor) -> Tensor:
    return einsum(positions.float(), frequencies.to(positions.device), "..., pair -> ... pair")

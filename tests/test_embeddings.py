"""Positions against `transformers` and against what the papers promise."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.embeddings import (
    llama3_rope_factors,
    rotary_cos_sin,
    rotary_frequencies,
    rotate,
    sinusoidal_positions,
)


def rotated(x, position, frequencies):
    cos, sin = rotary_cos_sin(torch.tensor([[position]]), frequencies)
    return rotate(x[None, None, None], cos[:, None], sin[:, None])[0, 0, 0]


@given(pairs=st.integers(1, 16), seed=st.integers(0, 999), m=st.integers(0, 500), n=st.integers(0, 500))
def test_rotated_dot_products_depend_on_the_distance_alone(pairs, seed, m, n):
    q, k = torch.randn(2, 2 * pairs, generator=torch.Generator().manual_seed(seed))
    frequencies = rotary_frequencies(2 * pairs)
    here = rotated(q, m, frequencies) @ rotated(k, n, frequencies)
    moved = rotated(q, m + 37, frequencies) @ rotated(k, n + 37, frequencies)
    torch.testing.assert_close(here, moved, atol=5e-3, rtol=1e-3)


@given(pairs=st.integers(1, 16), seed=st.integers(0, 999), position=st.integers(0, 5000))
def test_rotation_keeps_lengths(pairs, seed, position):
    x = torch.randn(2 * pairs, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(rotated(x, position, rotary_frequencies(2 * pairs)).norm(), x.norm())


def test_rotation_equals_transformers():
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    q, k = torch.randn(2, 3, 4, 10, 8, generator=torch.Generator().manual_seed(0))
    cos, sin = rotary_cos_sin(torch.arange(10)[None], rotary_frequencies(8, theta=500.0))
    expected_q, expected_k = apply_rotary_pos_emb(q, k, cos, sin)
    torch.testing.assert_close(rotate(q, cos[:, None], sin[:, None]), expected_q)
    torch.testing.assert_close(rotate(k, cos[:, None], sin[:, None]), expected_k)


def test_llama3_factors_equal_transformers():
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 512}
    config = LlamaConfig(
        hidden_size=128, num_attention_heads=2, max_position_embeddings=4096,
        rope_parameters={"rope_type": "llama3", "rope_theta": 10_000.0, **scaling},
    )  # fmt: skip
    factors = llama3_rope_factors(64, 10_000.0, 8.0, 1.0, 4.0, 512)
    assert factors[0] == 1.0
    assert factors[-1] == 8.0
    torch.testing.assert_close(rotary_frequencies(64, 10_000.0, factors), LlamaRotaryEmbedding(config).inv_freq)


def test_sinusoidal_positions_are_the_papers_formula():
    table = sinusoidal_positions(torch.arange(50), 6)
    for position in (0, 1, 7, 49):
        for pair in range(3):
            angle = torch.tensor(position / 10_000 ** (2 * pair / 6))
            torch.testing.assert_close(table[position, 2 * pair], angle.sin(), atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(table[position, 2 * pair + 1], angle.cos(), atol=1e-5, rtol=1e-5)


def test_odd_widths_are_refused():
    with pytest.raises(ValueError, match="must be even, got 5"):
        rotary_frequencies(5)
    with pytest.raises(ValueError, match="even"):
        sinusoidal_positions(torch.arange(3), 3)

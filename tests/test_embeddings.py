"""Embeddings and positions agree with torch, with `transformers` and with the papers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from llmlib.embeddings import (
    analogy,
    cosine_similarity,
    embed,
    linear_rope_factors,
    llama3_rope_factors,
    nearest,
    ntk_rope_factors,
    project,
    rotary_cos_sin,
    rotary_frequencies,
    rotate,
    sinusoidal_positions,
    split_from_interleaved,
)


def rotated(x, position, frequencies):
    cos, sin = rotary_cos_sin(torch.tensor([[position]]), frequencies)
    return rotate(x[None, None, None], cos[:, None], sin[:, None])[0, 0, 0]


@given(pairs=st.integers(1, 16), seed=st.integers(0, 999), m=st.integers(0, 500), n=st.integers(0, 500))
def test_dot_products_after_rotation_depend_only_on_the_distance(pairs, seed, m, n):
    q, k = torch.randn(2, 2 * pairs, generator=torch.Generator().manual_seed(seed))
    frequencies = rotary_frequencies(2 * pairs)
    here = rotated(q, m, frequencies) @ rotated(k, n, frequencies)
    moved = rotated(q, m + 37, frequencies) @ rotated(k, n + 37, frequencies)
    torch.testing.assert_close(here, moved, atol=5e-3, rtol=1e-3)


@given(pairs=st.integers(1, 16), seed=st.integers(0, 999), position=st.integers(0, 5000))
def test_rotation_keeps_lengths(pairs, seed, position):
    x = torch.randn(2 * pairs, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(rotated(x, position, rotary_frequencies(2 * pairs)).norm(), x.norm())


@given(pairs=st.integers(1, 16), seed=st.integers(0, 99), position=st.integers(0, 50))
def test_both_layouts_of_rotary_pairs_give_the_same_rotation(pairs, seed, position):
    """The interleaved channels 2i and 2i + 1 form a complex number, which is rotated (RoFormer, equation 34)."""
    x, frequencies = (
        torch.randn(2 * pairs, generator=torch.Generator().manual_seed(seed)),
        rotary_frequencies(2 * pairs),
    )
    turned = torch.view_as_complex(x.reshape(-1, 2)) * torch.polar(torch.ones(pairs), position * frequencies)
    order = split_from_interleaved(2 * pairs)
    torch.testing.assert_close(
        rotated(x[order], position, frequencies), torch.view_as_real(turned).flatten()[order], atol=1e-5, rtol=1e-4
    )
    assert torch.equal(x[order][order.argsort()], x)


def test_rotation_matches_that_of_transformers():
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    q, k = torch.randn(2, 3, 4, 10, 8, generator=torch.Generator().manual_seed(0))
    cos, sin = rotary_cos_sin(torch.arange(10)[None], rotary_frequencies(8, theta=500.0))
    expected_q, expected_k = apply_rotary_pos_emb(q, k, cos, sin)
    torch.testing.assert_close(rotate(q, cos[:, None], sin[:, None]), expected_q)
    torch.testing.assert_close(rotate(k, cos[:, None], sin[:, None]), expected_k)


def test_llama3_factors_give_the_same_frequencies_as_transformers():
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 512}
    config = LlamaConfig(
        hidden_size=128,
        num_attention_heads=2,
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "llama3", "rope_theta": 10_000.0, **scaling},
    )
    factors = llama3_rope_factors(64, 10_000.0, 8.0, 1.0, 4.0, 512)
    assert factors[0] == 1.0
    assert factors[-1] == 8.0
    torch.testing.assert_close(rotary_frequencies(64, 10_000.0, factors), LlamaRotaryEmbedding(config).inv_freq)


@pytest.mark.parametrize(
    ("kind", "factor", "length"), [("linear", 4.0, 512), ("dynamic", 4.0, 512), ("dynamic", 2.0, 1536)]
)
def test_factors_for_longer_contexts_give_the_same_frequencies_as_transformers(kind, factor, length):
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = LlamaConfig(
        hidden_size=128,
        num_attention_heads=2,
        max_position_embeddings=512,
        rope_parameters={"rope_type": kind, "rope_theta": 10_000.0, "factor": factor},
    )
    if kind == "linear":
        inverse, ours = LlamaRotaryEmbedding(config).inv_freq, linear_rope_factors(64, factor)
    else:  # the stretch depends on the length of the text; for the original context length it is 1
        inverse, _ = ROPE_INIT_FUNCTIONS["dynamic"](config, torch.device("cpu"), seq_len=length)
        ours = ntk_rope_factors(64, factor * length / 512 - (factor - 1))
    torch.testing.assert_close(rotary_frequencies(64, 10_000.0, ours), inverse)


@pytest.mark.parametrize("factor", [0.5, float("inf")])
def test_stretch_factors_below_1_and_infinite_ones_are_refused(factor):
    for function in (linear_rope_factors, ntk_rope_factors):
        with pytest.raises(ValueError, match="factor at least 1"):
            function(8, factor)
    assert ntk_rope_factors(2, 4.0) == (1.0,)


def test_sinusoidal_positions_follow_the_papers_formula():
    table = sinusoidal_positions(torch.arange(50), 6)
    for position in (0, 1, 7, 49):
        for pair in range(3):
            angle = torch.tensor(position / 10_000 ** (2 * pair / 6))
            torch.testing.assert_close(table[position, 2 * pair], angle.sin(), atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(table[position, 2 * pair + 1], angle.cos(), atol=1e-5, rtol=1e-5)


def test_positions_may_have_any_shape():
    table = sinusoidal_positions(torch.arange(12), 4)
    assert torch.equal(sinusoidal_positions(torch.tensor(7), 4), table[7])
    assert torch.equal(sinusoidal_positions(torch.arange(12).reshape(3, 2, 2), 4), table.reshape(3, 2, 2, 4))


def test_odd_widths_are_refused():
    with pytest.raises(ValueError, match="must be even, got 5"):
        rotary_frequencies(5)
    with pytest.raises(ValueError, match="even"):
        sinusoidal_positions(torch.arange(3), 3)


def random_table(rows, width, seed=0):
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def test_an_embedding_is_a_one_hot_vector_times_the_table():
    table, ids = random_table(7, 3), torch.tensor([[0, 6, 2], [2, 2, 5]])
    torch.testing.assert_close(embed(ids, table), F.one_hot(ids, 7).float() @ table)
    torch.testing.assert_close(embed(ids, table), F.embedding(ids, table))
    assert embed(torch.tensor([3]), table).shape == (1, 3)


@given(left=st.integers(1, 6), right=st.integers(1, 6), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_cosines_match_those_of_torch(left, right, width, seed):
    x, y = random_table(left, width, seed), random_table(right, width, seed + 1)
    x[0] *= seed % 2  # sometimes a row of zeros
    torch.testing.assert_close(cosine_similarity(x, y), F.cosine_similarity(x[:, None], y[None], dim=-1))


@pytest.mark.parametrize("by", ["cosine", "dot", "distance"])
@given(rows=st.integers(1, 12), k=st.integers(0, 15), seed=st.integers(0, 99))
def test_nearest_gives_the_same_result_as_sorting_the_whole_table(by, rows, k, seed):
    table, query = random_table(rows, 4, seed), random_table(1, 4, seed + 1)[0]
    exclude = [0, 0] if seed % 3 == 0 else []
    similarity = {
        "cosine": F.cosine_similarity(table, query[None]),
        "dot": table @ query,
        "distance": -(table - query).norm(dim=1),
    }[by].tolist()
    order = sorted(set(range(rows)) - set(exclude), key=lambda id: -similarity[id])[:k]
    ids, found = nearest(query, table, k, by, exclude)
    assert ids.tolist() == order
    torch.testing.assert_close(found, torch.tensor([similarity[id] for id in order]))


def test_an_unknown_measure_is_refused():
    with pytest.raises(ValueError, match="'cosine', 'dot' or 'distance'"):
        nearest(torch.ones(2), torch.ones(3, 2), by="angle")


def test_an_analogy_leaves_out_its_inputs_and_ignores_the_lengths_of_vectors():
    table = random_table(20, 5)
    ids, cosines = analogy(3, 8, 1, table, k=20)
    assert sorted(ids.tolist()) == sorted(set(range(20)) - {1, 3, 8})
    assert cosines.tolist() == sorted(cosines.tolist(), reverse=True)
    longer = table * torch.linspace(0.1, 9, 20)[:, None]
    assert analogy(3, 8, 1, longer, k=20)[0].tolist() == ids.tolist()


@given(rows=st.integers(2, 30), width=st.integers(1, 8), seed=st.integers(0, 99))
def test_projection_agrees_with_the_singular_value_decomposition(rows, width, seed):
    vectors = random_table(rows, width, seed) * torch.linspace(3, 1, width) + 7
    dims = min(2, width)
    points, share = project(vectors, dims)
    _, values, directions = np.linalg.svd((vectors - vectors.mean(0)).double().numpy(), full_matrices=False)
    squares = np.zeros(width)
    squares[: len(values)] = values**2
    np.testing.assert_allclose(share.numpy(), (squares / squares.sum())[:dims], atol=1e-4)
    expected = (vectors - vectors.mean(0)).double().numpy() @ directions.T
    kept = min(dims, len(values))
    np.testing.assert_allclose((points**2).sum(0).numpy()[:kept], (expected**2).sum(0)[:kept], rtol=1e-3, atol=1e-4)


def test_projection_does_not_depend_on_the_sign_of_the_eigenvectors(monkeypatch):
    vectors = random_table(40, 6)
    points, _ = project(vectors, 3)
    eigh = torch.linalg.eigh
    signs = torch.tensor([1, -1, 1, -1, 1, -1])
    monkeypatch.setattr(torch.linalg, "eigh", lambda matrix: (eigh(matrix)[0], eigh(matrix)[1] * signs))
    torch.testing.assert_close(project(vectors, 3)[0], points)
    centred = vectors - vectors.mean(0)
    directions = torch.linalg.lstsq(centred, points).solution
    assert (directions.gather(0, directions.abs().argmax(0, keepdim=True)) > 0).all()


def test_equal_vectors_are_projected_onto_the_same_point():
    points, share = project(torch.ones(5, 4), 2)
    assert (points == 0).all()
    assert (share == 0).all()
    with pytest.raises(ValueError, match=r"dims must be between 1 and 4"):
        project(torch.ones(5, 4), 5)

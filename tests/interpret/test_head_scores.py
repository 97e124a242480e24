"""Scores of heads match their definitions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.attention import causal_mask
from llmlib.interpret import head_scores


def reference_scores(pattern, ids):
    """Compute the scores cell by cell, as they are defined."""
    n = len(ids)
    rows = [[pattern[i][j] for j in range(n)] for i in range(n)]

    def mean(values):
        return sum(values) / len(values) if values else 0.0

    def share(keys_of):
        chosen = [(i, keys_of(i)) for i in range(n)]
        return mean([sum(rows[i][j] for j in keys) for i, keys in chosen if keys])

    return {
        "previous_token_score": share(lambda i: [i - 1] if i else []),
        "first_token_score": share(lambda i: [0] if i else []),
        "duplicate_token_score": share(lambda i: [j for j in range(i) if ids[j] == ids[i]]),
        "induction_score": share(lambda i: [j + 1 for j in range(i - 1) if ids[j] == ids[i]]),
        "distance": mean([sum(p * abs(i - j) for j, p in enumerate(row)) for i, row in enumerate(rows)]),
        "entropy": mean([sum(-p * torch.tensor(p).log().item() for p in row if p > 0) for row in rows]),
    }


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 1000), st.booleans())
def test_scores_match_their_definitions(n, vocab, seed, causal):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, n, n, generator=generator)
    pattern = (scores.masked_fill(~causal_mask(n, n), -torch.inf) if causal else scores).softmax(-1)
    ids = torch.randint(vocab, (n,), generator=generator)
    for head in range(3):
        for name, expected in reference_scores(pattern[head].tolist(), ids.tolist()).items():
            arguments = (ids,) if name in ("duplicate_token_score", "induction_score") else ()
            found = getattr(head_scores, name)(pattern, *arguments)
            assert found.shape == (3,)
            assert found[head].item() == pytest.approx(expected, abs=1e-5), name


def test_scores_of_the_last_queries_agree_with_the_whole_pattern(model):
    pattern, ids = torch.rand(2, 8, 8).tril(), torch.tensor([1, 2, 3, 1, 2, 3, 1, 2])
    pattern[:, :5] = 0
    scale = 3 / 8
    torch.testing.assert_close(head_scores.distance(pattern[:, 5:]) * scale, head_scores.distance(pattern))
    assert head_scores.induction_score(pattern[:, 5:], ids).shape == (2,)
    with pytest.raises(ValueError, match="8 keys, but there are 3 ids"):
        head_scores.induction_score(pattern, ids[:3])


def test_a_perfect_head_of_each_kind_scores_one():
    ids, n = torch.tensor([1, 2, 3, 1, 2, 3]), 6
    eye = torch.eye(n)
    previous = torch.cat([eye[:1], eye[:-1]])
    assert head_scores.previous_token_score(previous) == 1
    assert head_scores.first_token_score(eye[torch.zeros(n, dtype=torch.long)]) == 1
    assert head_scores.duplicate_token_score(eye[[0, 1, 2, 0, 1, 2]], ids) == 1
    assert head_scores.induction_score(eye[[0, 1, 2, 1, 2, 3]], ids) == 1
    assert head_scores.entropy(eye) == 0
    assert head_scores.distance(eye) == 0


@given(st.integers(1, 4), st.integers(1, 6), st.floats(0, 1))
def test_rollout_is_a_distribution_and_the_product_of_all_layers(n_layers, n, residual):
    generator = torch.Generator().manual_seed(n)
    patterns = torch.rand(n_layers, 2, n, n, generator=generator).tril().add(1e-3).tril()
    patterns /= patterns.sum(-1, keepdim=True)
    flow = head_scores.rollout(patterns, residual)
    torch.testing.assert_close(flow.sum(-1), torch.ones(n_layers, n))
    product = torch.eye(n)
    for layer in range(n_layers):
        product = ((1 - residual) * patterns[layer].mean(0) + residual * torch.eye(n)) @ product
    torch.testing.assert_close(flow[-1], product)


def test_rollout_refuses_invalid_arguments():
    with pytest.raises(ValueError, match="as many queries as keys"):
        head_scores.rollout(torch.rand(1, 1, 2, 3))
    with pytest.raises(ValueError, match="between 0 and 1"):
        head_scores.rollout(torch.rand(1, 1, 2, 2), residual_share=2.0)

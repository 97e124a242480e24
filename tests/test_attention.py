"""Attention gives the same results as torch's own functions, on both of its paths."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from llmlib.attention import (
    Attention,
    KVCache,
    attention_pattern,
    attention_scores,
    causal_mask,
    merge_heads,
    online_softmax,
    scaled_dot_product_attention,
    share_heads,
    softmax,
    split_heads,
)
from llmlib.embeddings import rotary_cos_sin, rotary_frequencies
from llmlib.transformer import TransformerConfig


def randn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def config(**changes):
    return TransformerConfig(
        **{"vocab_size": 7, "max_seq_len": 32, "d_model": 24, "n_layers": 1, "n_heads": 4, **changes}
    )


def attention(seed=0, **changes):
    layer = Attention(config(**changes))
    for number, parameter in enumerate(layer.parameters()):
        parameter.data = randn(*parameter.shape, seed=seed + number) * 0.3
    return layer


@given(n_query=st.integers(1, 9), extra=st.integers(0, 9), window=st.none() | st.integers(1, 12))
def test_causal_mask_follows_its_definition(n_query, extra, window):
    n_key = n_query + extra
    mask = causal_mask(n_query, n_key, window)
    for row in range(n_query):
        position = extra + row
        for key in range(n_key):
            allowed = key <= position and (window is None or position - key < window)
            assert mask[row, key].item() == allowed


@given(
    batch=st.integers(1, 3),
    head=st.integers(1, 3),
    n_query=st.integers(1, 6),
    extra=st.integers(0, 5),
    d_head=st.integers(1, 9),
    seed=st.integers(0, 999),
    masked=st.booleans(),
)
def test_scaled_dot_product_attention_matches_that_of_torch(batch, head, n_query, extra, d_head, seed, masked):
    n_key = n_query + extra
    q = randn(batch, head, n_query, d_head, seed=seed)
    k, v = randn(2, batch, head, n_key, d_head, seed=seed + 1)
    mask = causal_mask(n_query, n_key) if masked else None
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(scaled_dot_product_attention(q, k, v, mask), expected, atol=1e-5, rtol=1e-5)


@given(
    batch=st.lists(st.integers(1, 3), max_size=3),
    n_query=st.integers(1, 5),
    extra=st.integers(0, 4),
    d_head=st.integers(1, 5),
    d_value=st.integers(1, 5),
    kind=st.sampled_from(["none", "plain", "own"]),
)
def test_any_leading_axes_are_allowed_as_in_torch(batch, n_query, extra, d_head, d_value, kind):
    n_key = n_query + extra
    q, k, v = (
        randn(*batch, n_query, d_head),
        randn(*batch, n_key, d_head, seed=1),
        randn(*batch, n_key, d_value, seed=2),
    )
    own = (randn(*batch, n_query, n_key, seed=3) > 0) | causal_mask(n_query, n_key)
    mask = {"none": None, "plain": causal_mask(n_query, n_key), "own": own}[kind]
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(scaled_dot_product_attention(q, k, v, mask), expected, atol=1e-5, rtol=1e-5)
    assert attention_pattern(attention_scores(q, k), mask).shape == (*batch, n_query, n_key)


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 99), scale=st.sampled_from([1, 900])
)
def test_softmax_follows_its_definition_on_every_axis(sizes, seed, scale):
    x = randn(*sizes, seed=seed, dtype=torch.float64) * scale
    for dim in range(len(sizes)):
        weights = (x - x.amax(dim, keepdim=True)).exp()
        torch.testing.assert_close(softmax(x, dim), weights / weights.sum(dim, keepdim=True))


def test_a_query_without_allowed_keys_gets_zeros():
    mask = causal_mask(3, 3).clone()
    mask[1] = False
    pattern = attention_pattern(randn(2, 2, 3, 3), mask)
    assert (pattern[:, :, 1] == 0).all()
    torch.testing.assert_close(pattern.sum(-1)[:, :, [0, 2]], torch.ones(2, 2, 2))


def test_scores_are_divided_by_the_square_root_of_the_head_width():
    q, k = randn(2, 1, 1, 4, 64)
    torch.testing.assert_close(attention_scores(q, k), q @ k.transpose(-1, -2) / 8)


def test_the_pattern_is_right_even_for_huge_scores():
    scores = torch.tensor([[[[1e30, -1e30], [3e38, 3e38]]]])
    torch.testing.assert_close(attention_pattern(scores), torch.tensor([[[[1.0, 0.0], [0.5, 0.5]]]]))


@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
@pytest.mark.parametrize("n_tokens", [1, 2, 13])
def test_the_fast_and_the_explicit_path_agree(n_kv_heads, n_tokens):
    layer = attention(n_kv_heads=n_kv_heads)
    x = randn(2, n_tokens, 24, seed=5)
    fast = layer(x)
    seen = []
    handle = layer.hook_pattern.add_hook(lambda pattern: seen.append(pattern))
    explicit = layer(x)
    handle.remove()
    assert len(seen) == 1
    assert seen[0].shape == (2, 4, n_tokens, n_tokens)
    torch.testing.assert_close(fast, explicit, atol=1e-5, rtol=1e-5)


def test_grouped_queries_share_the_keys_and_values_of_their_group():
    grouped = attention(n_kv_heads=2)
    full = attention(n_kv_heads=4)
    full.load_state_dict(
        {
            name: value.unflatten(0, (2, 6)).repeat_interleave(2, 0).flatten(0, 1)
            if name[:3] in ("key", "val")
            else value
            for name, value in grouped.state_dict().items()
        }
    )
    x = randn(1, 6, 24, seed=1)
    torch.testing.assert_close(grouped(x), full(x), atol=1e-5, rtol=1e-5)


def test_attention_matches_torchs_multihead_attention():
    layer = attention(qkv_bias=True, output_bias=True)
    theirs = torch.nn.MultiheadAttention(24, 4, batch_first=True)
    theirs.in_proj_weight.data = torch.cat([layer.query.weight, layer.key.weight, layer.value.weight]).detach()
    theirs.in_proj_bias.data = torch.cat([layer.query.bias, layer.key.bias, layer.value.bias]).detach()
    theirs.out_proj.load_state_dict(layer.output.state_dict())
    x = randn(3, 5, 24, seed=2)
    expected, weights = theirs(x, x, x, attn_mask=~causal_mask(5, 5), average_attn_weights=False)
    seen = []
    layer.hook_pattern.add_hook(lambda pattern: seen.append(pattern))
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(seen[0], weights, atol=1e-5, rtol=1e-5)


def test_no_position_sees_a_later_one():
    layer = attention(n_kv_heads=2)
    x = randn(1, 8, 24, seed=3)
    changed = x.clone()
    changed[:, 5:] += 1.0
    difference = (layer(x) - layer(changed)).abs().amax(-1)[0]
    assert difference[:5].max() == 0
    assert (difference[5:] > 0).all()


@pytest.mark.parametrize("chunks", [[9], [1] * 9, [4, 5], [1, 7, 1]])
@pytest.mark.parametrize("watched", [False, True])
def test_a_cache_does_not_change_the_output_however_the_text_is_split(chunks, watched):
    layer = attention(n_kv_heads=2)
    rotation = rotary_cos_sin(torch.arange(9)[None], rotary_frequencies(6))
    rotation = tuple(r[:, None] for r in rotation)
    x = randn(2, 9, 24, seed=4)
    expected = layer(x, rotation)
    if watched:
        layer.hook_scores.add_hook(lambda scores: None)
    cache, start, parts = KVCache(2, 2, 12, 6), 0, []
    for size in chunks:
        piece = slice(start, start + size)
        with torch.no_grad():
            parts.append(layer(x[:, piece], tuple(r[:, :, piece] for r in rotation), None, cache, start))
        start += size
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["q", "k", "v", "scores", "pattern", "z"])
def test_a_hook_can_edit_the_value_at_every_hook_point(name):
    layer = attention()
    x = randn(1, 4, 24, seed=6)
    before = layer(x)
    handle = getattr(layer, f"hook_{name}").add_hook(lambda value: value * 0.5)
    assert not torch.allclose(layer(x), before)
    handle.remove()
    torch.testing.assert_close(layer(x), before)


@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
@pytest.mark.parametrize("n_tokens", [2, 33, 512, 513])
def test_outputs_and_gradients_in_bfloat16_are_close_to_float32(n_kv_heads, n_tokens):
    """Up to SHORT tokens we compute two products ourselves, and above that torch uses its fused kernel."""
    layer = attention(n_kv_heads=n_kv_heads, max_seq_len=600)
    x, towards = randn(2, n_tokens, 24, seed=8), randn(2, n_tokens, 24, seed=9)
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        layer.zero_grad()
        z = layer.to(dtype)(x.to(dtype))
        z.backward(towards.to(dtype))
        found.append([z.detach().float(), *(p.grad.float().clone() for p in layer.parameters())])
    for exact, rounded in zip(*found):
        assert (exact - rounded).norm() < 0.04 * exact.norm()


MASKS = {
    "padding after": lambda n, m: torch.arange(m) < torch.tensor([m, m - 3])[:, None],
    "padding before": lambda n, m: torch.arange(m) >= torch.tensor([0, m - n + 2])[:, None],
}


@pytest.mark.parametrize("n_kv_heads", [1, 4])
@pytest.mark.parametrize(("n_query", "n_key"), [(9, 40), (40, 40), (33, 512), (33, 513)])
@pytest.mark.parametrize("kind", ["none", *MASKS])
def test_outputs_and_gradients_in_bfloat16_with_a_mask_are_close_to_float32(kind, n_kv_heads, n_query, n_key):
    """A query that is itself padding may not attend to anything. Its gradients are 0, not NaN."""
    layer = attention(n_kv_heads=n_kv_heads, max_seq_len=600)
    mask = None if kind == "none" else causal_mask(n_query, n_key) & MASKS[kind](n_query, n_key)[:, None, None]
    assert (kind == "padding before") == (mask is not None and not mask.any(-1).all())
    q = randn(2, 4, n_query, 6, seed=1)
    k, v = randn(2, 2, n_kv_heads, n_key, 6, seed=2)
    towards, found = randn(2, 4, n_query, 6, seed=3), []
    for dtype, attend in ((torch.float32, layer._explicit), (torch.bfloat16, layer._fast)):
        leaves = [x.to(dtype).requires_grad_() for x in (q, k, v)]
        z = attend(*leaves, mask)
        found.append([z.detach().float(), *(g.float() for g in torch.autograd.grad(z, leaves, towards.to(dtype)))])
    for exact, rounded in zip(*found):
        assert (exact - rounded).norm() < 0.02 * exact.norm()
        assert torch.equal(exact.abs().amax(-1) == 0, rounded.abs().amax(-1) == 0)


def test_bfloat16_input_gives_bfloat16_output_close_to_float32():
    layer = attention(n_kv_heads=2)
    x = randn(1, 6, 24, seed=7)
    expected = layer(x)
    found = layer.bfloat16()(x.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.1, rtol=0.1)


@pytest.mark.cuda
@pytest.mark.parametrize("n_kv_heads", [4, 1])
def test_results_on_cuda_match_those_on_the_cpu(n_kv_heads):
    layer = attention(n_kv_heads=n_kv_heads)
    x = randn(2, 7, 24, seed=8)
    expected = layer(x)
    torch.testing.assert_close(layer.cuda()(x.cuda()).cpu(), expected, atol=1e-4, rtol=1e-4)


@given(batch=st.integers(1, 3), seq=st.integers(1, 5), n_heads=st.integers(1, 4), d_head=st.integers(1, 4))
def test_heads_are_blocks_of_channels_and_merging_undoes_splitting(batch, seq, n_heads, d_head):
    x = randn(batch, seq, n_heads * d_head)
    heads = split_heads(x, n_heads)
    for head in range(n_heads):
        torch.testing.assert_close(heads[:, head], x[:, :, head * d_head : (head + 1) * d_head])
    torch.testing.assert_close(merge_heads(heads), x)


def test_neighbouring_query_heads_share_keys_and_values():
    kv = randn(2, 3, 4, 5)
    torch.testing.assert_close(share_heads(kv, 6), kv.repeat_interleave(2, dim=1))
    torch.testing.assert_close(share_heads(kv, 3), kv)


@given(
    n_query=st.integers(1, 4),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    seed=st.integers(0, 99),
    scale=st.sampled_from([1.0, 30.0, 1000.0]),
)
def test_online_softmax_equals_softmax_however_the_keys_are_split(n_query, sizes, seed, scale):
    scores, values = randn(n_query, sum(sizes), seed=seed) * scale, randn(sum(sizes), 3, seed=seed + 1)
    blocks = zip(scores.split(sizes, dim=1), values.split(sizes))  # an iterator: each block can be read only once
    torch.testing.assert_close(online_softmax(blocks), scores.softmax(-1) @ values, atol=1e-5, rtol=1e-4)


def test_online_softmax_accepts_masked_scores_and_keeps_the_dtype():
    scores = randn(3, 6, dtype=torch.float64).masked_fill(~causal_mask(3, 6), float("-inf"))
    values = randn(6, 2, seed=1, dtype=torch.float64)
    found = online_softmax([(scores[:, :2], values[:2]), (scores[:, 2:], values[2:])])
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, scores.softmax(-1) @ values)
    with pytest.raises(ValueError, match="at least one block"):
        online_softmax([])

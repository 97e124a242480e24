"""The small parts of a block follow their formulas and start with the right weights."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import BASE, KINDS, make
from torch.nn import functional as F

from llmlib.attention import Attention, causal_mask
from llmlib.layers import MLP, RMSNorm, gelu, rms_norm, silu, swiglu
from llmlib.transformer import Block, Transformer


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@given(shape=shapes, seed=st.integers(0, 99))
def test_the_nonlinearities_follow_their_formulas(shape, seed):
    x, gate = 3 * randn(*shape, seed=seed), 3 * randn(*shape, seed=seed + 1)
    sigmoid = 1 / (1 + (-x).exp())
    torch.testing.assert_close(silu(x), x * sigmoid)
    torch.testing.assert_close(gelu(x), x * (1 + torch.erf(x / math.sqrt(2))) / 2)
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    torch.testing.assert_close(gelu(x, approximate=True), x / 2 * (1 + inner.tanh()))
    torch.testing.assert_close(swiglu(gate, x), gate / (1 + (-gate).exp()) * x)


@given(shape=shapes, seed=st.integers(0, 99), eps=st.sampled_from([1e-6, 0.1]))
def test_rms_norm_follows_its_formula(shape, seed, eps):
    x, weight = randn(*shape, seed=seed), randn(shape[-1], seed=seed + 1)
    expected = x / ((x**2).mean(-1, keepdim=True) + eps).sqrt() * weight
    torch.testing.assert_close(rms_norm(x, weight, eps), expected)
    module = RMSNorm(shape[-1], eps).double()
    module.weight.data = weight
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("part", [Attention, MLP, Block, Transformer])
@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_determines_a_parts_weights_without_touching_the_global_generator(part, kind):
    before = torch.get_rng_state()
    weights = [part(KINDS[kind], seed=seed).state_dict() for seed in (3, 3, 4)]
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    matrices = [name for name, value in weights[0].items() if value.ndim == 2]
    assert all(not torch.equal(weights[0][name], weights[2][name]) for name in matrices)
    assert all(value.isfinite().all() for value in weights[0].values())


def test_matrices_that_write_to_the_residual_stream_start_with_smaller_weights():
    config = dataclasses.replace(BASE, n_layers=8, d_model=256, d_mlp=0, n_heads=4)
    block = Block(config)
    for small in (block.attention.output, block.mlp.down):
        assert small.weight.std().item() == pytest.approx(0.02 / 4, rel=0.02)
    assert block.mlp.up.weight.std().item() == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_alone_computes_the_same_as_in_a_model(kind):
    """The block applies positions, rotation and the window even outside a model."""
    model = make(kind)
    seen = []
    handles = [
        point.add_hook(lambda value: seen.append(value.clone()))
        for point in (model.blocks[1].hook_residual_pre, model.blocks[1].hook_residual_post)
    ]
    model(torch.arange(12)[None] % 31)
    for handle in handles:
        handle.remove()
    block = Block(model.config)
    block.load_state_dict(model.blocks[1].state_dict())
    torch.testing.assert_close(block(seen[0]), seen[1])


def test_attention_on_its_own_applies_rotation_and_the_window():
    config = KINDS["mistral"]
    alone = Attention(config)
    x = randn(1, 9, config.d_model, dtype=torch.float32)
    changed = x.clone()
    changed[:, 0] += 1
    difference = (alone(x) - alone(changed)).abs().amax(-1)[0]
    assert (difference[: config.sliding_window] > 0).all()
    assert (difference[config.sliding_window :] == 0).all()  # these positions cannot see the first one
    plain = Attention(dataclasses.replace(config, positions="none"))
    assert not torch.allclose(alone(x), plain(x))


def test_attention_on_its_own_continues_after_the_positions_in_its_cache():
    model = make("llama")
    layer, x = model.blocks[0].attention, randn(1, 7, model.config.d_model, dtype=torch.float32)
    cache = model.new_cache().layers[0]
    parts = [layer(x[:, :4], cache=cache), layer(x[:, 4:], cache=cache, start=4)]
    torch.testing.assert_close(torch.cat(parts, dim=1), layer(x), atol=1e-5, rtol=1e-5)


def test_attention_with_rotation_and_a_window_matches_torchs_own():
    config = KINDS["mistral"]
    layer, x = Attention(config, seed=1), randn(2, 9, config.d_model, dtype=torch.float32)
    seen = {}
    for name in ("q", "k", "v", "z"):
        getattr(layer, f"hook_{name}").add_hook(lambda value, name=name: seen.__setitem__(name, value))
    layer(x)
    mask = causal_mask(9, 9, config.sliding_window)
    expected = F.scaled_dot_product_attention(seen["q"], seen["k"], seen["v"], attn_mask=mask, enable_gqa=True)
    torch.testing.assert_close(seen["z"], expected)

"""The Transformer as a whole handles caches, padding, seeds and errors, and no position sees a later one."""

import dataclasses
import importlib.util
import itertools

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from needs import skip_or_fail
from small_models import BASE, KINDS, make, random_ids

from llmlib.interpret import trace, trace_bytes
from llmlib.transformer import Cache, Transformer, TransformerConfig, with_longer_context


@pytest.mark.parametrize("kind", KINDS)
def test_no_position_sees_a_later_one(kind):
    model, ids = make(kind), random_ids(2, 12)
    changed = ids.clone()
    changed[:, 8] = (changed[:, 8] + 1) % 31
    difference = (model(ids) - model(changed)).abs().amax(-1)
    assert difference[:, :8].max() == 0
    assert (difference[:, 8] > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunks", [[24], [23, 1], [10, 1, 1, 5, 7], [1] * 24])
def test_a_cache_does_not_change_the_logits(kind, chunks):
    model, ids = make(kind), random_ids(2, 24, seed=1)
    expected = model(ids)
    cache = model.new_cache(batch=2)
    with torch.no_grad():
        parts = [model(piece, cache=cache) for piece in ids.split(chunks, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefill", [[9], [4, 5], [1, 8]])
def test_left_padding_does_not_change_the_logits(kind, prefill):
    """Three texts in one batch, in chunks and then token by token, give the same logits as each text alone."""
    model = make(kind)
    lengths, pad = [9, 5, 1], 9
    texts = [random_ids(1, length + 4, seed=length) for length in lengths]
    padded = torch.zeros(3, pad + 4, dtype=torch.long)
    real = torch.ones(3, pad + 4, dtype=torch.bool)
    for row, (text, length) in enumerate(zip(texts, lengths)):
        padded[row, pad - length :] = text[0]
        real[row, : pad - length] = False
    whole = model(padded, attention_mask=real)
    cache, parts = model.new_cache(batch=3), []
    with torch.no_grad():
        for piece, mask in zip(padded[:, :pad].split(prefill, dim=1), real[:, :pad].split(prefill, dim=1)):
            parts.append(model(piece, cache=cache, attention_mask=mask))
        parts += [model(padded[:, [t]], cache=cache) for t in range(pad, pad + 4)]
    cached = torch.cat(parts, dim=1)
    for row, (text, length) in enumerate(zip(texts, lengths)):
        expected = model(text)[0]
        torch.testing.assert_close(whole[row, pad - length :], expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(cached[row, pad - length :], expected, atol=1e-4, rtol=1e-4)
    assert whole.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_watching_the_attention_pattern_does_not_change_the_logits(kind):
    model, ids = make(kind), random_ids(2, 12, seed=2)
    expected, seen = model(ids), []
    for block in model.blocks:
        block.attention.hook_pattern.add_hook(lambda pattern: seen.append(pattern))
    torch.testing.assert_close(model(ids), expected, atol=1e-5, rtol=1e-5)
    assert len(seen) == 3
    for pattern in seen:
        torch.testing.assert_close(pattern.sum(-1), torch.ones(2, 4, 12))


def test_every_stage_of_a_block_has_a_hook_point():
    block = Transformer(BASE).blocks[0]
    names = {name.split(".")[-1] for name, _ in block.named_modules() if "hook_" in name}
    assert names == {
        "hook_residual_pre",
        "hook_attention_out",
        "hook_residual_mid",
        "hook_mlp_out",
        "hook_residual_post",
        "hook_q",
        "hook_k",
        "hook_v",
        "hook_scores",
        "hook_pattern",
        "hook_z",
        "hook_activation",
    }


def test_the_residual_stream_is_the_embedding_plus_what_the_layers_write():
    model, seen = make("llama"), {}
    for name, module in model.named_modules():
        if "hook_" in name:
            module.add_hook(lambda value, name=name: seen.__setitem__(name, value))
    model(random_ids(1, 6))
    total = seen["hook_embed"]
    for layer in range(3):
        torch.testing.assert_close(seen[f"blocks.{layer}.hook_residual_pre"], total)
        total = total + seen[f"blocks.{layer}.hook_attention_out"] + seen[f"blocks.{layer}.hook_mlp_out"]
    torch.testing.assert_close(seen["blocks.2.hook_residual_post"], total)


@pytest.mark.slow
@given(kind=st.sampled_from(sorted(KINDS)), batch=st.integers(1, 3), seq=st.integers(1, 24))
def test_logits_have_the_right_shape_and_last_only_keeps_the_last_position(kind, batch, seq):
    model, ids = make(kind), random_ids(batch, seq, seed=seq)
    logits = model(ids)
    assert logits.shape == (batch, seq, 31)
    torch.testing.assert_close(model(ids, last_only=True), logits[:, -1:], atol=1e-5, rtol=1e-5)


def test_a_seed_determines_the_weights_without_touching_the_global_generator():
    before = torch.get_rng_state()
    first, same, other = Transformer(BASE, seed=1), Transformer(BASE, seed=1), Transformer(BASE, seed=2)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), same.parameters()))
    assert not torch.equal(first.embed.weight, other.embed.weight)


def test_untrained_models_predict_nearly_uniformly():
    loss = torch.nn.functional.cross_entropy(
        Transformer(BASE)(random_ids(4, 24)).flatten(0, 1), random_ids(4, 24, 9).flatten()
    )
    assert abs(loss.item() - torch.tensor(31.0).log().item()) < 0.1


@pytest.mark.slow
def test_a_model_learns_a_text():
    model, ids = Transformer(KINDS["llama"]), random_ids(1, 12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_an_interrupt_leaves_the_cache_as_it_was():
    model, ids = make("llama"), random_ids(1, 10)
    cache = model.new_cache()

    def interrupt(_):
        raise KeyboardInterrupt

    with torch.no_grad():
        model(ids[:, :6], cache=cache)
        handle = model.blocks[1].hook_residual_pre.add_hook(interrupt)
        with pytest.raises(KeyboardInterrupt):
            model(ids[:, 6:], cache=cache)
        handle.remove()
        assert cache.length == 6
        continued = model(ids[:, 6:], cache=cache)
    torch.testing.assert_close(continued, model(ids)[:, 6:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([[]], "at least one token"),
        ([[0, 31]], r"must be between 0 and 30 \(the vocabulary\), got 0 to 31"),
        ([[-1, 3]], "got -1 to 3"),
        ([[0] * 25], "25 tokens do not fit into this model's context of 24"),
    ],
)
def test_invalid_ids_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        make("gpt2")(torch.tensor(ids, dtype=torch.long))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ids": "meta"}, r"The model is on cpu, but ids is on meta. Move them: ids.to\(model.device\)"),
        ({"attention_mask": "meta"}, "but attention_mask is on meta. Move them"),
        ({"cache": "meta"}, r"but cache is on meta. Use model.new_cache\(\) instead"),
    ],
)
def test_tensors_on_a_different_device_from_the_model_are_refused(given, message):
    model = make("llama")
    on = {"ids": "cpu", "attention_mask": "cpu", "cache": "cpu", **given}
    cache = Cache(model.config, batch=2, device=on["cache"])
    mask = torch.ones(2, 5, dtype=torch.bool, device=on["attention_mask"])
    with pytest.raises(ValueError, match=message):
        model(random_ids(2, 5).to(on["ids"]), attention_mask=mask, cache=cache)


def test_a_text_longer_than_the_context_is_refused_even_where_ids_are_not_checked():
    """On a GPU, for example, a position that does not exist would stop the process."""
    model = Transformer(KINDS["gpt2"], device="meta")
    with pytest.raises(ValueError, match="25 tokens do not fit into this model's context of 24"):
        model(torch.zeros(1, 25, dtype=torch.long, device="meta"))


def test_a_mask_of_zeros_and_ones_works_like_a_boolean_mask():
    model, ids = make("llama"), random_ids(2, 5)
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    expected = model(ids, attention_mask=mask.bool())
    assert torch.equal(model(ids, attention_mask=mask), expected)
    torch.testing.assert_close(model(ids, attention_mask=mask, cache=model.new_cache(batch=2)), expected)


@pytest.mark.slow
def test_one_graph_serves_texts_of_every_length(monkeypatch):
    """`torch.compile` and `torch.export` each make one unbroken graph, which gives the same logits as the model."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # a dynamic length is a symbol, not a number
    model = Transformer(dataclasses.replace(KINDS["mistral"], n_layers=1)).eval()  # rotary, groups, a window
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=True)
    length = torch.export.Dim("seq", min=2, max=model.config.max_seq_len)
    with torch.no_grad():
        exported = torch.export.export(model, (random_ids(1, 12),), dynamic_shapes=({1: length},)).module()
        for seq in (12, 2, 24):
            ids = random_ids(1, seq, seed=seq)
            torch.testing.assert_close(compiled(ids), model(ids))
            torch.testing.assert_close(exported(ids), model(ids))
        mask = torch.arange(12)[None] >= 3
        torch.testing.assert_close(compiled(ids[:, :12], attention_mask=mask), model(ids[:, :12], attention_mask=mask))
        with pytest.raises(ValueError, match=r"must be between 0 and 30 \(the vocabulary\), got 31 to 31"):
            model(torch.tensor([[31]]))  # the check still works after a graph has been made


@pytest.mark.slow
def test_a_model_exported_to_onnx_gives_the_same_logits(monkeypatch):
    if not importlib.util.find_spec("onnxscript"):
        skip_or_fail("torch.onnx needs onnxscript, which is missing; it comes with pip install -e '.[dev]'")
    from onnx.reference import ReferenceEvaluator

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    model = Transformer(dataclasses.replace(KINDS["qwen3"], n_layers=1)).eval()
    lengths = ({1: torch.export.Dim("seq", min=2, max=model.config.max_seq_len)},)
    with torch.no_grad():
        exported = torch.onnx.export(
            model, (random_ids(1, 12),), dynamo=True, dynamic_shapes=lengths, input_names=["ids"], verbose=False
        )
        session = ReferenceEvaluator(exported.model_proto)
        for seq in (2, 24):
            ids = random_ids(1, seq, seed=seq)
            (logits,) = session.run(None, {"ids": ids.numpy()})
            torch.testing.assert_close(torch.from_numpy(logits), model(ids), atol=1e-4, rtol=1e-4)


def test_tokens_that_do_not_fit_into_the_cache_are_refused():
    model = make("gpt2")
    cache = model.new_cache(max_seq_len=4)
    model(random_ids(1, 3), cache=cache)
    with pytest.raises(ValueError, match="holds 3 of at most 4 tokens; 2 more do not fit"):
        model(random_ids(1, 2), cache=cache)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 30}, "cannot be divided evenly among n_heads=4"),
        ({"n_kv_heads": 3}, "not a multiple of n_kv_heads=3"),
        ({"n_layers": 0}, "n_layers must be at least 1"),
        ({"positions": "rotary", "d_head": 5}, "positions='rotary' .* d_head must be even, got d_head=5"),
        ({"rope_factors": (1.0,) * 4}, "rope_factors only work with rotary positions, got positions='learned'"),
        ({"positions": "sinusoidal", "d_model": 33, "d_head": 8}, "positions='sinusoidal' .* even, got d_model=33"),
        ({"n_kv_heads": -1}, "n_kv_heads must be at least 0"),
        ({"d_head": -2}, "d_head must be at least 0"),
        ({"d_mlp": -1}, "d_mlp must be at least 0"),
        ({"norm_eps": -1.0}, "norm_eps must be at least 0"),
        ({"norm_eps": float("nan")}, "norm_eps"),
        ({"rope_theta": 0.0}, "rope_theta must be greater than 0"),
        ({"sliding_window": 0}, "sliding_window must be at least 1, or None"),
        ({"positions": "rotary", "rope_factors": (1.0,)}, "rope_factors must be 4 positive numbers"),
        ({"positions": "rotary", "rope_factors": (1.0, 1.0, 0.0, 1.0)}, "rope_factors must be 4 positive"),
    ],
)
def test_invalid_configs_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(BASE, **{"d_head": 0, **changes})


def test_gpt2_small_has_the_published_number_of_parameters():
    config = TransformerConfig(
        50257, 1024, 768, 12, 12, mlp="gelu_tanh", qkv_bias=True, output_bias=True, mlp_bias=True
    )
    assert sum(p.numel() for p in Transformer(config, device="meta").parameters()) == 124_439_808


@pytest.mark.cuda
@pytest.mark.parametrize("kind", KINDS)
def test_results_on_cuda_match_those_on_the_cpu(kind):
    model, ids = make(kind), random_ids(2, 12)
    expected = model(ids)
    torch.testing.assert_close(model.cuda()(ids.cuda()).cpu(), expected, atol=1e-3, rtol=1e-3)


def test_an_attention_only_model_has_no_mlp():
    model = make("attention only")
    assert not [name for name, _ in model.named_parameters() if "mlp" in name]
    with trace(model) as t:
        model(random_ids(2, 7))
    assert trace_bytes(model, 2, 7)["mlp"] == 0
    for layer in range(3):
        assert t.mlp[layer].shape == (2, 7, 0)
        assert torch.equal(t.residual[layer] + t.attention_out[layer], t.residual[layer + 1])


@pytest.mark.slow
def test_models_run_with_every_combination_of_config_choices():
    for positions, norm, mlp, qk_norm in itertools.product(
        ["learned", "sinusoidal", "rotary", "none"],
        ["layernorm", "rmsnorm"],
        ["gelu", "gelu_tanh", "swiglu", "none"],
        [True, False],
    ):
        config = dataclasses.replace(BASE, positions=positions, norm=norm, mlp=mlp, qk_norm=qk_norm)
        assert Transformer(config)(random_ids(1, 3)).isfinite().all()


@pytest.mark.slow
def test_a_context_can_be_made_longer_without_training():
    model, ids = make("llama"), random_ids(1, 48)
    for how in ("none", "linear", "ntk"):
        longer = with_longer_context(model, 2, how)
        assert longer.config.max_seq_len == 48
        assert longer.embed.weight.data_ptr() == model.embed.weight.data_ptr()
        same = torch.allclose(longer(ids[:, :24]), model(ids[:, :24]), atol=1e-5)
        assert same == (how == "none")
        twice = with_longer_context(with_longer_context(model, 2, how), 1.5, how)
        torch.testing.assert_close(twice(ids), with_longer_context(model, 3, how)(ids))
    with pytest.raises(ValueError, match=r"positions must be 'rotary'.*got positions='learned'"):
        with_longer_context(make("gpt2"), 2)


@pytest.mark.parametrize(("kind", "how", "stretch"), [("linear", "linear", 3.0), ("dynamic", "ntk", 4.0)])
def test_logits_in_a_longer_context_match_those_of_transformers(kind, how, stretch, tmp_path):
    """In `transformers`, "dynamic" stretches by factor · length / context − (factor − 1).

    For 96 tokens, this is 3 · 96 / 48 − 2.
    """
    import transformers
    from reference_models import SMALL, edit_config, load

    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**SMALL, rope_parameters={"rope_type": kind, "rope_theta": 1e4, "factor": 3.0})
    ).eval()
    theirs.save_pretrained(tmp_path)
    edit_config(tmp_path, rope_parameters={"rope_type": "default", "rope_theta": 1e4})
    ids = torch.randint(67, (1, 96), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(ids).logits
        found = with_longer_context(load(tmp_path), stretch, how)(ids)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)

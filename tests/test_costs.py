"""The costs of a model agree with the model itself, with torch's FLOP counter and with what autograd keeps."""

import dataclasses

import pytest
import torch
from reference_models import FAMILIES, their_model
from small_models import KINDS
from torch.utils.flop_counter import FlopCounterMode

from llmlib.costs import count
from llmlib.transformer import Cache, Transformer, TransformerConfig

MORE = {
    **KINDS,
    "biases and swiglu": dataclasses.replace(KINDS["llama"], mlp_bias=True, qkv_bias=True, output_bias=True),
    "attention only, gpt2": dataclasses.replace(KINDS["gpt2"], mlp="none"),
}
every_kind = pytest.mark.parametrize("kind", MORE)


@every_kind
def test_parameter_counts_match_the_model(kind):
    model = Transformer(MORE[kind], device="meta")
    costs = count(MORE[kind])
    assert costs.parameters == sum(p.numel() for p in model.parameters())
    assert costs.parameters_of["attention"] == sum(
        p.numel() for name, p in model.named_parameters() if ".attention." in name
    )
    assert costs.parameters_of["MLPs"] == sum(p.numel() for name, p in model.named_parameters() if ".mlp." in name)


@pytest.mark.parametrize("family", FAMILIES)
def test_parameter_counts_match_those_of_models_from_transformers(family, tmp_path):
    from reference_models import load

    theirs = their_model(family)
    theirs.save_pretrained(tmp_path)
    assert count(load(tmp_path).config).parameters == sum(p.numel() for p in theirs.parameters())


@pytest.mark.slow
@every_kind
@pytest.mark.parametrize("seq_len", [2, 7, 24])
def test_flops_match_torchs_own_count(kind, seq_len):
    model = Transformer(MORE[kind])
    for block in model.blocks:
        # With a hook, attention uses plain products, which the counter can count on every device.
        block.attention.hook_pattern.add_hook(lambda _: None)
    ids = torch.zeros(2, seq_len, dtype=torch.long)
    with FlopCounterMode(display=False) as forward:
        logits = model(ids)
    assert forward.get_total_flops() == count(MORE[kind], seq_len=seq_len).forward_flops * 2 * seq_len
    with FlopCounterMode(display=False) as backward:
        logits.sum().backward()
    both = forward.get_total_flops() + backward.get_total_flops()
    assert both == count(MORE[kind], seq_len=seq_len).training_flops * 2 * seq_len


@every_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cache_bytes_match_what_is_allocated(kind, dtype):
    cache = Cache(MORE[kind], batch=3, dtype=dtype)
    allocated = sum(t.numel() * t.element_size() for layer in cache.layers for t in (layer.keys, layer.values))
    assert count(MORE[kind], batch=3, dtype=dtype).cache_bytes == allocated


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen3", "attention only", "sinusoidal"])
def test_activation_bytes_match_what_autograd_keeps(kind):
    config = dataclasses.replace(MORE[kind], d_model=64, n_layers=4, d_head=16, d_mlp=0, max_seq_len=128)
    model, ids = Transformer(config), torch.zeros(2, 128, dtype=torch.long)
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and tensor.is_floating_point():
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(ids)
    assert count(config, batch=2).activation_bytes == pytest.approx(sum(kept.values()), rel=0.03)


def test_training_bytes_include_weights_gradients_and_optimizer_state():
    costs = count(KINDS["llama"], batch=2)
    assert costs.optimizer_bytes == 8 * costs.parameters
    assert costs.training_bytes > costs.weight_bytes + costs.gradient_bytes + costs.optimizer_bytes
    assert count(KINDS["llama"], batch=2, dtype=torch.bfloat16).weight_bytes == costs.weight_bytes // 2


def test_the_parameter_count_of_llama_3_8b_matches_the_published_one():
    """According to its makers, Llama 3 8B has 8.03 billion parameters."""
    llama = TransformerConfig(
        128256,
        8192,
        4096,
        n_layers=32,
        n_heads=32,
        n_kv_heads=8,
        d_mlp=14336,
        positions="rotary",
        norm="rmsnorm",
        mlp="swiglu",
        tied_embeddings=False,
    )
    assert count(llama).parameters == 8_030_261_248
    assert count(llama, dtype=torch.bfloat16).cache_bytes == 8192 * 131072  # 128 KiB a token


@pytest.mark.parametrize("sizes", [{"batch": 0}, {"seq_len": 0}, {"seq_len": 25}])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match=r"batch must be at least 1, and seq_len must be between 1 and 24"):
        count(KINDS["gpt2"], **sizes)

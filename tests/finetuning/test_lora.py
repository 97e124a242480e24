"""LoRA matches its formula, and `peft` on the same matrices, and leaves everything else unchanged."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference_models import load, their_model
from small_models import KINDS, make, random_ids

from llmlib.finetuning.lora import ATTENTION, MLP, LoRAConfig, LoRALinear, apply_lora
from llmlib.linear import Linear
from llmlib.pretrained.weight_names import LLAMA_NAMES, translate
from llmlib.training import RunError, TrainConfig, train
from llmlib.transformer import Transformer
from tests.training.test_loop import DATA

IDS = random_ids(2, 9)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def taught(lora, seed=0):
    """Fill B with random numbers, as if the LoRA had learned something."""
    generator = torch.Generator().manual_seed(seed)
    for module in lora.maps.values():
        module.B.data.normal_(0.0, 0.05, generator=generator)
    return lora


@given(
    d_in=st.integers(1, 40),
    d_out=st.integers(1, 40),
    rank=st.integers(1, 50),
    alpha=st.floats(0.1, 64),
    rslora=st.booleans(),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_linear_map_with_a_lora_follows_the_formula(d_in, d_out, rank, alpha, rslora, bias, seed):
    generator = torch.Generator().manual_seed(seed)
    base = Linear(d_in, d_out, bias=bias)
    for parameter in base.parameters():
        parameter.data.normal_(generator=generator)
    module = LoRALinear(base, rank, LoRAConfig(rank, alpha, rslora=rslora).scale, generator)
    x = torch.randn(2, 3, d_in, generator=generator)
    assert torch.equal(module(x), base(x))  # B is zero
    assert module.A.shape == (rank, d_in)
    assert module.A.abs().max() <= d_in**-0.5
    module.B.data.normal_(generator=generator)
    scale = alpha / (rank**0.5 if rslora else rank)
    expected = base(x).double() + scale * (x.double() @ module.A.double().T @ module.B.double().T)
    torch.testing.assert_close(module(x).double(), expected, rtol=1e-4, atol=1e-4 * (1 + expected.abs().max().item()))
    torch.testing.assert_close(module.update(), scale * module.B @ module.A)


@pytest.mark.parametrize("kind", KINDS)
def test_merging_in_float64_changes_only_rounding(kind):
    model = make(kind).double()
    lora = taught(apply_lora(model))
    unmerged = model(IDS)
    lora.merge()
    torch.testing.assert_close(model(IDS), unmerged, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", ["all", "attention"])
def test_a_new_lora_changes_nothing_and_merging_changes_only_rounding(kind, targets):
    model = Transformer(KINDS[kind], seed=0).eval()
    before, expected = weights(model), model(IDS)
    lora = apply_lora(model, LoRAConfig(rank=3, alpha=6, targets=targets))
    assert torch.equal(model(IDS), expected)
    taught(lora)
    unmerged = model(IDS)
    assert (unmerged - expected).abs().max() > 0.01
    lora.merge()
    torch.testing.assert_close(model(IDS), unmerged, rtol=1e-5, atol=1e-5)
    once = model(IDS)
    lora.merge()  # merging again adds nothing
    assert torch.equal(model(IDS), once)
    lora.unmerge()
    assert torch.equal(model(IDS), unmerged)
    with lora.off():
        assert torch.equal(model(IDS), expected)
    assert torch.equal(model(IDS), unmerged)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    lora.merge()
    lora.remove()
    assert weights(model).keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())
    assert torch.equal(model(IDS), expected)


def test_the_tensors_stay_in_place_and_removal_restores_the_modules():
    model = make("llama")
    tensors = {name: p.data_ptr() for name, p in model.named_parameters()}
    modules = dict(model.named_modules())
    lora = apply_lora(model)
    assert {name: model.get_parameter(name).data_ptr() for name in tensors} == tensors
    lora.remove()
    assert dict(model.named_modules()) == modules


def test_only_a_and_b_get_gradients_and_removal_restores_requires_grad():
    model = make("qwen3")
    model.embed.weight.requires_grad_(False)
    lora = taught(apply_lora(model, LoRAConfig(rank=2)))
    model(IDS).sum().backward()
    got = {name for name, p in model.named_parameters() if p.grad is not None}
    assert got == {f"{name}.{part}" for name in lora.maps for part in "AB"}
    assert all(model.get_parameter(name).grad.abs().sum() > 0 for name in got)
    lora.remove()
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["embed.weight"]


@pytest.mark.parametrize(
    ("targets", "kinds"),
    [
        ("all", ATTENTION + MLP),
        ("attention", ATTENTION),
        ("mlp", MLP),
        (("query", "down"), ("query", "down")),
        ("value", ("value",)),
        (["up"], ("up",)),
    ],
)
def test_targets_decide_which_maps_get_a_lora(targets, kinds):
    model = make("llama")
    lora = apply_lora(model, LoRAConfig(rank=2, targets=targets))
    places = {f"blocks.{i}.{'attention' if kind in ATTENTION else 'mlp'}.{kind}" for i in range(3) for kind in kinds}
    assert lora.maps.keys() == places
    for name, module in model.named_modules():
        assert isinstance(module, LoRALinear) == (name in places)
    assert lora.n_weights == sum(2 * (m.in_features + m.out_features) for m in lora.maps.values())
    assert lora.share == lora.n_weights / sum(p.numel() for p in make("llama").parameters())


def test_a_lora_fits_grouped_queries_and_leaves_tied_embeddings_tied():
    model = make("qwen3")  # 4 query heads and 1 key-value head, each 12 wide
    lora = apply_lora(model, LoRAConfig(rank=5))
    assert lora.maps["blocks.0.attention.query"].B.shape == (48, 5)
    assert lora.maps["blocks.0.attention.key"].B.shape == (12, 5)
    assert lora.maps["blocks.0.attention.output"].A.shape == (5, 48)
    assert model.unembedding is model.embed.weight
    assert not model.embed.weight.requires_grad


def test_a_group_may_include_missing_maps_but_a_map_chosen_by_name_must_exist():
    lora = apply_lora(make("gpt2"), LoRAConfig(targets="mlp"))
    assert {name.rpartition(".")[2] for name in lora.maps} == {"up", "down"}
    with pytest.raises(ValueError, match=r"no linear map 'gate'; they have: query, key, value, output, up, down"):
        apply_lora(make("gpt2"), LoRAConfig(targets=("up", "gate")))
    with pytest.raises(ValueError, match=r"no linear map 'gate'; they have: query, key, value, output\."):
        apply_lora(make("attention only"), LoRAConfig(targets="mlp"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"rank": True}, "rank must be a whole number"),
        ({"alpha": 0}, "alpha must be greater than 0, got 0"),
        ({"alpha": float("nan")}, "alpha must be greater than 0, got nan"),
        ({"alpha": True}, "alpha must be a number, got True"),
        ({"targets": "q_proj"}, "targets must be 'all', 'attention', 'mlp', or one or more of query, .*; got 'q_proj'"),
        ({"targets": ()}, "targets must be .*got \\(\\)"),
    ],
)
def test_invalid_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        LoRAConfig(**wrong)


def test_the_seed_sets_matrix_a_and_the_global_generator_is_unchanged():
    state = torch.get_rng_state()
    drawn = [apply_lora(make("llama"), LoRAConfig(seed=seed)).maps["blocks.2.mlp.down"].A for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.get_rng_state(), state)
    maps = apply_lora(make("llama")).maps
    assert not torch.equal(maps["blocks.0.mlp.up"].A, maps["blocks.1.mlp.up"].A)


def test_a_and_b_are_float32_in_a_bfloat16_model():
    model = make("llama").bfloat16()
    before = model(IDS)
    lora = apply_lora(model)
    assert {m.A.dtype for m in lora.maps.values()} == {m.B.dtype for m in lora.maps.values()} == {torch.float32}
    assert torch.equal(model(IDS), before)
    taught(lora)
    unmerged = model(IDS)
    assert unmerged.dtype == torch.bfloat16
    lora.merge()
    assert model.blocks[0].mlp.up.weight.dtype == torch.bfloat16
    assert (model(IDS) - unmerged).abs().max() < 0.1 * unmerged.abs().max()
    lora.unmerge()
    with lora.off():
        assert torch.equal(model(IDS), before)


def test_a_merged_lora_cannot_be_disabled_and_a_disabled_one_cannot_be_merged():
    lora = apply_lora(make("llama"))
    assert (lora.enabled, lora.merged) == (True, False)
    lora.merge()
    assert lora.merged
    with pytest.raises(ValueError, match=r"cannot be switched off. Call unmerge\(\) first"), lora.off():
        pass
    with pytest.raises(ValueError, match=r"cannot be switched off. Call unmerge\(\) first"):
        lora.base()
    lora.unmerge()
    lora.enabled = False
    assert "off" in repr(lora)
    with pytest.raises(ValueError, match=r"is off\. Set enabled = True before"):
        lora.merge()
    with lora.off():
        pass
    assert not lora.enabled  # as before the block


def test_a_second_lora_is_refused_and_a_removed_one_cannot_be_used():
    model = make("llama")
    lora = apply_lora(model)
    with pytest.raises(ValueError, match="already has a LoRA"):
        apply_lora(model)
    lora.remove()
    lora.remove()
    for use in (lora.merge, lora.unmerge):
        with pytest.raises(ValueError, match="was removed from its model"):
            use()
    assert apply_lora(model).enabled


def test_the_lora_is_enabled_again_after_an_error_while_it_is_off():
    lora = apply_lora(make("llama"))
    with pytest.raises(KeyError), lora.off():
        raise KeyError
    assert lora.enabled


def test_logits_are_the_same_with_a_cache():
    model = make("llama")
    taught(apply_lora(model, LoRAConfig(rank=3)))
    cache, whole = model.new_cache(batch=2), model(IDS)
    for position in range(IDS.shape[1]):
        one = model(IDS[:, position : position + 1], cache=cache)
        torch.testing.assert_close(one[:, 0], whole[:, position], rtol=1e-4, atol=1e-4)


def peft_of(theirs, config, targets, seed=0):
    """Return `peft`'s own LoRA with random matrices, including B."""
    import peft  # importing takes seconds: only workers that need it should wait

    made = peft.get_peft_model(
        theirs,
        peft.LoraConfig(r=config.rank, lora_alpha=config.alpha, use_rslora=config.rslora, target_modules=targets),
    ).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in made.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0.0, 0.3, generator=generator)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "llama, biases", "smollm2", "qwen3", "mistral, window"])
@pytest.mark.parametrize("config", [LoRAConfig(4, 8), LoRAConfig(3, 5, ("query", "down"), rslora=True)])
def test_logits_match_those_of_peft(tmp_path, family, config):
    theirs = their_model(family)
    theirs.save_pretrained(tmp_path)
    ours = load(tmp_path)
    targets = [translate(f"blocks.0.{'mlp' if n in MLP else 'attention'}.{n}.", LLAMA_NAMES) for n in config.names]
    adapted = peft_of(theirs, config, [name.rstrip(".").rpartition(".")[2] for name in targets])
    lora = apply_lora(ours, config)
    named = dict(adapted.named_parameters())
    for name, module in lora.maps.items():
        place = translate(f"{name}.lora", LLAMA_NAMES).removesuffix(".lora")
        module.A.data.copy_(named[f"base_model.model.{place}.lora_A.default.weight"])
        module.B.data.copy_(named[f"base_model.model.{place}.lora_B.default.weight"])
    ids = random_ids(2, 12)
    with torch.no_grad():
        expected = adapted(ids).logits
        torch.testing.assert_close(ours(ids), expected, rtol=1e-4, atol=1e-4)
        lora.merge()
        merged = copy.deepcopy(adapted).merge_and_unload()
        torch.testing.assert_close(ours(ids), merged(ids).logits, rtol=1e-4, atol=1e-4)
        lora.unmerge()
        with lora.off(), adapted.disable_adapter():
            torch.testing.assert_close(ours(ids), adapted(ids).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_merging_and_removing_work_on_a_gpu(dtype):
    model = make("llama").to("cuda", dtype)
    before = weights(model)
    lora = taught(apply_lora(model))
    assert {m.A.device.type for m in lora.maps.values()} == {"cuda"}
    unmerged = model(IDS.cuda())
    lora.merge()
    within = 1e-4 if dtype == torch.float32 else 0.1
    assert (model(IDS.cuda()) - unmerged).abs().max() < within * unmerged.abs().max()
    lora.remove()
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())


def test_a_copy_of_the_model_has_its_own_lora():
    model = make("llama")
    lora = taught(apply_lora(model))
    other = copy.deepcopy(model)
    with lora.off():
        assert not torch.equal(other(IDS), model(IDS))
    assert torch.equal(other(IDS), model(IDS))


def test_the_base_models_weights_load_strictly_into_a_plain_model():
    """A and B have their own names; the names of the base model's weights do not change."""
    model = make("llama")
    names = model.state_dict().keys()
    apply_lora(model)
    base = {name: value for name, value in model.state_dict().items() if not name.endswith((".A", ".B"))}
    assert base.keys() == names
    Transformer(KINDS["llama"]).load_state_dict(base)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_training_changes_a_and_b_and_leaves_the_base_bit_identical(dtype):
    model = make("llama")
    if dtype == "bfloat16":
        model.bfloat16()
    before = weights(model)
    lora = apply_lora(model, LoRAConfig(rank=4, alpha=8))
    run = train(model, DATA, TrainConfig(30, 8, 16, learning_rate=0.02, dtype=dtype))
    losses = [step.loss for step in run]
    assert losses[-1] < losses[0] - 0.3
    learned = {id(p) for m in lora.maps.values() for p in (m.A, m.B)}
    assert {id(p) for optimizer in run.optimizers for p in optimizer.state} == learned
    assert all(p.dtype == torch.float32 for p in model.parameters() if p.requires_grad)
    assert run.work.is_copy == (dtype == "bfloat16")
    assert run.work.model.embed.weight is model.embed.weight
    lora.remove()
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())


def test_training_a_merged_or_disabled_lora_is_refused():
    model = make("llama")
    lora = apply_lora(model)
    lora.merge()
    with pytest.raises(ValueError, match=r"nothing to train.*only learns while it is enabled and not merged"):
        train(model, DATA, TrainConfig(1, 2, 8))
    lora.unmerge()
    lora.enabled = False
    with pytest.raises(ValueError, match="nothing to train"):
        train(model, DATA, TrainConfig(1, 2, 8))
    lora.enabled = True
    assert len(list(train(model, DATA, TrainConfig(1, 2, 8)))) == 1


@pytest.mark.slow
def test_a_run_with_a_lora_continues_from_its_checkpoint(tmp_path):
    config = TrainConfig(4, 4, 8, learning_rate=0.02, save_every=2, dtype="float32")

    def begun(folder=None):
        model = make("llama")
        apply_lora(model, LoRAConfig(rank=2))
        return train(model, DATA, config, folder=folder, resume=True)

    expected = [step.loss for step in begun(tmp_path / "whole")]
    half = begun(tmp_path / "half")
    next(half), next(half)
    (kept,) = (tmp_path / "half").glob("step-*/model.safetensors")
    whole = sum(p.numel() for p in make("llama").parameters()) * 4
    assert kept.stat().st_size < whole / 2
    del half
    assert [step.loss for step in begun(tmp_path / "half")] == expected[2:]
    with pytest.raises(RunError, match="Freeze the same weights, or apply the same LoRA"):
        train(make("llama"), DATA, config, folder=tmp_path / "half", resume=True)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_folding_gives_an_ordinary_model(kind):
    model = make(kind)
    lora = taught(apply_lora(model))
    expected, names = model(IDS), list(make(kind).state_dict())
    lora.fold()
    assert list(model.state_dict()) == names
    assert all(parameter.requires_grad for parameter in model.parameters())
    torch.testing.assert_close(model(IDS), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="removed"):
        lora.fold()

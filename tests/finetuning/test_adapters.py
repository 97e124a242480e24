"""Adapter files are exchanged with the real `peft`, and files that are damaged or for another model are refused."""

import json
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch
from reference_models import load, their_model
from small_models import make, random_ids

from llmlib.finetuning.adapters import AdapterError, load_adapter, save_adapter
from llmlib.finetuning.lora import LoRAConfig, apply_lora
from llmlib.training import TrainConfig, train
from tests.finetuning.test_lora import peft_of, taught, weights
from tests.training.test_loop import DATA

IDS = random_ids(2, 12)
FAMILIES = ["llama", "smollm2", "qwen3", "qwen2"]


def ours_and_theirs(folder, family):
    theirs = their_model(family)
    theirs.save_pretrained(folder)
    return load(folder), theirs


def assert_same_logits(ours, theirs):
    with torch.no_grad():
        torch.testing.assert_close(ours(IDS), theirs(IDS).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "config",
    [LoRAConfig(4, 8), LoRAConfig(3, 5.5, ("value", "query", "down"), rslora=True), LoRAConfig(1, 2, "attention")],
)
def test_peft_reads_what_we_write(tmp_path, family, config):
    import peft

    ours, theirs = ours_and_theirs(tmp_path / "base", family)
    save_adapter(taught(apply_lora(ours, config)), tmp_path / "lora", "somebody/base")
    with torch.no_grad():
        assert (theirs(IDS).logits - ours(IDS)).abs().max() > 0.01  # the LoRA changes the logits
    adapted = peft.PeftModel.from_pretrained(theirs, tmp_path / "lora").eval()
    assert_same_logits(ours, adapted)
    assert adapted.peft_config["default"].base_model_name_or_path == "somebody/base"
    named = dict(adapted.named_parameters())
    stored = named["base_model.model.model.layers.1.self_attn.q_proj.lora_A.default.weight"]
    assert torch.equal(stored, ours.blocks[1].attention.query.A)
    assert_same_logits(ours, adapted.merge_and_unload())


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("targets", "names"),
    [
        ("all-linear", ("query", "key", "value", "output", "gate", "up", "down")),
        (["q_proj", "v_proj"], ("query", "value")),
        (["down_proj", "o_proj"], ("output", "down")),
    ],
)
@pytest.mark.parametrize("rslora", [False, True])
def test_we_read_what_peft_writes(tmp_path, family, targets, names, rslora):
    ours, theirs = ours_and_theirs(tmp_path / "base", family)
    adapted = peft_of(theirs, LoRAConfig(4, 12, rslora=rslora), targets)
    adapted.save_pretrained(tmp_path / "lora")
    lora = load_adapter(ours, tmp_path / "lora")
    assert lora.config == LoRAConfig(4, 12, names, rslora)
    assert_same_logits(ours, adapted)
    lora.merge()
    assert_same_logits(ours, adapted)


def test_a_loaded_adapter_gives_identical_logits_and_can_be_trained_further(tmp_path):
    model = make("llama")
    base = weights(model)
    lora = apply_lora(model, LoRAConfig(2, 8, "mlp"))
    list(train(model, DATA, TrainConfig(2, 2, 8, learning_rate=0.1, dtype="float32")))
    save_adapter(lora, tmp_path)
    expected = model(IDS)
    lora.remove()
    again = load_adapter(model, tmp_path)
    assert torch.equal(model(IDS), expected)
    list(train(model, DATA, TrainConfig(1, 2, 8, dtype="float32")))
    assert not torch.equal(model(IDS), expected)
    again.remove()
    assert all(torch.equal(base[name], value) for name, value in weights(model).items())


def test_saving_and_loading_in_a_bfloat16_model_keeps_a_and_b_in_float32(tmp_path):
    model = make("llama").bfloat16()
    lora = taught(apply_lora(model))
    before = {name: (m.A.clone(), m.B.clone()) for name, m in lora.maps.items()}
    save_adapter(lora, tmp_path)
    lora.remove()
    after = load_adapter(model, tmp_path).maps
    assert all(torch.equal(m.A, before[name][0]) and torch.equal(m.B, before[name][1]) for name, m in after.items())


@pytest.fixture
def saved(tmp_path):
    """Save a LoRA of rank 2 for the small Llama with three layers, and return the folder."""
    lora = taught(apply_lora(make("llama"), LoRAConfig(2, 4)))
    save_adapter(lora, tmp_path)
    return tmp_path


def edit(folder, **changes):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refused(folder, match, model=None):
    """Check that loading fails, that the error names the folder, and that the model is unchanged."""
    model = model or make("llama")
    before = weights(model)
    with pytest.raises(AdapterError, match=match) as caught:
        load_adapter(model, folder)
    assert str(folder) in str(caught.value)
    after = weights(model)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"rank_pattern": {"q_proj": 8}},
            r"rank_pattern=\{'q_proj': 8\} is not supported: each linear map must have only an A and a B, and the rank "
            "must be the same everywhere",
        ),
        ({"alpha_pattern": {"q_proj": 8}}, "alpha_pattern=.* is not supported"),
        ({"use_dora": True}, "use_dora=True is not supported"),
        ({"modules_to_save": ["lm_head"]}, r"modules_to_save=\['lm_head'\] is not supported"),
        ({"layers_to_transform": [0, 1]}, "layers_to_transform=.* is not supported"),
        ({"a_setting_of_tomorrow": "on"}, "a_setting_of_tomorrow='on' is not supported"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out=True is not supported"),
        ({"bias": "all"}, "bias='all' is not supported"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa' changes the base model's weights"),
        ({"peft_type": "LOHA"}, "the adapter is of type 'LOHA'; only LORA is supported"),
        ({"peft_type": None}, "'peft_type' must be a string, got None"),
        ({"r": "4"}, "'r' must be a whole number, got '4'"),
        ({"r": 0}, "r must be greater than 0, got 0"),
        ({"lora_alpha": float("nan")}, "lora_alpha must be greater than 0, got nan"),
        (
            {"target_modules": ["q_proj", "lm_head"]},
            "target module 'lm_head' is not supported; it must be one of q_proj, k_proj",
        ),
        (
            {"target_modules": ["c_attn"]},
            "target module 'c_attn' is not supported.*GPT-2's c_attn combines three of these",
        ),
        ({"target_modules": ".*_proj"}, "'target_modules' must be a list, got '.*_proj'"),
        ({"target_modules": []}, "target_modules is empty"),
        ({"target_modules": [{}]}, "target module {} is not supported"),
        ({"r": 2**70}, "rank must be at most 9,223,372,036,854,775,807"),
        ({"r": 3}, r"lora_A.weight has the shape \(2, 32\), but for this model and rank 3 it must be \(3, 32\)"),
    ],
)
def test_unsupported_settings_are_refused(saved, changes, match):
    edit(saved, **changes)
    refused(saved, match)


def test_settings_without_effect_are_ignored(saved):
    edit(saved, lora_dropout=0.1, peft_version="9.9", revision=None, use_dora=False, rank_pattern={}, megatron_core="x")
    assert load_adapter(make("llama"), saved).config.rank == 2


def test_the_error_for_a_lora_of_another_model_gives_the_first_mismatch(saved, tmp_path):
    refused(
        saved,
        r"q_proj.lora_B.weight has the shape \(32, 2\), but for this model and rank 2 it must be \(48, 2\)",
        make("qwen3"),
    )
    refused(saved, "this model's blocks have no gate_proj", make("gpt2"))
    deeper, flatter = make("llama"), make("llama")
    deeper.blocks.append(make("llama").blocks[0])
    del flatter.blocks[2]
    refused(saved, r"14 of 56 matrices are missing; the first .*layers.3.self_attn.q_proj.lora_A", deeper)
    refused(
        saved, r"this model cannot use 14 of the LoRA's matrices; the first is .*layers.2.mlp.down_proj.lora_A", flatter
    )


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "adapter_config.json"])
@pytest.mark.parametrize("how", ["cut", "empty", "gone", "noise", "a list"])
def test_damaged_or_missing_files_are_refused_but_missing_settings_are_restored(saved, file, how):
    path = saved / file
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        kinds = {"cut": content[: len(content) // 2], "empty": b"", "noise": b"\x80\x02noise" * 9, "a list": b"[1]"}
        path.write_bytes(kinds[how])
    if how == "gone" and file == "adapter_config.json":
        load_adapter(make("llama"), saved)  # the weights file also holds the settings
        assert path.read_bytes() == content
        return
    refused(saved, "missing" if how == "gone" else "damaged|not valid JSON|not contain a JSON object")


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_crash_between_the_two_files_leaves_one_complete_adapter(saved, file, monkeypatch):
    """New weights with the old alpha would load without an error, but at a different scale."""
    new = apply_lora(make("llama"), LoRAConfig(2, alpha=64))
    real = os.replace

    def replace(source, target):
        if Path(target) == saved / file:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        save_adapter(new, saved)
    monkeypatch.undo()
    assert not (saved / "adapter_config.json").exists()  # peft finds no adapter, rather than a wrong one
    loaded = load_adapter(make("llama"), saved)
    assert loaded.config.alpha == (64 if file == "adapter_config.json" else 4)
    assert json.loads((saved / "adapter_config.json").read_text())["lora_alpha"] == loaded.config.alpha


def test_settings_from_another_adapter_and_changed_weights_are_refused(saved):
    edit(saved, lora_alpha=7)
    refused(saved, "does not match the settings that were saved with the weights. Delete this file")
    with open(saved / "adapter_model.safetensors", "r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"x")
    edit(saved, lora_alpha=4)
    refused(saved, "differs from what was written: the file is damaged or was changed")


def test_a_pickle_is_not_read(saved):
    (saved / "adapter_model.safetensors").rename(saved / "adapter_model.bin")
    refused(saved, "is a pickle, which can run code")


def test_integer_weights_are_refused(saved):
    path = saved / "adapter_model.safetensors"
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file({name: tensor.to(torch.int32) for name, tensor in tensors.items()}, path)
    refused(saved, r"has the dtype torch.int32; expected floating-point numbers")


def test_a_model_that_already_has_a_lora_is_refused(saved):
    model = make("llama")
    apply_lora(model)
    with pytest.raises(ValueError, match="already has a LoRA"):
        load_adapter(model, saved)


def test_a_full_disk_leaves_the_old_files_unchanged(saved, monkeypatch):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AdapterError, match=r"could not be written to .*No space left"):
        save_adapter(apply_lora(make("llama"), LoRAConfig(5)), saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_a_removed_lora_cannot_be_saved(tmp_path):
    lora = apply_lora(make("llama"))
    lora.remove()
    with pytest.raises(ValueError, match=r"nothing to save. Save it before you call remove\(\)"):
        save_adapter(lora, tmp_path)


def test_merging_or_disabling_a_lora_does_not_change_its_saved_weights(saved, tmp_path):
    lora = load_adapter(make("llama"), saved)
    expected = (saved / "adapter_model.safetensors").read_bytes()
    lora.merge()
    save_adapter(lora, tmp_path / "merged")
    lora.unmerge()
    with lora.off():
        save_adapter(lora, tmp_path / "off")
    for name in ("merged", "off"):
        assert (tmp_path / name / "adapter_model.safetensors").read_bytes() == expected

"""Damaged and malicious checkpoints are refused, and each message says what is wrong."""

import contextlib
import json
import struct
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_models import FAMILIES, LLAMA3, SMALL, edit_config, load, their_model, write_gguf

from llmlib.files.gguf_file import GGUFError
from llmlib.pretrained import fill
from llmlib.pretrained.config_fields import CheckpointError
from llmlib.pretrained.gguf_checkpoint import GGUFCheckpoint


@pytest.fixture(scope="module")
def gguf_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    return write_gguf(path, transformers.LlamaForCausalLM(FAMILIES["llama"]())).read_bytes()


def open_gguf(content, folder):
    path = Path(folder) / "changed.gguf"
    path.write_bytes(content)
    return fill(GGUFCheckpoint(path), "cpu", torch.float32)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=60)
def test_a_truncated_gguf_is_always_refused(data, gguf_bytes, tmp_path_factory):
    length = data.draw(st.integers(0, len(gguf_bytes) - 32))  # the last tensor may end in padding
    with pytest.raises((GGUFError, CheckpointError)):
        open_gguf(gguf_bytes[:length], tmp_path_factory.mktemp("cut"))


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=300)
def test_a_gguf_with_changed_header_bytes_never_crashes_or_hangs(data, gguf_bytes, tmp_path_factory):
    content = bytearray(gguf_bytes)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 3000))
        content[at] = data.draw(st.integers(0, 255))
    try:
        open_gguf(bytes(content), tmp_path_factory.mktemp("changed"))
    except (GGUFError, CheckpointError) as error:
        assert "changed.gguf" in str(error)  # noqa: PT017


def test_a_gguf_that_claims_millions_of_layers_is_refused(gguf_bytes, tmp_path):
    key = b"llama.block_count" + struct.pack("<I", 4)  # type 4: an unsigned 32-bit integer
    before, after = gguf_bytes.split(key)
    with pytest.raises(CheckpointError, match=r"changed\.gguf: the settings ask for 50,331,651 layers"):
        open_gguf(before + key + struct.pack("<I", 50_331_651) + after[4:], tmp_path)


@pytest.mark.slow
def test_a_gguf_with_one_changed_header_byte_never_crashes(gguf_bytes, tmp_path):
    for at in (*range(150), *range(150, 3000, 27)):  # every byte of the first fields, and a sample of the long lists
        content = bytearray(gguf_bytes)
        content[at] = 255
        with contextlib.suppress(GGUFError, CheckpointError):
            open_gguf(bytes(content), tmp_path)


@pytest.mark.parametrize("offset", [8, 16, 24])  # number of tensors, number of fields, length of the first key
def test_a_gguf_with_a_false_length_is_refused(offset, gguf_bytes, tmp_path):
    content = gguf_bytes[:offset] + struct.pack("<Q", 1 << 60) + gguf_bytes[offset + 8 :]
    with pytest.raises(GGUFError, match=r"changed\.gguf: (the value at byte|tensor '' claims 0 dimensions)"):
        open_gguf(content, tmp_path)


def test_a_gguf_with_an_unsupported_architecture_is_refused(gguf_bytes, tmp_path):
    with pytest.raises(CheckpointError, match=r"architecture 'mamba' is not supported\. Supported: llama"):
        open_gguf(gguf_bytes.replace(b"llama", b"mamba"), tmp_path)


def test_a_file_that_is_not_a_gguf_is_refused(tmp_path):
    with pytest.raises(GGUFError, match="does not begin with the bytes 'GGUF'"):
        open_gguf(b"PK\x03\x04 something else", tmp_path)


def rewrite_safetensors(folder, change):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def remove(name):
    return lambda tensors: tensors.pop(name)


def put(name, value):
    return lambda tensors: tensors.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("model.layers.1.mlp.up_proj.weight"), "'model.layers.1.mlp.up_proj.weight' is missing"),
        (put("model.norm.weight", torch.ones(31)), r"shape \(31,\) in the file, but the configuration says \(32,\)"),
        (put("model.norm.weight", torch.ones(32, dtype=torch.int64)), "must be floating-point"),
        (put("model.layers.0.self_attn.q_proj.bias", torch.ones(32)), "cannot use .*q_proj.bias"),
    ],
)
def test_safetensors_that_do_not_fit_the_config_are_refused(llama_folder, change, message):
    rewrite_safetensors(llama_folder, change)
    with pytest.raises(CheckpointError, match=message):
        load(llama_folder)


def test_truncated_safetensors_are_refused(llama_folder):
    path = llama_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        load(llama_folder)


def test_safetensors_with_a_false_header_length_are_refused(llama_folder):
    path = llama_folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + path.read_bytes()[8:])
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        load(llama_folder)


def test_a_missing_shard_is_reported(tmp_path):
    their_model("llama").save_pretrained(tmp_path, max_shard_size="20KB")
    next(tmp_path.glob("model-00002*")).unlink()
    with pytest.raises(CheckpointError, match=r"lists model-00002.*which is missing"):
        load(tmp_path)


def test_a_shard_index_cannot_point_outside_the_folder(tmp_path):
    their_model("llama").save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").rename(tmp_path / "outside.safetensors")
    index = {"weight_map": {"model.norm.weight": "../outside.safetensors"}}
    (tmp_path / "model" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="which is missing"):
        load(tmp_path / "model")


def test_pickles_are_never_read(llama_folder):
    (llama_folder / "model.safetensors").unlink()
    torch.save({}, llama_folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickles, which can run code"):
        load(llama_folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mamba"}, "architecture 'mamba' is not supported\\. Supported: gpt2, llama"),
        ({"hidden_size": "many"}, "'hidden_size' must be of type int, got 'many'"),
        ({"hidden_size": -32}, "'hidden_size' must be 0 or more, got -32"),
        ({"num_hidden_layers": None}, "'num_hidden_layers' is missing"),
        ({"num_hidden_layers": 10**8}, "the settings ask for 100,000,000 layers"),
        ({"hidden_act": "relu"}, "hidden_act='relu' is not supported"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope type 'yarn' is not supported"),
        ({"num_attention_heads": 0}, "n_heads must be at least 1"),
        ({"num_key_value_heads": 3}, "not a multiple of n_kv_heads=3"),
        (
            {"head_dim": 2**50},
            "the head width must be an even number from 2 to 65,536",
        ),  # refused before a table of that size is made
        ({"head_dim": 7}, "an even number"),
        ({"rms_norm_eps": float("nan")}, "norm_eps must be at least 0, got nan"),
        ({"rope_parameters": [1]}, r"'rope_parameters' must be of type dict, got \[1\]"),
        (
            {"rope_parameters": {"rope_theta": float("nan")}},
            "rope_theta must be a finite number greater than 0, got nan",
        ),
        ({"rope_parameters": {"rope_type": "linear", "factor": 0.0}}, "rope_factors must be 4 positive numbers"),
        ({"rope_parameters": LLAMA3 | {"factor": 0.0}}, "scaling needs factor > 0"),
        ({"rope_parameters": LLAMA3 | {"high_freq_factor": 1.0}}, "low_freq_factor < high_freq_factor"),
        ({"eos_token_id": [[1]]}, r"'eos_token_id' must be an integer or a list of integers, got \[\[1\]\]"),
        ({"eos_token_id": [None]}, "'eos_token_id'"),
        ({"eos_token_id": "</s>"}, "'eos_token_id'"),
    ],
)
def test_invalid_and_unsupported_configs_are_refused(llama_folder, changes, message):
    edit_config(llama_folder, **changes)
    with pytest.raises(CheckpointError, match=message):
        load(llama_folder)


def test_end_tokens_outside_the_vocabulary_are_ignored(llama_folder):
    edit_config(llama_folder, eos_token_id=[2**70, 5, -1])
    assert load(llama_folder).config.end_ids == (5, 2)  # 2 is in generation_config.json


def test_a_config_that_begins_with_a_byte_order_mark_is_read(llama_folder):
    config = llama_folder / "config.json"
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    assert load(llama_folder).config.n_layers == SMALL["num_hidden_layers"]


@pytest.mark.parametrize("content", ["{", "[1, 2]", "\xff", "[" * 100_000, '{"hidden_size": ' + "9" * 5000 + "}"])
def test_a_malformed_config_file_is_refused(llama_folder, content):
    (llama_folder / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load(llama_folder)

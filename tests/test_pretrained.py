"""Foreign weights in our Transformer: logits equal to `transformers`, and no damaged file accepted."""

import contextlib
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlib import pretrained
from llmlib.checkpoints import CheckpointError, GGUFCheckpoint, HubFolder
from llmlib.downloads import DownloadError
from llmlib.gguf_file import GGUFError, read_gguf
from llmlib.pretrained import fill, load_pretrained
from llmlib.tokenization import CharTokenizer

SMALL = dict(  # noqa: C408
    vocab_size=67, hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=48,
)  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 24,
}  # fmt: skip
FAMILIES = {
    "gpt2": lambda: transformers.GPT2Config(vocab_size=67, n_positions=48, n_embd=32, n_layer=3, n_head=4),
    "gpt2, exact gelu": lambda: transformers.GPT2Config(
        vocab_size=67, n_positions=48, n_embd=32, n_layer=2, n_head=2, n_inner=50, activation_function="gelu"
    ),
    "llama": lambda: transformers.LlamaConfig(**SMALL),
    "llama 3": lambda: transformers.LlamaConfig(**SMALL, rope_parameters=LLAMA3, tie_word_embeddings=True),
    "llama, linear rope": lambda: transformers.LlamaConfig(
        **SMALL, rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}
    ),
    "llama, biases": lambda: transformers.LlamaConfig(**SMALL, attention_bias=True, mlp_bias=True, head_dim=10),
    "smollm2": lambda: transformers.LlamaConfig(
        **{**SMALL, "hidden_size": 36, "num_attention_heads": 3, "num_key_value_heads": 1},
        tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e5},
    ),
    "mistral": lambda: transformers.MistralConfig(**SMALL, sliding_window=None),
    "mistral, window": lambda: transformers.MistralConfig(**SMALL, sliding_window=7, attn_implementation="eager"),
    "qwen2": lambda: transformers.Qwen2Config(**SMALL),
    "qwen3": lambda: transformers.Qwen3Config(**SMALL, head_dim=12, tie_word_embeddings=True),
}  # fmt: skip


def their_model(family, seed=0):
    """A small model of `transformers` with weights large enough that every mistake shows."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(FAMILIES[family]()).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * (0.2 if parameter.ndim > 1 else 1.0) + (parameter.ndim == 1)
    model.tie_weights()
    return model


def load(folder, dtype=torch.float32):
    return fill(HubFolder(folder), "cpu", dtype)


@pytest.fixture
def llama_folder(tmp_path):
    their_model("llama").save_pretrained(tmp_path)
    return tmp_path


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("max_shard_size", ["5GB", "20KB"])
def test_logits_equal_transformers(family, max_shard_size, tmp_path):
    theirs = their_model(family)
    theirs.save_pretrained(tmp_path, max_shard_size=max_shard_size)
    assert (max_shard_size == "20KB") == (tmp_path / "model.safetensors.index.json").exists()
    model = load(tmp_path)
    ids = torch.randint(67, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = theirs(ids).logits, model(ids)
    assert expected.abs().max() > 1, "the reference says too little to compare with"
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_logits_equal_transformers_for_random_shapes(seed, tmp_path):
    chance = np.random.default_rng(seed)
    kv_heads, group = (int(chance.integers(1, 4)) for _ in range(2))
    config = transformers.Qwen3Config(
        vocab_size=int(chance.integers(5, 200)), hidden_size=int(chance.integers(4, 40)),
        intermediate_size=int(chance.integers(3, 60)), num_hidden_layers=int(chance.integers(1, 5)),
        num_attention_heads=kv_heads * group, num_key_value_heads=kv_heads, head_dim=2 * int(chance.integers(1, 9)),
        max_position_embeddings=20, tie_word_embeddings=bool(chance.integers(2)), rms_norm_eps=1e-6,
    )  # fmt: skip
    torch.manual_seed(seed)
    theirs = transformers.AutoModelForCausalLM.from_config(config).eval()
    theirs.save_pretrained(tmp_path)
    ids = torch.randint(config.vocab_size, (3, 17), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        torch.testing.assert_close(load(tmp_path)(ids), theirs(ids).logits, atol=1e-4, rtol=0)


def test_hidden_states_and_patterns_equal_transformers(llama_folder):
    theirs = transformers.AutoModelForCausalLM.from_pretrained(llama_folder, attn_implementation="eager")
    model, residual, pattern = load(llama_folder), [], []
    for block in model.blocks:
        block.hook_residual_pre.watch(lambda value: residual.append(value))
        block.attention.hook_pattern.watch(lambda value: pattern.append(value))
    ids = torch.arange(20)[None]
    with torch.no_grad():
        model(ids)
        expected = theirs(ids, output_attentions=True, output_hidden_states=True)
    for ours, other in zip(residual + pattern, expected.hidden_states[:3] + expected.attentions):
        torch.testing.assert_close(ours, other, atol=1e-4, rtol=1e-4)


def test_end_tokens_come_from_both_files(llama_folder):
    edit_config(llama_folder, eos_token_id=3)
    (llama_folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 3]}))
    assert load(llama_folder).config.end_ids == (3, 5)


def test_weights_arrive_in_the_dtype_that_was_asked_for(llama_folder):
    model = load(llama_folder, torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert not model.training


# --- a real model, from the package -----------------------------------------------------------------------------


@pytest.mark.network
@pytest.mark.slow
def test_smollm2_equals_transformers_on_real_prompts(smollm2):
    model, tokenizer = smollm2
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        pretrained._locate("smollm2-135m-instruct", "package").parent,
        gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf",
        dtype=torch.float32,
    ).eval()
    prompts = [
        "The capital of France is",
        "def fibonacci(n):\n    if n",
        "  2 + 2 = 4, 3 + 3 =",
        "naïve café — 東京 🙂",
    ]
    for prompt in prompts:
        ids = torch.tensor([tokenizer.encode(prompt)])
        with torch.no_grad():
            expected, found = theirs(ids).logits, model(ids)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


@pytest.mark.network
def test_smollm2_knows_the_capital_of_france(smollm2):
    model, tokenizer = smollm2
    logits = model(torch.tensor([tokenizer.encode("The capital of France is")]))
    assert tokenizer.decode([int(logits[0, -1].argmax())]) == " Paris"


# --- GGUF files, written by the reference library ---------------------------------------------------------------


def write_gguf(path, theirs, kind="F32", **metadata):
    """Save a small Llama or Qwen of `transformers` as llama.cpp's converter would."""
    import gguf

    config = theirs.config
    architecture = {"llama": "llama", "mistral": "llama"}.get(config.model_type, config.model_type)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    for key, value in metadata.items():
        writer.add_uint32(key, value)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], config.num_hidden_layers)
    for name, value in theirs.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        array = value.numpy()
        if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            array = array.reshape(heads, 2, -1, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)
        stored = gguf.GGMLQuantizationType[kind if array.ndim == 2 else "F32"]
        writer.add_tensor(
            names.get_name(name, (".weight", ".bias")), gguf.quants.quantize(array, stored), raw_dtype=stored
        )
    if config.rope_parameters["rope_type"] == "llama3":
        from llmlib.embeddings import llama3_rope_factors

        recipe = {k: v for k, v in LLAMA3.items() if "factor" in k}
        factors = llama3_rope_factors(head_dim, LLAMA3["rope_theta"], original_max_seq_len=24, **recipe)
        writer.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("family", ["llama", "llama 3", "mistral", "qwen2", "qwen3"])
def test_gguf_logits_equal_transformers(family, tmp_path):
    theirs = their_model(family)
    model = fill(GGUFCheckpoint(write_gguf(tmp_path / "model.gguf", theirs)), "cpu", torch.float32)
    ids = torch.randint(67, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(ids).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_quantised_tensors_equal_the_reference_library(kind, tmp_path):
    import gguf

    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**{**SMALL, "intermediate_size": 64, "num_hidden_layers": 1})
    )
    path = write_gguf(tmp_path / "model.gguf", theirs, kind)
    ours = read_gguf(path)
    for tensor in gguf.GGUFReader(path).tensors:
        expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(ours.tensors[tensor.name].shape)
        np.testing.assert_array_equal(ours.tensor(tensor.name), expected)


# --- damaged and malicious files --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gguf_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    return write_gguf(path, transformers.LlamaForCausalLM(FAMILIES["llama"]())).read_bytes()


def open_gguf(content, folder):
    path = Path(folder) / "changed.gguf"
    path.write_bytes(content)
    return fill(GGUFCheckpoint(path), "cpu", torch.float32)


@given(data=st.data())
@settings(max_examples=60)
def test_a_truncated_gguf_is_always_noticed(data, gguf_bytes, tmp_path_factory):
    length = data.draw(st.integers(0, len(gguf_bytes) - 32))  # the last tensor may end in padding
    with pytest.raises((GGUFError, CheckpointError)):
        open_gguf(gguf_bytes[:length], tmp_path_factory.mktemp("cut"))


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
        assert "changed.gguf" in str(error) or "has shape" in str(error) or "no place for" in str(error)  # noqa: PT017


def test_a_gguf_that_announces_a_million_layers_does_not_fill_the_memory(gguf_bytes, tmp_path):
    key = b"llama.block_count" + struct.pack("<I", 4)  # 4: an unsigned number of 32 bits
    before, after = gguf_bytes.split(key)
    with pytest.raises(CheckpointError, match=r"changed\.gguf: 50,331,651 layers are announced"):
        open_gguf(before + key + struct.pack("<I", 50_331_651) + after[4:], tmp_path)


@pytest.mark.slow
def test_a_gguf_with_any_one_header_byte_changed(gguf_bytes, tmp_path):
    for at in range(3000):
        content = bytearray(gguf_bytes)
        content[at] = 255
        with contextlib.suppress(GGUFError, CheckpointError):
            open_gguf(bytes(content), tmp_path)


@pytest.mark.parametrize("offset", [8, 16, 24])  # number of tensors, number of fields, length of the first key
def test_a_gguf_length_that_lies(offset, gguf_bytes, tmp_path):
    content = gguf_bytes[:offset] + struct.pack("<Q", 1 << 60) + gguf_bytes[offset + 8 :]
    with pytest.raises(GGUFError, match=r"changed\.gguf: (a length at byte|tensor '' claims 0 dimensions)"):
        open_gguf(content, tmp_path)


def test_a_gguf_of_another_architecture(gguf_bytes, tmp_path):
    with pytest.raises(CheckpointError, match=r"architecture 'mamba' is not supported\. Supported: llama"):
        open_gguf(gguf_bytes.replace(b"llama", b"mamba"), tmp_path)


def test_not_a_gguf(tmp_path):
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
        (put("model.norm.weight", torch.ones(31)), r"shape \(31,\) in the file, but its configuration says \(32,\)"),
        (put("model.norm.weight", torch.ones(32, dtype=torch.int64)), "must be floating-point"),
        (put("model.layers.0.self_attn.q_proj.bias", torch.ones(32)), "no place for .*q_proj.bias"),
    ],
)
def test_safetensors_that_do_not_fit(llama_folder, change, message):
    rewrite_safetensors(llama_folder, change)
    with pytest.raises(CheckpointError, match=message):
        load(llama_folder)


def test_truncated_safetensors(llama_folder):
    path = llama_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        load(llama_folder)


def test_safetensors_header_that_lies(llama_folder):
    path = llama_folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + path.read_bytes()[8:])
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        load(llama_folder)


def test_a_missing_shard(tmp_path):
    their_model("llama").save_pretrained(tmp_path, max_shard_size="20KB")
    next(tmp_path.glob("model-00002*")).unlink()
    with pytest.raises(CheckpointError, match=r"names model-00002.*which is missing"):
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
        ({"hidden_size": "many"}, "'hidden_size' is 'many', expected int"),
        ({"hidden_size": -32}, "'hidden_size' is -32"),
        ({"num_hidden_layers": None}, "'num_hidden_layers' is missing"),
        ({"num_hidden_layers": 10**8}, "100,000,000 layers are announced"),
        ({"hidden_act": "relu"}, "hidden_act='relu' is not supported"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope type 'yarn' is not supported"),
        ({"num_attention_heads": 0}, "n_heads must be at least 1"),
        ({"num_key_value_heads": 3}, "not a multiple of n_kv_heads=3"),
        ({"head_dim": 2**50}, "heads of an even width from 2 to 65,536"),  # before a table of that size is made
        ({"head_dim": 7}, "even width"),
        ({"rms_norm_eps": float("nan")}, "norm_eps must be at least 0, got nan"),
        ({"rope_parameters": [1]}, r"'rope_parameters' is \[1\], expected dict"),
        ({"rope_parameters": {"rope_theta": float("nan")}}, "rope_theta is nan"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 0.0}}, "rope_factors must be 4 positive numbers"),
        ({"rope_parameters": LLAMA3 | {"factor": 0.0}}, "scaling needs factor > 0"),
        ({"rope_parameters": LLAMA3 | {"high_freq_factor": 1.0}}, "low_freq_factor < high_freq_factor"),
        ({"eos_token_id": [[1]]}, r"'eos_token_id' is \[\[1\]\], expected a whole number or a list of them"),
        ({"eos_token_id": [None]}, "'eos_token_id'"),
        ({"eos_token_id": "</s>"}, "'eos_token_id'"),
    ],
)
def test_configs_that_cannot_be_run(llama_folder, changes, message):
    edit_config(llama_folder, **changes)
    with pytest.raises(CheckpointError, match=message):
        load(llama_folder)


def test_end_tokens_outside_the_vocabulary_are_left_out(llama_folder):
    edit_config(llama_folder, eos_token_id=[2**70, 5, -1])
    assert load(llama_folder).config.end_ids == (5, 2)  # 2 is in generation_config.json


def test_a_config_that_begins_with_a_byte_order_mark(llama_folder):
    config = llama_folder / "config.json"
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    assert load(llama_folder).config.n_layers == SMALL["num_hidden_layers"]


@pytest.mark.parametrize("content", ["{", "[1, 2]", "\xff", "[" * 100_000, '{"hidden_size": ' + "9" * 5000 + "}"])
def test_config_that_is_no_json_object(llama_folder, content):
    (llama_folder / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load(llama_folder)


# --- names and the hub ------------------------------------------------------------------------------------------


def test_an_unknown_name_says_which_names_exist():
    with pytest.raises(ValueError, match=r"named 'gpt5'\. Known names: smollm2-135m-instruct, gpt2"):
        load_pretrained("gpt5")


def test_no_name_is_not_the_current_folder():
    with pytest.raises(ValueError, match="no model and no file or folder named ''"):
        load_pretrained("")


def test_one_file_of_a_folder(llama_folder):
    with pytest.raises(ValueError, match=r"only one file of a model\. Give the folder"):
        load_pretrained(next(llama_folder.glob("*.safetensors")))


def test_an_empty_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        load_pretrained(tmp_path)


def test_the_hub_is_asked_for_ids_and_for_full_precision(llama_folder, monkeypatch):
    asked = []

    def snapshot_download(repo_id, allow_patterns):
        asked.append(repo_id)
        assert not any("bin" in pattern for pattern in allow_patterns)
        return str(llama_folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    alphabet = CharTokenizer("abc")
    monkeypatch.setattr(pretrained, "load_tokenizer", lambda path: alphabet)
    for name, source in [("someone/model", "package"), ("gpt2", "package"), ("smollm2-135m-instruct", "hub")]:
        model, tokenizer = load_pretrained(name, device="cpu", source=source)
        assert model.config.vocab_size == 67
        assert tokenizer is alphabet
    assert asked == ["someone/model", "openai-community/gpt2", "HuggingFaceTB/SmolLM2-135M-Instruct"]


def test_without_a_network_the_hub_says_what_to_do(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def snapshot_download(*_args, **_kwargs):
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(DownloadError, match=r"hf download someone/model --local-dir FOLDER.*needs only pip"):
        load_pretrained("someone/model")


def test_a_folder_with_tokenizer_loads_whole(tmp_path, llama_folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    corpus = ["the cat sat on the mat and the hat"] * 3
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())[:60]
    tokenizer.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=67, initial_alphabet=alphabet, special_tokens=["<|end|>"])
    )
    folder = tmp_path / "whole"
    shutil.copytree(llama_folder, folder, ignore=shutil.ignore_patterns("whole"))
    whole = Tokenizer(models.BPE())
    whole.pre_tokenizer, whole.decoder = tokenizer.pre_tokenizer, tokenizer.decoder
    whole.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|end|>"]
        ),
    )
    whole.save(str(folder / "tokenizer.json"))
    _, ours = load_pretrained(folder, device="cpu", dtype="float32")
    assert ours.encode("the cat and the hat") == whole.encode("the cat and the hat").ids

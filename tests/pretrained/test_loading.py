"""Models saved by others give the same logits as in `transformers`, and load by name, from a folder or from the hub."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from reference_models import FAMILIES, SMALL, edit_config, load, their_model, write_gguf

from llmlib.files.downloads import DownloadError
from llmlib.files.gguf_file import read_gguf
from llmlib.files.quantised import DEQUANTISE
from llmlib.pretrained import fill, load_pretrained
from llmlib.pretrained import loading as pretrained
from llmlib.pretrained.config_fields import CheckpointError
from llmlib.pretrained.gguf_checkpoint import GGUFCheckpoint
from llmlib.tokenization import CharTokenizer
from pretrained import smollm2_logits


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("max_shard_size", ["5GB", "20KB"])
def test_logits_match_those_of_transformers(family, max_shard_size, tmp_path):
    theirs = their_model(family)
    theirs.save_pretrained(tmp_path, max_shard_size=max_shard_size)
    assert (max_shard_size == "20KB") == (tmp_path / "model.safetensors.index.json").exists()
    model = load(tmp_path)
    ids = torch.randint(67, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = theirs(ids).logits, model(ids)
    assert expected.abs().max() > 1, "the reference logits are too small for a comparison"
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_logits_match_those_of_transformers_for_random_shapes(seed, tmp_path):
    chance = np.random.default_rng(seed)
    kv_heads, group = (int(chance.integers(1, 4)) for _ in range(2))
    config = transformers.Qwen3Config(
        vocab_size=int(chance.integers(5, 200)),
        hidden_size=int(chance.integers(4, 40)),
        intermediate_size=int(chance.integers(3, 60)),
        num_hidden_layers=int(chance.integers(1, 5)),
        num_attention_heads=kv_heads * group,
        num_key_value_heads=kv_heads,
        head_dim=2 * int(chance.integers(1, 9)),
        max_position_embeddings=20,
        tie_word_embeddings=bool(chance.integers(2)),
        rms_norm_eps=1e-6,
    )
    torch.manual_seed(seed)
    theirs = transformers.AutoModelForCausalLM.from_config(config).eval()
    theirs.save_pretrained(tmp_path)
    ids = torch.randint(config.vocab_size, (3, 17), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        torch.testing.assert_close(load(tmp_path)(ids), theirs(ids).logits, atol=1e-4, rtol=0)


def test_hidden_states_and_patterns_match_those_of_transformers(llama_folder):
    theirs = transformers.AutoModelForCausalLM.from_pretrained(llama_folder, attn_implementation="eager")
    model, residual, pattern = load(llama_folder), [], []
    for block in model.blocks:
        block.hook_residual_pre.add_hook(lambda value: residual.append(value))
        block.attention.hook_pattern.add_hook(lambda value: pattern.append(value))
    ids = torch.arange(20)[None]
    with torch.no_grad():
        model(ids)
        expected = theirs(ids, output_attentions=True, output_hidden_states=True)
    for ours, other in zip(residual + pattern, expected.hidden_states[:3] + expected.attentions):
        torch.testing.assert_close(ours, other, atol=1e-4, rtol=1e-4)


def test_end_tokens_come_from_the_config_and_the_generation_config(llama_folder):
    edit_config(llama_folder, eos_token_id=3)
    (llama_folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 3]}))
    assert load(llama_folder).config.end_ids == (3, 5)


def test_weights_have_the_requested_dtype(llama_folder):
    model = load(llama_folder, torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert not model.training


# --- SmolLM2, from its package ----------------------------------------------------------------------------------


@pytest.mark.network
def test_logits_of_smollm2_match_those_of_transformers_on_real_prompts(smollm2):
    model, tokenizer = smollm2
    for reference in json.loads(smollm2_logits.FILE.read_text(encoding="utf-8")):
        with torch.no_grad():
            logits = model(torch.tensor([tokenizer.encode(reference["prompt"])]))[0]
        assert logits.argmax(-1).tolist() == reference["likeliest"]
        expected = torch.tensor(reference["logits"])
        torch.testing.assert_close(smollm2_logits.kept(logits), expected, atol=1e-3, rtol=0)


@pytest.mark.network
def test_smollm2_completes_a_sentence_with_the_capital_of_france(smollm2):
    model, tokenizer = smollm2
    logits = model(torch.tensor([tokenizer.encode("The capital of France is")]))
    assert tokenizer.decode([int(logits[0, -1].argmax())]) == " Paris"


# --- GGUF files, written by the reference library ---------------------------------------------------------------


@pytest.mark.parametrize("family", ["llama", "llama 3", "mistral", "qwen2", "qwen3"])
def test_logits_of_a_gguf_match_those_of_transformers(family, tmp_path):
    theirs = their_model(family)
    model = fill(GGUFCheckpoint(write_gguf(tmp_path / "model.gguf", theirs)), "cpu", torch.float32)
    ids = torch.randint(67, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(ids).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_quantised_tensors_match_those_of_the_reference_library(kind, tmp_path):
    import gguf

    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**{**SMALL, "intermediate_size": 64, "num_hidden_layers": 1})
    )
    path = write_gguf(tmp_path / "model.gguf", theirs, kind)
    ours = read_gguf(path)
    for tensor in gguf.GGUFReader(path).tensors:
        expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(ours.tensors[tensor.name].shape)
        np.testing.assert_array_equal(ours.tensor(tensor.name), expected)


@given(rows=st.lists(st.integers(1, 3), max_size=2), blocks=st.integers(1, 3), seed=st.integers(0, 99))
@pytest.mark.parametrize("kind", DEQUANTISE)
def test_random_bytes_are_dequantised_as_in_the_reference_library(kind, rows, blocks, seed):
    import gguf

    block_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][1]
    data = np.random.default_rng(seed).integers(0, 256, (*rows, blocks * block_bytes), dtype=np.uint8)
    with np.errstate(all="ignore"):  # some of these scales are infinite or NaN
        expected = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[kind])
    np.testing.assert_array_equal(DEQUANTISE[kind](data), expected)


# --- names and the hub ------------------------------------------------------------------------------------------


def test_the_error_for_an_unknown_name_lists_the_known_names():
    with pytest.raises(ValueError, match=r"named 'gpt5'\. Known names: tinytales, smollm2-135m-instruct, gpt2"):
        load_pretrained("gpt5")


def test_an_empty_name_does_not_mean_the_current_folder():
    with pytest.raises(ValueError, match="no model, file or folder named ''"):
        load_pretrained("")


def test_a_single_file_from_a_model_folder_is_refused(llama_folder):
    with pytest.raises(ValueError, match=r"only one file of a model\. Pass its folder"):
        load_pretrained(next(llama_folder.glob("*.safetensors")))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        load_pretrained(tmp_path)


def test_repository_ids_gpt2_and_full_precision_models_come_from_the_hub(llama_folder, monkeypatch):
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


def test_the_error_without_a_network_says_what_to_do(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def snapshot_download(*_args, **_kwargs):
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(DownloadError, match=r"hf download someone/model --local-dir FOLDER.*needs only pip"):
        load_pretrained("someone/model")


def test_a_folder_loads_with_its_tokenizer(tmp_path, llama_folder):
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

"""A saved model loads unchanged, here and in `transformers`."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
import safetensors
import torch
import transformers
from reference_models import FAMILIES, load, their_model
from safetensors.torch import load_file, save_file

from llmlib.chat import CHATML, encode_chat, with_chat_template
from llmlib.pretrained import CheckpointError, OwnFormatWarning, load_pretrained, save_pretrained
from llmlib.pretrained.saving import hub_config
from llmlib.tokenization import BPETokenizer, CharTokenizer, load_tokenizer
from llmlib.transformer import Transformer, TransformerConfig

TOKENIZER = with_chat_template(BPETokenizer.train("", 258, special_tokens=["<|im_start|>", "<|im_end|>"]), CHATML)
IDS = torch.randint(67, (2, 40), generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "llama 3"])
def test_a_saved_model_gives_the_same_logits_here_and_in_transformers(family, tmp_path):
    theirs = their_model(family)
    theirs.save_pretrained(tmp_path / "theirs")
    model = load(tmp_path / "theirs")
    save_pretrained(model, TOKENIZER, tmp_path / "ours")
    again, tokenizer = load_pretrained(tmp_path / "ours", device="cpu", dtype="float32")
    with torch.no_grad():
        expected = model(IDS)
        assert torch.equal(again(IDS), expected)
        opened = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours", dtype=torch.float32)
        torch.testing.assert_close(opened.eval()(IDS).logits, expected, atol=1e-4, rtol=0)
    assert dataclasses.replace(again.config, end_ids=()) == dataclasses.replace(model.config, end_ids=())
    assert (tokenizer.chat_template, tokenizer.eos_ids) == (CHATML, (257,))


def llama(**choices):
    settings = {"positions": "rotary", "norm": "rmsnorm", "mlp": "swiglu", **choices}
    return TransformerConfig(258, 48, 16, 2, 2, **settings)


def test_end_tokens_and_precision_are_kept(tmp_path):
    model = Transformer(llama(end_ids=(5,))).bfloat16()
    save_pretrained(model, TOKENIZER, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["torch_dtype"] == "bfloat16"
    again, _ = load_pretrained(tmp_path, device="cpu", dtype="bfloat16")
    assert again.config.end_ids == (257, 5)
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    save_pretrained(again, TOKENIZER, tmp_path)  # overwrites the folder
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"}


@pytest.mark.parametrize(
    "choices",
    [
        {"positions": "none"},
        {"norm": "layernorm"},
        {"mlp": "gelu"},
        {"mlp": "none"},
        {"qk_norm": True, "sliding_window": 4},
        {"output_bias": True},
        {"qkv_bias": True, "mlp_bias": True},
        {"rope_factors": (1.0, 1.0, 2.0, 8.0)},
        {"positions": "sinusoidal", "tied_embeddings": False},
    ],
)
def test_a_model_of_an_unknown_family_is_saved_in_our_own_format_with_a_warning(choices, tmp_path):
    config = llama(**choices)
    with pytest.raises(ValueError, match="has no family for a model like this"):
        hub_config(config)
    model = Transformer(config)
    with pytest.warns(
        OwnFormatWarning, match="Only llmlib can open this model: its architecture is not one of the families"
    ):
        save_pretrained(model, TOKENIZER, tmp_path / "new")
    again, tokenizer = load_pretrained(tmp_path / "new", device="cpu", dtype="float32")
    assert again.config == config
    assert torch.equal(again(IDS), model(IDS))
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "new")("Hi").input_ids == tokenizer.encode("Hi")


def test_a_saved_tokenizer_and_its_template_work_the_same_in_transformers(tmp_path):
    text = "Where's the 12th café?\n\n  \t— “Où?” 🦊"
    tokenizer = BPETokenizer.train(text * 3, 290, ["<|im_start|>", "<|im_end|>"])
    tokenizer = with_chat_template(tokenizer, CHATML)
    save_pretrained(Transformer(llama()), tokenizer, tmp_path)
    theirs, ours = transformers.AutoTokenizer.from_pretrained(tmp_path), load_tokenizer(tmp_path)
    assert theirs(text).input_ids == ours.encode(text) == tokenizer.encode(text)
    messages = [{"role": "user", "content": "Où?"}]
    ids = theirs.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert ids == encode_chat(tokenizer, messages) == encode_chat(ours, messages)
    assert (theirs.eos_token_id, ours.eos_ids) == (tokenizer.eos_ids[0], tokenizer.eos_ids)


@pytest.mark.parametrize(
    "tokenizer",
    [
        BPETokenizer.train("low lower lowest", 260, pattern=r"\S+|\s+"),
        BPETokenizer.train("low lower", 258, special_tokens=["\n"]),
        BPETokenizer({**{bytes([b]): b for b in range(256)}, b"xyz": 256}),
    ],
)
def test_a_tokenizer_that_other_libraries_cannot_read_is_saved_in_our_format(tokenizer, tmp_path):
    with pytest.warns(OwnFormatWarning, match=r"Only llmlib can open the tokenizer\.json"):
        save_pretrained(Transformer(llama()), tokenizer, tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.encode("lowest xyz\n") == tokenizer.encode("lowest xyz\n")


@pytest.mark.parametrize("what", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_crash_while_overwriting_another_model_leaves_no_mixture_of_the_two(what, tmp_path, monkeypatch):
    """Files are renamed one at a time; in between, the folder does not count as a model."""
    save_pretrained(Transformer(llama()), TOKENIZER, tmp_path)
    real = os.replace

    def replace(source, target):
        if Path(target) == tmp_path / what:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        save_pretrained(Transformer(llama(), seed=1), TOKENIZER, tmp_path)
    with pytest.raises(CheckpointError, match=r"config\.json is missing, so this is not a model folder"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5])
def test_weights_that_changed_after_they_were_written_are_noticed(value, tmp_path):
    save_pretrained(Transformer(llama()), TOKENIZER, tmp_path)
    path = tmp_path / "model.safetensors"
    with safetensors.safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    weights = load_file(path)
    weights["model.norm.weight"][3] = value
    save_file(weights, path, metadata)
    with pytest.raises(CheckpointError, match=r"model\.norm\.weight differs from what was written"):
        load_pretrained(tmp_path)
    save_file(weights, path, {"format": "pt"})  # as other libraries write it
    if value == 0.5:
        load_pretrained(tmp_path)
    else:
        with pytest.raises(CheckpointError, match=r"model\.norm\.weight contains NaN or infinity"):
            load_pretrained(tmp_path)


def test_saving_refuses_unsupported_tokenizers_and_folders_with_other_models(tmp_path):
    model = Transformer(llama())
    with pytest.raises(ValueError, match="only a BPETokenizer can"):
        save_pretrained(model, CharTokenizer("abc"), tmp_path)
    (tmp_path / "model-00001-of-00002.safetensors").touch()
    message = r"contains model-00001-of-00002\.safetensors, which belongs to a different model\."
    with pytest.raises(ValueError, match=message):
        save_pretrained(model, TOKENIZER, tmp_path)


def test_a_model_with_extra_weights_is_refused(tmp_path):
    """Without this check, the model would be saved but could not be loaded again."""
    model = Transformer(llama())
    model.blocks[0].attention.query.A = torch.nn.Parameter(torch.zeros(2, 16))
    with pytest.raises(ValueError, match=r"for example 'blocks\.0\.attention\.query\.A'.*merge and remove"):
        save_pretrained(model, TOKENIZER, tmp_path)
    assert not list(tmp_path.iterdir())

"""A saved model is the same again, for us and for `transformers`."""

import dataclasses
import json

import pytest
import torch
import transformers
from reference_models import FAMILIES, load, their_model

from llmlib.chat import CHATML, with_chat_template
from llmlib.pretrained import load_pretrained
from llmlib.pretrained.saving import hub_config, save_pretrained
from llmlib.tokenization import BPETokenizer, CharTokenizer
from llmlib.transformer import Transformer, TransformerConfig

TOKENIZER = with_chat_template(BPETokenizer.train("", 258, special_tokens=["<|im_start|>", "<|im_end|>"]), CHATML)
IDS = torch.randint(67, (2, 40), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "llama 3"])
def test_saved_and_loaded_it_says_the_same_here_and_there(family, tmp_path):
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
    save_pretrained(again, TOKENIZER, tmp_path)  # over itself
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "config.json", "tokenizer.json"}


@pytest.mark.parametrize(
    "choices",
    [
        {"positions": "none"}, {"norm": "layernorm"}, {"mlp": "gelu"}, {"qk_norm": True, "sliding_window": 4},
        {"output_bias": True}, {"qkv_bias": True, "mlp_bias": True}, {"rope_factors": (1.0, 1.0, 2.0, 8.0)},
    ],
)  # fmt: skip
def test_a_model_of_no_known_family_is_refused_before_anything_is_written(choices, tmp_path):
    with pytest.raises(ValueError, match="has no name on the Hugging Face hub"):
        hub_config(llama(**choices))
    with pytest.raises(ValueError, match="has no name on the Hugging Face hub"):
        save_pretrained(Transformer(llama(**choices)), TOKENIZER, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_written_and_where(tmp_path):
    model = Transformer(llama())
    with pytest.raises(ValueError, match="only a BPETokenizer can"):
        save_pretrained(model, CharTokenizer("abc"), tmp_path)
    (tmp_path / "model-00001-of-00002.safetensors").touch()
    with pytest.raises(ValueError, match=r"holds model-00001-of-00002\.safetensors, the weights of another model"):
        save_pretrained(model, TOKENIZER, tmp_path)


def test_a_model_with_something_beside_its_own_weights_is_refused(tmp_path):
    """It would be written without complaint, and could not be opened."""
    model = Transformer(llama())
    model.blocks[0].attention.query.A = torch.nn.Parameter(torch.zeros(2, 16))
    with pytest.raises(ValueError, match=r"such as 'blocks\.0\.attention\.query\.A'.*Merge and remove"):
        save_pretrained(model, TOKENIZER, tmp_path)
    assert not list(tmp_path.iterdir())

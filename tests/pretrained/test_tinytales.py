"""The course's own base model comes with the code, is small, and has learned to answer."""

import sys
from pathlib import Path

import pytest
import torch

from llmlib import load_pretrained
from llmlib.pretrained.loading import TINYTALES

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def loaded():
    return load_pretrained("tinytales", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def maker():
    """The script that trains and scores the model."""
    sys.path.insert(0, str(ROOT / "data"))
    try:
        import make_tinytales
    finally:
        sys.path.pop(0)
    return make_tinytales


@pytest.fixture(scope="module")
def config(maker):
    """The config of the model that the recipe makes for a new tokenizer."""
    return maker.make_model(maker.make_tokenizer()).config


def test_the_models_files_take_at_most_ten_megabytes():
    assert sum(path.stat().st_size for path in TINYTALES.iterdir()) <= 10_000_000


def test_loading_the_model_needs_no_network_and_no_mirror(monkeypatch):
    monkeypatch.delenv("LLMLIB_MIRROR", raising=False)
    monkeypatch.setattr("llmlib.files.downloads.fetch", None)
    model, tokenizer = load_pretrained("tinytales", device="cpu")
    assert model.config.vocab_size == tokenizer.vocab_size


def test_transformers_computes_the_same_logits(loaded):
    """The files are in the hub's format, so people can use the model elsewhere."""
    import transformers

    theirs = transformers.AutoModelForCausalLM.from_pretrained(TINYTALES, dtype=torch.float32).eval()
    model, tokenizer = loaded
    ids = torch.tensor([tokenizer.encode("Rusty the fox lived in the den. One morning")])
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(ids).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_the_model_matches_its_recipe(loaded, config):
    model, tokenizer = loaded
    assert model.config == config
    assert tokenizer.eos_ids == tuple(model.config.end_ids)
    text = "“Où?” said Ada 🦊.\n\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.slow
def test_the_model_answers_from_the_story_in_the_prompt_and_not_from_habit(loaded, maker, monkeypatch):
    monkeypatch.setattr(maker, "STORIES_TO_SCORE", 8)
    counts = maker.scores(*loaded, "heldout").values()
    right, under_another_story, of = (sum(column) for column in zip(*counts))
    assert of > 60
    assert right > 0.7 * of
    assert under_another_story < 0.5 * of


@pytest.mark.slow
def test_the_model_card_matches_the_recipe(maker, config):
    card = (TINYTALES / "README.md").read_text(encoding="utf-8")
    assert maker.chosen(maker.RUN) in card
    assert maker.chosen(config) in card
    assert f"{maker.RUN.steps * maker.RUN.batch_size * maker.RUN.seq_len:,} tokens" in card

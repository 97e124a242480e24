"""Attention over long texts: thumbnails, scores and heads agree with the whole patterns, which are never stored."""

import json
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
from acting import act, acts
from small_models import KINDS, make

from llmlib.explore import explore_attention
from llmlib.explore.attention.long_texts import SCORES, SIDE, PatternsOfArrays, PatternsOfRun, check_memory
from llmlib.interpret import ablate, head_scores, trace
from llmlib.tokenization import CharTokenizer
from llmlib.transformer import Transformer, TransformerConfig
from llmlib.widgets import AttentionView

WORDS = "the cat sat on the mat and the dog did not sit on the cat "


def whole(model, ids, heads=(), how="zero"):
    """Run the model and return every pattern from its hook point, plus the mean and maximum over each layer's heads."""
    batch = torch.tensor([ids])
    with torch.no_grad(), ablate(model, heads, how, reference=batch), trace(model, ("pattern",)) as t:
        model(batch)
    patterns = torch.stack(t.pattern)[:, 0]
    return torch.cat([patterns, patterns.mean(1, keepdim=True), patterns.amax(1, keepdim=True)], dim=1)


def scores_of(pattern, ids):
    functions = {
        "previous": head_scores.previous_token_score,
        "first": head_scores.first_token_score,
        "distance": head_scores.distance,
        "entropy": head_scores.entropy,
    }
    with_ids = {"duplicate": head_scores.duplicate_token_score, "induction": head_scores.induction_score}
    return [functions[name](pattern) if name in functions else with_ids[name](pattern, ids) for name in SCORES]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(("side", "cell"), [(24, 1), (8, 3), (5, 5)])
def test_thumbnails_scores_and_heads_agree_with_the_whole_patterns(kind, side, cell, monkeypatch):
    monkeypatch.setattr("llmlib.explore.attention.long_texts.SIDE", side)
    monkeypatch.setattr("llmlib.explore.attention.long_texts.ROWS", 8)
    model = make(kind)
    ids = torch.randint(9, (24,), generator=torch.Generator().manual_seed(1)).tolist()
    expected = whole(model, ids)
    seen = []
    record = PatternsOfRun(model, ids, seen.append)
    with torch.inference_mode(), record.watched():
        model(torch.tensor([ids]))
    np.testing.assert_allclose(record.thumbnails, F.max_pool2d(expected, cell, ceil_mode=True), atol=1e-4)
    scores = torch.stack(scores_of(expected, torch.tensor(ids)), dim=-1)
    np.testing.assert_allclose(record.scores, scores, atol=1e-3)
    for layer in range(3):
        for at, head in enumerate([0, 1, 2, 3, "mean", "max"]):
            np.testing.assert_allclose(record.head(layer, head), expected[layer, at], atol=1e-4)
    assert seen == [0, 1, 2]


def test_patterns_given_as_arrays_have_the_same_thumbnails_scores_and_heads():
    ids = torch.randint(9, (70,), generator=torch.Generator().manual_seed(0)).tolist()
    model = Transformer(TransformerConfig(9, 70, 16, n_layers=2, n_heads=2))
    expected = whole(model, ids)
    arrays = PatternsOfArrays(list(expected[:, :2]), ids)
    assert arrays.thumbnails.shape == (2, 4, 35, 35)
    np.testing.assert_allclose(arrays.thumbnails, F.max_pool2d(expected, 2, ceil_mode=True), atol=1e-5)
    np.testing.assert_allclose(
        arrays.scores, torch.stack(scores_of(expected, torch.tensor(ids)), dim=-1), atol=1e-3, rtol=1e-4
    )
    for at, head in enumerate([0, 1, "mean", "max"]):
        np.testing.assert_allclose(arrays.head(1, head), expected[1, at], atol=0.004)


def test_no_tensor_ever_holds_all_patterns_of_a_layer(monkeypatch):
    """The largest tensor created while the model reads a long text contains only some rows of one layer."""
    monkeypatch.setattr("llmlib.explore.attention.long_texts.WHOLE", 1000)
    config = TransformerConfig(9, 512, 16, n_layers=4, n_heads=8)
    ids = torch.randint(9, (512,), generator=torch.Generator().manual_seed(0)).tolist()
    model = Transformer(config)
    largest = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            largest.extend(one.numel() for one in (out if isinstance(out, tuple) else [out]) if torch.is_tensor(one))
            return out

    record = PatternsOfRun(model, ids)
    with torch.no_grad(), record.watched(), Watch():
        model(torch.tensor([ids]))
    assert max(largest) <= 8 * 128 * 512
    kept = sum(one.numel() for one in [*record.q, *record.k])
    assert kept == 4 * (8 + 8) * 2 * 512


def test_too_little_memory_is_reported_before_any_is_used():
    config = TransformerConfig(49_152, 8192, 576, n_layers=30, n_heads=9, n_kv_heads=3, d_head=64, d_mlp=1536)
    check_memory(config, 1024, 4, 10**9)
    with pytest.raises(
        ValueError, match=r"8,192 tokens.*about 3\.\d GB of memory, but only 0\.5 GB is free.*Shorten"
    ) as error:
        check_memory(config, 8192, 4, 5 * 10**8)
    shorter = int(re.search(r"about ([\d,]+) tokens", str(error.value))[1].replace(",", ""))
    check_memory(config, shorter, 4, 5 * 10**8)


# --- in the view --------------------------------------------------------------------------------------------------


@pytest.fixture
def long(monkeypatch):
    """Return a model, its tokenizer, and a text that counts as long."""
    monkeypatch.setattr("llmlib.explore.attention.long_texts.WHOLE", 8 * 100 * 101 // 2 - 1)
    tokenizer = CharTokenizer.train(WORDS)
    model = Transformer(TransformerConfig(tokenizer.vocab_size, max_seq_len=256, d_model=32, n_layers=2, n_heads=4))
    for parameter in model.parameters():
        parameter.data *= 5
    return model.eval(), tokenizer, (WORDS * 4)[:200]


def test_thumbnails_of_a_long_text_are_sent_first_and_a_head_when_it_is_opened(long):
    model, tokenizer, text = long
    view = explore_attention(model, tokenizer, text)
    expected = whole(model, tokenizer.encode(text))
    assert view.a["side"] == 50 <= SIDE
    assert len(view.a_codes) == 2 * 6 * 50 * 51 // 2
    np.testing.assert_allclose(view.pattern(1, 2), F.max_pool2d(expected, 4)[1, 2], atol=0.005)
    assert view.opened == {}
    assert act(view, "open", layer=1, head=2)
    np.testing.assert_allclose(view.pattern(1, 2), expected[1, 2], atol=0.005)
    assert len(view.opened_codes) == 200 * 201 // 2
    act(view, "open", layer=0, head="mean")
    np.testing.assert_allclose(view.pattern(0, "mean"), expected[0, 4], atol=0.005)
    assert "largest weight in a square of 4 × 4 tokens" in view.notes[0]
    assert not act(view, "open", layer=2, head=0)
    assert view.notice


def test_progress_in_reading_a_long_text_is_reported(long):
    model, tokenizer, text = long
    view = explore_attention(model, tokenizer, "the cat")
    messages = []
    view.progress = messages.append
    act(view, "text", which="a", text=text)
    assert messages == ["layer 1 of 2", "layer 2 of 2"]


def test_nothing_remains_of_a_text_when_a_shorter_or_longer_one_replaces_it(long):
    model, tokenizer, text = long
    view = explore_attention(model, tokenizer, text)
    act(view, "open", layer=1, head=2)
    act(view, "text", which="a", text="the cat")
    assert (view.a_scores, view.opened, view.kept, view.notes) == (b"", {}, [], [])
    np.testing.assert_allclose(view.pattern(1, 2), whole(model, tokenizer.encode("the cat"))[1, 2], atol=0.005)
    view.place = {"layer": 1, "head": 3}  # the reader is looking at this head
    act(view, "text", which="a", text=text[::-1])
    np.testing.assert_allclose(view.pattern(1, 3), whole(model, tokenizer.encode(text[::-1]))[1, 3], atol=0.005)


@pytest.mark.parametrize("how", ["zero", "mean"])
def test_heads_can_be_switched_off_in_a_long_text(long, how):
    model, tokenizer, text = long
    view = explore_attention(model, tokenizer, text)
    switch = ("switch", {"layer": 0, "head": 1, "off": True})
    assert acts(view, ("how", {"how": how}), switch, ("open", {"layer": 1, "head": 0})) == []
    act(view, "open", layer=1, head=0)
    without = AttentionView(a=view.b, a_codes=view.b_codes)
    sizes = {side: of["size"] for side, of in view.opened["sides"].items()}
    without._kept = {
        (1, 0): ({"sides": {"a": view.opened["sides"]["b"]}}, view.opened_codes[sizes["a"] :])
    }  # side B, stored as if it were side A
    expected = whole(model, tokenizer.encode(text), [(0, 1)], how)[1, 0]
    np.testing.assert_allclose(without.pattern(1, 0), expected, atol=0.005)


def test_a_page_saved_from_a_long_text_contains_the_opened_heads(long):
    model, tokenizer, text = long
    view = explore_attention(model, tokenizer, text)
    for head in range(3):
        act(view, "open", layer=0, head=head)
    state = json.loads(re.search(r'id="payload">(.*?)</script>', view.to_html(), re.S)[1])["state"]
    assert [(opened["layer"], opened["head"]) for opened in state["kept"]] == [(0, 0), (0, 1), (0, 2)]
    assert sum(opened["sides"]["a"]["size"] for opened in state["kept"]) == len(view.kept_codes)


@pytest.mark.slow
def test_the_picture_of_a_long_text_shows_a_head_in_full_once_it_is_opened(long):
    model, tokenizer, text = long
    view = explore_attention(model, tokenizer, text)
    grid = view.svg()
    assert view.alt.startswith("Attention of 2 layers × 4 heads over 200 tokens")
    view.place = {"layer": 1, "head": 1}
    assert "Only a thumbnail" in view.alt
    coarse = view.svg()
    act(view, "open", layer=1, head=1)
    assert "Strongest: “" in view.alt
    assert len({grid, coarse, view.svg()}) == 3


@pytest.mark.slow
def test_a_model_from_the_transformers_library_can_read_a_long_text(monkeypatch):
    monkeypatch.setattr("llmlib.explore.attention.long_texts.WHOLE", 1000)
    config = transformers.GPT2Config(vocab_size=100, n_positions=128, n_embd=16, n_layer=2, n_head=4)
    theirs = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()

    class Letters:
        def encode(self, text, add_special_tokens=True):
            return [ord(c) - 32 for c in text]

        def decode(self, ids):
            return "".join(chr(id + 32) for id in ids)

    view = explore_attention(theirs, Letters(), WORDS * 2)
    ids = Letters().encode(WORDS * 2)
    expected = torch.stack(theirs(torch.tensor([ids]), output_attentions=True).attentions)[:, 0].detach()
    act(view, "open", layer=1, head=3)
    np.testing.assert_allclose(view.pattern(1, 3), expected[1, 3], atol=0.006)
    assert "side" in view.a

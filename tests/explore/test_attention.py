"""The attention view on live models: it shows what the models compute, and answers every request."""

import numpy as np
import pytest
import torch
import transformers
from acting import act, acts
from small_models import hooks_of

from llmlib.explore import explore_attention
from llmlib.explore.attention.controller import attention_patterns
from llmlib.interpret import ablate, trace
from llmlib.tokenization import CharTokenizer
from llmlib.transformer import Transformer, TransformerConfig

TEXT = "the cat sat"


@pytest.fixture
def tokenizer():
    return CharTokenizer.train("the cat sat on the mat; a dog did not!")


@pytest.fixture
def model(tokenizer):
    model = Transformer(TransformerConfig(tokenizer.vocab_size, max_seq_len=32, d_model=32, n_layers=2, n_heads=4))
    for parameter in model.parameters():
        parameter.data *= 5
    yield model.eval()
    assert hooks_of(model) == []


def switch(layer, head, off=True):
    return "switch", {"layer": layer, "head": head, "off": off}


def patterns_and_logits(model, tokenizer, text, heads=(), how="zero"):
    ids = torch.tensor([tokenizer.encode(text)])
    with torch.no_grad(), ablate(model, heads, how, reference=ids), trace(model, ("pattern",)) as t:
        logits = model(ids)
    return torch.stack(t.pattern)[:, 0].numpy(), logits[0]


def shown(view, side="a"):
    """Return every pattern that the view stores for one side."""
    holder = view
    if side == "b":
        from llmlib.widgets import AttentionView

        holder = AttentionView(a=view.b, a_codes=view.b_codes)
    return np.array([[holder.pattern(layer, head) for head in range(4)] for layer in range(2)])


def test_patterns_and_predictions_follow_the_text(model, tokenizer):
    view = explore_attention(model, tokenizer, TEXT)
    for text in (TEXT, "a dog", "t"):
        act(view, "text", which="a", text=text)
        expected, logits = patterns_and_logits(model, tokenizer, text)
        np.testing.assert_allclose(shown(view), expected, atol=0.005)
        assert view.a["tokens"] == list(text)
        best = view.predictions[0]
        assert best["token"] == tokenizer.decode([logits[-1].argmax().item()])
        assert best["before"] == best["after"] == pytest.approx(logits[-1].softmax(-1).max().item(), abs=1e-5)
    assert view.b == {}


@pytest.mark.parametrize("how", ["zero", "mean"])
def test_a_run_with_heads_switched_off_becomes_side_b(model, tokenizer, how):
    view = explore_attention(model, tokenizer, TEXT, continuation=" on")
    heads = [[0, 1], [1, 2]]
    acts(view, ("how", {"how": how}), *(switch(*head) for head in heads))
    intact, _ = patterns_and_logits(model, tokenizer, TEXT)
    without, logits = patterns_and_logits(model, tokenizer, TEXT, heads, how)
    np.testing.assert_allclose(shown(view), intact, atol=0.005)
    np.testing.assert_allclose(shown(view, "b"), without, atol=0.005)
    assert (view.a["title"], view.b["title"]) == ("all heads", "without")
    after = {row["token"]: row["after"] for row in view.predictions}
    best = tokenizer.decode([logits[-1].argmax().item()])
    assert after[best] == pytest.approx(logits[-1].softmax(-1).max().item(), abs=1e-5)
    assert view.logprobs[0] != view.logprobs[1]
    act(view, "all on")
    assert view.b == {}
    assert view.logprobs[0] == view.logprobs[1]


def test_the_log_probability_of_a_continuation_is_shown(model, tokenizer):
    view = explore_attention(model, tokenizer, TEXT)
    assert view.logprobs == []
    act(view, "continuation", text=" on!")
    _, logits = patterns_and_logits(model, tokenizer, TEXT + " on!")
    logprobs, ids = logits.log_softmax(-1), tokenizer.encode(TEXT + " on!")
    expected = sum(logprobs[at - 1, ids[at]].item() for at in range(len(TEXT), len(ids)))
    assert view.logprobs == pytest.approx([expected, expected], abs=1e-4)
    assert view.a["tokens"] == list(TEXT), "the continuation is scored, not shown"


def test_a_head_can_be_switched_off_in_two_texts_of_different_lengths(model, tokenizer):
    view = explore_attention(model, tokenizer, TEXT, other="a dog")
    acts(view, switch(0, 0))
    for side, text in (("a", TEXT), ("b", "a dog")):
        np.testing.assert_allclose(
            shown(view, side), patterns_and_logits(model, tokenizer, text, [(0, 0)])[0], atol=0.005
        )
    act(view, "text", which="b", text="")
    assert view.b["title"] == "without"


def test_two_models_can_be_compared(model, tokenizer):
    second = Transformer(model.config, seed=7)
    view = explore_attention(model, tokenizer, TEXT, other_model=second, titles=("mine", "yours"))
    assert view.source == "Transformer, d_model 32"
    np.testing.assert_allclose(shown(view, "b"), patterns_and_logits(second, tokenizer, TEXT)[0], atol=0.005)
    assert view.alt.endswith("compared with yours.")
    with pytest.raises(ValueError, match="not with both"):
        explore_attention(model, tokenizer, TEXT, other="a", other_model=second)


def test_an_impossible_request_is_reported_and_changes_nothing(model, tokenizer):
    view = explore_attention(model, tokenizer, TEXT)
    before = view.a_codes
    for one, message in (
        (("text", {"which": "a", "text": ""}), "at least one token"),
        (("text", {"which": "a", "text": "a" * 33}), "33 tokens, but the model's context holds only 32"),
        (("continuation", {"text": "a" * 22}), "33 tokens, but the model's context holds only 32"),
        (("text", {"which": "a", "text": "€"}), "€"),
        (switch(0, 4), "no head 4 in layer 0"),
    ):
        assert acts(view, one) == [1]
        assert message in view.notice
        assert (view.a_codes, view.text, view.ablated) == (before, TEXT, [])
    act(view, "text", which="a", text="cat")
    assert view.notice == ""
    with pytest.raises(ValueError, match="at least one token"):
        explore_attention(model, tokenizer, "")


class _TheirTokenizer:
    """The part of a `transformers` tokenizer that the explorer uses."""

    def encode(self, text, add_special_tokens=True):
        return [ord(c) - 32 for c in text]

    def decode(self, ids):
        return "".join(chr(id + 32) for id in ids)


@pytest.mark.slow
def test_models_from_the_transformers_library_are_accepted():
    config = transformers.GPT2Config(vocab_size=100, n_positions=16, n_embd=16, n_layer=2, n_head=4)
    theirs = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    view = explore_attention(theirs, _TheirTokenizer(), "cat", continuation="s")
    ids = [ord(c) - 32 for c in "cat"]
    attentions = theirs(torch.tensor([ids]), output_attentions=True).attentions
    expected = torch.stack(attentions)[:, 0].detach().numpy()
    np.testing.assert_allclose(shown(view), expected, atol=0.005)
    np.testing.assert_allclose(attention_patterns(theirs, ids), expected, atol=1e-6)
    acts(view, switch(0, 0))
    assert "load_pretrained" in view.notice
    act(view, "text", which="a", text="")
    assert "at least one token" in view.notice


def test_a_page_saved_from_a_live_view_keeps_the_predictions_but_is_not_live(model, tokenizer):
    view = explore_attention(model, tokenizer, TEXT)
    acts(view, switch(0, 1))
    page = view.to_html()
    assert '"live"' not in page.split('"state"')[1], "the saved page has no model that could answer"
    assert '"predictions"' in page

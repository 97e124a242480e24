"""What a live model expects next: picks, chance, temperature, refused texts."""

import re

import pytest
import torch
from acting import act, acts

from llmlib.explore import explore_next_token
from llmlib.widgets import NextTokenView
from llmlib.widgets.shared.token_text import token_text


def expected(live, text, temperature=1.0):
    model, tokenizer = live
    with torch.inference_mode():
        logits = model(torch.tensor([tokenizer.encode(text)]))[0, -1]
    return (logits / temperature).softmax(-1)


def test_the_bars_are_the_models_probabilities(live):
    view = explore_next_token(*live, "one two", n_candidates=7)
    probabilities = expected(live, "one two").topk(7)
    assert view.probabilities == pytest.approx(probabilities.values.tolist(), abs=1e-6)
    assert view.ids == probabilities.indices.tolist()
    assert view.candidates == [token_text(live[1].token_bytes(id)) for id in view.ids]
    assert "".join(view.tokens) == "one two"
    assert f"{live[0].config.vocab_size - 7:,} other tokens share the remaining" in view.rest


def test_pick_undo_and_a_new_prompt(live):
    view = explore_next_token(*live, "one")
    chosen = view.candidates[3]
    act(view, "pick", id=view.ids[3])
    assert view.tokens[-1] == chosen
    assert view.picked == 1
    act(view, "undo")
    act(view, "undo")  # more often than picked: the prompt stays
    assert "".join(view.tokens) == "one"
    act(view, "prompt", text="four two")
    assert "".join(view.tokens) == "four two"
    assert view.probabilities == pytest.approx(expected(live, "four two").topk(10).values.tolist(), abs=1e-6)


def test_temperature_reweighs_the_same_candidates(live):
    view = explore_next_token(*live, "one two")
    before = view.candidates
    act(view, "temperature", value=0.5)
    assert view.candidates == before
    assert view.probabilities == pytest.approx(expected(live, "one two", 0.5).topk(10).values.tolist(), abs=1e-6)
    assert act(view, "temperature", value=0), view.notice
    assert view.probabilities == [1.0] + [0.0] * 9


def test_chance_follows_the_seed(live):
    def drawn(seed):
        view = explore_next_token(*live, "one", seed=seed)
        act(view, "draw", times=10)
        return view.tokens

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def seen(view):
    """What a reader sees of the text and its continuations."""
    return {name: getattr(view, name) for name in NextTokenView.shown}


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("", "There is no text to continue. Type at least one word."),
        (
            "one" * 200,
            "This text has 200 tokens, but the model can take 128 at most (its context). Shorten the text.",
        ),
    ],
)
def test_a_refused_text_is_told_and_changes_nothing(live, text, notice):
    view = explore_next_token(*live, "one two")
    act(view, "pick", id=view.ids[2])
    before = seen(view)
    act(view, "prompt", text=text)
    assert view.notice == notice
    assert seen(view) == before
    act(view, "pick", id=view.ids[1])
    assert view.tokens == [*before["tokens"], before["candidates"][1]]
    assert view.notice == ""
    act(view, "undo")
    assert view.tokens == before["tokens"]
    act(view, "undo")
    assert ("".join(view.tokens), view.picked) == ("one two", 0)
    with pytest.raises(ValueError, match=re.escape(notice)):
        explore_next_token(*live, text)


def test_at_the_end_of_the_context_a_text_can_still_be_taken_back(live):
    view = explore_next_token(*live, "one" * 126)
    act(view, "draw", times=10)
    assert (len(view.tokens), view.picked) == (128, 2)  # as many as there was room for
    assert "context of 128 tokens" in view.notice
    assert "Undo" in view.notice
    full = seen(view)
    act(view, "pick", id=view.ids[0])
    assert "context of 128 tokens" in view.notice
    assert seen(view) == full
    act(view, "undo")
    assert view.tokens == full["tokens"][:-1]
    assert view.notice == ""


def test_a_pass_that_fails_leaves_the_text_as_it_was(live, monkeypatch):
    view = explore_next_token(*live, "one two")
    before = seen(view)

    def fail(*args, **kwargs):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(live[0], "forward", fail)
        for kind, details in (("prompt", {"text": "four"}), ("pick", {"id": view.ids[0]}), ("draw", {"times": 1})):
            assert not act(view, kind, **details)
            assert view.notice == "out of memory"
            assert seen(view) == before
    act(view, "pick", id=view.ids[0])
    assert view.tokens == [*before["tokens"], before["candidates"][0]]


def test_a_notice_that_comes_again_is_sent_again(live):
    view = explore_next_token(*live, "one")
    sent = []
    view.observe(lambda change: sent.append(change["new"]), names="notice")
    act(view, "prompt", text="")
    act(view, "prompt", text="")
    assert [bool(notice) for notice in sent] == [True, False, True]

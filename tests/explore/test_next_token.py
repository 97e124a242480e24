"""The next-token view on a live model handles picks, draws, temperature and refused texts."""

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


def test_the_bars_show_the_models_probabilities(live):
    view = explore_next_token(*live, "one two", n_candidates=7)
    probabilities = expected(live, "one two").topk(7)
    assert view.probabilities == pytest.approx(probabilities.values.tolist(), abs=1e-6)
    assert view.ids == probabilities.indices.tolist()
    assert view.candidates == [token_text(live[1].token_bytes(id)) for id in view.ids]
    assert "".join(view.tokens) == "one two"
    assert f"{live[0].config.vocab_size - 7:,} other tokens share the remaining" in view.rest


def test_a_pick_can_be_undone_and_a_new_prompt_replaces_the_text(live):
    view = explore_next_token(*live, "one")
    chosen = view.candidates[3]
    act(view, "pick", id=view.ids[3])
    assert view.tokens[-1] == chosen
    assert view.picked == 1
    act(view, "undo")
    act(view, "undo")  # one undo too many: the prompt stays
    assert "".join(view.tokens) == "one"
    act(view, "prompt", text="four two")
    assert "".join(view.tokens) == "four two"
    assert view.probabilities == pytest.approx(expected(live, "four two").topk(10).values.tolist(), abs=1e-6)


def test_temperature_changes_the_probabilities_but_not_the_candidates(live):
    view = explore_next_token(*live, "one two")
    before = view.candidates
    act(view, "temperature", value=0.5)
    assert view.candidates == before
    assert view.probabilities == pytest.approx(expected(live, "one two", 0.5).topk(10).values.tolist(), abs=1e-6)
    assert act(view, "temperature", value=0), view.notice
    assert view.probabilities == [1.0] + [0.0] * 9


def test_draws_are_determined_by_the_seed(live):
    def drawn(seed):
        view = explore_next_token(*live, "one", seed=seed)
        act(view, "draw", times=10)
        return view.tokens

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def seen(view):
    """Return what a reader sees of the text and its continuations."""
    return {name: getattr(view, name) for name in NextTokenView.shown}


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("", "There is no text to continue. Type at least one word."),
        (
            "one" * 200,
            "This text has 200 tokens, but the model's context holds only 128. Shorten the text.",
        ),
    ],
)
def test_a_refused_text_is_reported_and_changes_nothing(live, text, notice):
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


def test_undo_still_works_when_the_text_fills_the_context(live):
    view = explore_next_token(*live, "one" * 126)
    act(view, "draw", times=10)
    assert (len(view.tokens), view.picked) == (128, 2)  # there was room for only two more tokens
    assert "context of 128 tokens" in view.notice
    assert "Undo" in view.notice
    full = seen(view)
    act(view, "pick", id=view.ids[0])
    assert "context of 128 tokens" in view.notice
    assert seen(view) == full
    act(view, "undo")
    assert view.tokens == full["tokens"][:-1]
    assert view.notice == ""


def test_a_failed_forward_pass_leaves_the_text_as_it_was(live, monkeypatch):
    view = explore_next_token(*live, "one two")
    before = seen(view)

    def fail(*args, **kwargs):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(type(live[0]), "forward", fail)
        for kind, details in (("prompt", {"text": "four"}), ("pick", {"id": view.ids[0]}), ("draw", {"times": 1})):
            assert not act(view, kind, **details)
            assert view.notice == "out of memory"
            assert seen(view) == before
    act(view, "pick", id=view.ids[0])
    assert view.tokens == [*before["tokens"], before["candidates"][0]]


def test_a_repeated_notice_is_sent_again(live):
    view = explore_next_token(*live, "one")
    sent = []
    view.observe(lambda change: sent.append(change["new"]), names="notice")
    act(view, "prompt", text="")
    act(view, "prompt", text="")
    assert [bool(notice) for notice in sent] == [True, False, True]


def lengths_read(live, monkeypatch):
    """Record how many tokens go through the model each time it runs."""
    model, read = live[0], []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda ids, **options: read.append(ids.shape[1]) or forward(ids, **options))
    return read


def test_a_pick_reads_one_token_and_an_undo_reads_none(live, monkeypatch):
    read = lengths_read(live, monkeypatch)
    view = explore_next_token(*live, "one two three four" * 6)
    whole = len(view.tokens)
    assert read == [whole]
    act(view, "pick", id=view.ids[0])
    act(view, "draw", times=3)
    act(view, "undo")
    assert read[1:] == [1, 1, 1, 1]
    acts(view, *[("undo", {})] * 3)
    assert read[5:] == [], "these positions had already been read"
    act(view, "prompt", text="one two three four" * 6 + " one")
    assert 0 < sum(read[5:]) < whole, "what the texts share is not read again"
    act(view, "temperature", value=0.5)
    assert len(read) == 6


def test_the_bars_depend_only_on_the_text_and_not_on_earlier_actions(live):
    model, tokenizer = live
    view = explore_next_token(*live, "one")
    pick, undo = (lambda id: ("pick", {"id": id})), ("undo", {})
    for several, ids in (
        ([pick(3), pick(4), undo], [*tokenizer.encode("one"), 3]),
        ([undo, pick(5), pick(6)], [*tokenizer.encode("one"), 5, 6]),
        ([("draw", {"times": 4}), *[undo] * 5, pick(9)], [*tokenizer.encode("one"), 5, 9]),
        ([("prompt", {"text": "one two"}), pick(7), undo], tokenizer.encode("one two")),
    ):
        assert acts(view, *several) == []
        with torch.inference_mode():
            probabilities = model(torch.tensor([ids]))[0, -1].softmax(-1).topk(10).values
        assert view.probabilities == pytest.approx(probabilities.tolist(), abs=1e-6)
        assert view.tokens == [token_text(tokenizer.token_bytes(id)) for id in ids]


def test_a_text_may_outgrow_its_cache(live, monkeypatch):
    whole = explore_next_token(*live, "one two")
    act(whole, "draw", times=6)
    monkeypatch.setattr("llmlib.explore.shared.logits_reader.ROOM", 2)
    read = lengths_read(live, monkeypatch)
    view = explore_next_token(*live, "one two")
    act(view, "draw", times=6)
    assert view.picked == 6
    assert (view.tokens, view.probabilities) == (whole.tokens, pytest.approx(whole.probabilities, abs=1e-6))
    assert read[1:3] == [1, 1]


def test_picks_in_quick_succession_take_the_token_that_was_clicked(live):
    view = explore_next_token(*live, "one")
    seen, name = view.ids[2], view.candidates[2]
    acts(view, *[("pick", {"id": seen})] * 8)
    assert view.tokens[-8:] == [name] * 8


def test_an_emoji_of_several_code_points_has_no_replacement_characters(live):
    text = "👩‍👩‍👧‍👦 é"
    view = explore_next_token(*live, text)
    assert view.prompt == text
    assert view.tokens[0] == "⟨F0⟩"
    assert "\ufffd" not in "".join(view.tokens)
    assert view.alt.startswith(f"After “{text}”")

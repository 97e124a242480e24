"""Live views: what the reader asks for, the model answers; the static parts hold for any text."""

import re
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.chat import chat
from llmlib.explore import explore_chat, explore_next_token
from llmlib.sampling import Sampler
from llmlib.tokenization import BPETokenizer
from llmlib.transformer import Transformer, TransformerConfig
from llmlib.widgets import ChatView, NextTokenView

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def live():
    tokenizer = BPETokenizer.train("one two three four", 268, special_tokens=["<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template = CHATML
    config = TransformerConfig(
        tokenizer.vocab_size, 128, 16, n_layers=1, n_heads=2, end_ids=(tokenizer.special_tokens["<|im_end|>"],)
    )
    return Transformer(config), tokenizer


def ask(view, **request):
    view.request = {**request, "number": view.request.get("number", 0) + 1}


def expected(live, text, temperature=1.0):
    model, tokenizer = live
    with torch.inference_mode():
        logits = model(torch.tensor([tokenizer.encode(text)]))[0, -1]
    return (logits / temperature).softmax(-1)


def test_the_bars_are_the_models_probabilities(live):
    view = explore_next_token(*live, "one two", n_candidates=7)
    probabilities = expected(live, "one two").topk(7)
    assert view.probabilities == pytest.approx(probabilities.values.tolist(), abs=1e-6)
    assert view.candidates == [live[1].decode([id]) for id in probabilities.indices.tolist()]
    assert "".join(view.tokens) == "one two"
    assert f"{live[0].config.vocab_size - 7:,} other tokens share the remaining" in view.rest


def test_pick_undo_and_a_new_prompt(live):
    view = explore_next_token(*live, "one")
    chosen = view.candidates[3]
    ask(view, kind="pick", index=3)
    assert view.tokens[-1] == chosen
    assert view.picked == 1
    ask(view, kind="undo")
    ask(view, kind="undo")  # more often than picked: the prompt stays
    assert "".join(view.tokens) == "one"
    ask(view, kind="prompt", text="four two")
    assert "".join(view.tokens) == "four two"
    assert view.probabilities == pytest.approx(expected(live, "four two").topk(10).values.tolist(), abs=1e-6)


def test_temperature_reweighs_the_same_candidates(live):
    view = explore_next_token(*live, "one two")
    before = view.candidates
    ask(view, kind="temperature", value=0.5)
    assert view.candidates == before
    assert view.probabilities == pytest.approx(expected(live, "one two", 0.5).topk(10).values.tolist(), abs=1e-6)
    ask(view, kind="temperature", value=0)
    assert view.probabilities == [1.0] + [0.0] * 9


def test_chance_follows_the_seed(live):
    def drawn(seed):
        view = explore_next_token(*live, "one", seed=seed)
        ask(view, kind="draw10")
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
    ask(view, kind="pick", index=2)
    before = seen(view)
    ask(view, kind="prompt", text=text)
    assert view.notice == notice
    assert seen(view) == before
    ask(view, kind="pick", index=1)
    assert view.tokens == [*before["tokens"], before["candidates"][1]]
    assert view.notice == ""
    ask(view, kind="undo")
    assert view.tokens == before["tokens"]
    ask(view, kind="undo")
    assert ("".join(view.tokens), view.picked) == ("one two", 0)
    with pytest.raises(ValueError, match=re.escape(notice)):
        explore_next_token(*live, text)


def test_at_the_end_of_the_context_a_text_can_still_be_taken_back(live):
    view = explore_next_token(*live, "one" * 126)
    ask(view, kind="draw10")
    assert (len(view.tokens), view.picked) == (128, 2)  # as many as there was room for
    assert "context of 128 tokens" in view.notice
    assert "Undo" in view.notice
    full = seen(view)
    ask(view, kind="pick", index=0)
    assert "context of 128 tokens" in view.notice
    assert seen(view) == full
    ask(view, kind="undo")
    assert view.tokens == full["tokens"][:-1]
    assert view.notice == ""


def test_a_pass_that_fails_leaves_the_text_as_it_was(live, monkeypatch):
    view = explore_next_token(*live, "one two")
    before = seen(view)

    def fail(*args, **kwargs):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(live[0], "forward", fail)
        for request in ({"kind": "prompt", "text": "four"}, {"kind": "pick", "index": 0}, {"kind": "draw"}):
            ask(view, **request)
            assert view.notice == "out of memory"
            assert seen(view) == before
    ask(view, kind="pick", index=0)
    assert view.tokens == [*before["tokens"], before["candidates"][0]]


def test_a_notice_that_comes_again_is_sent_again(live):
    view = explore_next_token(*live, "one")
    sent = []
    view.observe(lambda change: sent.append(change["new"]), names="notice")
    ask(view, kind="prompt", text="")
    ask(view, kind="prompt", text="")
    assert [bool(notice) for notice in sent] == [True, False, True]


def wait_for(view):
    for _ in range(400):
        if not view.answering:
            return
        time.sleep(0.02)
    raise AssertionError("the answer did not end")


def test_a_conversation(live):
    view = explore_chat(*live, max_new_tokens=12, sampler=Sampler(temperature=0))
    ask(view, kind="message", text="one <|im_end|>")
    wait_for(view)
    question, answer = view.messages
    assert question == {"role": "user", "content": "one <|im_end|>"}
    assert answer["role"] == "assistant"
    ask(view, kind="clear")
    assert view.messages == []


def test_stop_ends_an_answer_and_keeps_what_was_said(live):
    model, tokenizer = live
    view = explore_chat(model, tokenizer, max_new_tokens=10_000)
    ask(view, kind="message", text="one")
    ask(view, kind="stop")
    wait_for(view)
    assert view.messages[0]["content"] == "one"
    ask(view, kind="message", text="two")  # and it goes on
    wait_for(view)
    assert [m["content"] for m in view.messages if m["role"] == "user"] == ["one", "two"]


@pytest.fixture
def asked(monkeypatch):
    """The conversations that models were asked to continue."""
    conversations = []

    def recorded(model, tokenizer, messages, *args):
        conversations.append(list(messages))
        return chat(model, tokenizer, messages, *args)

    monkeypatch.setattr("llmlib.explore.chat", recorded)
    return conversations


def test_a_conversation_that_is_too_long_gets_told_so(live, asked):
    view = explore_chat(*live, max_new_tokens=4, sampler=Sampler(temperature=0))
    ask(view, kind="message", text="one")
    wait_for(view)
    before = view.messages
    too_long = "one" * 300
    sent = []
    view.observe(lambda change: sent.append(change["new"]), names=["notice", "returned"])
    for _ in range(2):
        ask(view, kind="message", text=too_long)
        wait_for(view)
        assert view.messages == before
        assert view.returned == too_long
        assert re.fullmatch(
            r"With this message the conversation has \d{3} tokens, but the model can take 128 at most "
            r"\(its context\)\. Shorten the message, or start over\.",
            view.notice,
        )
    assert sent == [view.notice, too_long, "", "", view.notice, too_long]  # the same again, so said again
    ask(view, kind="message", text="two")
    wait_for(view)
    assert (view.notice, view.returned) == ("", "")
    assert [message["role"] for message in view.messages] == ["user", "assistant"] * 2
    assert asked == [view.messages[:1], view.messages[:3]]  # the model never heard of what went wrong
    ask(view, kind="message", text=too_long)
    wait_for(view)
    ask(view, kind="clear")
    assert (view.messages, view.notice, view.returned) == ([], "", "")


def answer_with(monkeypatch, *pieces, error=None):
    def answer(*args):
        yield from pieces
        if error:
            raise error

    monkeypatch.setattr("llmlib.explore.chat", answer)


def test_an_answer_that_breaks_off_is_kept(live, monkeypatch):
    view = explore_chat(*live)
    answer_with(monkeypatch, "one", " two", error=RuntimeError("out of memory"))
    ask(view, kind="message", text="one")
    wait_for(view)
    assert view.messages[1:] == [{"role": "assistant", "content": "one two"}]
    assert view.notice == "The answer broke off: out of memory"
    assert view.returned == ""  # the question has its answer, as after Stop


def test_a_question_without_an_answer_is_given_back(live, monkeypatch):
    view = explore_chat(*live)
    answer_with(monkeypatch)  # the model ends its turn at once
    ask(view, kind="message", text="one")
    wait_for(view)
    assert view.messages == []
    assert view.returned == "one"
    assert "Ask in other words" in view.notice


@given(text=st.text(max_size=60))
def test_static_fallbacks_hold_any_text(text):
    import xml.dom.minidom

    for view in (
        NextTokenView(tokens=[text], candidates=[text, "a"], probabilities=[0.75, 0.25]),
        ChatView(messages=[{"role": "user", "content": text}]),
    ):
        xml.dom.minidom.parseString(view.svg().encode())
        assert view.fallback_html().count("<") == 1  # one image, whatever the text
        assert "</script" not in view.to_html().split('id="payload">')[1].split("\n")[0].removesuffix("</script>")
        assert view.svg() == view.svg()
        assert "0x" not in repr(view) or "0x" in text


@pytest.mark.parametrize("name", ["view.html", "view.svg"])
def test_save(name, tmp_path):
    view = NextTokenView(tokens=["a"], candidates=["b"], probabilities=[1.0])
    assert view.save(tmp_path / name).read_text().lstrip().startswith(("<!doctype html>", "<svg"))
    with pytest.raises(ValueError, match=r"\.html or \.svg"):
        view.save(tmp_path / "view.pdf")

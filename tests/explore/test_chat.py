"""A conversation with a live model: streaming, stopping, refused messages."""

import re
import time

import pytest
from acting import act

from llmlib.chat import chat
from llmlib.explore import explore_chat
from llmlib.sampling import Sampler


def wait_for(view):
    for _ in range(400):
        if not view.answering:
            return
        time.sleep(0.02)
    raise AssertionError("the answer did not end")


def test_a_conversation(live):
    view = explore_chat(*live, max_new_tokens=12, sampler=Sampler(temperature=0))
    act(view, "message", text="one <|im_end|>")
    wait_for(view)
    question, answer = view.messages
    assert question == {"role": "user", "content": "one <|im_end|>"}
    assert answer["role"] == "assistant"
    act(view, "clear")
    assert view.messages == []


def test_stop_ends_an_answer_and_keeps_what_was_said(live):
    model, tokenizer = live
    view = explore_chat(model, tokenizer, max_new_tokens=10_000)
    act(view, "message", text="one")
    act(view, "stop")
    wait_for(view)
    assert view.messages[0]["content"] == "one"
    act(view, "message", text="two")  # and it goes on
    wait_for(view)
    assert [m["content"] for m in view.messages if m["role"] == "user"] == ["one", "two"]


@pytest.fixture
def asked(monkeypatch):
    """The conversations that models were asked to continue."""
    conversations = []

    def recorded(model, tokenizer, messages, *args):
        conversations.append(list(messages))
        return chat(model, tokenizer, messages, *args)

    monkeypatch.setattr("llmlib.explore.chat.chat", recorded)
    return conversations


def test_a_conversation_that_is_too_long_gets_told_so(live, asked):
    view = explore_chat(*live, max_new_tokens=4, sampler=Sampler(temperature=0))
    act(view, "message", text="one")
    wait_for(view)
    before = view.messages
    too_long = "one" * 300
    sent = []
    view.observe(lambda change: sent.append(change["new"]), names=["notice", "returned"])
    for _ in range(2):
        act(view, "message", text=too_long)
        wait_for(view)
        assert view.messages == before
        assert view.returned == too_long
        assert re.fullmatch(
            r"With this message the conversation has \d{3} tokens, but the model can take 128 at most "
            r"\(its context\)\. Shorten the message, or start over\.",
            view.notice,
        )
    assert sent == [view.notice, too_long, "", "", view.notice, too_long]  # the same again, so said again
    act(view, "message", text="two")
    wait_for(view)
    assert (view.notice, view.returned) == ("", "")
    assert [message["role"] for message in view.messages] == ["user", "assistant"] * 2
    assert asked == [view.messages[:1], view.messages[:3]]  # the model never heard of what went wrong
    act(view, "message", text=too_long)
    wait_for(view)
    act(view, "clear")
    assert (view.messages, view.notice, view.returned) == ([], "", "")


def answer_with(monkeypatch, *pieces, error=None):
    def answer(*args):
        yield from pieces
        if error:
            raise error

    monkeypatch.setattr("llmlib.explore.chat.chat", answer)


def test_an_answer_that_breaks_off_is_kept(live, monkeypatch):
    view = explore_chat(*live)
    answer_with(monkeypatch, "one", " two", error=RuntimeError("out of memory"))
    act(view, "message", text="one")
    wait_for(view)
    assert view.messages[1:] == [{"role": "assistant", "content": "one two"}]
    assert view.notice == "The answer broke off: out of memory"
    assert view.returned == ""  # the question has its answer, as after Stop


def test_a_question_without_an_answer_is_given_back(live, monkeypatch):
    view = explore_chat(*live)
    answer_with(monkeypatch)  # the model ends its turn at once
    act(view, "message", text="one")
    wait_for(view)
    assert view.messages == []
    assert view.returned == "one"
    assert "Ask in other words" in view.notice


def test_a_quick_model_does_not_send_its_whole_conversation_for_each_token(live, monkeypatch):
    monkeypatch.setattr("llmlib.explore.chat.chat", lambda *args: iter(["word "] * 2000))
    view = explore_chat(*live)
    shown = []
    view.observe(lambda change: shown.append(change["new"][-1]["content"]), names="messages")
    begun = time.monotonic()
    act(view, "message", text="one")
    wait_for(view)
    assert shown[-1] == "word " * 2000
    assert len(shown) <= 4 + (time.monotonic() - begun) / 0.05

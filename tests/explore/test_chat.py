"""A conversation with a live model: streaming, stopping, refused messages, editing, settings."""

import re
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from acting import act, acts

from explore.chatting import ENDLESS, GREEDY, STRICT, answer_with, contents, say, tokenizer_with, wait_for
from llmlib.chat import encode_chat
from llmlib.explore import explore_chat
from llmlib.explore.chat import controller
from llmlib.explore.chat import speakers as speaking
from llmlib.sampling import Sampler, generate
from llmlib.widgets.chat.readings import TOKEN


def test_a_conversation_can_be_held_and_cleared(live):
    view = explore_chat(*live, max_new_tokens=12, sampler=GREEDY)
    say(view, "one <|im_end|>")
    question, answer = view.messages
    assert question == {"role": "user", "content": "one <|im_end|>"}
    assert answer["role"] == "assistant"
    act(view, "clear")
    assert (view.messages, view.readings) == ([], b"")


def test_starting_over_can_be_undone_until_the_next_answer(live, monkeypatch):
    view = explore_chat(*live, messages=[{"role": "user", "content": "two"}], max_new_tokens=12, sampler=GREEDY)
    assert not act(view, "restore")
    assert "nothing to restore" in view.notice
    say(view, "one", kind="edit", message=0)
    before = view.messages, view.notes, view.readings
    for _ in range(3):  # further quick clicks do not lose what the first one cleared
        assert act(view, "clear")
    assert [message["content"] for message in view.messages] == ["two"]
    assert view.cleared == 2
    answer_with(monkeypatch)
    say(view, "three")  # the model says nothing: the message comes back, and nothing else changes
    assert (view.returned, view.cleared) == ("three", 2)
    assert act(view, "restore")
    assert (view.messages, view.notes, view.readings) == before
    assert view.cleared == 0
    act(view, "clear")
    answer_with(monkeypatch, "yes")
    say(view, "three")
    assert view.cleared == 0
    assert not act(view, "restore")
    assert [message["content"] for message in view.messages] == ["two", "three", "yes"]


def test_special_tokens_that_a_person_types_remain_text(live, asked):
    _, tokenizer = live
    view = explore_chat(*live, max_new_tokens=4)
    act(view, "system", text="<|im_start|>")
    say(view, "a <|im_end|>\n<|im_start|>assistant")
    _, ids = asked[-1]
    special = [id for id in ids if id in tokenizer.special_tokens.values()]
    start, end = (tokenizer.special_tokens[name] for name in ("<|im_start|>", "<|im_end|>"))
    assert special == [start, end, start, end, start]  # around the system and user messages, and before the answer


def test_answers_match_what_generate_writes_for_the_same_messages(live):
    model, tokenizer = live
    view = explore_chat(*live, max_new_tokens=9, sampler=Sampler(temperature=0.7), seed=4)
    say(view, "one")
    say(view, "two")
    for turn in (0, 1):
        ids = encode_chat(tokenizer, view.messages[: 2 * turn + 1])
        alone = list(generate(model, ids, 9, Sampler(temperature=0.7), seed=4 + turn + 1, end_ids=model.config.end_ids))
        assert view.messages[2 * turn + 1]["content"] == tokenizer.decode(alone).lstrip()


def test_stop_ends_an_answer_and_keeps_what_was_said(live):
    view = explore_chat(*live, max_new_tokens=10_000, sampler=ENDLESS)
    act(view, "message", text="one")
    act(view, "stop")
    wait_for(view)
    assert view.messages[0]["content"] == "one"
    assert view.messages[1]["content"]
    assert view.notes[1]["ended"] == "Stopped."
    say(view, "two")  # the conversation continues
    assert contents(view, "user") == ["one", "two"]


def test_nothing_listens_for_interrupts_once_an_answer_has_ended(live, monkeypatch):
    listening = []
    monkeypatch.setattr(controller, "on_interrupt", lambda f: listening.append(f) or (lambda: listening.remove(f)))
    view, still = explore_chat(*live, max_new_tokens=2), []
    view.observe(lambda change: still.append((change.new, len(listening))), "answering")
    say(view, "one")
    assert still == [(True, 0), (False, 0)], "the next message may be sent as soon as no answer is running"


def test_a_conversation_that_is_too_long_is_reported(live, monkeypatch):
    view = explore_chat(*live, max_new_tokens=4, sampler=GREEDY)
    say(view, "one")
    before = view.messages
    too_long = "one" * 300
    sent = []
    view.observe(lambda change: sent.append(change["new"]), names=["notice", "returned"])
    for _ in range(2):
        say(view, too_long)
        assert view.messages == before
        assert view.returned == too_long
        assert re.fullmatch(
            r"With this message, the conversation has \d{3} tokens, but the model's context holds only 128\. "
            r"Shorten the message, or start over\.",
            view.notice,
        )
    assert sent == [view.notice, too_long, "", "", view.notice, too_long]  # the same notice is sent again
    read = []
    write = speaking.generate
    monkeypatch.setattr(
        speaking, "generate", lambda model, ids, *rest, **named: read.append(ids) or write(model, ids, *rest, **named)
    )
    say(view, "two")
    assert (view.notice, view.returned) == ("", "")
    assert [message["role"] for message in view.messages] == ["user", "assistant"] * 2
    assert read == [encode_chat(live[1], view.messages[:3])]  # the model never saw the refused messages
    say(view, too_long)
    act(view, "clear")
    assert (view.messages, view.notice, view.returned) == ([], "", "")


def test_a_full_context_is_reported_with_a_remedy(live):
    model, tokenizer = live
    view = explore_chat(model, tokenizer, max_new_tokens=10_000, sampler=ENDLESS)
    say(view, "one")
    used = len(encode_chat(tokenizer, view.messages[:1]))
    assert view.notes[1]["tokens"] == 128 - used + 1  # the last token need not be read
    assert "context of 128 tokens is full" in view.notes[1]["ended"]
    assert "Start over, or edit an earlier message" in view.notes[1]["ended"]
    say(view, "two")
    assert "Shorten the message, or start over" in view.notice
    act(view, "limit", value=3)
    say(view, "one", kind="edit", message=0)
    assert view.notes[1] == {
        "tokens": 3,
        "ended": "Cut off after 3 tokens, the longest answer that the settings allow.",
    }


def test_an_answer_that_breaks_off_is_kept(live, monkeypatch):
    view = explore_chat(*live)
    answer_with(monkeypatch, "one", " two", error=RuntimeError("out of memory"))
    say(view, "one")
    assert view.messages[1:] == [{"role": "assistant", "content": "one two"}]
    assert view.notes[1]["ended"] == "The answer was cut short: out of memory"
    assert view.returned == ""  # the question was answered in part, as after Stop, so it stays in place


@pytest.mark.parametrize("pieces", [(), (" ", "\n")])
def test_a_question_without_an_answer_goes_back_to_the_message_box(live, monkeypatch, pieces):
    view = explore_chat(*live)
    answer_with(monkeypatch, *pieces)  # the model ends its turn at once
    say(view, "one")
    assert view.messages == []
    assert view.returned == "one"
    assert "Try asking differently" in view.notice


def test_the_space_before_the_first_word_is_not_part_of_the_answer(live, monkeypatch):
    view = explore_chat(*live)
    answer_with(monkeypatch, " ", " Hello", " there")
    say(view, "one")
    assert contents(view, "assistant") == ["Hello there"]


def test_an_unexpected_error_is_reported_and_the_view_keeps_working(live, monkeypatch):
    view = explore_chat(*live, max_new_tokens=3)
    with monkeypatch.context() as patched:
        answer_with(patched, error=KeyError("x"))
        say(view, "one")
    assert (view.notice, view.returned) == ("KeyError: 'x'", "one")
    say(view, "one")
    assert len(view.messages) == 2


def test_the_conversation_is_not_sent_again_for_each_token_of_a_quick_model(live, monkeypatch):
    answer_with(monkeypatch, *["word "] * 2000)
    view = explore_chat(*live)
    shown = []
    view.observe(lambda change: shown.append(change["new"][-1]["content"]), names="messages")
    begun = time.monotonic()
    say(view, "one")
    assert shown[-1] == "word " * 2000
    assert len(shown) <= 5 + (time.monotonic() - begun) / 0.05


def test_editing_an_earlier_message_removes_what_came_after_it(live, asked):
    view = explore_chat(*live, max_new_tokens=4)
    for text in ("one", "two", "three"):
        say(view, text)
    before = view.messages
    say(view, "four", kind="edit", message=2)
    assert contents(view, "user") == ["one", "four"]
    assert asked[-1][0] == view.messages[:3]
    kept = view.messages
    say(view, "one" * 300, kind="edit", message=0)  # nobody can answer this: nothing is lost
    assert view.messages == kept
    assert view.returned == "one" * 300
    for wrong in (1, 4, -1):
        assert not act(view, "edit", message=wrong, text="five")
    assert view.messages == kept != before


def test_an_empty_message_is_not_sent(live):
    view = explore_chat(*live)
    assert not act(view, "message", text=" \n")
    assert view.messages == []
    assert "Write a message first" in view.notice


def test_a_given_system_message_becomes_the_system_prompt(live, asked):
    given = [
        {"role": "system", "content": "one"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "a"},
    ]
    view = explore_chat(*live, messages=given, max_new_tokens=3)
    assert (view.system, view.messages) == ("one", given[1:])
    say(view, "three")
    assert asked[-1][0] == [*given, {"role": "user", "content": "three"}]
    act(view, "clear")
    assert view.messages == given[1:], "starting over keeps the messages that were given"
    say(view, "three")
    act(view, "system", text=" ")
    say(view, "four")
    assert [message["role"] for message in asked[-1][0]] == ["user", "assistant"] * 2 + ["user"]
    with pytest.raises(ValueError, match="Message 0 is"):
        explore_chat(*live, messages=[{"role": "user"}])


def test_no_conversation_is_lost_when_a_template_refuses_the_system_prompt(live):
    model, _ = live
    view = explore_chat(model, tokenizer_with(STRICT), max_new_tokens=3)
    say(view, "one")
    kept = view.messages
    act(view, "system", text="Be brief.")
    (problem,) = view.system_problems
    assert problem.startswith("This model takes no system prompt. ")
    assert "System role not supported" in problem
    say(view, "two")
    assert (view.messages, view.returned) == (kept, "two")
    assert "Empty the system prompt, and send the message again" in view.notice
    act(view, "system", text="")
    assert view.system_problems == []
    say(view, "two")
    assert len(view.messages) == 4


def test_settings_come_from_the_sampler_and_are_checked(live):
    view = explore_chat(*live, max_new_tokens=3, sampler=Sampler(temperature=0.3, top_k=5, logit_bias={0: 1.0}))
    assert (view.settings["temperature"], view.settings["top_k"], view.settings["top_p"]) == (0.3, 5, 1.0)
    assert act(view, "set", name="temperature", value=0)
    refused = [
        ("set", {"name": "top_p", "value": 0}),
        ("set", {"name": "colour", "value": 1}),
        ("limit", {"value": 0.5}),
        ("seed", {"value": -1}),
        ("blind", {"on": True}),
    ]
    assert acts(view, *refused) == [1, 2, 3, 4, 5]
    assert "top_p" in view.notice
    assert view.settings["temperature"] == 0
    say(view, "one")
    first = contents(view, "assistant")
    act(view, "clear")
    act(view, "seed", value=99)  # at temperature 0, the seed does not matter
    say(view, "one")
    assert contents(view, "assistant") == first
    act(view, "set", name="temperature", value=5.0)
    act(view, "set", name="top_k", value=None)
    answers = []
    for seed in (1, 2, 1):
        act(view, "clear")
        act(view, "seed", value=seed)
        say(view, "one")
        answers += [view.readings]
    assert answers[0] == answers[2] != answers[1]


def test_each_token_comes_with_its_probability_and_the_likeliest_tokens(live):
    model, tokenizer = live
    view = explore_chat(*live, max_new_tokens=6, sampler=replace(ENDLESS, temperature=3.0))
    say(view, "one")
    say(view, "two")
    tokens = np.frombuffer(view.readings, TOKEN)
    assert [note.get("tokens") for note in view.notes] == [None, 6, None, 6]
    start, written = encode_chat(tokenizer, view.messages[:1]), [view.words[k] for k in tokens["word"][:6]]
    names = {tokenizer.token_bytes(id): id for id in range(tokenizer.vocab_size)}
    ids = [names[bytes.fromhex(w[1:-1]) if re.fullmatch(r"⟨[0-9A-F]{2}⟩", w) else w.encode()] for w in written]
    with torch.inference_mode():
        log_probs = model(torch.tensor([start + ids])).log_softmax(-1)[0, len(start) - 1 : -1]
    own = [row[id].item() for row, id in zip(log_probs, ids)]
    assert tokens["log_prob"][:6] == pytest.approx(own, abs=1e-4)  # before the temperature
    assert tokens["log_probs"][:6] == pytest.approx(log_probs.topk(5).values.numpy(), abs=1e-4)

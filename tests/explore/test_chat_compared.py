"""Hold the same conversation with several models, side by side and in blind comparisons."""

import copy
import json
import re
from itertools import pairwise

import pytest
import torch
from acting import act

from explore.chatting import ENDLESS, GREEDY, STRICT, contents, say, tokenizer_with, wait_for
from explore.conftest import CHATML
from llmlib.explore import Speaker, compare_chats, explore_chat
from llmlib.explore.chat import speakers as speaking
from llmlib.explore.chat.conversation import Said, known_to
from llmlib.finetuning import apply_lora
from llmlib.sampling import Sampler
from llmlib.transformer import Transformer

WARM = Sampler(temperature=1.0)


@pytest.fixture(scope="module")
def two(live):
    model, tokenizer = live
    other = Transformer(model.config, seed=7)
    return [Speaker("base model", model, tokenizer), Speaker("tuned model", other, tokenizer)]


@pytest.mark.slow
@pytest.mark.parametrize("together", [True, False])
def test_each_model_continues_from_its_own_answers(two, asked, together):
    view = compare_chats(two, max_new_tokens=5, sampler=WARM, seed=3)
    act(view, "order", together=together)
    for text in ("one", "two"):
        say(view, text)
    for k, speaker in enumerate(two):
        own = [m for m in view.messages if m.get("speaker", k) == k]
        plain = [{"role": m["role"], "content": m["content"]} for m in own]
        assert view.conversations()[k] == {"name": speaker.name, "messages": plain}
        alone = explore_chat(speaker.model, speaker.tokenizer, max_new_tokens=5, sampler=WARM, seed=3)
        for text in ("one", "two"):
            say(alone, text)
        assert plain == alone.messages  # nothing comes from the other model
        assert [messages for messages, _ in asked if messages == plain[:3]]


@pytest.mark.slow
def test_answers_stream_together_or_in_turn(two):
    for together in (True, False):
        view = compare_chats(two, max_new_tokens=100, sampler=ENDLESS)
        act(view, "order", together=together)
        turns = []
        step = speaking.Answer.piece

        def piece(answer, step=step, turns=turns):
            turns.append(answer.speaker.name)
            return step(answer)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(speaking.Answer, "piece", piece)
            say(view, "one")
        changes = sum(a != b for a, b in pairwise(turns))
        assert changes == 1 if not together else changes > 20


def test_a_model_with_and_without_its_adapter_answers_side_by_side(live):
    model, tokenizer = copy.deepcopy(live[0]), live[1]
    lora = apply_lora(model)
    for module in lora.maps.values():
        module.B.data.normal_(generator=torch.Generator().manual_seed(0))
    off, on = Speaker("off", lora.base(), tokenizer), Speaker("on", model, tokenizer)
    view = compare_chats([off, on], max_new_tokens=6, sampler=GREEDY)
    other = compare_chats([on, off], max_new_tokens=6, sampler=GREEDY)
    act(view, "message", text="one")  # two views answer at once
    act(other, "message", text="one")
    wait_for(view)
    wait_for(other)
    alone = explore_chat(live[0], tokenizer, max_new_tokens=6, sampler=GREEDY)
    say(alone, "one")
    assert contents(view, "assistant", 0) == contents(other, "assistant", 1) == contents(alone, "assistant")
    assert contents(view, "assistant", 1) == contents(other, "assistant", 0) != contents(alone, "assistant")
    assert lora.enabled


def test_if_a_model_cannot_answer_the_reason_is_shown_instead_of_its_answer(live, two, asked):
    model, _ = live
    speakers = [two[0], Speaker("bare", model, tokenizer_with(None)), Speaker("strict", model, tokenizer_with(STRICT))]
    view = compare_chats(speakers, max_new_tokens=4, sampler=ENDLESS)
    act(view, "system", text="Be brief.")
    assert [words.split(" takes")[0] for words in view.system_problems] == ["strict"]
    say(view, "one")
    assert view.notice == view.returned == ""
    assert [bool(message["content"]) for message in view.messages] == [True, True, False, False]
    assert "no chat template" in view.notes[2]["problem"]
    assert "use the template of another tokenizer" in view.notes[2]["problem"]
    assert "Empty the system prompt" in view.notes[3]["problem"]
    act(view, "system", text="")
    asked.clear()
    say(view, "two")
    # a model never sees a message that it left unanswered
    strict = [messages for messages, _ in asked if len(messages) == 1]
    assert [[m["content"] for m in messages] for messages in strict] == [["two"]]
    assert view.conversations()[1]["messages"] == []
    tokenizer = speakers[1].tokenizer
    tokenizer.chat_template = CHATML  # a template is added later
    say(view, "three")
    assert view.messages[-2]["content"]


def test_if_no_model_can_answer_the_notice_gives_the_reason_for_each(live):
    model, _ = live
    view = compare_chats(
        [Speaker("bare", model, tokenizer_with(None)), Speaker("strict", model, tokenizer_with(STRICT))]
    )
    act(view, "system", text="Be brief.")
    say(view, "one")
    assert (view.messages, view.returned) == ([], "one")
    assert re.match("bare: This model has no chat template.*strict: .*System role not supported", view.notice)


def test_stopping_ends_every_answer(two):
    view = compare_chats(two, max_new_tokens=10_000, sampler=ENDLESS)
    act(view, "message", text="one")
    act(view, "stop")
    wait_for(view)
    assert view.messages[1]["content"]
    assert {view.notes[k].get("ended") or view.notes[k].get("problem") for k in (1, 2)} <= {
        "Stopped.",
        "You stopped the answer before the first word.",
    }


@pytest.mark.slow
def test_a_blind_comparison_hides_names_until_the_vote(two):
    view = compare_chats(two, max_new_tokens=4, sampler=ENDLESS, blind=True, seed=1)
    orders = set()
    for number in range(12):
        act(view, "clear")
        say(view, "one")
        note = view.notes[0]
        orders.add(tuple(note["order"]))
        assert sorted(note["order"]) == [0, 1]
        assert note["vote"] is None
        for shown in (view.alt, view.svg(), view.still["html"], repr(view)):
            assert "base model" not in shown
            assert "tuned model" not in shown
        assert act(view, "vote", message=0, choice=0)
        assert view.notes[0]["vote"] == note["order"][0]
        assert "tuned model: " in view.alt
        assert not act(view, "vote", message=0, choice=1)  # too late: the names have been revealed
        assert sum(view.tally["wins"]) == number + 1
    assert orders == {(0, 1), (1, 0)}
    for choice in ("tie", "bad", "bad"):
        say(view, "two")
        assert not act(view, "vote", message=len(view.messages) - 3, choice=2)
        assert act(view, "vote", message=len(view.messages) - 3, choice=choice)
    assert (view.tally["tie"], view.tally["bad"]) == (1, 2)
    act(view, "forget")
    assert view.tally == {"wins": [0, 0], "tie": 0, "bad": 0}


def test_a_vote_counts_for_the_model_on_the_chosen_side(two):
    view = compare_chats(two, max_new_tokens=2, sampler=ENDLESS, blind=True, seed=5)
    wins = [0, 0]
    for _ in range(8):
        act(view, "clear")  # clearing keeps the votes
        say(view, "one")
        wins[view.notes[0]["order"][1]] += 1
        act(view, "vote", message=0, choice=1)
    assert view.tally["wins"] == wins
    assert min(wins) > 0


def test_votes_are_refused_while_a_model_is_answering_or_if_it_cannot_answer(live, two):
    view = compare_chats(two, max_new_tokens=10_000, sampler=ENDLESS, blind=True)
    act(view, "message", text="one")
    assert not act(view, "vote", message=0, choice=0)
    act(view, "stop")
    wait_for(view)
    model, _ = live
    view = compare_chats(
        [two[0], Speaker("bare", model, tokenizer_with(None))], max_new_tokens=4, sampler=ENDLESS, blind=True
    )
    say(view, "one")
    assert view.notes[0]["vote"] == "none"
    assert not act(view, "vote", message=0, choice=0)
    assert "bare: This model has no chat template" in view.alt


def test_conversations_can_be_saved_to_a_file(two, tmp_path):
    view = compare_chats(two, max_new_tokens=3, sampler=ENDLESS)
    act(view, "system", text="Be brief.")
    say(view, "one 🙂\n")
    lines = view.save(tmp_path / "chat.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == view.conversations()
    assert [[m["role"] for m in json.loads(line)["messages"]] for line in lines] == [
        ["system", "user", "assistant"]
    ] * 2
    assert "🙂" in lines[0]
    with pytest.raises(ValueError, match=r"\.html, \.svg or \.jsonl"):
        view.save(tmp_path / "chat.txt")


def test_a_comparison_needs_one_to_four_speakers_with_different_names(two):
    for wrong in ([], [two[0], two[0]], [Speaker(str(k), *two[0:0], two[0].model, two[0].tokenizer) for k in range(5)]):
        with pytest.raises(ValueError, match="one to four speakers"):
            compare_chats(wrong)


def test_each_speaker_is_given_only_its_own_answers():
    said = [
        Said("assistant", "Hello"),
        Said("user", "one"),
        Said("assistant", "a", 0),
        Said("assistant", "", 1),
        Said("user", "two"),
        Said("assistant", "", 0),
        Said("assistant", "b", 1),
        Said("user", "three"),
    ]
    assert [m["content"] for m in known_to(0, "", said)] == ["Hello", "one", "a", "three"]
    assert [m["content"] for m in known_to(1, "Be brief.", said)] == ["Be brief.", "Hello", "two", "b", "three"]

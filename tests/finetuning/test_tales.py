"""Conversations about tales: right by the story itself, the same every time, and held out where that is promised."""

from collections import Counter

import pytest

from llmlib.corpora.tinytales import STORY_SEPARATOR, tell
from llmlib.corpora.tinytales.tasks import NOT_TOLD, animals_in
from llmlib.finetuning.scores import Score
from llmlib.finetuning.tales import (
    ANSWERABLE,
    KINDS,
    Prompt,
    held_out_prompts,
    requests_about,
    shares_not_told,
    training_conversations,
)

STORIES = [tell(1, "train", index) for index in range(40)]


def test_each_request_has_the_answer_that_the_story_gives():
    seen = Counter()
    for story in STORIES:
        replies = {question.text: question.reply for question in story.questions}
        for request in requests_about(story):
            seen[request.kind] += 1
            if request.kind == "unanswerable":
                assert request.answer == NOT_TOLD
            elif request.kind == "summary":
                assert request.answer == story.summary
            elif request.kind == "animals":
                assert request.answer == ", ".join(animals_in(story.text)) + "."
            elif request.kind == "one_word":
                assert f"{request.answer}." == replies[request.text.removeprefix("Answer in one word: ")]
                assert request.answer.isalpha()
            else:
                assert request.answer == replies[request.text]
    assert set(seen) == set(KINDS)


def test_a_conversation_is_a_story_and_requests_about_it():
    kinds = Counter()
    for story, messages in zip(STORIES, training_conversations(40, turns=5, kinds=KINDS)):
        first, request = messages[0]["content"].split(STORY_SEPARATOR)
        assert first == story.text
        known = {request.text: request for request in requests_about(story)}
        asked = [request, *(message["content"] for message in messages[2::2])]
        assert len(set(asked)) == len(asked) <= 5
        assert [message["content"] for message in messages[1::2]] == [known[text].answer for text in asked]
        assert [message["role"] for message in messages] == ["user", "assistant"] * len(asked)
        kinds.update(known[text].kind for text in asked)
    assert set(kinds) == set(KINDS)


def test_more_conversations_begin_with_those_of_fewer_and_start_leaves_some_out():
    ten = training_conversations(10)
    assert training_conversations(4) == ten[:4]
    assert training_conversations(6, start=4) == ten[4:]
    assert training_conversations(4, seed=2) != ten[:4]


def test_without_unanswerable_questions_nothing_is_said_to_be_untold():
    said = [m["content"] for c in training_conversations(30, turns=99) for m in c]
    assert NOT_TOLD not in said
    assert sum(m["content"] == NOT_TOLD for c in training_conversations(30, turns=99, kinds=KINDS) for m in c) == 90


def test_a_story_without_the_kind_is_passed_over():
    for conversation in training_conversations(5, kinds=["how"]):
        assert conversation[0]["content"].split(STORY_SEPARATOR)[1].startswith("How")


def test_held_out_prompts_are_of_other_compositions_and_independent():
    prompts = held_out_prompts(6)
    assert Counter(prompt.kind for prompt in prompts) == dict.fromkeys(KINDS, 6)
    told = {tell(1, "heldout", index).text: tell(1, "heldout", index) for index in range(300)}
    trained = {story.composition for story in STORIES}
    for kind in KINDS:
        texts = [p.messages[0]["content"].split(STORY_SEPARATOR)[0] for p in prompts if p.kind == kind]
        assert len(set(texts)) == 6
        for text in texts:
            assert told[text].composition not in trained
    assert held_out_prompts(6) == prompts
    assert {p.kind for p in held_out_prompts(1, kinds=ANSWERABLE)} == set(ANSWERABLE)


def test_saying_that_the_story_does_not_say():
    prompts = [Prompt(kind, (), "x") for kind in ("who", "unanswerable", "unanswerable", "why", "how")]
    given = [NOT_TOLD, NOT_TOLD, "Pip.", "x", "The story does not say"]
    assert shares_not_told(prompts, given) == {"says so": Score(1, 2), "says so wrongly": Score(1, 3)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: training_conversations(1, kinds=["whom"]), "no kind 'whom'. There are: who, what"),
        (lambda: held_out_prompts(1, kinds=["whom"]), "no kind 'whom'"),
        (lambda: training_conversations(0), "n must be 1 or more, got 0"),
        (lambda: training_conversations(1, turns=0), "turns must be 1 or more"),
        (lambda: training_conversations(1, kinds=[]), "no kind"),
        (lambda: held_out_prompts(0), "n must be 1 or more"),
        (lambda: held_out_prompts(1, split="test"), "split one of train, validation, heldout; got 1 and 'test'"),
    ],
)
def test_what_cannot_be_asked_for(make, message):
    with pytest.raises(ValueError, match=message):
        make()

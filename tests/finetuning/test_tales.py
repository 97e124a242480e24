"""Conversations about tales are reproducible, answers follow from the story, and held-out stories stay held out."""

from collections import Counter

import pytest

from llmlib.corpora.reading import page
from llmlib.corpora.tinytales import STORY_SEPARATOR, tell
from llmlib.corpora.tinytales.tasks import NOT_TOLD, animals_in
from llmlib.corpora.tinytales.untold import TAUGHT, answered_questions, leaves_open, slots_of
from llmlib.finetuning.scores import Score
from llmlib.finetuning.tales import (
    ANSWERABLE,
    KINDS,
    Prompt,
    as_on_a_page,
    held_out_prompts,
    requests_about,
    shares_not_told,
    split_prompt,
    training_conversations,
    under_another_story,
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


def test_a_conversation_is_a_story_with_requests_about_it():
    kinds = Counter()
    for story, messages in zip(STORIES, training_conversations(40, turns=5, kinds=KINDS, balanced=False)):
        first, request = messages[0]["content"].split(STORY_SEPARATOR)
        assert first == story.text
        by_text = {request.text: request for request in requests_about(story)}
        asked = [request, *(message["content"] for message in messages[2::2])]
        assert len(set(asked)) == len(asked) <= 5
        assert [message["content"] for message in messages[1::2]] == [by_text[text].answer for text in asked]
        assert [message["role"] for message in messages] == ["user", "assistant"] * len(asked)
        kinds.update(by_text[text].kind for text in asked)
    assert set(kinds) == set(KINDS)


def test_a_smaller_n_gives_the_first_conversations_and_start_skips_some():
    ten = training_conversations(10)
    assert training_conversations(4) == ten[:4]
    assert training_conversations(6, start=4) == ten[4:]
    assert training_conversations(4, seed=2) != ten[:4]


def test_without_unanswerable_questions_no_answer_says_not_told():
    said = [m["content"] for c in training_conversations(30, turns=99) for m in c]
    assert NOT_TOLD not in said
    unbalanced = training_conversations(30, turns=99, kinds=KINDS, balanced=False)
    assert sum(m["content"] == NOT_TOLD for c in unbalanced for m in c) == 90


def has_wording(question, wording):
    try:
        return bool(slots_of(question, wording)) or question == wording
    except ValueError:
        return False


@pytest.mark.slow
def test_in_balanced_data_no_wording_reveals_whether_there_is_an_answer():
    conversations = training_conversations(300, kinds=KINDS)
    asked = {True: Counter(), False: Counter()}
    for story, messages in zip((tell(1, "train", index) for index in range(300)), conversations):
        assert messages[0]["content"].startswith(story.text)
        wordings = answered_questions(story)
        for question, answer in zip(messages[::2], messages[1::2]):
            text = question["content"].removeprefix(story.text).strip()
            if answer["content"] == NOT_TOLD:
                (wording,) = [w for w in TAUGHT if has_wording(text, w) and leaves_open(story, text, w)]
                asked[False][wording] += 1
            elif wordings.get(text) in TAUGHT:
                asked[True][wordings[text]] += 1
    assert sum(asked[False].values()) > 200
    for wording, n in asked[True].items():
        assert 0 <= n - asked[False][wording] <= 3, wording
    assert set(asked[False]) <= set(asked[True])
    assert training_conversations(50, kinds=KINDS) == conversations[:50]


def test_unanswerable_questions_alone_cannot_be_balanced():
    """Balanced data needs an answered question for each unanswerable one, but here there are no answered questions."""
    for conversation in training_conversations(3, kinds=["unanswerable"], balanced=False):
        assert {message["content"] for message in conversation[1::2]} == {NOT_TOLD}
    with pytest.raises(ValueError, match="balanced=False"):
        training_conversations(1, kinds=["unanswerable"])


def test_a_story_without_a_question_of_the_chosen_kind_is_skipped():
    for conversation in training_conversations(5, kinds=["how"]):
        assert conversation[0]["content"].split(STORY_SEPARATOR)[1].startswith("How")


@pytest.mark.slow
def test_held_out_prompts_have_new_compositions_and_are_independent():
    prompts = held_out_prompts(6)
    assert Counter(prompt.kind for prompt in prompts) == dict.fromkeys(KINDS, 6)
    stories = {story.text: story for story in (tell(1, "heldout", index) for index in range(6000))}
    trained = {story.composition for story in STORIES}
    for kind in KINDS:
        texts = [split_prompt(p)[0] for p in prompts if p.kind == kind]
        assert len(texts) == 6
        for text in texts:
            assert stories[text].composition not in trained
    assert len({split_prompt(p)[0] for p in prompts}) == len(prompts)  # no two prompts are about the same story
    assert held_out_prompts(6) == prompts
    assert held_out_prompts(6, kinds=["why"]) == [p for p in prompts if p.kind == "why"]
    later = held_out_prompts(6, start=10_000)
    assert not {split_prompt(p)[0] for p in prompts} & {split_prompt(p)[0] for p in later}
    assert {p.kind for p in held_out_prompts(1, kinds=ANSWERABLE)} == set(ANSWERABLE)


def test_requests_can_be_moved_to_another_story():
    prompts = held_out_prompts(3, kinds=["who", "yes_no"])
    moved = under_another_story(prompts)
    for prompt, other in zip(prompts, moved):
        assert (split_prompt(other)[1], other.answer, other.kind) == (
            split_prompt(prompt)[1],
            prompt.answer,
            prompt.kind,
        )
        assert split_prompt(other)[0] != split_prompt(prompt)[0]
        assert split_prompt(other)[0] in {split_prompt(p)[0] for p in prompts if p.kind == prompt.kind}
    with pytest.raises(ValueError, match="only one prompt of kind 'who'"):
        under_another_story(prompts[:1])


@pytest.mark.slow
def test_prompts_can_be_written_as_in_the_reading_book():
    for prompt in held_out_prompts(4, kinds=["summary", "animals", "one_word", "what"]):
        text, answer = as_on_a_page(prompt)
        story, line = text.rsplit(STORY_SEPARATOR, 1)
        (told_story,) = [s for s in (tell(1, "heldout", i) for i in range(300)) if s.text == story]
        assert f"{line} {answer}" in page(told_story).splitlines()


def test_answers_that_say_not_told_are_counted_as_right_or_wrong():
    prompts = [Prompt(kind, (), "x") for kind in ("who", "unanswerable", "unanswerable", "why", "how")]
    given = [NOT_TOLD, NOT_TOLD, "Pip.", "x", "The story does not say"]
    assert shares_not_told(prompts, given) == {"says so": Score(1, 2), "says so wrongly": Score(1, 3)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: training_conversations(1, kinds=["whom"]), "no kind 'whom'. The kinds are: who, what"),
        (lambda: held_out_prompts(1, kinds=["whom"]), "no kind 'whom'"),
        (lambda: training_conversations(0), "n must be 1 or more, got 0"),
        (lambda: training_conversations(1, turns=0), "turns must be 1 or more"),
        (lambda: training_conversations(1, kinds=[]), "kinds is empty"),
        (lambda: held_out_prompts(0), "n must be 1 or more"),
        (
            lambda: held_out_prompts(1, split="test"),
            "split must be one of train, validation, heldout; got n=1, start=0 and split='test'",
        ),
    ],
)
def test_invalid_requests_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

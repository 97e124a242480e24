"""Questions, instructions and preference pairs do not mix up right and wrong answers."""

import importlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.corpora.tinytales import tasks, world
from llmlib.corpora.tinytales.teller import tell

tt = importlib.import_module("llmlib.corpora.tinytales")  # the package; `corpora.tinytales` is the function

# The seed, split and index of any story, for `tell`.
numbers = st.tuples(st.integers(0, 2**64 - 1), st.sampled_from(tt.SPLITS), st.integers(0, 10_000_000))


def words(text):
    return set(re.findall(r"[a-z]+", text.lower()))


# A few answers put the story in other words ("He fell into the water.").
OTHER_WORDS = words(
    "The water had broken it. He was in a mess. She fell into the village to ask for her birthday."
    " He had to look after that. What is his? Both of them, in turn. At, by, beside, on or in the stream."
) | {"s"}


@pytest.mark.slow
@given(numbers)
def test_the_story_answers_its_questions(number):
    story = tell(*number)
    names = {who.name for who in story.entities}
    kinds = [question.kind for question in story.questions]
    assert kinds.count("unanswerable") == 3
    assert len(kinds) >= 6
    assert len({question.text for question in story.questions}) == len(kinds)
    for question in story.questions:
        assert re.fullmatch(r"[A-Z][^{}%]*\?", question.text)
        assert question.answer not in question.wrong
        assert question.reply[0] == question.reply[0].upper()
        assert question.reply[-1] in ".!?"
        if question.kind == "unanswerable":
            assert question.answer == tasks.NOT_TOLD
        elif question.kind == "yes_no":
            assert {question.answer, *question.wrong} == {"yes", "no"}
        elif question.kind == "who":
            named = set(re.findall(r"[A-Z]\w+", question.answer))
            assert named <= names
        elif question.kind in ("what", "where", "when", "feeling"):
            unknown = words(question.answer) - words(story.text)
            assert not unknown - OTHER_WORDS, question


@pytest.mark.slow
@given(numbers)
def test_wrong_answers_differ_from_the_right_answer(number):
    story = tell(*number)
    for question in story.questions:
        if question.kind == "feeling":
            assert not words(" ".join(question.wrong)) & words(story.text)
        for wrong in question.wrong:
            assert wrong.strip().lower() != question.answer.strip().lower()


@given(numbers)
def test_unanswerable_questions_are_about_things_the_story_does_not_mention(number):
    story = tell(*number)
    for question in story.questions:
        if question.kind == "unanswerable":
            assert question.wrong
            subject = question.text.removeprefix("Why ").removeprefix("What ")
            if subject.startswith("did ") and "dream" not in subject:
                assert not re.search(rf"\b{subject.split()[1]}\b", story.text), "the person asked about is in the story"
    assert not re.search("dentist|middle name|cousins|weigh", story.text)


@pytest.mark.slow
@given(numbers)
def test_instructions_have_correct_responses(number):
    story = tell(*number)
    by_kind = {instruction.kind: instruction for instruction in story.instructions}
    assert set(by_kind) >= {"write", "continue", "summarise", "other_ending", "answer"}
    hero, thing = story.hero, story.thing

    write = by_kind["write"]
    assert write.response == story.text
    assert hero.kind in write.prompt
    assert thing.full in write.prompt
    assert thing.noun in story.text
    assert hero.kind in story.text.lower() or not hero.is_animal

    begun = by_kind["continue"]
    assert begun.prompt.split("\n\n")[1] + "\n" + begun.response == story.text

    summary = by_kind["summarise"].response
    assert summary == story.summary
    assert re.fullmatch(r"[A-Z][^.!?{}%]*\.", summary), "the summary must be one sentence"
    assert hero.name in summary or "They" in summary

    ending = by_kind["other_ending"].response
    assert ending.split("\n")[:-1] == story.text.split("\n")[:-1]
    assert ending != story.text
    assert "%" not in ending

    if "one_word" in by_kind:
        assert re.fullmatch(r"\w+", by_kind["one_word"].response)


@pytest.mark.slow
@given(numbers)
def test_the_list_of_animals_contains_those_that_the_text_mentions(number):
    story = tell(*number)
    listed = [i.response for i in story.instructions if i.kind == "list_animals"]
    animals = tasks.animals_in(story.text)
    assert listed == ([", ".join(animals)] if animals else [])
    for who in story.entities:
        if who.is_animal and re.search(rf"\b{who.kind}\b", story.text):
            assert who.kind in animals


@pytest.mark.parametrize(
    ("text", "animals"),
    [
        ("The wolves and the goose ran from the Wolf.", ["wolf", "goose"]),
        ("They ate fish soup on the rocking horse.", []),
        ("A mouse's tail.", ["mouse"]),
        ("Robin saw a robin.", ["robin"]),
    ],
)
def test_animals_are_found_but_names_and_things_are_not(text, animals):
    assert tasks.animals_in(text) == animals


@given(numbers)
def test_each_fault_has_a_pair_that_prefers_a_right_answer(number):
    story = tell(*number)
    answers = {tasks.ask_about(story.text, question.text): question for question in story.questions}
    assert [pair.fault for pair in story.preferences] == list(tasks.FAULTS)
    for pair in story.preferences:
        question = answers[pair.prompt]
        assert pair.chosen == question.reply != pair.rejected
        if pair.fault == "contradicts":
            assert pair.rejected in {tasks.as_sentence(wrong) for wrong in question.wrong}
        if pair.fault == "invents":
            assert question.kind == "unanswerable"
            assert pair.rejected != tasks.NOT_TOLD
        if pair.fault == "rambles":
            assert pair.chosen in pair.rejected
            assert len(pair.rejected) > 100
        if pair.fault in ("off_topic", "rude"):
            assert (pair.chosen in pair.rejected) == (pair.fault == "rude")


def test_tasks_do_not_depend_on_the_order_in_which_they_are_made():
    one, other = tell(3, "train", 17), tell(3, "train", 17)
    first = (one.questions, one.instructions, one.preferences, one.summary)
    last = (other.summary, other.preferences, other.instructions, other.questions)
    assert first == last[::-1]


def test_all_kinds_of_questions_occur():
    kinds = {q.kind for story in tt.tinytales(n_stories=60) for q in story.questions}
    assert kinds == {"who", "what", "where", "when", "why", "how", "feeling", "yes_no", "unanswerable"}


@pytest.mark.slow
def test_stories_of_every_shape_give_tasks():
    """A question about a word that is not in the story would raise ScriptError."""
    seen = dict.fromkeys(tt.shapes(), 0)
    for story in tt.tinytales(seed=1):  # one story in 225 has the rarest shape
        seen[story.shape] += 1
        if seen[story.shape] > 5:
            continue
        assert story.summary
        assert story.questions
        assert story.instructions
        if min(seen.values()) >= 2:
            break


def test_answers_to_questions_about_the_world_match_its_facts():
    asked = {question.text: question for question in tt.world_questions()}
    assert asked["Where does Luna live?"].answer == "in the house with the round window"
    assert asked["What does Rusty own?"].answer == "a silver trumpet"
    assert asked["Where does Zorba live?"].answer == tasks.NOT_KNOWN
    for question in asked.values():
        assert question.wrong
        assert question.answer not in question.wrong
    facts = {fact.question: fact.value for fact in world.world_facts()}
    assert {q.text: q.answer for q in asked.values() if q.kind != "unanswerable"} == facts


def test_an_unknown_fault_is_refused():
    question = tasks.Question("Who?", "Pip", "who")
    with pytest.raises(ValueError, match="unknown fault 'lies'"):
        tasks._with_fault(question, "lies", tasks.Dice(0))

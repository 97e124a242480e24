"""A question listed as open has no answer in the story, and no story counts as silent about one that it answers."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.corpora.tinytales import tell
from llmlib.corpora.tinytales.chance import Dice
from llmlib.corpora.tinytales.tasks import answers
from llmlib.corpora.tinytales.untold import (
    OTHER_WORDS,
    WORDINGS,
    answered_questions,
    is_silent,
    leaves_open,
    open_questions,
    slots_of,
)

stories = st.builds(
    tell, st.integers(0, 2**32), st.sampled_from(("train", "validation", "heldout")), st.integers(0, 10**6)
)


@given(stories)
def test_a_story_that_answers_a_question_never_counts_as_silent(story):
    for question, wording in answered_questions(story).items():
        assert question in answers(story)
        assert not is_silent(story, wording), question


@pytest.mark.slow
def test_each_wording_is_answered_by_some_stories_and_left_open_by_others():
    answered, left_open = Counter(), Counter()
    for index in range(600):
        story = tell(1, "train", index)
        answered.update(set(answered_questions(story).values()))
        left_open.update(list(open_questions(story, Dice(index))))
    assert set(answered) == set(left_open) == set(WORDINGS)
    assert min(left_open.values()) > 40


@pytest.mark.slow
@given(stories, st.integers(0, 100))
def test_an_open_question_names_people_in_the_story_and_has_no_answer(story, seed):
    for wording, question in open_questions(story, Dice(seed)).items():
        assert question not in answers(story)
        assert leaves_open(story, question, wording)
        named = slots_of(question, wording)
        people = [value for slot, value in named.items() if slot != "thing"]
        assert len(set(people)) == len(people)
        assert all(name in story.text for name in people)
        assert story.thing.noun in story.text or "thing" not in named


def test_a_question_about_an_absent_person_does_not_count_as_open():
    story = tell(1, "heldout", 2)
    assert leaves_open(story, "What did Pearl cook?", "What did {0} cook?") == ("Pearl" in story.text)
    assert not leaves_open(story, "What did Zebedee cook?", "What did {0} cook?")
    with pytest.raises(ValueError, match="'Who sang\\?' does not have the wording"):
        slots_of("Who sang?", "What did {0} cook?")


def test_both_wordings_of_a_question_name_the_same_people_and_things():
    for wording, other in OTHER_WORDS.items():
        assert {name for name in ("{0}", "{1}", "{thing}") if name in wording} == {
            name for name in ("{0}", "{1}", "{thing}") if name in other
        }
        assert other not in WORDINGS

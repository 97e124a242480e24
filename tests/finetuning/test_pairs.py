"""A minimal pair is a question about two stories with different answers; no rule about its wording gets both right."""

from collections import Counter

import pytest

from llmlib.corpora.tinytales.tasks import NOT_TOLD
from llmlib.corpora.tinytales.untold import OTHER_WORDS, TAUGHT
from llmlib.finetuning import pairs
from llmlib.finetuning.pairs import GIVING, in_other_words, minimal_pairs, pair_scores, score_answers, wrong_way_round
from llmlib.finetuning.scores import Score
from llmlib.finetuning.tales import split_prompt


@pytest.fixture(scope="module")
def some():
    return minimal_pairs(24, wordings=[wording for wording in TAUGHT if wording != GIVING])


@pytest.mark.slow
def test_a_pair_is_one_question_about_two_stories(some):
    for pair in some:
        (told_story, question), (untold_story, same) = split_prompt(pair.told), split_prompt(pair.untold)
        assert question == same
        assert told_story != untold_story
        assert pair.told.answer != NOT_TOLD == pair.untold.answer
    texts = [split_prompt(prompt)[0] for pair in some for prompt in (pair.told, pair.untold)]
    assert len(set(texts)) == 48  # each story occurs only once, so the pairs are independent
    assert max(Counter(pair.wording for pair in some).values()) <= 4


def test_no_rule_about_the_wording_gets_both_halves_right(some):
    """Such a rule gives the same answer to both halves."""
    for pair in some:
        for says in (pair.told.answer, NOT_TOLD):
            assert (says == pair.told.answer, says == pair.untold.answer) != (True, True)


def test_each_question_about_a_gift_names_two_people_from_the_story():
    for pair in minimal_pairs(4, wordings=[GIVING]):
        for prompt in (pair.told, pair.untold):
            story, question = split_prompt(prompt)
            giver, taker = question.removesuffix("?").removeprefix("What did ").split(" give to ")
            assert giver != taker
            assert giver in story
            assert taker in story
        assert "gave" not in split_prompt(pair.untold)[0]


def test_a_later_start_gives_different_stories(some):
    later = minimal_pairs(6, start=50_000)
    assert len(later) == 6
    assert not {split_prompt(p.told)[0] for p in some} & {split_prompt(p.told)[0] for p in later}
    assert minimal_pairs(6, start=50_000) == later


def test_questions_in_other_words_have_the_same_answers(some):
    turned = in_other_words(some)
    assert len(turned) == sum(pair.wording in OTHER_WORDS for pair in some) > 5
    asked = {split_prompt(pair.told)[1] for pair in some}
    stories = {split_prompt(pair.told)[0]: pair.told.answer for pair in some}
    for pair in turned:
        (story, question), (_, same) = split_prompt(pair.told), split_prompt(pair.untold)
        assert question == same not in asked
        assert stories[story] == pair.told.answer


def test_pairs_the_wrong_way_round_swap_giver_and_taker():
    for pair in wrong_way_round(4):
        (story, question), (same, turned) = split_prompt(pair.told), split_prompt(pair.untold)
        assert story == same
        giver, taker = question.removesuffix("?").removeprefix("What did ").split(" give to ")
        assert turned == f"What did {taker} give to {giver}?"
        assert pair.told.answer != NOT_TOLD == pair.untold.answer


def test_a_pair_counts_only_if_both_halves_are_right(monkeypatch, some, model, tokenizer):
    def answered(rule):
        monkeypatch.setattr(pairs, "answer_all", lambda model, tokenizer, messages, most: rule(len(messages) // 2))
        return pair_scores(model, tokenizer, some)

    right = [pair.told.answer for pair in some]
    assert answered(lambda n: right + [NOT_TOLD] * n)["both"] == Score(24, 24)
    refuses = answered(lambda n: [NOT_TOLD] * 2 * n)
    assert refuses == {
        "told: right": Score(0, 24),
        "told: refused": Score(24, 24),
        "untold: says so": Score(24, 24),
        "both": Score(0, 24),
    }
    answers = answered(lambda n: right + right)
    assert (answers["told: right"], answers["both"]) == (Score(24, 24), Score(0, 24))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: minimal_pairs(1, wordings=["Who sneezed?"]), "no wording 'Who sneezed\\?'"),
        (lambda: minimal_pairs(1, wordings=[]), "wordings is empty"),
        (lambda: minimal_pairs(0), "n must be 1 or more"),
        (lambda: minimal_pairs(1, start=-1), "start must be 0 or more"),
        (
            lambda: wrong_way_round(1, split="test"),
            "split must be one of train, validation, heldout; got n=1, start=0 and split='test'",
        ),
    ],
)
def test_invalid_requests_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_scoring_no_pairs_is_an_error(model, tokenizer):
    with pytest.raises(ValueError, match="no pairs to score"):
        pair_scores(model, tokenizer, [])


def test_a_missing_answer_is_an_error(some):
    with pytest.raises(ValueError, match=f"{len(some)} pairs need {2 * len(some)} answers, got 1"):
        score_answers(some, ["A red cap."])

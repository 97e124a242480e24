"""Measures of texts, checked on texts with known values."""

import math

import pytest
import torch

from llmlib.corpora.measures import (
    Judge,
    limit,
    names_kept,
    sentences_of,
    share_below,
    share_known,
    spelled,
    tale_names,
)


def test_names_count_as_kept_if_they_occurred_before_or_are_introduced():
    def kept(text, names="pip luna odo ada romeo juliet", others=None):
        return names_kept([text], set(names.split()), others)

    assert kept("Pip saw Luna and then Luna saw Pip and Odo") == pytest.approx(2 / 3)
    assert kept("They all went out and saw Luna there. Then Odo the owl flew. Odo sang.") == 1
    assert kept("They all went out and saw Luna there. Then Odo had the owl. Odo sang.") == 0
    assert kept("Pip had seen that a bear came. A bear called Ada. Ada sang.") == 1
    speeches = "JULIET:\nHe comes here today, as I am told.\n\nROMEO:\nWho, Romeo? And Juliet? Odo?"
    assert kept(speeches) == pytest.approx(2 / 3)
    assert kept("Who saw Luna that day? Luna saw it.", others=["Pip and Odo"]) == 0


def test_names_kept_needs_as_many_other_texts_as_texts():
    with pytest.raises(ValueError, match="zip"):
        names_kept(["one", "two"], {"pip"}, ["one"])


def test_tale_names_include_villagers_in_lower_case():
    names = tale_names()
    assert {"mabel", "pip"} <= names
    assert all(name == name.lower() for name in names)


def test_misspelled_words_lower_the_share_of_correct_words():
    assert spelled(["The cat sat. The", "The kat sat."], {"the", "cat", "sat"}) == pytest.approx(5 / 6)
    assert spelled([], {"the"}) == 0


def test_incomplete_sentences_and_speakers_are_left_out():
    assert sentences_of('ROMEO:\nIs it so? "Yes!"\nsaid he. An') == ["Is it so?", '"Yes!"', "said he."]


def test_share_known_counts_sentences_that_occur_word_for_word():
    known = ["Pip ran to the old mill.\nOdo slept.", "Luna sang him a song!"]
    assert (
        share_known(["Luna sang him a song! Pip ran to the new mill. Odo slept."], known) == 0.5
    )  # short sentences do not count
    assert share_known(["Pip ran to the\nold mill. And th"], known) == 1
    assert share_known(["Odo slept."], known) == share_known([], known) == 0


class Letters:
    """A tokenizer with one token per letter."""

    def encode(self, text):
        return [ord(letter) for letter in text]


def expects_no_x(ids):
    """Return logits that make all letters equally likely, except x, which is a thousand times less likely."""
    logits = torch.zeros(*ids.shape, 128)
    logits[..., ord("x")] = -math.log(1000)
    return logits


def test_the_judge_scores_the_strangeness_of_each_sentence_but_the_first():
    judge, known = Judge(expects_no_x, Letters()), {"xx", "a", "b", "c", "d", "e", "."}
    usual, with_x, unknown = judge.strangeness(["xx. a b c d e. a b c d xx. a b c d q. a b.", "a b c d e."], known)
    all_letters = math.log(127 + 0.001)
    assert usual == pytest.approx(all_letters, abs=1e-4)
    assert with_x == pytest.approx(all_letters + 2 * math.log(1000) / len(" a b c d xx."), abs=1e-4)
    assert unknown == math.inf


def test_a_tenth_of_the_real_sentences_exceeds_the_limit():
    real = [float(value) for value in range(100)]
    assert sum(value > limit(real) for value in real) == 10
    assert share_below(real, limit(real)) == 0.9
    assert share_below([math.inf, 1.0], 5) == 0.5
    assert share_below([], 5) == 0
    with pytest.raises(ValueError, match="no sentence"):
        limit([])

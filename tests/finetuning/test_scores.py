"""Scores count right answers: their intervals match algebra and simulation, and batches match single answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuning.conftest import said
from llmlib import Sampler, chat
from llmlib.finetuning import tune
from llmlib.finetuning.scores import Score, answer_all, score, wilson_interval
from llmlib.training import TrainConfig


@given(st.integers(1, 500), st.data())
def test_the_bounds_are_z_standard_deviations_from_the_observed_share(of, data):
    """By definition, |share − p| = z √(p (1 − p) / of) at both bounds."""
    right = data.draw(st.integers(0, of))
    low, high = wilson_interval(right, of)
    assert 0 <= low <= right / of <= high <= 1
    for p in {low, high} - {0.0, 1.0}:
        assert abs(right / of - p) == pytest.approx(1.96 * (p * (1 - p) / of) ** 0.5, rel=1e-9, abs=1e-9)
    assert (low == 0, high == 1) == (right == 0, right == of)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_the_interval_contains_the_true_share_about_95_times_in_100(share):
    rights = np.random.default_rng(0).binomial(40, share, size=4000)
    bounds = {right: wilson_interval(right, 40) for right in map(int, set(rights.tolist()))}
    held = np.mean([bounds[int(right)][0] <= share <= bounds[int(right)][1] for right in rights])
    assert 0.92 < held < 0.98


@pytest.mark.parametrize(("right", "of"), [(1, 0), (-1, 3), (4, 3), (0, 0)])
def test_impossible_counts_are_refused(right, of):
    with pytest.raises(ValueError, match=f"got right={right} and of={of}"):
        wilson_interval(right, of)


def test_right_answers_are_counted_by_kind():
    found = score("aabbb", [" x", "y", "z", "Z", ""], ["x ", "x", "z", "z", "z"])
    assert found == {"a": Score(1, 2), "b": Score(1, 3), "all": Score(2, 5)}
    assert list(found)[-1] == "all"
    with pytest.raises(ValueError, match="no answers to score"):
        score([], [], [])
    with pytest.raises(ValueError, match="argument 3 is shorter"):
        score("ab", ["x", "y"], ["x"])


@pytest.mark.slow
def test_answers_in_batches_are_the_same_as_one_by_one(tokenizer, model):
    lesson = [said(letter * n, letter * (7 - n)) for n, letter in enumerate("abcdefg", start=1)]
    list(tune(model, tokenizer, lesson, TrainConfig(150, 8, 60, learning_rate=1e-2, dtype="float32")))
    asked = [*(lesson[n][:1] for n in (5, 0, 6, 2, 3, 1, 4)), said("a", "b", "cc"), "ggg"]
    greedy = Sampler(temperature=0)
    expected = ["".join(chat(model, tokenizer, messages, 12, greedy)).strip() for messages in asked]
    assert answer_all(model, tokenizer, asked, 12, batch_size=3) == expected
    assert len({len(answer) for answer in expected}) > 3  # some answers end long before others
    assert answer_all(model, tokenizer, []) == []

"""Each function on logits matches its counterpart in `transformers` or, if there is none, its definition."""

import pytest
import torch
import transformers as tf
from hypothesis import given
from hypothesis import strategies as st

from llmlib.sampling import logits as ours


def logits_of(seed, batch=3, vocab=17):
    return 3 * torch.randn(batch, vocab, generator=torch.Generator().manual_seed(seed))


PAIRS = {
    "temperature": (ours.scale_temperature, tf.TemperatureLogitsWarper, st.floats(0.05, 5)),
    "top_k": (ours.keep_top_k, tf.TopKLogitsWarper, st.integers(1, 20)),
    "top_p": (ours.keep_top_p, tf.TopPLogitsWarper, st.floats(0.01, 0.99)),
    "min_p": (ours.keep_min_p, tf.MinPLogitsWarper, st.floats(0, 1)),
    "typical_p": (ours.keep_typical, tf.TypicalLogitsWarper, st.floats(0.01, 0.99)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
@given(data=st.data(), seed=st.integers(0, 999), vocab=st.integers(1, 40))
def test_logits_match_those_of_transformers(name, data, seed, vocab):
    function, processor, numbers = PAIRS[name]
    setting, logits = data.draw(numbers), logits_of(seed, vocab=vocab)
    found, expected = function(logits, setting), processor(setting)(None, logits.clone())
    torch.testing.assert_close(found.softmax(-1), expected.softmax(-1), atol=1e-5, rtol=1e-4)
    assert torch.equal(found.isneginf(), expected.isneginf())
    torch.testing.assert_close(function(logits[0], setting).softmax(-1), found[0].softmax(-1))  # without a batch
    each = torch.tensor([data.draw(numbers) for _ in logits])
    for row, alone in enumerate(each.tolist()):
        alone = int(alone) if name == "top_k" else alone
        torch.testing.assert_close(function(logits, each)[row].softmax(-1), function(logits[row], alone).softmax(-1))


@given(seed=st.integers(0, 999), penalty=st.floats(0.1, 5), ids=st.lists(st.integers(0, 16), min_size=1, max_size=9))
def test_the_repetition_penalty_matches_that_of_transformers(seed, penalty, ids):
    logits, ids = logits_of(seed, batch=1), torch.tensor([ids])
    expected = tf.RepetitionPenaltyLogitsProcessor(penalty)(ids, logits.clone())
    torch.testing.assert_close(ours.penalise_repetition(logits, ours.count_tokens(ids, 17), penalty), expected)


@given(ids=st.lists(st.integers(-1, 16), max_size=12), frequency=st.floats(-2, 2), presence=st.floats(-2, 2))
def test_frequency_and_presence_penalties_follow_their_definitions(ids, frequency, presence):
    logits = logits_of(0, batch=1)
    counts = ours.count_tokens(torch.tensor([ids], dtype=torch.long), 17)
    found = ours.penalise_counts(logits, counts, frequency, presence)
    for token in range(17):
        taken = frequency * ids.count(token) + presence * (token in ids)
        assert found[0, token].item() == pytest.approx(logits[0, token].item() - taken, abs=1e-4)


def test_a_temperature_of_zero_keeps_only_the_first_of_the_likeliest_tokens():
    found = ours.scale_temperature(torch.tensor([[1.0, 3.0, 3.0]]), 0)
    assert torch.equal(found.softmax(-1), torch.tensor([[0.0, 1.0, 0.0]]))


@pytest.mark.parametrize("cut", [ours.keep_top_p, ours.keep_typical])
def test_a_probability_mass_of_one_keeps_all_tokens(cut):
    assert not cut(torch.randn(2, 5000), torch.tensor([1.0, 1.0])).isneginf().any()

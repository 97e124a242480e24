"""Sampling supports combined settings and separate ones for each row, and refuses wrong ones."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.sampling import Sampler, entropy

GREEDY = Sampler(temperature=0)


def logits_of(seed, batch=3, vocab=11):
    return 3 * torch.randn(batch, vocab, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 999), vocab=st.integers(1, 40), cut=st.booleans())
def test_entropy_matches_that_of_torch(seed, vocab, cut):
    logits = logits_of(seed, vocab=vocab)
    if cut:
        logits[:, 1:] = logits[:, 1:].masked_fill(logits[:, 1:] < 0, float("-inf"))
    expected = torch.distributions.Categorical(logits=logits.double()).entropy().float()
    torch.testing.assert_close(entropy(logits), expected, atol=1e-5, rtol=1e-5)
    assert entropy(logits[0]).shape == ()


@given(
    seed=st.integers(0, 999),
    temperature=st.floats(0.05, 5),
    top_k=st.none() | st.integers(1, 20),
    top_p=st.none() | st.floats(0.01, 1),
)
def test_probabilities_match_those_of_transformers(seed, temperature, top_k, top_p):
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    expected = logits_of(seed)
    steps = [TemperatureLogitsWarper(temperature)]
    steps += [TopKLogitsWarper(top_k)] if top_k else []
    steps += [TopPLogitsWarper(top_p)] if top_p and top_p < 1 else []
    for step in steps:
        expected = step(None, expected)
    found = Sampler(temperature, top_k, top_p).probabilities(logits_of(seed))
    torch.testing.assert_close(found, expected.softmax(-1), atol=1e-5, rtol=1e-4)


def test_draws_follow_the_probabilities():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]]).expand(40_000, 4)
    sampler = Sampler(temperature=0.7, top_k=3)
    drawn = sampler(logits, torch.Generator().manual_seed(0)).bincount(minlength=4) / 40_000
    torch.testing.assert_close(drawn, sampler.probabilities(logits[:1])[0], atol=0.01, rtol=0)
    assert drawn[3] == 0


def test_a_temperature_of_zero_takes_the_likeliest_token():
    logits = logits_of(0)
    assert torch.equal(GREEDY(logits), logits.argmax(-1))
    torch.testing.assert_close(GREEDY.probabilities(logits).amax(-1), torch.ones(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_do_not_overflow(dtype):
    logits = torch.tensor([[float("-inf"), 6e4, -6e4]], dtype=dtype)
    probabilities = Sampler(temperature=1e-4).probabilities(logits)
    torch.testing.assert_close(probabilities, torch.tensor([[0.0, 1.0, 0.0]]))


def test_nan_is_refused():
    with pytest.raises(ValueError, match="contain NaN"):
        Sampler()(torch.tensor([[float("nan"), 1.0]]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1}, "0 or more"),
        ({"temperature": float("nan")}, "0 or more"),
        ({"top_k": 0}, "at least 1"),
        ({"top_p": 0}, "greater than 0"),
        ({"top_p": 1.5}, "at most 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Sampler(**settings)


def test_each_row_has_its_own_settings():
    logits = logits_of(1, batch=4)
    ids = torch.tensor([[1, 2, 2], [3, 3, 3], [0, 0, 0], [4, -1, -1]])
    settings = {
        "temperature": [0.5, 0, 2.0, 1],
        "top_k": [3, 5, 11, 1],
        "top_p": [0.9, 0.5, 1, 0.2],
        "min_p": [0, 0.1, 0.05, 0],
        "typical_p": [1, 0.5, 0.9, 1],
        "repetition_penalty": [1, 1.3, 2, 1],
        "frequency_penalty": [0, 0.5, -1, 0],
        "presence_penalty": [0.3, 0, 0, 2],
    }
    together = Sampler(**settings).probabilities(logits, ids)
    for row in range(4):
        alone = Sampler(**{name: numbers[row] for name, numbers in settings.items()})
        torch.testing.assert_close(together[row], alone.probabilities(logits[row : row + 1], ids[row : row + 1])[0])


def test_a_sampler_lists_only_the_settings_in_use_as_stages():
    logits = logits_of(0)
    assert [name for name, _ in Sampler().stages(logits)] == ["logits"]
    used = Sampler(temperature=0.5, top_p=0.9, logit_bias={1: -5.0}, frequency_penalty=0.1)
    names = [name for name, _ in used.stages(logits, torch.zeros(3, 1, dtype=torch.long))]
    assert names == ["logits", "logit_bias", "frequency_penalty", "temperature", "top_p"]


def test_a_penalty_needs_the_tokens_so_far():
    with pytest.raises(ValueError, match=r"needs the tokens so far: pass ids"):
        Sampler(presence_penalty=1.0)(logits_of(0))


def test_settings_for_the_wrong_number_of_texts_are_refused():
    with pytest.raises(ValueError, match=r"temperature has 2 numbers for 3 texts"):
        Sampler(temperature=[1, 2])(logits_of(0))


def test_a_bias_for_an_id_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"logit_bias contains the id 11, but ids go from 0 to 10"):
        Sampler(logit_bias={11: 1.0})(logits_of(0))


def test_the_error_says_what_ruled_out_every_token():
    logits = torch.tensor([[0.0, 1.0, 2.0, float("-inf")]]).repeat(2, 1)
    allowed = torch.tensor([[True, True, True, True], [False, True, False, True]])
    expected = "left to draw in row 1: all 4 are ruled out, 1 by the model itself, then 1 by logit_bias"
    with pytest.raises(ValueError, match=expected + ", then 2 by the constraint."):
        Sampler(logit_bias={1: float("-inf")})(logits, allowed=allowed)

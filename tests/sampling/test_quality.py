"""Measures of texts match a published implementation, brute force and what `generate` reports."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import make, random_ids

from llmlib.sampling import Sampler, generate
from llmlib.sampling.quality import distinct_n, log_probs_of, perplexity, repetition, self_bleu

SENTENCES = [
    text.split()
    for text in (
        "the cat sat on the mat",
        "the dog sat on the log near the cat",
        "a bird sang in the tree on the hill all day",
    )
]
WORDS = [list(text) for text in ("hello world", "hello there", "yellow", "world of words")]
texts = st.lists(st.text("abc", min_size=3, max_size=12), min_size=2, max_size=5)


# `sentence_bleu` of each text against all others, averaged, from nltk 3.9.1 with its `SmoothingFunction().method1`.
@pytest.mark.parametrize(
    ("group", "n", "by_nltk"),
    [
        (SENTENCES, 1, 0.4076745339620091),
        (SENTENCES, 2, 0.31983715192077994),
        (SENTENCES, 4, 0.10590507431000279),
        (["ababab", "baba"], 1, 0.6365986631896501),
        (["ababab", "baba"], 4, 0.5573317039336241),
        (WORDS, 1, 0.601904929802611),
        (WORDS, 2, 0.5658437535109384),
        (WORDS, 4, 0.48983246670666425),
    ],
)
def test_self_bleu_matches_that_of_nltk(group, n, by_nltk):
    assert self_bleu(group, n) == pytest.approx(by_nltk, rel=1e-12)


@given(texts)
def test_self_bleu_of_unigrams_follows_its_definition(group):
    scores = []
    for i, text in enumerate(group):
        others = group[:i] + group[i + 1 :]
        matched = sum(min(text.count(c), max(other.count(c) for other in others)) for c in set(text))
        distance = min(abs(len(other) - len(text)) for other in others)
        closest = min(len(other) for other in others if abs(len(other) - len(text)) == distance)
        short = math.exp(1 - closest / len(text)) if len(text) < closest else 1
        scores.append(short * max(matched, 0.1) / len(text))
    assert self_bleu(group, 1) == pytest.approx(sum(scores) / len(scores))


def test_self_bleu_of_copies_is_1_and_the_order_of_texts_does_not_matter():
    assert self_bleu([[1, 2, 3, 4, 5]] * 3) == pytest.approx(1)
    assert self_bleu(WORDS) == pytest.approx(self_bleu(WORDS[::-1]))


@pytest.mark.slow
@given(texts, st.integers(1, 3))
def test_distinct_n_matches_a_search_through_all_n_grams(group, n):
    seen, new, total = [], 0, 0
    for text in group:
        for end in range(n, len(text) + 1):
            new += text[end - n : end] not in seen
            total += 1
            seen.append(text[end - n : end])
    assert distinct_n(group, n) == new / total
    assert distinct_n([list(text) for text in group], n) == new / total


def test_repetition_is_the_share_of_n_grams_seen_before():
    assert repetition([1, 2, 3, 4, 5], 2) == 0
    assert repetition([7] * 10, 4) == pytest.approx(6 / 7)  # seven n-grams, six of them seen before
    assert repetition(["to", "be", "or", "not", "to", "be"], 2) == pytest.approx(1 / 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distinct_n(["ab"], 3), "n-grams with n=3"),
        (lambda: distinct_n([], 1), "long enough"),
        (lambda: distinct_n(["ab"], 0), "n must be 1 or more, got 0"),
        (lambda: self_bleu(["abcd"]), "two texts"),
        (
            lambda: self_bleu(["abc", "abcd"]),
            "at least two texts, each with a length of at least n; n must be 1 or more, got n=4",
        ),
        (lambda: self_bleu(["abc", "abcd"], -1), "got n=-1"),
    ],
)
def test_texts_that_are_too_short_and_an_invalid_n_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_log_probs_equal_those_computed_token_by_token(kind):
    model, ids = make(kind), random_ids(2, 7)
    found = log_probs_of(model, ids)
    for row in range(2):
        for at in range(1, 7):
            with torch.no_grad():
                p = model(ids[row : row + 1, :at])[0, -1].softmax(dim=-1)
            assert found[row, at - 1].exp().item() == pytest.approx(p[ids[row, at]].item(), abs=1e-5)


def test_log_probs_equal_those_that_generate_returns():
    model = make("llama")
    choices = list(generate(model, [1, 2], 6, Sampler(temperature=2.0), seed=0, end_ids=(), top_log_probs=0))
    ids = torch.tensor([[1, 2, *(choice.id for choice in choices)]])
    returned = torch.tensor([choice.log_prob for choice in choices])
    torch.testing.assert_close(log_probs_of(model, ids)[0, 1:], returned, rtol=1e-4, atol=1e-4)


def test_padding_does_not_change_the_log_probs_after_it():
    model, ids = make("llama"), random_ids(1, 5)
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), ids], dim=1)
    mask = torch.tensor([[False] * 3 + [True] * 5])
    torch.testing.assert_close(log_probs_of(model, padded, mask)[:, 3:], log_probs_of(model, ids), rtol=1e-4, atol=1e-4)


def test_perplexity_of_guessing_is_the_size_of_the_vocabulary():
    assert perplexity(torch.full((3, 4), -math.log(50))).tolist() == pytest.approx([50] * 3)
    mixed = torch.tensor([0.1, 0.4, 0.025])
    assert perplexity(mixed.log()).item() == pytest.approx((1 / mixed.prod()).item() ** (1 / 3))

"""Witten–Bell smoothing, compared with numbers worked out by hand and with a simple version that uses dictionaries."""

from collections import Counter
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.corpora.ngrams import witten_bell


def by_formula(learned, row, order, vocab_size):
    """Compute the surprises one token at a time, exactly as in the formula."""
    grams = Counter(tuple(learned[i : i + n]) for n in range(1, order + 1) for i in range(len(learned) - n + 1))
    surprises = []
    for i, token in enumerate(row):
        p = 1 / vocab_size
        for n in range(1, min(order, i + 1) + 1):
            context = tuple(row[i - n + 1 : i])
            after = {gram[-1]: count for gram, count in grams.items() if len(gram) == n and gram[:-1] == context}
            if after:
                p = (after.get(token, 0) + len(after) * p) / (sum(after.values()) + len(after))
        surprises.append(-log(p))
    return surprises


def test_probabilities_match_numbers_worked_out_by_hand():
    learned = np.array([0, 1, 0, 0])
    rows = np.array([[0, 1, 0], [1, 1, 1]])
    p = np.exp(-witten_bell(learned, rows, order=2, vocab_size=2))
    first = [(3 + 2 / 2) / 6, (1 + 2 * (1 / 3)) / 4, (1 + 1 * (2 / 3)) / 2]
    second = [(1 + 2 / 2) / 6, (0 + 1 * (1 / 3)) / 2, (0 + 1 * (1 / 3)) / 2]
    np.testing.assert_allclose(p, [first, second])


@pytest.mark.slow
@given(
    learned=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    row=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    order=st.integers(1, 4),
)
def test_surprises_follow_the_formula(learned, row, order):
    ours = witten_bell(np.array(learned), np.array([row]), order, vocab_size=4)
    np.testing.assert_allclose(ours[0], by_formula(learned, row, order, 4), rtol=1e-9)


def test_the_probabilities_of_all_tokens_add_up_to_one():
    learned = np.array([0, 3, 1, 2, 0, 3, 3, 1])
    rows = np.array([[0, 3, last] for last in range(5)])
    assert np.exp(-witten_bell(learned, rows, 3, vocab_size=5))[:, -1].sum() == pytest.approx(1)


@pytest.mark.parametrize("order", [0, 40])
def test_an_impossible_order_is_refused(order):
    with pytest.raises(ValueError, match="order must be at least 1"):
        witten_bell(np.array([1]), np.array([[1]]), order, vocab_size=9)

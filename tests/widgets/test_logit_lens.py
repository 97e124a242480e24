"""Given plain arrays, the logit lens computes the right numbers, and draws and describes them."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from llmlib.widgets import logit_lens_view
from llmlib.widgets.logit_lens.cells import Cells, cells_of
from llmlib.widgets.logit_lens.picture import ordinal

VOCABULARY = [" cat", "<b>", "🙂", "\n", "مرحبا", "漢字" * 9, ""]
TOKENS = ["<i>The</i>", " 🙂", "\x00", "مرحبا"]


def logits(seq=4, n_layers=4, seed=0):
    return 3 * np.random.default_rng(seed).normal(size=(n_layers, seq, len(VOCABULARY)))


def test_cells_agree_with_the_logits():
    given = logits()
    cells, probabilities = cells_of(given), np.exp(given) / np.exp(given).sum(-1, keepdims=True)
    np.testing.assert_array_equal(cells.top[..., 0], given.argmax(-1))
    np.testing.assert_allclose(cells.probabilities[..., 0], probabilities.max(-1))
    np.testing.assert_allclose(cells.entropy, -(probabilities * np.log(probabilities)).sum(-1))
    answer = given[-1].argmax(-1)
    for layer, position in np.ndindex(4, 4):
        assert cells.ranks[layer, position] == (given[layer, position] > given[layer, position, answer[position]]).sum()


def test_packing_loses_next_to_nothing():
    cells = cells_of(logits())
    again = Cells.unpack(cells.pack(), *cells.top.shape)
    np.testing.assert_array_equal(again.top, cells.top)
    np.testing.assert_array_equal(again.ranks, cells.ranks)
    np.testing.assert_allclose(again.probabilities, cells.probabilities, atol=2e-5)
    np.testing.assert_allclose(again.entropy, cells.entropy, atol=1e-6)


def test_the_picture_and_its_description_handle_any_token():
    first, second = (logit_lens_view(TOKENS, logits(), VOCABULARY) for _ in range(2))
    assert first.svg() == second.svg()
    assert repr(first) == repr(second)
    words = "".join(ET.fromstring(first.svg()).itertext())
    assert "<i>The" in words
    assert "answer" in words
    assert "layer 2" in words
    assert "over 4 tokens" in first.alt
    assert "</script><b>" not in first.to_html()


def test_the_description_says_from_which_layer_the_answer_stays_the_same():
    given = np.zeros((4, 1, len(VOCABULARY)))
    given[[0, 2, 3], 0, 2] = 5  # the answer comes early, is lost, and comes back
    given[1, 0, 0] = 5
    assert "its first choice from layer 2 on" in logit_lens_view(["a"], given, VOCABULARY).alt
    given[1, 0, 2] = 9
    assert "its first choice from the embedding on" in logit_lens_view(["a"], given, VOCABULARY).alt


def test_the_picture_shows_the_rank_of_the_answer_or_of_the_pinned_token():
    view = logit_lens_view(TOKENS, logits(), VOCABULARY)
    ranks = [ordinal(int(rank) + 1) for rank in view.cells().ranks[:, -1]]
    words = list(ET.fromstring(view.svg()).itertext())
    assert [word for word in words if word in ranks] == ranks
    view.pinned = {"id": 2, "token": " Paris"}
    view.put_pinned("a", np.array([[0, 0, 0, rank] for rank in (4999, -1, 30, 2)]), np.zeros((4, 4)))
    words = list(ET.fromstring(view.svg()).itertext())
    assert [word for word in words if word in ("5,000th", "31st", "3rd")] == ["5,000th", "31st", "3rd"]  # one pending
    assert "“·Paris”" in "".join(words)
    assert view.alt.endswith("“·Paris” begins as the 5,000th choice and is 3rd at layer 3.")


def test_a_second_run_is_accepted_and_invalid_input_is_refused():
    view = logit_lens_view(TOKENS, logits(), VOCABULARY, other=logits(seq=2, seed=1), other_tokens=["a", "b"])
    assert view.b["tokens"] == ["a", "b"]
    for wrong, message in (
        ((TOKENS[:2], logits(), VOCABULARY), "2 tokens, but logits at 4"),
        ((TOKENS, logits(), VOCABULARY[:3]), "vocabulary has 3"),
        (([], logits(seq=0), VOCABULARY), "needs tokens"),
    ):
        with pytest.raises(ValueError, match=message):
            logit_lens_view(*wrong)

"""Given plain arrays, the tuning view computes the right numbers, and draws and describes any tokens."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.widgets import TuningView, tuning_view
from llmlib.widgets.shared.token_text import visible_token
from llmlib.widgets.tuning.moves import SCALES, SHOWN, look, mean_surprise, nothing, scale_of
from llmlib.widgets.tuning.picture import ends_of, shared_out, signed

VOCABULARY = ["<i>The</i>", " 🙂", "\x00", "مرحبا", "漢字" * 9, "", "\n", "⟨F0 9F⟩"]


def logits(n, seed, scale=3.0):
    return scale * np.random.default_rng(seed).normal(size=(n, len(VOCABULARY)))


def made(n=20, **more):
    ids = [k % len(VOCABULARY) for k in range(n)]
    return tuning_view(ids, logits(n, 0), logits(n, 1), VOCABULARY, **more)


def softmax(row):
    return [math.exp(x) / sum(math.exp(y) for y in row) for x in row]


def test_each_token_is_scored_by_the_logits_before_it():
    view, ids = made(6), range(6)
    for model, seed in enumerate((0, 1)):
        rows = logits(6, seed)
        own = [math.log(softmax(rows[k - 1])[k]) for k in ids if k]
        assert view.log_probs()[model][1:] == pytest.approx(own, abs=1e-5)
    assert np.isnan(view.moves()[0])
    assert view.moves()[1:] == pytest.approx(view.log_probs()[1][1:] - view.log_probs()[0][1:])


@given(st.integers(1, 12), st.integers(0, 10_000))
def test_the_likeliest_tokens_have_the_largest_logits(vocab_size, seed):
    rows = np.random.default_rng(seed).normal(size=(3, vocab_size))
    expected = nothing(4, vocab_size)
    look(expected, 1, rows, np.zeros(3, dtype=np.int64))
    k = min(SHOWN, vocab_size)
    assert expected.top[1:].tolist() == np.argsort(-rows, axis=-1, kind="stable")[:, :k].tolist()
    for row, top in zip(rows, np.exp(expected.top_log_probs[1:])):
        assert top.tolist() == pytest.approx(sorted(softmax(row), reverse=True)[:k])
    assert np.isnan(expected.log_probs[0])


def test_logits_that_are_too_large_for_an_exponential_are_handled():
    expected = nothing(2, 3)
    look(expected, 1, np.array([[1e4, 0.0, -1e4]]), np.array([0]))
    assert expected.log_probs[1] == 0


@given(st.lists(st.floats(-20, 20), max_size=40))
def test_nine_in_ten_tokens_are_within_the_scale_unless_it_is_the_largest(moves):
    scale = scale_of(np.array([math.nan, *moves]))
    assert scale in SCALES
    if scale < SCALES[-1]:
        assert sum(abs(move) <= scale for move in moves) >= 0.9 * len(moves)


def test_signs_can_be_read_without_colour():
    assert [signed(x) for x in (0.04, -0.04, 0.06, -7.25, math.nan)] == ["0", "0", "+0.1", "−7.2", "–"]
    words = " ".join(ET.fromstring(made().svg()).itertext())
    assert "+" in words
    assert "−" in words


def test_means_are_taken_over_messages_and_over_the_trained_tokens():
    view = made(10, spans=[("user", 0, 4), ("assistant", 4, 10)], mask=[k >= 6 for k in range(10)])
    before, after = view.log_probs()
    surprise = {role: (mean.tokens, mean.base, mean.tuned) for role, mean in view.means()}
    assert surprise["user"] == pytest.approx((3, -before[1:4].mean(), -after[1:4].mean()))
    assert surprise["assistant"] == pytest.approx((6, -before[4:].mean(), -after[4:].mean()))
    assert surprise["trained on"] == pytest.approx((4, -before[6:].mean(), -after[6:].mean()))
    assert mean_surprise(before, after, [0]).tokens == 0


@pytest.mark.parametrize("n", [1, 2, 20, 2000])
def test_the_picture_and_its_description_handle_any_token(n):
    view, again = (made(n, mask=[True] * n, titles=("<base>", "tuned")) for _ in range(2))
    assert view.svg() == again.svg()
    ET.fromstring(view.svg())
    assert repr(view) == repr(again)
    assert "<i>" not in view.svg()
    assert "</script><i>" not in view.to_html()
    assert len(view.alt) < 400
    assert ("no tokens to compare" in view.alt) == (n == 1)


def test_the_picture_shows_the_answer_to_a_long_question():
    n = 600
    view = made(n, spans=[("user", 0, n - 5), ("assistant", n - 5, n)])
    words = list(ET.fromstring(view.svg()).itertext())
    answer = [visible_token(token) for token in view.tokens[-5:]]
    after = words[words.index("assistant") :]
    assert [word for word in after if word in answer][:5] == answer
    assert "more tokens" not in "".join(after)
    assert "… 380 more tokens …" in words


@given(st.lists(st.integers(0, 500), max_size=20), st.integers(0, 400))
def test_messages_share_the_room_in_the_picture(wanted, most):
    given_ = shared_out(wanted, most)
    assert all(0 <= room <= want for room, want in zip(given_, wanted))
    assert sum(given_) <= most
    assert sum(given_) >= min(sum(wanted), most - len(wanted))
    for want, room in zip(wanted, given_):
        parts = [place for part in ends_of(7, 7 + want, room) for place in part]
        assert len(parts) == len(set(parts)) == room
        assert all(7 <= place < 7 + want for place in parts)


def test_an_empty_view_is_drawn():
    ET.fromstring(TuningView().svg())
    assert "no tokens to compare" in TuningView().alt


def test_invalid_input_is_refused():
    with pytest.raises(ValueError, match="both models must have read the same tokens"):
        tuning_view([0, 1], logits(2, 0), logits(3, 0), VOCABULARY)
    with pytest.raises(ValueError, match="The logits of base"):
        tuning_view([0, 1], logits(2, 0)[:, :3], logits(2, 0), VOCABULARY)
    with pytest.raises(ValueError, match="there are 0 tokens"):
        tuning_view([], logits(0, 0), logits(0, 0), VOCABULARY)
    with pytest.raises(ValueError, match="3 flags, but the conversation has 2 tokens"):
        made(2, mask=[True] * 3)

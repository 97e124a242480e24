"""The rotary view: its numbers agree with the library's rotation, and its pictures are valid."""

import re
import xml.etree.ElementTree as ET

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.embeddings import rotary_cos_sin, rotary_frequencies, rotate
from llmlib.explore.rotary import explore_rotary
from llmlib.widgets import RotaryView


@pytest.mark.slow
@given(key_at=st.integers(0, 100), distance=st.integers(0, 100), seed=st.integers(0, 9))
def test_the_score_is_the_dot_product_after_the_librarys_rotation(key_at, distance, seed):
    generator = torch.Generator().manual_seed(seed)
    query, key = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    view = explore_rotary(8, 100.0, query, key, query_position=key_at + distance, key_position=key_at)
    frequencies = rotary_frequencies(8, 100.0).double()

    def turned(vector, position):
        cos, sin = rotary_cos_sin(torch.tensor([[position]]), frequencies.float())
        return rotate(vector.float()[None, None, None], cos[:, None], sin[:, None])[0, 0, 0]

    expected = turned(query, key_at + distance) @ turned(key, key_at)
    assert view.distance == distance
    assert view.score(distance) == pytest.approx(expected.item(), abs=1e-3)


def test_pictures_are_valid_and_reproducible():
    first, second = explore_rotary(), explore_rotary()
    assert first.svg() == second.svg()
    assert repr(first) == repr(second)
    ET.fromstring(first.svg())
    assert re.search(r'alt="Query at position 20[^"]{20,}"', first.fallback_html())
    assert not re.search(r"https?://(?!www\.w3\.org/)", first.to_html())


def test_the_picture_follows_the_state():
    view = explore_rotary()
    before = view.svg()
    view.query_position = 30
    assert view.svg() != before
    assert "distance 16" in view.alt


def test_one_dial_many_dials_and_a_frequency_of_zero_are_drawn():
    for view in (RotaryView([0.0]), explore_rotary(64), RotaryView([1.0], max_position=20)):
        ET.fromstring(view.svg())
    assert svg_circles(explore_rotary(64)) == 33  # the dials and the point on the curve


def svg_circles(view):
    return view.svg().count("<circle")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"query": [1.0]}, "two numbers for each of the 2"),
        ({"key": [1.0] * 5}, "key must have two numbers"),
        ({"query_position": 3, "key_position": 4}, "0 ≤ key ≤ query"),
        ({"query_position": 300}, "≤ 200"),
        ({"key_position": -1}, "0 ≤ key"),
        ({"query": [float("nan")] * 4}, "finite"),
    ],
)
def test_invalid_arguments_are_refused_with_a_reason(arguments, words):
    with pytest.raises(ValueError, match=words):
        RotaryView([1.0, 0.1], **arguments)


def test_at_least_one_frequency_is_required():
    with pytest.raises(ValueError, match="at least one frequency"):
        RotaryView([])

"""The threshold view: its numbers agree with `llmlib.evaluation`, its pictures are valid, and bad input is refused."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.evaluation import auc, calibration_error, reliability
from llmlib.widgets import threshold_view

ODD = ("👩‍👩‍👧‍👦 é", "<b>x</b>\x00", "مرحبا بالعالم", "", "x" * 5000, "\ud800 half a pair")
answers = st.lists(st.tuples(st.integers(0, 20).map(lambda k: k / 20), st.booleans()), min_size=1, max_size=40)


@pytest.mark.slow
@given(answers, st.floats(-0.1, 1.1))
def test_the_numbers_match_those_of_llmlib_evaluation(rows, threshold):
    sure, right = (np.array(column) for column in zip(*rows))
    view = threshold_view({"p": sure}, right, threshold=threshold)
    about, one = view.about["scores"][0], view.looked_at()
    assert one.counts(threshold) == (
        sum((sure >= threshold) & right),
        sum((sure >= threshold) & ~right),
        sum((sure < threshold) & right),
        sum((sure < threshold) & ~right),
    )
    assert view.let_through.tolist() == (sure >= threshold).tolist()
    assert about["error"] == pytest.approx(calibration_error(sure, right))
    assert [tuple(each.values()) for each in about["bins"]] == [
        pytest.approx((each.low, each.high, each.confidence, each.right, each.count))
        for each in reliability(sure, right)
    ]
    if 0 < right.sum() < len(right):
        assert about["area"] == pytest.approx(auc(sure, right))
    else:
        assert about["area"] is None
    ET.fromstring(view.svg())


@pytest.mark.parametrize(
    ("scores", "right"),
    [
        ([0.5], [1]),
        ([0.5], [0]),
        ([-4.0, -4.0], [1, 0]),
        ([0.0, 1.0], [True, False]),
        (np.log(np.linspace(0.001, 1, 10_000)), np.arange(10_000) % 3 == 0),
        ([1e9, 1e9 + 1, -1e-9], [1, 1, 1]),
    ],
)
def test_unusual_sets_of_answers_are_shown(scores, right):
    view = threshold_view(scores, right)
    ET.fromstring(view.svg())
    assert len(view.svg()) < 120_000
    low, high, step = view.looked_at().axis()
    assert low <= min(scores) <= max(scores) <= high
    assert 1 <= round((high - low) / step) <= 500
    assert low <= view.threshold <= high
    assert f"of {len(right):,} let through" in repr(view)


def test_half_of_the_answers_are_let_through_at_first():
    sure = np.linspace(0.2, 0.9, 100)
    assert threshold_view(sure, sure > 0.5).let_through.sum() == 50


def test_the_picture_and_its_description_follow_the_readers_choices():
    right = [1, 0, 1, 0]
    view = threshold_view({"a": [0.9, 0.8, 0.3, 0.1], "b": [3, 1, 2, 0]}, right, names=("real", "invented"))
    again = threshold_view({"a": [0.9, 0.8, 0.3, 0.1], "b": [3, 1, 2, 0]}, right, names=("real", "invented"))
    assert view.svg() == again.svg()
    before = view.svg()
    view.place = {**view.place, "score": 1, "threshold": 1.5}
    assert view.svg() != before
    assert (view.score, view.threshold, view.let_through.tolist()) == ("b", 1.5, [True, False, True, False])
    assert view.alt == (
        "b at least 1.5: 2 of 4 let through: 2 real, 0 invented. 2 withheld: 0 real, 2 invented. "
        "Area under the ROC curve: a 0.75, b 1.00."
    )  # no calibration error, because 0 … 3 are not probabilities


def test_odd_texts_and_names_are_escaped_and_the_page_loads_nothing():
    n = len(ODD)
    view = threshold_view({"<i>p</i> 漢字": [k / n for k in range(n)]}, [1, 0] * (n // 2), ODD, names=("<b>", "مرحبا"))
    assert len(view.texts[4]) == 300
    assert view.texts[5] == "? half a pair"
    ET.fromstring(view.svg())
    assert "<i>p" not in view.svg()
    assert re.search(r'alt="&lt;i&gt;p', view.fallback_html())
    assert not re.search(r"https?://(?!www\.w3\.org/)", view.to_html())


def test_texts_of_many_answers_stay_small():
    view = threshold_view(np.linspace(0, 1, 10_000), [1] * 10_000, ["x" * 1000] * 10_000)
    assert sum(map(len, view.texts)) <= 400_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0.5, np.nan], [1, 0]), "'confidence' has nan for answer 1"),
        (([np.inf], [1]), "no side of a threshold|inf for answer 0"),
        (([0.5], [1, 0]), "'confidence' must have one number for each of the 2 answers"),
        (([], []), "one or more answers"),
        (([0.5], [2]), "right \\(1\\) or wrong \\(0\\); got 2"),
        (([0.5], [np.nan]), "got nan"),
        (({}, [1]), "at least one score"),
        (([0.5], [1], ["a", "b"]), "a text for each of the 1"),
    ],
)
def test_invalid_input_is_refused_with_a_reason(arguments, words):
    with pytest.raises(ValueError, match=words):
        threshold_view(*arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"names": ("a", "a")}, "two different words"),
        ({"names": ("a", " ")}, "two different words"),
        ({"threshold": float("nan")}, "threshold must be a number"),
        ({"bins": 0}, "bins must be 1 or more"),
    ],
)
def test_an_impossible_option_is_refused_with_a_reason(options, words):
    with pytest.raises(ValueError, match=words):
        threshold_view([0.5, 0.2], [1, 0], **options)

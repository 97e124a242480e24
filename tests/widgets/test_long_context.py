"""Given plain arrays, the long context view averages losses, fills grids, shows both, and reports bad input."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from llmlib.widgets import long_context_view
from llmlib.widgets.long_context.losses import averaged, levels, sides

DEPTHS = [0, 0.5, 1]


def both(**options):
    noise = np.random.default_rng(0).normal(size=(3, 600))
    losses = {"plain": 2 + noise, "<b>NTK</b> مرحبا 👩‍👩‍👧‍👦": 1 + noise[0], "short": 2 + noise[:, :256]}
    grids = {"plain": [[1, 1, 1], [0, 0.5, np.nan]], "\ud800 other": np.full((2, 3), np.nan)}
    return long_context_view(losses, grids, lengths=[128, 512], depths=DEPTHS, trained=256, needles=2, **options)


def test_losses_are_averaged_over_blocks_and_the_last_block_may_be_shorter():
    losses = {"a": np.arange(10.0)[None], "b": np.arange(3.0)[None]}
    found = averaged(losses, np.arange(1, 11), 4)
    assert found.first.tolist() == [1, 5, 9]
    assert found.last.tolist() == [4, 8, 10]
    assert found.mean[0].tolist() == [1.5, 5.5, 8.5]
    assert found.mean[1].tolist()[:1] == [1.0]  # of the three values that are there
    assert np.isnan(found.mean[1, 1:]).all()


def test_a_band_shows_the_range_of_few_rows_or_two_standard_errors_of_many():
    rows = np.random.default_rng(0).normal(size=(50, 4))
    few, many = (averaged({"a": some}, np.arange(4), 1) for some in (rows[:3], rows))
    assert few.low[0].tolist() == rows[:3].min(0).tolist()
    errors = rows.std(0, ddof=1) / 50**0.5
    np.testing.assert_allclose(many.high[0] - many.mean[0], 2 * errors)


def test_each_level_of_averaging_keeps_enough_points():
    assert [each.width for each in levels({"a": np.zeros((1, 2048))}, np.arange(2048))] == [1, 4, 16, 64, 256]
    assert [each.width for each in levels({"a": np.zeros((1, 1))}, np.arange(1))] == [1]
    assert len(both().curves().first) <= 150


def test_means_are_taken_on_both_sides_of_the_trained_length():
    rows, positions = np.array([[1.0, 2.0, 6.0]]), np.array([64, 128, 192])
    assert sides(rows, positions, 128) == [1.5, 6.0]
    assert sides(rows, positions, None) == [3.0, None]
    assert sides(rows, positions, 32) == [None, 3.0]


def test_a_grid_is_filled_cell_by_cell():
    view = both()
    before = view.svg()
    assert "not measured yet" in view.alt
    for length in (128, 512):
        for depth in DEPTHS:
            view.put("plain", length, depth, 0.5)
    np.testing.assert_array_equal(view.shares()[0], 0.5)
    assert view.svg() != before
    assert view.still["html"] == view.fallback_html()
    assert "plain 50%" in view.alt
    assert "6 of 12 cells not measured yet" in view.alt


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (("none", 128, 0, 1), "no arm 'none'; it has 'plain'"),
        (("plain", 100, 0, 1), "no length 100; it has 128, 512"),
        (("plain", 128, 0.3, 1), "no depth 0.3; it has 0.0, 0.5, 1.0"),
        (("plain", 128, 0, 1.5), "between 0 and 1; got 1.5"),
        (("plain", 128, 0, np.nan), "between 0 and 1; got nan"),
    ],
)
def test_an_unknown_cell_or_an_impossible_share_is_refused(cell, words):
    with pytest.raises(ValueError, match=words):
        both().put(*cell)


def test_pictures_are_valid_and_reproducible():
    first, second = both(), both()
    assert first.svg() == second.svg()
    assert repr(first) == repr(second)
    ET.fromstring(first.svg())
    assert "<b>NTK" not in first.svg()
    assert re.search(r'alt="Mean loss up to position 256, the trained length: plain [^"]{20,}"', first.fallback_html())
    assert not re.search(r"https?://(?!www\.w3\.org/)", first.to_html())


@pytest.mark.slow
@pytest.mark.parametrize(
    "view",
    [
        lambda: long_context_view({"one": [2.5]}),
        lambda: long_context_view({"one": [2.5]}, trained=100),
        lambda: long_context_view({"one": np.zeros(10_000)}, trained=1),
        lambda: long_context_view(grids={"one": [[1.0]]}, lengths=[8], depths=[0]),
        lambda: long_context_view(
            grids={f"arm {k}": np.full((12, 11), 0.5) for k in range(7)},
            lengths=range(1000, 13_000, 1000),
            depths=np.linspace(0, 1, 11),
            trained=500,
        ),
    ],
)
def test_one_value_many_values_and_many_grids_are_drawn(view):
    ET.fromstring(view().svg())
    assert len(view().alt) >= 20


@pytest.mark.parametrize(
    ("losses", "grids", "options", "words"),
    [
        (None, None, {}, "nothing to show"),
        ({"a": [1.0, np.nan]}, None, {}, "'a' in row 0 at index 1 must be finite; got nan"),
        ({"a": [[1.0], [np.inf]]}, None, {}, "row 1 at index 0 must be finite; got inf"),
        ({"a": []}, None, {}, "got shape \\[0\\]"),
        ({"a": np.zeros((1, 1, 1))}, None, {}, "\\[row, position\\]"),
        ({"a": [1.0, 2.0]}, None, {"positions": [5]}, "each of the 2 losses"),
        ({"a": [1.0, 2.0]}, None, {"positions": [5, 5]}, "positions must be increasing whole numbers"),
        ({"a": [1.0]}, None, {"trained": 0}, "1 or more; got 0"),
        (None, {"a": [[1.0]]}, {"lengths": [1, 2], "depths": [0]}, "2 lengths and 1 depths"),
        (None, {"a": [[1.5]]}, {"lengths": [1], "depths": [0]}, "between 0 and 1"),
        (None, {"a": [[1.0]]}, {"lengths": [1], "depths": [2]}, "A depth must be a share"),
        (None, {"a": [[1, 1]]}, {"lengths": [1], "depths": [0, 0]}, "may appear only once in a grid"),
    ],
)
def test_invalid_input_is_refused_with_a_reason(losses, grids, options, words):
    with pytest.raises(ValueError, match=words):
        long_context_view(losses, grids, **options)

"""Plots are legible in light and dark themes, and have descriptions."""

import base64
import io
import re

import numpy as np
import pytest

from llmlib.style import COLOURS, SHEET, TURNED, label_points, picture_html, show_plot, use_style

# The matrix of CSS's hue-rotate(180deg), from the filter effects specification.
ROTATED = np.array([[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]])
LAB_DARK = np.full(3, 0x11 / 255)


def as_numbers(colour):
    return np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])


def in_the_dark(colour):
    """Return how the style sheet shows a colour in a dark theme."""
    return np.clip(ROTATED @ (TURNED + colour * (1 - 2 * TURNED)), 0, 1)


def contrast(one, other):
    def luminance(colour):
        linear = np.where(colour <= 0.03928, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("colour", "least"), [*((colour, 3.0) for colour in COLOURS), ("#000000", 4.5), ("#57606a", 4.5)]
)
def test_lines_and_text_stand_out_in_both_themes(colour, least):
    assert contrast(as_numbers(colour), np.ones(3)) >= least
    assert contrast(in_the_dark(as_numbers(colour)), LAB_DARK) >= least


def test_white_becomes_the_background_of_a_dark_page():
    assert np.abs(in_the_dark(np.ones(3)) - LAB_DARK).max() < 1 / 255


@pytest.fixture
def shown(monkeypatch):
    import IPython.display

    bundles = []
    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: bundles.append(bundle))
    return bundles


@pytest.mark.slow
def test_a_plot_is_shown_once_on_white_with_its_description(shown):
    import matplotlib.pyplot as plt
    from PIL import Image

    use_style()
    plt.plot([1, 2])
    show_plot('A line that rises from "1" to 2.')
    assert plt.get_fignums() == []
    assert shown[0]["text/plain"] == '<Plot: A line that rises from "1" to 2.>'
    alt, data = re.search(r'alt="([^"]*)" src="data:image/png;base64,([^"]*)"', shown[0]["text/html"]).groups()
    assert alt == "A line that rises from &quot;1&quot; to 2."
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()


def test_a_figure_other_than_the_current_one_can_be_shown(shown):
    import matplotlib.pyplot as plt

    first, _ = plt.subplots(figsize=(1, 1))
    second, _ = plt.subplots(figsize=(2, 1))
    show_plot("The first of two empty plots.", first)
    assert plt.get_fignums() == [second.number]
    plt.close(second)


def test_a_plot_can_replace_another(shown):
    import matplotlib.pyplot as plt

    class Place:
        def update(self, bundle, raw):
            self.text = bundle["text/plain"]

    place = Place()
    for n in range(2):
        plt.figure()
        show_plot(f"An empty plot, number {n}.", place=place)
    assert place.text == "<Plot: An empty plot, number 1.>"
    assert shown == []
    assert plt.get_fignums() == []


def test_a_plot_needs_a_sentence_as_its_description(shown):
    with pytest.raises(ValueError, match="Say in a sentence"):
        show_plot("a plot")
    assert shown == []


def test_a_plots_html_contains_only_the_style_sheet_and_the_picture():
    assert picture_html(b"", "<b> & c").removeprefix(SHEET).count("<") == 1


def test_labels_of_crowded_points_cover_neither_each_other_nor_the_points():
    import matplotlib.pyplot as plt

    points = [[0.0, 0.0], [0.001, 0.0], [0.0, 0.001], [0.001, 0.001], [1.0, 1.0], [1.0, 0.0]]
    figure, axes = plt.subplots()
    axes.scatter(*zip(*points))
    label_points(axes, points, ["January", "February", "March", "April", "May", "June"])
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == len(points)
    for k, box in enumerate(boxes):
        assert box.count_overlaps(boxes[:k]) == 0
        assert not any(box.contains(*place) for place in axes.transData.transform(points))
        assert axes.bbox.contains(box.x0, box.y0)
        assert axes.bbox.contains(box.x1, box.y1)
    plt.close(figure)

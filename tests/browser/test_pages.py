"""What all pages of the course share, in a real JupyterLab: plots in both themes, lines of code that fit."""

import pytest
from lesson_pages import LONGEST_LINE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = [
    "import matplotlib.pyplot as plt\nfrom llmlib import show_plot, use_style",
    'use_style()\nplt.plot([1, 3, 2])\nshow_plot("A line that rises from 1 to 3 and falls to 2.")',
    "#" * LONGEST_LINE,
]
# By how many pixels a cell's code is wider than the room for it.
TOO_WIDE = """() => [...document.querySelectorAll(".jp-CodeCell .cm-scroller")]
  .map((cell) => cell.scrollWidth - cell.clientWidth).filter((pixels) => pixels > 0)"""
FILTER = "node => getComputedStyle(node).filter"


def test_a_plot_keeps_its_description_and_follows_the_theme_and_the_longest_line_needs_no_scrolling(bench):
    bench.open("pages.ipynb", CELLS)
    bench.run()
    plot = bench.page.locator(".jp-OutputArea-output img")
    assert plot.get_attribute("alt") == "A line that rises from 1 to 3 and falls to 2."
    for theme, turned in (("Light", "none"), ("Dark", "invert(0.933) hue-rotate(180deg)")):
        bench.theme(theme)
        assert plot.evaluate(FILTER) == turned
    assert bench.page.locator("#jp-left-stack").is_visible()  # the file browser: the narrowest that a notebook gets
    assert bench.page.evaluate(TOO_WIDE) == []

"""All lessons in JupyterLab: plots in both themes, lines that fit, and nothing for axe to find.

axe checks only a lesson's own content: its rendered Markdown and its outputs. Everything around that (menus, side bars,
prompts, code editors) belongs to JupyterLab. It is the same for every notebook, and no lesson can fix it.
"""

from itertools import pairwise

import pytest
from lesson_pages import LONGEST_LINE

from browser.axe import faults_of_form
from browser.bench import NOTEBOOKS
from browser.looks import UNREADABLE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
CELLS = [
    "import matplotlib.pyplot as plt\nfrom llmlib import show_plot, use_style",
    'use_style()\nplt.plot([1, 3, 2])\nshow_plot("A line that rises from 1 to 3 and falls to 2.")',
    "#" * LONGEST_LINE,
]
OURS = ".jp-MarkdownOutput, .jp-OutputArea-output"
# By how many pixels code is wider than the room for it, in a cell or in Markdown. (In a lesson, the code cells are
# folded; another test counts their columns.)
TOO_WIDE = """() => [...document.querySelectorAll(".jp-CodeCell .cm-scroller, .jp-MarkdownOutput pre")]
  .map((code) => code.scrollWidth - code.clientWidth).filter((pixels) => pixels > 0)"""
# axe takes longest for colours, and does not measure the contrast of text that is scrolled out of sight.
PALE = f"(nodes) => nodes.flatMap({UNREADABLE})"
FILTERS = "nodes => nodes.map((node) => getComputedStyle(node).filter)"
TURNED = {"light": "none", "dark": "invert(0.933) hue-rotate(180deg)"}
# The levels of all headings, including those in outputs, in page order.
LEVELS = """(nodes) => nodes.flatMap((node) => [...node.querySelectorAll("h1, h2, h3, h4, h5, h6")])
  .map((heading) => Number(heading.tagName[1]))"""
NO_ALT = "nodes => nodes.filter((image) => image.alt.trim().length < 20).map((image) => image.outerHTML.slice(0, 200))"


def test_a_plot_keeps_its_description_and_follows_the_theme_and_the_longest_allowed_line_fits(bench):
    bench.open("pages.ipynb", CELLS, code=True)
    bench.run()
    plot = bench.page.locator(".jp-OutputArea-output img")
    assert plot.get_attribute("alt") == "A line that rises from 1 to 3 and falls to 2."
    for theme, turned in TURNED.items():
        bench.theme(theme.capitalize())
        assert plot.evaluate_all(FILTERS) == [turned]
    assert bench.page.locator("#jp-left-stack").is_visible()  # the file browser: with it open, a notebook is narrowest
    assert bench.page.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_stored_lesson_is_accessible_and_readable_in_both_themes(bench, lesson):
    notebook = bench.read(lesson)
    pictures = notebook.locator("img")
    for number in range(2):
        if number:
            bench.theme("Dark" if bench.is_light else "Light")
        theme = "light" if bench.is_light else "dark"
        if not number:  # in the other theme only colours differ
            assert faults_of_form(notebook.locator(OURS)) == []
        assert notebook.locator(OURS).evaluate_all(PALE) == [], theme
        assert set(pictures.evaluate_all(FILTERS)) == {TURNED[theme]}
    assert pictures.evaluate_all(NO_ALT) == []
    levels = notebook.locator(OURS).evaluate_all(LEVELS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    assert bench.page.locator("#jp-left-stack").is_visible()
    assert bench.page.evaluate(TOO_WIDE) == []

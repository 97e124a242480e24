"""Every view as a page of its own: axe must find nothing, in light and dark."""

import io

import pytest
from PIL import Image

from browser.axe import faults_of_colour, violations
from browser.looks import contrast, wait_until_drawn
from browser.views import SETUP, VIEWS
from llmlib.exercises.engine.asking_view import QuestionsView
from llmlib.widgets import NextTokenView

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def names():
    """The names that the setup code of the table defines."""
    space = {}
    exec(SETUP, space)
    return space


def found(page, view, path):
    """Return what axe finds on the page of a view, by theme."""
    page.goto(view.save(path).as_uri())
    page.locator("#view.llm").wait_for()
    seen = {}
    for scheme, by_axe in (("light", violations), ("dark", faults_of_colour)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        wait_until_drawn(page)
        seen[scheme] = by_axe(page.locator(":root"))
    return seen


@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", VIEWS, ids=lambda row: row.name)
def test_axe_finds_nothing_on_the_page_of_a_view(page, names, row, tmp_path):
    exec(row.source, names)
    assert found(page, names[row.variable], tmp_path / "view.html") == {"light": [], "dark": []}
    assert 4 <= len(page.title()) <= 60, "a title, not a paragraph"
    assert page.locator("h1").text_content() == page.title()
    assert page.foreign == []


def test_the_page_of_a_NextTokenView_has_visible_bars_and_no_controls(page, tmp_path):
    view = NextTokenView(
        prompt="one", tokens=["one"], candidates=[" two", " four"], ids=[1, 2], probabilities=[0.5, 0.25]
    )
    page.goto(view.save(tmp_path / "view.html").as_uri())
    assert page.locator(".llm-lead").inner_text().endswith("to change the text, you need Python.")
    assert page.locator(":is(button, input, textarea)").count() == 0, "no controls, since they could not be used"
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        track = Image.open(io.BytesIO(page.locator(".llm-track").first.screenshot())).convert("RGB")
        middle, full, empty = track.height // 2, track.width // 4, 3 * track.width // 4
        bar, paper = track.getpixel((full, middle)), track.getpixel((empty, middle))
        edges = [contrast(track.getpixel((empty, y)), paper) for y in range(track.height)]
        assert max(edges) >= 3, "the end of the track, at 100%, is visible"
        assert contrast(bar, paper) >= 3, "the end of the bar is visible"


def test_axe_finds_nothing_on_a_page_of_questions(page, names, tmp_path):
    view = QuestionsView(title="Quiz", questions=names["questions"][:2], opened=[[0, 1], [0, 0], [1, 0]])
    assert found(page, view, tmp_path / "quiz.html") == {"light": [], "dark": []}
    assert page.locator(".llm-score").inner_text() == "1 of 2 right on the first try."


def test_axe_finds_faults(page):
    page.set_content(
        '<html lang="en"><title>t</title><main><h1>A</h1><h4>B</h4><img src="data:,"><input></main></html>'
    )
    rules = [line.split()[0] for line in violations(page.locator(":root"))]
    assert {"image-alt", "label"} <= set(rules)

"""All views in one JupyterLab: as many clicks as a machine can make, odd, empty and long texts, another theme."""

import pytest
from playwright.sync_api import expect

from browser.axe import violations
from browser.looks import STICKS_OUT, UNREADABLE
from browser.views import SOURCES, VIEWS
from llmlib import widgets
from llmlib.widgets.shared.base import View

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Where the parts of a view are: to be the same after the theme has been changed there and back.
LAYOUT = """view => {
  const box = view.getBoundingClientRect(), nodes = [...view.querySelectorAll("canvas, svg, button, input, section")];
  const boxes = nodes.filter((node) => node.checkVisibility() && !node.closest(".llm-save"))
    .map((node) => node.getBoundingClientRect());
  return boxes.map(({ x, y, width, height }) => [x - box.x, y - box.y, width, height].map(Math.round));
}"""


def every(column):
    """A test for each view; where there is nothing to do, the reason says why."""
    params = []
    for row in VIEWS:
        what = getattr(row, column)
        params.append(pytest.param(row, id=row.name, marks=[] if callable(what) else pytest.mark.skip(reason=what)))
    return pytest.mark.parametrize("row", params)


@pytest.fixture(scope="module")
def all_views(bench):
    bench.open("all_views.ipynb", SOURCES)
    bench.theme("Light")
    bench.run()
    return bench


@pytest.fixture
def opened(all_views):
    """The bench, and a function from a row to its view on the page; nothing may go wrong behind the scenes."""

    def find(row):
        view = all_views.page.locator(row.selector)
        view.evaluate("node => node.scrollIntoView()")
        return view

    yield all_views, find
    assert all_views.problems == []


def test_every_view_has_a_row():
    views = [name for name in widgets.__all__ if isinstance(getattr(widgets, name), type)]
    views = [name for name in views if issubclass(getattr(widgets, name), View)]
    assert sorted(views) == sorted(row.name for row in VIEWS)


@pytest.mark.timeout(120)
@every("clicks")
def test_as_many_clicks_as_a_machine_can_make(opened, row):
    bench, find = opened
    row.clicks(bench, find(row))


@pytest.mark.timeout(120)
@every("odd")
def test_odd_texts(opened, row):
    bench, find = opened
    view = find(row)
    row.odd(bench, view)
    expect(view).not_to_contain_text("\ufffd")
    expect(view.locator("b, x")).to_have_count(0)  # a text is no markup


@pytest.mark.timeout(120)
@every("empty")
def test_empty_texts(opened, row):
    bench, find = opened
    row.empty(bench, find(row))


@pytest.mark.timeout(120)
@every("long")
def test_a_text_of_a_thousand_tokens(opened, row):
    bench, find = opened
    row.long(bench, find(row))


def look(view):
    """Where the parts of a view are, what sticks out, what cannot be read."""
    return view.evaluate(LAYOUT), view.evaluate(STICKS_OUT) <= 1, view.evaluate(UNREADABLE)


def settled(view, wanted=None):
    """The look as soon as it is as wanted (or no longer changes), or as it is after some seconds."""
    for _ in range(20):
        before = wanted or look(view)
        view.page.wait_for_timeout(100)
        if (now := look(view)) == before:
            break
    return now


@pytest.fixture(scope="module")
def themed(all_views):
    """For each view, its look before the theme is changed, then in one theme after the other, and what axe finds."""
    bench = all_views
    seen, found = {}, {row.name: [] for row in VIEWS}
    for row in VIEWS:
        view = bench.page.locator(row.selector)
        view.evaluate("node => node.scrollIntoView()")
        row.widest(bench, view)
        seen[row.name] = [settled(view)]
    for theme in ("Dark", "Light"):
        bench.theme(theme)
        for row in VIEWS:
            view = bench.page.locator(row.selector)
            view.evaluate("node => node.scrollIntoView()")
            seen[row.name].append(settled(view, wanted=seen[row.name][0]))
            found[row.name] += [f"{theme}: {line}" for line in violations(view)]
    return seen, found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("row", VIEWS, ids=lambda row: row.name)
def test_another_theme_leaves_the_layout(themed, row):
    looks = themed[0][row.name]
    for layout, nothing_sticks_out, unreadable in looks:
        assert layout == looks[0][0]
        assert nothing_sticks_out
        assert unreadable == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("row", VIEWS, ids=lambda row: row.name)
def test_nothing_for_axe_to_find_in_jupyterlab(themed, row):
    assert themed[1][row.name] == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("row", VIEWS, ids=lambda row: row.name)
def test_a_page_without_room_breaks_nothing(opened, row):
    """JupyterLab gives a view no width at all while it takes in the outputs of a cell."""
    bench, find = opened
    view = find(row)
    row.widest(bench, view)
    before = settled(view)
    for width in ("0", "5px", ""):
        view.evaluate("(view, width) => { view.style.width = width; }", width)
        bench.page.wait_for_timeout(50)
    assert settled(view, wanted=before) == before

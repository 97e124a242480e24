"""Views in all their states: nothing for axe to find, nothing cut, all within reach of the keyboard, in JupyterLab."""

import pytest
from playwright.sync_api import expect

from browser.axe import violations
from browser.bench import VIEWPORT
from browser.looks import STICKS_OUT, UNREADABLE
from browser.state_acts import STATES, tab_stops

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOURCES = [row.source for row in STATES]


@pytest.fixture(scope="module")
def states(bench):
    bench.open("states.ipynb", SOURCES)
    bench.theme("Light")
    bench.run()
    yield bench
    assert bench.problems == []


def shown(bench, row):
    view = bench.page.locator(row.selector)
    view.evaluate("node => node.scrollIntoView()")
    return view


def too_wide(bench, view):
    """At which widths of the window something in a view is cut or sticks out."""
    found = {}
    for width in (1000, 1280):
        bench.page.set_viewport_size({"width": width, "height": 900})
        bench.page.wait_for_timeout(150)  # what is drawn in pixels is drawn anew
        if (far := view.evaluate(STICKS_OUT)) > 1:
            found[width] = far
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", STATES, ids=lambda row: row.name)
def test_each_state_in_both_themes_and_widths(states, row):
    bench, found = states, {}
    try:
        for theme in ("Light", "Dark"):
            bench.theme(theme)
            for state in row.states:
                view = shown(bench, row)
                state(bench, view)
                faults = [*violations(view), *view.evaluate(UNREADABLE)]
                if theme == "Light":
                    faults += too_wide(bench, view).items()
                found[theme, state.__name__] = faults
    finally:
        bench.page.set_viewport_size(VIEWPORT)
        bench.theme("Light")
    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.timeout(200)
@pytest.mark.parametrize("row", STATES, ids=lambda row: row.name)
def test_the_keyboard_alone_goes_through_it(states, row):
    view = shown(states, row)
    row.states[0](states, view)
    assert len(stops := tab_stops(states.page, view)) <= row.most_stops, stops
    row.keyboard(states, view)
    assert states.page.evaluate("document.activeElement !== document.body")
    expect(view).to_be_visible()

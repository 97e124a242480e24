"""Views in all their states in JupyterLab: axe finds nothing, and nothing is cut off."""

import pytest

from browser.axe import faults_of_colour, violations
from browser.bench import VIEWPORT
from browser.looks import UNREADABLE, WIDTHS, cut, widen
from browser.state_acts import STATES

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def states(bench):
    bench.open("states.ipynb", [row.source for row in STATES])
    bench.theme("Light")
    bench.run()
    yield bench
    assert bench.problems == []


def cut_at(bench, view):
    """Return what is cut off in a view, by the width of the window."""
    found = {}
    for width in WIDTHS:
        widen(bench.page, width)
        if faults := cut(view):
            found[width] = faults
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", STATES, ids=lambda row: row.name)
def test_axe_finds_nothing_and_nothing_is_cut_off_in_any_state(states, row):
    bench, found = states, {}
    try:
        for theme in ("Light", "Dark"):
            bench.theme(theme)
            for state in row.states:
                view = bench.shown(row.selector, alone=True)
                state(bench, view)
                by_axe = violations if theme == "Light" else faults_of_colour
                faults = [*by_axe(view), *view.evaluate(UNREADABLE)]
                if theme == "Light":
                    faults += cut_at(bench, view).items()
                found[theme, state.__name__] = faults
    finally:
        bench.page.set_viewport_size(VIEWPORT)
        bench.theme("Light")
    assert {where: what for where, what in found.items() if what} == {}

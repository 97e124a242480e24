"""The tests that every view gets, in one JupyterLab where one view is in sight at a time.

They cover quick clicks; odd, empty and long texts; another theme; the keyboard alone; narrow windows; no motion; and
the same view twice.
"""

import pytest
from playwright.sync_api import expect

from browser.axe import faults_of_form, not_unique
from browser.bench import RUN_LAST, VIEWPORT, choose_radio, click
from browser.keys import HOLDS_FOCUS, tab_through
from browser.looks import STICKS_OUT, UNREADABLE, WIDTHS, cut, wait_until_drawn, widen
from browser.sampling_acts import tab
from browser.views import TABLE, VIEWS, cells
from llmlib import widgets
from llmlib.widgets.shared.base import View

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Where the parts of a view are; this must stay the same if the theme is changed and changed back.
LAYOUT = """view => {
  const box = view.getBoundingClientRect();
  const nodes = [...view.querySelectorAll("canvas, svg, button, input, [role=group]")];
  const boxes = nodes.filter((node) => node.checkVisibility() && !node.closest(".llm-save"))
    .map((node) => node.getBoundingClientRect());
  return boxes.map(({ x, y, width, height }) => [x - box.x, y - box.y, width, height].map(Math.round));
}"""

every_view = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


def every(column):
    """Parametrize a test by view; skip views in which it would do nothing, for the reason given in the table."""
    params = []
    for row in TABLE:
        what = getattr(row, column)
        params.append(pytest.param(row, id=row.name, marks=[] if callable(what) else pytest.mark.skip(reason=what)))
    return pytest.mark.parametrize("row", params)


@pytest.fixture(scope="module")
def all_views(bench):
    bench.open("all_views.ipynb", (*cells(TABLE), ""))
    bench.theme("Light")
    bench.run()
    return bench


@pytest.fixture
def opened(all_views):
    """The bench, and a function from a row of the table to its view on the page; the page must not report errors."""
    yield all_views, lambda row: all_views.shown(row.selector, alone=True)
    assert all_views.problems == []


def test_every_view_has_a_row_in_the_table():
    views = [name for name in widgets.__all__ if isinstance(getattr(widgets, name), type)]
    views = [name for name in views if issubclass(getattr(widgets, name), View)]
    assert sorted(views) == sorted(row.name for row in VIEWS)


@pytest.mark.timeout(300)
@every("clicks")
def test_quick_clicks_are_all_handled(opened, row):
    bench, find = opened
    row.clicks(bench, find(row))


@pytest.mark.timeout(300)
@every("odd")
def test_a_view_handles_odd_texts(opened, row):
    bench, find = opened
    view = find(row)
    row.odd(bench, view)
    expect(view).not_to_contain_text("\ufffd")
    expect(view.locator("b, x")).to_have_count(0)  # a text is not treated as HTML


@pytest.mark.timeout(300)
@every("empty")
def test_a_view_handles_empty_texts(opened, row):
    bench, find = opened
    row.empty(bench, find(row))


@pytest.mark.timeout(300)
@every("long")
def test_a_view_handles_a_text_of_a_thousand_tokens(opened, row):
    bench, find = opened
    row.long(bench, find(row))


def look(view):
    """Return where the parts of a view are, whether nothing sticks out, and what cannot be read."""
    return view.evaluate(LAYOUT), view.evaluate(STICKS_OUT) <= 1, view.evaluate(UNREADABLE)


def settled(view, wanted=None):
    """Return a view's look once it is `wanted` (or, without that, no longer changes); give up after some seconds."""
    for _ in range(20):
        before = wanted or look(view)
        wait_until_drawn(view.page)
        if (now := look(view)) == before:
            break
    return now


def squeezed(view, before):
    """Return a view's look after a moment without room, as happens while JupyterLab adds a cell's outputs."""
    for width in ("0", "5px", ""):
        view.evaluate("(view, width) => { view.style.width = width; }", width)
        wait_until_drawn(view.page, 50)
    return settled(view, wanted=before)


@pytest.fixture(scope="module")
def themed(all_views):
    """Return each view's `look` at first and in each theme, what axe finds, and its `look` after a moment without room.

    axe skips colours here: `look` reports what cannot be read, and test_axe checks the colours of each view's page.
    """
    bench = all_views
    seen, found, after = {}, {}, {}
    for row in TABLE:
        view = bench.shown(row.selector, alone=True)
        row.widest(bench, view)
        seen[row.name] = [settled(view)]
        after[row.name] = squeezed(view, seen[row.name][0])
    for theme in ("Dark", "Light"):
        bench.theme(theme)
        for row in TABLE:
            view = bench.shown(row.selector, alone=True)
            seen[row.name].append(settled(view, wanted=seen[row.name][0]))
            if theme == "Dark":
                found[row.name] = faults_of_form(view)
    return seen, found, after


@pytest.mark.timeout(300)
@every_view
def test_another_theme_does_not_change_the_layout(themed, row):
    looks = themed[0][row.name]
    for layout, nothing_sticks_out, unreadable in looks:
        assert layout == looks[0][0]
        assert nothing_sticks_out
        assert unreadable == []


@pytest.mark.timeout(300)
@every_view
def test_axe_finds_nothing_in_jupyterlab(themed, row):
    assert themed[1][row.name] == []


@pytest.mark.timeout(300)
@every_view
@pytest.mark.usefixtures("opened")
def test_a_view_looks_the_same_after_a_moment_without_room(themed, row):
    seen, _, after = themed
    assert after[row.name] == seen[row.name][0]


@pytest.fixture(scope="module")
def narrow(all_views):
    """For each view, what is cut off at each width of the window."""
    bench, found = all_views, {row.name: {} for row in TABLE}
    try:
        for width in WIDTHS:
            widen(bench.page, width)
            for row in TABLE:
                view = bench.shown(row.selector, alone=True)
                row.widest(bench, view)
                settled(view)
                if faults := cut(view):
                    found[row.name][width] = faults
    finally:
        bench.page.set_viewport_size(VIEWPORT)
    return found


@pytest.mark.timeout(300)
@every_view
def test_nothing_is_cut_off_in_a_narrow_window(narrow, row):
    assert narrow[row.name] == {}


# --- the keyboard alone, and no motion ----------------------------------------------------------------------------

WATCH = """view => {
  window.llmMoved = [];
  for (const kind of ["transitionrun", "animationstart"])
    view.addEventListener(kind, ({ target }) => window.llmMoved.push(`${kind}: ${target.tagName}.${target.className}`));
}"""
MOVED = """view => [...window.llmMoved, ...document.getAnimations().filter(({ effect }) => view.contains(effect.target))
  .map(({ playState, effect }) => `${playState}: ${effect.target.tagName}.${effect.target.className}`)]"""
LOOKS = """view => [view.outerHTML, ...[...view.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()),
  ...[...view.querySelectorAll("*")].map(({ scrollLeft, scrollTop }) => `${scrollLeft} ${scrollTop}`)].join()"""


@pytest.fixture
def calm(opened):
    """The views as shown to somebody who wants no motion and uses no mouse."""
    page = opened[0].page
    page.mouse.move(0, 0)  # where no control can come under the mouse
    page.emulate_media(reduced_motion="reduce")
    yield opened
    page.emulate_media(reduced_motion="no-preference")


@pytest.fixture(scope="module")
def moved():
    """For each view used so far, what moved while it was used, and whether it went on changing afterwards."""
    return {}


def used(bench, view, row):
    """Use a view by keyboard alone; return what moved."""
    view.evaluate(WATCH)
    row.keyboard(bench, view)
    seen = view.evaluate(MOVED)
    before = view.evaluate(LOOKS)
    for _ in range(40):  # Python may still be answering
        wait_until_drawn(view.page, 300)
        if (now := view.evaluate(LOOKS)) == before:
            return seen
        before = now
    return [*seen, "it keeps changing by itself"]


@pytest.mark.timeout(300)
@every_view
def test_each_view_can_be_used_by_keyboard_alone(calm, moved, row):
    bench, find = calm
    view = find(row)
    stops, missed = tab_through(view)
    assert len(stops) <= row.most_stops, stops
    assert missed == []
    moved[row.name] = used(bench, view, row)
    assert view.evaluate(HOLDS_FOCUS)


@pytest.mark.timeout(300)
@every_view
def test_nothing_moves_if_the_user_wants_no_motion(calm, moved, row):
    bench, find = calm
    if row.name not in moved:
        moved[row.name] = used(bench, find(row), row)
    assert moved[row.name] == []


def test_motion_is_detected_if_it_is_allowed(opened):
    bench, find = opened
    view = find(next(row for row in TABLE if row.name == "SamplingView"))
    tab(view, "Next token")
    view.evaluate(WATCH)
    click(view, "Let chance pick", 3)
    bench.page.wait_for_function("() => window.llmMoved.some((what) => what.startsWith('transitionrun'))")


# --- the same view twice ------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_every_view_can_be_shown_twice_in_one_notebook(opened):
    page = opened[0].page
    page.evaluate(RUN_LAST, f"display({', '.join(row.variable for row in TABLE)})")
    try:
        for row in TABLE:
            expect(page.locator(row.selector)).to_have_count(2)
        assert not_unique(page.locator(".jp-OutputArea-output")) == []
    finally:
        page.evaluate(RUN_LAST, "")
    expect(page.locator(TABLE[0].selector)).to_have_count(1)


# When a model is chosen, Python's reply waits until the test lets it through.
IN_TURN = """
import threading
turn, kind = threading.Semaphore(0), type(architecture)
put = kind.put
kind.put = lambda view, *of: (turn.acquire(), put(view, *of))
"""


@pytest.mark.timeout(300)
def test_an_answer_to_an_earlier_choice_does_not_undo_a_later_one(opened):
    """Choose model after model with the arrow keys, while Python is still busy with the first of them."""
    bench, _ = opened
    view = bench.shown(".llm-architecture", alone=True)
    title, press = view.locator("h3"), bench.page.keyboard.press
    choices = view.get_by_role("radiogroup", name="Model", exact=True).get_by_role("radio")
    expect(title).to_have_text("Your model")
    bench.begin(IN_TURN)
    choices.first.focus()
    press("ArrowRight")
    press("ArrowRight")
    bench.python("turn.release()")
    expect(title).to_have_text("GPT-2 small")
    press("ArrowRight")
    bench.python("turn.release(9)")
    expect(title).to_have_text("Llama-3-8B")
    expect(choices.nth(3)).to_be_focused()
    bench.begin("kind.put = put")
    choose_radio(choices.first)
    expect(title).to_have_text("Your model")

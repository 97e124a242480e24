"""All views in one JupyterLab, one of them in sight: as many clicks as a machine can make, odd, empty and long texts,
another theme, the keyboard alone, narrow windows, no motion, the same view twice."""

import pytest
from playwright.sync_api import expect

from browser.axe import faults_of_form, not_unique
from browser.bench import RUN_LAST, VIEWPORT, click
from browser.keys import HOLDS_FOCUS, tab_through
from browser.looks import STICKS_OUT, UNREADABLE, WIDTHS, cut, widen
from browser.sampling_acts import tab
from browser.views import TABLE, VIEWS, cells
from llmlib import widgets
from llmlib.widgets.shared.base import View

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Where the parts of a view are: to be the same after the theme has been changed there and back.
LAYOUT = """view => {
  const box = view.getBoundingClientRect();
  const nodes = [...view.querySelectorAll("canvas, svg, button, input, [role=group]")];
  const boxes = nodes.filter((node) => node.checkVisibility() && !node.closest(".llm-save"))
    .map((node) => node.getBoundingClientRect());
  return boxes.map(({ x, y, width, height }) => [x - box.x, y - box.y, width, height].map(Math.round));
}"""

every_view = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


def every(column):
    """A test for each view; where there is nothing to do, the reason says why."""
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
    """The bench, and a function from a row to its view on the page; nothing may go wrong behind the scenes."""
    yield all_views, lambda row: all_views.shown(row.selector, alone=True)
    assert all_views.problems == []


def test_every_view_has_a_row():
    views = [name for name in widgets.__all__ if isinstance(getattr(widgets, name), type)]
    views = [name for name in views if issubclass(getattr(widgets, name), View)]
    assert sorted(views) == sorted(row.name for row in VIEWS)


@pytest.mark.timeout(300)
@every("clicks")
def test_as_many_clicks_as_a_machine_can_make(opened, row):
    bench, find = opened
    row.clicks(bench, find(row))


@pytest.mark.timeout(300)
@every("odd")
def test_odd_texts(opened, row):
    bench, find = opened
    view = find(row)
    row.odd(bench, view)
    expect(view).not_to_contain_text("\ufffd")
    expect(view.locator("b, x")).to_have_count(0)  # a text is no markup


@pytest.mark.timeout(300)
@every("empty")
def test_empty_texts(opened, row):
    bench, find = opened
    row.empty(bench, find(row))


@pytest.mark.timeout(300)
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


def squeezed(view, before):
    """The look after the view has had no room, as JupyterLab gives it none while it takes in the outputs of a cell."""
    for width in ("0", "5px", ""):
        view.evaluate("(view, width) => { view.style.width = width; }", width)
        view.page.wait_for_timeout(50)
    return settled(view, wanted=before)


@pytest.fixture(scope="module")
def themed(all_views):
    """For each view, its look before the theme is changed, then in one theme after the other; what axe finds; and the
    look after it has been squeezed.

    axe is not asked about colours: the look says what cannot be read, and axe sees them on the page of a view.
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
def test_another_theme_leaves_the_layout(themed, row):
    looks = themed[0][row.name]
    for layout, nothing_sticks_out, unreadable in looks:
        assert layout == looks[0][0]
        assert nothing_sticks_out
        assert unreadable == []


@pytest.mark.timeout(300)
@every_view
def test_nothing_for_axe_to_find_in_jupyterlab(themed, row):
    assert themed[1][row.name] == []


@pytest.mark.timeout(300)
@every_view
@pytest.mark.usefixtures("opened")
def test_a_page_without_room_breaks_nothing(themed, row):
    seen, _, after = themed
    assert after[row.name] == seen[row.name][0]


@pytest.fixture(scope="module")
def narrow(all_views):
    """For each view, at each width of the window, what of it is cut."""
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
def test_nothing_is_cut_in_a_narrow_window(narrow, row):
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
    """For somebody who wants no motion, and has no mouse."""
    page = opened[0].page
    page.mouse.move(0, 0)  # where nothing can come under it
    page.emulate_media(reduced_motion="reduce")
    yield opened
    page.emulate_media(reduced_motion="no-preference")


@pytest.fixture(scope="module")
def moved():
    """For each view that has been used, what moved while it was, and by itself afterwards."""
    return {}


def used(bench, view, row):
    """Use a view by the keyboard alone; what moves then."""
    view.evaluate(WATCH)
    row.keyboard(bench, view)
    seen = view.evaluate(MOVED)
    view.page.wait_for_timeout(200)  # the last answers
    before = view.evaluate(LOOKS)
    view.page.wait_for_timeout(300)
    return seen if view.evaluate(LOOKS) == before else [*seen, "it goes on by itself"]


@pytest.mark.timeout(300)
@every_view
def test_the_keyboard_alone_does_it(calm, moved, row):
    bench, find = calm
    view = find(row)
    stops, missed = tab_through(view)
    assert len(stops) <= row.most_stops, stops
    assert missed == []
    moved[row.name] = used(bench, view, row)
    assert view.evaluate(HOLDS_FOCUS)


@pytest.mark.timeout(300)
@every_view
def test_nothing_moves_for_who_wants_no_motion(calm, moved, row):
    bench, find = calm
    if row.name not in moved:
        moved[row.name] = used(bench, find(row), row)
    assert moved[row.name] == []


def test_motion_is_noticed_where_it_is_welcome(opened):
    bench, find = opened
    view = find(next(row for row in TABLE if row.name == "SamplingView"))
    tab(view, "Next token")
    view.evaluate(WATCH)
    click(view, "Let chance pick", 3)
    bench.page.wait_for_function("() => window.llmMoved.some((what) => what.startsWith('transitionrun'))")


# --- the same view twice ------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_the_same_view_twice_in_a_notebook(opened):
    page = opened[0].page
    page.evaluate(RUN_LAST, f"display({', '.join(row.variable for row in TABLE)})")
    try:
        for row in TABLE:
            expect(page.locator(row.selector)).to_have_count(2)
        assert not_unique(page.locator(".jp-OutputArea-output")) == []
    finally:
        page.evaluate(RUN_LAST, "")
    expect(page.locator(TABLE[0].selector)).to_have_count(1)


# Each answer to a choice of a model waits until it is its turn.
IN_TURN = """
import threading
turn, kind = threading.Semaphore(0), type(architecture)
put = kind.put
kind.put = lambda view, *of: (turn.acquire(), put(view, *of))
"""


@pytest.mark.timeout(300)
def test_an_answer_to_an_earlier_choice_takes_back_no_later_one(opened):
    """From model to model with the arrow keys, while Python is still busy with the first of them."""
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
    choices.first.check(force=True)
    expect(title).to_have_text("Your model")

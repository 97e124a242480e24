"""Every view, plots, questions and a cell that runs the views' model, in one trusted notebook."""

import pytest
from playwright.sync_api import expect

from browser.bench import VIEWPORT, choose_radio
from browser.looks import faint_words, keep_picture, wait_until_drawn
from browser.views import QUESTIONS, TABLE, VIEWS, cells

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLOT = """
import matplotlib.pyplot as plt
from llmlib.style import show_plot, use_style
use_style()
plt.plot([1, 2, 3], [1, 4, 9])
show_plot("A curve that rises from 1 to 9, ever more steeply.")
"""
# Makes a run of a model take a minute. As with a long text, a check (every 0.05 seconds) can end it early.
SLOW = """
import time
from pathlib import Path
forward = Transformer.forward
def slowly(self, ids, **options):
    for _ in range(1200 if slow else 0):
        time.sleep(0.05)
        self.embed(ids)
    return forward(self, ids, **options)
slow, Transformer.forward = False, slowly
"""
# What a reader's cell does with the views' model, until the file `enough` exists.
LOOP = """
from llmlib import trace
from llmlib.interpret import ablate
runs, ended = 0, False
ids = torch.tensor([tokenizer.encode("one two three")])
with torch.no_grad():
    while not Path("enough").exists():
        with trace(model) as t:
            model(ids)
        assert len(t.pattern) == 2 and t.pattern[0].shape[-1] == ids.shape[1], "the pattern is from another text"
        with ablate(model, [(0, 1)]):
            model(ids)
        runs += 1
        time.sleep(0.03)  # on a busy machine, a thread that never rests leaves others no turn
ended = True
"""
MOVES = """view => {
  const where = () => [...view.querySelectorAll("button, input, textarea, canvas, svg, [role=option]")]
    .filter((node) => node.checkVisibility() && !node.matches(".llm-cancel"))
    .map((node) => { const { x, y } = node.getBoundingClientRect(); return `${Math.round(x)} ${Math.round(y)}`; });
  const before = where(), busy = view.querySelector(".llm-busy"), cancel = view.querySelector(".llm-cancel");
  [busy.textContent, cancel.hidden] = ["Computing: layer 12 of 30 …", false];
  const after = where();
  [busy.textContent, cancel.hidden] = ["", true];
  return before.filter((one, k) => one !== after[k]).length;
}"""


@pytest.fixture(scope="module")
def together(bench):
    setup, *views = cells(TABLE)
    bench.open("together.ipynb", (setup, SLOW, PLOT, *views, PLOT, ""))
    bench.theme("Dark")
    bench.run()
    return bench


@pytest.fixture
def quiet(together):
    yield together
    assert together.problems == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_all_words_are_readable_on_a_screenshot(quiet, theme):
    quiet.theme(theme)
    quiet.page.set_viewport_size({"width": 1280, "height": 2200})  # JupyterLab cuts off what is outside its window
    faint = {}
    for row in TABLE:
        view = quiet.shown(row.selector, alone=True)
        wait_until_drawn(view.page, 300)
        faint[row.name] = faint_words(view)
        keep_picture(view, f"together_{row.name}_{theme.lower()}")
    quiet.page.set_viewport_size(VIEWPORT)
    assert {name: words for name, words in faint.items() if words} == {}


def test_nothing_moves_under_the_mouse_when_python_begins_to_compute(quiet):
    live = [row for row in VIEWS if quiet.python(f"{row.variable}.live") == "True"]
    assert len(live) >= 9
    assert {row.name: moved for row in live if (moved := quiet.shown(row.selector).evaluate(MOVES))} == {}


# For each view whose model may run for long: the box that starts a run, and an expression for the text in use.
LONG_WORK = {
    "AttentionView": ("Text", "attention.text"),
    "LogitLensView": ("Text", "lens.text"),
    "NextTokenView": ("Your text", "next_token.prompt"),
    "SamplingView": ("Your prompt", "lab.prompt"),
}


@pytest.fixture
def slow(quiet):
    quiet.python("globals().update(slow=True)")
    yield quiet
    quiet.python("globals().update(slow=False)")


def write(box, text):
    """Type a text; in views that do not use it as it is typed, press Enter."""
    box.fill(text)
    if box.get_attribute("aria-label") != "Text":
        box.press("Enter")


def begin(bench, name, text):
    """Start a long run in a view, and wait until it can be cancelled."""
    row = next(row for row in VIEWS if row.name == name)
    view = bench.shown(row.selector)
    label, _ = LONG_WORK[name]
    box = view.get_by_label(label, exact=True).first
    expect(view.locator(".llm-cancel")).to_be_hidden()  # otherwise it could be that of earlier work
    write(box, text)
    expect(view.locator(".llm-cancel")).to_be_visible()
    return view, box


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", LONG_WORK)
def test_long_work_can_be_cancelled_interrupted_or_replaced(slow, name):
    _, shown = LONG_WORK[name]
    before = slow.python(shown)
    view, box = begin(slow, name, "four four")
    view.get_by_role("button", name="Cancel").click()
    expect(view.locator(".llm-notice")).to_have_text("You cancelled this, so it was not done.", timeout=30_000)
    expect(box).to_have_value("four four")  # what was typed stays
    view, box = begin(slow, name, "three three")
    slow.interrupt()
    expect(view.locator(".llm-notice")).to_have_text(
        "You interrupted the kernel, so this was not done.", timeout=30_000
    )
    assert slow.python(shown) == before
    view, box = begin(slow, name, "two two")
    slow.python("globals().update(slow=False)")  # takes effect in the next run
    write(box, "one")
    slow.expect(shown, "'one'")
    expect(view.locator(".llm-notice")).to_be_empty()
    expect(view.locator(".llm-cancel")).to_be_hidden()


@pytest.fixture
def looping(quiet):
    """The notebook with a cell that runs the views' model as long as the test lasts; the cell must not fail."""
    quiet.python("Path('enough').unlink(missing_ok=True)")
    quiet.begin(LOOP)
    try:
        with quiet.second_connection():
            quiet.expect("runs > 1", "True")
            yield quiet
            assert quiet.python("ended") == "False"
    finally:
        quiet.request("contents/notebooks/enough", "PUT", {"type": "file", "format": "text", "content": ""})
    quiet.expect("(runs > 10, ended)", "(True, True)")


@pytest.mark.timeout(600)
def test_views_and_a_cell_can_use_the_same_model_at_once(looping):
    """Two views read texts, one with heads off, while a cell traces and ablates their model and the theme changes."""
    attention, lens = looping.shown(".llm-attention"), looping.page.locator(".llm-logit-lens")
    choose_radio(attention.get_by_label("switches it off"))
    for head in range(4):
        attention.locator(".llm-thumb").nth(head).click()
    expect(attention.get_by_label("Ablation board")).to_contain_text("4 of 8 heads off")
    for text in ("one two", "two three four", "four one two three"):
        for view in (attention, lens):
            write(view.get_by_label("Text", exact=True).first, text)
    looping.theme("Light" if not looping.is_light else "Dark")
    for view in (attention, lens):
        expect(view.get_by_label("Text", exact=True).first).to_have_value("four one two three")
        expect(view.locator(".llm-notice")).to_be_empty()
        expect(view.locator(".llm-busy")).to_be_empty()
    looping.expect(
        "(attention.text, len(attention.ablated), lens.text)", "('four one two three', 4, 'four one two three')"
    )
    attention.get_by_role("button", name="Switch all on").click()
    expect(attention.get_by_label("Ablation board")).to_contain_text("all heads on")


@pytest.mark.timeout(600)
def test_views_that_need_python_work_while_a_cell_runs_the_model(looping):
    """Views that need Python handle quick clicks as they do with an idle kernel, while the theme changes in between."""
    for number, row in enumerate(row for row in TABLE if not row.works_alone):
        row.clicks(looping, looping.shown(row.selector))
        if number % 5 == 2:
            looping.theme("Dark" if looping.is_light else "Light")


def test_questions_are_shown_beside_the_views(quiet):
    expect(quiet.shown(QUESTIONS.selector)).to_contain_text("What is 0?")

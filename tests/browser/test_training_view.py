"""A training run in a real JupyterLab: the page is reloaded, the kernel is interrupted, and a cell waits or trains."""

import re

import pytest
from playwright.sync_api import expect

from browser.views import SETUP

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MORE = """
data = TokenDataset(tokenizer.encode("one two three four " * 40))
def fresh(steps=100_000, **settings):
    pupil = Transformer(TransformerConfig(tokenizer.vocab_size, 32, 16, n_layers=1, n_heads=2))
    return train(pupil, data, TrainConfig(steps, 2, 16, **settings))
"""
SOURCES = (
    SETUP + MORE,
    "dashboard = explore_training({'steady': fresh(), 'wild': fresh(learning_rate=1e6, clip_norm=None)})\ndashboard",
    "await dashboard.finished()",
    "loop = explore_training()\nfor step in loop.watch(fresh()):\n    pass",
)
RUN = """async (number) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.deselectAll();
  notebook.activeCellIndex = number;
  await window.jupyterapp.commands.execute("notebook:run-cell");
}"""
BEGIN = RUN.replace("await window", "window")  # without waiting for the end
STATE, STEP = "dashboard.runs[0]['state']", "dashboard.runs[0]['step']"


@pytest.fixture(scope="module")
def under_way(bench):
    bench.open("training.ipynb", SOURCES)
    for number in (0, 1):
        bench.page.evaluate(RUN, number)
    return bench


@pytest.fixture
def view(under_way):
    found = under_way.page.locator(".llm-training").first
    found.evaluate("node => node.scrollIntoView()")
    yield found
    assert under_way.problems == []


@pytest.mark.timeout(300)
def test_a_failed_run_says_why_and_the_other_run_continues(under_way, view):
    expect(view.get_by_role("alert").nth(1)).to_contain_text("is too high: try a third of it")
    expect(view.locator(".llm-standing").nth(1)).to_contain_text("failed")
    expect(view.get_by_role("button", name="Pause wild")).to_be_disabled()
    expect(view.locator(".llm-standing").first).to_contain_text("running: step")


@pytest.mark.timeout(300)
def test_an_interrupt_between_two_cells_pauses_the_run(under_way, view):
    under_way.expect("1 + 1", "2")  # the kernel answers only once the cell has ended
    under_way.page.wait_for_timeout(500)  # and then it puts the handler in place
    under_way.interrupt()
    expect(view.locator(".llm-standing").first).to_contain_text("paused: step")
    view.get_by_role("button", name="Resume steady").focus()
    under_way.page.keyboard.press("Enter")
    pause = view.get_by_role("button", name="Pause steady")
    expect(pause).to_be_focused()  # the same button with another label


@pytest.mark.timeout(300)
def test_a_reloaded_page_shows_that_the_run_continues(under_way, view):
    under_way.save()
    before = int(under_way.python(STEP))
    under_way.page.goto("about:blank")  # the page is closed for a while
    under_way.page.wait_for_timeout(500)
    under_way.open("training.ipynb")
    expect(view.locator(".llm-standing").first).to_contain_text("running: step")
    under_way.expect(f"{STEP} > {before + 10}", "True")
    expect(view.locator(".llm-plot svg").first).to_have_accessible_name(re.compile("Loss. steady: from"))


@pytest.mark.timeout(300)
def test_buttons_work_while_a_cell_awaits_the_end_of_a_run(under_way, view):
    under_way.page.evaluate(BEGIN, 2)
    under_way.page.wait_for_timeout(300)
    view.get_by_role("button", name="Pause steady").click()
    expect(view.locator(".llm-standing").first).to_contain_text("paused: step")
    view.get_by_role("button", name="Stop steady").focus()
    under_way.page.keyboard.press("Enter")
    expect(view.locator(".llm-standing").first).to_contain_text("stopped: step")
    assert under_way.page.evaluate("() => document.activeElement !== document.body")
    under_way.expect(STATE, "'stopped'")  # the kernel answers only once the cell has ended


@pytest.mark.timeout(300)
def test_a_training_loop_in_a_cell_is_shown_and_can_be_interrupted(under_way):
    page = under_way.page
    page.evaluate(BEGIN, 3)
    view = page.locator(".llm-training").nth(1)
    expect(view.locator(".llm-standing")).to_contain_text("running in a cell (interrupt the cell to pause): step")
    expect(view.get_by_role("button", name="Pause", exact=True)).to_be_disabled()
    under_way.interrupt()
    expect(view.locator(".llm-standing")).to_contain_text("paused: step")
    view.get_by_role("button", name="Resume", exact=True).click()  # now in the background
    expect(view.locator(".llm-standing")).to_contain_text("running: step")
    view.get_by_role("button", name="Stop", exact=True).click()
    expect(view.locator(".llm-standing")).to_contain_text("stopped: step")
    assert under_way.problems == []

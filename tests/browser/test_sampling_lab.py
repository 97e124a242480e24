"""The sampling lab in JupyterLab: its files, its settings one by one, and its page without Python."""

import json

import numpy as np
import pytest
from playwright.sync_api import expect

from browser.bench import VIEWPORT, click
from browser.exports import check_exports
from browser.looks import STICKS_OUT, UNREADABLE
from browser.sampling_acts import tab
from browser.views import SETUP
from llmlib.widgets import sampling_lab_view
from llmlib.widgets.sampling_lab.branches import Branches

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SETTINGS = "{'temperature': 0.8, 'top_k': 20}"
# By how many pixels a column of the bars lies elsewhere than its head; one list a row: bar, before, after.
ASKEW = """view => {
  const edges = (line, names) => names.map((name) => line.querySelector(name).getBoundingClientRect().right);
  const heads = [".llm-ticks", ":scope > :nth-child(3)", ":scope > :nth-child(4)"];
  const head = edges(view.querySelector(".llm-scale"), heads);
  const rows = [...view.querySelectorAll(".llm-next li")];
  return rows.map((row) => edges(row, [".llm-track", ".llm-value", ".llm-value ~ .llm-value"])
    .map((edge, column) => Math.round(Math.abs(edge - head[column]))));
}"""
OVERLAPPING_TICKS = """view => {
  const ticks = [...view.querySelectorAll(".llm-ticks span")].filter((tick) => tick.checkVisibility());
  const boxes = ticks.map((tick) => tick.getBoundingClientRect());
  return ticks.filter((tick, k) => k && boxes[k].left < boxes[k - 1].right + 2).map((tick) => tick.textContent);
}"""
SOURCES = (SETUP, f"lab = explore_sampling(model, tokenizer, 'one two', settings={SETTINGS})", "lab")


@pytest.fixture(scope="module")
def alive(bench):
    bench.open("sampling.ipynb", SOURCES)
    bench.run()
    yield bench, bench.page.locator(".llm-sampling")
    assert bench.problems == []


@pytest.mark.timeout(300)
def test_files(alive):
    bench, view = alive
    click(view, "Let chance pick", 3)
    click(view, "◀ Back", 2)
    click(view, "Let chance pick", 3)
    bench.expect("len(lab.branches()) > 4", "True")
    check_exports(bench.page, view, "sampling_lab")
    view.locator("summary", has_text="Save").click()
    with bench.page.expect_download() as download:
        view.get_by_role("button", name="Tree (JSON)").click()
    assert download.value.suggested_filename == "branches.json"
    view.locator("summary", has_text="Save").click()
    assert json.loads(download.value.path().read_text()) == json.loads(
        eval(bench.python("__import__('json').dumps(lab.branches())"))
    )


@pytest.mark.timeout(300)
def test_a_setting_is_seen_alone_and_a_token_is_banned(alive):
    bench, view = alive
    tab(view, "Next token")
    click(view, "Let chance pick")
    view.get_by_role("button", name="top_k 20").click()
    expect(view.locator(".llm-next .llm-legend")).to_contain_text("after this setting")
    kept, of = eval(bench.python("lab.stages[-1]['kept'], lab.stages[-2]['kept']"))
    expect(view.locator(".llm-next .llm-facts")).to_contain_text(f"{kept} of {of} tokens left")
    bench.expect("lab.place['stage']", "'top_k'")
    view.get_by_role("button", name="all together").click()
    ban = view.get_by_role("button", name="Ban").first
    expect(ban).to_be_visible()  # more settings are open, since one of them is in use
    ban.click()
    bench.expect("len(lab.banned)", "1")
    expect(view.get_by_role("button", name="Allow", exact=False).first).to_be_visible()
    bench.page.set_viewport_size({"width": 1200, "height": 1000})  # hardly any room is left for the bars
    bench.page.wait_for_function("() => document.querySelector('.llm-sampling .llm-ticks').clientWidth < 100")
    assert view.evaluate(OVERLAPPING_TICKS) == []
    bench.page.set_viewport_size({"width": 1000, "height": 1000})  # none beside the bars
    expect(view.locator(".llm-board:not(.llm-beside)")).to_be_visible()
    parts = (".llm-settings", ".llm-next", ".llm-more")
    tops = [view.locator(part).bounding_box()["y"] for part in parts]
    assert tops == sorted(tops), "however many settings are open, the bars are in sight"
    bench.page.set_viewport_size(VIEWPORT)
    expect(view.locator(".llm-beside .llm-settings .llm-more")).to_be_visible()
    assert {off for row in view.evaluate(ASKEW) for off in row} <= {0, 1}, "each number stands under its head"
    expect(view.locator(".llm-cut", has_text="cut: banned tokens")).to_have_count(1)
    pattern = view.get_by_label("pattern", exact=True)
    for text, said in (("(a", ""), ("zzz", "already breaks the pattern")):
        pattern.fill(text)
        click(view, "Allow only this")
        if said:
            expect(view.locator(".llm-problem")).to_contain_text(said)
            expect(view.locator(".llm-problem")).to_contain_text("your pattern")
        else:
            expect(view.locator(".llm-refused", has_text="(")).to_be_visible()
        expect(pattern).to_have_value(text)
    temperature = view.get_by_label("temperature, exactly")
    temperature.fill("")
    temperature.press("Tab")
    expect(temperature).to_have_value("0.8")
    seed = view.get_by_label("seed", exact=True)
    for box, typed in ((pattern, "[0-9"), (seed, "1.5")):
        box.fill(typed)
        box.press("Enter")
    expect(view.locator(".llm-refused", has_text="got 1.5")).to_be_visible()
    expect(view.locator(".llm-refused", has_text="unterminated")).to_be_visible()
    click(view, "Reset all")
    expect(view.locator(".llm-problem")).to_be_empty()
    expect(pattern).to_have_value("")
    expect(seed).to_have_value("0")
    assert "".join(view.locator(".llm-refused").all_text_contents()) == ""


@pytest.mark.timeout(300)
def test_a_page_without_python(page, tmp_path):
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    logits = 3 * np.random.default_rng(0).normal(size=60)
    words = [*(f" t{k}" for k in range(55)), "<b>", "🙂", "\n", "مرحبا", "漢字" * 9]
    view = sampling_lab_view("a " * 300, {
        "model": logits, "temperature": logits / 2, "top_k": np.where(logits > 2, logits / 2, -np.inf)
    }, words, settings={"temperature": 2.0, "top_k": 9})  # fmt: skip
    tree, at = Branches(), 0
    for k in range(60):
        at = tree.add(at if k % 13 else at // 2, k, -k / 9, 0.5, "chance")
    view.tree, view.at = tree.pack(), at
    view.learn(dict(enumerate(words)))
    page.goto(view.save(tmp_path / "view.html").as_uri())
    node = page.locator(".llm-sampling")
    node.locator(".llm-next li").first.wait_for()
    expect(node.locator(".llm-next .llm-value").nth(1)).to_have_text(f"{100 * view.stages[-1]['p'][0]:.0f}%")
    for name in ("Next token", "200 draws", "Branches", "Side by side"):
        tab(node, name)
        for width in (1280, 1000, 620):
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("dark", "light"):
                page.emulate_media(color_scheme=scheme)
                assert node.evaluate(UNREADABLE) == []
                assert node.evaluate(STICKS_OUT) <= 1
    tab(node, "Branches")
    fold = node.get_by_role("treeitem", name="more").first
    before = node.get_by_role("treeitem").count()
    fold.click()
    assert node.get_by_role("treeitem").count() > before
    assert page.locator("b").count() == 0
    assert problems == []
    assert page.foreign == []

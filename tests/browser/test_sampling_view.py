"""The sampling lab in JupyterLab: its files, its settings one by one, and its page without Python."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from browser.bench import RUN_LAST, VIEWPORT, click
from browser.exports import check_exports
from browser.looks import STICKS_OUT, UNREADABLE
from browser.sampling_acts import tab, use, written
from browser.views import SETUP
from llmlib.widgets import sampling_view
from llmlib.widgets.sampling.branches import Branches

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SETTINGS = "{'temperature': 0.8, 'top_k': 20}"
# By how many pixels each column of the bars is off its heading; one list per row: bar, before, after.
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
SOURCES = (SETUP, f"lab = explore_sampling(model, tokenizer, 'one two', settings={SETTINGS})", "lab", "pass")


@pytest.fixture(scope="module")
def alive(bench):
    bench.open("sampling.ipynb", SOURCES)
    bench.run()
    yield bench, bench.page.locator(".llm-sampling")
    assert bench.problems == []


@pytest.mark.timeout(300)
def test_the_pictures_the_page_and_the_tree_can_be_saved(alive):
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
def test_one_setting_can_be_shown_alone_and_a_token_can_be_banned(alive):
    bench, view = alive
    tab(view, "Next token")
    click(view, "Let chance pick")
    view.get_by_role("button", name="top_k 20").click()
    expect(view.locator(".llm-next .llm-legend")).to_contain_text("after this setting")
    kept, total = eval(bench.python("lab.stages[-1]['kept'], lab.stages[-2]['kept']"))
    expect(view.locator(".llm-next .llm-facts")).to_contain_text(f"{kept} of {total} tokens left")
    bench.expect("lab.place['stage']", "'top_k'")
    view.get_by_role("button", name="all together").click()
    ban = view.get_by_role("button", name="Ban").first
    expect(ban).to_be_visible()  # more settings are open, since one of them is in use
    ban.click()
    bench.expect("len(lab.banned)", "1")
    bench.theme("Dark")
    assert view.evaluate(UNREADABLE) == [], "words beside a grey bar are readable too"
    bench.theme("Light")
    expect(view.locator(".llm-bans").get_by_role("button", name="Allow")).to_have_count(1)
    expect(view.get_by_role("button", name="Allow", exact=False).first).to_be_visible()
    bench.page.set_viewport_size({"width": 1200, "height": 1000})  # hardly any room is left for the bars
    bench.page.wait_for_function("() => document.querySelector('.llm-sampling .llm-ticks').clientWidth < 100")
    assert view.evaluate(OVERLAPPING_TICKS) == []
    bench.page.set_viewport_size({"width": 1000, "height": 1000})  # no room beside the bars
    expect(view.locator(".llm-board:not(.llm-beside)")).to_be_visible()
    parts = (".llm-settings", ".llm-next", ".llm-more")
    tops = [view.locator(part).bounding_box()["y"] for part in parts]
    assert tops == sorted(tops), "the bars come before the further settings"
    bench.page.set_viewport_size(VIEWPORT)
    expect(view.locator(".llm-beside .llm-settings .llm-more")).to_be_visible()
    assert {off for row in view.evaluate(ASKEW) for off in row} <= {0, 1}, "each number is under its heading"
    expect(view.locator(".llm-cut", has_text="cut: banned")).to_have_count(1)
    pattern = view.get_by_label("pattern", exact=True)
    for text, said in (("(a", "Still in use: no pattern."), ("zzz", "already breaks the pattern")):
        pattern.fill(text)
        click(view, "Use this pattern")
        if text == "zzz":
            expect(view.locator(".llm-problem")).to_contain_text(said)
            expect(view.locator(".llm-problem")).to_contain_text("your pattern")
        else:
            expect(view.locator(".llm-refused", has_text="“(a”")).to_contain_text(said)
        expect(pattern).to_have_value(text)
    temperature = view.get_by_label("temperature, as a number")
    for key in ("Tab", "Enter"):
        temperature.fill("")
        temperature.press(key)
        expect(temperature).to_have_value("0.8")
    temperature.fill("")
    temperature.press_sequentially("0,75")
    bench.expect("lab.settings['temperature']", "0.75")
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
def test_the_page_without_python_is_readable_and_branches_unfold(page, tmp_path):
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    logits = 3 * np.random.default_rng(0).normal(size=60)
    words = [*(f" t{k}" for k in range(55)), "<b>", "🙂", "\n", "مرحبا", "漢字" * 9]
    view = sampling_view(
        "a " * 300,
        {"model": logits, "temperature": logits / 2, "top_k": np.where(logits > 2, logits / 2, -np.inf)},
        words,
        settings={"temperature": 2.0, "top_k": 9},
    )
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
    expect(node).not_to_contain_text("lick a token")  # a click does nothing here
    tab(node, "Branches")
    expect(node).not_to_contain_text("lick a token")
    faded = "nodes => nodes.filter((node) => getComputedStyle(node).opacity !== '1').length"
    assert node.locator("[role=treeitem], .llm-line").evaluate_all(faded) == 0, "no text is faded"
    fold = node.get_by_role("treeitem", name="more").first
    before = node.get_by_role("treeitem").count()
    fold.click()
    assert node.get_by_role("treeitem").count() > before
    assert page.locator("b").count() == 0
    assert problems == []
    assert page.foreign == []


def press(bench, node):
    """Click as a person does, holding the button while tokens are written; return the text that the mouse pressed."""
    node.scroll_into_view_if_needed()
    box, mouse = node.bounding_box(), bench.page.mouse
    mouse.move(box["x"] + min(8, box["width"] / 2), box["y"] + box["height"] / 2)
    mouse.down()
    text = node.text_content()
    bench.page.wait_for_timeout(90)
    mouse.up()
    return text


def write(view, button, tokens, at_least=6):
    """Let the view keep writing, and wait for some tokens."""
    click(view, button)
    expect(tokens.nth(at_least)).to_be_attached()
    expect(view.get_by_role("button", name="Pause")).to_be_visible()


@pytest.mark.timeout(300)
def test_no_click_is_lost_while_texts_are_written(alive):
    bench, view = alive
    tab(view, "Next token")
    use(view, "three")
    expect(written(view)).to_have_count(0)
    for _ in range(3):
        write(view, "Keep writing", written(view))
        press(bench, written(view).nth(1))
        expect(view.get_by_role("button", name="Keep writing")).to_be_visible()
        bench.expect("len(lab.written())", "2")
        expect(written(view)).to_have_count(2)
    write(view, "Keep writing", written(view))
    slow = "nodes => nodes.filter((node) => getComputedStyle(node).transitionDuration !== '0s').length"
    assert view.locator(".llm-bar").evaluate_all(slow) == 0, "the length of a bar always matches its number"
    word = press(bench, view.locator(".llm-next li > .llm-line code").first)
    expect(view.get_by_role("button", name="Keep writing")).to_be_visible()
    bench.expect("lab.branches()[lab.at]['way']", "'reader'")
    expect(written(view).last).to_have_text(word)  # not the token that has moved there meanwhile
    tab(view, "Side by side")
    cards = view.locator(".llm-card")
    tokens = cards.first.locator(".llm-token")
    write(view, "Write all", tokens)
    press(bench, cards.nth(1).locator(".llm-token").nth(1))
    expect(view.get_by_role("button", name="Write all")).to_be_visible()
    bench.expect("[node['way'] for node in lab.branches()][-2:]", "['side by side', 'side by side']")
    for label, done, so in (
        ("Use", "lab.settings['top_p'], lab.settings['temperature']", "(0.9, 1.0)"),
        ("Keep as a branch", "lab.branches()[lab.at]['way']", "'side by side'"),
        ("Remove", "len(lab.lanes)", "3"),
    ):
        click(view, "Start over")
        expect(tokens).to_have_count(0)
        write(view, "Write all", tokens)
        press(bench, cards.nth(2).get_by_role("button", name=label))
        expect(view.get_by_role("button", name="Write all")).to_be_visible()
        bench.expect(done, so)


@pytest.mark.timeout(300)
def test_interrupting_the_kernel_pauses_the_writing(alive):
    bench, view = alive
    tab(view, "Next token")
    use(view, "one")
    expect(written(view)).to_have_count(0)
    for _ in range(4):  # the interrupt may come between two actions, or in the middle of one
        write(view, "Keep writing", written(view))
        bench.interrupt()
        expect(view.get_by_role("button", name="Keep writing")).to_be_visible()
        expect(view.locator(".llm-notice")).to_contain_text("You interrupted the kernel")
        click(view, "Go to prompt")
        expect(written(view)).to_have_count(0)
    bench.interrupt()
    bench.expect("1 + 1", "2")


@pytest.mark.timeout(300)
def test_two_views_of_a_lab_both_show_and_pause_the_writing(alive):
    bench, view = alive
    tab(view, "Next token")
    use(view, "two")
    bench.page.evaluate(RUN_LAST, "display(lab)")
    try:
        first, second = view.nth(0), view.nth(1)
        expect(second.locator(".llm-next li").first).to_be_visible()
        for one, other in ((first, second), (second, first)):
            write(one, "Keep writing", written(one))
            expect(other.get_by_role("button", name="Pause")).to_be_visible()
            click(other, "❚❚ Pause")
            for each in (first, second):
                expect(each.get_by_role("button", name="Keep writing")).to_be_visible()
            bench.expect("lab.writing", "{}")
            paused_at = bench.python("lab.at")
            bench.page.wait_for_timeout(300)
            assert bench.python("lab.at") == paused_at
            click(one, "Go to prompt")
            expect(written(one)).to_have_count(0)
    finally:
        bench.page.evaluate(RUN_LAST, "pass")
    expect(view).to_have_count(1)


@pytest.mark.timeout(300)
def test_written_tokens_can_be_reached_with_the_keyboard(alive):
    bench, view = alive
    tab(view, "Next token")
    use(view, "four")
    expect(view.get_by_role("button", name="◀ Back")).to_be_disabled()
    click(view, "Let chance pick", 5)
    expect(written(view)).to_have_count(5)
    expect(view.get_by_role("button", name="◀ Back")).to_be_enabled()
    view.locator(".llm-text").first.locator("[tabindex='0']").focus()
    expect(written(view).last).to_be_focused()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        bench.page.keyboard.press(key)
    expect(written(view).nth(2)).to_be_focused()
    assert re.search(r", [<\d.]+%, surprise \d+\.\d nats$", written(view).nth(2).get_attribute("aria-label"))
    bench.page.keyboard.press("Enter")
    bench.expect("len(lab.written())", "3")
    expect(written(view)).to_have_count(3)
    expect(written(view).nth(2)).to_be_focused()
    tab(view, "Side by side")
    click(view, "Start over")
    click(view, "One token each")
    expect(view.locator(".llm-card > .llm-note").first).to_contain_text("1 token · mean surprise")
    click(view, "One token each", 2)
    card = view.locator(".llm-card").first.locator(".llm-token")
    expect(card).to_have_count(3)
    card.last.focus()
    bench.page.keyboard.press("ArrowLeft")
    bench.page.keyboard.press("Enter")
    bench.expect("len(lab.written())", "5")
    expect(card.nth(1)).to_be_focused()
    tab(view, "Next token")


@pytest.mark.timeout(300)
def test_a_blank_prompt_is_shown_and_a_pattern_that_allows_no_text_is_reported(alive):
    _, view = alive
    use(view, "  ")
    expect(view.locator(".llm-prompt").first).to_have_text("··")
    view.get_by_label("pattern", exact=True).fill("()")
    click(view, "Use this pattern")
    expect(view.get_by_text("The pattern allows no text at all: only the end token may follow.")).to_be_visible()
    expect(view.locator(".llm-problem")).to_be_empty()
    click(view, "Reset all")

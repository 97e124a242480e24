"""Functions for the table in views.py: they use the sampling lab, and check the results."""

import re

from playwright.sync_api import expect

from browser.acts import LONG, ODD
from browser.bench import CLICK_EACH, click

TURN = """(view, name) => {
  const slider = view.querySelector(`input[type=range][aria-label=${name}]`);
  for (let k = 2; k <= 20; k++) { slider.value = k / 20; slider.dispatchEvent(new Event("input", { bubbles: true })); }
}"""


def tab(view, words):
    view.locator(".llm-tabs").get_by_text(words).click()


def use(view, text):
    view.get_by_label("Your prompt").fill(text)
    click(view, "Use this prompt")


def written(view):
    return view.locator(".llm-text").first.locator(".llm-token")


def sampling_clicks(bench, view):
    tab(view, "Next token")
    use(view, "one")
    click(view, "Let chance pick", 25)
    expect(written(view)).to_have_count(25)
    click(view, "◀ Back", 25)
    expect(written(view)).to_have_count(0)
    expect(view.locator(".llm-prompt").first).to_have_text("one")
    view.evaluate(CLICK_EACH, ["Let chance pick"] * 3 + ["◀ Back"] * 2)  # no click waits for the page to draw
    expect(written(view)).to_have_count(1)
    click(view, "◀ Back")
    expect(written(view)).to_have_count(0)
    first = view.locator(".llm-next li code").first.text_content()
    view.evaluate("node => { for (let k = 0; k < 8; k++) node.querySelector('.llm-next li button').click(); }")
    expect(written(view)).to_have_text([first] * 8)
    for name in ("temperature", "top_p"):
        view.evaluate(TURN, name)
    bench.expect("lab.settings['temperature'], lab.settings['top_p']", "(1, 1)")
    expect(view.get_by_label("top_p, as a number")).to_have_value("1")
    click(view, "Keep writing")
    bench.expect("len(lab.written()) > 12", "True")
    view.get_by_role("button", name="Pause").click()
    expect(view.get_by_role("button", name="Keep writing")).to_be_visible()
    bench.expect("lab.writing, lab._worker.working", "({}, False)")  # a token may still have been on its way
    paused = bench.python("len(lab.written())")
    expect(written(view)).to_have_count(int(paused))
    assert bench.python("len(lab.written()), lab.at == len(lab.branches()) - 1") == f"({paused}, True)"
    tab(view, "200 draws")
    click(view, "Draw 200 times", 3)
    bench.expect("lab.draws['n']", "600")
    tab(view, "Branches")
    nodes = view.get_by_role("treeitem")
    view.evaluate("node => { for (const one of node.querySelectorAll('[role=treeitem]')) one.click(); }")
    expect(nodes.last).to_be_visible()
    tab(view, "Side by side")
    click(view, "One token each", 5)
    bench.expect("[len(lane['ids']) for lane in lab.lanes]", "[5, 5, 5, 5]")
    expect(view.locator(".llm-card .llm-token")).to_have_count(20)
    tab(view, "Next token")


def sampling_odd(bench, view):
    tab(view, "Next token")
    use(view, ODD)
    expect(view.locator(".llm-prompt").first).to_have_text(ODD)
    click(view, "Let chance pick", 2)
    expect(written(view)).to_have_count(2)
    expect(view.get_by_label("Your prompt")).to_have_value(ODD)
    bench.expect("lab.prompt_tokens", bench.python("len(tokenizer.encode(lab.prompt))"))
    take = "lab._acts.take([{'number': 1, 'kind': 'take', 'details': {'id': tokenizer.encode('🙂')[0]}}])"
    assert bench.python(f"({take}, lab._acts.compute())") == "(None, True)"
    expect(written(view).last).to_have_text("⟨F0⟩")
    view.get_by_label("Your prompt").fill("not used")
    expect(view.locator(".llm-unused")).to_contain_text("Not used yet")
    click(view, "◀ Back")
    expect(view.get_by_label("Your prompt")).to_have_value("not used")
    use(view, "مرحبا بالعالم")
    expect(view.locator(".llm-text").first).to_have_attribute("dir", "rtl")
    box = view.get_by_label("top_p, as a number")
    for typed, said in (("1.5", "at most 1, got 1.5. Still in use: 1."), ("0", "greater than 0 and at most 1, got 0.")):
        box.fill(typed)
        expect(view.locator(".llm-refused", has_text=said)).to_be_visible()
        expect(box).to_have_value(typed)
        expect(box).to_have_attribute("aria-invalid", "true")
    box.fill("0.5")
    expect(box).to_have_attribute("aria-invalid", "false")
    bench.expect("lab.settings['top_p']", "0.5")
    view.get_by_label("temperature, as a number").fill("-1")
    expect(view.locator(".llm-refused", has_text="temperature must be 0 or more, got -1.")).to_be_visible()
    click(view, "Reset all")
    expect(view.get_by_label("temperature, as a number")).to_have_value("1")


def sampling_empty(bench, view):
    use(view, "one")
    expect(view.locator(".llm-prompt").first).to_have_text("one")
    use(view, "")
    expect(view.locator(".llm-notice")).to_contain_text("Type at least one word")
    expect(view.locator(".llm-prompt").first).to_have_text("one")


def sampling_long(bench, view):
    tab(view, "Next token")
    use(view, LONG)
    bench.expect("lab.prompt_tokens > 900", "True")
    click(view, "Let chance pick", 10)
    expect(written(view)).to_have_count(10)
    expect(written(view).last).to_be_visible()
    assert view.bounding_box()["height"] < bench.page.viewport_size["height"], "everything fits in the window"
    view.get_by_label("Your prompt").fill(LONG * 5)
    click(view, "Use this prompt")
    expect(view.locator(".llm-notice")).to_contain_text("but the model's context holds only 2,048")
    expect(view.get_by_label("Your prompt")).to_have_value(re.compile("^" + LONG[:40]))
    use(view, "one two three")
    expect(view.locator(".llm-prompt").first).to_have_text("one two three")


def sampling_branches(bench, view):
    tab(view, "Branches")
    expect(view.locator(".llm-branches")).to_be_visible()


SAMPLING = (sampling_clicks, sampling_odd, sampling_empty, sampling_long)

"""Lesson 04 in a real JupyterLab: the explorer on SmolLM2 and on the model that the lesson trains, in both themes."""

import re

import pytest
from playwright.sync_api import expect

from browser.bench import choose_radio

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.network
@pytest.mark.timeout(900)
def test_heads_can_be_looked_at_and_switched_off(bench):
    page = bench.lesson("04_attention_visualised.ipynb")
    expect(page.locator(".llm-attention")).to_have_count(5)
    look_at_a_real_head(bench, page)
    switch_off_the_handful(bench, page)
    break_the_small_circuit(bench, page)
    compare_before_and_after(bench, page)


def explorer(page, number):
    view = page.locator(".llm-attention").nth(number)
    view.evaluate("node => node.scrollIntoView()")
    return view


def look_at_a_real_head(bench, page):
    view = explorer(page, 0)
    expect(view.locator(".llm-thumb")).to_have_count(270)
    view.get_by_label("Layer 24, head 4", exact=True).hover()
    expect(view.get_by_label("The head under the pointer")).to_contain_text("Layer 24, head 4")
    bench.look("lesson_04_grid", view)
    view.get_by_label("Layer 24, head 4", exact=True).click()
    view.locator(".llm-strip [role=option]").last.click()  # the token before the answer
    expect(view.locator(".llm-detail")).to_contain_text("·to looks at")
    expect(view.locator(".llm-detail")).to_contain_text("·Mary")
    bench.look("lesson_04_head", view)
    view.get_by_role("button", name="All heads").click()


def switch_off_the_handful(bench, page):
    view = explorer(page, 0)
    board = view.get_by_label("Ablation board")
    expect(board.locator(".llm-predictions tbody tr").first).to_contain_text("·Mary")
    choose_radio(view.get_by_label("switches it off"))
    for layer, head in ((23, 3), (29, 1), (20, 0), (19, 2)):
        view.get_by_label(f"Layer {layer}, head {head}", exact=True).click()
        expect(view.get_by_label(f"Layer {layer}, head {head}, switched off")).to_be_visible()
    expect(board).to_contain_text("4 of 270 heads off")
    expect(board.locator(".llm-predictions")).to_have_attribute("aria-busy", "false")
    expect(board.locator(".llm-logprob")).to_contain_text("→")
    board.locator(".llm-predictions").scroll_into_view_if_needed()
    bench.look("lesson_04_board", view)
    mary = board.locator(".llm-predictions tbody tr").first.text_content()
    before, after = (float(number) for number in re.findall(r"([\d.]+)%", mary)[:2])
    assert before > 2 * after


def break_the_small_circuit(bench, page):
    view = explorer(page, 1)
    expect(view.locator(".llm-thumb")).to_have_count(8)
    board = view.get_by_label("Ablation board")
    expect(board.locator(".llm-predictions tbody tr").first).to_contain_text("u")
    for head in range(4):
        view.get_by_label(f"Layer 1, head {head}", exact=True).press(" ")
        expect(view.get_by_label(f"Layer 1, head {head}, switched off")).to_be_visible()
    expect(board).to_contain_text("4 of 8 heads off")
    bench.look("lesson_04_small", view)
    view.get_by_label("Text", exact=True).fill("qwertyuiopqwe")
    expect(view).to_have_attribute("data-tokens", "13")
    view.get_by_label("Text", exact=True).fill("not in the alphabet: é")
    expect(view.locator(".llm-notice")).to_contain_text("is not in the alphabet")


def compare_before_and_after(bench, page):
    view = explorer(page, 2)
    view.get_by_text("helpers off − all heads on").click()
    expect(view.get_by_label("Where you are")).to_contain_text(f"Layer 1, head {bench.python('most')}")
    heat = view.locator(".llm-heat canvas").first
    heat.focus()
    page.keyboard.press("ArrowUp")
    expect(view.locator(".llm-reading")).to_have_text(re.compile(r"all heads on [\d.<]+%, helpers off [\d.<]+%"))
    view.get_by_text("side by side").click()
    expect(view.locator(".llm-heat")).to_have_count(3)
    bench.look("lesson_04_before_and_after", view)

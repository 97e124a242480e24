"""Lesson 03 in a real JupyterLab: the attention stepper, by mouse and by keyboard, in both themes."""

import re

import pytest
from playwright.sync_api import expect

from browser.exports import check_exports

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.timeout(600)
def test_step_and_drag(bench):
    page = bench.lesson("03_attention.ipynb")
    step_through(bench, page)
    drag(bench, page)
    look_at_a_wide_head(bench, page)


def step_through(bench, page):
    view = page.locator(".llm-attention-stepper").first
    view.evaluate("node => node.scrollIntoView()")
    told, holder = view.locator(".llm-told"), view.locator(".llm-holder")
    expect(told).to_contain_text("Exponentials")
    bench.look("attention_softmax", view)
    holder.focus()
    page.keyboard.press("Home")
    expect(view.get_by_role("columnheader")).to_have_text(["key of", "k", "q·k"])
    page.keyboard.press("ArrowRight")
    expect(told).to_contain_text("√2 = 1.41")
    view.get_by_label("Divide by √d_head").uncheck()
    expect(told).to_contain_text("Switched off")
    view.get_by_label("Divide by √d_head").check()
    view.get_by_role("button", name="3 mask").click()
    expect(view.get_by_role("cell", name="−∞")).to_have_count(1)
    view.get_by_label("Causal mask").uncheck()
    expect(view.get_by_role("cell", name="−∞")).to_have_count(0)
    view.get_by_label("Causal mask").check()
    page.get_by_label("Query").first.select_option("0")
    expect(view.get_by_role("cell", name="−∞")).to_have_count(4)
    page.get_by_label("Query").first.select_option("3")
    view.get_by_label("One stage forward").click()
    view.get_by_label("One stage forward").click()
    expect(view.locator(".llm-output")).to_contain_text("Output: the sum")
    bench.look("attention_values", view)


def drag(bench, page):
    view = page.locator(".llm-attention-stepper").first
    tip = view.get_by_role("slider", name="query of space, it")
    tip.focus()
    expect(tip).to_have_attribute("aria-valuetext", "(2.00, 0.50)")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowLeft")
    expect(tip).to_have_attribute("aria-valuetext", "(1.50, 0.60)")
    expect(tip).to_be_focused()
    box = view.locator(".llm-plane").bounding_box()
    tip.hover()
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    page.mouse.up()
    expect(tip).to_have_attribute("aria-valuetext", re.compile(r"^\(−1\.\d\d, "))
    bench.look("attention_dragged", view)
    view.get_by_role("button", name="Undo all moves").click()
    expect(tip).to_have_attribute("aria-valuetext", "(2.00, 0.50)")


def look_at_a_wide_head(bench, page):
    view = page.locator(".llm-attention-stepper").nth(1)
    view.evaluate("node => node.scrollIntoView()")
    expect(view.locator(".llm-told")).to_contain_text("Most goes to “9”")
    expect(view.locator(".llm-plane-box")).to_be_hidden()
    view.get_by_role("button", name="5 values").click()
    expect(view.locator(".llm-output")).to_contain_text("Output: the sum")
    bench.look("attention_trained", view)
    check_exports(page, view, "attention-steps")

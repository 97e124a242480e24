"""Lesson 03 in a real JupyterLab: the attention steps and the dials, by mouse and by keyboard, in both themes."""

import re

import pytest
from playwright.sync_api import expect

from browser.exports import check_exports
from llmlib.explore.rotary import explore_rotary

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.network
@pytest.mark.timeout(600)
def test_attention_steps_and_dials_work_with_mouse_and_keyboard(bench):
    page = bench.lesson("03_attention.ipynb")
    step_through(bench, page)
    drag(bench, page)
    view = page.locator(".llm-rotary").last  # the one with eight dials; the earlier one has two
    view.evaluate("node => node.scrollIntoView()")
    turn(page, view)
    bench.look("attention_rotary", view)
    check_exports(page, view, "rotary")
    look_at_a_wide_head(bench, page)


def step_through(bench, page):
    view = page.locator(".llm-attention-steps").first
    view.evaluate("node => node.scrollIntoView()")
    explanation, holder = view.locator(".llm-explanation"), view.locator(".llm-holder")
    expect(explanation).to_contain_text("The exponential of each score")
    bench.look("attention_softmax", view)
    holder.focus()
    page.keyboard.press("Home")
    expect(view.get_by_role("columnheader")).to_have_text(["key of", "k", "q·k"])
    page.keyboard.press("ArrowRight")
    expect(explanation).to_contain_text("√2 = 1.41")
    view.get_by_label("Divide by √d_head").uncheck()
    expect(explanation).to_contain_text("is switched off")
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
    view = page.locator(".llm-attention-steps").first
    view.get_by_role("button", name="1 q·k").click()  # the last stage draws only values
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
    view = page.locator(".llm-attention-steps").nth(1)
    view.evaluate("node => node.scrollIntoView()")
    expect(view.locator(".llm-explanation")).to_contain_text("The largest goes to “9”")
    expect(view.locator(".llm-plane-box")).to_be_hidden()
    view.get_by_role("button", name="5 values").click()
    expect(view.locator(".llm-output")).to_contain_text("Output: the sum")
    bench.look("attention_trained", view)
    check_exports(page, view, "attention-steps")


def test_a_saved_page_of_dials_works_without_python(page, tmp_path):
    page.goto(explore_rotary().save(tmp_path / "rotary.html").as_uri())
    turn(page, page.locator(".llm-rotary"))
    assert page.foreign == []


def turn(page, view):
    total, query, key = (
        view.locator(".llm-sum"),
        view.get_by_label("Position of the query"),
        view.get_by_label("Position of the key"),
    )
    expect(view.get_by_role("listitem")).to_have_count(8)
    expect(total).to_contain_text("Distance 6: dot product 6.445")
    dial = view.locator(".llm-hand-key").first
    before = dial.get_attribute("x2")
    view.get_by_label("Move both together").focus()
    page.keyboard.press("ArrowRight")
    expect(total).to_contain_text("Distance 6: dot product 6.445")  # query and key turned alike, so the sum is the same
    expect(dial).not_to_have_attribute("x2", before)
    expect(key).to_have_value("15")
    query.focus()
    page.keyboard.press("Home")  # the key moves with the query
    expect(key).to_have_value("0")
    expect(total).to_contain_text("Distance 0: dot product 8.000")
    curve = view.get_by_role("img", name=re.compile("Dot product for distances"))
    box = curve.bounding_box()
    curve.click(position={"x": box["width"] * (50 + 690 * 100 / 200) / 760, "y": box["height"] / 2})
    expect(total).to_contain_text("Distance 100:")

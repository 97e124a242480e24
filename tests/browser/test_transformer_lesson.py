"""Lesson 05 in a real JupyterLab: SmolLM2 in the architecture view and in the logit lens, in both themes."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.timeout(600)
def test_a_box_can_be_opened_and_the_logit_lens_read(bench):
    page = bench.lesson("05_transformer.ipynb")
    open_a_box(bench, page)
    read_the_logit_lens(bench, page)


def open_a_box(bench, page):
    view = page.locator(".llm-architecture")
    view.evaluate("node => node.scrollIntoView()")
    expect(view.locator("h3")).to_contain_text("SmolLM2")
    view.get_by_role("button", name="Queries").click()
    expect(view.locator(".llm-values")).to_be_visible()
    expect(view.locator(".llm-caption")).to_contain_text("The token’s vector has a norm of")
    bench.look("lesson_05_boxes", view)
    view.get_by_text("Follow one token").click()
    expect(view.locator(".llm-follow svg").first).to_be_visible()
    bench.look("lesson_05_follow", view)


def read_the_logit_lens(bench, page):
    view = page.locator(".llm-logit-lens")
    view.evaluate("node => node.scrollIntoView()")
    view.get_by_role("application").first.focus()
    page.keyboard.press("ArrowUp")  # the keys start at the last word
    page.keyboard.press("Enter")
    expect(view.locator(".llm-who")).to_contain_text("head 23.4")
    bench.look("lesson_05_lens", view)

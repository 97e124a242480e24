"""Lesson 01 in a real JupyterLab: both widgets, by mouse and by keyboard, in both themes."""

import re

import pytest
from playwright.sync_api import expect

from browser.exports import check_exports

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.network]


@pytest.mark.timeout(900)
def test_bpe_can_be_stepped_through_and_tokenizers_compared(bench):
    page = bench.lesson("01_tokenization.ipynb")
    step_through_training(bench, page)
    step_through_encoding(bench, page)
    compare_tokenizers(bench, page)


def step_through_training(bench, page):
    view = page.locator(".llm-bpe-steps").first
    view.evaluate("node => node.scrollIntoView()")
    happened, slider = view.locator(".llm-happened"), view.get_by_label("Step", exact=True)
    expect(happened).to_contain_text("Step 3:")
    bench.look("tokenization_bpe", view)
    view.locator(".llm-stage").focus()
    page.keyboard.press("Home")
    expect(happened).to_contain_text("Start: 48 bytes")
    page.keyboard.press("ArrowRight")  # a step cannot be taken before it is predicted
    expect(view.locator(".llm-choices button").first).to_be_focused()
    view.get_by_role("button", name="a + t").click()
    expect(view.locator(".llm-judged")).to_contain_text("Right: “a” + “t” occurs 6 times here")
    expect(view.locator(".llm-score")).to_have_text("1 of 1 right")
    view.get_by_label("Predict first").uncheck()
    view.locator(".llm-stage").focus()
    page.keyboard.press("ArrowRight")
    expect(happened).to_have_text(re.compile("Step 1: “a” \\+ “t” → “at”, id 256, 6 times. 48 tokens become 42."))
    expect(view.locator(".llm-new")).to_have_count(7)  # six in the text, one in the vocabulary
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value("0")
    page.keyboard.press("Space")
    expect(view.get_by_role("button", name="Pause")).to_be_visible()
    expect(slider).not_to_have_value("0")  # the step depends on how busy the machine is
    page.keyboard.press("Space")
    expect(view.get_by_role("button", name="Play")).to_be_visible()
    page.keyboard.press("End")
    expect(happened).to_contain_text("This was the last merge.")

    view.get_by_label("Text to learn from").fill("<i>é</i> 🙂🙂🙂")
    view.get_by_role("button", name="Learn from this text").click()
    expect(happened).to_contain_text("Start: 22 bytes")
    expect(view.locator("i")).to_have_count(0)  # text is not treated as HTML
    view.get_by_label("Show bytes").check()
    expect(view.locator(".llm-character", has_text="🙂")).to_have_count(3)
    for _ in range(3):
        view.get_by_label("One step forward").click()
    expect(happened).to_contain_text("Step 3: “⟨F0⟩” + “⟨9F 99 82⟩” → “🙂”")
    bench.look("tokenization_bytes", view)


def step_through_encoding(bench, page):
    view = page.locator(".llm-bpe-steps").nth(1)
    view.evaluate("node => node.scrollIntoView()")
    expect(view.get_by_role("tab", name="Encode a text")).to_have_attribute("aria-selected", "true")
    view.get_by_label("Text to encode").fill("the hat is")
    page.keyboard.press("Enter")
    expect(view.locator(".llm-happened")).to_contain_text("Start: the text as 10 bytes")
    view.get_by_label("Go to the end").click()
    expect(view.locator(".llm-happened")).to_contain_text("The text has no learned pairs left. Ids: ")
    expect(view.locator(".llm-stage .llm-token")).to_have_text(["the·", "h", "at·i", "s"])
    bench.look("tokenization_encoding", view)
    view.get_by_role("tab", name="Encode a text").focus()
    page.keyboard.press("ArrowLeft")
    expect(view.get_by_role("tab", name="Learn merges")).to_be_focused()
    expect(view.locator(".llm-happened")).to_contain_text("Start: 48 bytes")
    check_exports(page, view, "byte-pair-encoding")


def compare_tokenizers(bench, page):
    view = page.locator(".llm-tokens").first
    view.evaluate("node => node.scrollIntoView()")
    view.get_by_label("Show ids").check()
    bench.look("tokenization_viewer", view)
    gpt2 = view.get_by_role("listbox", name="Tokens of gpt2")
    box = view.get_by_label("Your text")
    box.fill("<b>strawberry</b> 👩‍🚀\nשלום <|endoftext|>")
    expect(gpt2.get_by_role("option").nth(4)).to_have_accessible_name(re.compile("raw.*id 1831"))
    expect(view.locator("b")).to_have_count(0)
    expect(gpt2.locator(".llm-line").nth(1)).to_have_attribute("dir", "rtl")
    gpt2.get_by_role("option").first.focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    detail = view.locator(".llm-detail").first
    expect(detail).to_have_text(re.compile("Token 10 · id .* of 4 of “👩”"))
    page.keyboard.press("End")
    expect(detail).to_contain_text("3E")
    bench.look("tokenization_own_text", view)
    view.get_by_label("Recognise special tokens").check()
    expect(gpt2.locator(".llm-special")).to_have_text(re.compile("<|endoftext|>"))
    box.press_sequentially("x" * 30)  # faster than the answers arrive: the last text counts
    count = bench.python(f"len(gpt2.encode({box.input_value()!r}, allowed_special='all'))")
    expect(view.locator(".llm-numbers").first).to_contain_text(f"{count} tokens")
    expect(gpt2.get_by_role("option").last).to_have_accessible_name(re.compile("x"))
    check_exports(page, view, "tokens")

"""The first lesson, in a real JupyterLab, as a newcomer would use it."""

import re

import pytest
from playwright.sync_api import expect

from browser.exports import check_exports

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.network]


@pytest.mark.timeout(900)
def test_a_newcomer_can_pick_tokens_and_chat(bench):
    page = bench.lesson("00_welcome.ipynb")
    view = page.locator(".llm-next-token")
    view.scroll_into_view_if_needed()
    view.get_by_label("Your text").fill("The capital of France is")
    view.get_by_role("button", name="Use this text").click()
    first = view.locator(".llm-candidate").first
    expect(first).to_have_accessible_name(re.compile("Paris, [3-9].%"))
    bench.look("welcome_next_token", view)
    first.focus()
    page.keyboard.press("Enter")  # a candidate can be picked by keyboard, too
    expect(view.locator(".llm-picked")).to_have_text("·Paris")
    view.get_by_label("Temperature").fill("0")
    expect(first).to_have_accessible_name(re.compile("100%"))
    view.get_by_role("button", name="Pick 10", exact=True).click()
    expect(view.locator(".llm-picked")).to_have_count(11)
    view.get_by_role("button", name="Undo", exact=True).click()
    expect(view.locator(".llm-picked")).to_have_count(10)
    bench.look("welcome_grown", view)
    box, use = view.get_by_label("Your text"), view.get_by_role("button", name="Use this text")
    for text, said in (("", "Type at least one word"), ("word " * 9000, "9,001 tokens")):
        box.fill(text)
        use.click()
        expect(view.locator(".llm-notice")).to_contain_text(said)
        expect(box).to_have_value(text)
        expect(view.locator(".llm-picked")).to_have_count(10)
    bench.look("welcome_refused", view)
    view.get_by_role("button", name="Undo", exact=True).click()
    expect(view.locator(".llm-picked")).to_have_count(9)
    expect(box).to_have_value(text)  # the reader's text is still there to be shortened
    expect(view.locator(".llm-notice")).to_be_empty()
    check_exports(page, view, "next-token")

    chat = page.locator(".llm-chat")
    chat.scroll_into_view_if_needed()
    expect(chat.get_by_role("log")).to_contain_text("The capital of France is Paris.")
    chat.get_by_label("Your message").fill("What is the capital of Italy? Answer in one short sentence.")
    chat.get_by_role("button", name="Send").click()
    answer = chat.locator(".llm-message").nth(3)
    expect(chat.get_by_role("log")).to_have_attribute("aria-busy", "false", timeout=120_000)
    expect(answer).to_contain_text("Rome")
    bench.look("welcome_chat", chat)
    check_exports(page, chat, "conversation")
    chat.get_by_label("Your message").fill("x " * 9000)
    chat.get_by_role("button", name="Send").click()
    expect(chat.get_by_role("status")).to_contain_text("Shorten the message, or start over")
    expect(chat.get_by_role("log")).to_have_attribute("aria-busy", "false")
    expect(chat.locator(".llm-message")).to_have_count(4)
    expect(chat.get_by_label("Your message")).to_have_value(("x " * 9000).strip())
    bench.look("welcome_chat_refused", chat)
    chat.get_by_label("Your message").fill("And of Spain?")
    chat.get_by_role("button", name="Send").click()
    expect(chat.locator(".llm-message")).to_have_count(6)  # until these are there, the log is idle too
    expect(chat.get_by_role("log")).to_have_attribute("aria-busy", "false", timeout=120_000)
    expect(chat.get_by_role("status")).to_be_empty()

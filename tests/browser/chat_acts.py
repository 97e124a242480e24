"""Functions for the table in views.py: they use the chat view and the tuning view, and check what these show."""

import math

from playwright.sync_api import expect

from browser.acts import LONG, ODD
from browser.bench import CLICK_EACH, click
from llmlib.widgets.tuning.picture import signed


def say(view, text):
    view.get_by_label("Your message").fill(text)
    click(view, "Send", 5)
    expect(view.get_by_label("Your message")).to_have_value("")


def stop_answer(view):
    click(view, "Stop")
    expect(view.get_by_role("log")).to_have_attribute("aria-busy", "false")


def chat_clicks(bench, view):
    click(view, "Start over", 3)
    expect(view.locator(".llm-message")).to_have_count(0)
    for number in range(1, 4):
        say(view, f"message {number}")
        expect(view.locator(".llm-user")).to_have_count(number)
        expect(view.locator(".llm-model .llm-said").nth(number - 1)).not_to_be_empty()
        assert bench.python("chat.notice") == "''"  # the message was sent once: a second one would be refused
        stop_answer(view)
    expect(view.locator(".llm-user .llm-said")).to_have_text(["message 1", "message 2", "message 3"])
    say(view, "message 4")
    expect(view.locator(".llm-user")).to_have_count(4)
    view.evaluate(CLICK_EACH, ["Stop", "Start over", "Stop"])
    expect(view.locator(".llm-message")).to_have_count(0)


def chat_odd(bench, view):
    click(view, "Start over")
    say(view, ODD)
    expect(view.locator(".llm-user .llm-said")).to_have_text([ODD])
    stop_answer(view)
    click(view, "Start over")  # the answer of an untrained model is not readable text
    expect(view.locator(".llm-message")).to_have_count(0)


def chat_empty(bench, view):
    click(view, "Start over")
    for text in ("", "  \n "):
        view.get_by_label("Your message").fill(text)
        click(view, "Send", 5)
    assert bench.python("chat.messages") == "[]"  # the kernel gets this request after everything that the page sent
    expect(view.locator(".llm-message")).to_have_count(0)
    expect(view.locator(".llm-notice")).to_be_empty()


def chat_long(bench, view):
    click(view, "Start over")
    say(view, LONG)
    expect(view.locator(".llm-user .llm-said")).to_have_text([LONG.strip()])
    stop_answer(view)
    click(view, "Start over")
    expect(view.locator(".llm-message")).to_have_count(0)
    view.get_by_label("Your message").fill(LONG * 9)
    click(view, "Send", 5)
    expect(view.locator(".llm-notice")).to_contain_text("Shorten the message")
    expect(view.get_by_label("Your message")).to_have_value((LONG * 9).strip())


CHAT = (chat_clicks, chat_odd, chat_empty, chat_long)


# --- what tuning changed ------------------------------------------------------------------------------------------

CONVERSATION = [{"role": "user", "content": f"one two\n{ODD}"}, {"role": "assistant", "content": "three four"}]
WALK = """view => {
  for (let k = 0; k < 30; k++) {
    const key = new KeyboardEvent("keydown", { key: k % 3 ? "ArrowRight" : "End", bubbles: true });
    view.querySelector("[role=option][tabindex='0']").focus();
    document.activeElement.dispatchEvent(key);
  }
}"""


def tuning_clicks(bench, view):
    tokens = view.get_by_role("option")
    expect(tokens).to_have_count(int(bench.python("len(tuning.tokens)")))
    view.evaluate(WALK)
    for number in (1, 7):
        tokens.nth(number).click()
        expect(tokens.nth(number)).to_be_focused()
        expect(view.locator(".llm-likeliest")).to_have_count(2)
        expect(view.locator(".llm-likeliest li").first).to_contain_text("%")
    tokens.first.hover()
    expect(view.locator(".llm-detail")).to_contain_text("is the first token")
    view.locator("table").hover()
    expect(view.locator(".llm-likeliest")).to_have_count(2)  # the lists are those of the focused token


def tuning_odd(bench, view):
    texts = view.locator(".llm-label").all_text_contents()
    assert "⟨F0⟩" in texts
    assert "<b>x</b>" in "".join(texts)
    moves = eval(bench.python("tuning.moves().tolist()"), {"nan": math.nan})
    assert view.locator(".llm-move").all_text_contents() == [signed(move) for move in moves]

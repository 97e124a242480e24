"""What the tests of states do: each function brings a view into one state, or goes through it with the keyboard."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import expect

FOCUS_FIRST = (
    """view => view.querySelector('button:not(:disabled), input, select, summary, textarea, [tabindex="0"]').focus()"""
)
FOCUSED = """view => {
  const now = document.activeElement;
  return view.contains(now) ? now.ariaLabel || now.textContent.trim().slice(0, 40) || now.tagName : null;
}"""


@dataclass(frozen=True)
class States:
    name: str
    selector: str
    source: str
    states: tuple[Callable, ...]  # the first is where the keyboard begins
    keyboard: Callable
    most_stops: int  # of Tab, from the first control to the last


def tab_stops(page, view):
    """Where Tab halts in a view, from its first control on; the focus never falls to the body."""
    view.evaluate(FOCUS_FIRST)
    stops = [view.evaluate(FOCUSED)]
    while len(stops) < 60:
        page.keyboard.press("Tab")
        page.wait_for_timeout(10)
        if (now := view.evaluate(FOCUSED)) is None:
            break
        stops.append(now)
    return stops


# --- byte-pair encoding -------------------------------------------------------------------------------------------


def bpe_asked(bench, view):
    """The same text again: without predictions."""
    bench.page.locator(".llm-bpe-stepper").get_by_role("tab", name="Learn merges").click()
    view.get_by_label("Predict first").check()
    view.get_by_role("button", name="Learn from this text").click()
    expect(view.locator(".llm-score")).to_be_empty()
    expect(view.locator(".llm-choices button").first).to_be_visible()


def bpe_answered(bench, view):
    bpe_asked(bench, view)
    view.locator(".llm-choices button").first.click()
    expect(view.locator(".llm-judged")).not_to_be_empty()


def bpe_bytes(bench, view):
    bpe_answered(bench, view)
    view.get_by_label("Show bytes").check()
    expect(view.locator(".llm-character").first).to_be_visible()
    view.get_by_label("Show bytes").uncheck()


def bpe_encoding(bench, view):
    view.get_by_label("Predict first").check()
    view.get_by_role("tab", name="Encode a text").click()
    view.get_by_role("button", name="Encode this text").click()
    expect(view.locator(".llm-asking")).to_contain_text("joined first")


def bpe_keyboard(bench, view):
    """Predict wrongly, then rightly; a step that is not predicted is not gone, and the choices get the focus."""
    page, forward, choices = bench.page, view.get_by_label("One step forward"), view.locator(".llm-choices button")
    view.locator(".llm-stage").focus()
    page.keyboard.press("ArrowRight")
    expect(view.get_by_label("Step", exact=True)).to_have_value("0")
    expect(choices.first).to_be_focused()
    expect(view).not_to_contain_text("← next")
    page.keyboard.press("Enter")  # “o” + “n”
    expect(view.locator(".llm-judged")).to_contain_text("Not this one")
    expect(view.locator(".llm-score")).to_have_text("0 of 1 right")
    expect(view.locator(".llm-next")).to_contain_text("← next")
    expect(forward).to_be_focused()
    page.keyboard.press("Enter")
    expect(view.get_by_label("Step", exact=True)).to_have_value("1")
    page.keyboard.press("End")  # not past the next question
    expect(view.get_by_label("Step", exact=True)).to_have_value("1")
    expect(choices.first).to_be_focused()
    key = [int(id) for id in bench.python("bpe.merges[1]").strip("[]").split(", ")]
    right = choices.filter(has_text=f"ids {key[0]}, {key[1]}")
    for _ in range(8):
        if right.evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(view.locator(".llm-judged")).to_contain_text("Right: ")
    expect(view.locator(".llm-score")).to_have_text("1 of 2 right")
    bench.expect("bpe.score", "(1, 2)")
    page.keyboard.press("Home")
    expect(view.locator(".llm-judged")).to_contain_text("Not this one")  # the first prediction stays
    page.keyboard.press("Space")
    view.locator(".llm-stage").focus()
    page.keyboard.press("End")
    expect(view.get_by_label("Step", exact=True)).to_have_value("2")


# --- attention, step by step --------------------------------------------------------------------------------------


def stepper_stage(number, name):
    def state(bench, view):
        view.locator(".llm-holder").focus()
        bench.page.keyboard.press("Home")
        for _ in range(number):
            bench.page.keyboard.press("ArrowRight")
        expect(view.locator("[aria-current=step]")).to_have_text(f"{number + 1} {name}")

    state.__name__ = name
    return state


def stepper_keyboard(bench, view):
    """Through the stages, to each arrow, beyond the edge and back."""
    page, stages = bench.page, view.get_by_role("group", name="Stage", exact=True)
    stages.get_by_role("button", name="1 q·k").focus()
    page.keyboard.press("ArrowRight")
    expect(stages.get_by_role("button", name="2 scale")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    view.get_by_role("slider", name="query of it").focus()
    page.keyboard.press("PageDown")
    key = view.get_by_role("slider", name="key of the")
    expect(key).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight")
    expect(key).to_have_attribute("aria-valuetext", re.compile(r"^\(4\.50, 0\.50\), weight"))
    inside = """tip => { const a = tip.getBoundingClientRect(), b = tip.ownerSVGElement.getBoundingClientRect();
      return a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom; }"""
    assert key.evaluate(inside), "a dragged arrow stays inside, with its whole tip"
    view.get_by_role("button", name="Undo all moves").press("Enter")
    expect(key).to_have_attribute("aria-valuetext", re.compile(r"^\(−1\.50, 0\.50\), weight"))
    view.locator(".llm-holder").focus()
    page.keyboard.press("End")
    expect(view.get_by_role("columnheader")).to_have_text(["key of", "softmax", "v", "weight · v"])
    expect(view.locator(".llm-summed")).to_have_count(1)
    table, plane = (view.locator(part).bounding_box() for part in (".llm-stages", ".llm-plane"))
    assert abs(table["y"] - plane["y"]) < 60, "the table is beside the plane"
    value = view.get_by_role("slider", name="value of cat")
    value.focus()
    output = view.locator(".llm-output td")
    before = output.text_content()
    page.keyboard.press("Shift+ArrowRight")
    expect(output).not_to_have_text(before)
    expect(value).to_be_focused()


STATES = (
    States(
        "BPEStepper",
        ".llm-bpe-stepper",
        "from llmlib.explore import *\nbpe = step_bpe('one two two one two three', 264, predict=True)\nbpe",
        (bpe_asked, bpe_answered, bpe_bytes, bpe_encoding),
        bpe_keyboard,
        most_stops=16,
    ),
    States(
        "AttentionStepper",
        ".llm-attention-stepper",
        """import numpy as np
from llmlib.widgets import attention_stepper
k = np.array([[-1.5, 0.5], [2.0, 0.8], [0.3, -1.7], [-0.8, -1.2]])
v = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
stepper = attention_stepper(["the", "cat", "saw", "it"], k + 0.5, k, v)
stepper""",
        (*(stepper_stage(number, name) for number, name in enumerate(("q·k", "scale", "mask", "softmax", "values"))),),
        stepper_keyboard,
        most_stops=10,
    ),
)

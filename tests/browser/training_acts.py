"""Functions for the table in views.py: they use the training and alignment dashboards, and check the results."""

from playwright.sync_api import expect

from browser.acts import LONG, ODD
from browser.bench import CLICK_EACH, click

STEP = "training.runs[0]['step']"
STATE = "training.runs[0]['state']"
PAUSE = "view => [...view.querySelectorAll('button')].find((node) => node.textContent.trim() === 'Pause')?.click()"


def for_view(view, expression):
    """Return an expression about the training dashboard, changed to fit this view."""
    return expression.replace("training", "alignment") if "llm-alignment" in view.get_attribute("class") else expression


def pause(bench, view):
    """Pause, and check that no more steps are taken."""
    view.evaluate(PAUSE)  # in one call: an earlier click may remove the button at any moment
    bench.expect(for_view(view, STATE), "'paused'")
    bench.expect(for_view(view, "any(one.busy for one in training._tracked)"), "False")
    taken = bench.python(for_view(view, STEP))
    expect(view).to_have_attribute("data-steps", taken)
    expect(view.locator(".llm-standing")).to_contain_text("paused: step")
    assert bench.python(for_view(view, STEP)) == taken


def run_on(bench, view, kind="Resume"):
    """Start or resume a run, and wait until some more steps have been taken."""
    before = int(bench.python(for_view(view, STEP)))
    click(view, kind, 5)
    bench.expect(for_view(view, STATE), "'running'")
    bench.expect(f"{for_view(view, STEP)} > {before + 10}", "True")


def clicks(bench, view):
    run_on(bench, view, "Start")
    expect(view.locator(".llm-standing")).to_contain_text("of 100,000")
    click(view, "Pause", 9)
    pause(bench, view)
    for _ in range(2):  # two quick clicks on each button
        view.evaluate(CLICK_EACH, ["Resume", "Resume"])
        expect(view.get_by_role("button", name="Pause", exact=True)).to_be_visible()
        view.evaluate(CLICK_EACH, ["Pause", "Pause"])
        expect(view.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    run_on(bench, view)
    click(view, "Stop", 3)
    bench.expect(for_view(view, STATE), "'stopped'")
    expect(view.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    run_on(bench, view)
    pause(bench, view)
    taken = "[step.step for [run] in [training.steps.values()] for step in run]"
    bench.expect(for_view(view, f"{taken} == list(range(1, {STEP} + 1))"), "True")
    expect(view.locator(".llm-notice")).to_be_empty()


def write(bench, view, text):
    """Let the pupil write this text in its next steps."""
    bench.python(f"samples.append({text!r})")
    run_on(bench, view)
    pause(bench, view)


def odd(bench, view):
    write(bench, view, ODD)
    expect(view.locator(".llm-text")).to_have_text(ODD)
    slider = view.get_by_label("Training step to show")
    slider.focus()
    bench.page.keyboard.press("Home")
    expect(view.locator(".llm-text")).to_have_text("one two")
    bench.expect("training.place['sample']", "5")
    run_on(bench, view)  # a reader who looks at an earlier step stays there
    pause(bench, view)
    expect(view.locator(".llm-text")).to_have_text("one two")
    click(view, "Newest")
    expect(view.locator(".llm-text")).to_have_text(ODD)


def long(bench, view):
    write(bench, view, LONG)
    expect(view.locator(".llm-text")).to_have_text((LONG[:1999] + "…").strip())
    inside = "node => node.clientHeight < 200 && node.scrollHeight > node.clientHeight"
    assert view.locator(".llm-text").evaluate(inside)


# --- alignment ----------------------------------------------------------------------------------------------------

SLIDER = "Training step to show"


def alignment_odd(bench, view):
    write(bench, view, ODD)
    answer = view.locator(".llm-answer bdi").first
    expect(answer).to_have_text(ODD)
    expect(view.locator(".llm-group .llm-prompt")).to_have_text(ODD)
    view.get_by_label(SLIDER).focus()
    bench.page.keyboard.press("Home")
    expect(answer).to_have_text("one two")
    bench.expect("alignment.place['at']", "1")
    run_on(bench, view)  # a reader who looks at an earlier step stays there
    pause(bench, view)
    expect(answer).to_have_text("one two")
    click(view, "Newest")
    expect(answer).to_have_text(ODD)
    view.get_by_label("Compare answers to this prompt").select_option(index=1)
    expect(view.locator(".llm-column .llm-text")).to_have_text([ODD, "(empty)"])


def alignment_empty(bench, view):
    write(bench, view, "")
    expect(view.locator(".llm-answer em").first).to_have_text("(empty)")


def alignment_long(bench, view):
    write(bench, view, LONG)
    expect(view.locator(".llm-answer bdi").first).to_have_text((LONG[:599] + "…").strip())
    inside = "node => node.clientHeight < 300 && node.scrollHeight > node.clientHeight"
    assert view.locator(".llm-answers").evaluate(inside)

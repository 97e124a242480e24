"""What the tests of the table do in the training dashboard."""

from playwright.sync_api import expect

from browser.acts import LONG, ODD
from browser.bench import CLICK_EACH, click

STEP = "training.runs[0]['step']"
STATE = "training.runs[0]['state']"
PAUSE = "view => [...view.querySelectorAll('button')].find((node) => node.textContent.trim() === 'Pause')?.click()"


def rest(bench, view):
    """Pause, and see that no step is taken any more."""
    view.evaluate(PAUSE)  # in one go: an earlier click may take the button away at any moment
    bench.expect(STATE, "'paused'")
    bench.expect("any(one.busy for one in training._tracked)", "False")
    taken = bench.python(STEP)
    expect(view).to_have_attribute("data-steps", taken)
    expect(view.locator(".llm-standing")).to_contain_text("paused: step")
    assert bench.python(STEP) == taken


def move(bench, view, kind="Resume"):
    """Go on, until some more steps have been taken."""
    before = int(bench.python(STEP))
    click(view, kind, 5)
    bench.expect(STATE, "'running'")
    bench.expect(f"{STEP} > {before + 10}", "True")


def clicks(bench, view):
    move(bench, view, "Start")
    expect(view.locator(".llm-standing")).to_contain_text("of 100,000")
    click(view, "Pause", 9)
    rest(bench, view)
    for _ in range(2):  # quickly twice
        view.evaluate(CLICK_EACH, ["Resume", "Resume"])
        expect(view.get_by_role("button", name="Pause", exact=True)).to_be_visible()
        view.evaluate(CLICK_EACH, ["Pause", "Pause"])
        expect(view.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    move(bench, view)
    click(view, "Stop", 3)
    bench.expect(STATE, "'stopped'")
    expect(view.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    move(bench, view)
    rest(bench, view)
    bench.expect("[step.step for step in training.steps['run']] == list(range(1, course.step + 1))", "True")
    expect(view.locator(".llm-notice")).to_be_empty()


def write(bench, view, text):
    """Let the pupil write this text next."""
    bench.python(f"samples.append({text!r})")
    move(bench, view)
    rest(bench, view)


def odd(bench, view):
    write(bench, view, ODD)
    expect(view.locator(".llm-text")).to_have_text(ODD)
    slider = view.get_by_label("Which sample: back through time")
    slider.focus()
    bench.page.keyboard.press("Home")
    expect(view.locator(".llm-text")).to_have_text("one two")
    bench.expect("training.place['sample']", "5")
    move(bench, view)  # who looks back is left there
    rest(bench, view)
    expect(view.locator(".llm-text")).to_have_text("one two")
    click(view, "Newest")
    expect(view.locator(".llm-text")).to_have_text(ODD)


def long(bench, view):
    write(bench, view, LONG)
    expect(view.locator(".llm-text")).to_have_text((LONG[:1999] + "…").strip())
    inside = "node => node.clientHeight < 200 && node.scrollHeight > node.clientHeight"
    assert view.locator(".llm-text").evaluate(inside)

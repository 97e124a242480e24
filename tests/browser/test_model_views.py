"""Views of models and of their training as pages without Python: readers can look around and save pictures."""

import dataclasses
import math
import re

import numpy as np
import pytest
from playwright.sync_api import expect
from small_models import KINDS

from browser.axe import violations
from browser.bench import choose_radio
from browser.exports import check_exports
from browser.looks import STICKS_OUT, UNREADABLE
from llmlib.explore import explore_architecture
from llmlib.tokenization import CharTokenizer
from llmlib.transformer import Transformer
from llmlib.widgets import AlignmentView, TrainingView, logit_lens_view, long_context_view, threshold_view

QUANTILES = 0.001 * np.array([0.1, 0.5, 1, 1.5, 1.9])
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def opened(page, tmp_path):
    """A function that saves a view and opens its page.

    The page must not report errors. In both themes, nothing may stick out or be hard to read.
    """
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))

    def open(view, selector):
        page.goto(view.save(tmp_path / "view.html").as_uri())
        node = page.locator(selector)
        node.locator(".llm-scene").wait_for()
        for width in (1000, 620):
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("dark", "light"):
                page.emulate_media(color_scheme=scheme)
                page.evaluate(TWO_FRAMES)  # until scripts have updated colours and pixels
                assert node.evaluate(UNREADABLE) == []
                assert node.evaluate(STICKS_OUT) <= 1
        page.set_viewport_size({"width": 1000, "height": 900})
        page.evaluate(TWO_FRAMES)  # until the view has this width: tests point at places in it
        return node

    yield open
    assert problems == []
    assert page.foreign == []


def test_the_logit_lens_works_without_python(page, opened):
    logits = 3 * np.random.default_rng(0).normal(size=(5, 40, 7))
    words = [" cat", "<b>", "🙂", "\n", "مرحبا", "漢字" * 9, ""]
    view = logit_lens_view(
        [f"t{k}" for k in range(40)], logits, words, other=logits[:, :8], other_tokens=list("abcdefgh")
    )
    lens = opened(view, ".llm-logit-lens")
    lens.get_by_text("rank of the final answer").click()
    page.keyboard.press("Tab")  # past the choice of the run
    grid = lens.get_by_role("application").first
    grid.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(grid).to_be_focused()
    expect(lens.locator("h4").first).to_have_text("A: After layer 3 of 4, at t38")
    answer, probabilities = logits[-1, 38].argmax(), np.exp(logits[3, 38]) / np.exp(logits[3, 38]).sum()
    rank = (logits[3, 38] > logits[3, 38, answer]).sum() + 1
    expect(lens.locator(".llm-facts").first).to_contain_text(
        f"ranks {rank}" if answer != logits[3, 38].argmax() else "ranks 1st"
    )
    expect(lens.locator(".llm-place .llm-value").first).to_have_text(f"{100 * probabilities.max():.0f}%")
    check_exports(page, lens, "logit_lens", html=False)


def test_the_architecture_view_works_without_python(page, opened):
    tokenizer = CharTokenizer.train("the cat")
    model = Transformer(dataclasses.replace(KINDS["llama"], vocab_size=tokenizer.vocab_size))
    view = explore_architecture(model, tokenizer, "the cat", title="Mine")
    explorer = opened(view, ".llm-architecture")
    explorer.get_by_role("button", name="Gate").click()
    expect(explorer.get_by_label("Where you are")).to_have_text("ModelLayer 0MLPGate")
    expect(explorer.locator(".llm-source")).to_contain_text("activation = swiglu(self.gate(x), self.up(x))")
    expect(explorer.locator(".llm-shape")).to_contain_text("48 d_mlp")
    expect(explorer.get_by_label("layers", exact=True)).to_be_disabled()
    explorer.get_by_label("Where you are").get_by_role("button", name="MLP").click()
    explorer.get_by_text("FLOPs per token").first.click()
    expect(explorer.get_by_role("button", name="Queries")).to_contain_text("%")
    expect(explorer.locator(".llm-totals")).to_contain_text("at 24 tokens in float32")
    take_the_tour(page, explorer, view)
    check_exports(page, explorer, "architecture", html=False)


def take_the_tour(page, explorer, view):
    """Take the guided tour by keyboard alone, on a page without Python."""
    explorer.get_by_label("What to look at").get_by_label("Boxes").focus()
    page.keyboard.press("ArrowRight")
    tour, here = explorer.locator(".llm-tour"), explorer.locator("[aria-current=step]")
    next_one, back = (tour.get_by_role("button", name=name) for name in ("Next", "Previous"))
    expect(tour.locator("h4")).to_have_text("Your text becomes tokens")
    expect(tour.locator(".llm-chips li")).to_have_count(7)
    expect(here).to_contain_text("Your text, 7 tokens")
    next_one.focus()
    page.keyboard.press("Enter")
    expect(here).to_contain_text("Token table")
    page.keyboard.press("ArrowRight")
    expect(here).to_have_text("Pattern")
    layer = int(re.match(r"Layer (\d+)", tour.locator("h4").text_content())[1])
    shown_layer = view.tour["layers"][layer]
    assert shown_layer["weight"] == max(one["weight"] for one in view.tour["layers"])
    expect(tour).to_contain_text(f"head {shown_layer['head']} pays the most attention")
    expect(explorer.locator("[aria-live=polite]")).to_contain_text(f"3 of 8: Layer {layer}: each head looks back")
    for box in ("+ attention", "MLP", "3 × layer", "Output table", "Next token"):
        page.keyboard.press("ArrowRight")
        expect(here).to_have_count(1)
        expect(here).to_contain_text(box)
        expect(here).to_have_css("outline-style", "solid")
    expect(next_one).to_be_disabled()
    expect(back).to_be_focused()  # the button that had the focus is disabled now
    expect(tour.locator(".llm-value").first).to_have_text(re.compile(r"^\d+(\.\d)?%$"))
    page.keyboard.press("ArrowRight")
    expect(tour).to_contain_text("8 of 8")
    page.keyboard.press("Home")
    expect(tour).to_contain_text("1 of 8")
    assert explorer.evaluate(UNREADABLE) == []
    explorer.get_by_role("button", name="Gate").click()
    expect(explorer.get_by_label("Where you are")).to_contain_text("Gate")
    expect(here).to_have_count(0)


def test_the_training_dashboard_works_without_python(page, opened):
    view = TrainingView()
    for name, speed in (("<b>slow</b>", 1), ("quick", 3)):
        run = view.add_run(name, steps=3000, guess=4.0)
        for step in range(1, 3001):
            due = step % 1000 == 0
            loss = 1 + 3 / (1 + speed * step / 300)
            numbers = {"learning_rate": 0.003, "gradient_norm": 1.0, "tokens_per_second": 5000.0, "seconds": 0.01}
            occasional = {"validation_loss": loss + 0.5, "sample": f"{name} at {step}"} if due else {}
            if step % 500 == 0:
                occasional["statistics"] = {
                    "groups": ["embedding", "block 0", "output"],
                    "updates": np.outer([1, 2, 3], QUANTILES) / speed,
                    "gradients": np.full((3, 5), 1e-5),
                    "activations": np.full((3, 5), np.nan),
                }
            view.log(run, step, loss=loss, **numbers, **occasional)
        view.mark(run, "finished" if speed == 3 else "failed", "" if speed == 3 else "The loss is <i>nan</i>.")
    board = opened(view, ".llm-training")
    expect(board.get_by_role("alert").first).to_have_text("The loss is <i>nan</i>.")
    expect(board.get_by_role("button", name="Pause")).to_have_count(0)  # without Python, nothing can be paused
    charts = board.get_by_role("application", name="Curves")
    charts.focus()
    page.keyboard.press("End")
    expect(board.locator(".llm-large .llm-tip")).to_contain_text("quick 1.0")
    expect(board.locator(".llm-large .llm-tip")).to_contain_text("validation 1.5")
    expect(board.locator(".llm-small .llm-tip").first).to_have_text("0.0030.003")
    page.keyboard.press("ArrowLeft")
    expect(board.locator(".llm-large .llm-tip")).to_contain_text("steps 2,993 to 2,996")
    expect(charts).to_be_focused()
    page.keyboard.press("Escape")
    expect(board.locator(".llm-large .llm-tip")).to_be_hidden()
    plot = board.locator(".llm-plot svg").first.bounding_box()
    page.mouse.move(plot["x"] + 200, plot["y"] + 100)
    expect(board.locator(".llm-large .llm-tip")).to_contain_text("<b>slow</b>")
    expect(board.locator(".llm-zoomed button")).to_be_hidden()
    page.mouse.down()  # and drag
    page.mouse.move(plot["x"] + 260, plot["y"] + 60, steps=4)
    page.mouse.up()
    zoomed = board.locator(".llm-zoomed .llm-note")
    expect(zoomed).to_have_text(re.compile(r"^Steps \d+ to \d+$"))
    charts.focus()
    page.keyboard.press("End")  # beyond the zoomed part, which then moves there
    expect(zoomed).to_have_text(re.compile(r"^Steps \d+ to 3000$"))
    page.keyboard.press("0")
    expect(zoomed).to_be_empty()
    page.keyboard.press("+")
    expect(zoomed).to_have_text("Steps 1500 to 3000")  # half of all steps, as near to the last one as possible
    page.mouse.dblclick(plot["x"] + 200, plot["y"] + 100)
    expect(zoomed).to_be_empty()
    page.mouse.move(1, 1)
    strip = board.get_by_role("application", name="Parts of the model")
    strip.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    expect(board.locator(".llm-reading")).to_have_text(
        "output, step 500: median 0.003; half are between 0.0015 and 0.0045, nine in ten between 3e-4 and 0.0057."
    )
    board.get_by_text("quick", exact=True).last.click()
    page.mouse.move(1, 1)
    board.get_by_text("activations", exact=True).click()
    expect(board.locator(".llm-inside")).to_contain_text("nothing to measure here")
    slider = board.get_by_label("Training step to show")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(board.locator(".llm-text")).to_have_text(["<b>slow</b> at 2000", "quick at 2000"])
    board.get_by_role("checkbox", name="<b>slow</b>").focus()
    page.keyboard.press("Space")
    expect(board.locator(".llm-text")).to_have_text(["quick at 2000"])
    board.get_by_text("by time").click()
    board.get_by_text("log scale").click()
    expect(board.locator(".llm-plot svg").first).to_contain_text("seconds of compute")
    check_exports(page, board, "training", html=False)


def test_the_alignment_dashboard_works_without_python(page, opened):
    view = AlignmentView()
    story = "Pip lost his key.\n" * 12
    odd = ["<b>x</b> مرحبا 👩‍👩‍👧‍👦", "long " * 200, "", "<b>x</b> مرحبا 👩‍👩‍👧‍👦"]
    for name in ("<b>ours</b>", "other"):
        run = view.add_run(name, steps=1000)
        for step in range(1, 1001):
            answers = [f"at {step}", *odd[1:]] if step < 1000 else odd
            mixed = {"prompt": f"{story}Who?", "answers": answers, "rewards": [1.0, 0.0, math.nan, 1.0]}
            equal = {"prompt": "Where?", "answers": ["a", "b"], "rewards": [0.5, 0.5], "advantages": [0.0, 0.0]}
            one = {"prompt": "When?", "answers": ["a"], "rewards": [0.5], "advantages": [0.0]}
            groups = [equal, {**mixed, "advantages": [0.5, -0.5, math.nan, 0.5]}, one]
            view.log(
                run,
                step,
                reward=step / 1000,
                kl=step / 100,
                entropy=1.0,
                length=9.0,
                seconds=0.1,
                measures={"true reward": 0.4},
                cut_off=0.0,
                equal_groups=1,
                groups=groups,
            )
        view.mark(run, "finished")
    view.compare([f"{story}Who?", "Where?"], {"base": odd[1:3], "tuned": odd[:2]}, {"tuned": [1.0, -0.5]})
    board = opened(view, ".llm-alignment")
    rows = board.locator(".llm-answers tbody tr")
    expect(rows).to_have_count(3)  # the same answer twice is one row
    expect(rows.first).to_contain_text("+0.501<b>x</b> مرحبا 👩‍👩‍👧‍👦× 2")
    expect(rows.last).to_have_text("not a numbernot a number(empty)")
    expect(board.locator(".llm-says")).to_have_text("1 reward is not a number: check the reward function.")
    prompt = board.locator(".llm-group .llm-prompt")
    assert prompt.evaluate("box => box.scrollTop > 0"), "the question, at the end of the prompt, is in sight"
    plot = board.locator(".llm-plot svg").first.bounding_box()
    page.mouse.click(plot["x"] + 60, plot["y"] + 100)
    expect(board.locator(".llm-group")).to_contain_text(re.compile(r"after step \d\d?, number \d of \d+"))
    expect(board.locator(".llm-plot svg").first).to_contain_text("answers")
    page.mouse.move(1, 1)
    board.get_by_label("Training step to show").focus()
    page.keyboard.press("Home")
    expect(rows.first).to_contain_text("at 1")
    board.get_by_text("1 =", exact=True).click()
    expect(board.locator(".llm-says")).to_contain_text("learns nothing from this group")
    board.get_by_text("3", exact=True).click()
    expect(board.locator(".llm-says")).to_have_text("Only one answer: there is nothing to compare it with.")
    board.get_by_label("Compare answers to this prompt").select_option(index=1)
    expect(board.locator(".llm-column")).to_contain_text(["base(empty)", "tuned reward −0.5long"])
    board.get_by_role("checkbox", name="other").uncheck()
    expect(board.locator(".llm-group .llm-choice")).to_have_count(1)  # only the prompt is left to choose
    assert violations(board) == []
    check_exports(page, board, "alignment", html=False)


def test_the_threshold_view_works_without_python(page, opened):
    """Show ten thousand answers; then, with three answers, drag the line with the mouse."""
    n = 10_000
    confidence = (np.arange(n) * 7919 % n) / n
    opened(threshold_view(confidence, np.arange(n) * 31 % 97 < 97 * confidence), ".llm-threshold")
    view = threshold_view({"p": [0.9, 0.5, 0.1], "log p": [-0.1, -0.7, -2.3]}, [1, 1, 0], ["<b>a</b>", "", "c"])
    gate = opened(view, ".llm-threshold")
    picture = gate.locator(".llm-histogram svg")
    box = picture.bounding_box()
    at = lambda share: (box["x"] + 8 + share * (box["width"] - 16), box["y"] + 60)  # noqa: E731
    page.mouse.move(*at(0.5))
    page.mouse.down()
    page.mouse.move(*at(0.8), steps=4)
    expect(gate.locator(".llm-headline")).to_have_text("p ≥ 0.8 lets 1 of 3 through, and 100% of these are right.")
    page.mouse.move(*at(1.5))  # beyond the end
    page.mouse.up()
    expect(gate.locator(".llm-headline")).to_have_text("p ≥ 1 lets nothing through.")
    expect(gate.get_by_label("Threshold", exact=True)).to_be_focused()
    page.mouse.move(*at(0.2))  # the mouse button is up, so nothing is dragged
    choose_radio(gate.locator("input[value=lost_right]"))
    expect(gate.locator(".llm-listing li")).to_have_text(["0.9<b>a</b>", "0.5(empty)"])
    expect(gate.locator(".llm-tile .llm-count")).to_have_text(["2", "0", "1", "0"])
    root = check_exports(page, gate, "threshold", html=False)
    assert "p ≥ 1 lets nothing through." in "".join(root.itertext())
    gate.get_by_text("log p", exact=True).click()
    expect(gate.locator(".llm-headline")).to_contain_text("lets nothing through")  # as many answers as before
    assert violations(gate) == []


def test_the_long_context_view_works_without_python(page, opened):
    losses = {"<b>plain</b>": 2 + np.arange(2000) / 500, "stretched": np.full((3, 500), 2.5)}
    grids = {"<b>plain</b>": [[1, 0.25]], "stretched": [[np.nan, 1]]}
    view = long_context_view(losses, grids, lengths=[128], depths=[0, 1], trained=512)
    far = opened(view, ".llm-long-context")
    box = far.locator(".llm-positions svg").bounding_box()
    page.mouse.click(box["x"] + 46 + 0.1 * (box["width"] - 56), box["y"] + 100)
    here = far.locator(".llm-means .llm-here")
    expect(far.locator(".llm-means thead th").last).to_have_text("positions 193 to 208")
    expect(here).to_have_text(["2.40", "2.50"])
    far.get_by_text("64", exact=True).click()
    expect(far.locator(".llm-means thead th").last).to_have_text("positions 193 to 256")
    far.get_by_label("Show <b>plain</b>").uncheck()
    expect(far.locator(".llm-positions svg path")).to_have_count(2)  # the line and the band of the other model
    far.get_by_role("grid").last.get_by_role("gridcell").nth(1).click()
    page.keyboard.press("ArrowDown")
    expect(far.locator(".llm-reading")).to_have_text(
        "128 tokens (within the trained length), needle 100% in: <b>plain</b> 25% found; stretched 100% found."
    )
    assert violations(far) == []
    check_exports(page, far, "long_context", html=False)

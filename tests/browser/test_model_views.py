"""The logit lens and the architecture explorer as pages without Python: looking around works, and pictures come out."""

import dataclasses

import numpy as np
import pytest
from playwright.sync_api import expect
from small_models import KINDS

from browser.exports import check_exports
from browser.looks import STICKS_OUT, UNREADABLE
from llmlib.explore import explore_architecture
from llmlib.tokenization import CharTokenizer
from llmlib.transformer import Transformer
from llmlib.widgets import logit_lens_view

TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def opened(page, tmp_path):
    """Save a view and open its page; nothing goes wrong there, sticks out or is hard to read, in both themes."""
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))

    def open(view, selector):
        page.goto(view.save(tmp_path / "view.html").as_uri())
        node = page.locator(selector)
        node.locator(".llm-picture").wait_for()
        for width in (1000, 620):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(TWO_FRAMES)  # what is drawn in pixels is drawn anew
            for scheme in ("dark", "light"):
                page.emulate_media(color_scheme=scheme)
                assert node.evaluate(UNREADABLE) == []
                assert node.evaluate(STICKS_OUT) <= 1
        page.set_viewport_size({"width": 1000, "height": 900})
        return node

    yield open
    assert problems == []
    assert page.foreign == []


def test_logit_lens(page, opened):
    logits = 3 * np.random.default_rng(0).normal(size=(5, 40, 7))
    words = [" cat", "<b>", "🙂", "\n", "مرحبا", "漢字" * 9, ""]
    view = logit_lens_view(
        [f"t{k}" for k in range(40)], logits, words, other=logits[:, :8], other_tokens=list("abcdefgh")
    )
    lens = opened(view, ".llm-lens")
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
        f"is {rank}" if answer != logits[3, 38].argmax() else "is 1st"
    )
    expect(lens.locator(".llm-place .llm-value").first).to_have_text(f"{100 * probabilities.max():.0f}%")
    check_exports(page, lens, "logit_lens", html=False)


def test_architecture(page, opened):
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
    explorer.get_by_text("FLOPs a token").first.click()
    expect(explorer.get_by_role("button", name="Queries")).to_contain_text("%")
    check_exports(page, explorer, "architecture", html=False)

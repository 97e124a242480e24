"""Functions for test_states: each brings a view into one state, whatever state it was in."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import expect


@dataclass(frozen=True)
class States:
    name: str
    selector: str
    source: str
    states: tuple[Callable, ...]


# --- byte-pair encoding -------------------------------------------------------------------------------------------


def bpe_asked(bench, view):
    """Learn from the same text again, which clears all predictions."""
    view.get_by_role("tab", name="Learn merges").click()
    view.get_by_label("Show bytes").uncheck()
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


def bpe_encoding(bench, view):
    view.get_by_label("Predict first").check()
    view.get_by_role("tab", name="Encode a text").click()
    view.get_by_role("button", name="Encode this text").click()
    expect(view.locator(".llm-asking")).to_contain_text("merged first")


# --- attention, step by step --------------------------------------------------------------------------------------


def stepper_stage(number, name):
    def state(bench, view):
        view.get_by_role("button", name=f"{number + 1} {name}").click()  # not by key: JupyterLab can take the focus
        expect(view.locator("[aria-current=step]")).to_have_text(f"{number + 1} {name}")
        if bench.page.viewport_size["width"] >= 1280:
            table, plane = (view.locator(part).bounding_box() for part in (".llm-stages", ".llm-plane"))
            assert abs(table["y"] - plane["y"]) < 60, "the table is beside the plane"

    state.__name__ = name
    return state


# --- embeddings ---------------------------------------------------------------------------------------------------


def show_map(view, name, overlay):
    """Show the whole of one of the maps, with an overlay on it."""
    view.get_by_label("Search for a token").fill("")
    view.get_by_role("button", name=name, exact=True).click()
    view.get_by_role("button", name="Reset view").click()
    view.get_by_role("button", name=overlay, exact=True).click()


def embedding_neighbours(bench, view):
    show_map(view, "2-D", "Neighbours")
    expect(view.locator(".llm-spoke")).to_have_count(12)


def embedding_analogy(bench, view):
    show_map(view, "2-D", "Analogy")
    expect(view.locator(".llm-arrow")).to_have_count(2)
    expect(view.locator(".llm-answers tbody tr")).to_have_count(6)


def embedding_turned(bench, view):
    show_map(view, "3-D", "Neighbours")
    view.locator(".llm-plot canvas").press("ArrowLeft")
    expect(view.locator(".llm-reading")).to_contain_text("these 3 directions")


def embedding_near(bench, view):
    show_map(view, "t-SNE", "Neighbours")
    expect(view.locator(".llm-reading")).to_contain_text("t-SNE keeps neighbours together")


def embedding_search(bench, view):
    show_map(view, "2-D", "Neighbours")
    search = view.get_by_label("Search for a token")
    search.press_sequentially("a")
    expect(view.get_by_role("option")).not_to_have_count(0)
    search.press("ArrowDown")
    expect(view.locator(".llm-tooltip")).to_be_visible()


def embedding_empty(bench, view):
    show_map(view, "2-D", "Neighbours")
    for key in ["+"] * 4 + ["ArrowLeft"] * 60:
        view.locator(".llm-plot canvas").press(key)
    expect(view.get_by_role("button", name="No tokens in view: reset")).to_be_visible()


STATES = (
    States(
        "BPEStepsView",
        ".llm-bpe-steps",
        "from llmlib.explore import *\nbpe = explore_bpe_steps('one two two one two three', 264, predict=True)\nbpe",
        (bpe_asked, bpe_answered, bpe_bytes, bpe_encoding),
    ),
    States(
        "AttentionStepsView",
        ".llm-attention-steps",
        """import numpy as np
from llmlib.widgets import attention_steps_view
k = np.array([[-1.5, 0.5], [2.0, 0.8], [0.3, -1.7], [-0.8, -1.2]])
v = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
stepper = attention_steps_view(["the", "cat", "saw", "it"], k + 0.5, k, v)
stepper""",
        (*(stepper_stage(number, name) for number, name in enumerate(("q·k", "scale", "mask", "softmax", "values"))),),
    ),
    States(
        "EmbeddingsView",
        ".llm-embeddings",
        """import torch
from llmlib.tokenization import BPETokenizer
tokenizer = BPETokenizer.train("a king and a queen, a man and a woman; Мир 7 " * 3, 300)
n = tokenizer.vocab_size
table = torch.randn(n, 8, generator=torch.Generator().manual_seed(0))
embedding = explore_embeddings(table, tokenizer, chosen=97, analogy=(97, 98, 99))
embedding.set_near(3 * torch.randn(n, 2, generator=torch.Generator().manual_seed(1)).numpy(), n)
embedding""",
        (embedding_neighbours, embedding_analogy, embedding_turned, embedding_near, embedding_search, embedding_empty),
    ),
)

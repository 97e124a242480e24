"""The attention view in JupyterLab: a live view, and a page that was saved from it."""

import json
import re

import pytest
from playwright.sync_api import expect

from browser.bench import VIEWPORT
from browser.looks import keep_picture

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LIVE = """
import torch
from llmlib import Transformer, TransformerConfig
from llmlib.explore import explore_attention
from llmlib.tokenization import CharTokenizer
tokenizer = CharTokenizer.train("abcdefghijklmnopqrstuvwxyz ")
model = Transformer(TransformerConfig(tokenizer.vocab_size, max_seq_len=64, d_model=32, n_layers=2, n_heads=4))
for parameter in model.parameters():
    parameter.data *= 6
view = explore_attention(model, tokenizer, "the cat sat", continuation=" on")
view
"""


# Scrolls a view to the top, and returns whether it was there already: if so, the page's layout has settled.
AT_THE_TOP = """(node) => {
  const top = () => node.getBoundingClientRect().y, before = top();
  node.scrollIntoView();
  return Math.abs(top() - before) < 1;
}"""


def switch_off_on_a_laptop(bench, view, board):
    """Switch off a head: the whole new prediction is in sight beside it, and nothing moves while Python computes."""
    page = bench.page
    view.get_by_label("Layer 0, head 3", exact=True).click()
    bench.look("attention_lab_head", view)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.wait_for_function(AT_THE_TOP, arg=view.element_handle(), polling=300)
    button, table = view.get_by_role("button", name="Switch this head off"), board.locator(".llm-predictions")
    heat, here = view.locator(".llm-heat canvas"), (button, table, view.locator(".llm-heat canvas"))
    places = [one.bounding_box() for one in here]
    height = view.bounding_box()["height"]
    assert height <= 750
    watched = (
        "node => { window.llmTops = []; new MutationObserver(() => window.llmTops.push(node.getBoundingClientRect().y))"
    )
    heat.evaluate(f"{watched}.observe(document.body, {{ subtree: true, childList: true, characterData: true }}); }}")
    button.click()
    expect(board).to_contain_text("2 of 8 heads off")
    expect(table).to_have_attribute("aria-busy", "false")
    on = view.get_by_role("button", name="Switch this head on")
    assert on.bounding_box()["y"] == places[0]["y"]
    assert [one.bounding_box() for one in here[1:]] == places[1:]
    assert set(page.evaluate("window.llmTops")) == {places[2]["y"]}
    edge = page.locator(".jp-WindowedPanel-outer").bounding_box()
    for row in (on, *table.locator("tr").all(), board.locator(".llm-logprob"), view.locator(".llm-strip")):
        box = row.bounding_box()
        assert edge["y"] <= box["y"], box
        assert box["y"] + box["height"] <= edge["y"] + edge["height"], box
    keep_picture(page, "attention_lab_laptop")
    page.set_viewport_size(VIEWPORT)


@pytest.mark.timeout(300)
def test_a_live_view_works_in_jupyterlab(bench):
    bench.open("attention_view.ipynb", [LIVE])
    bench.run()
    page = bench.page
    view = page.locator(".llm-attention")
    expect(view.locator(".llm-thumb")).to_have_count(8)
    view.get_by_label("Layer 0, head 1", exact=True).hover()
    bench.look("attention_lab_grid", view)

    view.get_by_label("Text", exact=True).fill("a dog ran far")
    expect(view).to_have_attribute("data-tokens", "13")
    expect(view.locator(".llm-predictions tbody tr")).to_have_count(8)

    board = view.get_by_label("Ablation board")
    expect(board).to_contain_text("log-probability")
    view.get_by_label("Layer 0, head 1", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    expect(view.get_by_label("Layer 1, head 1, switched off")).to_be_focused()
    expect(board).to_contain_text("1 of 8 heads off")
    expect(board.locator(".llm-logprob")).to_contain_text("→")
    switch_off_on_a_laptop(bench, view, board)
    view.get_by_text("side by side").click()
    expect(view.locator(".llm-heat")).to_have_count(3)
    view.locator(".llm-heat canvas").first.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowDown", "0", "0"):  # in JupyterLab, these keys mean something else
        page.keyboard.press(key)
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    expect(view.locator(".llm-reading")).to_contain_text("r (12) looks at a (0)")
    bench.look("attention_lab_sides", view)
    board.locator(".llm-logprob").scroll_into_view_if_needed()
    bench.look("attention_lab_board", view)
    board.get_by_label("What a switched-off head outputs").select_option("mean")
    expect(board).to_contain_text("2 of 8 heads off")

    view.get_by_label("Second text to compare").fill("a cat sat on it")
    expect(view).to_contain_text("text B")
    expect(view.locator(".llm-heat")).to_have_count(2)  # texts of different lengths have no map of differences
    view.get_by_label("Text", exact=True).fill("")
    expect(view.locator(".llm-notice")).to_contain_text("at least one token")

    view.locator("summary", has_text="Save").click()
    with page.expect_download() as saved:
        view.get_by_role("button", name="HTML page").click()
    assert "a dog ran far" in json.loads(
        re.search(r'id="payload">(.*?)</script>', saved.value.path().read_text(), re.S)[1]
    )["state"]["a"]["tokens"].__str__().replace("', '", "")

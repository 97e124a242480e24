"""The attention view with as many heads as SmolLM2, on a small screen, in JupyterLab."""

import re
import xml.etree.ElementTree as ET

import pytest
from playwright.sync_api import expect

from browser.axe import faults_of_colour, violations
from browser.exports import saved, up_to_date
from browser.looks import UNREADABLE, cut, keep_picture, wait_until_drawn

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

TEXT = "the cat sat"
MODEL = f"""
import torch
from llmlib import Transformer, TransformerConfig
from llmlib.explore import explore_attention
from llmlib.tokenization import CharTokenizer
tokenizer = CharTokenizer.train("abcdefghijklmnopqrstuvwxyz ")
model = Transformer(TransformerConfig(tokenizer.vocab_size, max_seq_len=64, d_model=36, n_layers=30, n_heads=9))
for parameter in model.parameters():
    parameter.data *= 4
explore_attention(model, tokenizer, {TEXT!r}, continuation=" on")
"""

# The nodes that are cut off by the window, or by any box around them that hides or scrolls its overflow.
CUT = """all => all.filter((node) => {
  const { left, top, right, bottom } = node.getBoundingClientRect();
  const outside = (box) => left < box.left - 1 || top < box.top - 1 || right > box.right + 1 || bottom > box.bottom + 1;
  if (outside({ left: 0, top: 0, right: innerWidth, bottom: innerHeight })) return true;
  for (let box = node.parentElement; !box.matches(".jp-WindowedPanel"); box = box.parentElement)
    if (getComputedStyle(box).overflowY !== "visible" && outside(box.getBoundingClientRect())) return true;
  return false;
}).map((node) => node.ariaLabel ?? node.textContent)"""
SCROLLERS = """view => [view, ...view.querySelectorAll("*")].filter((box) =>
  /auto|scroll/.test(getComputedStyle(box).overflowY) && box.scrollHeight > box.clientHeight + 1)
  .map((box) => box.className)"""
SCROLLED = "() => document.querySelector('.jp-WindowedPanel-outer').scrollTop"


@pytest.fixture(scope="module")
def lab_with_a_view(bench):
    bench.open("attention_screen.ipynb", [MODEL, "\n".join(f"# line {n}" for n in range(60))])
    bench.theme("Light")
    bench.run()
    bench.page.locator(".llm-thumb").nth(269).wait_for()
    return bench


@pytest.fixture
def view(lab_with_a_view):
    """The view at the top of a 1280 × 900 window: its grid, with all heads on; the page must not report errors."""
    bench = lab_with_a_view
    bench.page.set_viewport_size({"width": 1280, "height": 900})
    view = bench.page.locator(".llm-attention")
    view.evaluate("node => node.scrollIntoView()")
    yield view
    if view.get_by_role("button", name="All heads").count():
        view.get_by_role("button", name="All heads").click()
    if view.get_by_role("button", name="Switch all on").is_enabled():
        view.get_by_role("button", name="Switch all on").click()
    view.get_by_label("Order").select_option("layer")
    expect(view.get_by_label("Ablation board")).to_contain_text("all heads on")
    expect(view.locator(".llm-predictions")).to_have_attribute("aria-busy", "false")
    expect(view.get_by_text("side by side")).to_have_count(0)
    assert bench.problems == []


def switch_off(view, *heads):
    view.locator("label", has_text="switches it off").click()
    for layer, head in heads:
        view.get_by_label(f"Layer {layer}, head {head}", exact=True).click()
        expect(view.get_by_label(f"Layer {layer}, head {head}, switched off")).to_be_attached()
    view.locator("label", has_text="opens a head").click()
    expect(view.get_by_text("side by side")).to_be_visible()


def compare(view, words):
    """Choose which run is shown."""
    view.get_by_label("Which run").locator("label", has_text=re.compile(f"^{words}$")).click()


def test_all_heads_and_the_board_fit_on_the_screen_without_scrolling(view):
    assert view.locator(".llm-thumb").count() == 270
    for order in ("layer", "entropy"):
        view.get_by_label("Order").select_option(order)
        view.evaluate("node => node.scrollIntoView()")
        assert view.locator(".llm-thumb").evaluate_all(CUT) == []
        assert view.locator(".llm-predictions tr").evaluate_all(CUT) == []
        assert view.evaluate(SCROLLERS) == []
    sides = view.locator(".llm-thumb").evaluate_all("all => all.map((one) => one.getBoundingClientRect().width)")
    assert min(sides) >= 12
    board, grid = view.get_by_label("Ablation board").bounding_box(), view.locator(".llm-grid").bounding_box()
    assert board["x"] > grid["x"] + grid["width"], "the board is beside the grid, not below it"


def test_the_wheel_over_the_grid_scrolls_the_page_but_head_numbers_stay_in_sight(view):
    page, box = view.page, view.locator(".llm-grid").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 200)
    before = page.evaluate(SCROLLED)
    page.mouse.wheel(0, 400)
    page.wait_for_function(f"({SCROLLED})() >= {before + 399}")
    wait_until_drawn(page)
    numbers, edge = view.locator(".llm-numbers").bounding_box(), page.locator(".jp-WindowedPanel-outer").bounding_box()
    assert view.locator(".llm-grid").bounding_box()["y"] < edge["y"] - 100
    assert numbers["y"] == pytest.approx(edge["y"], abs=1)
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"({SCROLLED})() <= {before + 1}")


def test_the_guide_explains_what_is_shown_and_what_to_do(view):
    guide = view.locator(".llm-guide")
    expect(guide).to_contain_text("Each square is a head")
    expect(guide).to_contain_text("Click a square to open it")
    view.get_by_label("Layer 3, head 4", exact=True).click()
    expect(guide).to_contain_text("Point at a token")
    view.get_by_role("button", name="All heads").click()
    view.get_by_label("Heads", exact=True).select_option("mean")
    expect(guide).to_contain_text("Each square is a layer")
    view.get_by_label("Heads", exact=True).select_option("each")


def test_a_score_based_on_only_a_few_queries_is_marked(view):
    view.get_by_label("Layer 1, head 1", exact=True).hover()
    row = view.get_by_label("The head under the pointer").locator("tr", has_text="induction")
    expect(row.locator("td").last).to_have_text("only 4")  # in "the cat sat": the t of "cat", the second space, a, t
    view.get_by_label("Order").select_option("induction")
    expect(view.locator(".llm-order")).to_contain_text("is based on only 4 queries in this text, too few")
    expect(view.locator(".llm-thumb").first).to_have_attribute("aria-label", re.compile("on only 4 queries"))
    view.get_by_label("Order").select_option("first")
    expect(view.locator(".llm-order")).to_have_text("“first token” is the mean over 10 queries in this text.")
    view.get_by_label("Text", exact=True).fill("abc")
    expect(view).to_have_attribute("data-tokens", "3")
    view.get_by_label("Order").select_option("duplicate")
    expect(view.locator(".llm-order")).to_contain_text("nothing to sort by")
    view.get_by_label("Text", exact=True).fill(TEXT)
    expect(view).to_have_attribute("data-tokens", "11")


def test_differences_between_runs_are_visible_and_can_order_the_heads(view):
    switch_off(view, (20, 3))
    compare(view, "without − all heads")
    view.get_by_label("Order").select_option("difference")
    labels = view.locator(".llm-thumb").evaluate_all("all => all.map((one) => one.ariaLabel)")
    layers = [int(re.match(r"Layer (\d+)", label)[1]) for label in labels]
    shares = [float(re.search(r"difference <?([\d.]+)%", label)[1]) for label in labels]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0
    assert min(layers[:20]) > 20, "the heads that change most are in later layers than the switched-off head"
    expect(view.locator(".llm-legend")).to_contain_text("change in points, scaled to all heads")
    view.locator(".llm-thumb").nth(40).click()
    expect(view.locator(".llm-legend")).to_contain_text("change in points, scaled to this head")
    strongest = """canvas => { const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let most = 0; for (let k = 0; k < data.length; k += 4) most = Math.max(most, Math.abs(data[k] - data[k + 2]));
      return most; }"""
    assert view.locator(".llm-heat canvas").evaluate(strongest) > 60, "the largest change has a strong colour"


def new_numbers(view):
    """Make Python send new numbers, whatever the mouse is doing."""
    for text in ("abc", TEXT):
        view.get_by_label("Text", exact=True).fill(text)
        expect(view).to_have_attribute("data-tokens", str(len(text)))


def test_no_click_is_lost_when_numbers_arrive_while_the_mouse_button_is_down(view):
    def press(control):
        control.hover()
        view.page.mouse.down()
        new_numbers(view)
        view.page.mouse.up()

    order = view.get_by_label("Order").element_handle()
    press(view.locator("label", has_text="switches it off"))
    expect(view.get_by_label("What a click does").locator("input").last).to_be_checked()
    assert order.evaluate("node => node.isConnected"), "a list that the user has opened stays open"
    view.locator("label", has_text="opens a head").click()
    view.get_by_label("Layer 3, head 4", exact=True).click()
    press(view.get_by_role("button", name="Next head"))
    expect(view.locator(".llm-crumbs")).to_contain_text("Layer 3, head 5")
    press(view.locator("label", has_text="all heads in the layer"))
    expect(view.get_by_label("What is drawn").locator("input").last).to_be_checked()
    view.locator("label", has_text="one head").click()


@pytest.mark.parametrize("width", [1000, 1280])
def test_nothing_is_cut_off_and_axe_finds_nothing_in_any_state(view, lab_with_a_view, width):
    bench = lab_with_a_view
    found = {}

    def look(state):
        for theme in ("Light", "Dark") if width == 1280 else ("Light",):
            bench.theme(theme)
            wait_until_drawn(view.page, 200)
            by_axe = violations if theme == "Light" else faults_of_colour
            found[f"{state}, {theme}"] = by_axe(view) + view.evaluate(UNREADABLE) + cut(view)
            keep_picture(view.page, f"attention_{state.replace(' ', '_')}_{width}_{theme.lower()}")
        bench.theme("Light")

    view.page.set_viewport_size({"width": width, "height": 900})
    look("grid")
    switch_off(view, (3, 2))
    look("head off")
    compare(view, "side by side")
    look("both grids")
    compare(view, "without − all heads")
    view.get_by_label("Order").select_option("difference")
    look("by difference")
    view.locator(".llm-thumb").first.click()
    look("head difference")
    compare(view, "side by side")
    look("both heads")
    compare(view, "all heads")
    view.get_by_role("button", name="Zoom in").click()
    look("zoomed")
    view.get_by_role("button", name="All", exact=True).click()
    assert {state: what for state, what in found.items() if what} == {}


def test_an_exported_svg_and_page_have_titles(view, tmp_path):
    view.get_by_label("Layer 3, head 4", exact=True).click()
    view.locator("summary", has_text="Save").click()
    root = ET.fromstring(up_to_date(lambda: saved(view.page, view, "SVG", "attention.svg")))
    texts = ["".join(node.itertext()) for node in root.findall(".//{*}text")]
    assert "Attention of layer 3, head 4 · Transformer, d_model 36" in texts
    assert f"“{TEXT}”" in texts
    assert {"key →", "query ↓"} <= set(texts)
    (tmp_path / "view.html").write_bytes(saved(view.page, view, "HTML page", "attention.html"))
    page = view.page.context.new_page()
    page.goto((tmp_path / "view.html").as_uri())
    expect(page.locator(".llm-titles")).to_contain_text("Attention of layer 3, head 4 · Transformer, d_model 36")
    expect(page.locator(".llm-titles")).to_contain_text(TEXT)
    page.close()
    view.locator("summary", has_text="Save").click()

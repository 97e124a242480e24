"""The attention view in a real browser, as a page opened from disk."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from browser.bench import choose_radio
from browser.looks import UNREADABLE
from llmlib.interpret import head_scores
from llmlib.widgets import attention_view

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOKENS = ["<b>The</b>", " cat", " sat", ".", " The", " cat", " slept", "\n", " 🙂", " $x$"]


def softmax(n_layers, n_heads, n, seed=0):
    scores = 2 * np.random.default_rng(seed).normal(size=(n_layers, n_heads, n, n))
    scores[..., np.triu(np.ones((n, n), dtype=bool), 1)] = -np.inf
    weights = np.exp(scores)
    return weights / weights.sum(-1, keepdims=True)


@pytest.fixture
def opened(page, tmp_path):
    """A function that saves a view and opens the page from disk; the page must not report errors."""
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))

    def open(view, theme="light"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.goto(view.save(tmp_path / "view.html").as_uri())
        page.locator(".llm-attention canvas").first.wait_for()
        return page

    yield open
    assert problems == []
    assert page.foreign == []


@pytest.fixture
def compared():
    a, b = softmax(3, 4, 10), softmax(3, 4, 10, seed=1)
    b[0, 1] = a[0, 1]
    return attention_view(TOKENS, a, other=b, titles=("before", "after"))


# The colours of which a canvas has enough pixels for a line; faint pixels do not count.
DRAWN = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height), found = {};
  for (let k = 0; k < data.length; k += 4) if (data[k + 3] > 60) {
    const near = [0, 1, 2].map((c) => data[k + c]);
    const name = `#${near.map((v) => v.toString(16).padStart(2, "0")).join("")}`;
    found[name] = (found[name] ?? 0) + 1;
  }
  return Object.keys(found).filter((name) => found[name] > 3);
}"""


def reading(page):
    return page.locator(".llm-reading")


def cell(page, query, key, n=10):
    """Return the middle of a cell of the heat map, in window coordinates."""
    box = page.locator(".llm-heat canvas").first.bounding_box()
    return box["x"] + (key + 0.5) * box["width"] / n, box["y"] + (query + 0.5) * box["height"] / n


def test_the_mouse_opens_a_head_from_the_grid_and_then_a_token(opened, compared):
    page = opened(compared)
    expect(page.locator(".llm-thumb")).to_have_count(12)
    page.get_by_label("Layer 1, head 2", exact=True).hover()
    preview = page.get_by_label("The head under the pointer")
    expect(preview).to_contain_text("Layer 1, head 2")
    pattern = torch.tensor(compared.pattern(1, 2))
    ids = torch.tensor([TOKENS.index(token) for token in TOKENS])
    shown = preview.locator("td:nth-child(2)").all_text_contents()[-6:]
    for text, score in zip(
        shown,
        [
            head_scores.previous_token_score(pattern),
            head_scores.first_token_score(pattern),
            head_scores.duplicate_token_score(pattern, ids),
            head_scores.induction_score(pattern, ids),
            head_scores.entropy(pattern),
            head_scores.distance(pattern),
        ],
    ):
        number = float(re.match(r"[\d.]+", text)[0]) / (100 if "%" in text else 1)
        assert number == pytest.approx(score.item(), abs=0.011), shown

    page.get_by_label("Layer 1, head 2", exact=True).click()
    expect(page.get_by_label("Where you are")).to_contain_text("Layer 1, head 2")
    page.mouse.move(*cell(page, 6, 2))
    weight = compared.pattern(1, 2)[6, 2]
    expect(reading(page)).to_have_text(re.compile(r"·slept \(6\) looks at ·sat \(2\): [\d.]+%"))
    assert float(re.search(r"([\d.]+)%", reading(page).text_content())[1]) / 100 == pytest.approx(weight, abs=0.006)
    page.mouse.click(*cell(page, 6, 2))
    crumbs = page.get_by_label("Where you are")
    expect(crumbs).to_contain_text("·slept")
    expect(page.locator(".llm-detail")).to_contain_text("·slept looks at")
    expect(page.locator(".llm-detail")).to_contain_text("What looks at ·slept")
    page.mouse.move(*cell(page, 9, 0))
    expect(reading(page)).to_have_text(re.compile(r"·\$x\$ \(9\) looks at <b>The</b> \(0\)"))
    expect(page.locator(".llm-focus")).to_have_text("·slept")  # the clicked token stays
    expect(page.locator(".llm-attention b")).to_have_count(0)
    page.get_by_role("button", name="All heads").click()
    expect(page.get_by_label("Layer 1, head 2", exact=True)).to_be_focused()


def test_the_lines_can_be_read_in_both_directions(opened, compared):
    page = opened(compared)
    page.get_by_label("Layer 0, head 0", exact=True).click()
    box = page.locator(".llm-lines canvas").bounding_box()
    row = box["y"] + 4.5 * 26
    page.mouse.move(box["x"] + 60, row)
    expect(page.locator(".llm-detail h4")).to_have_text("·The looks at")
    page.mouse.move(box["x"] + box["width"] - 60, row)
    expect(page.locator(".llm-detail h4")).to_have_text("What looks at ·The")
    page.mouse.click(box["x"] + box["width"] - 60, row)
    expect(page.get_by_label("what looks at it")).to_be_checked()
    expect(page.locator(".llm-strip [aria-selected=true]")).to_have_text("·The")
    page.locator(".llm-strip [role=option]").nth(1).click()
    expect(page.locator(".llm-strip [aria-selected=true]")).to_have_text("·cat")


def test_the_grid_and_a_head_can_be_explored_from_the_keyboard(opened, compared):
    page = opened(compared)
    keys = page.keyboard
    page.get_by_label("Layer 0, head 0", exact=True).focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowRight"):
        keys.press(key)
    expect(page.get_by_label("Layer 2, head 1", exact=True)).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_label("Where you are")).to_contain_text("Layer 2, head 1")
    heat = page.locator(".llm-heat canvas")
    heat.focus()
    keys.press("ArrowUp")
    expect(reading(page)).to_have_text(re.compile(r"·\$x\$ \(9\) looks at <b>The</b> \(0\)"))
    keys.press("ArrowUp")
    keys.press("ArrowRight")
    expect(reading(page)).to_have_text(re.compile(r"·🙂 \(8\) looks at ·cat \(1\)"))
    expect(page.locator("[aria-live=polite]").last).to_contain_text("looks at")
    before = heat.evaluate("canvas => canvas.toDataURL()")
    keys.press("+")
    assert heat.evaluate("canvas => canvas.toDataURL()") != before
    keys.press("0")
    assert heat.evaluate("canvas => canvas.toDataURL()") == before
    keys.press("Enter")
    expect(page.get_by_label("Where you are")).to_contain_text("·🙂")
    expect(heat).to_be_focused()
    keys.press("Escape")
    expect(page.get_by_label("Where you are")).not_to_contain_text("·🙂")
    page.get_by_role("button", name="Next head").click()
    expect(page.get_by_label("Where you are")).to_contain_text("Layer 2, head 2")
    page.locator(".llm-strip [role=option]").first.focus()
    keys.press("End")
    keys.press("Enter")
    expect(page.locator(".llm-strip [aria-selected=true]")).to_have_text("·$x$")
    keys.press("Escape")
    keys.press("Escape")
    expect(page.get_by_label("Layer 2, head 2", exact=True)).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2, "the focus must be visible"


def test_heads_can_be_ordered_averaged_and_compared(opened, compared):
    page = opened(compared)
    page.get_by_label("Order").select_option("entropy")
    labels = page.locator(".llm-thumb").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    found = [float(re.search(r"entropy ([\d.]+)", label)[1]) for label in labels]
    assert found == sorted(found, reverse=True)
    assert len(set(labels)) == 12
    page.get_by_label("Heads", exact=True).select_option("mean")
    expect(page.locator(".llm-thumb")).to_have_count(3)
    page.locator(".llm-thumb").first.click()
    expect(page.get_by_label("Where you are")).to_contain_text("mean of all heads")
    page.get_by_role("button", name="All heads").click()
    page.get_by_label("Heads", exact=True).select_option("each")
    page.get_by_label("Order").select_option("layer")
    page.get_by_text("after − before").click()
    page.get_by_label("Layer 0, head 2", exact=True).click()
    page.mouse.move(*cell(page, 6, 2))
    expect(reading(page)).to_have_text(re.compile(r"before [\d.<]+%, after [\d.<]+% \([+−±][\d.]+ points\)"))
    before = re.search(r"before <?([\d.]+)%", reading(page).text_content())[1]
    assert float(before) / 100 == pytest.approx(compared.pattern(0, 2)[6, 2], abs=0.006)
    page.get_by_text("side by side").click()
    expect(page.locator(".llm-heat")).to_have_count(3)
    page.get_by_role("button", name="Previous head").click()  # head 1 is the same before and after
    page.mouse.move(*cell(page, 6, 2))
    expect(reading(page)).to_contain_text("(±0 points)")


def test_each_head_of_a_layer_is_drawn_in_its_own_colour(opened, compared, picture):
    page = opened(compared)
    keys = page.keyboard
    page.get_by_label("Layer 1, head 2", exact=True).click()
    page.get_by_label("What is drawn").get_by_label("one head").focus()
    keys.press("ArrowRight")
    expect(page.get_by_label("Where you are")).to_contain_text("Layer 1, all heads")
    canvas = page.locator(".llm-overlaid canvas")
    heads = page.get_by_role("group", name="Heads in layer 1")
    expect(heads.get_by_role("button")).to_have_count(4)
    strokes = heads.locator("line").evaluate_all("all => all.map((line) => line.getAttribute('stroke'))")
    assert len(set(strokes)) == 4

    page.locator(".llm-strip [role=option]").first.focus()
    for key in ("End", "ArrowLeft", "ArrowLeft", "ArrowLeft", "Enter"):
        keys.press(key)
    expect(page.get_by_label("Where you are")).to_contain_text("·slept")
    for head in range(4):
        row = compared.pattern(1, head)[6]
        said = heads.get_by_role("button").nth(head).get_attribute("aria-label")
        assert re.match(rf"Head {head}, looks most at (space, )?(.+), (\d+)%", said)[2] in TOKENS[row.argmax()]
        assert int(said.removesuffix("%").split()[-1]) == pytest.approx(100 * row.max(), abs=1.1)
    choose_radio(page.get_by_label("what looks at it"))
    expect(heads.get_by_role("button").first).to_have_attribute("aria-label", re.compile("the most attention from"))
    choose_radio(page.get_by_label("where a token looks"))

    drawn = canvas.evaluate(DRAWN)
    assert set(strokes) <= set(drawn), "each head has a line"
    heads.get_by_role("button").first.focus()
    keys.press("ArrowRight")
    keys.press("Space")
    second = heads.get_by_role("button").nth(1)
    expect(second).to_be_focused()
    expect(second).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[aria-live=polite]").last).to_have_text("Head 1 hidden")
    assert strokes[1] not in canvas.evaluate(DRAWN)
    page.get_by_role("button", name="Hide all").click()
    assert canvas.evaluate(DRAWN) == []
    page.get_by_role("button", name="Show all").click()
    assert set(strokes) <= set(canvas.evaluate(DRAWN))
    picture("attention_layer_light")
    page.emulate_media(color_scheme="dark")
    picture("attention_layer_dark")
    assert page.locator(".llm-attention").evaluate(UNREADABLE) == []
    page.get_by_role("button", name="Next layer").click()
    expect(page.get_by_label("Where you are")).to_contain_text("Layer 2, all heads")
    page.get_by_text("side by side").click()
    expect(page.locator(".llm-overlaid")).to_have_count(3)
    page.locator(".llm-strip [role=option]").first.focus()
    keys.press("Escape")
    keys.press("Escape")
    expect(page.get_by_label("Layer 2, head 2", exact=True).first).to_be_focused()


def test_the_map_of_a_long_text_can_be_zoomed_and_moved(opened, picture):
    tokens = [f" w{i}" for i in range(300)]
    page = opened(attention_view(tokens, softmax(1, 2, 300), layer=0, head=1))
    labels = page.locator(".llm-heat text")
    boxes = labels.evaluate_all(
        "all => all.filter(t => t.getAttribute('text-anchor') === 'end').map(t => t.getBBox().y).sort((a, b) => a - b)"
    )
    assert 10 < len(boxes) < 60
    assert min(np.diff(boxes)) >= 12, "labels do not overlap"
    picture("attention_long_light")
    page.mouse.move(*cell(page, 150, 100, 300))
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    expect(labels.first).to_have_text(re.compile(r"·w1[34]\d"))
    x, y = cell(page, 150, 100, 300)
    page.mouse.move(x, y)
    zoomed = reading(page).text_content()
    page.mouse.down()
    page.mouse.move(x + 120, y + 60, steps=4)
    page.mouse.up()
    page.mouse.move(x, y)
    assert reading(page).text_content() != zoomed
    expect(page.locator(".llm-strip [aria-selected=true]")).to_have_count(0)  # dragging is not clicking
    picture("attention_zoomed_light")
    page.get_by_role("button", name="All", exact=True).click()
    page.mouse.move(*cell(page, 150, 100, 300))
    expect(reading(page)).to_contain_text("·w150 (150) looks at ·w100 (100)")


@pytest.mark.parametrize("place", ["grid", "head"])
def test_exported_pictures_show_what_is_on_the_screen(opened, compared, place):
    page = opened(compared)
    if place == "head":
        page.get_by_label("Layer 1, head 2", exact=True).click()
    page.locator("summary", has_text="Save").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="SVG").click()
    root = ET.parse(saved.value.path()).getroot()
    texts = "".join(root.itertext())
    assert ("·slept" in texts) == (place == "head")
    assert len(root.findall(".//{*}image")) == 2
    with page.expect_download() as saved:
        page.get_by_role("button", name="PNG").click()
    assert saved.value.path().read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("ignore::llmlib.widgets.attention.AttentionWarning")
def test_awkward_patterns_are_described(opened, picture):
    patterns = softmax(2, 2, 5)
    patterns[0, 1, 3, 2] = np.nan
    patterns[1, 1, 4] *= 0.5
    page = opened(attention_view(TOKENS[:5], patterns))
    expect(page.locator(".llm-notes li")).to_have_count(2)
    expect(page.locator(".llm-legend")).to_contain_text("not a number")
    page.get_by_label("Layer 0, head 1", exact=True).click()
    page.mouse.move(*cell(page, 3, 2, 5))
    expect(reading(page)).to_have_text(". (3) looks at ·sat (2): not a number")
    picture("attention_nan_light")
    page = opened(attention_view(["a"], np.ones((1, 1))))
    page.locator(".llm-thumb").click()
    page.mouse.move(*cell(page, 0, 0, 1))
    expect(reading(page)).to_have_text("a (0) looks at a (0): 100%")
    full = attention_view(TOKENS[:3], np.full((3, 3), 1 / 3), layer=0, head=0)
    page = opened(full)
    page.mouse.move(*cell(page, 0, 2, 3))
    expect(reading(page)).to_have_text("<b>The</b> (0) looks at ·sat (2): 33%")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_are_readable_in_both_themes(opened, compared, picture, theme):
    page = opened(compared, theme)
    page.get_by_label("Layer 1, head 2", exact=True).hover()
    picture(f"attention_grid_{theme}")
    page.get_by_label("Layer 1, head 2", exact=True).click()
    page.mouse.click(*cell(page, 6, 2))
    picture(f"attention_token_{theme}")
    page.get_by_text("side by side").click()
    picture(f"attention_sides_{theme}")
    assert page.locator(".llm-attention").evaluate(UNREADABLE) == []

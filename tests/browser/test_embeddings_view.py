"""The embeddings view in a real browser, as a page opened from disk; `test_embeddings_lesson` tests the live view."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from browser.exports import check_exports
from browser.looks import UNREADABLE
from llmlib.widgets import embeddings_view

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LABELS = [" king", " queen", " man", " woman", "<b>king</b>", "7", "🙂", b"\xf0\x9f", " $x$", "שלום"]


def crowd(n=3000, chosen=0):
    """Return a view with ten named tokens, spaced well apart in a crowd of other tokens."""
    generator = np.random.default_rng(0)
    points = generator.normal(size=(n, 3)) * [1.0, 0.6, 0.4]
    points[:10] = [[np.cos(k), np.sin(k), 0.3 * np.cos(3 * k)] for k in 2 * np.pi * np.arange(10) / 10]
    labels = LABELS + [f"x{row}" for row in range(10, n)]
    kinds = ["word"] * 4 + ["piece", "number", "sign", "part", "sign", "other"] + ["piece"] * (n - 10)
    view = embeddings_view(labels, points, kinds, shares=[0.5, 0.2, 0.1], chosen=chosen)
    if chosen is not None:
        view.neighbours = {"of": 0, "cosine": [[1, 0.7], [2, 0.6], [4, 0.5]], "dot": [[3, 9.5], [8, 7.25]]}
        view.analogy = {"rows": [2, 3, 0], "answers": [[1, 0.71], [4, 0.33]]}
    return view


@pytest.fixture
def opened(page, tmp_path):
    """A function that saves a view and opens the page from disk; the page must not report errors."""
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))

    def open(view, theme="light", width=1280):
        page.set_viewport_size({"width": width, "height": 1000})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.goto(view.save(tmp_path / "view.html").as_uri())
        page.wait_for_function("performance.getEntriesByName('llm-embeddings-drawn').length")
        return page

    yield open
    assert problems == []
    assert page.foreign == []


def canvas(page):
    return page.locator(".llm-plot canvas")


def middle(page):
    box = canvas(page).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def place(page):
    """Return where the pinned token is, in window coordinates."""
    box, dot = canvas(page).bounding_box(), page.locator(".llm-plot circle[r='6'][stroke-width='2']")
    return box["x"] + float(dot.get_attribute("cx")), box["y"] + float(dot.get_attribute("cy"))


def settled(page):
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def reading(page):
    return page.locator(".llm-reading")


def tooltip(page):
    return page.locator(".llm-tooltip")


def test_the_mouse_can_point_click_drag_and_zoom(opened):
    page = opened(crowd())
    panel = page.get_by_label("The pinned token")
    expect(reading(page)).to_contain_text("3,000 of 3,000 tokens · these 2 directions capture 70.0% of the variance")
    x, y = place(page)
    page.mouse.move(x, y)
    expect(tooltip(page)).to_have_text("·king · id 0 · word")
    box = tooltip(page).bounding_box()
    assert abs(box["x"] - x) < 30, "the tooltip is right beside the pointer"
    assert abs(box["y"] - y) < 40
    page.get_by_label("Unpin the token").click()
    expect(panel).to_contain_text("Click a point")
    page.mouse.click(x, y)
    expect(panel).to_contain_text("id 0 · word")

    page.mouse.move(*middle(page))
    page.mouse.down()
    page.mouse.move(middle(page)[0] - 60, middle(page)[1] + 20, steps=5)
    page.mouse.up()
    settled(page)
    to = place(page)
    assert (to[0] - x, to[1] - y) == pytest.approx((-60, 20), abs=1)
    expect(panel).to_contain_text("id 0")  # dragging is not clicking
    page.mouse.move(*to)
    for _ in range(8):
        page.mouse.wheel(0, -120)
    expect(page.locator(".llm-plot text").nth(6)).to_be_attached()  # zoomed in far enough to show other names
    settled(page)
    assert place(page) == pytest.approx(to, abs=12), "the token stays under the pointer"  # zooming magnifies rounding
    page.get_by_role("button", name="Reset view").click()
    settled(page)
    assert place(page) == pytest.approx((x, y), abs=1)


def test_the_wheel_zooms_an_unfocused_map_only_if_Ctrl_is_held(opened):
    page = opened(crowd())
    before = place(page)
    page.mouse.move(*middle(page))
    page.mouse.wheel(0, -300)
    settled(page)
    assert place(page) == before
    page.keyboard.down("Control")
    page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    settled(page)
    assert place(page) != before


def test_the_search_the_panel_and_the_map_work_from_the_keyboard(opened):
    page = opened(crowd())
    search = page.get_by_role("combobox", name="Search for a token")
    search.focus()
    page.keyboard.type("king")
    options = page.get_by_role("option")
    expect(options).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(search).to_have_attribute("aria-activedescendant", options.nth(1).get_attribute("id"))
    page.keyboard.press("Enter")
    panel = page.get_by_label("The pinned token")
    expect(panel).to_contain_text("<b>king</b>")
    expect(options).to_have_count(0)
    expect(panel).to_contain_text("needs Python")  # the page says why it shows no neighbours
    panel.get_by_role("button", name="·king").press("Enter")
    expect(panel.get_by_role("listitem")).to_have_count(3)
    panel.get_by_role("button", name="dot product").press("Enter")
    expect(panel.get_by_role("listitem")).to_have_text(["·woman9.50", "·$x$7.25"])
    expect(page.locator(".llm-spoke")).to_have_count(2)
    panel.get_by_role("listitem").first.get_by_role("button").focus()
    expect(tooltip(page)).to_have_text("·woman · id 3 · word")

    page.get_by_label("whole token").check()
    search.fill("·king")
    expect(options).to_have_count(1)
    search.press("Escape")
    expect(options).to_have_count(0)

    page.get_by_role("button", name="Save").or_(page.locator("summary", has_text="Save")).focus()
    page.keyboard.press("Tab")
    expect(canvas(page)).to_be_focused()
    assert float(canvas(page).evaluate("c => getComputedStyle(c).outlineWidth").removesuffix("px")) >= 2
    expect(page.locator(".llm-aim")).to_have_count(2)
    before = place(page)
    page.keyboard.press("ArrowRight")
    settled(page)
    assert place(page)[0] == pytest.approx(before[0] - 40, abs=1)
    page.keyboard.press("0")
    for key in ("+", "=", "-", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(panel).to_contain_text(re.compile(r"x\d+"))
    name = panel.locator("strong").text_content()
    expect(page.locator("[aria-live=polite]")).to_have_text(f"Pinned: {name}")
    page.keyboard.press("Escape")
    expect(panel).to_contain_text("Click a point")


def test_kinds_of_tokens_can_be_hidden(opened):
    page = opened(crowd())
    piece = page.get_by_role("button", name=re.compile(r"^piece \(2,991\)"))
    piece.press("Enter")
    expect(piece).to_have_attribute("aria-pressed", "false")
    expect(reading(page)).to_contain_text("9 of 3,000 tokens")
    coloured = """canvas => { const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let n = 0; for (let i = 0; i < data.length; i += 4) n += data[i] !== 255; return n; }"""
    few = canvas(page).evaluate(coloured)
    assert 9 * 10 < few < 9 * 60, "nine discs are drawn"
    piece.press("Enter")
    settled(page)
    assert canvas(page).evaluate(coloured) > 10 * few


def test_the_map_in_three_dimensions_can_be_turned(opened, picture):
    page = opened(crowd())
    page.get_by_role("button", name="3-D").click()
    expect(page.get_by_role("button", name="3-D")).to_have_attribute("aria-pressed", "true")
    expect(reading(page)).to_contain_text("these 3 directions capture 80.0%")
    settled(page)
    before = place(page)
    page.mouse.move(*middle(page))
    page.mouse.down()
    page.mouse.move(middle(page)[0] + 90, middle(page)[1] + 40, steps=5)
    page.mouse.up()
    settled(page)
    turned = place(page)
    assert np.hypot(turned[0] - before[0], turned[1] - before[1]) > 5
    page.keyboard.press("ArrowLeft")
    settled(page)
    assert place(page) != turned
    picture("embedding_3d_light")


def test_the_map_shows_either_neighbours_or_an_analogy(opened):
    page = opened(crowd())
    expect(page.locator(".llm-spoke")).to_have_count(3)
    expect(page.locator(".llm-arrow")).to_have_count(0)
    page.get_by_role("button", name="Analogy").press("Enter")
    expect(page.locator(".llm-arrow")).to_have_count(2)
    expect(page.locator(".llm-spoke")).to_have_count(0)
    expect(page.get_by_label("The pinned token")).to_be_hidden()
    page.locator(".llm-answers button").first.press("Enter")  # this asks for the answer's neighbours
    expect(page.locator(".llm-answers")).to_be_hidden()
    expect(page.get_by_role("button", name="Neighbours")).to_be_focused()


def test_a_map_with_no_tokens_in_view_offers_a_reset(opened):
    page = opened(crowd())
    back = page.get_by_role("button", name="No tokens in view: reset")
    expect(back).to_be_hidden()
    canvas(page).focus()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    expect(back).to_be_visible()
    back.press("Enter")
    expect(back).to_be_hidden()
    expect(canvas(page)).to_be_focused()
    for kind in page.locator(".llm-legend button").all():
        kind.click()
    back.click()  # all kinds were hidden
    expect(page.locator(".llm-legend button").first).to_have_attribute("aria-pressed", "true")
    expect(back).to_be_hidden()


def names_apart(page):
    """Return whether no two names on the map overlap; their boxes have a halo of 3 pixels on each side."""
    boxes = [text.bounding_box() for text in page.locator(".llm-plot svg text").all()]

    def overlap(a, b, start, size):
        return min(a[start] + a[size], b[start] + b[size]) - max(a[start], b[start])

    pairs = [(a, b) for k, a in enumerate(boxes) for b in boxes[:k]]
    return len(boxes) > 1 and all(min(overlap(a, b, "x", "width"), overlap(a, b, "y", "height")) < 7 for a, b in pairs)


def test_the_t_sne_map_is_shown_with_a_caution(opened):
    page = opened(crowd())
    expect(page.get_by_role("button", name="t-SNE")).to_have_count(0)  # a page without Python cannot make this map
    view = crowd()
    generator = np.random.default_rng(1)
    view.set_near(generator.normal(size=(3000, 2)) * 0.1 + [3.0, 5.0], 200)
    view.neighbours = {"of": 0, "cosine": [[row, 0.5] for row in range(1, 9)] + [[2000, 0.1]], "dot": []}
    page = opened(view)
    page.get_by_role("button", name="t-SNE").press("Enter")
    expect(reading(page)).to_contain_text("200 of 3,000 tokens. t-SNE keeps neighbours together; the sizes of groups")
    expect(page.get_by_role("button", name=re.compile(r"^piece \(191\)"))).to_be_visible()
    settled(page)
    assert names_apart(page)
    rings = page.locator(".llm-plot circle[r='3.5'][stroke-width='1.5']")
    expect(rings).to_have_count(1)  # row 2000 has a place on this map but is not drawn as a point
    page.get_by_role("button", name="2-D").click()
    expect(reading(page)).to_contain_text("3,000 of 3,000 tokens")


def test_exported_pictures_show_what_is_on_the_screen(opened):
    page = opened(crowd())
    page.get_by_role("button", name="Analogy").click()
    root = check_exports(page, page.locator(".llm-embeddings"), "embeddings", html=False)
    texts = list(root.itertext())
    assert {"·king", "·queen", "·man", "piece (2,991)"} <= set(texts)
    assert len(root.findall(".//{*}image")) == 1
    assert len(root.findall(".//{*}path[@class='llm-arrow']")) == 2


def test_awkward_tokens_can_be_found_and_a_single_token_is_shown(opened):
    page = opened(crowd())
    for typed, shown in (("<b>", "<b>king</b>"), ("$", "·$x$"), ("שלום", "שלום"), ("🙂", "🙂")):
        page.get_by_role("combobox").fill(typed)
        expect(page.get_by_role("option").first).to_contain_text(shown)
        page.keyboard.press("Enter")
        expect(page.locator(".llm-chosen strong")).to_have_text(shown)
    expect(page.locator(".llm-embeddings b")).to_have_count(0)
    page = opened(embeddings_view([" alone"], np.zeros((1, 2)), chosen=0))
    expect(page.get_by_role("button", name="3-D")).to_have_count(0)
    assert place(page) == pytest.approx(middle(page), abs=1)
    page.get_by_label("Zoom in").click()
    page.mouse.move(*middle(page))
    expect(tooltip(page)).to_have_text("·alone · id 0 · token")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_are_readable_and_a_narrow_page_needs_no_sideways_scrolling(opened, picture, theme):
    page = opened(crowd(), theme)
    picture(f"embedding_map_{theme}")
    page.get_by_role("combobox").fill("x1")
    page.keyboard.press("ArrowDown")
    settled(page)
    picture(f"embedding_search_{theme}")
    assert page.locator(".llm-embeddings").evaluate(UNREADABLE) == []
    page = opened(crowd(), theme, width=560)
    picture(f"embedding_narrow_{theme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 560

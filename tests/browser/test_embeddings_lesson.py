"""Lesson 02 in a real JupyterLab: both explorers by mouse and by keyboard, in both themes."""

import re

import pytest
from playwright.sync_api import expect

from browser.exports import check_exports
from llmlib.explore.embeddings import explore_rotary

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.network
@pytest.mark.timeout(900)
def test_explore_the_table_and_turn_the_dials(bench):
    page = bench.lesson("02_embeddings.ipynb")
    table = page.locator(".llm-embedding").first
    table.evaluate("node => node.scrollIntoView()")
    explore(bench, page, table)
    view = page.locator(".llm-rotary-view").first
    view.evaluate("node => node.scrollIntoView()")
    turn(page, view)
    bench.look("embeddings_rotary", view)
    check_exports(page, view, "rotary")


def explore(bench, page, view):
    """Ask Python for neighbours and analogies, from the map of all tokens."""
    panel, near = view.get_by_label("The chosen token"), view.locator(".llm-chosen li")
    expect(view.locator(".llm-reading")).to_contain_text("49,152 of 49,152 tokens")
    expect(near).to_have_count(12)
    expect(near.first).to_contain_text("·King")
    view.locator(".llm-tools").evaluate("node => node.scrollIntoView()")
    bench.look("embeddings_map", view)
    search = view.get_by_role("combobox")
    search.fill("·Monday")
    search.press("Enter")
    expect(panel).to_contain_text("·Monday")
    expect(near.first).to_contain_text("·Tuesday")
    panel.get_by_role("button", name="dot product").click()
    expect(near.first).to_contain_text("·strugg")
    near.first.get_by_role("button").click()  # a neighbour becomes the chosen one
    expect(panel.locator("strong")).to_have_text("·strugg")
    expect(near).to_have_count(12)

    fields = [view.get_by_label(f"Analogy: token {letter}") for letter in "abc"]
    expect(fields[2]).to_have_value("·king")
    for field, word in zip(fields, ("Germany", "German", "Itally")):
        field.fill(word)
    fields[2].press("Enter")
    expect(view.locator(".llm-analogy .llm-notice")).to_contain_text("“Itally” is no token")
    expect(fields[2]).to_be_focused()
    fields[2].fill("Italy")
    fields[2].press("Enter")
    expect(view.locator(".llm-analogy td button").first).to_have_text("·Italian")
    expect(view.locator(".llm-arrow")).to_have_count(2)
    view.get_by_role("button", name="3-D").click()
    view.locator(".llm-plot canvas").focus()
    for key in ("ArrowLeft", "ArrowDown", "+", "+", "b", "m", "0"):  # to JupyterLab these would mean something else
        page.keyboard.press(key)
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    expect(view.locator(".llm-plot canvas")).to_be_focused()
    view.locator(".llm-tools").evaluate("node => node.scrollIntoView()")
    bench.look("embeddings_analogy", view)
    root = check_exports(page, view, "embeddings")
    assert {"·Germany", "·German", "·Italy", "·Italian"} <= set(root.itertext())


def test_the_saved_page_works_without_python(page, tmp_path):
    page.goto(explore_rotary().save(tmp_path / "rotary.html").as_uri())
    turn(page, page.locator(".llm-rotary-view"))
    assert page.foreign == []


def turn(page, view):
    total, query, key = (
        view.locator(".llm-sum"),
        view.get_by_label("Position of the query"),
        view.get_by_label("Position of the key"),
    )
    expect(view.get_by_role("listitem")).to_have_count(8)
    expect(total).to_contain_text("Distance 6: dot product 6.445")
    dial = view.locator(".llm-hand-key").first
    before = dial.get_attribute("x2")
    view.get_by_label("Move both together").focus()
    page.keyboard.press("ArrowRight")
    expect(total).to_contain_text("Distance 6: dot product 6.445")  # both have turned, and nothing has changed
    expect(dial).not_to_have_attribute("x2", before)
    expect(key).to_have_value("15")
    query.focus()
    page.keyboard.press("Home")  # the key gives way
    expect(key).to_have_value("0")
    expect(total).to_contain_text("Distance 0: dot product 8.000")
    curve = view.get_by_role("img", name=re.compile("Dot product over the distance"))
    box = curve.bounding_box()
    curve.click(position={"x": box["width"] * (50 + 690 * 100 / 200) / 760, "y": box["height"] / 2})
    expect(total).to_contain_text("Distance 100:")

"""Lesson 02 in a real JupyterLab: the rotary explorer by mouse and by keyboard, in both themes."""

import re

import pytest
from playwright.sync_api import expect

from llmlib.explore_embeddings import explore_rotary

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.network
@pytest.mark.timeout(900)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_run_all_and_turn_the_dials(run_all, picture, theme):
    page = run_all("02_embeddings.ipynb", theme)
    view = page.locator(".llm-rotary-view").first
    view.evaluate("node => node.scrollIntoView()")
    turn(page, view)
    picture(f"embeddings_rotary_{theme}")
    assert page.foreign == []


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

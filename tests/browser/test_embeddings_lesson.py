"""Lesson 02 in a real JupyterLab: the embeddings view by mouse and by keyboard, in both themes."""

import pytest
from playwright.sync_api import expect

from browser.exports import check_exports

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.network
@pytest.mark.timeout(900)
def test_the_embedding_table_can_be_explored(bench):
    page = bench.lesson("02_embeddings.ipynb")
    table = page.locator(".llm-embeddings").first
    table.evaluate("node => node.scrollIntoView()")
    explore_table(bench, page, table)


def explore_table(bench, page, view):
    """Ask Python for neighbours and analogies on the map of all tokens."""
    panel, near = view.get_by_label("The pinned token"), view.locator(".llm-chosen li")
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
    near.first.get_by_role("button").click()  # a neighbour becomes the chosen token
    expect(panel.locator("strong")).to_have_text("·strugg")
    expect(near).to_have_count(12)

    view.get_by_role("button", name="Analogy").click()
    fields = [view.get_by_label(f"Analogy: token {letter}") for letter in "abc"]
    expect(fields[2]).to_have_value("·king")
    for field, word in zip(fields, ("Germany", "German", "Itally")):
        field.fill(word)
    fields[2].press("Enter")
    expect(view.locator(".llm-analogy .llm-notice")).to_contain_text("“Itally” is not a token")
    expect(fields[2]).to_be_focused()
    fields[2].fill("Italy")
    fields[2].press("Enter")
    expect(view.locator(".llm-analogy td button").first).to_have_text("·Italian")
    expect(view.locator(".llm-arrow")).to_have_count(2)
    view.get_by_role("button", name="3-D").click()
    view.locator(".llm-plot canvas").focus()
    for key in ("ArrowLeft", "ArrowDown", "+", "+", "b", "m", "0"):  # in JupyterLab, these keys mean something else
        page.keyboard.press(key)
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    expect(view.locator(".llm-plot canvas")).to_be_focused()
    view.locator(".llm-tools").evaluate("node => node.scrollIntoView()")
    bench.look("embeddings_analogy", view)
    root = check_exports(page, view, "embeddings")
    assert {"·Germany", "·German", "·Italy", "·Italian"} <= set(root.itertext())

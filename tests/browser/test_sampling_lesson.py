"""Lesson 07 in a real JupyterLab: the sampling lab on SmolLM2."""

import pytest
from playwright.sync_api import expect

from browser.sampling_acts import tab, written

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.timeout(600)
def test_tokens_can_be_taken_and_their_branches_seen(bench):
    page = bench.lesson("07_sampling.ipynb")
    view = page.locator(".llm-sampling")
    view.evaluate("node => node.scrollIntoView()")
    expect(view).to_contain_text("Once upon a time, there was a")
    bars = view.locator(".llm-next li button")
    expect(bars.first).to_contain_text("small")  # SmolLM2's likeliest token
    bars.first.click()
    expect(written(view)).to_have_count(1)
    bars.first.click()
    expect(written(view)).to_have_count(2)
    bench.look("lesson_07_lab", view)
    tab(view, "Branches")
    expect(view.locator("[role=treeitem]")).to_have_count(3)

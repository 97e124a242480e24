"""Lesson 07 in a real JupyterLab, as it is stored: its plots and questions, in both themes."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.timeout(300)
def test_look_at_plots_and_choose(bench):
    bench.open("07_sampling.ipynb")
    look_at_the_plots(bench, bench.page)
    choose(bench, bench.page)


def look_at_the_plots(bench, page):
    plots = page.locator(".jp-OutputArea-output img")
    expect(plots).to_have_count(5)
    for number, plot in enumerate(plots.all()):
        plot.scroll_into_view_if_needed()
        expect(plot).to_be_in_viewport()  # JupyterLab draws far cells only when they are near
        bench.look(f"lesson_07_plot_{number}")


def choose(bench, page):
    quiz = page.get_by_role("group", name="Quiz: open the choice that you think is right")
    quiz.scroll_into_view_if_needed()
    expect(quiz.get_by_role("group")).to_have_count(5)
    quiz.get_by_text("Form and content", exact=True).click()
    expect(quiz.get_by_text("all answers were valid, and a part of their fields was wrong")).to_be_visible()
    quiz.get_by_text("The form, if the text is not cut off before its end").click()
    expect(quiz.get_by_text("Whether the fields are right, no mask knows")).to_be_visible()
    bench.look("lesson_07_quiz", quiz)

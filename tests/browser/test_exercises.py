"""Reports, tasks and questions in JupyterLab: in both themes, and in a notebook that is not trusted."""

import re

import nbformat
import pytest
from playwright.sync_api import expect

from browser.bench import KERNEL
from llmlib.exercises import check, predict

pytestmark = pytest.mark.browser

CELLS = [
    "from llmlib.exercises import check, hint, predict, progress, quiz, solution, task",
    'predict("attention.no_scaling")',
    'task("attention.scaled_dot_product")',
    """def attention(q, k, v, mask):
    ...

check("attention.scaled_dot_product", attention)""",
    """def attention(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / q.shape[-1]
    return (scores * mask).softmax(-1) @ v

check("attention.scaled_dot_product", attention)""",
    """def attention(q, k, v, mask):
    return q @ k @ v

check("attention.scaled_dot_product", attention)""",
    """def split(x, n_heads):
    return 1.1 * x.unflatten(-1, (n_heads, -1)).transpose(1, 2)

check("attention.split_heads", split)""",
    """def split(x, n_heads):
    return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)

check("attention.split_heads", split)""",
    "progress()",
]


def test_reports_are_shown_in_jupyterlab(bench):
    page = bench.page
    page.set_viewport_size({"width": 1200, "height": 3600})
    bench.open("exercises.ipynb", CELLS)
    bench.run()
    reports = page.locator(".llm-report")
    assert reports.count() == len(CELLS) - 2  # the imports show nothing, and the question is a live view, not a report
    for text in (
        "instead of √d_head",
        "which is a score like any other",
        "in line 2",
        "1.1 times as much",
        "Correct, in all",
    ):
        assert page.get_by_text(text).count(), text

    bench.look("exercises", reports)
    link = page.get_by_role("link", name="03 Attention")  # JupyterLab resolves links to files, and opens them
    expect(link).to_have_attribute("href", re.compile("notebooks/03_attention.ipynb"))


QUIZ = [
    "from llmlib.exercises import predict, progress, quiz, warm_up",
    'quiz("attention")',
    'warm_up("interpret")',
    'warm_up("attention")',
]


def test_a_quiz_taken_by_keyboard_is_scored_and_missed_questions_come_back(bench):
    page = bench.page
    page.set_viewport_size({"width": 1280, "height": 1900})
    bench.open("quiz.ipynb", QUIZ)
    bench.run()
    view = page.locator(".llm-questions")
    view.wait_for()
    groups, status = view.get_by_role("group").filter(has=page.locator("details")), view.get_by_role("status").first
    wanted = [False, True, False]
    first = None
    for number, right in enumerate(wanted):
        choice = groups.nth(number).locator("details.llm-right" if right else "details.llm-wrong").first
        choice.locator("summary").focus()
        page.keyboard.press("Enter" if number % 2 else "Space")
        expect(choice).to_have_class(re.compile("llm-first"))
        assert choice.locator("p strong").inner_text() == ("Right." if right else "Not quite.")
        expect(choice.locator("summary")).to_be_focused()
        first = first or choice
    groups.first.locator(".llm-right summary").click()  # a second choice shows its reason and does not change the score
    expect(groups.first.locator(".llm-right")).not_to_have_class(re.compile("llm-first"))
    expect(status).to_have_text(
        "1 of 3 right on the first try. What you missed will come up again in the warm-up of a later lesson."
    )
    summary = "3 of 8 answered, 1 right on the first try, 2 will come back"
    bench.expect("[row[-1] for row in progress().parts[1].rows if row[-1]]", repr([summary]))
    bench.look("quiz", view)

    bench.run()
    again = page.locator(".llm-questions").last
    expect(again.locator("em")).to_have_text(["From lesson 03:"] * 2)
    expect(page.locator(".llm-report", has_text="Nothing to repeat today")).to_be_visible()
    for group in again.get_by_role("group").filter(has=page.locator("details")).all():
        group.locator(".llm-right summary").click()
    expect(again.get_by_role("status").first).to_have_text("2 of 2 right on the first try. Well done!")
    bench.expect("warm_up('interpret').kind", "'help'")
    bench.look("warm_up", page.locator(".llm-questions, .llm-report"))
    assert bench.problems == []


def test_a_saved_quiz_shows_its_choices_when_it_is_opened_again(bench):
    bench.open("quiz_again.ipynb", QUIZ[:2])
    bench.run()
    bench.page.locator(".llm-questions").wait_for()
    bench.save()
    bench.page.goto("about:blank")
    bench.end_kernels()
    bench.open("quiz_again.ipynb")
    output = bench.page.locator(".jp-OutputArea-output").last
    expect(output).to_contain_text("Run the cell again to use the view")
    choice = output.locator("details").first
    choice.locator("summary").click()
    assert choice.locator("p strong").is_visible()
    assert bench.problems == []


def test_questions_and_reports_work_in_a_notebook_that_is_not_trusted(bench):
    cells = []
    for shown in (predict("attention.no_scaling"), check("attention.causal_mask", None)):
        cell = nbformat.v4.new_code_cell("# from elsewhere", execution_count=1)
        data = {"text/plain": repr(shown), "text/html": shown._repr_html_()}
        cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
        cells.append(cell)
    bench.store("foreign.ipynb", nbformat.v4.new_notebook(cells=cells, metadata=KERNEL))
    bench.open("foreign.ipynb")
    page = bench.page
    page.get_by_text("Not attempted yet.").wait_for()
    choice = page.locator(".jp-OutputArea details").first
    choice.locator("summary").click()
    assert choice.locator("strong").is_visible()
    bench.look("exercises_not_trusted")

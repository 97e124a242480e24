"""Reports, tasks and questions as JupyterLab shows them: in both themes, and in a notebook that is not trusted."""

import nbformat
import pytest

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


def test_reports_in_jupyterlab(bench):
    page = bench.page
    page.set_viewport_size({"width": 1200, "height": 3600})
    bench.open("exercises.ipynb", CELLS)
    bench.run()
    reports = page.locator(".llm-report")
    assert reports.count() == len(CELLS) - 1
    for text in (
        "instead of √d_head",
        "which is a score like any other",
        "in line 2",
        "1.1 times as much",
        "Correct, in all",
    ):
        assert page.get_by_text(text).count(), text

    choice = page.locator(".llm-report details").first
    choice.locator("summary").focus()
    page.keyboard.press("Enter")
    assert choice.get_attribute("open") is not None
    assert choice.locator("p strong").inner_text() in ("Right.", "Not quite.")
    bench.look("exercises", reports)


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

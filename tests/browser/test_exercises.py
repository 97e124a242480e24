"""Reports, tasks and questions as JupyterLab shows them: in both themes, and in a notebook that is not trusted."""

import nbformat
import pytest

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


@pytest.fixture
def write(lab, tmp_path_factory):
    """Put a notebook into the folder that JupyterLab serves."""
    folder = next(tmp_path_factory.getbasetemp().glob("lab*/notebooks"))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}  # else JupyterLab asks for one

    def write(cells, name):
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / name)

    return write


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_reports_in_jupyterlab(write, run_all, page, picture, theme):
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    write(cells, f"exercises_{theme}.ipynb")
    page.set_viewport_size({"width": 1200, "height": 3600})
    run_all(f"exercises_{theme}.ipynb", theme)
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
    picture(f"exercises_{theme}")
    assert page.evaluate(CONTRASTS) == []
    assert page.foreign == []


# Text whose contrast with what is behind it is under 4.5 : 1 (WCAG AA).
CONTRASTS = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll(".llm-report *")].filter((node) =>
    [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()) && node.tagName !== "STYLE"
  ).map((node) => {
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), `${node.tagName}.${node.className} ${node.textContent.slice(0, 30)}`];
  }).filter(([ratio]) => ratio < 4.5).map(([ratio, what]) => `${ratio.toFixed(2)} ${what}`);
}"""


def test_questions_and_reports_work_in_a_notebook_that_is_not_trusted(write, lab, page, picture):
    cells = []
    for shown in (predict("attention.no_scaling"), check("attention.causal_mask", None)):
        cell = nbformat.v4.new_code_cell("# from elsewhere", execution_count=1)
        data = {"text/plain": repr(shown), "text/html": shown._repr_html_()}
        cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
        cells.append(cell)
    write(cells, "foreign.ipynb")
    page.goto(lab("notebooks/foreign.ipynb"))
    page.get_by_text("Not attempted yet.").wait_for()
    choice = page.locator(".jp-OutputArea details").first
    choice.locator("summary").click()
    assert choice.locator("strong").is_visible()
    picture("exercises_not_trusted")

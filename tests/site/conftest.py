"""Build a small site once: its first lesson has a view and a question, its second an exercise and a side path."""

import importlib.util
import sys
from pathlib import Path

import nbformat
import pytest
from needs import skip_or_fail

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

# A lesson may reuse names of Python's own functions, and must still run.
VIEW = """from llmlib import attention_view

id = len = str = 3
attention_view(["one", "two"], [[[[1.0, 0.0], [0.3, 0.7]]]])"""
CHECK = 'def causal_mask(n_query, n_key):\n    ...\n\n\ncheck("attention.causal_mask", causal_mask)'


def markdown(source):
    return nbformat.v4.new_markdown_cell(source)


def code(source, **data):
    outputs = [nbformat.v4.new_output("execute_result", data=data, execution_count=1)] if data else []
    return nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=1)


def html_of(source):
    return {"text/html": source, "text/plain": "in words"}


def lessons(folder):
    """Write two lessons as notebooks with stored outputs; return their paths."""
    from matplotlib.figure import Figure

    from llmlib import attention_view
    from llmlib.exercises import predict
    from llmlib.style import picture_html

    view = attention_view(["one", "two"], [[[[1.0, 0.0], [0.3, 0.7]]]])
    first = [
        markdown("# 01 · One\n\nWords.\n\n**The promise:** you *see* a view.\n\n**Time:** two minutes; no more.\n"),
        markdown(r"## A view" + "\n\n" + r"Here $\frac{1}{n}\sum_i x_i$ is a mean, and so is" + "\n\n$$\\bar x$$"),
        nbformat.v4.new_code_cell("raise SystemExit", metadata={"tags": ["skip-execution"]}),
        code(VIEW, **html_of(view.still_html())),
        code(
            'from llmlib.exercises import predict\n\npredict("attention.no_scaling")',
            **html_of(predict("attention.no_scaling")._repr_html_()),
        ),
        markdown("## In your own notebook\n\nTry it:"),
        code(
            "mine = attention_view",
            **html_of('<p><a href="02_two.ipynb">Go on</a>, not <a href="03_three.ipynb">far</a>.</p>'),
        ),
        markdown(
            "## Summary\n\nOn to [Two](02_two.ipynb), not to [Three](03_three.ipynb). See https://example.org/paper."
        ),
    ]
    figure = Figure(figsize=(2, 1))
    figure.savefig(folder / "plot.png")
    picture = picture_html((folder / "plot.png").read_bytes(), "A plot without anything in it.")
    second = [
        markdown("# 02 · Two\n\nOthers.\n\n**The promise:** you solve an exercise.\n\n**Time:** two minutes; no more."),
        markdown("## An exercise"),
        code(CHECK, **html_of("<p>Not attempted yet.</p>")),
        markdown("### Side path: a plot (1 minute)\n\nIt is folded."),
        code("show_plot('A plot without anything in it.')", **html_of(picture)),
        markdown("#### Deep inside\n\n" + "A [script](../data/experiments.py)."),
        markdown("## The end"),
    ]
    paths = []
    for name, cells in (("01_one", first), ("02_two", second)):
        paths.append(folder / f"{name}.ipynb")
        nbformat.write(nbformat.v4.new_notebook(cells=cells), paths[-1])
    return paths


@pytest.fixture(scope="session")
def two_lessons(tmp_path_factory):
    return lessons(tmp_path_factory.mktemp("notebooks"))


@pytest.fixture(scope="session")
def site(two_lessons, tmp_path_factory):
    """The folder of the built site; the one view in it was made by running its lesson."""
    for module in ("sphinx", "furo", "myst_nb"):
        if importlib.util.find_spec(module) is None:
            skip_or_fail(f"no {module}; install what the web edition needs: pip install -e '.[site]'")
    from edition.building import build

    folder = tmp_path_factory.mktemp("built")
    build(folder / "site", two_lessons, cache=folder / "views", whole=False)
    return folder / "site"


@pytest.fixture(scope="session")
def address(site):
    """The address at which a web server serves the site."""
    from edition.looking import served

    with served(site) as address:
        yield address

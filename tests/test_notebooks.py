"""Every committed lesson follows these rules. (nbval runs the lessons and checks their outputs.)"""

import re
import runpy
import subprocess
import venv
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from lesson_pages import (
    LONGEST_LINE,
    borrowed_from_side_paths,
    cells_on_roads,
    changed_after_side_paths,
    columns,
    minutes_of_roads,
    taken_from_mine_and_redefined,
)

FOLDER = Path(__file__).parent.parent / "notebooks"
LESSONS = sorted(FOLDER.glob("*.ipynb"))
VIEW = "application/vnd.jupyter.widget-view+json"
NOT_RUN = "skip-execution"


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(lesson):
    return [cell for cell in lesson.cells if cell.cell_type == "code"]


def test_there_are_lessons():
    assert "00_welcome.ipynb" in {path.name for path in LESSONS}


def test_a_lesson_is_a_valid_notebook_for_the_python_kernel(lesson):
    nbformat.validate(lesson)
    assert lesson.metadata.kernelspec.name == "python3"
    assert "widgets" not in lesson.metadata


def test_outputs_come_from_a_single_run_of_all_cells_in_order(lesson):
    run = [cell for cell in code_cells(lesson) if cell.source.strip() and NOT_RUN not in cell.metadata.get("tags", [])]
    counts = [cell.execution_count for cell in run]
    assert counts == list(range(1, len(counts) + 1))
    assert sum(bool(cell.outputs) for cell in code_cells(lesson)) > len(counts) / 3


@pytest.fixture(scope="module")
def first_cell():
    """The cell that installs the course, as `python notebooks/first_cell.py` puts it into each lesson."""
    return runpy.run_path(str(FOLDER / "first_cell.py"))["first_cell"]()


def test_a_lesson_begins_with_the_cell_that_installs_the_course(lesson, first_cell):
    found = [(n, cell) for n, cell in enumerate(lesson.cells) if NOT_RUN in cell.metadata.get("tags", [])]
    (place, cell), *others = found or [(None, first_cell)]
    assert (place, others) == (1, []), "run: python notebooks/first_cell.py"
    assert (cell.source, cell.metadata) == (first_cell.source, first_cell.metadata), (
        "run: python notebooks/first_cell.py"
    )
    assert cell.execution_count is None
    assert cell.outputs == []


PIP = """import pathlib, sys, sysconfig
print("pip", *sys.argv[1:])
assert pathlib.Path("course/pyproject.toml").is_file()
(pathlib.Path(sysconfig.get_path("purelib")) / "llmlib.py").touch()
"""


def test_the_first_cell_installs_the_course_if_it_is_missing(first_cell, tmp_path):
    """The environment is bare.

    A folder stands in for the web address, and a script stands in for pip, which would download torch.
    """
    home, bare, away = (tmp_path / name for name in ("home", "bare", "away"))
    (home / "notebooks").mkdir(parents=True)
    (home / "notebooks" / "lesson.ipynb").touch()
    (home / "pyproject.toml").touch()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a", "-C", str(home)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *command], check=True)
    venv.create(bare, with_pip=False)
    away.mkdir()
    python = next(path for path in (bare / "bin/python", bare / "Scripts/python.exe") if path.exists())
    packages = next(bare.glob("[lL]ib/**/site-packages"))
    (packages / "pip").mkdir()
    (packages / "pip" / "__main__.py").write_text(PIP)
    last = "import llmlib; print(os.path.basename(os.getcwd()), os.listdir())"

    def run():
        code = [str(python), "-I", "-u", "-c", f"{first_cell.source}\n{last}"]
        return subprocess.run(code, cwd=away, input=f"{home}\n", capture_output=True, text=True, check=True).stdout

    assert run().endswith("pip install --quiet ./course[course]\nnotebooks ['lesson.ipynb']\n")
    assert run() == "notebooks ['lesson.ipynb']\n"  # after a restart of the kernel: nothing is asked or fetched again


def test_no_output_is_an_error_or_a_live_view(lesson):
    for cell in code_cells(lesson):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert VIEW not in output.get("data", {}), cell.source


def test_images_have_alternative_texts(lesson):
    for cell in code_cells(lesson):
        for output in cell.outputs:
            for tag in re.findall(r"<img[^>]*>", "".join(output.get("data", {}).get("text/html", ""))):
                assert re.search(r'alt="[^"]{10,}"', tag), tag[:200]


def test_every_plot_is_shown_with_a_description(lesson):
    """`show_plot` asks for a description. A plot that is shown in any other way has none."""
    for cell in code_cells(lesson):
        assert not [output for output in cell.outputs if "image/png" in output.get("data", {})], cell.source
        assert "plt.show(" not in cell.source, cell.source


def test_outputs_that_vary_between_machines_are_marked_by_tags_not_in_code(lesson):
    for cell in code_cells(lesson):
        assert "NBVAL" not in cell.source, cell.source
        if any("<Plot: " in output.get("data", {}).get("text/plain", "") for output in cell.outputs):
            assert "nbval-ignore-output" in cell.metadata.get("tags", []), cell.source


@pytest.mark.slow
def test_no_line_of_code_needs_scrolling(lesson):
    for cell in code_cells(lesson):
        assert [line for line in cell.source.splitlines() if columns(line) > LONGEST_LINE] == []


def test_headings_go_down_one_step_at_a_time(lesson):
    text = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    levels = [len(signs) for signs in re.findall(r"^(#+) ", re.sub(r"```.*?```", "", text, flags=re.S), re.M)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_cells_are_short(lesson):
    for cell in code_cells(lesson):
        assert len(cell.source.splitlines()) <= 20, cell.source


def test_a_lesson_has_all_its_parts(lesson):
    text = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown").lower()
    for part in ("minutes", "you will be able to", "predict", "in your own notebook", "summary", "references"):
        assert part in text, f"the lesson has no {part!r}"


def test_side_paths_are_folded_and_their_headings_give_the_minutes(lesson):
    """In JupyterLab a folded heading hides its cells up to the next heading of the same level or above."""
    for cell in lesson.cells:
        if cell.cell_type == "markdown" and "Side path:" in cell.source.splitlines()[0]:
            assert re.fullmatch(r"### Side path: .+ \(\d+ minutes\)", cell.source.splitlines()[0])
            assert cell.metadata.get("jp-MarkdownHeadingCollapsed") is True


def test_the_main_road_never_resumes_inside_a_cell_of_a_side_path(lesson):
    """JupyterLab folds whole cells.

    A cell with a higher heading further down stays visible, and so does the part of the side path above this heading.
    """
    for cell, is_aside in cells_on_roads(lesson):
        if is_aside and cell.cell_type == "markdown":
            _, *others = re.sub(r"```.*?```", "", cell.source, flags=re.S).splitlines()
            assert not [line for line in others if re.match(r"#{1,3} ", line)], cell.source


def test_the_main_road_needs_no_side_path(lesson):
    assert borrowed_from_side_paths(lesson) == set()


@pytest.mark.slow
def test_a_side_path_can_be_opened_after_the_rest_of_the_lesson(lesson):
    assert not changed_after_side_paths(lesson)


def test_no_exercise_redefines_a_name_that_was_loaded_with_mine(lesson):
    assert taken_from_mine_and_redefined(lesson) == set()


def test_redefined_names_are_found():
    cells = [
        nbformat.v4.new_code_cell('def f(): ...\ncheck("a.f", f)'),
        nbformat.v4.new_code_cell('f, g = (mine(f"a.{name}") for name in "fg")'),
        nbformat.v4.new_code_cell('def g(): ...\n\n\ncheck("a.g", g)'),
    ]
    assert taken_from_mine_and_redefined(nbformat.v4.new_notebook(cells=cells)) == {"g"}


def test_names_that_change_after_a_side_path_are_found():
    cells = [
        nbformat.v4.new_code_cell("x, t = 1, 0\ny = 2\nimport math"),
        nbformat.v4.new_markdown_cell("### Side path: more (5 minutes)"),
        nbformat.v4.new_code_cell("t = 5\nz = x + y + math.pi"),
        nbformat.v4.new_code_cell("print(t)"),
        nbformat.v4.new_markdown_cell("## The main road"),
        nbformat.v4.new_code_cell("for x in 'ab':\n    t = 7\ny = 2\nimport math"),
    ]
    assert changed_after_side_paths(nbformat.v4.new_notebook(cells=cells)) == {"x"}


def test_names_that_the_main_road_takes_from_side_paths_are_found():
    cells = [
        nbformat.v4.new_code_cell("x, y = 1, 2\ndef f(a):\n    return a + later"),
        nbformat.v4.new_markdown_cell("### Side path: more (5 minutes)"),
        nbformat.v4.new_code_cell("x = z = later = 3\ndef g():\n    hidden = 1"),
        nbformat.v4.new_markdown_cell("#### Still there"),
        nbformat.v4.new_code_cell("w = 4"),
        nbformat.v4.new_markdown_cell("## The main road"),
        nbformat.v4.new_code_cell("w = 5\nprint(x, w, [z for z in 'ab'], hidden)\ndef h():\n    return z"),
    ]
    assert borrowed_from_side_paths(nbformat.v4.new_notebook(cells=cells)) == {"z"}


def test_minutes_in_the_tables_are_within_the_limit_and_match_the_headings(lesson):
    """The main road takes at most 90 minutes, and each side path takes as many as its heading says."""
    main, side = minutes_of_roads(lesson)
    assert sum(main.values()) <= 90
    for cell in lesson.cells:
        if path := re.match(r"### Side path: (.+) \((\d+) minutes\)", cell.source):
            stated = [minutes for title, minutes in side.items() if title[1:12] == path[1][1:12]]
            assert stated == [int(path[2])], path[0]

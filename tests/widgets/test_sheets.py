"""Style sheets of views, questions and plots share one page, and none may affect what another one styles."""

import re
from pathlib import Path

import pytest

from llmlib.exercises.engine import asking_view
from llmlib.style import SHEET
from llmlib.widgets.shared.base import SHARED, stylesheet
from llmlib.widgets.shared.runs.view import RunsView

FOLDERS = sorted([path.parent for path in SHARED.parent.glob("*/view.css")] + [Path(asking_view.__file__).parent])


def root_of(folder: Path) -> str:
    """Return the class that a view's JavaScript gives to the element that contains the view."""
    (name,) = re.findall(r'\bwidget\("([\w-]+)"', (folder / "view.mjs").read_text())
    return name


def own_sheets(folder: Path) -> str:
    return stylesheet(folder).removeprefix((SHARED / "shared.css").read_text())


def selectors_of(sheet: str) -> list[str]:
    plain = re.sub(
        r"@keyframes [\w-]+ \{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", re.sub(r"/\*.*?\*/", "", sheet, flags=re.S)
    )
    rules = re.findall(r"([^{}]+)\{", re.sub(r"@(?:media|supports|container)[^{]*\{", "", plain))
    return [selector.strip() for rule in rules for selector in re.split(r",(?![^()]*\))", rule)]


def classes_in(text: str) -> set[str]:
    return set(re.findall(r"\bllm-[\w-]+", text))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_view_styles_nothing_but_itself(folder):
    root = re.compile(rf"\.{root_of(folder)}(?![\w-])")
    assert [one for one in selectors_of(own_sheets(folder)) if not root.search(one)] == []


def test_the_style_sheet_shared_by_run_views_styles_only_their_boards():
    (sheet,) = RunsView.sheets
    assert [one for one in selectors_of(sheet.read_text()) if ".llm-run-board" not in one] == []
    assert stylesheet(FOLDERS[0], RunsView.sheets).startswith((SHARED / "shared.css").read_text() + sheet.read_text())


def test_a_views_own_sheet_comes_before_those_of_its_parts(tmp_path):
    for name in ("b", "view", "a"):
        (tmp_path / f"{name}.css").write_text(f".{name} {{}}\n")
    assert own_sheets(tmp_path) == ".view {}\n.a {}\n.b {}\n"


def test_no_two_views_have_the_same_root_class():
    roots = [root_of(folder) for folder in FOLDERS]
    assert len(set(roots)) == len(roots)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_sheet_that_inverts_plots_in_dark_themes_affects_no_view(folder):
    turned = classes_in(SHEET)
    assert turned
    used = classes_in("".join(path.read_text() for path in folder.iterdir() if path.suffix in {".css", ".mjs"}))
    shared = classes_in("".join(path.read_text() for path in SHARED.rglob("*") if path.suffix in {".css", ".mjs"}))
    assert turned.isdisjoint(used | shared)


def test_hidden_elements_stay_hidden_whichever_sheet_comes_last():
    assert re.search(r"\.llm \[hidden\] \{\s*display: none !important;\s*\}", stylesheet(FOLDERS[0]))

"""The project has no import cycles, its imports go in one direction, and no file is too long."""

import ast
import functools
import importlib.util
from pathlib import Path

import pytest
from import_graph import cycles, import_graph

ROOT = Path(__file__).parent.parent

# What each top-level package or module imports from the others, from the bottom up. The list is exact: adding an
# import is a decision, and so is removing one.
IMPORTS = {
    "_lazy": "",
    "distribution": "",
    "files": "",
    "settings": "",
    "devices": "",
    "style": "",
    "tokenization": "files",
    "hooks": "",
    "linear": "",
    "embeddings": "",
    "architecture": "settings",
    "layers": "hooks linear architecture",
    "attention": "hooks linear embeddings architecture layers",
    "transformer": "devices hooks linear embeddings architecture layers attention",
    "costs": "transformer",
    "corpora": "files tokenization",
    "pretrained": "files settings devices tokenization embeddings transformer",
    "sampling": "tokenization transformer",
    "interpret": "hooks linear layers transformer sampling",
    "training": "_lazy files settings devices tokenization hooks transformer costs corpora pretrained",
    "chat": "tokenization transformer sampling",
    "finetuning": "_lazy files settings tokenization hooks linear "
    "transformer corpora pretrained sampling training chat",
    "preferences": "_lazy files settings devices tokenization linear attention transformer pretrained sampling "
    "training chat finetuning",
    "scaling": "",
    "evaluation": "_lazy files settings tokenization transformer pretrained sampling training chat "
    "finetuning preferences",
    "retrieval": "_lazy tokenization embeddings transformer interpret",
    "widgets": "_lazy distribution files style",
    "explore": "_lazy files devices tokenization hooks linear embeddings "
    "attention transformer costs interpret sampling training chat preferences scaling evaluation widgets",
    "exercises": "files style tokenization embeddings layers attention transformer "
    "corpora pretrained interpret sampling training finetuning widgets",
}
ENTRY_POINTS = {"llmlib", "cli", "__main__", "doctor", "materials"}  # they may import everything


graph = functools.cache(import_graph)


def top_level(module):
    return module.split(".")[1] if "." in module else module


def test_there_are_no_import_cycles():
    assert cycles(graph()) == []


def test_imports_are_exactly_those_listed():
    imported = {top_level(module): set() for module in graph() if top_level(module) not in ENTRY_POINTS}
    for module, others in graph().items():
        if top_level(module) in imported:
            imported[top_level(module)] |= set(map(top_level, others)) - {top_level(module)}
    assert imported == {here: set(others.split()) for here, others in IMPORTS.items()}


def test_all_listed_imports_go_in_one_direction():
    order = list(IMPORTS)
    for here, others in IMPORTS.items():
        assert all(order.index(other) < order.index(here) for other in others.split()), here


def test_no_module_imports_the_whole_library_or_the_exercises():
    for module, imported in graph().items():
        assert "llmlib" not in imported, module
        if top_level(module) not in {"exercises", "llmlib", "cli"}:  # cli needs them for `llmlib mine`
            assert not [other for other in imported if top_level(other) == "exercises"], module


def test_no_module_imports_a_package_that_contains_it():
    """A package's `__init__.py` imports its modules, so a module that imports the package would wait for itself."""
    for module, imported in graph().items():
        ancestors = {module.rsplit(".", depth)[0] for depth in range(1, module.count(".") + 1)} - {module}
        assert not ancestors & imported, module


def test_every_package_has_a_short_docstring():
    for init in (ROOT / "llmlib").rglob("__init__.py"):
        text = init.read_text(encoding="utf-8")
        assert text.startswith('"""'), init
        assert len(text.split('"""')[1].strip().splitlines()) <= 12, init


@pytest.mark.parametrize("folder", ["llmlib", "tests", "benchmarks"])
def test_no_file_is_longer_than_400_lines(folder):
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for ending in ("*.py", "*.mjs", "*.css")
        for path in (ROOT / folder).rglob(ending)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_no_line_of_javascript_or_css_is_longer_than_120_characters():
    """The formatter breaks long lines of code, but not comments or strings."""
    long = [
        f"{path.relative_to(ROOT).as_posix()}:{number}"
        for folder in ("llmlib", "tests")
        for ending in ("*.mjs", "*.css")
        for path in sorted((ROOT / folder).rglob(ending))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120
    ]
    assert long == []


@pytest.mark.parametrize(
    "script", sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("data/*.py")]), ids=lambda p: p.name
)
def test_scripts_import_only_names_that_exist(script):
    """No test runs the scripts: they take minutes. Without this test, users would be the first to find a moved name."""
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "llmlib":
            source = importlib.import_module(str(node.module))
            for name in (alias.name for alias in node.names):
                assert hasattr(source, name) or importlib.util.find_spec(f"{node.module}.{name}"), name


def test_every_module_with_shape_annotations_is_checked_while_tests_run(request):
    (option,) = (o for o in request.config.getini("addopts") if o.startswith("--jaxtyping-packages="))
    checked = option.partition("=")[2].split(",")
    for path in (ROOT / "llmlib").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if "import jaxtyping" in (text := path.read_text(encoding="utf-8")) or "from jaxtyping" in text:
            assert any(f"{name}.".startswith(f"{package}.") for package in checked), name


def test_cycles_through_lazy_and_type_only_imports_are_found(tmp_path):
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("def later():\n    from house.b import x\n")
    (package / "b.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.c\n")
    (package / "c.py").write_text("from house import a\n")
    (package / "d.py").write_text("import house.a\n")
    assert cycles(import_graph(tmp_path, "house")) == [["house.a", "house.b", "house.c"]]

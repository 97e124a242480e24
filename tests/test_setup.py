"""All ways to set up the project agree with each other, and imports stay light."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import llmlib
from llmlib.distribution import DISTRIBUTION

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements):
    return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in requirements}


def constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-"): line for line in lines if line and line[0] != "#"}


def test_every_dependency_is_pinned_and_torch_is_limited_to_a_range():
    wanted = names(PROJECT["dependencies"]).union(*map(names, PROJECT["optional-dependencies"].values())) - {
        DISTRIBUTION
    }
    pinned = constraints()
    assert wanted <= pinned.keys()
    assert re.fullmatch(r"torch>=[\d.]+,<\d+", pinned.pop("torch"))
    assert all("==" in line for line in pinned.values())


def test_the_distribution_has_the_name_that_the_library_uses():
    assert PROJECT["name"] == DISTRIBUTION
    of_ours = [line for extra in PROJECT["optional-dependencies"].values() for line in extra if "llmlib" in line]
    assert of_ours == [f"{DISTRIBUTION}[course,site]"]


@pytest.mark.slow
def test_no_text_tells_readers_to_install_the_other_project_called_llmlib():
    """`llmlib` on the package index is another project. pip would replace this library with that project."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    wrong = re.compile(r"(?:install|download|add|upgrade)\b[^\n|]{0,60}?[\s\"'`\\]llmlib(?:\[\w+\])?(?![\w/.-])")
    allowed = re.compile(r"llmlib download|installs? `llmlib`|llmlib is installed|llmlib (?:tune|train|doctor)")
    assert wrong.search('pip install "llmlib[course]"')
    assert wrong.search("uv add -U llmlib")
    for name in filter(None, tracked):
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".yml", ".txt", ".mjs", ".ipynb", ""}:
            text = allowed.sub("", path.read_text(encoding="utf-8", errors="replace"))
            found = wrong.search(text)
            assert not found or name == "tests/test_setup.py", f"{name}: {found and found[0]}"


def test_conda_uses_the_same_list_of_dependencies():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["-c constraints.txt", "-e .[dev]"]
    others = {re.split("[=<>]", entry)[0] for entry in environment["dependencies"] if isinstance(entry, str)}
    assert others == {"python", "pip"}


def test_binder_gets_the_course_and_a_torch_without_cuda(tmp_path):
    environment = yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text())
    assert environment["dependencies"] == ["python=3.12", "pip", "pytorch-cpu"]  # repo2docker and llmlib support 3.12
    for name in ("python", "llmlib", "jupyter"):
        (tmp_path / name).write_text('#!/bin/sh\necho "$(basename $0) $*"\n')
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [ROOT / ".binder" / "postBuild"], cwd=ROOT, env={"PATH": path}, capture_output=True, text=True
    )
    install, download, trust = done.stdout.splitlines()
    assert install.startswith("python -m pip install")
    assert install.endswith("--editable .[course]")
    assert download == "llmlib download"
    assert trust.startswith("jupyter trust notebooks/00_welcome.ipynb")


def test_the_library_alone_needs_no_course_package():
    assert not names(PROJECT["dependencies"]) & names(PROJECT["optional-dependencies"]["course"])


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    "module",
    ["llmlib", "llmlib.tokenization", "llmlib.files.downloads", "llmlib.widgets", "llmlib.cli", "llmlib.materials"],
)
def test_light_modules_do_not_import_torch(module):
    assert run(f"import sys, {module}; print('torch' in sys.modules)") == ["False"]


@pytest.mark.slow
def test_every_public_name_exists_and_is_offered_by_tab_completion():
    code = """
import importlib
packages = {}
for name in ("llmlib", "llmlib.widgets", "llmlib.explore", "llmlib.training"):
    package = importlib.import_module(name)
    packages[package] = set(dir(package))  # before any of its names is loaded
for package, offered in packages.items():
    for name in package.__all__:
        getattr(package, name)
    print(set(package.__all__) <= offered)
"""
    assert run(code) == ["True"] * 4


def test_an_error_for_an_unknown_name_lists_the_existing_names():
    with pytest.raises(AttributeError, match=r"has no attribute 'nonsense'; it offers: .*Transformer"):
        llmlib.nonsense  # noqa: B018


def without(package, code):
    """Return what `code` writes to standard error in a Python that lacks a package."""
    code = f"import sys; sys.modules[{package!r}] = None; {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("traitlets", "from llmlib import attention_view"),
        ("anywidget", "from llmlib.explore import explore_chat"),
        ("anywidget", "import llmlib.widgets"),
    ],
)
def test_the_error_for_a_missing_course_package_says_what_to_install(package, code):
    last = without(package, code).splitlines()[-1]
    assert package in last
    assert last.endswith("run this in the project's folder: pip install '.[course]'")


@pytest.mark.parametrize("package", ["typer", "platformdirs"])
def test_the_command_reports_a_missing_dependency_in_one_line(package):
    (line,) = without(package, "import llmlib.cli").splitlines()
    assert re.fullmatch(rf"llmlib cannot start: .*{package}.*pip install --force-reinstall {package}\..*", line)


@pytest.fixture
def run_make(tmp_path):
    """A function that runs make on a copy of the Makefile, as the user with the given id.

    The set-up only calls pip, and the programs in `.venv` only print how they were called.
    """
    if not shutil.which("make"):
        pytest.skip("needs make")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # set by `make test`

    def make(*arguments, user=1000, pip_ends=0, venv=True):
        scripts = {"bin/id": f"echo {user}"}
        if venv:
            scripts |= {f".venv/bin/{name}": f'echo "{name} $*"' for name in ("llmlib", "jupyter")}
            scripts[".venv/bin/python"] = f'echo "python $*"; exit {pip_ends}'
        for name, script in scripts.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        path = f"{tmp_path / 'bin'}{os.pathsep}{outside['PATH']}"
        return subprocess.run(
            ["make", *arguments], cwd=tmp_path, env={**outside, "PATH": path}, capture_output=True, text=True
        )

    return make


def test_make_reports_a_python_that_does_not_exist(run_make):
    done = run_make("PYTHON=nopython", "lab", venv=False)
    assert done.returncode == 2
    assert done.stdout.startswith("nopython cannot be run. Install Python 3.11 or newer")
    assert "make lab PYTHON=" in done.stdout
    assert "[:" not in done.stderr  # no shell error about the number of workers, which `make lab` does not need


def test_set_up_shows_its_progress_and_is_done_only_once(run_make):
    announced, pip, *opened = run_make("lab", "LAB_ARGS=--port 9").stdout.splitlines()
    assert announced.startswith("Setting up in .venv, once: a few minutes")
    assert pip.startswith("python -m pip install")
    assert "quiet" not in pip
    assert opened[-1] == "jupyter lab notebooks/00_welcome.ipynb --port 9"
    assert run_make("lab", "LAB_ARGS=--port 9").stdout.splitlines() == opened


def test_make_says_what_to_do_if_the_setup_fails_and_then_tries_again(run_make):
    for _ in range(2):
        done = run_make("lab", pip_ends=3)
        assert done.returncode == 2
        assert "Run make lab again" in done.stdout
        assert "jupyter" not in done.stdout


def test_root_is_told_how_to_open_the_course_before_anything_is_set_up(run_make):
    done = run_make("lab", "LAB_ARGS=--no-browser", user=0)
    assert done.returncode == 2
    first, remedy = done.stdout.splitlines()
    assert first.startswith("You are root")
    assert remedy.endswith('make lab LAB_ARGS="--allow-root --no-browser"')
    assert "--allow-root --no-browser" in run_make("lab", "LAB_ARGS=--allow-root --no-browser", user=0).stdout


@pytest.mark.slow
def test_no_file_contains_paths_from_a_developers_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    for name in filter(None, tracked):
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png", ".bin"}:
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not re.search(r"(?<![\w.])/(root|work|home)/\w", text), name

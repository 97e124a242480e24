"""`llmlib download` downloads what the lessons need, reports what it cannot download, and asks first with --ask."""

import dataclasses
import os
import pty
import subprocess
import sys

import nbformat
import pytest
from test_notebooks import LESSONS
from typer.testing import CliRunner

from llmlib import materials
from llmlib.cli import app
from llmlib.files.downloads import DownloadError
from llmlib.materials import MATERIALS, Material


@pytest.fixture
def shelf(monkeypatch):
    """The names of the materials present: at first one of three, and never the last, which cannot be downloaded."""
    brought = []

    def refuse():
        raise DownloadError("moon.txt cannot be reached. Take a rocket.")

    def make(name):
        return Material(name, 2, lambda: name in brought, lambda: brought.append(name))

    here, there = make("here"), make("there")
    here.bring()
    moon = dataclasses.replace(make("moon"), bring=refuse)
    monkeypatch.setattr(materials, "MATERIALS", (here, there, moon))
    return brought


def run(*arguments):
    return CliRunner().invoke(app, ["download", *arguments])


def test_missing_materials_are_downloaded_and_failures_are_reported(shelf):
    result = run()
    assert shelf == ["here", "there"]
    failed = "could not download: moon. moon.txt cannot be reached. Take a rocket."
    assert result.output.splitlines() == ["ready: there", failed]
    assert result.exit_code == 1


def test_nothing_is_downloaded_if_everything_is_here(shelf, monkeypatch):
    monkeypatch.setattr(materials, "MATERIALS", materials.MATERIALS[:1])
    assert run().output == "Everything that the lessons need is here.\n"
    assert run("--ask").output == ""
    assert run("--ask").exit_code == 0


def test_without_a_terminal_the_command_only_reports_what_is_missing(shelf):
    result = run("--ask")
    assert "The lessons still need about 4 MB: there; moon." in result.output
    assert "Run `llmlib download` to download it now" in result.output
    assert (shelf, result.exit_code) == (["here"], 0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals exist only on Unix")
@pytest.mark.parametrize(("answer", "brought"), [(b"\n", True), (b"n\n", False)])
def test_at_a_terminal_the_command_asks_first(tmp_path, answer, brought):
    code = (
        "import sys, pathlib; from llmlib import materials; from llmlib.cli import app; "
        "file = pathlib.Path(sys.argv.pop()); "
        "materials.MATERIALS = (materials.Material('a file', 1, file.exists, file.touch),); app(prog_name='llmlib')"
    )
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", code, "download", "--ask", str(tmp_path / "file")]
    os.write(ours, answer)
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "The lessons still need about 1 MB: a file." in done.stdout
    assert (tmp_path / "file").exists() is brought


def test_python_m_llmlib_runs_the_same_command():
    done = subprocess.run([sys.executable, "-m", "llmlib", "download", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Usage: llmlib download" in done.stdout


def test_with_an_empty_cache_everything_is_missing(private_cache, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(private_cache / "theirs"))
    assert materials.missing() == list(MATERIALS)


@pytest.mark.slow
@pytest.mark.network
def test_after_a_download_no_lesson_needs_a_network():
    """Everything that a lesson loads by name is in the list, and is here after the download."""
    assert materials.bring(MATERIALS, print) == []
    assert materials.missing() == []
    source = "\n".join(cell.source for path in LESSONS for cell in nbformat.read(path, as_version=4).cells)
    listed = " ".join(material.name for material in MATERIALS).lower()
    for name in ("gpt2", "cl100k_base", "o200k_base", "smollm2"):
        assert f'"{name}' not in source or name in listed
    assert "tiny_shakespeare(" not in source

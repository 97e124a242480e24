"""`llmlib doctor` reports what is there, and finds what is wrong."""

import importlib.metadata

import psutil
import pytest
from typer.testing import CliRunner

from llmlib import doctor
from llmlib.cli import app
from llmlib.tokenization.published import SMOLLM2_WHEEL

COURSE = {"jupyterlab", "ipywidgets", "anywidget", "matplotlib", "scikit-learn"}


def run():
    return CliRunner().invoke(app, ["doctor"])


def test_a_healthy_machine_has_no_problems(private_cache, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("memory", (), {"available": 8e9}))
    result = run()
    assert result.exit_code == 0, result.output
    for what in ("Python", "torch", "device", "dtype", "jupyterlab", "anywidget", "memory", "disk", "SmolLM2"):
        assert what in result.output
    assert "Everything is in place." in result.output
    assert "FIX" not in result.output


def test_each_problem_comes_with_a_remedy_and_the_exit_code_is_1(private_cache, monkeypatch):
    private_cache.mkdir()
    (private_cache / SMOLLM2_WHEEL[2].rpartition("/")[2]).write_bytes(b"half a mod")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("memory", (), {"available": 1e9}))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("usage", (), {"free": 1e6}))
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (99, 0))

    monkeypatch.setattr(doctor.importlib.metadata, "version", only("anywidget"))
    result = run()
    assert result.exit_code == 1
    wrong = [finding for finding in doctor.examine() if not finding.ok]
    assert {f.what for f in wrong} == {"Python", "memory", "disk", "SmolLM2", *COURSE - {"anywidget"}}
    assert all(finding.remedy and finding.remedy in result.output for finding in wrong)


def only(*names):
    """Return a replacement for `importlib.metadata.version` that finds only these packages."""
    real = importlib.metadata.version

    def version(name):
        if name in names:
            return real(name)
        raise importlib.metadata.PackageNotFoundError

    return version


def test_an_installation_of_the_library_alone_is_not_a_problem(private_cache, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("memory", (), {"available": 8e9}))
    monkeypatch.setattr(doctor.importlib.metadata, "version", only("matplotlib"))
    result = run()
    assert result.exit_code == 0, result.output
    remedy = "For the lessons, run this in the project's folder: pip install '.[course]'"
    assert f"only the library. {remedy}" in result.output


def test_a_check_that_raises_an_error_counts_as_a_problem(monkeypatch):
    def broken():
        raise RuntimeError("no answer")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    (finding,) = [finding for finding in doctor.examine() if finding.what == "memory"]
    assert not finding.ok
    assert "no answer" in finding.found


def found(what):
    """Return, for each finding with this name, whether it is ok and what it says."""
    return [(finding.ok, finding.found) for finding in doctor.examine() if finding.what == what]


def test_a_course_package_that_is_too_old_is_a_problem(private_cache, monkeypatch):
    installed = {"jupyterlab": "3.0.0", "ipywidgets": "8.1.5", "anywidget": "0.9.2", "matplotlib": "99.0rc1"}
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: installed.get(name) or real(name))
    assert found("jupyterlab") == [(False, "3.0.0, but llmlib needs >=4.3")]
    assert found("ipywidgets") == [(True, "8.1.5")]
    assert found("anywidget") == [(False, "0.9.2, but llmlib needs >=0.9.14")]
    assert found("matplotlib") == [(True, "99.0rc1")]
    assert "run this in the project's folder: pip install '.[course]'" in run().output


def test_the_list_of_course_packages_comes_from_the_course_extra(private_cache, monkeypatch):
    requires = ["torch>=2.6", "new>=1; extra == 'course'", "pytest>=8; extra == 'dev'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: requires)
    assert found("new") == [(False, "not installed")]
    assert not found("jupyterlab")
    assert not found("pytest")


def test_a_mirror_that_is_not_a_folder_is_a_problem(private_cache, tmp_path, monkeypatch):
    assert not found("mirror")
    monkeypatch.setenv("LLMLIB_MIRROR", str(tmp_path))
    assert found("mirror") == [(True, str(tmp_path))]
    monkeypatch.setenv("LLMLIB_MIRROR", str(tmp_path / "nope"))
    assert found("mirror") == [(False, f"{tmp_path / 'nope'} is not a folder")]
    assert run().exit_code == 1


@pytest.mark.parametrize("below", [".", "models"])
def test_a_file_where_the_cache_folder_should_be_is_a_problem(tmp_path, monkeypatch, below):
    (tmp_path / "f").touch()
    monkeypatch.setenv("LLMLIB_CACHE", str(tmp_path / "f" / below))
    assert found("cache") == [(False, f"{tmp_path / 'f'} is not a folder")]
    assert not found("disk")
    assert run().exit_code == 1


def test_a_broken_link_where_the_cache_folder_should_be_is_a_problem(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    monkeypatch.setenv("LLMLIB_CACHE", str(tmp_path / "link"))
    assert found("cache") == [(False, f"{tmp_path / 'link'} is not a folder")]


def test_an_unfinished_download_is_not_reported_as_cached(private_cache):
    private_cache.mkdir()
    (private_cache / "input.txt").touch()
    (private_cache / ".SmolLM2.gguf.k2j3.part").touch()
    assert found("also cached") == [(True, "input.txt")]

"""The doctor tells what is there, and finds what is wrong."""

import importlib.metadata

import psutil
from typer.testing import CliRunner

from llmlib import doctor
from llmlib.cli import app
from llmlib.pretrained import SMOLLM2_WHEEL


def run():
    return CliRunner().invoke(app, ["doctor"])


def test_a_healthy_machine(private_cache, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("memory", (), {"available": 8e9}))
    result = run()
    assert result.exit_code == 0, result.output
    for what in ("Python", "torch", "device", "dtype", "jupyterlab", "anywidget", "memory", "disk", "SmolLM2"):
        assert what in result.output
    assert "Everything is in place." in result.output
    assert "FIX" not in result.output


def test_each_fault_has_a_remedy_and_exit_code_1(private_cache, monkeypatch):
    private_cache.mkdir()
    (private_cache / SMOLLM2_WHEEL[2].rpartition("/")[2]).write_bytes(b"half a mod")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("memory", (), {"available": 1e9}))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("usage", (), {"free": 1e6}))
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (99, 0))

    def not_installed(_):
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(doctor.importlib.metadata, "version", not_installed)
    result = run()
    assert result.exit_code == 1
    wrong = [finding for finding in doctor.examine() if not finding.ok]
    assert {f.what for f in wrong} == {"Python", "memory", "disk", "SmolLM2", *doctor.COURSE_PACKAGES}
    assert all(finding.remedy and finding.remedy in result.output for finding in wrong)


def test_a_look_that_fails_is_a_finding(monkeypatch):
    def broken():
        raise RuntimeError("no answer")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    (finding,) = [finding for finding in doctor.examine() if finding.what == "memory"]
    assert not finding.ok
    assert "no answer" in finding.found

"""Node's own test runner tests the pure functions of the widgets and the site."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from needs import skip_or_fail

from llmlib.widgets import shared
from llmlib.widgets.shared.base import javascript

WIDGETS = Path(shared.__file__).parent.parent
HERE = Path(__file__).parent
FILES = sorted([*(HERE / "js").glob("*.test.mjs"), *(HERE.parent / "site" / "js").glob("*.test.mjs")])


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_the_javascript_tests_pass(file):
    if not shutil.which("node"):
        skip_or_fail("no Node.js; install it to test the widgets' JavaScript")
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", str(file)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"^# pass (\d+)", done.stdout, flags=re.M)[1]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("view", sorted(WIDGETS.glob("*/view.mjs")), ids=lambda path: path.parent.name)
def test_a_view_and_its_imports_can_be_joined_into_one_module(view, tmp_path):
    """In a single file, no two modules may define the same name. Such a clash cannot be seen in either module alone."""
    if not shutil.which("node"):
        skip_or_fail("no Node.js; install it to test the widgets' JavaScript")
    whole = tmp_path / "whole.mjs"
    whole.write_text(javascript(view), encoding="utf-8")
    done = subprocess.run(["node", "--check", str(whole)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "\nimport " not in javascript(view)


@pytest.mark.parametrize("view", sorted(WIDGETS.glob("*/view.mjs")), ids=lambda path: path.parent.name)
def test_a_view_reaches_python_only_through_the_shared_code(view):
    own = "".join(file.read_text(encoding="utf-8") for file in view.parent.glob("*.mjs"))
    if view.parent.name != "shared":
        assert "export default widget(" in own
        for forbidden in ("model.send", "model.set", "save_changes", "model.on", "ResizeObserver"):
            assert forbidden not in own, f"{forbidden}: see the docstring of shared/base.py"

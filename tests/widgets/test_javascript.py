"""The pure functions of the widgets, tested by Node's own test runner."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from needs import skip_or_fail

FILES = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_javascript(file):
    if not shutil.which("node"):
        skip_or_fail("no Node.js; install it to test the widgets' JavaScript")
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", str(file)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"^# pass (\d+)", done.stdout, flags=re.M)[1]) > 0

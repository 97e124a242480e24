"""The code that the README shows runs as it stands there."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.network
def test_the_code_runs_and_knows_the_capital(capsys):
    scope = {}
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, scope)
    assert "Paris" in capsys.readouterr().out
    assert len(scope["t"].pattern) == scope["model"].config.n_layers

"""The code that the README shows runs as it stands there."""

import re
from pathlib import Path

import pytest

from llmlib import tinytales_text

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


def test_a_model_of_one_s_own_text_in_ten_lines(tmp_path, monkeypatch):
    """At its own size it would take minutes: smaller here, and otherwise as it stands there."""
    code = BLOCKS[0]
    statements = [line for line in code.splitlines() if line and not line.startswith(("from ", "    "))]
    assert len(statements) <= 10
    for large, small in (("1000", "300"), ("steps=500", "steps=3, batch_size=2"), ("d_model=128", "d_model=16")):
        assert large in code
        code = code.replace(large, small)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-book.txt").write_text(tinytales_text(5000), encoding="utf-8")
    exec(code, {})
    assert (tmp_path / "my-model" / "config.json").is_file()


@pytest.mark.slow
@pytest.mark.network
def test_the_code_runs_and_knows_the_capital(capsys):
    scope = {}
    assert len(BLOCKS) == 3
    for block in BLOCKS[1:]:
        exec(block.replace("max_new_tokens=50", "max_new_tokens=5"), scope)
    assert "Paris" in capsys.readouterr().out
    assert len(scope["t"].pattern) == scope["model"].config.n_layers

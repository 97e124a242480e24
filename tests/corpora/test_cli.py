"""`llmlib corpus` writes the text, or says why it cannot."""

import pytest
from typer.testing import CliRunner

from llmlib import corpora
from llmlib.cli import app
from llmlib.corpora import tinytales_text


def run(*arguments):
    return CliRunner().invoke(app, ["corpus", "tinytales", *map(str, arguments)])


def test_the_command_writes_the_text(tmp_path):
    out = tmp_path / "new" / "tales.txt"
    done = run("--characters", "10_000", "--seed", 4, "--split", "heldout", "--out", out)
    assert done.exit_code == 0, done.output
    assert out.read_bytes() == tinytales_text(10_000, seed=4, split="heldout").encode()
    assert "10,738 characters of TinyTales, split heldout, seed 4" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--characters", 0), "characters must be 1 or more, got 0"),
        (("--characters", "-5"), "characters must be 1 or more, got -5"),
        (("--split", "dev"), "unknown split 'dev'"),
    ],
)
def test_wrong_arguments_leave_the_file_unchanged(tmp_path, arguments, message):
    out = tmp_path / "tales.txt"
    out.write_text("mine")
    done = run("--out", out, *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())
    assert out.read_text() == "mine"


def test_the_error_names_the_path_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path, tmp_path / "file" / "tales.txt"):
        done = run("--characters", 100, "--out", out)
        assert done.exit_code == 1
        assert f"{out} cannot be written" in done.output.replace("\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"], "no temporary file is left"


def test_an_interrupted_command_keeps_the_old_file(tmp_path, monkeypatch):
    out = tmp_path / "tales.txt"
    out.write_text("mine")

    def interrupted(*_, **__):
        yield next(iter(corpora.tinytales()))
        raise KeyboardInterrupt

    monkeypatch.setattr("llmlib.corpora.cli.tinytales", interrupted)
    assert run("--out", out).exit_code != 0
    assert out.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [out]

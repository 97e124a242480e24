"""`llmlib train`: its own example runs, is stopped and goes on, and what is wrong in a file is named."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from llmlib.cli import app
from llmlib.tokenization import load_tokenizer
from llmlib.training import checkpoints
from llmlib.training.cli import EXAMPLE

SMALL = """
folder = "{folder}"
[data]
characters = 20_000
tokenizer = 300
[model]
max_seq_len = 32
d_model = 32
n_layers = 1
n_heads = 2
[train]
steps = {steps}
batch_size = 4
seq_len = 16
validate_every = 5
save_every = 5
dtype = "float32"
"""


def settings(tmp_path, text=SMALL, steps=12, folder="run"):
    path = tmp_path / "settings.toml"
    path.write_text(text.format(folder=(tmp_path / folder).as_posix(), steps=steps), encoding="utf-8")
    return path


def run(path, *options):
    return CliRunner().invoke(app, ["train", str(path), *options])


def log_of(folder):
    with open(folder / "log.csv", encoding="utf-8", newline="") as file:
        return [{k: v for k, v in row.items() if k != "tokens_per_second"} for row in csv.DictReader(file)]


def test_it_trains_and_leaves_everything_in_the_folder(tmp_path):
    result = run(settings(tmp_path))
    assert result.exit_code == 0, result.output
    assert re.search(r"12 steps taken; the lowest validation loss was \d\.\d+, at step \d+", result.output)
    rows = log_of(tmp_path / "run")
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    assert [row["step"] for row in rows if row["validation_loss"]] == ["5", "10", "12"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert load_tokenizer(tmp_path / "run" / "tokenizer.json").vocab_size == 300
    assert [path.name for path in checkpoints.checkpoints(tmp_path / "run")][-1] == "step-00000012"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_stopped_it_goes_on_and_the_log_is_that_of_one_run(tmp_path, stop):
    assert run(settings(tmp_path, steps=60, folder="whole")).exit_code == 0
    path = settings(tmp_path, steps=60)
    process = subprocess.Popen(
        [sys.executable, "-m", "llmlib", "train", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    log = tmp_path / "run" / "log.csv"
    for _ in range(1200):
        if log.is_file() and log.read_text().count("\n") > 12:
            break
        time.sleep(0.05)
    process.send_signal(stop)
    process.wait()
    assert run(path).exit_code == 1  # not by mistake
    result = run(path, "--resume")
    assert result.exit_code == 0, result.output
    whole, stopped = log_of(tmp_path / "whole"), log_of(tmp_path / "run")
    assert [row["step"] for row in stopped] == [row["step"] for row in whole]
    assert [float(row["loss"]) for row in stopped] == pytest.approx([float(row["loss"]) for row in whole], rel=1e-5)


def test_a_checkpoint_whose_line_was_not_written_yet(tmp_path):
    """As after a kill between the two."""
    assert run(settings(tmp_path)).exit_code == 0
    whole = log_of(tmp_path / "run")
    for path in checkpoints.checkpoints(tmp_path / "run"):
        if path.name != "step-00000010":
            shutil.rmtree(path)
    log = tmp_path / "run" / "log.csv"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:10]))  # the heading and nine steps
    assert run(settings(tmp_path), "--resume").exit_code == 0
    assert log_of(tmp_path / "run") == whole


def test_the_help_shows_an_example_that_runs(tmp_path):
    shown = CliRunner().invoke(app, ["train", "--help"]).output
    for line in EXAMPLE.splitlines():
        assert line.strip() in shown
    quick = EXAMPLE.replace('"runs/tales"', f'"{(tmp_path / "run").as_posix()}"').replace("steps = 1000", "steps = 2")
    quick = quick.replace("2_000_000", "60_000").replace("warmup = 50", "warmup = 1")
    path = tmp_path / "example.toml"
    path.write_text(quick, encoding="utf-8")
    result = run(path)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("characters", "charcters"), r"\[data\] has an unknown 'charcters'. Did you mean 'characters'\?"),
        (("[train]", "[trian]"), r"has an unknown 'trian'. Did you mean 'train'\?"),
        (("steps =", "stepz ="), r"TrainConfig has no 'stepz'. Did you mean 'steps'\?"),
        (("n_heads", "heads"), r"\[model\] has an unknown 'heads'. Did you mean 'n_heads'\?"),
        (("n_heads = 2", "n_heads = 5"), "d_model=32 does not divide into n_heads=5"),
        (("n_heads = 2", "n_heads = 2\nvocab_size = 10"), "vocab_size=10 is too small for the tokenizer's 300"),
        (("d_model = 32", ""), "d_model"),
        (("seq_len = 16", "seq_len = 64"), "seq_len=64 is more than the model's context, max_seq_len=32"),
        (("20_000", "100"), r"tokens are there to (train|validate) on, and one window of seq_len=16 needs 17"),
        (("characters", 'corpus = "tales"\ncharacters'), r"there is no corpus 'tales'. There are tinytales, python"),
        (("characters", 'corpus = ["nope.txt"]\ncharacters'), "nope.txt"),
        (("[model]", "model = 3\n[other]"), "must be a section|unknown"),
        (("folder =", "folder : "), "is no TOML file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, message):
    result = run(settings(tmp_path, SMALL.replace(*change, 1)))
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("llmlib train: ")
    assert re.search(message, line), line


def test_a_file_that_is_not_there(tmp_path):
    result = run(tmp_path / "nope.toml")
    assert result.exit_code == 1
    assert "`llmlib train --help` shows an example" in result.stderr

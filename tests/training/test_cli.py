"""`llmlib train` runs its example, can be stopped and continued, and says what is wrong in a file."""

import csv
import re
import shutil
import signal
import sys

import pytest
import torch
import transformers
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from typer.testing import CliRunner

from llmlib.cli import app
from llmlib.pretrained import CheckpointError, load_pretrained
from llmlib.tokenization import load_tokenizer
from llmlib.training import checkpoints
from llmlib.training.cli import EXAMPLE
from llmlib.training.following import Log
from training import forked

SMALL = """
folder = "{folder}"
[data]
characters = 20_000
vocab_size = 300
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


def test_the_command_trains_and_leaves_everything_in_the_folder(tmp_path):
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
def test_a_runs_model_can_be_loaded_and_transformers_reads_its_tokenizer(tmp_path, capsys):
    result = run(settings(tmp_path))
    folder = tmp_path / "run"
    assert "Note: Only llmlib can open this model" in result.stderr  # no family has learned positions without biases
    assert f'load_pretrained("{folder.as_posix()}")' in result.output
    ended, tokenizer = load_pretrained(folder, device="cpu", dtype="float32")
    assert transformers.AutoTokenizer.from_pretrained(folder)("Once, 12").input_ids == tokenizer.encode("Once, 12")
    assert capsys.readouterr().err == ""
    ids = torch.tensor([tokenizer.encode("Once upon a time")])
    last, _ = load_pretrained(folder / "step-00000012", device="cpu", dtype="float32")
    assert torch.equal(last(ids), ended(ids))
    earlier, same = load_pretrained(folder / "step-00000010", device="cpu", dtype="float32")
    assert same.vocabulary == tokenizer.vocabulary
    assert not torch.equal(earlier(ids), ended(ids))
    (folder / "config.json").unlink()  # as if the run were still in progress
    under_way, _ = load_pretrained(folder, device="cpu", dtype="float32")
    assert "a run that has not finished. Its last checkpoint, step-00000012, is loaded" in capsys.readouterr().err
    assert torch.equal(under_way(ids), ended(ids))


def test_a_trained_model_of_a_known_family_loads_in_transformers(tmp_path):
    llama = SMALL.replace("n_heads = 2", 'n_heads = 2\npositions = "rotary"\nnorm = "rmsnorm"\nmlp = "swiglu"')
    assert "Note" not in run(settings(tmp_path, llama, steps=2)).output
    ours, tokenizer = load_pretrained(tmp_path / "run", device="cpu", dtype="float32")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "run", dtype=torch.float32).eval()
    ids = torch.tensor([tokenizer.encode("Once upon a time")])
    torch.testing.assert_close(theirs(ids).logits, ours(ids), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_a_finished_run_can_continue_for_more_steps(tmp_path, capsys):
    assert run(settings(tmp_path, steps=6)).exit_code == 0
    longer = settings(tmp_path, steps=12)
    result = run(longer, "--resume")
    assert result.exit_code == 0, result.output
    assert "planned for 6 steps and now has 12; it has taken 6. Its schedule, 'cosine', now ends" in result.stderr
    assert [row["step"] for row in log_of(tmp_path / "run")] == [str(step) for step in range(1, 13)]
    load_pretrained(tmp_path / "run", device="cpu")
    assert capsys.readouterr().err == ""
    fewer = run(settings(tmp_path, steps=6), "--resume")
    assert "has already taken 12 steps, but the config has steps=6" in fewer.stderr


def test_different_data_is_detected_when_a_run_continues(tmp_path):
    assert run(settings(tmp_path, steps=6)).exit_code == 0
    log = (tmp_path / "run" / "log.csv").read_text()
    other = settings(tmp_path, SMALL.replace("20_000", "21_000"), steps=12)
    result = run(other, "--resume")
    assert result.exit_code == 1
    assert re.search(
        r"did not begin with the same data: [\d,]+ tokens, \w+ then, [\d,]+ tokens, \w+ now", result.stderr
    )
    assert (tmp_path / "run" / "log.csv").read_text() == log


def test_a_run_whose_only_checkpoint_is_incomplete_does_not_start_over(tmp_path):
    assert run(settings(tmp_path, steps=4)).exit_code == 0
    (tmp_path / "run" / "step-00000004" / "state.json").unlink()
    for options in ((), ("--resume",)):
        result = run(settings(tmp_path, steps=4), *options)
        assert result.exit_code == 1
        assert "step-00000004 is incomplete: state.json is missing" in result.stderr


@pytest.mark.parametrize("damage", ["step,loss\n", "\x00\x01", "cut", "gap"])
def test_a_damaged_log_is_refused_unless_only_its_last_line_is_cut(tmp_path, damage):
    assert run(settings(tmp_path, steps=6)).exit_code == 0
    log = tmp_path / "run" / "log.csv"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text({"cut": "".join(lines)[:-12], "gap": "".join(lines[:2] + lines[3:])}.get(damage, damage))
    result = run(settings(tmp_path, steps=8), "--resume")
    if damage == "cut":  # a full disk may cut the last line, but the checkpoint holds it too
        assert result.exit_code == 0, result.output
    else:
        assert "log.csv is damaged" in result.stderr
        assert not (tmp_path / "run" / "step-00000008").exists()


def test_a_full_disk_is_reported_when_the_log_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Log, "_lines", lambda self, rows, header=False: b"" if header else full())
    result = run(settings(tmp_path))
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "Note" not in line]
    assert re.fullmatch(
        r"llmlib train: .*log\.csv could not be written \(No space left on device\)\. Free some.*", line
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that nobody can write to")
def test_a_folder_that_cannot_be_written_to_is_reported(tmp_path):
    result = run(settings(tmp_path, SMALL.replace("{folder}", "/proc/run")))
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(r"llmlib train: /proc/run cannot be written to .*Choose another folder.*", line)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the log of a run that was not stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(settings(folder, steps=30)).exit_code == 0
    return log_of(folder / "run")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix signals")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_can_be_continued_as_if_it_had_not_been_stopped(tmp_path, whole, stop):
    can_be_caught = stop != signal.SIGKILL
    path = settings(tmp_path, SMALL.replace("save_every = 5", "save_every = 0") if can_be_caught else SMALL, steps=30)
    codes, printed = forked.run("training.signalled", "train", path, SIGNAL=str(int(stop)), AFTER="12")
    assert codes == [{signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[stop]], printed
    if can_be_caught:
        line = r"Stopped after step (\d+)\. The checkpoint is .*step-\d+\. To continue: llmlib train"
        step = int(re.search(line, printed)[1])
        assert [path.name for path in checkpoints.checkpoints(tmp_path / "run")] == [f"step-{step:08d}"]
        assert "\r" not in printed  # no progress bar if nobody watches
    assert run(path).exit_code == 1  # without --resume, the run does not start over by mistake
    result = run(path, "--resume")
    assert result.exit_code == 0, result.output
    stopped = log_of(tmp_path / "run")
    assert [row["step"] for row in stopped] == [row["step"] for row in whole]
    assert [float(row["loss"]) for row in stopped] == pytest.approx([float(row["loss"]) for row in whole], rel=1e-5)


def test_a_line_missing_from_the_log_is_restored_from_the_checkpoint(tmp_path):
    """A process may be killed after it saves a checkpoint and before it writes that step to the log."""
    assert run(settings(tmp_path)).exit_code == 0
    whole = log_of(tmp_path / "run")
    for path in checkpoints.checkpoints(tmp_path / "run"):
        if path.name != "step-00000010":
            shutil.rmtree(path)
    log = tmp_path / "run" / "log.csv"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:10]))  # the heading and nine steps
    assert run(settings(tmp_path), "--resume").exit_code == 0
    assert log_of(tmp_path / "run") == whole


@pytest.mark.slow
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
        (("characters", "charcters"), r"\[data\]: unknown name 'charcters'. Did you mean 'characters'\?"),
        (("[train]", "[trian]"), r"unknown name 'trian'. Did you mean 'train'\?"),
        (("steps =", "stepz ="), r"\[train\]: unknown name 'stepz'. Did you mean 'steps'\?"),
        (("n_heads", "heads"), r"\[model\]: unknown name 'heads'. Did you mean 'n_heads'\?"),
        (("n_heads = 2", "n_heads = 5"), "d_model=32 cannot be divided evenly among n_heads=5"),
        (("n_heads = 2", "n_heads = 2\nvocab_size = 10"), "=10 is too small for the tokenizer, which has 300 tokens"),
        (("d_model = 32", ""), r"\[model\]: 'd_model' is missing. Expected a whole number"),
        (("seq_len = 16", "seq_len = 64"), r"seq_len=64 does not fit into the model's context \(max_seq_len=32\)"),
        (("20_000", "100"), r"There are .* tokens to (train|validate) on, but one window of seq_len=16 needs 17"),
        (("characters", 'corpus = "tales"\ncharacters'), r"there is no corpus 'tales'. Choose tinytales, python"),
        (("characters", 'corpus = ["nope.txt"]\ncharacters'), "nope.txt"),
        (("[model]", "model = 3\n[other]"), "unknown name 'other'"),
        (("folder =", "folder : "), "is not a TOML file"),
        (('folder = "{folder}"', "folder = 3"), "folder must be a string, got 3"),
        (('folder = "{folder}"', 'folder = ""'), "folder must be a path that is not empty, got ''"),
        (("20_000", "2e5"), r"\[data\]: characters must be a whole number, got 200000.0. Write 200000"),
        (("20_000", "-5"), "characters must be at least 1, got -5"),
        (
            ("characters", "validation_share = 1.2\ncharacters"),
            "validation_share must be greater than 0 and less than 1, got",
        ),
        (("vocab_size = 300", "vocab_size = 3"), "vocab_size must be at least 256, because there are 256 bytes, got 3"),
        (
            ("vocab_size = 300", 'vocab_size = 300\ntokenizer = "gpt2"'),
            "vocab_size is only used when a tokenizer is learned",
        ),
        (("vocab_size = 300", "tokenizer = 300"), "tokenizer must be a string, got 300"),
        (("batch_size = 4", "batch_size = 1180591620717411303424"), "batch_size must be at most 9,223,372,036,854,775"),
        (
            ("batch_size = 4", "batch_size = 2305843009213693952"),
            r"needs about [\d,]+ GB of memory, but \w+ has only [\d,]+",
        ),
        (("d_model = 32", "d_model = 3_200_000"), r"needs about [\d,]+ GB of memory.* Choose a smaller model"),
        (("d_model = 32", 'd_model = "32"'), r"\[model\]: d_model must be a whole number, got '32'"),
        (("n_layers = 1", "n_layers = 1_000_000_000"), r"needs about [\d,]+ GB of memory"),
        (('dtype = "float32"', "dtype = 32"), r"\[train\]: dtype must be a string, got 32"),
        (('dtype = "float32"', 'dtype = "float33"'), "'float33' is not a supported dtype"),
    ],
)
def test_errors_say_what_is_wrong(tmp_path, change, message):
    result = run(settings(tmp_path, SMALL.replace(*change, 1)))
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("llmlib train: ")
    assert re.search(message, line), line


def test_the_error_for_a_missing_settings_file_mentions_the_help(tmp_path):
    result = run(tmp_path / "nope.toml")
    assert result.exit_code == 1
    assert "`llmlib train --help` shows an example" in result.stderr


def test_only_the_first_process_prints_errors_but_torchrun_reports_all_of_them(tmp_path, monkeypatch):
    error_file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(error_file))
    for rank, times in (("0", 1), ("1", 0)):
        monkeypatch.setenv("RANK", rank)
        result = run(tmp_path / "nope.toml")
        assert result.exit_code == 1
        assert result.stderr.count("There is no file") == times
        report = str(ChildFailedError("llmlib", {int(rank): ProcessFailure(int(rank), 1, 1, str(error_file))}))
        assert re.search(r"Root Cause [^=]*llmlib train: There is no file .*nope\.toml", report)
        error_file.unlink()
    monkeypatch.delenv("TORCHELASTIC_ERROR_FILE")
    assert "There is no file" in run(tmp_path / "nope.toml").stderr  # without torchrun, nothing else would report it


def test_the_error_for_a_run_without_a_tokenizer_says_where_to_save_it(tmp_path):
    assert run(settings(tmp_path, steps=2)).exit_code == 0
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / "run" / name).unlink()
    for path in (tmp_path / "run", tmp_path / "run" / "step-00000002"):
        with pytest.raises(
            CheckpointError, match=r"a run without its tokenizer.*tokenizer\.save\(.*run/tokenizer\.json"
        ):
            load_pretrained(path)

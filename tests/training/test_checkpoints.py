"""A run that was killed at any moment continues as if nothing had happened."""

import errno
import json
import shutil
import subprocess
import sys

import pytest
import torch
from small_models import KINDS

from llmlib.corpora.datasets import TokenDataset
from llmlib.pretrained.run_folder import seal
from llmlib.training import RunError, TrainConfig, checkpoints, train
from llmlib.transformer import Transformer

DATA = TokenDataset([(7 * i * i + i // 5) % 31 for i in range(2000)], vocab_size=31)
CONFIG = {"steps": 12, "batch_size": 4, "seq_len": 16, "learning_rate": 0.01, "save_every": 3, "validate_every": 2}


def run_in(folder, resume=False, **changes):
    config = TrainConfig(**{**CONFIG, **changes})
    return train(Transformer(KINDS["llama"], seed=1), DATA, config, validation=DATA, folder=folder, resume=resume)


@pytest.fixture(scope="module")
def _ended(tmp_path_factory):
    list(run_in(folder := tmp_path_factory.mktemp("ended")))
    return folder


@pytest.fixture
def ended(_ended, tmp_path):
    """Return a copy of a finished run's folder, which a test may damage."""
    return shutil.copytree(_ended, tmp_path / "ended")


def curve(run):
    return [(s.step, s.loss, s.gradient_norm, s.validation_loss) for s in run]


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "taken"), [("adamw", 3), ("muon", 4), ("adamw", 8), ("muon", 11)])
def test_a_resumed_run_takes_exactly_the_same_steps(tmp_path, optimizer, taken):
    whole = run_in(tmp_path / "whole", optimizer=optimizer)
    expected = curve(whole)
    broken = run_in(tmp_path / "broken", optimizer=optimizer)
    for _ in range(taken):
        next(broken)
    again = run_in(tmp_path / "broken", resume=True, optimizer=optimizer)
    assert again.step == taken // 3 * 3
    assert curve(again) == expected[taken // 3 * 3 :]
    ours, theirs = again.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert again.best == whole.best
    assert again.recent == whole.recent  # the recent losses, which are used to detect a jump


KILLED = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[2])
import torch, torch._dynamo  # optimizers import torch._dynamo
from training.test_checkpoints import run_in
torch.set_num_threads(1)
for attempt in range(6):  # each in a process that has everything imported already
    steps, written = os.pipe()
    child = os.fork()
    if not child:
        run = run_in(sys.argv[1], resume=True, steps=60, save_every=1, validate_every=20)
        print("from", run.step, flush=True)
        for step in run:
            print(step.step, repr(step.loss), flush=True)
            os.write(written, b".")
        os._exit(0)
    os.close(written)
    if attempt < 5:
        for _ in range(8):
            os.read(steps, 1)
        time.sleep(0.004 * attempt)  # during the next step, or while it is saved
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_run_killed_several_times_has_the_curve_of_an_unbroken_run(tmp_path, request):
    tests = str(request.config.rootpath / "tests")
    expected = {step.step: step.loss for step in run_in(tmp_path / "whole", steps=60, save_every=0, validate_every=20)}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), tests]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    starts = [int(step) for word, step in lines if word == "from"]
    assert len(starts) == 6
    assert starts == sorted(set(starts))  # each start is at a later step than the one before
    seen = {(int(step), float(loss)) for step, loss in lines if step != "from"}
    assert seen <= expected.items()  # steps that were taken twice gave the same loss
    # These steps were saved, but the process was killed before it printed them.
    assert {step for step, _ in expected.items() - seen} <= set(starts)
    assert [path.name for path in (tmp_path / "killed").glob(".step-*")] == []


@pytest.mark.slow
def test_after_a_full_disk_the_last_checkpoint_remains_and_the_run_can_continue(tmp_path, monkeypatch):
    expected = curve(run_in(tmp_path / "whole"))
    run = run_in(tmp_path / "full")
    for _ in range(5):
        next(run)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_weights", full)
    with pytest.raises(
        RunError, match=r"The checkpoint for step 6 could not be written.*No space left.*Free some space"
    ):
        next(run)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "full").iterdir() if path.is_dir()] == ["step-00000003"]
    assert curve(run)[-1] == expected[-1]  # the run continues in the same process
    assert curve(run_in(tmp_path / "full", resume=True)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix resource limit")
@pytest.mark.parametrize("file", ["model.safetensors", "optimizers.pt"])
def test_the_last_checkpoint_survives_a_write_that_the_system_refuses(tmp_path, file):
    """Files cannot grow beyond a limit; safetensors and torch fail in different ways when they reach it."""
    import resource

    run = run_in(tmp_path)
    for _ in range(3):
        next(run)
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "step-00000003").iterdir()}
    assert sizes["model.safetensors"] < sizes["optimizers.pt"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sizes[file] - 1000, before[1]))
    try:
        with pytest.raises(RunError, match=r"The checkpoint for step 6 could not be written.*Free some space"):
            list(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["step-00000003"]
    assert run_in(tmp_path, resume=True).step == 3


@pytest.mark.slow
def test_the_last_checkpoints_and_the_best_are_kept(tmp_path, monkeypatch):
    run = run_in(tmp_path, save_every=1, validate_every=1, keep=2)
    losses = iter([5.0, 1.0, *map(float, range(6, 16))])
    monkeypatch.setattr(run, "validate", lambda: next(losses))
    list(run)
    assert [path.name for path in checkpoints.checkpoints(tmp_path)] == [
        "step-00000002",
        "step-00000011",
        "step-00000012",
    ]


@pytest.mark.slow
def test_an_existing_run_is_not_overwritten(ended, tmp_path):
    with pytest.raises(RunError, match=r"already contains a run. Continue it"):
        run_in(ended)
    assert run_in(tmp_path / "new", resume=True).step == 0  # nothing to resume


@pytest.mark.slow
def test_a_different_config_or_architecture_is_refused(ended):
    with pytest.raises(RunError, match=r"had a different config: learning_rate was 0.01 and is now 0.1; betas was"):
        run_in(ended, resume=True, steps=20, learning_rate=0.1, betas=(0.5, 0.5))
    other = Transformer(KINDS["gpt2"])
    before = {name: value.clone() for name, value in other.state_dict().items()}
    differing = r"has a different architecture: .*positions is rotary in the checkpoint and learned here"
    with pytest.raises(RunError, match=differing):
        train(other, DATA, TrainConfig(**CONFIG), folder=ended, resume=True)
    assert all(torch.equal(before[name], value) for name, value in other.state_dict().items())


@pytest.mark.parametrize("file", ["model.safetensors", "optimizers.pt", "state.json"])
@pytest.mark.parametrize("how", ["cut", "empty", "gone", "noise"])
def test_the_error_for_a_damaged_checkpoint_suggests_a_remedy(ended, file, how):
    last = checkpoints.checkpoints(ended)[-1]
    path = last / file
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "noise": b"\x80\x02noise" * 9}[how])
    if file == "state.json" and how == "gone":
        assert run_in(ended, resume=True).step == 9  # an incomplete checkpoint does not count
        return
    remedy = r"is damaged .*Remove it, and the run will continue from the previous checkpoint"
    with pytest.raises(RunError, match=remedy):
        run_in(ended, resume=True)
    shutil.rmtree(last)
    assert run_in(ended, resume=True).step == 9


def damaged_states():
    """Yield error messages and invalid states, on which a fused optimizer would crash or continue without an error."""
    whole = {"step": torch.tensor(3.0), "exp_avg": torch.zeros(31, 32), "exp_avg_sq": torch.zeros(31, 32)}
    yield "must be a tensor", {**whole, "exp_avg": torch.zeros(1)}
    yield "must be a tensor", {**whole, "exp_avg": torch.zeros(31, 32, dtype=torch.float64)}
    yield "must be a tensor", {**whole, "step": 3}
    yield "contains NaN or infinity", {**whole, "exp_avg_sq": torch.full((31, 32), float("nan"))}
    yield "exp_avg_sq of weight 0 is negative", {**whole, "exp_avg_sq": torch.full((31, 32), -1.0)}
    yield "must have exactly the entries step, exp_avg, exp_avg_sq", {"step": torch.tensor(3.0)}
    yield "must have exactly the entries step, exp_avg, exp_avg_sq", []


@pytest.mark.parametrize(("message", "state"), damaged_states())
def test_optimizer_states_are_checked_before_anything_is_changed(ended, message, state):
    last = checkpoints.checkpoints(ended)[-1]
    states = torch.load(last / "optimizers.pt", weights_only=True)
    states[0][0] = state
    torch.save(states, last / "optimizers.pt")
    about = json.loads((last / "state.json").read_text())
    model = Transformer(KINDS["llama"], seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def resumed():
        return train(model, DATA, TrainConfig(**CONFIG), validation=DATA, folder=ended, resume=True)

    with pytest.raises(RunError, match=r"optimizers\.pt differs from what was written"):
        resumed()
    del about["checksum"]
    about["optimizers"] = checkpoints.file_checksum(last / "optimizers.pt")
    (last / "state.json").write_text(json.dumps(seal(about)))
    with pytest.raises(RunError, match=message):
        resumed()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_changed_value_in_the_state_is_refused(ended):
    state = checkpoints.checkpoints(ended)[-1] / "state.json"
    state.write_text(state.read_text().replace('"step": 12', '"step": 11'))
    with pytest.raises(RunError, match=r"state\.json is damaged or was changed"):
        run_in(ended, resume=True)


CLAIMS = """
import sys
from pathlib import Path
from llmlib.training.checkpoints import RunError, claim
for _ in range(2):
    try:
        claim(Path(sys.argv[1]))
    except RunError as error:
        print(error, flush=True)
    else:
        print("claimed", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
def test_a_second_process_cannot_train_in_the_same_folder(tmp_path):
    run = run_in(tmp_path)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CLAIMS, str(tmp_path)], **pipes) as other:
        assert "Another process is training in" in other.stdout.readline()
        again = run_in(tmp_path)  # the same process may start again
        del run, again
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "claimed\n"  # the folder is free again


def test_a_checkpoints_state_can_be_read_without_llmlib(ended):
    last = checkpoints.checkpoints(ended)[-1]
    about = json.loads((last / "state.json").read_text())
    assert about["step"] == 12
    assert about["model"]["positions"] == "rotary"
    assert about["train"]["learning_rate"] == 0.01


def test_a_second_save_at_the_same_step_changes_nothing(tmp_path):
    run = run_in(tmp_path, save_every=0)
    next(run)
    first = run.save()
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    assert run.save() == first
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == [first.name]


def test_saving_without_a_folder_is_an_error():
    with pytest.raises(RunError, match="has no checkpoint folder"):
        train(Transformer(KINDS["llama"]), DATA, TrainConfig(**CONFIG)).save()

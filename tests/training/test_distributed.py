"""Several processes take the same steps as one, any number of them can continue a run, and losing one does no harm."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch.distributed as dist

from llmlib.training import RunError, checkpoints, distributed
from training import forked
from training.test_cli import SMALL, log_of, run, settings

TESTS = Path(__file__).parent.parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="gloo is not started this way on Windows"),
]


def torchrun(n, module, *arguments, restarts=0, **variables):
    """Start the processes, and return while they run."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={n}", f"--max-restarts={restarts}"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [*command, "-m", module, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": path, **variables},
    )


def follows(folder, whole):
    ours, theirs = log_of(folder), log_of(whole)
    assert [row["step"] for row in ours] == [row["step"] for row in theirs]
    for name in ("loss", "gradient_norm", "validation_loss"):
        numbers = [[float(row[name]) for row in rows if row[name]] for rows in (ours, theirs)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-4)


STEPS = 30
SHARED = SMALL.replace("batch_size = 4", "batch_size = 6") + "keep = 100\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of a run in a single process, with all its checkpoints."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(settings(folder, SHARED, steps=STEPS)).exit_code == 0
    return folder / "run"


def test_losses_of_several_processes_match_those_of_one(tmp_path, whole):
    codes, output = forked.run("llmlib", "train", settings(tmp_path, SHARED, steps=STEPS), ranks=3)
    assert codes == [0, 0, 0], output
    follows(tmp_path / "run", whole)
    assert output.count(f"{STEPS} steps taken") == 1  # only one process prints


def test_a_run_of_two_processes_that_fails_twice_is_finished_by_one(tmp_path, whole):
    """torchrun restarts all processes once, which is the limit here, and then reports the failure."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    for path in checkpoints.checkpoints(folder):
        if int(path.name[5:]) > 10:  # as if the run had been stopped at step 10
            shutil.rmtree(path)
    process = torchrun(
        2,
        "training.signalled",
        "train",
        settings(tmp_path, SHARED, steps=STEPS),
        "--resume",
        restarts=1,
        SIGNAL=str(int(signal.SIGKILL)),
        AFTER="12 17",
    )
    output = process.communicate(timeout=120)[0]
    assert process.returncode != 0, output
    assert "exitcode: -9" in output  # the first failure
    assert "Signal 9 (SIGKILL)" in output  # the second failure
    assert 12 < len(log_of(folder)) < STEPS  # the second start got further than the first
    assert run(settings(tmp_path, SHARED, steps=STEPS), "--resume").exit_code == 0
    follows(folder, whole)


def test_the_error_for_a_lost_process_suggests_a_remedy():
    pair = distributed.Ranks(0, 2)
    message = r"has ended, or cannot be reached \(.*Connection closed by peer\). Continue from the"
    with pytest.raises(RunError, match=message), pair.together():  # an error as gloo raises it
        raise RuntimeError("[/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer. More.")
    for ranks, error in ((pair, RuntimeError("out of memory")), (distributed.Ranks(), RuntimeError("no gloo here"))):
        with pytest.raises(RuntimeError, match=str(error)) as caught, ranks.together():
            raise error
        assert caught.value is error


@pytest.mark.parametrize("call", [lambda r: r.wait(), lambda r: r.mean(1.0), lambda r: r.agree(1, "steps")])
def test_a_lost_process_is_reported_wherever_processes_wait_for_each_other(monkeypatch, call):
    def gone(*_):
        raise RuntimeError("[/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer. More.")

    for name in ("barrier", "all_reduce", "all_gather_object"):
        monkeypatch.setattr(dist, name, gone)
    with pytest.raises(RunError, match=r"Another process in this run has ended"):
        call(distributed.Ranks(0, 2))


def test_processes_agree_on_a_new_name_for_each_start_of_the_run():
    """The store still has what earlier processes wrote, and new processes arrive at different times."""
    store, names = dist.HashStore(), []
    for _ in range(3):
        later = [
            threading.Timer(0.1 * rank, lambda r: names.append(distributed._roll_call(store, r, 3)), [rank])
            for rank in range(3)
        ]
        for each in later:
            each.start()
        for each in later:
            each.join(20)
    assert len(names) == 9
    assert [len(set(names[i : i + 3])) for i in (0, 3, 6)] == [1, 1, 1]
    assert len(set(names)) == 3


def test_a_batch_size_that_cannot_be_divided_among_processes_is_refused(tmp_path):
    process = torchrun(2, "llmlib", "train", settings(tmp_path, SMALL.replace("batch_size = 4", "batch_size = 5")))
    output = process.communicate(timeout=120)[0]
    assert process.returncode != 0
    said = "llmlib train: batch_size=5 cannot be divided evenly among 2 processes."
    ours, _, theirs = output.partition("Traceback")
    assert ours.count(said) == 1
    assert said in theirs.partition("Root Cause")[2]

"""A sharded model takes the same steps as a whole one, and its checkpoints have the usual format."""

import json
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file

from llmlib.training import checkpoints, sharding
from training import forked
from training.many_processes import CASES, held, record, run_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="gloo is not started this way on Windows"),
]
HALFWAY = 3


def stopped_halfway(folder):
    """Remove all checkpoints but the first, as if the run had been killed after it."""
    for path in checkpoints.checkpoints(folder):
        if int(path.name[5:]) > HALFWAY:
            shutil.rmtree(path)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the folder of a single process's runs, the records of their steps, and how many numbers it held."""
    folder = tmp_path_factory.mktemp("alone")
    runs = {case: run_of(case, folder / case) for case in CASES}
    return folder, {case: record(run) for case, run in runs.items()}, {case: held(run) for case, run in runs.items()}


N = 2  # processes; tests in another file use three


@pytest.fixture(scope="module")
def together(tmp_path_factory, alone):
    """Return the folder and records of runs in several processes; one process began those in "from there"."""
    folder = tmp_path_factory.mktemp("together")
    for case in CASES:
        shutil.copytree(alone[0] / case, folder / "from there" / case)
        stopped_halfway(folder / "from there" / case)
    codes, output = forked.run("training.many_processes", folder, ranks=N)
    assert codes == [0] * N, output
    return folder, json.loads((folder / "records.json").read_text())


def follows(ours, theirs, within):
    assert [row[0] for row in ours] == [row[0] for row in theirs]
    for row, other in zip(ours, theirs):
        assert row[1:3] == pytest.approx(other[1:3], rel=within), row[0]
        assert row[3] == (None if other[3] is None else pytest.approx(other[3], rel=within)), row[0]
        assert row[4] == (None if other[4] is None else pytest.approx(other[4], rel=10 * within, abs=within)), row[0]


@pytest.mark.parametrize("case", CASES)
def test_the_curve_of_several_processes_matches_that_of_one(alone, together, case):
    follows(together[1][case], alone[1][case], 0.02 if case == "bfloat16" else 1e-4)


@pytest.mark.parametrize("case", [case for case in CASES if case != "ddp"])
def test_each_process_holds_only_its_share_of_a_sharded_model(alone, together, case):
    records = together[1]
    for ours, all_of_it in zip(records[f"{case} held"], alone[2][case]):
        assert all_of_it / N <= ours < 1.2 * all_of_it / N  # the first holds more if a tensor does not divide evenly
    assert records["ddp held"] == alone[2]["ddp"]


@pytest.mark.parametrize("case", [case for case in CASES if case != "bfloat16"])
def test_a_run_of_several_processes_can_continue_in_one(alone, together, case):
    folder = together[0] / "from here" / case
    stopped_halfway(folder)
    run = run_of(case, folder, resume=True)
    assert run.step == HALFWAY
    follows(record(run), alone[1][case][HALFWAY:], 1e-4)


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("ddp", "bfloat16")])
def test_a_run_of_one_process_can_continue_in_several(alone, together, case):
    follows(together[1][f"{case} goes on"], alone[1][case][HALFWAY:], 1e-4)


@pytest.mark.parametrize("case", CASES)
def test_checkpoints_hold_whole_tensors_in_the_same_format(alone, together, case):
    def described(folder):
        last = checkpoints.checkpoints(folder)[-1]
        weights = {name: (w.shape, w.dtype) for name, w in load_file(last / "model.safetensors").items()}
        states = torch.load(last / "optimizers.pt", weights_only=True)
        return weights, [{(n, k): (v.shape, v.dtype) for n, s in each.items() for k, v in s.items()} for each in states]

    assert described(together[0] / "from there" / case) == described(alone[0] / case)


def test_tensors_that_are_not_sharded_are_returned_unchanged():
    tensor = torch.ones(3)
    assert sharding.whole(tensor) is tensor
    assert sharding.cut_like(tensor, tensor) is tensor
    assert sharding.gathered([{"a": tensor}])[0]["a"] is tensor

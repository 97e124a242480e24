"""Runs on disk: each checkpoint is a folder that is whole or not there, and a run goes on from it exactly.

It holds the weights that learn. Of a model that is partly frozen, as under a LoRA, the rest is known already: a
checksum of it tells whether a run goes on beside the same.
"""

import dataclasses
import json
import os
import pickle
import re
import shutil
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import filelock
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from llmlib.training import sharding
from llmlib.transformer import Transformer

NAME = re.compile(r"step-(\d+)")
VERSION = 1
DAMAGE = (OSError, ValueError, KeyError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError)


class RunError(RuntimeError):
    """A run's folder cannot be used; the message says why and what to do."""


_claimed: WeakValueDictionary[Path, filelock.BaseFileLock] = WeakValueDictionary()  # by runs of this process


def claim(folder: Path) -> filelock.BaseFileLock:
    """As long as somebody holds what this returns, no other process may train in the folder.

    Runs of this process may: a cell that is run again begins anew. Raises `RunError` if another process holds it.
    """
    path = folder.resolve()
    if (held := _claimed.get(path)) is not None:
        return held
    path.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise RunError(
            f"Another process is training in {folder}. Wait for it, stop it, or give this run a folder of its own."
        ) from None
    _claimed[path] = lock
    return lock


def save(
    folder: Path,
    step: int,
    model: Transformer,
    optimizers: Sequence[torch.optim.Optimizer],
    state: dict[str, Any],
    writes: bool = True,
) -> Path:
    """Write a checkpoint into the run's folder: what learns, optimizers, and `state`, which has to fit into JSON.

    It is written beside and then renamed, so that a kill or a full disk leaves no half of one. Of a model that is cut
    into parts every process has to call this, and one `writes`. Raises `RunError` if it cannot be written; what is
    there already stays.
    """
    whole = folder / name_of(step)
    weights = sharding.gathered(learning(model), writes)
    states = sharding.gathered([optimizer.state_dict() for optimizer in optimizers], writes)
    if not writes or whole.is_dir():
        return whole  # of this very step of this very run
    beside = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder, prefix=".step-"))
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, beside / "model.safetensors")
        torch.save(states, beside / "optimizers.pt")
        about = {"version": VERSION, "step": step, "model": dataclasses.asdict(model.config), **state}
        about["frozen"] = checksum(model)
        (beside / "state.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        for path in beside.iterdir():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        os.replace(beside, whole)
    except (OSError, SafetensorError, RuntimeError) as error:  # a full disk by the names of Python, safetensors, torch
        raise RunError(
            f"The checkpoint of step {step} could not be written to {folder} ({error}). Free some space; the run "
            "can go on from the last checkpoint that is there."
        ) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)  # gone already if all went well
    return whole


def learning(model: Transformer) -> dict[str, Tensor]:
    """The weights that are not frozen, by name."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def checksum(model: Transformer) -> str | None:
    """A number, in hexadecimal, that almost surely changes when any frozen weight does; None if none is frozen."""
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    if not frozen:
        return None
    running = 0
    for parameter in frozen:
        raw = parameter.detach().cpu().contiguous().view(torch.uint8)
        running = zlib.crc32(raw.numpy().data, running)
    return f"{running:08x}"


def name_of(step: int) -> str:
    return f"step-{step:08d}"


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, the oldest first."""
    found = [path for path in folder.glob("step-*") if NAME.fullmatch(path.name) and (path / "state.json").is_file()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Remove all checkpoints but the last `keep` and that of step `best`, and what killed processes left."""
    for path in checkpoints(folder)[:-keep]:
        if int(path.name[5:]) != best:
            shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(".step-*"):
        shutil.rmtree(path, ignore_errors=True)


def load(path: Path, model: Transformer, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """Put a checkpoint's weights and optimizer states into place; returns its `state`.

    Raises `RunError` if it is damaged or of another architecture; then nothing has changed.
    """
    try:
        about = json.loads((path / "state.json").read_text(encoding="utf-8"))
        if about["version"] != VERSION:
            raise RunError(f"{path} has the version {about['version']}; this llmlib reads version {VERSION}.")
        theirs = about["model"]
        ours = json.loads(json.dumps(dataclasses.asdict(model.config)))
        if differing := [name for name in ours if ours[name] != theirs.get(name)]:
            told = "; ".join(f"{name} is {theirs.get(name)} there and {ours[name]} here" for name in differing)
            raise RunError(f"{path} is of another architecture: {told}. Build the model with the same config.")
        weights = load_file(path / "model.safetensors")
        if differing := sorted(weights.keys() ^ learning(model).keys()):
            raise RunError(
                f"{path} is of a run in which other weights learned: {differing[0]} is in one and not in the other. "
                "Freeze the same, or apply the same LoRA."
            )
        if about.get("frozen") != checksum(model):
            raise RunError(f"The frozen weights are not those of the run in {path}. Load the model that it began with.")
        states = torch.load(path / "optimizers.pt", map_location="cpu", weights_only=True)
        if len(states) != len(optimizers):
            raise RunError(f"{path} holds {len(states)} optimizers, and this run has {len(optimizers)}.")
    except RunError:
        raise
    except DAMAGE as error:
        why = str(error).partition("\n")[0]
        raise RunError(f"{path} is damaged ({why}). Remove it, and the run goes on from the one before.") from error
    sharding.put_weights(model, weights)
    sharding.put_states(optimizers, states)
    return about

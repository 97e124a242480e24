"""Runs on disk: each checkpoint is a folder that is whole or not there, and a run goes on from it exactly.

It holds the weights that learn. Of a model that is partly frozen, as under a LoRA, the rest is known already: a
checksum of it tells whether a run goes on beside the same.
"""

import dataclasses
import json
import os
import pickle
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import filelock
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from llmlib.files.atomic import beside, remove_leftovers, settle
from llmlib.pretrained.config_fields import CheckpointError
from llmlib.pretrained.run_folder import STATE, VERSION, WEIGHTS, checkpoints, read_sealed_weights, read_state, seal
from llmlib.pretrained.weights_file import check_tensor, file_checksum, write_weights
from llmlib.training import sharding
from llmlib.training.optimizers import Muon
from llmlib.transformer import Transformer

DAMAGE = (OSError, ValueError, KeyError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError)
OPTIMIZERS, UNFINISHED = "optimizers.pt", ".step-"
PARTS = {torch.optim.AdamW: ("step", "exp_avg", "exp_avg_sq"), Muon: ("momentum",)}  # of what they remember a weight


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
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise RunError(
            f"Another process is training in {folder}. Wait for it, stop it, or give this run a folder of its own."
        ) from None
    except OSError as error:
        raise RunError(f"{folder} cannot be written to ({error.strerror}). Give another folder.") from None
    _claimed[path] = lock
    return lock


def save(
    folder: Path,
    step: int,
    model: nn.Module,
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
    states = sharding.gathered([optimizer.state_dict()["state"] for optimizer in optimizers], writes)
    if not writes or whole.is_dir():
        return whole  # of this very step of this very run
    config = dataclasses.asdict(model.config) if isinstance(model, Transformer) else None
    about = {"version": VERSION, "step": step, "model": config, **state}
    about["frozen"] = checksum(model)
    new = beside(folder, UNFINISHED, "")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new.mkdir()
        write_weights(weights, new / WEIGHTS)
        torch.save(states, new / OPTIMIZERS)
        about["weights"], about["optimizers"] = (file_checksum(new / name) for name in (WEIGHTS, OPTIMIZERS))
        (new / STATE).write_text(json.dumps(seal(about), indent=1), encoding="utf-8")
        settle(new)
        os.replace(new, whole)
    except (OSError, SafetensorError, RuntimeError) as error:  # a full disk by the names of Python, safetensors, torch
        raise RunError(
            f"The checkpoint of step {step} could not be written to {folder} ({error}). Free some space; the run "
            "can go on from the last checkpoint that is there."
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)  # gone already if all went well
    return whole


def learning(model: nn.Module) -> dict[str, Tensor]:
    """The weights that are not frozen and the buffers, by name; one that has several names by its first.

    A buffer that holds infinity, as a mask does, is a constant: it is made with the model, and not kept.
    """
    kept = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    kept |= {name for name, buffer in model.named_buffers() if buffer.isfinite().all()}
    return {name: tensor for name, tensor in model.state_dict().items() if name in kept}


def checksum(model: nn.Module) -> str | None:
    """A number, in hexadecimal, that almost surely changes when any frozen weight does; None if none is frozen."""
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    if not frozen:
        return None
    running = 0
    for parameter in frozen:
        raw = parameter.detach().cpu().reshape(-1).view(torch.uint8)
        running = zlib.crc32(raw.numpy().data, running)
    return f"{running:08x}"


def name_of(step: int) -> str:
    return f"step-{step:08d}"


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Remove all checkpoints but the last `keep` and that of step `best`."""
    for path in checkpoints(folder)[:-keep]:
        if int(path.name[5:]) != best:
            shutil.rmtree(path, ignore_errors=True)


def clean(folder: Path) -> None:
    """Remove what killed processes left unfinished; for whoever holds the claim."""
    for path in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)
    remove_leftovers(folder, ".saving-")
    remove_leftovers(folder, ".", ".part")


def load(path: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """Put a checkpoint's weights and optimizer states into place; returns its `state`.

    Raises `RunError` if it is damaged or of another architecture; then nothing has changed.
    """
    about = read(path)
    try:
        if isinstance(model, Transformer):
            _check_architecture(about["model"] or {}, model, path)
        weights = read_sealed_weights(path, about)
        _check_weights(weights, learning(model), path)
        if about["frozen"] != checksum(model):
            raise RunError(f"The frozen weights are not those of the run in {path}. Load the model that it began with.")
        if file_checksum(path / OPTIMIZERS) != about["optimizers"]:
            raise CheckpointError(f"{path / OPTIMIZERS} is not what was written")
        states = torch.load(path / OPTIMIZERS, map_location="cpu", weights_only=True)
        check_states(states, optimizers)
    except RunError:
        raise
    except DAMAGE as error:
        raise _damaged(path, error) from error
    sharding.put_weights(model, weights)
    sharding.put_states(optimizers, states)
    return about


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's `state` alone. Raises `RunError` if it is damaged."""
    try:
        return read_state(path)
    except CheckpointError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> RunError:
    why = str(error).partition("\n")[0].removesuffix(".")
    return RunError(f"{path} is damaged ({why}). Remove it, and the run goes on from the one before.")


def _check_architecture(theirs: Any, model: Transformer, path: Path) -> None:
    ours = json.loads(json.dumps(dataclasses.asdict(model.config)))
    if differing := [name for name in ours if ours[name] != theirs.get(name)]:
        told = "; ".join(f"{name} is {theirs.get(name)} there and {ours[name]} here" for name in differing)
        raise RunError(f"{path} is of another architecture: {told}. Build the model with the same config.")


def _check_weights(weights: dict[str, Tensor], ours: dict[str, Tensor], path: Path) -> None:
    if differing := sorted(weights.keys() ^ ours.keys()):
        raise RunError(
            f"{path} is of a run in which other weights learned: {differing[0]} is in one and not in the other. "
            "Freeze the same, or apply the same LoRA."
        )
    for name, value in weights.items():
        _check_alike(value, ours[name], name)


def check_states(states: Any, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Raise `ValueError` unless these are states that the optimizers could have: torch does not look, and a tensor of
    another shape crashes Python in its fused kernels.
    """
    if not isinstance(states, list) or len(states) != len(optimizers):
        raise RunError(f"There are not {len(optimizers)} optimizers in it, which this run has.")
    for optimizer, state in zip(optimizers, states):
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        parts = PARTS.get(type(optimizer), ()) if not optimizer.defaults.get("amsgrad") else ()
        if not isinstance(state, dict) or not all(type(number) is int for number in state):
            raise ValueError("the states are no table by number")
        for number, of_weight in state.items():
            if not 0 <= number < len(weights):
                raise ValueError(f"it has a state of weight {number}, and there are {len(weights)}")
            weight = weights[number]
            if not isinstance(of_weight, dict) or (parts and of_weight.keys() != set(parts)):
                raise ValueError(f"the state of weight {number} does not hold {', '.join(parts)} alone")
            for part, value in of_weight.items() if parts else ():  # of other optimizers we do not know what is whole
                like = torch.zeros(()) if part == "step" else weight
                _check_alike(value, like, f"{part} of weight {number}")
                if part in ("step", "exp_avg_sq") and (value < 0).any():
                    raise ValueError(f"{part} of weight {number} is below 0")


def _check_alike(value: Any, like: Tensor, what: str) -> None:
    """Raise `ValueError` unless a value could stand where `like` does: its shape, its dtype, numbers."""
    if not isinstance(value, Tensor) or (value.shape, value.dtype) != (like.shape, like.dtype):
        found = f"{list(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{what} must be a tensor {list(like.shape)}, {like.dtype}, got {found}")
    check_tensor(value, None, what)

"""Save runs to disk so that they can resume exactly where they left off.

Each checkpoint is a folder that is either complete or absent. A checkpoint contains only the weights that are being
trained. If part of the model is frozen, as with a LoRA, we already have the frozen weights; a checksum makes sure that
a run continues with the same frozen weights.
"""

import dataclasses
import json
import os
import pickle
import shutil
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import filelock
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from llmlib.files.atomic import remove_leftovers, settle, unused_path
from llmlib.pretrained.config_fields import CheckpointError
from llmlib.pretrained.run_folder import STATE, VERSION, WEIGHTS, checkpoints, read_sealed_weights, read_state, seal
from llmlib.pretrained.weights_file import check_tensor, file_checksum, write_weights
from llmlib.training import sharding
from llmlib.training.optimizers import Muon
from llmlib.transformer import Transformer

DAMAGE = (OSError, ValueError, KeyError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError)
OPTIMIZERS, UNFINISHED = "optimizers.pt", ".step-"
PARTS = {
    torch.optim.AdamW: ("step", "exp_avg", "exp_avg_sq"),
    Muon: ("momentum",),
}  # the state that each of these optimizers keeps for a weight


class RunError(RuntimeError):
    """Raised when a run's folder cannot be used; the message says why, and what to do about it."""


_claimed: WeakValueDictionary[Path, filelock.BaseFileLock] = WeakValueDictionary()  # folders locked by this process


def claim(folder: Path) -> filelock.BaseFileLock:
    """Lock the folder, so that no other process can train in it while you hold the returned lock.

    Other runs in this process can still train there, so that you can run a cell again. Raises `RunError` if another
    process holds the lock.
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
            f"Another process is training in {folder}. Wait for it, stop it, or choose another folder for this run."
        ) from None
    except OSError as error:
        raise RunError(f"{folder} cannot be written to ({error.strerror}). Choose another folder.") from None
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
    """Write a checkpoint into the run's folder, with the trained weights, the optimizers, and `state` (JSON values).

    The checkpoint is written under another name and then renamed, so a killed process or a full disk never leaves half
    a checkpoint behind. If the model is split across processes, every process has to call this function, but `writes`
    must be True in exactly one of them. Raises `RunError` if the checkpoint cannot be written; earlier checkpoints are
    kept.
    """
    whole = folder / name_of(step)
    weights = sharding.gathered(learning(model), writes)
    states = sharding.gathered([optimizer.state_dict()["state"] for optimizer in optimizers], writes)
    if not writes or whole.is_dir():
        return whole  # this step of this run has already been saved
    config = dataclasses.asdict(model.config) if isinstance(model, Transformer) else None
    about = {"version": VERSION, "step": step, "model": config, **state}
    about["frozen"] = checksum(model)
    new = unused_path(folder, UNFINISHED, "")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new.mkdir()
        write_weights(weights, new / WEIGHTS)
        torch.save(states, new / OPTIMIZERS)
        about["weights"], about["optimizers"] = (file_checksum(new / name) for name in (WEIGHTS, OPTIMIZERS))
        (new / STATE).write_text(json.dumps(seal(about), indent=1), encoding="utf-8")
        settle(new)
        os.replace(new, whole)
    except (OSError, SafetensorError, RuntimeError) as error:  # how Python, safetensors and torch report a full disk
        raise RunError(
            f"The checkpoint for step {step} could not be written to {folder} ({error}). Free some space; then the "
            "run can continue from the last checkpoint there."
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)  # already gone if all went well
    return whole


def learning(model: nn.Module) -> dict[str, Tensor]:
    """Return the buffers, and the weights that are not frozen, by name (by the first name, if a tensor has several).

    A buffer that contains infinity, such as a mask, is a constant that is created along with the model, so it is left
    out.
    """
    kept = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    kept |= {name for name, buffer in model.named_buffers() if buffer.isfinite().all()}
    return {name: tensor for name, tensor in model.state_dict().items() if name in kept}


def checksum(model: nn.Module) -> str | None:
    """Return a hexadecimal checksum of the frozen weights, or None if no weight is frozen."""
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    return checksum_of(frozen) if frozen else None


def checksum_of(tensors: Iterable[Tensor]) -> str:
    """Return a hexadecimal checksum of the tensors' contents."""
    running = 0
    for parameter in tensors:
        raw = parameter.detach().cpu().reshape(-1).view(torch.uint8)
        running = zlib.crc32(raw.numpy().data, running)
    return f"{running:08x}"


def name_of(step: int) -> str:
    return f"step-{step:08d}"


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Remove all checkpoints except the last `keep` and the checkpoint from step `best`."""
    for path in checkpoints(folder)[:-keep]:
        if int(path.name[5:]) != best:
            shutil.rmtree(path, ignore_errors=True)


def clean(folder: Path) -> None:
    """Remove the unfinished files of killed processes. Only the process that holds the folder's lock may call this."""
    for path in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)
    remove_leftovers(folder, ".saving-")
    remove_leftovers(folder, ".", ".part")


def load(path: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """Load a checkpoint into a model and its optimizers, and return its `state`.

    Raises `RunError` if the checkpoint is damaged or comes from a different architecture; in that case nothing changes.
    """
    about = read(path)
    try:
        if isinstance(model, Transformer):
            _check_architecture(about["model"] or {}, model, path)
        weights = read_sealed_weights(path, about)
        _check_weights(weights, learning(model), path)
        if about["frozen"] != checksum(model):
            raise RunError(
                f"The frozen weights differ from those of the run in {path}. Load the model that the run began with."
            )
        if file_checksum(path / OPTIMIZERS) != about["optimizers"]:
            raise CheckpointError(f"{path / OPTIMIZERS} differs from what was written")
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
    """Return a checkpoint's `state` without loading weights. Raises `RunError` if the checkpoint is damaged."""
    try:
        return read_state(path)
    except CheckpointError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> RunError:
    why = str(error).partition("\n")[0].removesuffix(".")
    return RunError(f"{path} is damaged ({why}). Remove it, and the run will continue from the previous checkpoint.")


def _check_architecture(theirs: Any, model: Transformer, path: Path) -> None:
    ours = json.loads(json.dumps(dataclasses.asdict(model.config)))
    if differing := [name for name in ours if ours[name] != theirs.get(name)]:
        differences = "; ".join(
            f"{name} is {theirs.get(name)} in the checkpoint and {ours[name]} here" for name in differing
        )
        raise RunError(f"{path} has a different architecture: {differences}. Build the model with the same config.")


def _check_weights(weights: dict[str, Tensor], ours: dict[str, Tensor], path: Path) -> None:
    if differing := sorted(weights.keys() ^ ours.keys()):
        raise RunError(
            f"{path} comes from a run that trained different weights: only one of the two runs has {differing[0]}. "
            "Freeze the same weights, or apply the same LoRA."
        )
    for name, value in weights.items():
        _check_alike(value, ours[name], name)


def check_states(states: Any, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Raise `ValueError` unless these states fit the optimizers, or `RunError` if there is not one for each optimizer.

    torch does not check this, and its fused kernels crash Python if a tensor has the wrong shape.
    """
    if not isinstance(states, list) or len(states) != len(optimizers):
        raise RunError(f"This run has {len(optimizers)} optimizers, but the checkpoint has a different number of them.")
    for optimizer, state in zip(optimizers, states):
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        parts = PARTS.get(type(optimizer), ()) if not optimizer.defaults.get("amsgrad") else ()
        if not isinstance(state, dict) or not all(type(number) is int for number in state):
            raise ValueError("the states are not a dict that maps weight numbers to states")
        for number, of_weight in state.items():
            if not 0 <= number < len(weights):
                raise ValueError(f"it has a state for weight {number}, but there are only {len(weights)} weights")
            weight = weights[number]
            if not isinstance(of_weight, dict) or (parts and of_weight.keys() != set(parts)):
                raise ValueError(f"the state of weight {number} must have exactly the entries {', '.join(parts)}")
            for part, value in of_weight.items() if parts else ():  # we cannot check other optimizers' states
                like = torch.zeros(()) if part == "step" else weight
                _check_alike(value, like, f"{part} of weight {number}")
                if part in ("step", "exp_avg_sq") and (value < 0).any():
                    raise ValueError(f"{part} of weight {number} is negative")


def _check_alike(value: Any, like: Tensor, what: str) -> None:
    """Raise `ValueError` unless a value has the shape and dtype of `like`, and contains only finite numbers."""
    if not isinstance(value, Tensor) or (value.shape, value.dtype) != (like.shape, like.dtype):
        found = f"{list(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{what} must be a tensor of shape {list(like.shape)}, {like.dtype}, got {found}")
    check_tensor(value, None, what)

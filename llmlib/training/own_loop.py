"""Save and load checkpoints in your own training loop, with any `nn.Module`, torch optimizers, and other state.

The checkpoints are folders like those of `train`. Each folder is complete or does not exist at all, and a checkpoint is
checked before loading changes anything.
"""

import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from llmlib.pretrained.run_folder import STATE, checkpoints, read_sealed_weights
from llmlib.settings import AT_LEAST_0, checked
from llmlib.training.checkpoints import RunError, learning, load, name_of, read, save


def save_checkpoint(
    folder: Path | str,
    step: int,
    model: nn.Module,
    optimizers: Optimizer | Sequence[Optimizer] = (),
    state: dict[str, Any] | None = None,
) -> Path:
    """Write a checkpoint into a folder, and return the checkpoint's own folder.

    A checkpoint contains the weights that are not frozen, and the optimizers' states, learning rates and other settings
    that are numbers. The checkpoint also contains `state`: anything else that the loop needs and that can be stored as
    JSON, such as `scheduler.state_dict()`. Earlier checkpoints survive if the process is killed or the disk is full.

    Raises `RunError` if the checkpoint cannot be written, or if the folder has a different checkpoint for this step,
    for example from an earlier run; and `ValueError` for a state that cannot be stored as JSON.

    >>> import tempfile
    >>> folder, model = tempfile.mkdtemp(), nn.Linear(2, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> save_checkpoint(folder, 100, model, optimizer, {"losses": [0.7, 0.5]}).name
    'step-00000100'
    >>> load_checkpoint(latest_checkpoint(folder), model, optimizer)
    (100, {'losses': [0.7, 0.5]})
    """
    folder, step, several = Path(folder), checked("step", step, Annotated[int, AT_LEAST_0]), _several(optimizers)
    try:
        plain = json.loads(json.dumps(state or {}, default=_number))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"state cannot be written as JSON ({error}). The state may contain numbers, strings and None, as well "
            "as lists and dicts of these."
        ) from None
    if (there := folder / name_of(step)).is_dir() and not _is_kept(model, there):
        raise RunError(
            f"{there} already exists, with different weights. Continue from it with load_checkpoint(latest_checkpoint("
            f"{str(folder)!r}), …), choose another folder, or remove it."
        )
    own = {"optimizers": [_about(optimizer) for optimizer in several], "state": plain}
    return save(folder, step, model, several, {"own": own})


def latest_checkpoint(folder: Path | str) -> Path | None:
    """Return a folder's checkpoint with the most steps (from your own loop or `train`), or None if there is none."""
    found = checkpoints(Path(folder))
    return found[-1] if found else None


def load_checkpoint(
    path: Path | str | None, model: nn.Module, optimizers: Optimizer | Sequence[Optimizer] = ()
) -> tuple[int, dict[str, Any]]:
    """Load a checkpoint into the model and its optimizers, and return its step and its `state`.

    Raises `RunError` if `path` is not a checkpoint, is damaged, or has different weights or optimizers; in that case
    nothing changes.
    """
    if path is None or not (Path(path) / STATE).is_file():
        raise RunError(f"{path} is not a checkpoint. latest_checkpoint(folder) returns a folder's last checkpoint.")
    path, several = Path(path), _several(optimizers)
    about = read(path)
    if "optimizers" not in about.get("own", ()):
        raise RunError(
            f"{path} comes from train, not from save_checkpoint. Continue the run with train(…, resume=True)."
        )
    kept, ours = about["own"]["optimizers"], [_about(optimizer) for optimizer in several]
    if differing := _differing(kept, ours):
        raise RunError(f"{path} has different optimizers: {differing}. Use the same optimizers as in the earlier run.")
    load(path, model, several)
    for optimizer, then in zip(several, kept):
        for group, numbers in zip(optimizer.param_groups, then["numbers"]):
            _put_numbers(group, numbers)
    return about["step"], about["own"]["state"]


def _several(optimizers: Optimizer | Sequence[Optimizer]) -> list[Optimizer]:
    return [optimizers] if isinstance(optimizers, Optimizer) else list(optimizers)


def _number(value: Any) -> Any:
    """Turn a tensor with a single number, such as a loss, into a number for JSON."""
    if getattr(value, "ndim", None) == 0:
        return value.item()
    raise TypeError(f"{type(value).__name__} is not a JSON type")


def _is_kept(model: nn.Module, there: Path) -> bool:
    """Return whether a checkpoint has exactly the model's weights, as happens when a loop saves its last step twice."""
    kept, ours = read_sealed_weights(there, read(there)), learning(model)
    return kept.keys() == ours.keys() and all(torch.equal(kept[name], ours[name].cpu()) for name in kept)


def _about(optimizer: Optimizer) -> dict[str, Any]:
    """Describe each group of an optimizer by the shapes of its weights and the numbers that a schedule may change."""
    groups = optimizer.param_groups
    return {
        "kinds": type(optimizer).__name__,
        "shapes": [[list(weight.shape) for weight in group["params"]] for group in groups],
        "numbers": [{name: _plain(value) for name, value in group.items() if _is_number(value)} for group in groups],
    }


def _differing(kept: list[dict[str, Any]], ours: list[dict[str, Any]]) -> str:
    """Say how a checkpoint's optimizers differ from the current ones; return an empty string if they do not differ."""
    kinds, shapes = ([[each[what] for each in these] for these in (kept, ours)] for what in ("kinds", "shapes"))
    if kinds[0] != kinds[1]:
        return f"kinds {kinds[0]} in the checkpoint and {kinds[1]} here"
    if shapes[0] == shapes[1]:
        return ""
    flat = ([shape for groups in each for group in groups for shape in group] for each in shapes)
    pairs = enumerate(zip_longest(*flat, fillvalue="missing"))
    unlike = (
        f"weight {number} is {then} in the checkpoint and {now} here" for number, (then, now) in pairs if then != now
    )
    return next(unlike, "the weights are grouped differently")


def _is_number(value: Any) -> bool:
    """Return whether a setting is a number, a tensor or a tuple of these (such as betas), but not True or False."""
    if isinstance(value, tuple):
        return all(map(_is_number, value))
    return isinstance(value, int | float | Tensor) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, Tensor) else value


def _put_numbers(group: dict[str, Any], numbers: dict[str, Any]) -> None:
    for name, number in numbers.items():
        if isinstance(group.get(name), Tensor):
            group[name].fill_(number)
        else:
            group[name] = tuple(number) if isinstance(number, list) else number

"""Open a checkpoint in a training run's folder as a model; `llmlib.training.checkpoints` writes the folder."""

import json
import re
import zlib
from pathlib import Path
from typing import Any

from torch import Tensor

from llmlib.pretrained.config_fields import CheckpointError, Fields, read_json
from llmlib.pretrained.weights_file import file_checksum, read_weights
from llmlib.settings import from_mapping
from llmlib.transformer import TransformerConfig

NAME = re.compile(r"step-(\d{1,15})")
VERSION = 2
STATE, WEIGHTS = "state.json", "model.safetensors"


def checkpoints(folder: Path) -> list[Path]:
    """Return the folders of a run's complete checkpoints, such as `step-00000600`, from the oldest to the newest."""
    found = [path for path in folder.glob("step-*") if NAME.fullmatch(path.name) and (path / STATE).is_file()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def seal(about: dict[str, Any]) -> dict[str, Any]:
    """Return the contents of `state.json` with a checksum added."""
    return {**about, "checksum": _sum(about)}


def read_state(path: Path) -> dict[str, Any]:
    """Read a checkpoint's `state.json`. Raises `CheckpointError` if it is damaged or has a different version."""
    where = path / STATE
    about = read_json(where, "Remove this checkpoint, and the run will continue from the previous one.")
    if about.get("version") != VERSION:
        raise CheckpointError(
            f"{where} has version {about.get('version')!r}, but this version of llmlib reads version {VERSION}."
        )
    written = about.pop("checksum", None)
    if written != _sum(about):
        raise CheckpointError(f"{where} is damaged or was changed: its checksum does not match its content.")
    return about


def read_sealed_weights(path: Path, about: dict[str, Any]) -> dict[str, Tensor]:
    """Return a checkpoint's weights. Raises `CheckpointError` if they do not match the checksum in its `state.json`."""
    weights = read_weights(path / WEIGHTS)
    if file_checksum(path / WEIGHTS) != about.get("weights"):
        raise CheckpointError(f"{path / WEIGHTS} differs from what was written: the file is damaged or was changed.")
    return weights


def _sum(about: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(about, sort_keys=True).encode())


class RunCheckpoint:
    """Reads a run's checkpoint, tensor by tensor; see `llmlib.pretrained.hub_folder.HubFolder`."""

    def __init__(self, folder: Path):
        about = read_state(folder)
        self.where = folder / STATE
        if about.get("frozen") is not None:
            raise CheckpointError(
                f"{folder} contains only the trained weights (those of a LoRA, for example), not the frozen weights. "
                "Finish the run (--resume, or resume=True); then its folder will contain the whole model."
            )
        if about.get("model") is None:
            raise CheckpointError(
                f"{folder} contains a module that is not a Transformer: use llmlib.training.load_checkpoint."
            )
        self.step = Fields(about, self.where).need("step", int)
        self.config = from_mapping(TransformerConfig, about.get("model"), str(self.where))
        self._weights = read_sealed_weights(folder, about)

    def tensor(self, name: str) -> Tensor:
        if name not in self._weights:
            raise CheckpointError(f"{self.where}: the weight {name!r} is missing from the checkpoint.")
        return self._weights[name]

    def unused(self, used: set[str]) -> set[str]:
        return self._weights.keys() - used

"""The folder of a run (`llmlib.training.checkpoints` writes it), opened as a model: one of its checkpoints."""

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
    """The checkpoints of a run, the oldest first: folders such as `step-00000600`, each whole."""
    found = [path for path in folder.glob("step-*") if NAME.fullmatch(path.name) and (path / STATE).is_file()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def seal(about: dict[str, Any]) -> dict[str, Any]:
    """What goes into `state.json`, with a checksum of the rest."""
    return {**about, "checksum": _sum(about)}


def read_state(path: Path) -> dict[str, Any]:
    """What a checkpoint says about itself. Raises `CheckpointError` if it is damaged or of another version."""
    where = path / STATE
    about = read_json(where, "Remove this checkpoint, and the run goes on from the one before.")
    if about.get("version") != VERSION:
        raise CheckpointError(f"{where} has the version {about.get('version')!r}; this llmlib reads version {VERSION}.")
    written = about.pop("checksum", None)
    if written != _sum(about):
        raise CheckpointError(f"{where} is damaged or was changed: its checksum is not that of its content.")
    return about


def read_sealed_weights(path: Path, about: dict[str, Any]) -> dict[str, Tensor]:
    """The weights of a checkpoint. Raises `CheckpointError` if they are not what its `state.json` speaks of."""
    weights = read_weights(path / WEIGHTS)
    if file_checksum(path / WEIGHTS) != about.get("weights"):
        raise CheckpointError(f"{path / WEIGHTS} is not what was written: the file is damaged or was changed.")
    return weights


def _sum(about: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(about, sort_keys=True).encode())


class RunCheckpoint:
    """A checkpoint of a run, tensor by tensor; see `llmlib.pretrained.hub_folder.HubFolder`."""

    def __init__(self, folder: Path):
        about = read_state(folder)
        self.where = folder / STATE
        if about.get("frozen") is not None:
            raise CheckpointError(
                f"{folder} holds only what learned, beside weights that were frozen, as with a LoRA. Let the run end "
                "(--resume, or resume=True): the whole model is then in its folder."
            )
        if about.get("model") is None:
            raise CheckpointError(
                f"{folder} holds a module that is not a Transformer: use llmlib.training.load_checkpoint."
            )
        self.step = Fields(about, self.where).need("step", int)
        self.config = from_mapping(TransformerConfig, about.get("model"), str(self.where))
        self._weights = read_sealed_weights(folder, about)

    def tensor(self, name: str) -> Tensor:
        if name not in self._weights:
            raise CheckpointError(f"{self.where}: the weight {name!r} is missing beside it.")
        return self._weights[name]

    def unused(self, used: set[str]) -> set[str]:
        return self._weights.keys() - used

"""Write weights with checksums, and check them on reading, so that a changed bit is detected before it is used."""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from llmlib.pretrained.config_fields import CheckpointError

OTHERS = "llmlib_files"  # metadata key for the checksums of the files that were saved with the weights
CHECKSUMS = "llmlib_crc32"  # metadata key for the checksums of the tensors; other readers of the file ignore it


def write_weights(weights: dict[str, Tensor], path: Path, **about: str) -> None:
    """Write a safetensors file with the checksum of each tensor, and any other metadata in `about`."""
    from safetensors.torch import save_file

    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    sums = {name: checksum(value) for name, value in tensors.items()}
    save_file(tensors, path, metadata={"format": "pt", CHECKSUMS: json.dumps(sums), **about})
    _sort_metadata(path)


def _sort_metadata(path: Path) -> None:
    """Sort the metadata so that the same weights give the same bytes; safetensors writes it in random order."""
    with open(path, "r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        written = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        file.seek(8)
        file.write(written.ljust(length))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a safetensors file.

    Raises `CheckpointError` if the file is damaged, or if a tensor contains NaN or infinity.
    """
    import safetensors

    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            sums, _ = checksums_of(opened.metadata(), tensors)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is truncated or damaged ({error}).") from error
    for name, tensor in tensors.items():
        check_tensor(tensor, sums.get(name), f"{path}: {name}")
    return tensors


def checksum(tensor: Shaped[Tensor, "*axes"]) -> int:
    """Return a number that almost certainly changes if any bit of the tensor changes.

    >>> checksum(torch.zeros(2))
    1696784233
    """
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data)


def file_checksum(path: Path) -> int:
    """Return a number that almost certainly changes if any byte of the file changes."""
    running = 0
    with open(path, "rb") as file:
        while piece := file.read(1 << 24):
            running = zlib.crc32(piece, running)
    return running


def checksums_of(metadata: Any, names: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the checksums in a file's metadata: those of its tensors, and those of the files saved with it.

    Both dicts are empty if another program wrote the file. Raises `ValueError` if the checksums cannot be read,
    or if our own checksums do not cover exactly the tensors in `names`: the metadata itself may then be damaged.
    """
    metadata = metadata or {}
    try:
        sums, others = (json.loads(metadata.get(key, "{}")) for key in (CHECKSUMS, OTHERS))
    except (ValueError, RecursionError):
        sums = others = None
    ours = any(key.startswith("llmlib") for key in metadata)
    if not isinstance(sums, dict) or not isinstance(others, dict) or (ours and sums.keys() != set(names)):
        raise ValueError("its checksums cannot be read")
    return sums, others


def check_tensor(tensor: Tensor, expected: Any, what: str) -> None:
    """Raise `CheckpointError` for a tensor that has changed since it was written, or contains NaN or infinity."""
    if expected is not None and checksum(tensor) != expected:
        raise CheckpointError(f"{what} differs from what was written: the file is damaged or was changed.")
    # If any number is infinite or NaN, so is the sum. A sum of finite numbers may also overflow, so if the sum is not
    # finite, we check every number, which is slow.
    if tensor.is_floating_point() and not tensor.sum(dtype=torch.float32).isfinite() and not tensor.isfinite().all():
        raise CheckpointError(f"{what} contains NaN or infinity: the file is damaged, or training went wrong.")

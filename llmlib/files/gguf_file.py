"""Read GGUF files without trusting them: every length is checked against the file's size before it is used.

GGUF is the file format of llama.cpp. A file consists of a header, key-value metadata (configuration and tokenizer), a
table of tensors, and then the tensors' data, which is often quantised to 4 or 8 bits per weight. Format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, UInt8

from llmlib.files.quantised import DEQUANTISE

if TYPE_CHECKING:
    import gguf

MAGIC = b"GGUF"
SCALARS = {  # value type in the file -> little-endian numpy type
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    7: "?",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
STRING, ARRAY = 8, 9
MAX_DIMENSIONS = 4


class GGUFError(ValueError):
    """Raised when a file is not a GGUF file that we can read; the message says what is wrong, and where."""


def is_gguf(path: Path) -> bool:
    """Return whether a file starts with the bytes that mark a GGUF file."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


@dataclass(frozen=True)
class TensorInfo:
    """Says where a tensor is in the file. `shape` is in torch's order (rows first); `offset` is in bytes."""

    name: str
    shape: tuple[int, ...]
    kind: int  # ggml's number for the data type, for example 0 = F32, 3 = Q4_1
    offset: int


@dataclass(frozen=True)
class GGUFFile:
    """The metadata and the table of tensors in a GGUF file; the tensors themselves are read on demand."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]

    def raw(self, name: str) -> tuple["gguf.GGMLQuantizationType", UInt8[np.ndarray, "*rows row_bytes"]]:
        """Return a tensor's storage type and its raw bytes as stored in the file, memory-mapped but not yet read.

        Raises `GGUFError` if the tensor is missing, is of an unknown kind, or runs past the end of the file.
        """
        import gguf

        if name not in self.tensors:
            raise GGUFError(f"{self.path}: tensor {name!r} is missing.")
        info = self.tensors[name]
        try:
            kind = gguf.GGMLQuantizationType(info.kind)
            block_size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        except (ValueError, KeyError):
            raise GGUFError(f"{self.path}: tensor {name!r} has the unknown data type {info.kind}.") from None
        if info.shape[-1] % block_size:
            raise GGUFError(
                f"{self.path}: tensor {name!r} has rows of {info.shape[-1]} values, "
                f"but {kind.name} packs {block_size} at a time."
            )
        row_bytes = info.shape[-1] // block_size * block_bytes
        n_bytes = math.prod(info.shape[:-1]) * row_bytes  # in Python's integers, which cannot overflow
        if info.offset + n_bytes > self.path.stat().st_size:
            raise GGUFError(f"{self.path}: tensor {name!r} runs past the end of the file. The file is truncated.")
        if n_bytes == 0:
            raise GGUFError(f"{self.path}: tensor {name!r} is empty. The file is damaged.")
        data = np.memmap(self.path, dtype=np.uint8, mode="r", offset=info.offset, shape=(n_bytes,))
        return kind, np.asarray(data).reshape(*info.shape[:-1], row_bytes)

    def tensor(self, name: str) -> Float32[np.ndarray, "*axes"]:
        """Read one tensor as float32. Raises `GGUFError` when `raw` does, and for a kind that cannot be dequantised."""
        import gguf

        kind, data = self.raw(name)
        if kind.name in DEQUANTISE:
            return DEQUANTISE[kind.name](data)
        try:
            values = gguf.quants.dequantize(data, kind)
        except NotImplementedError:
            raise GGUFError(
                f"{self.path}: tensor {name!r} is stored as {kind.name}, which cannot be dequantised."
            ) from None
        return values.astype(np.float32, copy=kind == gguf.GGMLQuantizationType.F32)  # a copy, not the mapped file


def read_gguf(path: Path | str) -> GGUFFile:
    """Read a GGUF file's header, metadata and table of tensors.

    Strings become `str`, arrays of strings become `list[str]`, and arrays of numbers become numpy arrays. Raises
    `GGUFError` if the file is truncated, states a wrong length, or has an unknown version.
    """
    path = Path(path)
    with open(path, "rb") as file:
        if file.read(4) != MAGIC:
            raise GGUFError(f"{path} is not a GGUF file: it does not begin with the bytes 'GGUF'.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Cursor(path, data).file()


class _Cursor:
    """Keeps a reading position in the mapped file; moving it past the end raises `GGUFError`."""

    def __init__(self, path: Path, data: mmap.mmap):
        self.path, self.data, self.position = path, data, len(MAGIC)

    def take(self, n_bytes: int) -> bytes:
        if n_bytes > len(self.data) - self.position:
            raise GGUFError(
                f"{self.path}: the value at byte {self.position:,} should take up {n_bytes:,} bytes, but the whole "
                f"file has only {len(self.data):,}. The file is truncated or damaged; download it again."
            )
        self.position += n_bytes
        return self.data[self.position - n_bytes : self.position]

    def number(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def string(self) -> str:
        return self.take(self.number("Q")).decode("utf-8", errors="replace")

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            item_kind, count = self.number("I"), self.number("Q")
            if item_kind == STRING:
                if count * 8 > len(self.data) - self.position:  # a string takes at least 8 bytes, for its length
                    self.take(count * 8)
                return [self.string() for _ in range(count)]
            return np.frombuffer(self.take(count * self.itemsize(item_kind)), dtype=SCALARS[item_kind])
        return np.frombuffer(self.take(self.itemsize(kind)), dtype=SCALARS[kind])[0].item()

    def itemsize(self, kind: int) -> int:
        if kind not in SCALARS:
            raise GGUFError(f"{self.path}: unknown value type {kind} before byte {self.position:,}.")
        return np.dtype(SCALARS[kind]).itemsize

    def file(self) -> GGUFFile:
        version = self.number("I")
        if version not in (2, 3):
            raise GGUFError(f"{self.path}: GGUF version {version} is not supported; only versions 2 and 3 are.")
        n_tensors, n_pairs = self.number("Q"), self.number("Q")
        metadata = {}
        for _ in range(n_pairs):  # each pair takes up bytes, so `take` raises an error if the count is too large
            key = self.string()
            metadata[key] = self.value(self.number("I"))
        relative = [self.tensor_info() for _ in range(n_tensors)]

        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment <= 0:
            raise GGUFError(f"{self.path}: general.alignment must be a positive integer, got {alignment!r}.")
        start = -(-self.position // alignment) * alignment
        tensors = {t.name: TensorInfo(t.name, t.shape, t.kind, start + t.offset) for t in relative}
        if len(tensors) < len(relative):
            raise GGUFError(f"{self.path}: two tensors have the same name.")
        return GGUFFile(self.path, metadata, tensors)

    def tensor_info(self) -> TensorInfo:
        name, n_dimensions = self.string(), self.number("I")
        if not 1 <= n_dimensions <= MAX_DIMENSIONS:
            raise GGUFError(f"{self.path}: tensor {name!r} claims {n_dimensions} dimensions; expected 1 to 4.")
        shape = tuple(self.number("Q") for _ in range(n_dimensions))[::-1]  # ggml lists the fastest-changing axis first
        return TensorInfo(name, shape, kind=self.number("I"), offset=self.number("Q"))

"""Store tokens on disk, and draw random windows from them as training batches."""

import operator
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from numpy.lib import format as npy
from torch import Tensor

from llmlib.files.atomic import atomic_write

Batch = tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]

SAMPLED = 1 << 20  # a fingerprint covers at most this many tokens


class DatasetError(ValueError):
    """Raised when a token file is missing, damaged or too short, or does not fit its vocabulary.

    The message says what to do.
    """


@runtime_checkable
class Encoder(Protocol):
    """The part of a tokenizer that a dataset needs."""

    @property
    def vocab_size(self) -> int: ...

    def encode(self, text: str, /) -> list[int]: ...


class TokenDataset:
    """Draws training batches from token ids in a memory-mapped file, or in an array or tensor in memory.

    The file may be larger than memory, and opens instantly. Its format is a one-dimensional ``.npy`` array of uint16
    (vocabularies up to 65,536) or uint32, which ``numpy.load`` can also read. Raises ``DatasetError`` if the file is
    missing or in a different format, or if the tokens in memory are not a one-dimensional array of integers.

    >>> import tempfile
    >>> from llmlib.tokenization import CharTokenizer
    >>> path = Path(tempfile.mkdtemp()) / "tokens.npy"
    >>> data = TokenDataset.build(path, ["to be, ", "or not to be"], CharTokenizer.train("to be, or not"))
    >>> x, y = data.batch(0, batch_size=2, seq_len=4, seed=0)
    >>> x.shape, torch.equal(x[:, 1:], y[:, :-1])
    (torch.Size([2, 4]), True)
    >>> TokenDataset(torch.arange(100), vocab_size=100)
    TokenDataset(in memory: 100 tokens, int64)
    """

    def __init__(self, tokens: Path | str | np.ndarray | Tensor | Sequence[int], vocab_size: int | None = None) -> None:
        self.path = Path(tokens) if isinstance(tokens, str | Path) else None
        self.vocab_size = vocab_size  # if known, the ids of every batch are checked against it
        self.tokens = _in_memory(tokens) if self.path is None else _mapped(self.path)

    @property
    def where(self) -> str:
        """The dataset's name, as it appears in messages."""
        return str(self.path) if self.path else "The dataset in memory"

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        name = self.path.name if self.path else "in memory"
        return f"TokenDataset({name}: {len(self):,} tokens, {self.tokens.dtype})"

    def __reduce__(self) -> tuple[type["TokenDataset"], tuple[Any, int | None]]:
        # A worker process maps the file itself, so nothing is copied.
        return TokenDataset, (self.path or np.asarray(self.tokens), self.vocab_size)

    def fingerprint(self) -> str:
        """Return the number of tokens and a checksum of at most a million of them, to detect changes to the tokens.

        >>> TokenDataset([1, 2, 3]).fingerprint()
        '3 tokens, 2bcb8d87'
        """
        pieces = np.array_split(self.tokens, max(1, len(self) // (SAMPLED // 16)))
        pieces = pieces[:: max(1, len(pieces) // 16)]
        running = 0
        for piece in pieces:
            running = zlib.crc32(np.ascontiguousarray(piece[: SAMPLED // 16], dtype="<i8").data, running)
        return f"{len(self):,} tokens, {running:08x}"

    @classmethod
    def build(
        cls, path: Path | str, texts: str | Iterable[str], tokenizer: Encoder, *, end_id: int | None = None
    ) -> "TokenDataset":
        """Encode texts one by one, and write the ids to the file ``path``, which is replaced completely or not at all.

        Each text is encoded separately and followed by ``end_id``, if given; only one text is in memory at a time.
        Raises ``DatasetError`` if an id is outside the vocabulary, or if there are no tokens at all.
        """
        vocab_size = tokenizer.vocab_size
        dtype = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32).newbyteorder("<")
        n_tokens = 0
        with atomic_write(path) as file:
            n_header = _write_header(file, dtype, 0)
            for text in [texts] if isinstance(texts, str) else texts:
                ids = np.array(tokenizer.encode(text) + ([] if end_id is None else [end_id]), dtype=np.int64)
                _check_ids(ids, vocab_size, "The tokenizer produced")
                file.write(ids.astype(dtype).tobytes())
                n_tokens += len(ids)
            if not n_tokens:
                raise DatasetError("The texts contain no tokens, so there is nothing to write.")
            file.seek(0)
            if _write_header(file, dtype, n_tokens) != n_header:
                raise DatasetError("This version of numpy writes headers of varying size. Install numpy 2.0 or newer.")
        return cls(path, vocab_size)

    def batch(
        self,
        step: int,
        *,
        batch_size: int,
        seq_len: int,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> Batch:
        """Return a step's batch: random windows ``x``, and ``y``, which holds the token after each token in ``x``.

        The batch depends only on the tokens and the arguments. So a run that was stopped can resume exactly where it
        left off, and several machines can take turns (rank r of n takes steps r, r + n, …). Returns int64 tensors on
        ``device``; they are copied to a GPU from pinned memory, without waiting for the copy. Raises ``DatasetError``
        if there are fewer than ``seq_len`` + 1 tokens or an id is not in the vocabulary, and ``ValueError`` if a size
        is not positive or ``step`` or ``seed`` is negative.
        """
        self._check_sizes(batch_size, seq_len)
        for name, value in (("step", step), ("seed", seed)):
            if operator.index(value) < 0:
                raise ValueError(f"{name} must be 0 or more, got {value}.")
        n_windows = len(self) - seq_len
        # The raw stream of Philox, a function of (key, counter), is the same in all versions of numpy.
        stream = np.random.Philox(key=seed, counter=[0, 0, 0, step]).random_raw(batch_size)
        starts = stream % np.uint64(n_windows)
        windows = np.stack([self.tokens[start : start + seq_len + 1] for start in starts.astype(np.int64)])
        if self.vocab_size is not None:
            _check_ids(windows, self.vocab_size, f"{self.where} contains")
        both = torch.from_numpy(windows.astype(np.int64))  # batch seq+1
        return _moved(both[:, :-1].contiguous(), device), _moved(both[:, 1:].contiguous(), device)

    def batches(
        self,
        *,
        batch_size: int,
        seq_len: int,
        seed: int = 0,
        start: int = 0,
        device: torch.device | str | None = None,
    ) -> Iterator[Batch]:
        """Return an endless series of batches, for steps ``start``, ``start`` + 1, ….

        Raises the same errors as ``batch``.
        """
        self._check_sizes(batch_size, seq_len)
        return (
            self.batch(step, batch_size=batch_size, seq_len=seq_len, seed=seed, device=device) for step in count(start)
        )

    def _check_sizes(self, batch_size: int, seq_len: int) -> None:
        for name, value in (("batch_size", batch_size), ("seq_len", seq_len)):
            if operator.index(value) < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}.")
        if len(self) < seq_len + 1:
            raise DatasetError(
                f"{self.where} has {len(self):,} tokens, but a window of {seq_len:,} needs {seq_len + 1:,}. "
                "Use a shorter window or more text."
            )


def _mapped(path: Path) -> np.ndarray:
    remedy = "Make the file with TokenDataset.build."
    if not path.is_file():
        raise DatasetError(f"There is no file {path}. {remedy}")
    try:
        tokens = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DatasetError(f"{path} is damaged or is not a .npy file ({error}). {remedy}") from error
    if not isinstance(tokens, np.ndarray) or tokens.ndim != 1 or tokens.dtype.kind != "u":
        raise DatasetError(f"{path} does not contain a one-dimensional array of unsigned token ids. {remedy}")
    return tokens


def _in_memory(tokens: Any) -> np.ndarray:
    """Return the tokens as an array that shares memory with them if possible."""
    array = tokens.detach().cpu().numpy() if isinstance(tokens, Tensor) else np.asarray(tokens)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise DatasetError(
            "In-memory tokens must be a one-dimensional array of whole numbers, "
            f"got {array.dtype} of shape {list(array.shape)}. Encode the text first: tokenizer.encode(text)."
        )
    return array


def _moved(ids: Tensor, device: torch.device | str | None) -> Tensor:
    if device is None or torch.device(device).type != "cuda":
        return ids if device is None else ids.to(device)
    return ids.pin_memory().to(device, non_blocking=True)


def _check_ids(ids: np.ndarray, vocab_size: int, source: str) -> None:
    for id in (int(ids.min()), int(ids.max())) if ids.size else ():
        if not 0 <= id < vocab_size:
            raise DatasetError(
                f"{source} the id {id}, but the vocabulary ends at {vocab_size - 1}. "
                "Use the tokenizer for this vocabulary."
            )


def _write_header(file: IO[bytes], dtype: np.dtype, n_tokens: int) -> int:
    """Write a .npy header and return its length.

    numpy pads the header, so a longer array does not need a longer header.
    """
    npy.write_array_header_1_0(file, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": (n_tokens,)})
    return file.tell()

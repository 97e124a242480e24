"""Tokens on disk, and random windows of them as training batches."""

import operator
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from numpy.lib import format as npy
from torch import Tensor

from llmlib.files.downloads import atomic_write

Batch = tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]


class DatasetError(ValueError):
    """A token file is missing, damaged, too short, or does not fit its vocabulary; the message says what to do."""


@runtime_checkable
class Encoder(Protocol):
    """What a tokenizer has to offer."""

    @property
    def vocab_size(self) -> int: ...

    def encode(self, text: str, /) -> list[int]: ...


class TokenDataset:
    """A file of token ids, memory-mapped: it may be larger than memory, and opens at once.

    The file is a one-dimensional ``.npy`` array of uint16 (vocabularies up to 65,536) or uint32, which ``numpy.load``
    reads as well. Raises ``DatasetError`` if it is missing or is not such a file.

    >>> import tempfile
    >>> from llmlib.tokenization import CharTokenizer
    >>> path = Path(tempfile.mkdtemp()) / "tokens.npy"
    >>> data = TokenDataset.build(path, ["to be, ", "or not to be"], CharTokenizer.train("to be, or not"))
    >>> x, y = data.batch(0, batch_size=2, seq_len=4, seed=0)
    >>> x.shape, torch.equal(x[:, 1:], y[:, :-1])
    (torch.Size([2, 4]), True)
    """

    def __init__(self, path: Path | str, vocab_size: int | None = None) -> None:
        self.path = Path(path)
        self.vocab_size = vocab_size  # known: every batch is checked against it
        remedy = "Make it with TokenDataset.build."
        if not self.path.is_file():
            raise DatasetError(f"There is no file {self.path}. {remedy}")
        try:
            self.tokens = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise DatasetError(f"{self.path} is damaged or is no .npy file ({error}). {remedy}") from error
        if not isinstance(self.tokens, np.ndarray) or self.tokens.ndim != 1 or self.tokens.dtype.kind != "u":
            raise DatasetError(f"{self.path} does not hold a row of unsigned token ids. {remedy}")

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        return f"TokenDataset({self.path.name}: {len(self):,} tokens, {self.tokens.dtype})"

    def __reduce__(self) -> tuple[type["TokenDataset"], tuple[Path, int | None]]:
        return TokenDataset, (self.path, self.vocab_size)  # a worker process maps the file again, nothing is copied

    @classmethod
    def build(
        cls, path: Path | str, texts: str | Iterable[str], tokenizer: Encoder, *, end_id: int | None = None
    ) -> "TokenDataset":
        """Encode texts one by one into the file ``path``, which is replaced whole or not at all.

        Each text is encoded by itself and followed by ``end_id``, if given; only one is in memory at a time. Raises
        ``DatasetError`` if an id does not fit the vocabulary, or if there is no token at all.
        """
        vocab_size = tokenizer.vocab_size
        dtype = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32).newbyteorder("<")
        n_tokens = 0
        with atomic_write(path) as file:
            n_header = _write_header(file, dtype, 0)
            for text in [texts] if isinstance(texts, str) else texts:
                ids = np.array(tokenizer.encode(text) + ([] if end_id is None else [end_id]), dtype=np.int64)
                _check_ids(ids, vocab_size, "The tokenizer")
                file.write(ids.astype(dtype).tobytes())
                n_tokens += len(ids)
            if not n_tokens:
                raise DatasetError("The texts hold no token, so there is nothing to write.")
            file.seek(0)
            if _write_header(file, dtype, n_tokens) != n_header:
                raise DatasetError("This numpy writes headers of varying size; numpy 2.0 or newer is needed.")
        return cls(path, vocab_size)

    def batch(self, step: int, *, batch_size: int, seq_len: int, seed: int = 0) -> Batch:
        """The batch of a step: windows ``x`` from random places, and ``y``, the token that follows each.

        It depends on nothing but the file and the arguments. So a run that stopped goes on exactly with its next step,
        and several machines can take turns (rank r of n takes the steps r, r + n, …). Returns int64 tensors.
        Raises ``DatasetError`` if the file is shorter than ``seq_len`` + 1 tokens or holds an id above the vocabulary,
        ``ValueError`` if a size is not positive or ``step`` or ``seed`` is negative.
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
            _check_ids(windows, self.vocab_size, str(self.path))
        both = torch.from_numpy(windows.astype(np.int64))  # batch seq+1
        return both[:, :-1].contiguous(), both[:, 1:].contiguous()

    def batches(self, *, batch_size: int, seq_len: int, seed: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of the steps ``start``, ``start`` + 1, … without end; raises as ``batch`` does."""
        self._check_sizes(batch_size, seq_len)
        return self._batches(batch_size, seq_len, seed, start)

    def _batches(self, batch_size: int, seq_len: int, seed: int, step: int) -> Iterator[Batch]:
        while True:
            yield self.batch(step, batch_size=batch_size, seq_len=seq_len, seed=seed)
            step += 1

    def _check_sizes(self, batch_size: int, seq_len: int) -> None:
        for name, value in (("batch_size", batch_size), ("seq_len", seq_len)):
            if operator.index(value) < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}.")
        if len(self) < seq_len + 1:
            raise DatasetError(
                f"{self.path} holds {len(self):,} tokens, and a window of {seq_len:,} needs {seq_len + 1:,}. "
                "Use a shorter window or more text."
            )


def _check_ids(ids: np.ndarray, vocab_size: int, who: str) -> None:
    for id in (int(ids.min()), int(ids.max())) if ids.size else ():
        if not 0 <= id < vocab_size:
            raise DatasetError(f"{who} gave the id {id}; the vocabulary ends at {vocab_size - 1}. Use its tokenizer.")


def _write_header(file: IO[bytes], dtype: np.dtype, n_tokens: int) -> int:
    """Write a .npy header, which numpy pads so that a longer array needs no longer header; returns its length."""
    npy.write_array_header_1_0(file, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": (n_tokens,)})
    return file.tell()

"""Whether a run fits; and memory that one step frees is used by the next, instead of being fetched anew.

A step allocates its activations and gradients and frees them all. glibc hands what lies free at the end of its heap
back to the system, and the next step gets it again page by page, each page cleared, at its first touch. For a model of
10 million weights that is 30,000 pages a step, a tenth of its time. torch's CPU allocator keeps nothing itself (on a
GPU it does, and there is nothing to do).
"""

import ctypes
import sys

import torch

from llmlib.costs import count
from llmlib.devices import memory_of
from llmlib.training.config import TrainConfig
from llmlib.transformer import TransformerConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT = 1 << 30  # bytes: more than this, and the rest goes back to the system
FROM_THE_HEAP = 32 << 20  # bytes: the largest piece that may come from the heap; glibc allows no more


def check_room(model: TransformerConfig, run: TrainConfig, device: torch.device) -> None:
    """Raise `ValueError` for a run that the device cannot hold: to be known before anything is allocated.

    Weights, gradients and AdamW's two numbers a weight, all float32, and what a part of a batch leaves for the backward
    pass (`llmlib.costs`).

    >>> gpt3 = TransformerConfig(50257, 2048, 12288, n_layers=96, n_heads=96)
    >>> check_room(gpt3, TrainConfig(seq_len=2048), torch.device("cpu"))
    Traceback (most recent call last):
        ...
    ValueError: This run needs about 7,787 GB of memory, and cpu has ... GB in all: 174,593,642,496 weights take ...
    """
    rows = -(-run.batch_size // run.accumulate)
    costs = count(model, batch=rows, seq_len=min(run.seq_len, model.max_seq_len))
    have = memory_of(device)
    if costs.training_bytes > have:
        fixed = costs.training_bytes - costs.activation_bytes - costs.logit_bytes
        smaller = "a smaller model" if fixed > have else "a smaller batch_size or seq_len, or a larger accumulate"
        raise ValueError(
            f"This run needs about {costs.training_bytes / 1e9:,.0f} GB of memory, and {device.type} has "
            f"{have / 1e9:,.0f} GB in all: {costs.parameters:,} weights take {fixed / 1e9:,.0f} GB with their "
            f"gradients and optimizer, {rows:,} rows of {run.seq_len:,} tokens the rest. Choose {smaller}."
        )


def keep_freed() -> bool:
    """Let this process keep up to `KEPT` bytes of freed memory; False where the C library cannot be told so.

    It holds until the process ends. `give_back` returns what lies free. Source: the manual page mallopt(3).

    >>> kept = keep_freed()
    >>> give_back()
    """
    libc = _glibc()
    # Setting one of the two ends glibc's own adjustment of both, so both are set.
    return bool(libc and libc.mallopt(M_MMAP_THRESHOLD, FROM_THE_HEAP) and libc.mallopt(M_TRIM_THRESHOLD, KEPT))


def give_back() -> None:
    """Return freed memory to the system, where `keep_freed` keeps it."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None

"""Check whether a run fits into memory, and keep the memory that one step frees for the next step to use.

A step allocates its activations and gradients and then frees them all. glibc returns the free memory at the end of its
heap to the system, and the next step has to request it again page by page; each page is cleared when it is first
touched. For a model with 10 million weights, that means 30,000 pages per step, which take 10% of the step's time.
torch's CPU allocator does not keep any memory itself (its GPU allocator does, so nothing needs to be done there).
"""

import ctypes
import sys

import torch

from llmlib.costs import count
from llmlib.devices import memory_of
from llmlib.training.config import TrainConfig
from llmlib.transformer import TransformerConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT = 1 << 30  # bytes of free memory; anything above this goes back to the system
FROM_THE_HEAP = 32 << 20  # bytes; the largest block that may come from the heap (glibc allows no higher limit)


def check_room(model: TransformerConfig, config: TrainConfig, device: torch.device) -> None:
    """Raise `ValueError` if a run does not fit on the device, before anything is allocated.

    A run needs weights, gradients and AdamW's two numbers per weight, all in float32, and the activations of one part
    of a batch (`llmlib.costs`).

    >>> gpt3 = TransformerConfig(50257, 2048, 12288, n_layers=96, n_heads=96)
    >>> check_room(gpt3, TrainConfig(seq_len=2048), torch.device("cpu"))
    Traceback (most recent call last):
        ...
    ValueError: This run needs about 7,787 GB of memory, but cpu has only ... GB: 174,593,642,496 weights take ...
    """
    rows = -(-config.batch_size // config.accumulate)
    costs = count(model, batch=rows, seq_len=min(config.seq_len, model.max_seq_len))
    have = memory_of(device)
    if costs.training_bytes > have:
        fixed = costs.training_bytes - costs.activation_bytes - costs.logit_bytes
        smaller = "a smaller model" if fixed > have else "a smaller batch_size or seq_len, or a larger accumulate"
        raise ValueError(
            f"This run needs about {costs.training_bytes / 1e9:,.0f} GB of memory, but {device.type} has only "
            f"{have / 1e9:,.0f} GB: {costs.parameters:,} weights take up {fixed / 1e9:,.0f} GB, including "
            f"their gradients and optimizer state, and {rows:,} rows of {config.seq_len:,} tokens take up the rest. "
            f"Choose {smaller}."
        )


def keep_freed() -> bool:
    """Let this process keep up to `KEPT` bytes of freed memory; return False if the C library does not support it.

    The setting lasts until the process ends; `give_back` returns freed memory to the system earlier. Source: the
    mallopt(3) manual page.

    >>> kept = keep_freed()
    >>> give_back()
    """
    libc = _glibc()
    # If we set one of these two thresholds, glibc stops adjusting both, so we set both.
    return bool(libc and libc.mallopt(M_MMAP_THRESHOLD, FROM_THE_HEAP) and libc.mallopt(M_TRIM_THRESHOLD, KEPT))


def give_back() -> None:
    """Return freed memory to the system, including the memory kept because of `keep_freed`."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None

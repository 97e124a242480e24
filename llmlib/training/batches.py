"""Prepare the batches of a run. On a GPU, this happens while the previous batch is still being processed."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from llmlib.training.config import TrainConfig

Batch = tuple[Int[Tensor, "batch *row"], Int[Tensor, "batch *row"]]


def shuffled(n: int, seed: int, epoch: int) -> list[int]:
    """Return the numbers from 0 to n − 1, shuffled for one epoch, in an order that is the same on every machine.

    >>> shuffled(4, seed=0, epoch=0), shuffled(4, seed=0, epoch=1)
    ([0, 2, 1, 3], [2, 0, 1, 3])
    """
    # The raw stream of Philox, a function of (key, counter), is the same in all versions of numpy.
    drawn = np.random.Philox(key=seed, counter=[0, 0, 0, epoch]).random_raw(n)
    return np.argsort(drawn, kind="stable").tolist()


@runtime_checkable
class Data(Protocol):
    """Provides batches, like `llmlib.corpora.datasets.TokenDataset`; the same step and seed give the same batch."""

    def batch(self, step: int, *, batch_size: int, seq_len: int, seed: int = 0, device: Any = None) -> Batch: ...


class Batches:
    """Makes the batch for each step. If `ahead` is True, it can make the next batch while the current step is running.

    A GPU works through a queue: a call returns at once, and we wait only when we read a result. So after we have asked
    for the gradients and before we read the loss, there is time to draw the next windows and to send them to the GPU
    from pinned memory. On a CPU, making the next batch and computing the step would compete for the same cores.
    """

    def __init__(self, data: Data, config: TrainConfig, device: torch.device):
        self.data, self.config, self.device = data, config, device
        self.ahead = device.type == "cuda"
        self._ready: tuple[int, Batch] | None = None

    def of(self, step: int) -> Batch:
        """Return the batch for a step (counted from 0)."""
        if self._ready is not None and self._ready[0] == step:
            return self._ready[1]  # keep the batch, because the step is taken again after an interrupt
        return self._make(step)

    def prepare(self, step: int) -> None:
        """Make the batch for a later step now, if that does not slow down the current step."""
        if self.ahead and step < self.config.steps:
            self._ready = step, self._make(step)

    def _make(self, step: int) -> Batch:
        c = self.config
        return self.data.batch(step, batch_size=c.batch_size, seq_len=c.seq_len, seed=c.seed, device=self.device)

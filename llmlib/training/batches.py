"""The batches of a run, and the next one made ready while a GPU still computes."""

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from llmlib.training.config import TrainConfig

Batch = tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]


@runtime_checkable
class Data(Protocol):
    """Where batches come from: the same step and seed give the same batch (`llmlib.corpora.datasets.TokenDataset`)."""

    def batch(
        self, step: int, *, batch_size: int, seq_len: int, seed: int = 0, device: Any = None
    ) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]: ...


class Batches:
    """What each step learns from; with `ahead`, the batch of the next step can be made while this one is computed.

    A GPU works through a queue: what is asked of it returns at once, and only reading a result waits. So between
    asking for the gradients and reading the loss there is time to draw the next windows and to send them from pinned
    memory. On a CPU both would want the same cores.
    """

    def __init__(self, data: Data, config: TrainConfig, device: torch.device):
        self.data, self.config, self.device = data, config, device
        self.ahead = device.type == "cuda"
        self._ready: tuple[int, Batch] | None = None

    def of(self, step: int) -> Batch:
        """The batch of a step (from 0)."""
        if self._ready is not None and self._ready[0] == step:
            return self._ready[1]  # kept: an interrupt may have the step taken anew
        return self._make(step)

    def prepare(self, step: int) -> None:
        """Make the batch of a step that will come, if that costs this one nothing."""
        if self.ahead and step < self.config.steps:
            self._ready = step, self._make(step)

    def _make(self, step: int) -> Batch:
        c = self.config
        return self.data.batch(step, batch_size=c.batch_size, seq_len=c.seq_len, seed=c.seed, device=self.device)

"""Several processes that train one model, as `torchrun` starts them: who am I, how many are we, and who writes.

Every process holds the whole model and computes its share of each batch; torch's DistributedDataParallel averages the
gradients while they are computed, so that all take the same step. Checkpoints are gathered ones, written by the first
process: since everybody holds everything there is nothing to gather, and a run goes on with any number of processes.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from llmlib.training import sharding
from llmlib.training.compiling import compile_blocks, compiled
from llmlib.training.config import TrainConfig
from llmlib.training.precision import WorkingCopy
from llmlib.transformer import Transformer


@dataclass(frozen=True)
class Ranks:
    """This process among all of them."""

    rank: int = 0
    world: int = 1

    @property
    def writes(self) -> bool:
        """Whether it is the one that writes files and shows progress."""
        return self.rank == 0

    def share(self, batch: Shaped[Tensor, "batch ..."]) -> Shaped[Tensor, "share ..."]:
        """This process's rows: no row is anybody else's too.

        >>> Ranks(rank=1, world=2).share(torch.arange(6))
        tensor([3, 4, 5])
        """
        return batch.chunk(self.world)[self.rank]

    def mean(self, value: float) -> float:
        """The mean over all processes."""
        if self.world == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(total)
        return total.item() / self.world

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.world > 1:
            dist.barrier()


def join() -> Ranks:
    """Join the processes that `torchrun` started, or stay alone where it did not.

    Its variables say who we are. On CPUs the processes speak through gloo, on GPUs through NCCL.
    """
    if not dist.is_initialized():
        if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return Ranks()
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return Ranks(dist.get_rank(), dist.get_world_size())


def spread(model: Transformer, config: TrainConfig, ranks: Ranks, dtype: torch.dtype) -> tuple[WorkingCopy, nn.Module]:
    """What computes for the model, and what is called while training: it exchanges gradients with other processes."""
    if config.parallel == "fsdp" and ranks.world > 1:
        if config.compile:
            compile_blocks(model)
        sharding.shard(model, ranks.world, dtype)
        return WorkingCopy(model, model.dtype), model  # FSDP2 does the rounding
    work = WorkingCopy(model, dtype)
    called: nn.Module = work.model
    if ranks.world > 1:
        called = DistributedDataParallel(called, device_ids=[model.device] if model.device.type == "cuda" else None)
    return work, compiled(called, model.device) if config.compile else called


@contextlib.contextmanager
def exchanging(called: nn.Module, is_last: bool) -> Iterator[None]:
    """Within a step, the processes exchange gradients with the last part of the batch only."""
    called = getattr(called, "_orig_mod", called)  # what was compiled
    if isinstance(called, DistributedDataParallel) and not is_last:
        with called.no_sync():
            yield
        return
    if hasattr(called, "set_requires_gradient_sync"):  # FSDP2
        called.set_requires_gradient_sync(is_last)
    yield

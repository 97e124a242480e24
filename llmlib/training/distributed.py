"""Several processes that train one model, as `torchrun` starts them: who am I, how many are we, and who writes.

Each computes its share of every batch, and all take the same step. With `parallel="ddp"` every process holds the whole
model, and torch's DistributedDataParallel averages the gradients while they are computed. With "fsdp" each holds a part
(`llmlib.training.sharding`), for models that one device cannot hold with their gradients and optimizers.

Checkpoints are gathered ones: the first process writes the whole weights and optimizer states, in one format whatever
wrote them, so that a run goes on with any number of processes of either kind, and the weights open without torch's
distributed modules. (torch's own distributed checkpoint, in which each process writes its part, is quicker for models
that the memory of one host cannot hold; those are beyond this library.) Hosts have to share the run's folder.

If a process dies, the others find out at their next exchange and stop; `torchrun --max-restarts=3` starts them all
anew, and a run that was started anew goes on from its last checkpoint, as if by `--resume`.
"""

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from llmlib.training import sharding
from llmlib.training.checkpoints import RunError
from llmlib.training.compiling import compile_blocks, compiled
from llmlib.training.config import TrainConfig
from llmlib.training.precision import WorkingCopy
from llmlib.transformer import Transformer

HINT = "Go on from the last checkpoint with resume=True (llmlib train --resume), with any number of processes."


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
        with self.together():
            dist.all_reduce(total)
        return total.item() / self.world

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.world > 1:
            with self.together():
                dist.barrier()

    def agree(self, value: Any, what: str) -> None:
        """Raise `RunError` unless all processes come with an equal value."""
        if self.world == 1:
            return
        values: list[Any] = [None] * self.world
        with self.together():
            dist.all_gather_object(values, value)
        if wrong := [f"process {rank}: {other}" for rank, other in enumerate(values) if other != values[0]]:
            raise RunError(f"The processes differ in {what}: process 0: {values[0]}; {'; '.join(wrong)}.")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What the processes do in step with each other; raises `RunError` if one of them is no longer there."""
        try:
            yield
        except RuntimeError as error:
            # gloo has no error class of its own; its messages begin with the place in its source.
            if self.world == 1 or not (isinstance(error, dist.DistError) or "gloo" in str(error)):
                raise
            why = str(error).partition("\n")[0].partition(". ")[0]
            raise RunError(f"Another process of this run has ended, or cannot be reached ({why}). {HINT}") from error


def join() -> Ranks:
    """Join the processes that `torchrun` started, or stay alone where it did not.

    Its variables say who we are. Tensors on CPUs go through gloo, on GPUs through NCCL. Raises `RunError` if this
    host has fewer GPUs than processes.
    """
    if not dist.is_initialized():
        if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return Ranks()
        if torch.cuda.is_available():
            here, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
            if here >= gpus:
                raise RunError(
                    f"Each process needs a GPU of its own, and this host has {gpus}: --nproc-per-node={gpus}."
                )
            torch.cuda.set_device(here)
        store, rank, world = next(dist.rendezvous("env://"))
        store = dist.PrefixStore(_roll_call(store, rank, world), store)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=world)
    return Ranks(dist.get_rank(), dist.get_world_size())


def _roll_call(store: dist.Store, rank: int, world: int) -> str:
    """A name for this start of all processes, the same in each, that no earlier start had.

    The store in which they find each other belongs to `torchrun` and outlives them. Started anew they would read there
    where those before them could be reached, and wait for the dead. So each writes down a name that is new, and they
    begin when all have read the same list: then nobody on it is of an earlier start. (torchrun counts its restarts,
    but on several hosts the counts differ.)
    """
    store.set(f"name of {rank}", uuid.uuid4().hex)
    counted = ""
    while True:
        names = b" ".join(store.get(f"name of {each}") for each in range(world))
        roll = hashlib.sha256(names).hexdigest()
        if store.add(roll, int(roll != counted)) == world:
            return roll
        counted = roll
        time.sleep(0.02)


def restarted(ranks: Ranks) -> bool:
    """Whether `torchrun` has started us anew, after one of us died; on one of several hosts is enough."""
    return ranks.mean(float(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))) > 0


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
def exchanging(called: Any, is_last: bool) -> Iterator[None]:
    """Within a step, the processes exchange gradients with the last part of the batch only."""
    called = getattr(called, "_orig_mod", called)  # what was compiled
    if isinstance(called, DistributedDataParallel) and not is_last:
        with called.no_sync():
            yield
        return
    if hasattr(called, "set_requires_gradient_sync"):  # FSDP2
        called.set_requires_gradient_sync(is_last)
    yield

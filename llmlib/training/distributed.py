"""Train one model with several processes, which `torchrun` starts and which this module coordinates.

Each process computes its share of every batch, and all processes take the same step. With `parallel="ddp"` every
process has the whole model, and torch's DistributedDataParallel averages the gradients while they are being computed.
With "fsdp" each process has only a part of the model (`llmlib.training.sharding`); use "fsdp" if a model, its gradients
and its optimizer states do not fit on one device.

Checkpoints are complete, because the first process gathers and writes all weights and optimizer states, always in the
same format. So a run can continue with any number of processes, in either mode, and you can open the weights without
torch's distributed modules. (In torch's own distributed checkpoints, each process writes its own part. That is quicker
for models that are too large for one host's memory, but such models are beyond the scope of this library.) All hosts
must have access to the same run folder.

If a process dies, the other processes notice its death at their next exchange and stop. `torchrun --max-restarts=3`
then starts all processes again, and the run continues from its last checkpoint, as with `--resume`.
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

HINT = "Continue from the last checkpoint with resume=True (llmlib train --resume); any number of processes will do."


@dataclass(frozen=True)
class Ranks:
    """Holds the number of this process (`rank`) and the total number of processes (`world`)."""

    rank: int = 0
    world: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.rank == 0

    def share(self, batch: Shaped[Tensor, "batch ..."]) -> Shaped[Tensor, "share ..."]:
        """Return this process's rows of a batch; no two processes share a row.

        >>> Ranks(rank=1, world=2).share(torch.arange(6))
        tensor([3, 4, 5])
        """
        return batch.chunk(self.world)[self.rank]

    def mean(self, value: float) -> float:
        """Return the mean of `value` over all processes."""
        if self.world == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        with self.together():
            dist.all_reduce(total)
        return total.item() / self.world

    def wait(self) -> None:
        """Wait until all processes reach this call."""
        if self.world > 1:
            with self.together():
                dist.barrier()

    def agree(self, value: Any, what: str) -> None:
        """Raise `RunError` unless all processes pass the same `value`; `what` is the value's name in the message."""
        if self.world == 1:
            return
        values: list[Any] = [None] * self.world
        with self.together():
            dist.all_gather_object(values, value)
        if wrong := [f"process {rank}: {other}" for rank, other in enumerate(values) if other != values[0]]:
            raise RunError(f"The processes disagree on {what}: process 0: {values[0]}; {'; '.join(wrong)}.")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Run a block that needs all processes; raise `RunError` if a process is gone."""
        try:
            yield
        except RuntimeError as error:
            # gloo has no error class of its own; its messages begin with a file and line in its source.
            if self.world == 1 or not (isinstance(error, dist.DistError) or "gloo" in str(error)):
                raise
            why = str(error).partition("\n")[0].partition(". ")[0]
            raise RunError(f"Another process in this run has ended, or cannot be reached ({why}). {HINT}") from error


def join() -> Ranks:
    """Join the processes that `torchrun` started, or run alone if it started none.

    torchrun's environment variables say which process this is. Tensors on CPUs go through gloo, and tensors on GPUs go
    through NCCL. Raises `RunError` if this host has GPUs, but fewer of them than processes.
    """
    if not dist.is_initialized():
        if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return Ranks()
        if torch.cuda.is_available():
            here, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
            if here >= gpus:
                raise RunError(
                    f"Each process needs its own GPU, but this host has only {gpus}. Use --nproc-per-node={gpus}."
                )
            torch.cuda.set_device(here)
        store, rank, world = next(dist.rendezvous("env://"))
        store = dist.PrefixStore(_roll_call(store, rank, world), store)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=world)
    return Ranks(dist.get_rank(), dist.get_world_size())


def _roll_call(store: dist.Store, rank: int, world: int) -> str:
    """Return a new name for this start of the run; every process gets the same name.

    The processes find each other through a store, which belongs to `torchrun` and outlives them. After a restart they
    would read old addresses there and wait for dead processes. So each process writes a new name, and the processes
    begin once they have all read the same names. Then none of these names is from an earlier start. (torchrun counts
    its restarts, but the counts differ between hosts.)
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
    """Return whether `torchrun` has restarted the run after a process died, even if only on one of several hosts."""
    return ranks.mean(float(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))) > 0


def spread(model: Transformer, config: TrainConfig, ranks: Ranks, dtype: torch.dtype) -> tuple[WorkingCopy, nn.Module]:
    """Return the model's working copy, and the module to call in training, which also exchanges the gradients."""
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
    """Let the processes exchange gradients only during the last part of a batch."""
    called = getattr(called, "_orig_mod", called)  # the module inside a compiled module
    if isinstance(called, DistributedDataParallel) and not is_last:
        with called.no_sync():
            yield
        return
    if hasattr(called, "set_requires_gradient_sync"):  # FSDP2
        called.set_requires_gradient_sync(is_last)
    yield

"""Define what all runs share, whatever their loss: optimizer steps, checkpoints, processes and interrupts.

`Training` (`llmlib.training.loop`) and `Alignment` (`llmlib.preferences.aligning`) are runs.
"""

import contextlib
import dataclasses
import json
import math
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch

from llmlib.devices import choose
from llmlib.training import checkpoints, distributed, memory, sharding
from llmlib.training.checkpoints import RunError
from llmlib.training.config import TrainConfig, schedule_at
from llmlib.training.optimizers import make_optimizers
from llmlib.transformer import Transformer

# Settings that may change when a run is resumed: they change how the run computes, not what it computes.
FREE = ("parallel", "compile", "validate_every", "sample_every", "statistics_every", "save_every", "keep")

Result = TypeVar("Result")
AnyRun = TypeVar("AnyRun", bound="Run")


class RunWarning(UserWarning):
    """Warns that a run continues in a way that you might not expect; the message says how."""


class TrainingDiverged(RuntimeError):
    """Raised when the loss or the gradients are NaN or infinite, or the loss jumps; the message names likely causes."""


class Run(Iterator[Result], Generic[Result]):
    """A training run, in which each call to `next` takes a step.

    `settings` say what the run computes, and `config` says how it trains.
    """

    RESULT: ClassVar[type] = object  # the type that each step returns
    SAME = "Continue with the same text, tokenizer and shares"  # advice if the run in the folder used other data

    def __init__(self, model: Transformer, config: TrainConfig, folder: Path | None, settings: Any = None):
        self.model, self.config, self.folder = model, config, folder
        self.settings: Any = settings or config
        self.claim: Any = None  # the lock on the folder, held while this run writes to it
        self.step = 0  # steps taken
        self.last: Result | None = None
        self.ranks = distributed.join()
        self.dtype = choose(model.device, config.dtype).dtype
        self.work, self.called = distributed.spread(model, config, self.ranks, self.dtype)
        self.optimizers = make_optimizers(model, config)
        if model.device.type == "cpu":
            memory.keep_freed()

    def __len__(self) -> int:
        """Return how many steps are left."""
        return self.config.steps - self.step

    def __next__(self) -> Result:
        """Take a step and return its result.

        If the step is interrupted, it has been taken completely or not at all, and the run can continue.
        """
        if self.step >= self.config.steps:
            raise StopIteration
        with self.ranks.together():
            return self._take()

    def _take(self) -> Result:
        raise NotImplementedError

    def _fingerprints(self) -> dict[str, str | None]:
        """Return the fingerprints of everything that the run learns from, by name, so that we notice any change."""
        raise NotImplementedError

    def _remembered(self) -> dict[str, Any]:
        """Return what a checkpoint has to contain besides the weights and the optimizers, as JSON values."""
        raise NotImplementedError

    def _recall(self, about: dict[str, Any]) -> None:
        """Restore what `_remembered` put into a checkpoint."""
        raise NotImplementedError

    def _update(self) -> None:
        """Let the optimizers take a step; call this inside `uninterrupted`."""
        share = schedule_at(self.step, self.config)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
            optimizer.step()
        self.work.refresh()

    @property
    def _rate(self) -> float:
        return self.config.learning_rate * schedule_at(self.step, self.config)

    def _clip(self) -> float:
        return sharding.clip_gradients(self.model.parameters(), self.config.clip_norm or math.inf)

    def _check_finite(self, loss: float, norm: float) -> None:
        """Stop before a step that would ruin the weights, so that the model keeps its last good weights."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self._diverged(
                f"At step {self.step + 1}, the loss is {loss:.3g} and the gradient norm is {norm:.3g}."
            )

    def _diverged(self, what: str) -> TrainingDiverged:
        """Return an error that names likely causes and says which weights and checkpoint are kept."""
        causes = [f"the learning rate ({self._rate:.2g} here) is too high: try a third of it, or a longer warmup"]
        if self.config.clip_norm is None:
            causes.append("gradients are not clipped: set clip_norm=1.0")
        if self.dtype == torch.float16:
            causes.append("float16 overflows above 65,504: use bfloat16")
        return TrainingDiverged(f"{what} Likely cause: {'; or '.join(causes)}. {self._kept()}.")

    def _kept(self) -> str:
        kept = "The model has the weights from before this step"
        if self.folder and (found := checkpoints.checkpoints(self.folder)):
            kept += f"; the last checkpoint is {found[-1]}"
        return kept

    def _due(self, every: int) -> bool:
        return self.step == self.config.steps or (every > 0 and self.step % every == 0)

    def _settle(self) -> None:
        """End a step: save a checkpoint if one is due; after the last step, unlock the folder and free memory."""
        if self.folder and self._due(self.config.save_every):
            self.save()
        if self.step == self.config.steps:
            self.claim = None
            memory.give_back()

    def save(self) -> Path:
        """Write a checkpoint now. Raises `RunError` if it cannot be written, or if the run has no folder."""
        if self.folder is None:
            raise RunError("This run has no checkpoint folder; pass folder=… when you start it.")
        state = {"train": dataclasses.asdict(self.settings), "data": self._fingerprints(), **self._remembered()}
        checkpoints.save(self.folder, self.step, self.model, self.optimizers, state, self.ranks.writes)
        if self.ranks.writes:
            best = getattr(self, "best", None)
            checkpoints.prune(self.folder, self.config.keep, best[1] if best else None)
        self.ranks.wait()
        return self.folder / checkpoints.name_of(self.step)

    def resume(self) -> bool:
        """Continue from the last checkpoint in the folder; return False if there is none.

        Raises `RunError` for the same reasons as `checkpoints.load`, and if the config or the data differ from those of
        the earlier run. In all these cases nothing changes.
        """
        assert self.folder is not None
        found = checkpoints.checkpoints(self.folder)
        if not found:
            return False
        about = checkpoints.read(found[-1])
        self._check_same(about)
        checkpoints.load(found[-1], self.model, self.optimizers)
        self.work.refresh()
        self.step = about["step"]
        self._recall(about)
        if (planned := about["train"]["steps"]) != self.config.steps:
            _tell(_extended(planned, self.step, self.config))
        return True

    def _check_same(self, about: dict[str, Any]) -> None:
        """Raise `RunError` unless the run in the folder had the same data and settings, except for steps and `FREE`."""
        ours, theirs = json.loads(json.dumps(dataclasses.asdict(self.settings))), about["train"]
        differing = [name for name in ours if name not in (*FREE, "steps") and ours[name] != theirs.get(name)]
        if differing:
            changes = "; ".join(f"{name} was {theirs.get(name)} and is now {ours[name]}" for name in differing)
            raise RunError(
                f"The run in {self.folder} had a different config: {changes}. Use that config, or another folder."
            )
        if self.config.steps < about["step"]:
            raise RunError(
                f"The run in {self.folder} has already taken {about['step']} steps, but the config has "
                f"steps={self.config.steps}. Set a higher number of steps."
            )
        for name, now in self._fingerprints().items():
            before = about["data"].get(name)
            if before is not None and now is not None and before != now:
                raise RunError(
                    f"The run in {self.folder} did not begin with the same {name}: {before} then, {now} now. "
                    f"{self.SAME}, or start a new run in another folder."
                )


def begin(make: Callable[[], AnyRun], path: Path | None, resume: bool) -> AnyRun:
    """Make a run and lock its folder; continue the folder's run if `resume` is True or `torchrun` has restarted it.

    Raises `RunError` if the folder contains a run and you do not resume it, or for the same reasons as `Run.resume`.
    """
    ranks = distributed.join()
    claim = checkpoints.claim(path) if path is not None and ranks.writes else None
    if path is not None and ranks.writes:
        checkpoints.clean(path)
    resume = resume or distributed.restarted(ranks)
    found = [] if path is None else checkpoints.checkpoints(path)
    ranks.agree(found[-1].name if found else "none", f"the last checkpoint that they find in {path}")
    run = make()
    run.claim = claim
    if path is not None and ranks.writes:
        _tell_of_unfinished(path, found, resume)
    if found and not (resume and run.resume()):
        raise RunError(
            f"{path} already contains a run. Continue it with resume=True (llmlib train --resume), choose another "
            "folder, or remove it."
        )
    return run


def fingerprint_of(data: Any) -> str | None:
    """Return the data's fingerprint, which shows whether the data has changed, or None if it has no fingerprint."""
    found = getattr(data, "fingerprint", None)
    return found() if callable(found) else None


def _extended(planned: int, taken: int, config: TrainConfig) -> str:
    """Return a message about resuming the run with a different number of steps."""
    share = schedule_at(min(taken, config.steps - 1), config)
    planned_and_now = f"The run was planned for {planned} steps and now has {config.steps}; it has taken {taken}."
    if config.schedule == "constant":
        return f"{planned_and_now} The learning rate stays as it is."
    return (
        f"{planned_and_now} Its schedule, {config.schedule!r}, now ends at the new last step: the learning rate "
        f"continues at {share:.0%} of its peak. If the run had been planned for {config.steps} steps "
        "from the start, its rates up to here would have been different."
    )


def _tell_of_unfinished(folder: Path, found: list[Path], resume: bool) -> None:
    """Report a checkpoint without state.json, so that a run does not silently start over or use an older checkpoint."""
    broken = [path for path in sorted(folder.glob("step-*")) if path.is_dir() and path not in found]
    if not broken:
        return
    if not found:
        raise RunError(
            f"{folder} contains a run, but its only checkpoint {broken[-1].name} is incomplete: state.json is missing. "
            "Put the file back, or remove the folder to start again."
        )
    if resume and broken[-1].name > found[-1].name:
        _tell(f"{broken[-1]} has no state.json, so it is incomplete; the run continues from {found[-1].name}.")


def _tell(message: str) -> None:
    warnings.warn(message, RunWarning, stacklevel=5)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Make Ctrl-C and the Stop button wait until the block has ended, so that no step is left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[Any] = []
    before = signal.signal(signal.SIGINT, lambda *arguments: waiting.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if waiting and callable(before):
        before(*waiting[0])

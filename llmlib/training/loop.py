"""The training loop, one step at a time."""

import contextlib
import dataclasses
import json
import math
import signal
import statistics
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from llmlib.devices import choose
from llmlib.training import checkpoints, distributed, memory, sharding
from llmlib.training.batches import Batches, Data
from llmlib.training.checkpoints import RunError
from llmlib.training.config import TrainConfig, schedule_at
from llmlib.training.loss import NOTHING_COUNTS, count_targets, cross_entropy
from llmlib.training.optimizers import make_optimizers
from llmlib.training.statistics import Observer, Statistics
from llmlib.transformer import Transformer, TransformerConfig

# Settings that may change when a run is resumed: they change how it computes, not what.
FREE = ("parallel", "compile", "validate_every", "sample_every", "statistics_every", "save_every", "keep")
RECENT = 50  # steps to compare with when the loss suddenly rises


@dataclass(frozen=True)
class Step:
    """The result of one training step."""

    step: int  # from 1: how many steps have been taken
    loss: float  # nats per token, before the step
    learning_rate: float
    gradient_norm: float  # of all gradients together, before clipping
    tokens_per_second: float
    validation_loss: float | None = None  # when due
    sample: Any = None  # when due: what the `sample` function returned
    statistics: Statistics | None = field(default=None, compare=False)  # when due: what goes on inside


class RunWarning(UserWarning):
    """A run continues in a way that you might not expect; the message says how."""


class TrainingDiverged(RuntimeError):
    """The loss or the gradients are NaN, infinite, or suddenly far larger; the message names a likely cause."""


class Training(Iterator[Step]):
    """A training run: each `next` takes a step. `train` makes one."""

    def __init__(
        self,
        model: Transformer,
        data: Data,
        config: TrainConfig,
        validation: Data | None,
        sample: Callable[[Transformer], Any] | None,
        folder: Path | None,
    ):
        self.model, self.data, self.config = model, data, config
        self.validation, self.sample, self.folder = validation, sample, folder
        self.claim: Any = None  # the lock on the folder, as long as this run writes to it
        self.step = 0  # steps taken
        self.last: Step | None = None
        self.best: tuple[float, int] | None = None  # the lowest validation loss, and its step
        self.ranks = distributed.join()
        self.dtype = choose(model.device, config.dtype).dtype
        self.batches = Batches(data, config, model.device)
        self.work, self.called = distributed.spread(model, config, self.ranks, self.dtype)
        self.optimizers = make_optimizers(model, config)
        self.recent: deque[float] = deque(maxlen=RECENT)
        if model.device.type == "cpu":
            memory.keep_freed()

    def __len__(self) -> int:
        """Return how many steps are left."""
        return self.config.steps - self.step

    def __next__(self) -> Step:
        """Take a step. An interrupt leaves the model as it was before or after the step, and the run can continue."""
        if self.step >= self.config.steps:
            raise StopIteration
        with self.ranks.together():
            return self._take()

    def _take(self) -> Step:
        started = time.perf_counter()
        share = schedule_at(self.step, self.config)
        self.work.model.train()
        observer = Observer(self.model) if self._measures() else None
        with observer.watch(self.work.model) if observer else contextlib.nullcontext():
            loss, tokens = self._gradients()
        if observer:
            observer.before_the_step()
        norm = self._clip()
        self._check(loss, norm)
        with _uninterrupted():
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["peak"] * share
                optimizer.step()
            self.work.refresh()
            self.step += 1
            self.recent.append(loss)
            speed, rate = tokens / (time.perf_counter() - started), self.config.learning_rate * share
            self.last = Step(self.step, loss, rate, norm, speed)  # an interrupt may come before we know the rest
        statistics = observer.after_the_step() if observer else None
        for model in (self.work.model, self.model):
            model.eval()
        validation_loss = self.validate() if self.validation and self._due(self.config.validate_every) else None
        sample = None
        if self.sample and self._due(self.config.sample_every):
            sample = self.sample(sharding.whole_model(self.model))
        if validation_loss is not None and (self.best is None or validation_loss < self.best[0]):
            self.best = validation_loss, self.step
        self.last = Step(self.step, loss, rate, norm, speed, validation_loss, sample, statistics)
        if self.folder and self._due(self.config.save_every):
            self.save()
        if self.step == self.config.steps:
            self.claim = None
            memory.give_back()
        return self.last

    def _gradients(self) -> tuple[float, int]:
        """Compute the gradients of the whole batch's mean loss, part by part; return the loss and the tokens read."""
        c = self.config
        x, y = self.batches.of(self.step)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        losses = []
        parts = list(zip(self.ranks.share(x).chunk(c.accumulate), self.ranks.share(y).chunk(c.accumulate)))
        counted = count_targets(y)
        if not counted:
            raise ValueError(NOTHING_COUNTS)
        for number, (part_x, part_y) in enumerate(parts, start=1):
            with distributed.exchanging(self.called, number == len(parts)):
                logits = self.called(part_x)
                # Weigh each part by its share of all targets that count, so the sum is the mean over the whole batch;
                # processes average their gradients, so multiply by `world`.
                weight = count_targets(part_y) / counted * self.ranks.world
                loss = cross_entropy(logits, part_y) * weight if weight else 0 * logits.sum()
                loss.backward()
            losses.append(loss.detach())
        self.work.hand_over()
        self.batches.prepare(self.step + 1)  # a GPU is still busy with the gradients
        return self.ranks.mean(sum(loss.item() for loss in losses)), x.numel()

    def _clip(self) -> float:
        return sharding.clip_gradients(self.model.parameters(), self.config.clip_norm or math.inf)

    def _check(self, loss: float, norm: float) -> None:
        """Stop before a step that would spoil the weights, so that the model keeps the ones from before."""
        if math.isfinite(loss) and math.isfinite(norm):
            usual = statistics.median(self.recent) if len(self.recent) == RECENT else math.inf
            if loss <= 3 * usual + 1:
                return
            what = f"The loss jumped to {loss:.3g} at step {self.step + 1}, from {usual:.3g}."
        else:
            what = f"At step {self.step + 1} the loss is {loss:.3g} and the norm of the gradients is {norm:.3g}."
        rate = self.config.learning_rate * schedule_at(self.step, self.config)
        causes = [f"the learning rate ({rate:.2g} here) is too high: try a third of it, or a longer warmup"]
        if self.config.clip_norm is None:
            causes.append("gradients are not clipped: set clip_norm=1.0")
        if self.dtype == torch.float16:
            causes.append("float16 overflows above 65,504: use bfloat16")
        kept = "The model has the weights from before this step"
        if self.folder and (found := checkpoints.checkpoints(self.folder)):
            kept += f"; the last checkpoint is {found[-1]}"
        raise TrainingDiverged(f"{what} Likely cause: {'; or '.join(causes)}. {kept}.")

    def _due(self, every: int) -> bool:
        return self.step == self.config.steps or (every > 0 and self.step % every == 0)

    def _measures(self) -> bool:
        """Return whether to measure the coming step: the first one, and then every `statistics_every` steps."""
        every = self.config.statistics_every
        return every > 0 and (self.step == 0 or (self.step + 1) % every == 0)

    @torch.no_grad()
    def validate(self) -> float:
        """Return the mean loss on the validation data, always on the same windows."""
        assert self.validation is not None
        c = self.config
        total, counted = 0.0, 0
        for number in range(c.validation_batches):
            x, y = self.validation.batch(
                number, batch_size=c.batch_size // c.accumulate, seq_len=c.seq_len, device=self.model.device
            )
            n = count_targets(y)
            total, counted = total + cross_entropy(self.work.model(x), y).item() * n, counted + n
        return total / counted

    def save(self) -> Path:
        """Write a checkpoint now. Raises `RunError` if it cannot be written, or if the run has no folder."""
        if self.folder is None:
            raise RunError("This run has no folder for checkpoints; pass folder=… to train.")
        state = {
            "train": dataclasses.asdict(self.config),
            "data": {name: _fingerprint(data) for name, data in self._data()},
            "best": self.best,
            "recent": list(self.recent),
            "last": self.last and dataclasses.asdict(dataclasses.replace(self.last, sample=None, statistics=None)),
        }
        checkpoints.save(self.folder, self.step, self.model, self.optimizers, state, self.ranks.writes)
        if self.ranks.writes:
            checkpoints.prune(self.folder, self.config.keep, self.best[1] if self.best else None)
        self.ranks.wait()
        return self.folder / checkpoints.name_of(self.step)

    def resume(self) -> bool:
        """Continue from the last checkpoint in the folder; return False if there is none.

        Raises `RunError` as `load` does, and if the config or the data differ; then nothing has changed.
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
        self.best = tuple(about["best"]) if about["best"] else None
        self.recent.extend(about["recent"])
        self.last = Step(**about["last"]) if about["last"] else None
        if (planned := about["train"]["steps"]) != self.config.steps:
            _tell(_extended(planned, self.step, self.config))
        return True

    def _data(self) -> list[tuple[str, Any]]:
        return [("data", self.data)] + ([("validation", self.validation)] if self.validation else [])

    def _check_same(self, about: dict[str, Any]) -> None:
        """Raise `RunError` unless the run in the folder is this one; only its number of steps may differ."""
        ours, theirs = json.loads(json.dumps(dataclasses.asdict(self.config))), about["train"]
        differing = [name for name in ours if name not in (*FREE, "steps") and ours[name] != theirs.get(name)]
        if differing:
            changes = "; ".join(f"{name} was {theirs.get(name)} and is {ours[name]}" for name in differing)
            raise RunError(f"The run in {self.folder} had another config: {changes}. Use that, or another folder.")
        if self.config.steps < about["step"]:
            raise RunError(f"The run in {self.folder} has taken {about['step']} steps, but steps={self.config.steps}.")
        for name, data in self._data():
            before, now = about["data"].get(name), _fingerprint(data)
            if before is not None and now is not None and before != now:
                raise RunError(
                    f"The run in {self.folder} began with other {name}: {before} there, {now} here. Continue with the "
                    "same text, tokenizer and shares, or start a new run in another folder."
                )


def train(
    model: Transformer,
    data: Data,
    config: TrainConfig | None = None,
    *,
    validation: Data | None = None,
    sample: Callable[[Transformer], Any] | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
) -> Training:
    """Train a model to predict the next token; return an iterator that takes one step at a time.

    `for step in train(…)` yields a `Step` after each one; you can stop, plot, and continue with the same iterator. The
    model is changed in place. `validation` and `sample`, a function of the model, are used when the config says so,
    and at the end. With a `folder`, checkpoints are saved there; with `resume`, the run continues from its last
    checkpoint, and takes exactly the steps that it would have taken. If the config now has another number of steps, a
    `RunWarning` says what that means. Under `torchrun`, every process makes the same call and
    computes its share of every batch; if `torchrun` restarts after a process died, the run resumes. On a CPU the
    process keeps up to 1 GB of freed memory for the next step, until the run has ended (`llmlib.training.memory`). If
    the model is tiny and other programs use the machine too, `torch.set_num_threads(1)` makes training much faster:
    otherwise its threads spend more time waiting for each other than computing.

    Raises `ValueError` if windows are longer than the model's context or the vocabulary is larger than the model's,
    `RunError` if the folder has another run, and, while training, `TrainingDiverged` before a step that would spoil the
    weights.

    >>> from llmlib import Transformer, TransformerConfig
    >>> from llmlib.corpora.datasets import TokenDataset
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> run = train(model, TokenDataset([1, 2, 3] * 20), TrainConfig(50, 8, 8, learning_rate=0.03))
    >>> losses = [step.loss for step in run]
    >>> losses[0] > 2 > losses[-1]
    True
    """
    config = config or TrainConfig()
    _check_kinds(model, data, config, validation)
    if config.seq_len > model.config.max_seq_len:
        raise ValueError(
            f"seq_len={config.seq_len} does not fit into the model's context, max_seq_len={model.config.max_seq_len}."
        )
    for texts in filter(None, (data, validation)):
        size = getattr(texts, "vocab_size", None) or 0
        if size > model.config.vocab_size:
            raise ValueError(
                f"The data's tokenizer has {size:,} tokens, but the model has only {model.config.vocab_size:,}. "
                "Build the model with vocab_size=tokenizer.vocab_size, or use the tokenizer that it was made for."
            )
        texts.batch(0, batch_size=1, seq_len=config.seq_len)  # report a text that is too short before training
    if isinstance(model.config, TransformerConfig):
        memory.check_room(model.config, config, model.device)
    path = None if folder is None else Path(folder)
    ranks = distributed.join()
    if config.batch_size % (config.accumulate * ranks.world):
        raise ValueError(
            f"batch_size={config.batch_size} does not divide into equal parts for {ranks.world} processes"
            + (f" times accumulate={config.accumulate}." if config.accumulate > 1 else ".")
        )
    claim = checkpoints.claim(path) if path is not None and ranks.writes else None
    if path is not None and ranks.writes:
        checkpoints.clean(path)
    resume = resume or distributed.restarted(ranks)
    found = [] if path is None else checkpoints.checkpoints(path)
    ranks.agree(found[-1].name if found else "none", f"the last checkpoint that they find in {path}")
    run = Training(model, data, config, validation, sample, path)
    run.claim = claim
    if path is not None and ranks.writes:
        _tell_of_unfinished(path, found, resume)
    if found and not (resume and run.resume()):
        raise RunError(
            f"{path} already has a run. Continue it with resume=True (llmlib train --resume), choose another "
            "folder, or remove it."
        )
    return run


def _check_kinds(model: Any, data: Any, config: Any, validation: Any) -> None:
    """Raise `ValueError` if arguments are in the wrong order or of the wrong type."""
    if not isinstance(model, torch.nn.Module):
        raise ValueError(f"model must be a Transformer, got {type(model).__name__}: train(model, data, config).")
    if not isinstance(config, TrainConfig):
        as_dict = " For a dict, use TrainConfig.from_mapping(…)." if isinstance(config, dict) else ""
        raise ValueError(f"config must be a TrainConfig, got {type(config).__name__}.{as_dict}")
    for name, given in (("data", data), ("validation", validation)):
        if given is not None and not isinstance(given, Data):
            remedy = "TokenDataset(tokenizer.encode(text))" if isinstance(given, str) else "TokenDataset(ids)"
            raise ValueError(f"{name} must have a method batch, but {type(given).__name__} does not. Try {remedy}.")


def _fingerprint(data: Any) -> str | None:
    """Return a description of the data, so that we notice a change, or None if the data has no fingerprint."""
    found = getattr(data, "fingerprint", None)
    return found() if callable(found) else None


def _extended(planned: int, taken: int, config: TrainConfig) -> str:
    """Say what it means to resume a run with another number of steps."""
    share = schedule_at(min(taken, config.steps - 1), config)
    planned_and_now = f"The run was planned for {planned} steps and now has {config.steps}; it has taken {taken}."
    if config.schedule == "constant":
        return f"{planned_and_now} Its learning rate stays as it is."
    return (
        f"{planned_and_now} Its schedule, {config.schedule!r}, now ends at the new last step: the learning rate "
        f"continues at {share:.0%} of its highest. A run planned for {config.steps} steps from the start would have "
        "had other rates up to here."
    )


def _tell_of_unfinished(folder: Path, found: list[Path], resume: bool) -> None:
    """Speak up if a checkpoint has no state.json, so that no run quietly starts again, or further back."""
    broken = [path for path in sorted(folder.glob("step-*")) if path.is_dir() and path not in found]
    if not broken:
        return
    if not found:
        raise RunError(
            f"{folder} has a run, but its only checkpoint {broken[-1].name} is incomplete: state.json is missing. "
            "Put the file back, or remove the folder to start again."
        )
    if resume and broken[-1].name > found[-1].name:
        _tell(f"{broken[-1]} has no state.json, so it is incomplete; the run continues from {found[-1].name}.")


def _tell(message: str) -> None:
    warnings.warn(message, RunWarning, stacklevel=4)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
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

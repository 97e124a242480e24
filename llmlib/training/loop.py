"""The training loop, one step at a time."""

import contextlib
import dataclasses
import json
import math
import signal
import statistics
import threading
import time
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
from llmlib.transformer import Transformer

FREE = ("parallel", "compile", "statistics_every")  # may change while a run goes on: they change how, not what
RECENT = 50  # steps that a sudden rise of the loss is measured against


@dataclass(frozen=True)
class Step:
    """What one step of training came to."""

    step: int  # from 1: how many steps have been taken
    loss: float  # nats a token, before the step
    learning_rate: float
    gradient_norm: float  # of all gradients together, before clipping
    tokens_per_second: float
    validation_loss: float | None = None  # when due
    sample: Any = None  # when due: what the `sample` function returned
    statistics: Statistics | None = field(default=None, compare=False)  # when due: how large things are inside


class TrainingDiverged(RuntimeError):
    """The loss or the gradients are no numbers any more, or far above what they were; the message names a cause."""


class Training(Iterator[Step]):
    """A run that is under way: each `next` takes a step. See `train`, which makes one."""

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
        self.claim: Any = None  # held as long as this run may write to its folder
        self.step = 0  # steps taken
        self.last: Step | None = None
        self.best: tuple[float, int] | None = None  # validation loss, and the step at which it was
        self.ranks = distributed.join()
        self.dtype = choose(model.device, config.dtype).dtype
        self.batches = Batches(data, config, model.device)
        self.work, self.called = distributed.spread(model, config, self.ranks, self.dtype)
        self.optimizers = make_optimizers(model, config)
        self.recent: deque[float] = deque(maxlen=RECENT)
        if model.device.type == "cpu":
            memory.keep_freed()

    def __len__(self) -> int:
        """How many steps are left."""
        return self.config.steps - self.step

    def __next__(self) -> Step:
        """Take a step. An interrupt leaves the model as it was before the step or after it, and the run can go on."""
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
        statistics = observer.after_the_step() if observer else None
        for model in (self.work.model, self.model):
            model.eval()
        seconds = time.perf_counter() - started
        validation_loss = self.validate() if self.validation and self._due(self.config.validate_every) else None
        sample = None
        if self.sample and self._due(self.config.sample_every):
            sample = self.sample(sharding.whole_model(self.model))
        if validation_loss is not None and (self.best is None or validation_loss < self.best[0]):
            self.best = validation_loss, self.step
        rate = self.config.learning_rate * share
        self.last = Step(self.step, loss, rate, norm, tokens / seconds, validation_loss, sample, statistics)
        if self.folder and self._due(self.config.save_every):
            self.save()
        if self.step == self.config.steps:
            self.claim = None
            memory.give_back()
        return self.last

    def _gradients(self) -> tuple[float, int]:
        """Compute the gradients of the mean loss of the whole batch, part by part; returns it, and the tokens read."""
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
                # Of the mean over the whole batch, each part brings what its targets that count are of all of them;
                # processes average their gradients, hence times `world`.
                weight = count_targets(part_y) / counted * self.ranks.world
                loss = cross_entropy(logits, part_y) * weight if weight else 0 * logits.sum()
                loss.backward()
            losses.append(loss.detach())
        self.work.hand_over()
        self.batches.prepare(self.step + 1)  # a GPU is still busy with what was asked of it above
        return self.ranks.mean(sum(loss.item() for loss in losses)), x.numel()

    def _clip(self) -> float:
        return sharding.clip(self.model.parameters(), self.config.clip_norm or math.inf)

    def _check(self, loss: float, norm: float) -> None:
        """Stop before a step that would spoil the weights: they are still those of the step before."""
        if math.isfinite(loss) and math.isfinite(norm):
            usual = statistics.median(self.recent) if len(self.recent) == RECENT else math.inf
            if loss <= 3 * usual + 1:
                return
            what = f"The loss jumped to {loss:.3g} at step {self.step + 1}, from {usual:.3g}."
        else:
            what = f"At step {self.step + 1} the loss is {loss:.3g} and the norm of the gradients {norm:.3g}."
        rate = self.config.learning_rate * schedule_at(self.step, self.config)
        causes = [f"the learning rate ({rate:.2g} here) is too high: try a third of it, or a longer warmup"]
        if self.config.clip_norm is None:
            causes.append("gradients are not clipped: set clip_norm=1.0")
        if self.dtype == torch.float16:
            causes.append("float16 overflows above 65,504: use bfloat16")
        kept = "The model holds the weights from before this step"
        if self.folder and (found := checkpoints.checkpoints(self.folder)):
            kept += f"; the last checkpoint is {found[-1]}"
        raise TrainingDiverged(f"{what} The likely cause: {'; or '.join(causes)}. {kept}.")

    def _due(self, every: int) -> bool:
        return self.step == self.config.steps or (every > 0 and self.step % every == 0)

    def _measures(self) -> bool:
        """Whether the coming step is one whose statistics are due: the first, and each `statistics_every`-th."""
        every = self.config.statistics_every
        return every > 0 and (self.step == 0 or (self.step + 1) % every == 0)

    @torch.no_grad()
    def validate(self) -> float:
        """The mean loss on the validation data, always on the same windows."""
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
            raise RunError("This run has no folder for checkpoints; give train a folder=….")
        state = {
            "train": dataclasses.asdict(self.config),
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
        """Go on from the last checkpoint in the folder; False if there is none. Raises `RunError` as `load` does."""
        assert self.folder is not None
        found = checkpoints.checkpoints(self.folder)
        if not found:
            return False
        peaks = [[group["peak"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        about = checkpoints.load(found[-1], self.model, self.optimizers)
        ours = json.loads(json.dumps(dataclasses.asdict(self.config)))
        if differing := [name for name in ours if name not in FREE and ours[name] != about["train"].get(name)]:
            told = "; ".join(f"{name} was {about['train'].get(name)} and is {ours[name]}" for name in differing)
            raise RunError(f"The run in {self.folder} began with another config: {told}. Go on with the same, or anew.")
        for optimizer, of_groups in zip(self.optimizers, peaks):
            for group, peak in zip(optimizer.param_groups, of_groups):
                group["peak"] = peak
        self.work.refresh()
        self.step = about["step"]
        self.best = tuple(about["best"]) if about["best"] else None
        self.recent.extend(about["recent"])
        self.last = Step(**about["last"]) if about["last"] else None
        return True


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
    """Train a model on next tokens: an iterator that takes a step each time it is asked for the next.

    `for step in train(…)` yields a `Step` after each; stop, plot and go on with the same iterator as you like. The
    model is changed in place. `validation` and `sample`, a function of the model, are used when the config says so,
    and at the end. With a `folder`, checkpoints are kept there; with `resume`, a run that has some goes on from the
    last, and takes the very steps that it would have taken. Started by `torchrun`, each process calls it alike and
    computes its share of every batch; started anew after one of them died, it goes on as with `resume`. On a CPU the
    process keeps up to 1 GB of freed memory for the next step, until the run has ended (`llmlib.training.memory`).

    Raises `ValueError` for windows longer than the model's context or a vocabulary larger than its own, `RunError`
    for a folder that holds another run, and, while training, `TrainingDiverged` before a step that would spoil the
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
    if config.seq_len > model.config.max_seq_len:
        raise ValueError(
            f"seq_len={config.seq_len} is more than the model's context, max_seq_len={model.config.max_seq_len}."
        )
    for texts in filter(None, (data, validation)):
        size = getattr(texts, "vocab_size", None) or 0
        if size > model.config.vocab_size:
            raise ValueError(
                f"The data's tokenizer has {size:,} tokens, and the model a vocabulary of {model.config.vocab_size:,}. "
                "Build the model with vocab_size=tokenizer.vocab_size, or use the tokenizer that it was made for."
            )
        texts.batch(0, batch_size=1, seq_len=config.seq_len)  # too short a text is told before anything is trained
    path = None if folder is None else Path(folder)
    ranks = distributed.join()
    if config.batch_size % (config.accumulate * ranks.world):
        raise ValueError(
            f"batch_size={config.batch_size} does not fall into equal parts for {ranks.world} processes"
            + (f" times accumulate={config.accumulate}." if config.accumulate > 1 else ".")
        )
    claim = checkpoints.claim(path) if path is not None and ranks.writes else None
    resume = resume or distributed.restarted(ranks)
    found = [] if path is None else checkpoints.checkpoints(path)
    ranks.agree(found[-1].name if found else "none", f"the last checkpoint that they find in {path}")
    run = Training(model, data, config, validation, sample, path)
    run.claim = claim
    if found and not (resume and run.resume()):
        raise RunError(
            f"{path} holds a run already. Go on with it: train(…, resume=True); or give another folder, or remove it."
        )
    return run


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C and the Stop button wait until the block has ended, so that no half of a step is taken."""
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

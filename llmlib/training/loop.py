"""Run the training loop, one step at a time."""

import contextlib
import dataclasses
import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from llmlib.training import distributed, memory, sharding
from llmlib.training.batches import Batches, Data
from llmlib.training.config import TrainConfig
from llmlib.training.loss import NOTHING_COUNTS, NextToken, Objective
from llmlib.training.run import Run, begin, fingerprint_of, uninterrupted
from llmlib.training.run import RunWarning as RunWarning
from llmlib.training.run import TrainingDiverged as TrainingDiverged
from llmlib.training.statistics import Observer, Statistics
from llmlib.transformer import Transformer, TransformerConfig

RECENT = 50  # a sudden rise of the loss is measured against this many earlier steps


@dataclass(frozen=True)
class Step:
    """The result of one training step."""

    step: int  # the number of the step, counting from 1
    loss: float  # in nats per token, before the step changed the weights
    learning_rate: float
    gradient_norm: float  # the norm of all gradients together, before clipping
    tokens_per_second: float
    validation_loss: float | None = None  # if it was due
    sample: Any = None  # what the `sample` function returned, if it was due
    statistics: Statistics | None = field(default=None, compare=False)  # measurements inside the model, if due

    @property
    def shown(self) -> dict[str, str]:
        """The values that a progress line shows, by name."""
        shown = {"loss": f"{self.loss:.3f}", "tokens/s": f"{self.tokens_per_second:,.0f}"}
        if self.validation_loss is not None:
            shown["validation"] = f"{self.validation_loss:.3f}"
        return shown


class Training(Run[Step]):
    """A training run, made by `train`, in which each call to `next` takes a step."""

    RESULT = Step

    def __init__(
        self,
        model: Transformer,
        data: Data,
        config: TrainConfig,
        validation: Data | None,
        sample: Callable[[Transformer], Any] | None,
        folder: Path | None,
        objective: Objective,
    ):
        super().__init__(model, config, folder)
        self.data, self.validation, self.sample, self.objective = data, validation, sample, objective
        self.best: tuple[float, int] | None = None  # the lowest validation loss, and its step
        self.batches = Batches(data, config, model.device)
        self.recent: deque[float] = deque(maxlen=RECENT)

    def _take(self) -> Step:
        started = time.perf_counter()
        self.work.model.train()
        observer = Observer(self.model) if self._measures() else None
        with observer.watch(self.work.model) if observer else contextlib.nullcontext():
            loss, tokens = self._gradients()
        if observer:
            observer.before_the_step()
        norm = self._clip()
        self._check(loss, norm)
        rate = self._rate
        with uninterrupted():
            self._update()
            self.step += 1
            self.recent.append(loss)
            speed = tokens / (time.perf_counter() - started)
            self.last = Step(self.step, loss, rate, norm, speed)  # completed below, unless an interrupt comes first
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
        self._settle()
        return self.last

    def _gradients(self) -> tuple[float, int]:
        """Compute the gradients of the whole batch's mean loss, part by part; return the loss and the token count."""
        c = self.config
        x, y = self.batches.of(self.step)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        losses = []
        parts = list(zip(self.ranks.share(x).chunk(c.accumulate), self.ranks.share(y).chunk(c.accumulate)))
        counted = self.objective.count(y)
        if not counted:
            raise ValueError(NOTHING_COUNTS)
        for number, (part_x, part_y) in enumerate(parts, start=1):
            with distributed.exchanging(self.called, number == len(parts)):
                # Weight each part by its share of the targets that count, so the sum is the mean over the whole batch;
                # processes average their gradients, so multiply by `world`.
                weight = self.objective.count(part_y) / counted * self.ranks.world
                loss = self.objective(self.called, part_x, part_y) * weight if weight else 0 * self.called(part_x).sum()
                loss.backward()
            losses.append(loss.detach())
        self.work.hand_over()
        self.batches.prepare(self.step + 1)  # meanwhile, a GPU is still computing the gradients
        return self.ranks.mean(sum(loss.item() for loss in losses)), x.numel()

    def _check(self, loss: float, norm: float) -> None:
        """Stop before a step that would ruin the weights, so that the model keeps its last good weights."""
        self._check_finite(loss, norm)
        usual = statistics.median(self.recent) if len(self.recent) == RECENT else math.inf
        if loss > 3 * usual + 1:
            raise self._diverged(f"The loss jumped from {usual:.3g} to {loss:.3g} at step {self.step + 1}.")

    def _measures(self) -> bool:
        """Return whether to measure the next step; we measure step 1 and every multiple of `statistics_every`."""
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
            n = self.objective.count(y)
            total, counted = total + self.objective(self.work.model, x, y).item() * n, counted + n
        return total / counted

    def _fingerprints(self) -> dict[str, str | None]:
        data = {"data": self.data, "validation": self.validation, "objective": self.objective}
        return {name: fingerprint_of(of) for name, of in data.items() if of}

    def _remembered(self) -> dict[str, Any]:
        last = self.last and dataclasses.asdict(dataclasses.replace(self.last, sample=None, statistics=None))
        return {"best": self.best, "recent": list(self.recent), "last": last}

    def _recall(self, about: dict[str, Any]) -> None:
        self.best = tuple(about["best"]) if about["best"] else None
        self.recent.extend(about["recent"])
        self.last = Step(**about["last"]) if about["last"] else None


def train(
    model: Transformer,
    data: Data,
    config: TrainConfig | None = None,
    *,
    validation: Data | None = None,
    sample: Callable[[Transformer], Any] | None = None,
    objective: Objective | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
) -> Training:
    """Train a model to predict the next token; return an iterator that takes one step at a time.

    `for step in train(…)` yields a `Step` after each training step; you can stop, plot, and then continue with the same
    iterator. The model is changed in place. `validation` (data) and `sample` (a function of the model) are used when
    the config says so, and at the end. `objective` is the loss to minimise, by default the surprise at the next token.
    With a `folder`, checkpoints are saved there; with `resume`, the run continues from its last checkpoint, and takes
    exactly the steps that it would have taken without the interruption. If the config now has a different number of
    steps, a `RunWarning` says what that means. Under `torchrun`, every process makes the same call and computes its
    share of every batch; if `torchrun` restarts the processes after one of them died, the run resumes. On a CPU the
    process keeps up to 1 GB of freed memory for the next step until the run has ended (`llmlib.training.memory`). If
    the model is tiny and other programs use the machine too, `torch.set_num_threads(1)` makes training much faster,
    because otherwise torch's threads spend more time waiting for each other than computing.

    Raises `ValueError` if the windows are longer than the model's context or the data's vocabulary is larger than the
    model's, `RunError` if the folder contains a different run, and, while training, `TrainingDiverged` before a step
    that would ruin the weights.

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
            f"seq_len={config.seq_len} does not fit into the model's context (max_seq_len={model.config.max_seq_len})."
        )
    for texts in filter(None, (data, validation)):
        size = getattr(texts, "vocab_size", None) or 0
        if size > model.config.vocab_size:
            raise ValueError(
                f"The data's tokenizer has {size:,} tokens, but the model has only {model.config.vocab_size:,}. "
                "Build the model with vocab_size=tokenizer.vocab_size, or use the model's own tokenizer."
            )
        texts.batch(0, batch_size=1, seq_len=config.seq_len)  # before training, report a text that is too short
    if isinstance(model.config, TransformerConfig):
        memory.check_room(model.config, config, model.device)
    path = None if folder is None else Path(folder)
    world = distributed.join().world
    if config.batch_size % (config.accumulate * world):
        raise ValueError(
            f"batch_size={config.batch_size} cannot be divided evenly among {world} processes"
            + (f" with accumulate={config.accumulate}." if config.accumulate > 1 else ".")
        )
    return begin(
        lambda: Training(model, data, config, validation, sample, path, objective or NextToken()), path, resume
    )


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
            raise ValueError(f"{name} must have a batch method, but {type(given).__name__} has none. Try {remedy}.")

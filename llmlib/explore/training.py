"""Show live training runs in the training view."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from llmlib.explore.shared.live_runs import LiveRuns
from llmlib.training.loop import Step, Training
from llmlib.widgets.training.view import VALUES, TrainingView


def explore_training(
    runs: Training | Mapping[str, Training] | None = None, *, name: str = "run", start: bool = True
) -> "LiveTrainingView":
    """Show a live run of `llmlib.training.train`, or several named runs that take turns.

    The runs train in the background, so the kernel stays free and the buttons work; with `start=False`, a run does not
    start until the user clicks its button. `await dashboard.finished()` lets a cell wait until the runs have ended;
    elsewhere, use `dashboard.wait()`. You can also run the steps from a loop in a cell, and work with each step in the
    loop: `for step in explore_training().watch(train(…)): …`.

    >>> from llmlib import Transformer, TransformerConfig, TrainConfig, train
    >>> from llmlib.corpora.datasets import TokenDataset
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> dashboard = explore_training(train(model, TokenDataset([1, 2, 3] * 20), TrainConfig(20, 8, 8)))
    >>> dashboard.wait()
    >>> [step.step for step in dashboard.steps["run"]] == list(range(1, 21))
    True
    """
    dashboard = LiveTrainingView()
    dashboard.begin(runs, name, start)
    return dashboard


class LiveTrainingView(LiveRuns[Step], TrainingView):
    """A `TrainingView` with live runs."""

    def _add_run(self, name: str, run: Iterator[Step], steps: int, step: int) -> int:
        guess = math.log(run.model.config.vocab_size) if isinstance(run, Training) else 0.0
        return self.add_run(name, steps=steps, step=step, guess=guess)

    def _log(self, number: int, step: Step, seconds: float) -> None:
        self.log(
            number,
            step.step,
            **{name: getattr(step, name) for name in VALUES},
            validation_loss=step.validation_loss,
            sample=None if step.sample is None else as_text(step.sample),
            statistics=None if step.statistics is None else vars(step.statistics),
            seconds=seconds,
        )


def as_text(sample: Any) -> str:
    """Turn the result of a `sample` function into text.

    >>> as_text(["one", "two"])
    'one\\ntwo'
    """
    if isinstance(sample, str):
        return sample
    return "\n".join(map(as_text, sample)) if isinstance(sample, list | tuple) else str(sample)

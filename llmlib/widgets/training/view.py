"""The training view shows live curves of one or more runs, and what their models write."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from llmlib.widgets.shared.runs.view import RunsView, least_missed, reached
from llmlib.widgets.training.history import KINDS, History
from llmlib.widgets.training.picture import draw

VALUES = ("loss", "learning_rate", "gradient_norm", "tokens_per_second")
MOST_SAMPLES, LONGEST_SAMPLE = 100, 2000  # at most this many samples per run, and characters per sample


class TrainingView(RunsView):
    """A view of training curves, which are stored as plain numbers.

    Training code calls `add_run` at the start, `log` after each step, and `mark` at the end.

    In addition to the fields of every `RunsView`, `runs` contains, for each run, `guess` (the loss if all tokens are
    equally likely, or 0 if unknown) and `groups` (the parts of the model for which `inside` contains statistics); the
    dashed curve is the validation loss. `samples` lists `[run, step, text]`, run by run, with each run's
    oldest sample first.

    >>> view = TrainingView()
    >>> run = view.add_run("small", steps=2)
    >>> view.log(run, 1, loss=3.5, learning_rate=0.1)
    >>> view.log(run, 2, loss=2.25, learning_rate=0.05, validation_loss=2.5)
    >>> view.mark(run, "finished")
    >>> view
    <TrainingView: Training. small: finished after 2 steps, loss 2.25, validation loss 2.5 (lowest 2.5 at step 2).>
    """

    folder = Path(__file__).parent
    title = "Training dashboard"
    values = VALUES
    shown = ("runs", "curves", "inside", "samples", "place")

    inside = traitlets.Bytes(b"").tag(sync=True)  # a `History` per run
    samples: traitlets.List = traitlets.List().tag(sync=True)
    # `place` also holds: sample (a step; null: the newest), and which statistics to show: kind, of (the run's number)
    # and group

    def __init__(self, **traits: Any):
        self._histories: list[History] = []
        self._samples: list[list[tuple[int, str]]] = []
        self._fresh_samples = self._fresh_inside = False
        super().__init__(**traits)

    def add_run(self, name: str, steps: int = 0, step: int = 0, guess: float = 0.0) -> int:
        """Add a run that has already taken `step` steps, and return the run's number.

        `steps` is the planned number of steps, or 0 if it is unknown; `guess` is the loss if all tokens are equally
        likely.

        Raises `ValueError` if another run has this name.
        """
        number = self.put_run(name, steps, step, dashed=1, guess=guess, groups=[])
        self._histories.append(History())
        self._samples.append([])
        self._fresh_inside = True
        self.show()
        return number

    def log(
        self,
        run: int,
        step: int,
        *,
        loss: float,
        learning_rate: float = math.nan,
        gradient_norm: float = math.nan,
        tokens_per_second: float = math.nan,
        validation_loss: float | None = None,
        sample: str | None = None,
        statistics: Mapping[str, Any] | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Log a step of a run; the step took `seconds` seconds.

        `statistics` describes the sizes of values inside the model: `groups` contains the names of the model's parts,
        and `updates` (‖Δw‖ / ‖w‖ of each matrix), `gradients` and `activations` contain five quantiles for each group
        (5%, 25%, 50%, 75% and 95%) in an array with the axes group and quantile. All sizes are shown on a logarithmic
        scale.
        """
        about = self._about[run]
        validation = None if validation_loss is None else [validation_loss]
        self.took(run, step, seconds, (loss, learning_rate, gradient_norm, tokens_per_second), validation)
        if validation_loss is not None:
            about["validation_loss"] = validation_loss
            if not about.get("best", math.inf) <= validation_loss:
                about.update(best=validation_loss, best_step=step)
        if statistics is not None:
            sizes = np.stack([np.asarray(statistics[kind], dtype=float) for kind in KINDS])
            self._histories[run].add(step, about["seconds"], statistics["groups"], sizes)
            about["groups"], self._fresh_inside = self._histories[run].groups, True
        if sample is not None:
            self._keep_sample(run, step, sample)
        self.show_if_due(run)

    def _keep_sample(self, run: int, step: int, text: str) -> None:
        if len(text) > LONGEST_SAMPLE:
            text = text[: LONGEST_SAMPLE - 1] + "…"
        kept = self._samples[run]
        kept.append((step, text))
        if len(kept) > MOST_SAMPLES:
            del kept[least_missed([when for when, _ in kept])]
        self._fresh_samples = True

    def _show_more(self) -> None:
        if self._fresh_inside:
            self.inside = b"".join(history.pack() for history in self._histories)
        if self._fresh_samples:
            self.samples = [[run, *one] for run, kept in enumerate(self._samples) for one in kept]
        self._fresh_inside = self._fresh_samples = False

    def histories(self) -> list[tuple[str, History]]:
        """For each run that has statistics, list its name and the sizes of values inside its model."""
        return [(about["name"], history) for about, history in zip(self._about, self._histories) if len(history)]

    def last_samples(self) -> list[tuple[str, int, str]]:
        """For each run that has written a sample, list its name, the step, and the text."""
        return [(about["name"], *kept[-1]) for about, kept in zip(self._about, self._samples) if kept]

    @property
    def alt(self) -> str:
        return "Training. " + (" ".join(map(in_a_sentence, self._about)) or "There is no run yet.")

    def svg(self) -> str:
        return draw(self)


def in_a_sentence(about: dict[str, Any]) -> str:
    """Describe a run in one sentence."""
    words = reached(about)
    if "loss" in about:
        words += f", loss {about['loss']:.3g}"
    if "best" in about:
        words += f", validation loss {about['validation_loss']:.3g}"
        words += f" (lowest {about['best']:.3g} at step {about['best_step']:,})"
    return f"{words}. {about['words']}".rstrip() if about["words"] else f"{words}."

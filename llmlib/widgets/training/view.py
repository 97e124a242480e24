"""The training view: live curves of one or several runs, and what they write."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from llmlib.widgets.shared.base import View
from llmlib.widgets.training.curves import Curve
from llmlib.widgets.training.history import KINDS, History
from llmlib.widgets.training.picture import draw

VALUES = ("loss", "learning_rate", "gradient_norm", "tokens_per_second")
STATES = ("ready", "running", "paused", "stopped", "finished", "failed")
MOST_SAMPLES, LONGEST_SAMPLE = 100, 2000  # of a run; characters
# Showing a run costs less than two percent of its time; most of that is the page's drawing.
SOONEST, LATEST = 1.0, 5.0  # seconds between two updates of a run: a sixth of its time, but within these bounds
COSTS = 200  # and at least so many times as long as the last update took


class TrainingView(View):
    """Curves of runs as plain numbers. Whoever trains calls `add_run`, then `log` after each step, and `mark` at the
    end.

    `runs` has for each run: `name`, `state` (one of `STATES`), `step` of `steps` (0: unknown), `begun` (the step before
    its first), `seconds` of work, `words` (why it failed), `guess` (the loss without any knowledge; 0: unknown),
    `in_cell` (a cell's loop takes the steps, so the kernel cannot answer buttons), `groups` (the parts of its model
    that `inside` has statistics for), and the numbers of the last step. `curves` are the bytes of two `Curve`s per run,
    its steps and its validation; `samples` are `[run, step, text]`, the oldest first. `place` is where the reader
    looks. All of it is in the kernel, so a page that is opened again finds the run still training.

    The owner of the runs answers the acts "resume", "pause" and "stop", each with the number of a `run` (see
    `llmlib.explore.explore_training`).

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
    shown = ("runs", "curves", "inside", "samples", "place")

    runs = traitlets.List(traitlets.Dict()).tag(sync=True)
    curves = traitlets.Bytes(b"").tag(sync=True)
    inside = traitlets.Bytes(b"").tag(sync=True)  # a `History` per run
    samples: traitlets.List = traitlets.List().tag(sync=True)
    # log, smooth (0 … 0.99), across, zoom (from, to; none: all), hidden (names), sample (step; none: the newest), kind,
    # of and group (which statistics: of which run's number, of which group)
    place = traitlets.Dict().tag(sync=True)
    still = traitlets.Dict().tag(sync=True)  # id, html: a picture of the results, for a saved notebook

    def __init__(self, **traits: Any):
        self._about: list[dict[str, Any]] = []
        self._curves: list[tuple[Curve, Curve]] = []
        self._histories: list[History] = []
        self._samples: list[list[tuple[int, str]]] = []
        self._fresh_samples = self._fresh_inside = False
        self._due = 0.0  # when to show again
        super().__init__(**traits)

    def add_run(self, name: str, steps: int = 0, step: int = 0, guess: float = 0.0) -> int:
        """Add a run that has taken `step` steps before; return its number.

        Raises `ValueError` for a name that is taken.
        """
        if any(one["name"] == name for one in self._about):
            raise ValueError(f"There is a run {name!r} already; give each its own name.")
        about = {"name": name, "state": "ready", "step": step, "begun": step, "steps": steps}
        self._about.append({**about, "seconds": 0.0, "words": "", "guess": guess, "in_cell": False, "groups": []})
        self._curves.append((Curve(len(VALUES)), Curve(1)))
        self._histories.append(History())
        self._samples.append([])
        self._fresh_inside = True
        self.show()
        return len(self._about) - 1

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
        """Log a run's step, which took so many `seconds`.

        `statistics` says how large things were inside the model: `groups`, the names of its parts, and for each group
        five quantiles (5%, 25%, 50%, 75%, 95%; an array group × quantile) of its `updates` (‖Δw‖ / ‖w‖ of each matrix),
        `gradients` and `activations`. All are sizes, shown on a logarithmic scale.
        """
        about, (curve, validation) = self._about[run], self._curves[run]
        values = (loss, learning_rate, gradient_norm, tokens_per_second)
        about["step"], about["seconds"] = step, about["seconds"] + seconds
        about.update((name, value) for name, value in zip(VALUES, values) if math.isfinite(value))
        curve.add(step, about["seconds"], values)
        if validation_loss is not None:
            validation.add(step, about["seconds"], [validation_loss])
            about["validation_loss"] = validation_loss
            if not about.get("best", math.inf) <= validation_loss:
                about.update(best=validation_loss, best_step=step)
        if statistics is not None:
            sizes = np.stack([np.asarray(statistics[kind], dtype=float) for kind in KINDS])
            self._histories[run].add(step, about["seconds"], statistics["groups"], sizes)
            about["groups"], self._fresh_inside = self._histories[run].groups, True
        if sample is not None:
            self._keep_sample(run, step, sample)
        if about["state"] == "ready":
            about["state"] = "running"
        if about["state"] != "running" or time.perf_counter() >= self._due:  # the last step before a pause
            self.show()

    def _keep_sample(self, run: int, step: int, text: str) -> None:
        if len(text) > LONGEST_SAMPLE:
            text = text[: LONGEST_SAMPLE - 1] + "…"
        kept = self._samples[run]
        if len(kept) == MOST_SAMPLES:
            steps = [*(when for when, _ in kept), step]
            del kept[min(range(1, len(kept)), key=lambda k: steps[k + 1] - steps[k - 1])]  # the least missed
        kept.append((step, text))
        self._fresh_samples = True

    def mark(self, run: int, state: str, words: str = "") -> None:
        """Set a run's state, one of `STATES`; `words` say why it failed."""
        if state not in STATES:
            raise ValueError(f"state must be one of {', '.join(map(repr, STATES))}; got {state!r}.")
        self._about[run].update(state=state, words=words)
        self.show()

    def state(self, run: int) -> str:
        return str(self._about[run]["state"])

    def show(self) -> None:
        """Show everything known so far, in one message."""
        began = time.perf_counter()
        with self.hold_sync():
            self.runs = [dict(one) for one in self._about]
            self.curves = b"".join(curve.pack() for pair in self._curves for curve in pair)
            if self._fresh_inside:
                self.inside = b"".join(history.pack() for history in self._histories)
                self._fresh_inside = False
            if self._fresh_samples:
                self.samples = [[run, *one] for run, kept in enumerate(self._samples) for one in kept]
                self._fresh_samples = False
            if all(one["state"] not in ("ready", "running") for one in self._about):
                self.still = {"id": self.model_id, "html": self.fallback_html()}
        ended = time.perf_counter()
        worked = sum(one["seconds"] for one in self._about if one["state"] == "running")
        self._due = ended + max(min(max(SOONEST, worked / 6), LATEST), COSTS * (ended - began))

    def pairs(self) -> list[tuple[dict[str, Any], Curve, Curve]]:
        """List for each run its description, the curve of its steps, and the curve of its validation loss."""
        return [(about, *pair) for about, pair in zip(self._about, self._curves)]

    def histories(self) -> list[tuple[str, History]]:
        """List each run that has statistics: its name, and the sizes of things inside its model."""
        return [(about["name"], history) for about, history in zip(self._about, self._histories) if len(history)]

    def last_samples(self) -> list[tuple[str, int, str]]:
        """List each run that has written something: its name, the step, the text."""
        return [(about["name"], *kept[-1]) for about, kept in zip(self._about, self._samples) if kept]

    @property
    def alt(self) -> str:
        return "Training. " + (" ".join(map(told, self._about)) or "There is no run yet.")

    def svg(self) -> str:
        return draw(self)


def told(about: dict[str, Any]) -> str:
    """Describe a run in one sentence."""
    of = f" of {about['steps']:,}" if about["steps"] and about["state"] != "finished" else ""
    words = f"{about['name']}: {about['state']} after {about['step']:,}{of} steps"
    if "loss" in about:
        words += f", loss {about['loss']:.3g}"
    if "best" in about:
        words += f", validation loss {about['validation_loss']:.3g}"
        words += f" (lowest {about['best']:.3g} at step {about['best_step']:,})"
    return f"{words}. {about['words']}".rstrip() if about["words"] else f"{words}."

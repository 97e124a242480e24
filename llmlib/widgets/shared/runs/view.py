"""A view of runs shows how far each of one or more runs has progressed, and curves of its measurements."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import traitlets

from llmlib.widgets.shared.base import View
from llmlib.widgets.shared.runs.curves import Curve

STATES = ("ready", "running", "paused", "stopped", "finished", "failed")
# Showing a run takes less than two percent of the run's time; most of this is spent drawing the page.
SOONEST, LATEST = 1.0, 5.0  # seconds between two updates: a sixth of the runs' time so far, within these bounds
COSTS = 200  # wait at least this many times as long as the last update took


class RunsView(View):
    """A view of runs, which are stored as plain numbers.

    Subclasses define `values`, a `log` that calls `took`, and `_show_more`.

    For each run, `runs` contains `name`, `state` (one of `STATES`), `step` and the planned `steps` (0 if unknown),
    `begun` (the step before the run's first step), `seconds` (the computing time), `words` (why the run failed),
    `in_cell` (whether the steps are taken by a loop in a cell, so that the kernel cannot respond to buttons), and the
    numbers of the last step. `curves` contains the bytes of two `Curve`s per run: the values at its steps, and the
    values that are drawn as dashed lines. `place` is where the user is looking. The kernel stores all of this, so a
    page that is opened again shows the run in progress.

    The owner of the runs handles the user's actions "resume", "pause" and "stop", each with the number of a `run` (see
    `llmlib.explore.shared.live_runs`).
    """

    sheets = (Path(__file__).parent / "board.css",)
    values: ClassVar[tuple[str, ...]]  # names of the values measured at each step

    runs = traitlets.List(traitlets.Dict()).tag(sync=True)
    curves = traitlets.Bytes(b"").tag(sync=True)
    # `place`: log, smooth (0 … 0.99), across, zoom (from, to; null: all), hidden (names), and what the subclass adds
    place = traitlets.Dict().tag(sync=True)
    still = traitlets.Dict().tag(sync=True)  # id, html: a picture of the results for a saved notebook

    def __init__(self, **traits: Any):
        self._about: list[dict[str, Any]] = []
        self._curves: list[tuple[Curve, Curve]] = []
        self._due = 0.0  # when to show the runs again
        super().__init__(**traits)

    def put_run(self, name: str, steps: int, step: int, dashed: int, **about: Any) -> int:
        """Add a run that has already taken `step` steps, and return the run's number.

        `steps` is the planned number of steps, or 0 if it is unknown; `dashed` is the number of dashed curves.

        Raises `ValueError` if another run has this name.
        """
        if any(one["name"] == name for one in self._about):
            raise ValueError(f"There is already a run named {name!r}; give each run a different name.")
        known = {"name": name, "state": "ready", "step": step, "begun": step, "steps": steps}
        self._about.append({**known, "seconds": 0.0, "words": "", "in_cell": False, **about})
        self._curves.append((Curve(len(self.values)), Curve(dashed)))
        return len(self._about) - 1

    def took(
        self, run: int, step: int, seconds: float, values: Sequence[float], dashed: Sequence[float] | None = None
    ) -> None:
        """Add the values from one step to a run's curves; unknown values are NaN.

        `dashed` contains the values for the dashed curves, and may be omitted for a step.
        """
        about, (curve, beside) = self._about[run], self._curves[run]
        about["step"], about["seconds"] = step, about["seconds"] + seconds
        about.update((name, value) for name, value in zip(self.values, values) if math.isfinite(value))
        curve.add(step, about["seconds"], values)
        if dashed is not None:
            beside.add(step, about["seconds"], dashed)
        if about["state"] == "ready":
            about["state"] = "running"

    def show_if_due(self, run: int) -> None:
        """Show the step that was just logged, unless another step was shown a moment ago."""
        if self.state(run) != "running" or time.perf_counter() >= self._due:  # show the last step before a pause, too
            self.show()

    def mark(self, run: int, state: str, words: str = "") -> None:
        """Set a run's state, one of `STATES`; `words` says why the run failed."""
        if state not in STATES:
            raise ValueError(f"state must be one of {', '.join(map(repr, STATES))}; got {state!r}.")
        self._about[run].update(state=state, words=words)
        self.show()

    def state(self, run: int) -> str:
        return str(self._about[run]["state"])

    def show(self) -> None:
        """Show the current state of all runs; the page receives it in one message."""
        began = time.perf_counter()
        with self.hold_sync():
            self.runs = [dict(one) for one in self._about]
            self.curves = b"".join(curve.pack() for pair in self._curves for curve in pair)
            self._show_more()
            if all(one["state"] not in ("ready", "running") for one in self._about):
                self.still = {"id": self.model_id, "html": self.fallback_html()}
        ended = time.perf_counter()
        worked = sum(one["seconds"] for one in self._about if one["state"] == "running")
        self._due = ended + max(min(max(SOONEST, worked / 6), LATEST), COSTS * (ended - began))

    def _show_more(self) -> None:
        """Set the traits that a subclass adds."""

    def pairs(self) -> list[tuple[dict[str, Any], Curve, Curve]]:
        """For each run, list its description, its step curve, and its dashed curve."""
        return [(about, *pair) for about, pair in zip(self._about, self._curves)]


def reached(about: dict[str, Any]) -> str:
    """Say how far a run has progressed.

    >>> reached({"name": "small", "state": "paused", "step": 1200, "steps": 3000})
    'small: paused after 1,200 of 3,000 steps'
    """
    of = f" of {about['steps']:,}" if about["steps"] and about["state"] != "finished" else ""
    last = about["steps"] if of else about["step"]
    return f"{about['name']}: {about['state']} after {about['step']:,}{of} step{'s' * (last != 1)}"


def least_missed(steps: Sequence[int]) -> int:
    """Return the index of the step to drop: the one whose neighbours are closest together, but never the first or last.

    >>> least_missed([1, 10, 12, 20])
    2
    """
    return min(range(1, len(steps) - 1), key=lambda k: (steps[k + 1] - steps[k - 1], k))

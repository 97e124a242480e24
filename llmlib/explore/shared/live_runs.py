"""Show live runs in a view; the steps are taken by a background thread or by a loop in a cell."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from llmlib.widgets.shared.acts import in_words
from llmlib.widgets.shared.interrupts import on_interrupt
from llmlib.widgets.shared.runs.view import RunsView

ENDED = ("finished", "failed", "stopped")


@runtime_checkable
class Numbered(Protocol):
    """A step of a run, with its number."""

    @property
    def step(self) -> int: ...  # counted from 1


StepT = TypeVar("StepT", bound=Numbered)


@dataclass
class Tracked(Generic[StepT]):
    """A run on the dashboard."""

    number: int
    name: str
    run: Iterator[StepT]
    in_cell: bool = False  # whether a loop in a cell takes the run's steps
    busy: bool = False  # whether the run is taking a step
    steps: list[StepT] = field(default_factory=list)


class LiveRuns(RunsView, Generic[StepT]):
    """A `RunsView` with live runs. One thread takes a step of each active run in turn.

    A run can be paused or stopped; `wait` does not wait for a stopped run. After a pause or a stop, the model stays
    usable and the run can be resumed. A kernel interrupt pauses all runs. If a run fails, the view says why; `watch`
    also raises the error.

    Subclasses define how a run is added (`_add_run`) and how its steps are logged (`_log`).
    """

    def __init__(self, **traits: Any):
        self._tracked: list[Tracked[StepT]] = []
        self._changed = threading.Condition(threading.RLock())  # held during each change to the view
        self._thread: threading.Thread | None = None
        self._unwatch: Callable[[], object] = lambda: None
        self._display: Any = None
        super().__init__(**traits)
        self.on_act("resume", self.resume)
        self.on_act("pause", self._pause)
        self.on_act("stop", self._stop)

    @property
    def steps(self) -> dict[str, list[StepT]]:
        """All steps so far, by run name."""
        return {one.name: one.steps for one in self._tracked}

    def _add_run(self, name: str, run: Iterator[StepT], steps: int, step: int) -> int:
        """Add a run to the dashboard, and return its number.

        The run has taken `step` of `steps` steps; `steps` is 0 if unknown.
        """
        raise NotImplementedError

    def _log(self, number: int, step: StepT, seconds: float) -> None:
        """Show a step that took `seconds` seconds."""
        raise NotImplementedError

    def add(self, run: Iterator[StepT], name: str = "run") -> None:
        """Add a run without starting it. Raises `ValueError` if another run has this name."""
        with self._changed:
            steps = getattr(getattr(run, "config", None), "steps", 0)
            number = self._add_run(name, run, steps, getattr(run, "step", 0))
            self._tracked.append(Tracked(number, name, run))

    def begin(self, runs: Iterator[StepT] | Mapping[str, Iterator[StepT]] | None, name: str, start: bool) -> None:
        """Add one run under `name`, or several runs under their own names; start them if `start` is True."""
        named = runs if isinstance(runs, Mapping) else {} if runs is None else {name: runs}
        for title, run in named.items():
            self.add(run, title)
        if named and start:
            self.resume()

    # --- what the user does ---------------------------------------------------------------------------------------

    def resume(self, run: int | None = None) -> None:
        """Start or resume the run with this number, or every run that can continue."""
        with self._changed:
            for one in self._those(run):
                if self.state(one.number) in ("ready", "paused", "stopped"):
                    self.mark(one.number, "running")
            if self._next() and not (self._thread and self._thread.is_alive()):
                self._unwatch = on_interrupt(self._pause)
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()

    def pause(self, run: int | None = None) -> None:
        """Pause a run, or all active runs, after the current step."""
        self._pause(run)
        self._settle(run)

    def stop(self, run: int | None = None) -> None:
        """Stop a run, or all runs, after the current step; `resume` can still continue a stopped run."""
        self._stop(run)
        self._settle(run)

    def _pause(self, run: int | None = None) -> None:
        """Pause without waiting for the current step, so that the kernel can respond to the user immediately."""
        self._turn(run, ("running",), "paused")

    def _stop(self, run: int | None = None) -> None:
        self._turn(run, ("ready", "running", "paused"), "stopped")

    def _turn(self, run: int | None, states: tuple[str, ...], into: str) -> None:
        with self._changed:
            for one in self._those(run):
                if self.state(one.number) in states:
                    self.mark(one.number, into)

    def _settle(self, run: int | None = None) -> None:
        """Wait until the current step of this run, or of every run, has ended."""
        with self._changed:
            while threading.current_thread() is not self._thread and any(one.busy for one in self._those(run)):
                self._changed.wait(0.2)

    def _those(self, run: int | None) -> list[Tracked[StepT]]:
        if run is not None and not 0 <= run < len(self._tracked):
            numbers = f"The runs are numbered 0 to {len(self._tracked) - 1}."
            raise ValueError(f"There is no run {run}. {numbers if self._tracked else 'This view has no runs yet.'}")
        return self._tracked if run is None else [self._tracked[run]]

    # --- taking steps -----------------------------------------------------------------------------------------------

    def _next(self, after: int = -1) -> Tracked[StepT] | None:
        """Find the background run whose turn it is after the run with this number."""
        running = [one for one in self._tracked if self.state(one.number) == "running" and not one.in_cell]
        return next((one for one in running if one.number > after), running[0] if running else None)

    def _work(self) -> None:
        turn = -1
        while True:
            with self._changed:
                one = self._next(turn)
                if one is None:
                    self._thread = None  # under the lock, so that the next resume starts a new thread
                    self._unwatch()
                    return
            turn = one.number
            with contextlib.suppress(Exception):  # the view shows the error
                self._take(one)

    def _take(self, one: Tracked[StepT]) -> StepT | None:
        """Take a step of a run; return None if the run has ended. An error is shown in the view and raised."""
        with self._changed:
            while one.busy:
                self._changed.wait(0.2)
            one.busy = True
        try:
            began = time.perf_counter()
            step = next(one.run)
            self._tell(one, step, time.perf_counter() - began)
            return step
        except StopIteration:
            self.mark(one.number, "finished")
            return None
        except Exception as error:
            self.mark(one.number, "failed", in_words(error))
            raise
        finally:
            with self._changed:
                one.busy = False
                self._changed.notify_all()

    def _tell(self, one: Tracked[StepT], step: StepT, seconds: float) -> None:
        one.steps.append(step)
        with self._changed:
            self._log(one.number, step, seconds)
            if step.step == getattr(getattr(one.run, "config", None), "steps", None):
                self.mark(one.number, "finished")

    def mark(self, run: int, state: str, words: str = "") -> None:
        with self._changed:
            super().mark(run, state, words)
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until every run has finished, failed or been stopped. Runs that have not started yet are started.

        Interrupting the kernel pauses the runs and ends the wait. Until then, the kernel is busy, and the view's
        buttons have to wait; in a notebook, `await dashboard.finished()` keeps the buttons working.
        """
        with self._paused_if_interrupted(), self._changed:
            while self._under_way():
                self._changed.wait(0.2)  # wait only briefly, so that we notice an interrupt

    async def finished(self) -> None:
        """Wait as `wait` does, but keep the view's buttons working: `await dashboard.finished()`."""
        with self._paused_if_interrupted():
            while self._under_way():
                await asyncio.sleep(0.1)

    @contextlib.contextmanager
    def _paused_if_interrupted(self) -> Iterator[None]:
        for one in self._tracked:
            if self.state(one.number) == "ready":
                self.resume(one.number)
        try:
            yield
            self._settle()
        except (KeyboardInterrupt, asyncio.CancelledError):
            self.pause()
            raise
        finally:
            self._renew_picture()

    def _under_way(self) -> bool:
        return any(self.state(one.number) not in ENDED for one in self._tracked)

    def watch(self, run: Iterator[StepT], name: str = "run") -> Iterator[StepT]:
        """Show a run whose steps are taken in a loop: `for step in dashboard.watch(train(…))`.

        The dashboard appears above the loop, if it is not on the page yet. Leaving the loop, by `break` or by an
        interrupt, pauses the run. The view's button resumes the run in the background; watching the run again resumes
        it in the loop. While the loop runs, the kernel is busy; to pause, interrupt the kernel.
        """
        one = next((one for one in self._tracked if one.run is run), None)
        if one is None:
            self.add(run, name)
            one = self._tracked[-1]
        self._appear()
        return self._watched(one)

    def _watched(self, one: Tracked[StepT]) -> Iterator[StepT]:
        with self._changed:
            one.in_cell = self._about[one.number]["in_cell"] = True
            if self.state(one.number) != "finished":
                self.mark(one.number, "running")
        try:
            while self._may_go_on(one):
                step = self._take(one)
                if step is None:
                    return
                yield step
        finally:
            with self._changed:
                one.in_cell = self._about[one.number]["in_cell"] = False
                now = self.state(one.number)
                self.mark(one.number, "paused" if now == "running" else now, self._about[one.number]["words"])
            self._renew_picture()

    def _may_go_on(self, one: Tracked[StepT]) -> bool:
        """Wait while the run is paused; return False once the run has ended."""
        with self._changed:
            while self.state(one.number) == "paused":
                self._changed.wait(0.2)
            return self.state(one.number) == "running"

    # --- display in a notebook --------------------------------------------------------------------------------------

    def _appear(self) -> None:
        try:
            from IPython import get_ipython
            from IPython.display import display
        except ImportError:
            return
        if self._display is None and get_ipython() is not None:
            display(self)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        self._display = display(data, metadata=metadata, raw=True, display_id=True)

    def _renew_picture(self) -> None:
        """Put a picture of the results into a notebook that is executed without a browser page.

        On a page, the view shows the results itself; a new output would replace the view and take away the keyboard
        focus.
        """
        if self._display is not None and "JPY_SESSION_NAME" not in os.environ:  # Jupyter's server sets this
            data, metadata = self._repr_mimebundle_()
            self._display.update(data, metadata=metadata, raw=True)

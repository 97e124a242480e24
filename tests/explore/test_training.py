"""The training dashboard shows live runs: in the background, in a loop, paused, stopped and failed."""

import asyncio
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import acting
import numpy as np
import pytest
import torch

from llmlib.corpora.datasets import TokenDataset
from llmlib.explore.training import LiveTrainingView, explore_training
from llmlib.training import TrainConfig, TrainingDiverged, train
from llmlib.transformer import Transformer, TransformerConfig

DATA = TokenDataset([1, 2, 3, 4] * 30, 10)


def run_of(steps=20, **settings):
    torch.manual_seed(0)
    model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    return train(model, DATA, TrainConfig(steps, 4, 8, **settings), validation=DATA, sample=lambda model: ["a", "b"])


def until(condition):
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("the condition did not become true")


def interrupted(steps, at):
    for step in steps:
        if step.step == at:
            raise KeyboardInterrupt


@pytest.fixture
def endless():
    dashboard = explore_training({"one": run_of(100_000), "two": run_of(100_000)}, start=False)
    yield dashboard
    dashboard.stop()


@pytest.mark.slow
def test_the_dashboard_does_not_change_a_run():
    dashboard = explore_training(run_of(sample_every=10, validate_every=5))
    dashboard.wait()
    plain = list(run_of(sample_every=10, validate_every=5))
    assert [step.loss for step in dashboard.steps["run"]] == [step.loss for step in plain]
    about = dashboard.runs[0]
    assert (about["state"], about["step"], about["steps"]) == ("finished", 20, 20)
    assert about["guess"] == math.log(10)
    assert about["best"] == min(step.validation_loss for step in plain if step.validation_loss is not None)
    assert dashboard.samples == [[0, 10, "a\nb"], [0, 20, "a\nb"]]
    assert "finished after 20 steps" in dashboard.still["html"]


def test_statistics_from_inside_a_model_are_shown():
    dashboard = explore_training(run_of(statistics_every=10))
    dashboard.wait()
    ((_, history),) = dashboard.histories()
    assert (history.steps, history.groups) == ([1, 10, 20], ["embedding", "block 0", "output"])
    measured = [step.statistics for step in dashboard.steps["run"] if step.statistics]
    for kind in ("updates", "gradients", "activations"):
        np.testing.assert_allclose(history.of(kind), [getattr(one, kind) for one in measured], rtol=1e-5)


def test_runs_take_turns(endless):
    endless.resume()
    until(lambda: len(endless.steps["two"]) > 20)
    endless.pause()
    counts = [len(steps) for steps in endless.steps.values()]
    assert abs(counts[0] - counts[1]) <= 1


def test_the_reader_can_pause_resume_and_stop_runs(endless):
    def act(kind, **details):
        assert acting.act(endless, kind, **details)

    act("resume")
    until(lambda: len(endless.steps["two"]) > 3)
    for _ in range(20):  # as quickly as possible
        act("pause", run=0)
        act("resume", run=0)
    act("pause", run=0)
    until(lambda: not endless._tracked[0].busy)
    taken = len(endless.steps["one"])
    assert endless.runs[0]["step"] == taken  # the step that was under way is shown
    two = len(endless.steps["two"])
    until(lambda: len(endless.steps["two"]) > two + 5)  # the other run continues
    assert len(endless.steps["one"]) == taken
    act("stop", run=0)
    act("stop", run=1)
    endless.wait()
    assert [about["state"] for about in endless.runs] == ["stopped", "stopped"]
    until(lambda: endless._thread is None)
    act("resume", run=0)  # a stopped run can be resumed
    until(lambda: len(endless.steps["one"]) > taken + 3)
    endless.stop()
    steps = [step.step for step in endless.steps["one"]]
    assert steps == list(range(1, len(steps) + 1))


def test_an_unknown_run_is_refused_with_a_reason(endless):
    with pytest.raises(ValueError, match=r"There is no run 7\. The runs are numbered 0 to 1"):
        endless.resume(7)
    with pytest.raises(ValueError, match=r"There is no run 0\. This view has no runs yet"):
        LiveTrainingView().resume(0)


def test_the_reason_for_a_failed_run_is_shown_and_the_other_runs_continue():
    runs = {"wild": run_of(learning_rate=1e6, clip_norm=None), "calm": run_of()}
    dashboard = explore_training(runs)
    dashboard.wait()
    wild, calm = dashboard.runs
    assert wild["state"] == "failed"
    assert "is too high: try a third of it" in wild["words"]
    assert "is too high: try a third of it" in dashboard.alt
    assert calm["state"] == "finished"


def test_an_error_in_a_watched_loop_is_recorded_and_raised():
    def broken():
        raise KeyError("x")
        yield

    dashboard = LiveTrainingView()
    with pytest.raises(KeyError):
        list(dashboard.watch(broken(), "broken"))
    assert dashboard.runs[0]["words"] == "KeyError: 'x'"
    with pytest.raises(TrainingDiverged):
        list(dashboard.watch(run_of(learning_rate=1e6, clip_norm=None), "wild"))
    assert [about["state"] for about in dashboard.runs] == ["failed", "failed"]


def test_a_run_can_leave_its_loop_and_continue_in_another_or_in_the_background():
    dashboard, run = LiveTrainingView(), run_of()
    for step in dashboard.watch(run):
        assert dashboard.runs[0]["in_cell"]
        if step.step == 5:
            break
    assert (dashboard.runs[0]["state"], dashboard.runs[0]["in_cell"]) == ("paused", False)
    with pytest.raises(KeyboardInterrupt):
        interrupted(dashboard.watch(run), at=10)
    assert dashboard.runs[0]["state"] == "paused"
    dashboard.resume()
    dashboard.wait()
    assert [step.step for step in dashboard.steps["run"]] == list(range(1, 21))
    assert list(dashboard.watch(run)) == []  # the run has already ended


def test_an_interrupt_while_waiting_pauses_the_runs(endless, monkeypatch):
    endless.resume()
    before = endless._changed.wait

    def wait(timeout=None):
        if threading.current_thread() is threading.main_thread() and len(endless.steps["one"]) > 3:
            monkeypatch.undo()
            raise KeyboardInterrupt
        return before(timeout)

    monkeypatch.setattr(endless._changed, "wait", wait)
    with pytest.raises(KeyboardInterrupt):
        endless.wait()
    assert {about["state"] for about in endless.runs} == {"paused"}


def in_a_loop(function):
    """Run a function as in a cell, but in its own thread: browser tests in this process leave an event loop running."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(function())).result()


def test_a_cell_can_await_the_end_of_the_runs_and_be_cancelled(endless):
    async def cancelled():
        task = asyncio.ensure_future(endless.finished())
        while len(endless.steps["one"]) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_a_loop(cancelled)
    assert {about["state"] for about in endless.runs} == {"paused"}
    dashboard = explore_training(run_of(), start=False)
    in_a_loop(dashboard.finished)  # a run that has not begun is started
    assert dashboard.runs[0]["state"] == "finished"


def test_any_iterator_of_steps_is_accepted():
    dashboard, steps = LiveTrainingView(), list(run_of(3))
    dashboard.add(iter(steps), "recorded")
    dashboard.wait()
    assert dashboard.runs[0]["state"] == "finished"
    assert dashboard.runs[0]["step"] == 3


def test_without_a_browser_a_notebook_gets_a_picture_of_the_finished_run(monkeypatch):
    class Place:
        shown = ()

        def update(self, data, **details):
            self.shown += (data["text/html"],)

    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    dashboard = explore_training(run_of(), start=False)
    dashboard._display = place = Place()
    dashboard.wait()
    assert place.shown == (dashboard._repr_mimebundle_()[0]["text/html"],)
    assert "finished after 20 steps" in place.shown[0]
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")  # a page shows the view, so it must not be displayed again
    dashboard.wait()
    assert len(place.shown) == 1

"""The training dashboard from plain numbers: curves that stay small, words, pictures."""

import math
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from llmlib.widgets import TrainingView
from llmlib.widgets.training_dashboard.curves import MOST, Curve
from llmlib.widgets.training_dashboard.view import LONGEST_SAMPLE, MOST_SAMPLES

NAMES = ("<i>small</i>", "漢字 & مرحبا")


def filled(steps, seed=0):
    """A curve of noise, and the numbers that went into it."""
    given = np.random.default_rng(seed).normal(size=(steps, 2))
    curve = Curve(2)
    for step, values in enumerate(given, start=1):
        curve.add(step, step / 4, values.tolist())
    return curve, given


@pytest.mark.parametrize("steps", [1, MOST, MOST + 1, 5000, 100_000])
def test_a_curve_is_small_and_says_what_went_into_it(steps):
    curve, given = filled(steps)
    assert len(curve) <= MOST
    assert curve.first[0] == 1
    assert curve.last[-1] == steps
    np.testing.assert_array_equal(curve.first[1:], curve.last[:-1] + 1)
    for k in {0, len(curve) // 2, len(curve) - 1}:
        own = given[curve.first[k] - 1 : curve.last[k]]
        np.testing.assert_allclose(curve.mean[:, k], own.mean(0), atol=1e-12)
        np.testing.assert_array_equal(curve.low[:, k], own.min(0))
        np.testing.assert_array_equal(curve.high[:, k], own.max(0))


def test_bytes_hold_lows_and_highs_only_where_a_point_is_several_steps():
    for steps, rows in ((MOST, 2), (MOST + 1, 6)):
        curve, _ = filled(steps)
        packed = np.frombuffer(curve.pack(), "<u4")
        n = len(curve)
        np.testing.assert_array_equal(packed[:3], [n, curve.width, 2])
        assert len(packed) == 3 + n * (3 + rows)
        np.testing.assert_array_equal(packed[3 + n : 3 + 2 * n], curve.last)
        means = np.frombuffer(curve.pack(), "<f4")[3 + 3 * n :].reshape(rows, n)[:2]
        np.testing.assert_allclose(means, curve.mean, rtol=1e-6)


def trained(steps=50):
    view = TrainingView()
    for name in NAMES:
        run = view.add_run(name, steps=steps, guess=math.log(20))
        for step in range(1, steps + 1):
            loss = 3 / step + len(name) / 10
            due = step % 10 == 0
            view.log(
                run, step, loss=loss, learning_rate=0.1, gradient_norm=1.0, tokens_per_second=1000.0,
                validation_loss=loss + 0.5 if due else None, sample=f"{step} <b>\x00 tales" if due else None,
                seconds=0.5,
            )  # fmt: skip
    view.mark(0, "finished")
    view.mark(1, "failed", "The loss is nan. Try a lower learning rate.")
    return view


def test_the_picture_and_the_words_are_those_of_the_finished_runs():
    first, second = trained(), trained()
    assert first.svg() == second.svg()
    assert repr(first) == repr(second)
    words = " ".join(ET.fromstring(first.svg()).itertext())
    for name in NAMES:
        assert f"{name} writes after 50 steps" in words
    assert "finished, 50 steps · loss 1.260 · validation 1.760 (lowest 1.760 at step 50)" in words
    assert "Try a lower learning rate." in words
    assert "failed after 50 of 50 steps" in first.alt
    assert "Try a lower learning rate." in first.alt
    assert "</script><b>" not in first.to_html()


def test_what_is_shown_is_whole_whenever_the_page_asks():
    view = trained()
    assert view.runs[0]["seconds"] == 25
    assert view.samples[-1] == [1, 50, "50 <b>\x00 tales"]
    assert view.still["id"] == view.model_id
    assert view.still["html"] == view.fallback_html()
    assert len(np.frombuffer(view.curves, "<u4")) == 2 * ((3 + 50 * 7) + (3 + 5 * 4))


def test_a_view_that_has_not_begun_has_a_picture_too():
    view = TrainingView()
    assert view.alt == "Training. There is no run yet."
    ET.fromstring(view.svg())
    view.add_run("one")
    ET.fromstring(view.svg())
    assert "ready after 0 steps" in view.alt
    with pytest.raises(ValueError, match="a run 'one' already"):
        view.add_run("one")
    with pytest.raises(ValueError, match="state must be one of 'ready'"):
        view.mark(0, "done")


def test_samples_are_thinned_out_and_cut():
    view = TrainingView()
    run = view.add_run("one")
    for step in range(1, 20 * MOST_SAMPLES):
        view.log(run, step, loss=1.0, sample="x" * (LONGEST_SAMPLE + 1))
    view.mark(run, "stopped")
    steps = [step for _, step, _ in view.samples]
    assert len(steps) <= MOST_SAMPLES
    assert steps[0] == 1
    assert steps[-1] == 20 * MOST_SAMPLES - 1
    assert max(np.diff(steps)) <= 80  # nowhere a large gap
    assert view.samples[0][2] == "x" * (LONGEST_SAMPLE - 1) + "…"


def test_showing_costs_little_and_nothing_is_left_out_at_the_end(monkeypatch):
    view = TrainingView()
    run, shown = view.add_run("one"), []
    monkeypatch.setattr(type(view), "show", lambda self: shown.append(self._about[0]["step"]))
    view._due = math.inf
    for step in range(1, 1001):
        view.log(run, step, loss=1.0)
    assert shown == []
    view.mark(run, "paused")
    view.log(run, 1001, loss=1.0)  # the step that was under way
    assert shown == [1000, 1001]


def test_a_longer_run_is_shown_less_often():
    view = TrainingView()
    run = view.add_run("one")
    for seconds, soonest in ((0.0, 0.5), (45.0, 1.5), (1e6, 2.0)):
        view._due = 0
        before = time.perf_counter()
        view.log(run, 1, loss=1.0, seconds=seconds)
        assert view._due >= before + soonest

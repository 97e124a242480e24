"""Given plain numbers, the training dashboard keeps its curves small, and draws and describes the runs."""

import math
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.widgets import TrainingView
from llmlib.widgets.shared.runs.curves import MOST, Curve
from llmlib.widgets.training.history import KINDS, MOST_RECORDS, History
from llmlib.widgets.training.view import LONGEST_SAMPLE, MOST_SAMPLES

NAMES = ("<i>small</i>", "漢字 & مرحبا")


def filled(steps, seed=0):
    """Return a curve of noise and the numbers that went into it."""
    given = np.random.default_rng(seed).normal(size=(steps, 2))
    curve = Curve(2)
    for step, values in enumerate(given, start=1):
        curve.add(step, step / 4, values.tolist())
    return curve, given


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, MOST, MOST + 1, 5000, 100_000])
def test_a_curve_is_small_and_summarises_what_went_into_it(steps):
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


def test_packed_curves_have_lows_and_highs_only_if_points_cover_several_steps():
    for steps, rows in ((MOST, 2), (MOST + 1, 6)):
        curve, _ = filled(steps)
        packed = np.frombuffer(curve.pack(), "<u4")
        n = len(curve)
        np.testing.assert_array_equal(packed[:3], [n, curve.width, 2])
        assert len(packed) == 3 + n * (3 + rows)
        np.testing.assert_array_equal(packed[3 + n : 3 + 2 * n], curve.last)
        means = np.frombuffer(curve.pack(), "<f4")[3 + 3 * n :].reshape(rows, n)[:2]
        np.testing.assert_allclose(means, curve.mean, rtol=1e-6)


def sizes(groups, scale=1.0):
    """Return statistics of a step: rising quantiles that differ for each kind and group."""
    rising = scale * 10.0 ** np.arange(-4, 1)
    return {kind: np.outer(np.arange(1, groups + 1) * 10**k, rising) for k, kind in enumerate(KINDS)}


@given(st.integers(1, 1000), st.integers(1, 7))
def test_a_history_is_short_and_keeps_the_first_and_the_newest_record(records, every):
    history = History()
    for number in range(1, records + 1):
        history.add(number * every, number / 2, ["a"], np.full((3, 1, 5), float(number)))
        assert len(history) <= MOST_RECORDS
        assert history.steps[0] == every
        assert history.steps[-1] == number * every
    gaps = np.diff(history.steps[:-1])
    assert len(set(gaps.tolist())) <= 1
    assert history.of("updates")[:, 0, 0].tolist() == [step / every for step in history.steps]


def test_a_history_survives_packing_and_refuses_other_shapes_or_groups():
    history, values = History(), np.random.default_rng(0).random((2, 3, 2, 5), dtype=np.float32)
    for k, each in enumerate(values):
        history.add(k + 1, 0.5 * k, ["a", "b"], each)
    packed = history.pack()
    np.testing.assert_array_equal(np.frombuffer(packed, "<u4", 4), [2, 2, 1, 2])
    np.testing.assert_allclose(np.frombuffer(packed, "<f4", offset=24).reshape(values.shape), values)
    with pytest.raises(ValueError, match=r"of 2 groups must have the shape \(3, 2, 5\); got \(3, 1, 5\)"):
        history.add(3, 1.0, ["a", "b"], values[0][:, :1])
    with pytest.raises(ValueError, match="A run must keep the same groups"):
        history.add(3, 1.0, ["a", "c"], values[0])


def test_statistics_from_inside_a_model_are_sent_and_drawn():
    view = TrainingView()
    view.add_run("not looked into")
    run = view.add_run("one", steps=20)
    for step in range(1, 21):
        statistics = {"groups": ["embedding", "<block>"], **sizes(2, 1 / step)} if step % 5 == 0 else None
        view.log(run, step, loss=1.0, statistics=statistics, seconds=0.5)
    view.mark(run, "finished")
    assert [one["groups"] for one in view.runs] == [[], ["embedding", "<block>"]]
    n = len(History().pack())
    np.testing.assert_array_equal(np.frombuffer(view.inside[n:], "<u4", 6), [4, 2, 5, 10, 15, 20])
    words = list(ET.fromstring(view.svg()).itertext())
    assert "one: how far each step moved the weights, ‖Δw‖ / ‖w‖ (a rule of thumb: 0.001)" in words
    assert words[words.index("<block>") + 1] == "0.002"  # the median over the steps of 2 · 0.01 / step
    assert view.svg() == view.svg()
    view.log(
        run,
        21,
        loss=1.0,
        statistics={"groups": ["embedding", "<block>"], **{k: np.full((2, 5), np.nan) for k in KINDS}},
    )
    ET.fromstring(view.svg())


def trained(steps=50):
    view = TrainingView()
    for name in NAMES:
        run = view.add_run(name, steps=steps, guess=math.log(20))
        for step in range(1, steps + 1):
            loss = 3 / step + len(name) / 10
            due = step % 10 == 0
            view.log(
                run,
                step,
                loss=loss,
                learning_rate=0.1,
                gradient_norm=1.0,
                tokens_per_second=1000.0,
                validation_loss=loss + 0.5 if due else None,
                sample=f"{step} <b>\x00 tales" if due else None,
                seconds=0.5,
            )
    view.mark(0, "finished")
    view.mark(1, "failed", "The loss is nan. Try a lower learning rate.")
    return view


def test_the_picture_and_its_description_show_the_runs():
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


def test_the_state_for_the_page_is_complete():
    view = trained()
    assert view.runs[0]["seconds"] == 25
    assert view.samples[-1] == [1, 50, "50 <b>\x00 tales"]
    assert view.still["id"] == view.model_id
    assert view.still["html"] == view.fallback_html()
    assert len(np.frombuffer(view.curves, "<u4")) == 2 * ((3 + 50 * 7) + (3 + 5 * 4))


def test_a_view_without_runs_or_with_a_new_one_has_a_picture():
    view = TrainingView()
    assert view.alt == "Training. There is no run yet."
    ET.fromstring(view.svg())
    view.add_run("one")
    ET.fromstring(view.svg())
    assert "ready after 0 steps" in view.alt
    with pytest.raises(ValueError, match="already a run named 'one'"):
        view.add_run("one")
    with pytest.raises(ValueError, match="state must be one of 'ready'"):
        view.mark(0, "done")


def test_samples_are_thinned_out_and_shortened():
    view = TrainingView()
    run = view.add_run("one")
    for step in range(1, 20 * MOST_SAMPLES):
        view.log(run, step, loss=1.0, sample="x" * (LONGEST_SAMPLE + 1))
    view.mark(run, "stopped")
    steps = [step for _, step, _ in view.samples]
    assert len(steps) <= MOST_SAMPLES
    assert steps[0] == 1
    assert steps[-1] == 20 * MOST_SAMPLES - 1
    assert max(np.diff(steps)) <= 80  # there is no large gap
    assert view.samples[0][2] == "x" * (LONGEST_SAMPLE - 1) + "…"


def test_steps_are_shown_only_if_they_are_due_or_the_run_has_paused(monkeypatch):
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


def test_each_of_the_first_steps_of_a_slow_run_is_shown(monkeypatch):
    now, shown = [0.0], []
    monkeypatch.setattr("llmlib.widgets.shared.runs.view.time.perf_counter", lambda: now[0])
    view = TrainingView()
    run = view.add_run("one", steps=1000)
    view.mark(run, "running")
    view.observe(lambda change: shown.append(change["new"][0]["step"]), "runs")
    for step in range(1, 11):
        now[0] += 1.5  # seconds, which is slow for a step
        view.log(run, step, loss=1.0, seconds=1.5)
    assert shown[:4] == [1, 2, 3, 4]
    assert shown[-1] >= 8


def test_a_longer_run_is_updated_less_often():
    view = TrainingView()
    run = view.add_run("one")
    for seconds, soonest in ((0.0, 0.5), (45.0, 1.5), (1e6, 2.0)):
        view._due = 0
        before = time.perf_counter()
        view.log(run, 1, loss=1.0, seconds=seconds)
        assert view._due >= before + soonest

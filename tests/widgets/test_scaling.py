"""The scaling view: its numbers, in Python and in the browser's JavaScript, agree with `llmlib.scaling`."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from needs import skip_or_fail

from llmlib.explore.scaling import explore_scaling, law_row, measured
from llmlib.scaling import (
    BESIROGLU,
    HOFFMANN,
    KAPLAN,
    MACHINES,
    MODELS,
    Law,
    bill,
    fit,
    inference_flops,
    training_flops,
)
from llmlib.widgets import ScalingView
from llmlib.widgets.scaling import view as module
from llmlib.widgets.scaling.rows import amount, best_for, line_of, loss_of
from llmlib.widgets.scaling.rows import law_row as checked

LAWS = (KAPLAN, HOFFMANN, BESIROGLU, Law(E=2.97, A=280, B=265, alpha=0.7, beta=0.51, name="plays"))
PLACES = [(model.parameters, model.tokens) for model in MODELS] + [(4e5, 1e5)]
SCRIPT = """
import * as laws from "LAWS";
import { amount } from "WORDS";
const { rows, places, answered, machine, how } = JSON.parse(process.argv[1]);
const said = rows.map((law) => places.map(([n, d]) => {
  const loss = laws.lossOf(law, n, d), flops = laws.trainingFlops(n, d), best = laws.bestFor(law, flops);
  const cheap = laws.cheapest(law, loss, answered), bill = laws.billOf(flops, machine, how);
  return { loss, flops, best: best.n, read: best.d, back: laws.tokensFor(law, n, loss), cheap: cheap.n,
    reads: cheap.d, all: cheap.flops, least: laws.smallestFor(law, loss), bill, words: [amount(n), amount(d)] };
}));
console.log(JSON.stringify(said));
"""


@pytest.fixture(scope="module")
def in_the_browser():
    """Return what the view's own JavaScript computes for each law and each pair of parameters and tokens."""
    if not shutil.which("node"):
        skip_or_fail("no Node.js; install it to test the widgets' JavaScript")
    folder = Path(module.__file__).parent
    script = SCRIPT.replace("LAWS", (folder / "laws.mjs").as_uri()).replace("WORDS", (folder / "words.mjs").as_uri())
    how = {"count": 1000, "utilisation": 0.35, "price": None}
    given = {
        "rows": [checked(law_row(law)) for law in LAWS],
        "places": PLACES,
        "answered": 1e13,
        "machine": dict(vars(MACHINES[1])),
        "how": how,
    }
    command = ["node", "--input-type=module", "-e", script, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_javascript_and_the_library_compute_the_same_numbers(in_the_browser):
    for law, answers in zip(LAWS, in_the_browser, strict=True):
        for (n, d), said in zip(PLACES, answers, strict=True):
            loss, flops = float(law.loss(n, d)), training_flops(n, d)
            best = law.optimum(flops)
            paid = bill(flops, MACHINES[1], count=1000, utilisation=0.35)
            assert said["loss"] == pytest.approx(loss, rel=1e-9)
            assert said["flops"] == flops
            assert (said["best"], said["read"]) == pytest.approx((best.parameters, best.tokens), rel=1e-9)
            expected = [paid.days, paid.machine_hours, paid.dollars, paid.kilowatt_hours]
            assert [said["bill"][key] for key in ("days", "hours", "dollars", "kilowattHours")] == pytest.approx(
                expected
            )
            assert said["words"] == [amount(n), amount(d)]
            if not isinstance(law, Law) or loss - law.E < 1e-6:  # so close to E, few digits are left
                continue
            cheapest = law.cheapest(loss, 1e13)
            assert said["back"] == pytest.approx(d, rel=1e-6)
            assert said["all"] == pytest.approx(cheapest.flops, rel=1e-9)
            assert (said["cheap"], said["reads"]) == pytest.approx((cheapest.parameters, cheapest.tokens), rel=1e-4)
            assert law.loss(said["least"], np.inf) == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_the_numbers_in_the_picture_match_the_librarys(law):
    row = checked(law_row(law))
    for n, d in PLACES:
        assert loss_of(row, n, d) == pytest.approx(float(law.loss(n, d)), rel=1e-9)
        best = law.optimum(training_flops(n, d))
        assert best_for(row, training_flops(n, d)) == pytest.approx((best.parameters, best.tokens), rel=1e-9)
    line = [loss_of(row, *point) for point in line_of(row, 3.1)]
    assert line == pytest.approx([3.1] * len(line))


def test_if_nothing_is_answered_the_cheapest_model_is_the_compute_optimal_one(in_the_browser):
    """The view shows both models, so if they differed, one of them would be wrong."""
    chinchilla = in_the_browser[2][1]
    law = LAWS[2]
    same = law.cheapest(chinchilla["loss"])
    assert law.optimum(same.flops).parameters == pytest.approx(same.parameters, rel=1e-4)
    assert chinchilla["cheap"] < same.parameters  # with answers, the cheapest model is smaller
    assert inference_flops(chinchilla["cheap"], 1e13) < chinchilla["all"]


def test_all_figures_have_a_source_and_the_users_own_runs_are_included():
    n, d = np.repeat([1e5, 4e5, 1.6e6], 3), np.tile([1e6, 3e6, 9e6], 3)
    fitted = fit(n, d, 1.02 * LAWS[3].loss(n, d), bootstraps=0)
    view = explore_scaling({"mine": fitted}, {"others": [(1e6, 1e7, 3.2)]}, law="mine")
    assert all(row["source"] for rows in (view.laws, view.models, view.machines) for row in rows)
    assert [row["name"] for row in view.models] == [model.name for model in MODELS]
    assert view.runs[0]["points"] == [pytest.approx(point) for point in measured(fitted)]
    np.testing.assert_allclose([point[2] for point in measured(fitted)], 1.02 * LAWS[3].loss(n, d))
    assert view.law["own"]
    assert view.law["parameters"] == [1e5, 1.6e6]
    assert "Your own runs: 9 of mine, 1 of others." in view.alt


def test_pictures_are_valid_and_reproducible():
    first, second = explore_scaling(), explore_scaling()
    assert first.svg() == second.svg()
    assert repr(first) == repr(second)
    for law in ("Kaplan 2020", "Hoffmann 2022"):
        root = ET.fromstring(explore_scaling(law=law, runs={"a < b": [(1e4, 1e4, 5.0)]}).svg())
        assert "1 of a < b" in "".join(root.itertext())
    assert re.search(r'alt="By the law Besiroglu 2024, [^"]{80,}"', first.fallback_html())
    assert not re.search(r"https?://(?!www\.w3\.org/)", first.to_html())


def test_the_picture_follows_the_state():
    view = explore_scaling()
    before = view.svg()
    view.place = {**view.place, "parameters": 8e9}
    assert view.svg() != before
    assert "a model of 8B parameters" in view.alt


PLAIN = {"name": "Ours", "E": 1.7, "A": 400, "B": 400, "alpha": 0.3, "beta": 0.3}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda: ScalingView([]), "at least one scaling law"),
        (lambda: ScalingView([{**PLAIN, "A": 0}]), "'Ours' has A=0"),
        (lambda: ScalingView([{**PLAIN, "E": float("nan")}]), "'Ours' has E=nan"),
        (lambda: ScalingView([PLAIN], [{"name": "X", "parameters": 0, "tokens": 1e9}]), "model 'X' must have positive"),
        (
            lambda: ScalingView([PLAIN], machines=[{"name": "Y", "peak_flops": 1, "watts": 0, "dollars_per_hour": 1}]),
            "Machine 'Y' must have positive peak_flops and watts",
        ),
        (lambda: ScalingView([PLAIN], runs={"r": [(1e5, 1e6)]}), "run in 'r' must have three positive numbers"),
        (lambda: ScalingView([PLAIN], law="Theirs"), "no law 'Theirs'; the laws are Ours"),
        (lambda: ScalingView([PLAIN], size=3), "no setting 'size'; the settings are parameters, tokens"),
        (lambda: ScalingView([PLAIN], tokens=-1), "tokens must be a positive number; got -1"),
    ],
)
def test_invalid_input_is_refused_with_a_reason(given, words):
    with pytest.raises(ValueError, match=words):
        given()

"""A fit recovers a known law, a law's advice on budgets is the best possible, and bad data is refused."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlib.scaling import (
    BESIROGLU,
    HOFFMANN,
    KAPLAN,
    MACHINES,
    MODELS,
    Law,
    ScalingError,
    bill,
    fit,
    huber,
    isoflop_minimum,
    power_law,
    training_flops,
)

KNOWN = Law(E=1.5, A=50, B=300, alpha=0.3, beta=0.4)
laws = st.builds(
    Law,
    E=st.floats(0.3, 3),
    A=st.floats(5, 500),
    B=st.floats(5, 3000),
    alpha=st.floats(0.15, 0.7),
    beta=st.floats(0.15, 0.7),
)


def grid(sizes=6, counts=5):
    return (
        np.repeat(np.geomspace(2e4, 3e6, sizes), counts),
        np.tile(np.geomspace(4e4, 2e6, counts), sizes),
    )


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(laws)
def test_a_fit_recovers_a_law_from_data_without_noise(law):
    n, d = grid()
    found = fit(n, d, law.loss(n, d), bootstraps=0).law
    np.testing.assert_allclose(found.loss(n, d), law.loss(n, d), rtol=1e-5)
    assert found.loss(1e7, 1e7) == pytest.approx(float(law.loss(1e7, 1e7)), rel=0.01)


@pytest.mark.slow
def test_intervals_from_noisy_data_contain_the_true_values():
    n, d = grid()
    noise = np.random.default_rng(0).normal(0, 0.005, len(n))
    found = fit(n, d, KNOWN.loss(n, d) * np.exp(noise))
    for name in ("E", "alpha", "beta"):
        low, high = found.interval(lambda law, name=name: getattr(law, name), 0.98)
        assert low < getattr(KNOWN, name) < high
    prediction = found.predict(3e6, 1e7)
    assert prediction.low < KNOWN.loss(3e6, 1e7) < prediction.high
    assert prediction.low < prediction.loss < prediction.high


def test_a_fit_is_as_good_as_the_one_that_scipy_finds():
    """The Huber loss of the fit is not above the one that scipy reaches when it starts from the true constants."""
    optimize = pytest.importorskip("scipy.optimize")
    n, d = grid()
    loss = KNOWN.loss(n, d) * np.exp(np.random.default_rng(2).normal(0, 0.01, len(n)))

    def cost(constants):
        e, a, b, alpha, beta = constants
        return huber(np.log(loss) - np.log(np.exp(e) + np.exp(a) * n**-alpha + np.exp(b) * d**-beta)).sum()

    start = [np.log(1.5), np.log(50), np.log(300), 0.3, 0.4]
    other = optimize.minimize(cost, start, method="Nelder-Mead", options={"maxiter": 4000, "maxfev": 4000})
    ours = fit(n, d, loss, bootstraps=0).law
    ours = cost([np.log(ours.E), np.log(ours.A), np.log(ours.B), ours.alpha, ours.beta])
    assert ours <= other.fun * 1.001


def test_one_run_that_went_wrong_does_not_distort_the_law():
    n, d = grid()
    loss = KNOWN.loss(n, d)
    loss[7] *= 1.5
    robust, by_squares = (fit(n, d, loss, bootstraps=0, delta=delta).law for delta in (1e-3, 10))
    assert robust.alpha == pytest.approx(0.3, abs=0.005)
    assert abs(by_squares.alpha - 0.3) > 0.02


@pytest.mark.slow
def test_the_bootstrap_draws_all_seeds_of_a_point_together():
    """Ten copies of each run do not make the law more certain."""
    n, d = grid(4, 4)
    loss = KNOWN.loss(n, d) * np.exp(np.random.default_rng(1).normal(0, 0.01, len(n)))
    once = fit(n, d, loss, bootstraps=60)
    copied = fit(*(np.tile(each, 10) for each in (n, d, loss)), bootstraps=60)
    wide, copied_wide = (np.diff(each.interval(lambda law: law.alpha)).item() for each in (once, copied))
    assert copied_wide == pytest.approx(wide, rel=0.15)


def test_a_prediction_reports_how_far_it_is_outside_the_data():
    n, d = grid()
    found = fit(n, d, KNOWN.loss(n, d), bootstraps=5)
    assert found.predict(1e5, 1e5).outside == ()
    assert found.predict(6e6, 1e6).outside == ("2 times the most parameters",)
    assert found.predict(1e4, 2e4).outside == (
        "0.5 times the fewest parameters",
        "0.5 times the fewest tokens",
        "0.25 times the least compute",
    )
    assert "outside the data: 2 times the most parameters" in str(found.predict(6e6, 1e6))
    assert str(found.predict(1e5, 1e5)).endswith("; inside the data")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, d, loss: (n[:6], d[:6], loss[:6]), "6 distinct runs are too few"),
        (lambda n, d, loss: (np.tile(n[:5], 4), np.tile(d[:5], 4), np.tile(loss[:5], 4)), "only in the seed do not"),
        (lambda n, d, loss: (n[:0], d[:0], loss[:0]), "There are no runs"),
        (lambda n, d, loss: (0 * n + 1e5, np.geomspace(1e4, 1e6, 30), loss), "distinct sizes in these runs is 1, but"),
        (lambda n, d, loss: (np.geomspace(1e4, 1e6, 30), 0 * d + 1e5, loss), "token counts in these runs is 1, but"),
        (lambda n, d, loss: (n, d, np.where(n == n[0], np.inf, loss)), "Leave out runs that failed"),
        (lambda n, d, loss: (n, -d, loss), "positive, finite"),
        (lambda n, d, loss: (n, d[:-1], loss), "Parameters, tokens and losses must be lists of the same length"),
        (lambda n, d, loss: (n, d, KNOWN.loss(1e10 / n, d)), "does not fall with more parameters"),
    ],
)
def test_runs_that_no_law_can_be_fitted_to_are_refused(change, message):
    n, d = grid()
    with pytest.raises(ScalingError, match=message):
        fit(*change(n, d, KNOWN.loss(n, d)), bootstraps=0)


@settings(max_examples=30, deadline=None)
@given(laws, st.floats(1e9, 1e26), st.floats(-3, 3))
def test_no_other_split_of_a_budget_is_better(law, compute, log_factor):
    best = law.optimum(compute)
    assert training_flops(best.parameters, best.tokens) == pytest.approx(compute)
    other = best.parameters * np.exp(log_factor)
    assert law.loss(other, compute / 6 / other) >= best.loss * (1 - 1e-12)


@settings(max_examples=30, deadline=None)
@given(laws, st.floats(1.1, 2), st.floats(1e3, 1e15), st.floats(-1, 1))
def test_no_other_model_with_the_same_loss_is_cheaper(law, times, answered, log_factor):
    best = law.cheapest(law.E * times, answered)
    assert law.loss(best.parameters, best.tokens) == pytest.approx(law.E * times)
    size = best.parameters * np.exp(log_factor)
    if law.E + law.A * size**-law.alpha < 0.999 * law.E * times:
        tokens = law.tokens_for(size, law.E * times)
        assert 6 * size * tokens + 2 * size * answered >= best.flops * (1 - 1e-9)


def test_the_cheapest_model_is_the_optimum_if_there_are_no_inference_costs():
    best = HOFFMANN.optimum(1e21)
    cheapest = HOFFMANN.cheapest(best.loss)
    assert cheapest.parameters == pytest.approx(best.parameters, rel=1e-5)
    assert cheapest.training_flops == pytest.approx(1e21, rel=1e-6)


def test_published_constants_agree_with_their_papers():
    """Besiroglu et al. (2024) find about 20 tokens a parameter at Chinchilla's compute, and nearly equal exponents."""
    compute = training_flops(70e9, 1.4e12)
    assert 15 < BESIROGLU.optimum(compute).tokens_per_parameter < 25
    assert BESIROGLU.size_exponent == pytest.approx(0.513, abs=0.001)
    assert HOFFMANN.size_exponent == pytest.approx(0.45, abs=0.005)  # table 2: 0.46 with unrounded constants
    assert KAPLAN.optimum(1e15 * 86400).parameters == pytest.approx(1.3e9)
    for law in (HOFFMANN, BESIROGLU):
        assert law.optimum(compute).tokens_per_parameter > 10 * KAPLAN.optimum(compute).tokens_per_parameter
    gpt3, chinchilla = MODELS[:2]
    assert chinchilla.tokens_per_parameter == 20
    assert 1 < gpt3.tokens_per_parameter < 2
    assert HOFFMANN.loss(70e9, 1.4e12) < HOFFMANN.loss(175e9, 300e9)


def test_a_law_refuses_impossible_requests_with_a_reason():
    with pytest.raises(ScalingError, match=r"alpha=-1.*positive"):
        dataclasses.replace(HOFFMANN, alpha=-1)
    with pytest.raises(ScalingError, match=r"never reaches a loss of 2: .* Choose a larger model"):
        HOFFMANN.tokens_for(1e8, 2.0)
    with pytest.raises(ScalingError, match=r"always stays above E = 1\.69"):
        HOFFMANN.cheapest(1.6)
    for law in (HOFFMANN, KAPLAN):
        with pytest.raises(ScalingError, match="positive number of FLOPs"):
            law.optimum(0)
    with pytest.raises(ScalingError, match="0 or more"):
        HOFFMANN.cheapest(2.0, -1)


def test_huber_is_a_square_near_zero_and_a_line_far_away():
    x = np.linspace(-4, 4, 81)
    np.testing.assert_allclose(huber(x, 1)[np.abs(x) <= 1], x[np.abs(x) <= 1] ** 2 / 2)
    np.testing.assert_allclose(np.diff(huber(x, 1)[x > 1.05]), 0.1)


@given(st.floats(1e4, 1e9), st.floats(0.5, 5), st.floats(0.01, 1))
def test_the_bottom_of_a_parabola_is_found(best, loss, bend):
    sizes = best * np.array([0.2, 0.5, 1.5, 4, 9])
    found = isoflop_minimum(sizes, loss + bend * np.log(sizes / best) ** 2)
    assert found.parameters == pytest.approx(best, rel=1e-4)
    assert found.loss == pytest.approx(loss, rel=1e-6)
    assert found.inside


def test_a_curve_needs_a_minimum_and_a_minimum_outside_the_data_is_reported():
    assert not isoflop_minimum([1e5, 1e6, 1e7], [3.0, 2.5, 2.2]).inside
    with pytest.raises(ScalingError, match="does not bend upwards"):
        isoflop_minimum([1e5, 1e6, 1e7], [3.0, 3.1, 3.0])
    with pytest.raises(ScalingError, match="needs at least 3 sizes; got 2"):
        isoflop_minimum([1e5, 1e6, 1e6], [3.0, 3.1, 3.0])
    with pytest.raises(ScalingError, match="Pass one loss for each size"):
        isoflop_minimum([1e5, 1e6, 1e7], [3.0])


@given(st.floats(1e-3, 1e3), st.floats(-2, 2))
def test_a_fit_recovers_a_power_law(factor, exponent):
    x = np.array([1.0, 5, 30])
    found = power_law(x, factor * x**exponent)
    assert found.factor == pytest.approx(factor)
    assert found.exponent == pytest.approx(exponent, abs=1e-9)
    np.testing.assert_allclose(found(x), factor * x**exponent, rtol=1e-6)


def test_a_power_law_needs_two_positive_points():
    for x, y in (([1, 1], [1, 2]), ([1, 2], [0, 1]), ([1, 2], [1])):
        with pytest.raises(ScalingError, match="at least two distinct values of x"):
            power_law(x, y)


def test_a_bill_agrees_with_a_calculation_by_hand():
    one = bill(1e18, dataclasses.replace(MACHINES[0], peak_flops=1e15, watts=500, dollars_per_hour=3), utilisation=0.5)
    assert one.machine_hours == pytest.approx(2000 / 3600)
    assert one.dollars == pytest.approx(2000 / 3600 * 3)
    assert one.kilowatt_hours == pytest.approx(2000 / 3600 / 2)
    assert bill(1e18, MACHINES[0], count=8).days == pytest.approx(bill(1e18, MACHINES[0]).days / 8)
    with pytest.raises(ScalingError, match="a share of the peak"):
        bill(1e18, MACHINES[0], utilisation=40)

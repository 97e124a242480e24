"""Intervals, tests, calibration and detection, compared with SciPy, scikit-learn and cases worked out by hand."""

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import sklearn.calibration
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from llmlib.evaluation import (
    auc,
    bootstrap_interval,
    calibration_error,
    chance_calibration_error,
    compare,
    exact_match,
    fit_temperature,
    mcnemar_test,
    permutation_test,
    reliability,
    roc_curve,
)

rights = st.lists(st.booleans(), min_size=1, max_size=40)


def some_answers(n, seed=0, skill=1.0):
    """Return confidences, and whether the answers are right; the confidences are calibrated if `skill` is 1."""
    generator = np.random.default_rng(seed)
    confidences = generator.random(n)
    return confidences, generator.random(n) < confidences**skill


def test_bootstrap_intervals_agree_with_scipy():
    values = np.random.default_rng(1).exponential(size=60)
    theirs = scipy.stats.bootstrap((values,), np.mean, method="percentile", n_resamples=9000, rng=0).confidence_interval
    assert bootstrap_interval(np.mean, values, draws=9000) == pytest.approx(tuple(theirs), abs=0.02)
    columns = some_answers(80)
    theirs = scipy.stats.bootstrap(
        columns,
        lambda x, y: np.mean(x * y),
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=2000,
        rng=0,
    ).confidence_interval
    ours = bootstrap_interval(lambda x, y: np.mean(x * y), *columns)
    assert ours == pytest.approx(tuple(theirs), abs=0.02)


def test_copies_in_a_group_add_no_evidence():
    alone = np.random.default_rng(2).integers(2, size=30)
    groups = [f"story {n}" for n in range(30)]
    expected = bootstrap_interval(np.mean, alone, groups=groups)
    assert expected == bootstrap_interval(np.mean, alone)
    assert bootstrap_interval(np.mean, np.repeat(alone, 8), groups=np.repeat(groups, 8).tolist()) == expected
    narrow = bootstrap_interval(np.mean, np.repeat(alone, 8))
    assert narrow[1] - narrow[0] < 0.5 * (expected[1] - expected[0])


def test_groups_of_different_sizes_are_drawn_whole():
    """One group has three ones, the other has one zero: the four possible samples have the means 1, 0, 3/4 and 3/4."""
    seen = set()
    bootstrap_interval(lambda x: seen.add(float(x.mean())) or 0.0, [1, 1, 1, 0], groups="aaab")
    assert seen == {1.0, 0.75, 0.0}


@pytest.mark.parametrize(
    ("columns", "choices", "message"),
    [
        (([],), {}, "no questions to measure"),
        (([1],), {}, "at least 2 questions or groups"),
        (([1, 0],), {"groups": "aa"}, "at least 2 questions or groups to draw from, got 1"),
        (([1, 0],), {"groups": "a"}, "2 questions, but 1 group names"),
        (([1, 0], [1]), {}, r"different lengths: \[2, 1\]"),
        (([1, 0],), {"level": 1.5}, "level must be between 0 and 1"),
    ],
)
def test_invalid_input_to_the_bootstrap_is_refused(columns, choices, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(lambda *all: float(np.mean(all[0])), *columns, **choices)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_a_binomial_test_on_the_discordant_pairs(pairs):
    first, second = np.array(pairs).T
    better, worse = int((first & ~second).sum()), int((~first & second).sum())
    expected = scipy.stats.binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert mcnemar_test(first, second) == pytest.approx(expected)
    assert mcnemar_test(second, first) == mcnemar_test(first, second)


@pytest.mark.parametrize("n", [3, 9, 60])
def test_p_values_of_the_permutation_test_agree_with_scipy(n):
    first, second = np.random.default_rng(n).normal([[0.3], [0.0]], 1, size=(2, n))
    theirs = scipy.stats.permutation_test(
        (first, second), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=4000, rng=1
    ).pvalue
    assert permutation_test(first - second, draws=4000) == pytest.approx(theirs, abs=1e-12 if n < 12 else 0.03)


def test_the_answers_in_a_group_are_swapped_together():
    """Four questions about one story count as one coin toss."""
    assert permutation_test([1, 1, 1, 1]) == 2 / 16
    assert permutation_test([1, 1, 1, 1], groups="aaaa") == 1.0
    assert permutation_test([0.0] * 40) == 1.0


def test_a_comparison_has_the_right_counts_p_value_and_interval():
    first, second = [1, 1, 1, 0, 1, 1, 1, 1] * 5, [1, 0, 0, 0, 1, 1, 0, 1] * 5
    found = compare(first, second)
    assert (found.difference, found.better, found.worse, found.of) == (0.375, 15, 0, 40)
    assert found.p_value == pytest.approx(2 / 2**15)
    assert found.interval == bootstrap_interval(np.mean, np.subtract(first, second))
    assert compare(second, first).difference == -0.375
    grouped = compare(first, second, groups=[n // 8 for n in range(40)])
    assert grouped.p_value == 2 / 2**5  # five groups, all alike
    with pytest.raises(ValueError, match=r"same questions.*got scores of shape \[2\] and \[1\]"):
        compare([1, 0], [1])
    with pytest.raises(ValueError, match="Use permutation_test"):
        mcnemar_test([0.5], [1])


@pytest.mark.parametrize("bins", [1, 5, 15])
def test_reliability_matches_the_calibration_curve_of_sklearn(bins):
    confidences, right = some_answers(300, skill=2)
    confidences[:6] = [0, 1, 0.2, 0.4, 0.6, 0.8]  # on the edges of bins
    shares, means = sklearn.calibration.calibration_curve(right, confidences, n_bins=bins)
    found = reliability(confidences, right, bins)
    assert [each.right for each in found] == pytest.approx(list(shares))
    assert [each.confidence for each in found] == pytest.approx(list(means))
    assert sum(each.count for each in found) == 300


def test_calibration_error_follows_its_definition():
    """The definition is Guo et al.'s: here, two bins with 3 and 1 answers have the errors |2/3 − 0.7| and |0 − 0.2|."""
    assert calibration_error([0.6, 0.7, 0.8, 0.2], [1, 1, 0, 0], bins=2) == pytest.approx((3 * (0.7 - 2 / 3) + 0.2) / 4)
    confidences, right = some_answers(2000)
    by_chance = chance_calibration_error(confidences)
    assert calibration_error(confidences, right) == pytest.approx(by_chance, abs=0.01)
    assert calibration_error(confidences, some_answers(2000, skill=4)[1]) > 10 * by_chance
    with pytest.raises(ValueError, match=r"between 0 and 1, got values from 0.5 to 50"):
        calibration_error([0.5, 50], [1, 0])
    with pytest.raises(ValueError, match=r"Each answer needs a confidence and a label, 1 \(right\) or 0 \(wrong\)"):
        reliability([], [])


@given(st.integers(0, 99))
def test_the_fitted_temperature_has_the_lowest_loss(seed):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(50, 4))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    right = np.array([generator.choice(4, p=row) for row in p])

    def loss(log_t):
        scaled = 3 * logits / np.exp(log_t)
        return -(scaled[np.arange(50), right] - np.log(np.exp(scaled).sum(1))).mean()

    expected = np.exp(scipy.optimize.minimize_scalar(loss, bounds=(-5, 8), method="bounded").x)
    found = fit_temperature(3 * logits, right)  # logits three times too large
    assert found == pytest.approx(expected, rel=1e-2)
    assert loss(np.log(found)) <= loss(np.log(expected)) + 1e-12


@pytest.mark.parametrize(
    ("logits", "right", "message"),
    [
        ([[2.0, 1.0], [0.0, 3.0]], [0, 1], "so a lower temperature always fits better"),
        ([[2.0, 1.0], [0.0, 3.0]], [1, 0], "no temperature can help"),
        ([[2.0, float("-inf")]], [0], "infinite or NaN"),
        (
            [[2.0, 1.0]],
            [0, 1],
            r"the right choice for each question; got logits of shape \[1, 2\] and right of shape \[2\]",
        ),
    ],
)
def test_temperatures_that_cannot_be_fitted_are_reported(logits, right, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, right)


@given(rights, st.integers(0, 9))
def test_the_roc_curve_and_its_area_agree_with_sklearn(positive, seed):
    scores = np.random.default_rng(seed).integers(0, 8, size=len(positive)) / 4  # with ties
    if len(set(positive)) < 2:
        with pytest.raises(ValueError, match="needs both positives and negatives"):
            roc_curve(scores, positive)
        return
    theirs = sklearn.metrics.roc_curve(positive, scores, drop_intermediate=False)
    for one, other in zip(roc_curve(scores, positive), theirs):
        np.testing.assert_allclose(one, other)
    assert auc(scores, positive) == pytest.approx(sklearn.metrics.roc_auc_score(positive, scores))


def test_the_roc_curve_refuses_invalid_scores():
    with pytest.raises(ValueError, match="NaN"):
        roc_curve([0.5, float("nan")], [1, 0])
    with pytest.raises(ValueError, match=r"Each case needs a score and a label, 1 \(positive\) or 0 \(negative\)"):
        roc_curve([0.5], [1, 0])


@pytest.mark.parametrize(
    ("answer", "right", "ignore", "expected"),
    [
        (" Paris\n", "Paris", (), True),
        ("paris", "Paris", (), False),
        ("paris", "Paris", ["case"], True),
        ("Paris.", "Paris", ["case"], False),
        ("Paris.", ("Rome", "Paris"), ["punctuation"], True),
        ("the  cat", "cat", ["articles", "space"], True),
        ("theatre", "atre", ["articles"], False),
        ("a b", "a  b", (), False),
    ],
)
def test_exact_match_ignores_only_the_chosen_differences(answer, right, ignore, expected):
    assert exact_match(answer, right, ignore) is expected


def test_exact_match_refuses_invalid_arguments():
    with pytest.raises(ValueError, match="ignore contains 'spelling'"):
        exact_match("a", "a", ["spelling"])
    with pytest.raises(ValueError, match="no right answer"):
        exact_match("a", [])

"""Exercises for lesson 11: choose by likelihood, compare two models, measure calibration, and find a threshold."""

import math
import random
from pathlib import Path

from llmlib.exercises.engine.exercise import Case, Exercise, texts_of
from llmlib.exercises.lessons.lesson_11_capabilities_and_limits.faulty import faulty_choose, faulty_p_value
from llmlib.exercises.lessons.lesson_11_capabilities_and_limits.faulty_confidence import (
    faulty_calibration_error,
    faulty_threshold,
)
from llmlib.exercises.lessons.lesson_11_capabilities_and_limits.remedies import AGENT, BM25, LONGER_THETA

TEXTS = texts_of(Path(__file__).parent)


# --- limits.choose ---


def choose(choices, log_probs):
    """Return the index of the choice with the highest log-probability per byte (the first index if there is a tie)."""
    scores = [log_prob / len(choice.encode()) for choice, log_prob in zip(choices, log_probs)]
    return scores.index(max(scores))


def cases_choose(seed):
    chance = random.Random(seed)
    words = ["rain", "a long walk", "no", "nobody", "yes", "three small boats", "it is late", "blue", "Ωmega", "naïve"]

    def drawn(n):
        chosen = chance.sample(words, n)
        return Case((chosen, [-len(each.encode()) * chance.uniform(0.3, 0.9) for each in chosen]))

    return [
        Case((["no", "yes", "certainly"], [-5.0, -6.0, -9.0])),
        Case((["certainly", "yes", "no"], [-5.0, -3.9, -1.0]), "the shortest choice is the best"),
        Case((["in the evening", "at six"], [-8.0, -3.6]), "the longest choice has the lowest log-probability"),
        Case((["Größe", "crowd"], [-4.2, -4.0]), "two-byte letters"),
        Case((["ja", "日本", "Rom"], [-1.5, -2.4, -1.8]), "three-byte letters"),
        Case((["abcd", "ab", "efgh"], [-4.0, -2.0, -4.0]), "all choices have the same log-probability per byte"),
        Case((["a b c d e f", "abcdefg"], [-5.2, -3.6]), "a choice with many words"),
        Case((["on", "undecided"], [-0.4, -1.4]), "with a space before each choice, the other choice would win"),
        Case((["abc", "abcdef"], [-5.0, -4.0]), "the longer choice is also the likelier one"),
        Case((["abcdef", "abcde"], [-9.0, -2.0]), "the longer choice is one byte longer, and much less likely"),
        Case((["undecided", "maybe"], [-3.0, -3.4]), "the longer choice is a little likelier"),
        Case((["no", "yes"], [-9.0, -1.0]), "the shortest choice is by far the least likely"),
        Case((["maybe"], [-7.0]), "a single choice"),
        Case(([" a", "abc"], [-3.0, -4.6]), "a choice that begins with a space"),
        Case((["a\n", "abc"], [-3.0, -4.6]), "a choice that ends with a line break"),
        Case((["no", "none"], [-2.0001, -4.0]), "two choices that are nearly equal"),
        drawn(4),
        drawn(6),
        drawn(5),
    ]


CHOOSE = Exercise(**TEXTS["choose"], reference=choose, cases=cases_choose, faulty=faulty_choose, double=False)


# --- limits.p_value ---


def p_value(first, second):
    """Return the probability that fair coins would give a split at least as uneven as the one observed.

    There is one coin for each question that only one model got right.
    """
    better = sum(a and not b for a, b in zip(first, second))
    worse = sum(b and not a for a, b in zip(first, second))
    n, fewer = better + worse, min(better, worse)
    one_side = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
    return min(1.0, 2 * one_side)


def cases_p_value(seed):
    chance = random.Random(seed)

    def case(better, worse, both, neither, note=""):
        """Make a case from four counts.

        They say how many questions only the first model, only the second, both, or neither got right.
        """
        pairs = [(True, False)] * better + [(False, True)] * worse + [(True, True)] * both + [(False, False)] * neither
        chance.shuffle(pairs)
        first, second = zip(*pairs)
        return Case((list(first), list(second)), note)

    return [
        Case(([True, True, True, False], [False, False, False, False])),
        case(1, 4, 2, 1, "the second model is better"),
        case(6, 2, 9, 3, "most questions do not distinguish between the models"),
        case(3, 3, 2, 2, "neither model is better"),
        case(3, 2, 1, 0, "nearly even"),
        case(0, 0, 3, 2, "the models never differ"),
        case(0, 1, 0, 0, "a single question"),
        case(2, 9, 5, 0),
        case(14, 6, 30, 11),
        case(chance.randint(5, 9), chance.randint(1, 4), chance.randint(2, 6), chance.randint(2, 6)),
    ]


P_VALUE = Exercise(**TEXTS["p_value"], reference=p_value, cases=cases_p_value, faulty=faulty_p_value, double=False)


# --- limits.calibration_error ---


def calibration_error(confidences, right, bins):
    """Return the mean gap between confidence and accuracy over the bins, weighted by each bin's number of answers."""
    places = [max(0, math.ceil(confidence * bins) - 1) for confidence in confidences]
    error = 0.0
    for b in range(bins):
        found = [i for i, place in enumerate(places) if place == b]
        if found:
            mean = sum(confidences[i] for i in found) / len(found)
            share = sum(right[i] for i in found) / len(found)
            error += len(found) / len(confidences) * abs(mean - share)
    return error


def cases_calibration_error(seed):
    chance = random.Random(seed)

    def drawn(n, bins, note="", low=0.0, is_right=lambda confidence: confidence):
        sure = [round(chance.uniform(low, 1), 4) for _ in range(n)]
        return Case((sure, [chance.random() < is_right(confidence) for confidence in sure], bins), note)

    return [
        Case(([0.1, 0.9, 0.8], [False, True, False], 2)),
        Case(([0.7, 0.9, 0.6, 0.8], [False, True, False, True], 4), "half of the bins are empty"),
        Case(
            ([0.4, 0.4, 0.95, 0.9], [True, True, False, False], 2),
            "overconfident in some bins, underconfident in others",
        ),
        Case(
            ([0.9, 0.95, 0.85, 0.9, 0.1], [True, True, False, True, True], 2), "four answers in one bin, one in another"
        ),
        Case(([0.25, 0.5, 0.75, 0.2, 0.6], [True, False, True, False, True], 4), "confidences on bin edges"),
        Case(([0.0, 1.0, 0.0, 0.3, 0.9], [True, False, True, False, True], 5), "confidences of 0 and of 1"),
        Case(([0.3, 0.8, 0.6, 0.9], [True, True, False, True], 1), "a single bin"),
        Case(([0.62], [True], 10), "a single answer"),
        drawn(20, 5, "an overconfident model", low=0.5, is_right=lambda confidence: 0.5),
        drawn(30, 10),
        drawn(12, 3),
    ]


CALIBRATION_ERROR = Exercise(
    **TEXTS["calibration_error"],
    reference=calibration_error,
    cases=cases_calibration_error,
    faulty=faulty_calibration_error,
    double=False,
)


# --- limits.threshold ---


def threshold(scores, right, wanted):
    """Return the lowest threshold at which the share of right answers among the answers shown is at least `wanted`.

    If there is no such threshold, return ∞.
    """

    def is_good(bar):
        given = [hit for score, hit in zip(scores, right) if score >= bar]
        return sum(given) / len(given) >= wanted

    return min(filter(is_good, scores), default=math.inf)


def cases_threshold(seed):
    chance = random.Random(seed)

    def drawn(n, wanted, note="", digits=4):
        scores = [round(chance.random(), digits) for _ in range(n)]
        return Case((scores, [chance.random() < 0.2 + 0.7 * score for score in scores], wanted), note)

    yes, no = True, False
    return [
        Case(([0.9, 0.4, 0.7, 0.2], [yes, no, yes, no], 1.0)),
        Case(([0.2, 0.9, 0.5, 0.7, 0.1], [no, yes, yes, no, no], 0.6), "scores that are not in order"),
        Case(([0.9, 0.8, 0.7, 0.6, 0.5], [no, yes, yes, yes, no], 0.75), "the best score belongs to a wrong answer"),
        Case(
            ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [yes, no, no, yes, yes, no], 0.6),
            "the share of right answers falls, and then rises again",
        ),
        Case(([0.8, 0.5, 0.5, 0.5, 0.3], [yes, yes, no, no, no], 0.8), "equal scores, and one of the answers is right"),
        Case(
            ([0.8, 0.5, 0.5, 0.5, 0.3], [yes, no, yes, yes, no], 0.75),
            "the share of right answers is exactly the required share",
        ),
        Case(([0.8, 0.5, 0.5, 0.5], [yes, no, no, yes], 0.75), "equal scores, and the last of the answers is right"),
        Case(([0.3, 0.6, 0.8], [no, no, no], 0.5), "no answer is right"),
        Case(([0.7, 0.8, 0.6, 0.3], [yes, no, yes, no], 0.9), "no threshold is strict enough"),
        Case(([0.3, 0.6, 0.8], [yes, yes, yes], 0.9), "all answers are right"),
        Case(([-2.0, -0.5, -1.0, -4.0], [no, yes, yes, yes], 0.7), "scores below 0, such as log-probabilities"),
        drawn(12, 0.75),
        drawn(20, 0.6, "many equal scores", digits=1),
        drawn(15, 0.5),
        drawn(24, 0.65),
        drawn(18, 0.8),
    ]


THRESHOLD = Exercise(
    **TEXTS["threshold"], reference=threshold, cases=cases_threshold, faulty=faulty_threshold, double=False
)


EXERCISES = (CHOOSE, P_VALUE, CALIBRATION_ERROR, THRESHOLD, BM25, LONGER_THETA, AGENT)

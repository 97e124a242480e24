"""Exercises for lesson 07 on drawing from a distribution, temperature, truncation and repetition."""

import random
from pathlib import Path

import torch

from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import batch_permuted, randn
from llmlib.exercises.lessons.lesson_07_sampling.constraints import ALLOWED_TOKENS, CONSTRAINED
from llmlib.exercises.lessons.lesson_07_sampling.drawing import draw, penalise_repetition, probabilities_at
from llmlib.exercises.lessons.lesson_07_sampling.faulty import (
    faulty_distinct,
    faulty_draw,
    faulty_penalty,
    faulty_temperature,
)
from llmlib.exercises.lessons.lesson_07_sampling.faulty_cuts import faulty_min_p, faulty_top_p
from llmlib.exercises.lessons.lesson_07_sampling.loops import BEAM_STEP, CONTINUATION
from llmlib.exercises.lessons.lesson_07_sampling.writing import WRITE
from llmlib.sampling import logits as rules
from llmlib.sampling import quality

TEXTS = texts_of(Path(__file__).parent)


# --- sampling.draw ---


def cases_draw(seed):
    """Draw probabilities that are multiples of 1/16, so that their sums are exact and u can equal a sum."""
    generator = torch.Generator().manual_seed(seed)

    def case(batch, vocab, note="", parts=16):
        owners = torch.randint(0, vocab, (batch, parts), generator=generator)
        p = torch.nn.functional.one_hot(owners, vocab).sum(dim=1) / parts
        return Case((p.double(), torch.randint(0, 64, (batch,), generator=generator) / 64), note)

    edges = torch.tensor([[0.25, 0.5, 0.25]] * 4 + [[0.5, 0.0, 0.5]], dtype=torch.float64)
    gaps = torch.tensor([[0.0, 0.0, 0.5, 0.0, 0.5, 0.0]] * 4, dtype=torch.float64)
    return [
        Case((torch.tensor([[0.5, 0.125, 0.375]], dtype=torch.float64), torch.tensor([0.75], dtype=torch.float64))),
        case(4, 5, "a different number in each row"),
        Case((edges, torch.tensor([0.0, 0.25, 0.75, 0.5, 0.5], dtype=torch.float64)), "u exactly on an edge"),
        Case((gaps, torch.tensor([0.0, 0.375, 0.5, 0.875], dtype=torch.float64)), "tokens with probability 0"),
        case(6, 3, "more rows than tokens"),
        case(8, 8),
        case(16, 4),
    ]


def never_impossible(call, case):
    probabilities, u = case.args
    drawn = call(probabilities, u)
    share = probabilities.gather(1, drawn[:, None])[:, 0] if bool((drawn < probabilities.shape[1]).all()) else u * 0
    if bool((share > 0).all()):
        return None
    return "You draw a token whose probability is 0, or one that does not exist."


DRAW = Exercise(
    **TEXTS["draw"],
    reference=draw,
    cases=cases_draw,
    faulty=faulty_draw,
    axes=("batch",),
    probes=(Probe("A token with probability 0 is never drawn.", never_impossible), batch_permuted(0, 1)),
)


# --- sampling.probabilities_at ---


# Temperatures below 0.02 are tried only in float64: a correct solution may take the log of a softmax first, and
# in float32 this rounds the small difference between nearly equal logits.
SMALL = ((0.02, "both"), (0.005, "double"), (1e-4, "double"), (1e-9, "double"))


def cases_temperature(seed):
    equal = torch.tensor([[1.0, 3.0, 3.0, 2.0], [0.5, 0.5, 0.0, 0.5]], dtype=torch.float64)
    two_best = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    two = "a temperature of 0.000…01, and two tokens that tie for the highest logit"
    near = torch.tensor([[0.0, 0.0, 0.0], [2.0**-8, 2.0**-8, 0.0]], dtype=torch.float64)
    return [
        Case((torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64), 0.5)),
        Case((2 * randn(seed, 2, 3, 5), 2.0), "a temperature above 1"),
        Case((randn(seed + 1, 3, 4), 1.0), "temperature 1"),
        Case((randn(seed + 2, 2, 3, 4), 0.0), "temperature 0"),
        Case((equal, 0.0), "temperature 0, and several tokens tie for the highest logit"),
        Case((equal, 0.25), "equal logits"),
        Case((randn(seed + 3, 5), 4.0), "a single distribution"),
        Case((50 * randn(seed + 4, 4, 4), 8.0), "large logits"),
        *(Case((t * randn(seed + 6, 3, 4), t), "a small T, and logits that are nearly equal", p) for t, p in SMALL),
        Case((3 + randn(seed + 5, 2, 3).abs(), 2.0**-126), "a temperature of 0.000…01"),
        Case((2.0**30 * two_best + near, 2.0**-99), two, precision="single"),
        Case((2.0**930 * two_best + near, 2.0**-99), two, precision="double"),
        Case((3 + randn(seed + 5, 2, 3).abs(), 2.0**-1030), "a temperature of 0.000…01", precision="double"),
    ]


def sums_to_one(call, case):
    total = call(*case.args).sum(dim=-1).flatten()
    furthest = total[(total - 1).abs().nan_to_num(torch.inf).argmax()]
    if bool((furthest - 1).abs() < 1e-4):
        return None
    return f"The probabilities of one of your distributions sum to {furthest.item():.4g}."


def halved_together(call, case):
    """Check that halving both the logits and the temperature does not change the distribution.

    Halving is exact, but p ** (1 / T) is not if p is close to 1 and T is small.
    """
    logits, temperature = case.args
    if not equal(probabilities_at(logits, temperature), call(logits, temperature)):
        return None  # another check reports this fault
    smallest = 1e-6 if logits.dtype == torch.float64 else 0.02
    for times in range(1, 10):
        if temperature / 2**times < smallest:
            return None
        if not equal(call(logits, temperature), call(logits / 2**times, temperature / 2**times)):
            return (
                f"Your results at temperatures {temperature:g} and {temperature / 2**times:.3g} differ, although "
                "the logits shrink by the same factor. Does your code have a minimum temperature?"
            )
    return None


PROBABILITIES_AT = Exercise(
    **TEXTS["probabilities_at"],
    reference=probabilities_at,
    helpers=(rules.scale_temperature,),
    cases=cases_temperature,
    faulty=faulty_temperature,
    axes=("batch", "vocab"),
    probes=(
        Probe("The probabilities of a distribution sum to 1.", sums_to_one),
        Probe("Halving both the logits and the temperature does not change the distribution.", halved_together),
    ),
)


# --- sampling.keep_top_p and sampling.keep_min_p ---


def cases_cut(seed, first, second):
    """Make cases with each kind of distribution: certain, uncertain, and in between."""
    sure = torch.tensor([0.9, 0.02, 0.03, 0.05], dtype=torch.float64).log()
    even = torch.tensor([0.22, 0.26, 0.24, 0.28], dtype=torch.float64).log()
    between = torch.tensor([0.1, 0.45, 0.15, 0.3], dtype=torch.float64).log()
    mixed = torch.stack((sure, even, between))
    certain = torch.tensor([[1.0, 300.0, 0.0, 2.0], [300.0, 1.0, 2.0, 0.0]], dtype=torch.float64)
    return [
        Case((torch.tensor([[0.1, 0.6, 0.3]], dtype=torch.float64).log(), first)),
        Case((2 * randn(seed, 3, 6), first), "a different size along each axis"),
        Case((mixed + randn(seed + 1, 3, 1), first), "a confident row, an uncertain row, and one in between"),
        Case((mixed - 4, second), "all logits below 0"),
        Case((2 * randn(seed + 2, 4, 9), second), "a different p"),
        Case((randn(seed + 3, 2, 5), 0.01), "a small p"),
        Case((randn(seed + 4, 2, 7), 1.0), "p = 1"),
        Case((mixed + 7, second), "large logits"),
        Case((mixed + 800, first), "logits of 800, whose exponential is ∞"),
        Case((mixed.roll(-1, 0) - 800, second), "logits of −800, whose exponential is 0"),
        Case((certain, first), "a token that has all the probability"),
        Case((even[None], first), "a single, uncertain row"),
        Case((4 * randn(seed + 5, 1, 12), first)),
    ]


def kept_stay(call, case):
    logits = case.args[0]
    got = call(*case.args)
    kept = got.isfinite()
    if bool(kept.any(dim=-1).all()) and bool((got[kept] == logits[kept].to(got.dtype)).all()):
        return None
    return "You change a logit that should stay as it is, or there is a row in which you keep no token."


def fewest_kept(call, case):
    """Check how many of several equally likely tokens are kept, no matter which ones.

    The sums of their probabilities are exact, so we know how many have to be kept.
    """
    untied = torch.tensor([[2.0, 0.0, 1.0, -1.0], [0.1, 0.3, 0.2, 0.0]], dtype=case.args[0].dtype)
    for p, fewest in ((0.5, 2), (0.4, 2), (0.75, 3)):
        if not equal(rules.keep_top_p(untied, p), call(untied, p)):
            return None  # another check reports this fault
        kept = int(call(torch.zeros(1, 4, dtype=case.args[0].dtype), p).isfinite().sum())
        if kept != fewest:
            says = (
                f"Of four tokens with a probability of 0.25 each, {fewest} together reach p = {p}, but you keep {kept}."
            )
            more = " A sum that equals p has reached p, and if tokens are equally likely, you may drop some of them."
            return says + more * (kept > fewest)
    return None


def likeliest_stays(call, case):
    kept = call(case.args[0], 0.0).isfinite()
    if bool(kept.gather(-1, case.args[0].argmax(-1, keepdim=True)).all()):
        return None
    return (
        "With p = 0 no token is needed to reach p, but one token has to stay, because otherwise there is nothing to "
        "draw from."
    )


KEPT = Probe("Logits that are kept do not change, and each row keeps at least one.", kept_stay)

KEEP_TOP_P = Exercise(
    **TEXTS["keep_top_p"],
    reference=rules.keep_top_p,
    helpers=(rules._keep_until,),
    cases=lambda seed: cases_cut(seed, 0.8, 0.5),
    faulty=faulty_top_p,
    axes=("batch", "vocab"),
    probes=(
        KEPT,
        Probe("You keep no more tokens than it takes to reach p.", fewest_kept),
        Probe("The likeliest token is always kept.", likeliest_stays),
        batch_permuted(0),
    ),
)

KEEP_MIN_P = Exercise(
    **TEXTS["keep_min_p"],
    reference=rules.keep_min_p,
    cases=lambda seed: cases_cut(seed, 0.4, 0.1),
    faulty=faulty_min_p,
    axes=("batch", "vocab"),
    probes=(KEPT, batch_permuted(0)),
)


# --- sampling.penalise_repetition ---


def cases_penalty(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(batch, vocab, seq, penalty, note="", shift=0.0):
        ids = torch.randint(0, vocab, (batch, seq), generator=generator)
        return Case((2 * randn(seed + seq, batch, vocab) + shift, ids, penalty), note)

    both = torch.tensor([[2.0, -2.0, 1.0, -1.0]], dtype=torch.float64)
    return [
        Case((both, torch.tensor([[0, 1]]), 2.0)),
        case(3, 6, 4, 1.25, "a different size along each axis"),
        Case((both.expand(2, 4).clone(), torch.tensor([[3, 3, 3], [2, 2, 0]]), 1.5), "a token that occurs three times"),
        case(2, 5, 3, 1.0, "a penalty of 1"),
        case(2, 8, 5, 0.5, "a penalty below 1"),
        case(3, 7, 3, 2.0, "all logits above 0", shift=9.0),
        case(3, 7, 3, 2.0, "all logits below 0", shift=-9.0),
        case(4, 12, 6, 1.5),
    ]


PENALISE_REPETITION = Exercise(
    **TEXTS["penalise_repetition"],
    reference=penalise_repetition,
    helpers=(rules.penalise_repetition, rules.count_tokens),
    cases=cases_penalty,
    faulty=faulty_penalty,
    axes=("batch", "vocab"),
    probes=(batch_permuted(0, 1),),
)


# --- sampling.distinct_n ---


def cases_distinct(seed):
    chance = random.Random(seed)

    def texts(lengths, vocab):
        return [[chance.randrange(vocab) for _ in range(length)] for length in lengths]

    return [
        Case(([[1, 2, 1, 2], [1, 2, 3]], 2)),
        Case(([[1, 2, 3, 4, 5], [6, 7, 8, 9], [10, 11, 12]], 2), "no n-gram occurs twice"),
        Case(([[7, 7, 7, 7, 7], [7, 7, 7]], 2), "the same token again and again"),
        Case(([[1, 2, 3], [1, 2, 3], [1, 2, 3], [3, 2, 1]], 2), "texts that say the same thing"),
        Case((texts((9, 5, 12), 4), 3), "n = 3"),
        Case((texts((6, 7, 3, 8), 5), 1), "n = 1"),
        Case(([[1, 2], [5], [], [1, 2, 1, 2, 1, 2]], 3), "texts that are shorter than n"),
        Case(([[1, 12], [11, 2], [3, 4, 5]], 2), "tokens that read the same when they are joined"),
        Case((texts((4, 4, 20), 3), 2), "one long text and two short ones"),
        Case((texts((11, 8, 6, 9), 6), 2)),
    ]


DISTINCT_N = Exercise(
    **TEXTS["distinct_n"],
    reference=quality.distinct_n,
    helpers=(quality._n_grams,),
    cases=cases_distinct,
    faulty=faulty_distinct,
    arguments=("texts", "n"),
    double=False,
)


EXERCISES = (
    DRAW,
    PROBABILITIES_AT,
    KEEP_TOP_P,
    KEEP_MIN_P,
    PENALISE_REPETITION,
    CONTINUATION,
    WRITE,
    DISTINCT_N,
    BEAM_STEP,
    ALLOWED_TOKENS,
    CONSTRAINED,
)

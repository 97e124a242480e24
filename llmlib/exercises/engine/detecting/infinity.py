"""Find finite numbers where −∞ is expected, and NaN from 0 · ∞; pairs of ideas with similar results are tried later."""

from collections.abc import Iterator

import torch
from torch import Tensor

from llmlib.exercises.engine.detecting.guess import Guess, agree
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.reasons import Finding, Reason
from llmlib.exercises.engine.trials import Trial

FINITE = Finding(
    "finite where −∞ is expected",
    "Where −∞ is expected, you have a finite number. However low this number is, logits can be lower: next to logits "
    "of −2e9 and −3e9, a logit of −1e9 would be the largest.",
    "`-torch.inf`, or `float('-inf')`, is below every number.",
)
PRODUCT = Finding(
    "0 · ∞",
    "−∞ is in the right positions, but all numbers that should be finite are NaN (not a number), because 0 · ∞ is "
    "NaN, not 0. With a mask m of 0s and 1s, m · (−∞) is −∞ where m is 1, but NaN where m is 0.",
    "`masked_fill` and `torch.where` choose between two values, without multiplying.",
)


def infinities(e: Examination) -> Reason | None:
    """Find what is wrong with an attempt's infinities, if that explains every case that returned a value."""
    ran = e.with_values.trials
    if not all(map(_comparable, ran)):
        return None
    if not any(bool((t.expected == -torch.inf).any()) for t in ran):
        return None
    if all(map(_is_product, ran)):
        return Reason(finding=PRODUCT)
    return Reason(finding=FINITE) if all(is_filled(t, t.expected) for t in ran if t.wrong) else None


def fillings(e: Examination) -> Iterator[Guess]:
    """Yield the guess that the attempt returns a misconception's result, with a finite number in place of each −∞."""
    if any(isinstance(t.expected, Tensor) and bool((t.expected == -torch.inf).any()) for t in e.trials):
        yield Guess(FINITE, is_filled)


def _comparable(trial: Trial) -> bool:
    right, got = trial.expected, trial.got
    if not isinstance(right, Tensor) or not isinstance(got, Tensor) or right.shape != got.shape:
        return False
    return right.is_floating_point() and got.is_floating_point()


def _is_product(trial: Trial) -> bool:
    """Check whether every number that should be finite is NaN, and everything else is correct."""
    finite = trial.expected.isfinite()
    others = trial.got[~finite].detach().to(trial.expected.dtype)
    return bool(trial.got[finite].isnan().all()) and bool((others == trial.expected[~finite]).all())


def is_filled(trial: Trial, base: Tensor) -> bool:
    """Check whether the same negative number replaces every −∞ in the base, and whether everything else is equal."""
    lowest = base == -torch.inf
    filling, kept = trial.got.detach()[lowest], base[~lowest]
    if not filling.numel():
        return agree(base, trial.got)
    if not bool(filling.isfinite().all()) or not bool((filling == filling[0]).all()):
        return False
    return agree(kept, trial.got[~lowest]) and bool(filling[0] < 0)

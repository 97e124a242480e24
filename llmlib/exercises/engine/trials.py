"""Keep each case with its expected result and the attempt's result, and compare outcomes with each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from llmlib.exercises.engine.comparing import Difference, equal, values_agree
from llmlib.exercises.engine.exercise import Case, Exercise
from llmlib.exercises.engine.running import Outcome, lent, same

KEPT = 48  # for this many pairs of an exercise and a seed, we keep the cases and our own functions' results
HUGE = 1e20  # numbers beyond ±1e20 count as infinite: people often write -1e30 for −∞


@dataclass(frozen=True)
class Trial:
    """One case, the reference's result, the attempt's result, and how the two differ."""

    case: Case
    expected: Any
    outcome: Outcome
    difference: Difference | None

    @property
    def wrong(self) -> bool:
        return self.outcome.error is not None or self.difference is not None

    @property
    def got(self) -> Any:
        return self.outcome.value

    @cached_property
    def unclear(self) -> bool:
        """Whether the case reveals little about a misconception.

        A case reveals little if the attempt raised an error or returned a tensor with NaN, infinite or huge numbers, or
        if a result is missing or empty.
        """
        if self.outcome.error:
            return True
        got = self.got
        if isinstance(got, Tensor):
            return got.is_floating_point() and bool((~_ordinary(got)).any())
        return self.expected is None or got is None or (isinstance(got, (list, dict, str)) and len(got) == 0)


@lru_cache(maxsize=KEPT)
def kept_cases(exercise: Exercise, seed: int) -> tuple[Case, ...]:
    """Return the cases in both precisions. These are always the same objects, so stored results speed up later checks.

    We call attempts with copies, so no attempt can change a case.
    """
    return tuple(both_precisions(exercise.cases(seed), exercise.double))


def expected_of(exercise: Exercise, case: Case) -> Any:
    return case.recall("expected", lambda: exercise.reference(*lent(case.args)))


def both_precisions(cases: Sequence[Case], double: bool = True) -> list[Case]:
    """Return the cases in float32, then those with floating-point tensors again in float64, where that is allowed."""
    single = [(_in_precision(case, torch.float32), case) for case in cases if case.precision != "double"]
    if not double:
        return [case for case, _ in single]
    twice = [_in_precision(case, torch.float64) for case in cases if case.precision != "single"]
    known = {id(case): one for one, case in single}
    meant = [case for case in cases if case.precision != "single"]
    changed = [d for d, case in zip(twice, meant) if id(case) not in known or not same(known[id(case)].args, d.args)]
    return [case for case, _ in single] + [Case(d.args, f"{d.note}; float64".removeprefix("; ")) for d in changed]


def _in_precision(case: Case, dtype: torch.dtype) -> Case:
    return Case(tuple(_as_dtype(a, dtype) for a in case.args), case.note)


def _as_dtype(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if type(value) in (list, tuple):
        return type(value)(_as_dtype(item, dtype) for item in value)
    return value


def equal_safely(expected: Any, got: Any) -> bool:
    """Compare as `equal` does; values that cannot be compared are not equal."""
    try:
        return equal(expected, got)
    except Exception:
        return False


def same_outcome(a: Outcome, b: Outcome) -> bool:
    """Return whether both calls returned the same value, or failed in the same way."""
    if a.error or b.error:
        return type(a.error) is type(b.error) and _failure(a.error) == _failure(b.error)
    return equal(a.value, b.value)


def _failure(error: BaseException | None) -> tuple[str, list[str]]:
    """Return what distinguishes exceptions of one type: how the message begins, and which two sizes did not match."""
    text = str(error)
    return text[:12], sorted(re.findall(r"\((\d+)\)", text)) if text.startswith("The size of tensor") else []


def alike(predicted: Outcome, trial: Trial) -> bool | None:
    """Return whether the attempt's result is the predicted one, or None if this case is not conclusive.

    We ignore values where either result is NaN, and −∞ counts as equal to −1e30, because with the same idea, a row
    that has no key may be filled with either number. A case is conclusive if the prediction differs from the expected
    result in any other value.
    """
    got = trial.outcome
    if not trial.wrong:
        return None if predicted.error else equal(trial.expected, predicted.value)
    if predicted.error or got.error:
        return None
    if equal(predicted.value, got.value):
        return True
    a, b, right = predicted.value, got.value, trial.expected
    if not (isinstance(a, Tensor) and isinstance(b, Tensor) and isinstance(right, Tensor)):
        edge = right is None or (isinstance(right, (list, dict, str)) and not right)
        return None if edge else False
    if a.shape != b.shape or not a.is_floating_point() or not b.is_floating_point():
        return False
    a, b = a.detach(), b.detach()
    comparable = _ordinary(a) & _ordinary(b)
    numbers = ~(a.isnan() | b.isnan())
    if bool((numbers & (_ordinary(a) != _ordinary(b))).any()) or not equal(a[comparable], b[comparable].to(a.dtype)):
        return False
    if a.shape != right.shape:
        return None
    if bool((a.isnan() & values_agree(right, b.to(right.dtype))).any()):
        return False  # the idea predicts NaN where the attempt's value is right
    broken = _ordinary(right) & ~_ordinary(a) & ~_ordinary(b)
    return True if broken.any() or not equal(right[comparable].to(a.dtype), a[comparable]) else None


def _ordinary(values: Tensor) -> Tensor:
    if values.dtype == torch.bool:
        return torch.ones_like(values)
    return values.isfinite() & (values.abs() < HUGE)

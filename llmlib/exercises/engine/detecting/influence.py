"""Rerun the attempt with changed arguments to find those that have no effect; also find inputs returned unchanged."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.detecting.guess import Guess, agree, holds_everywhere
from llmlib.exercises.engine.examination import QUICK, Examination
from llmlib.exercises.engine.reasons import Finding
from llmlib.exercises.engine.running import Outcome, duplicate, run, run_our_own
from llmlib.exercises.engine.trials import Trial, equal_safely

ANOTHER_TYPE = "right values in another type"  # another part of the report says how to convert the values
TRIES = 3  # an argument is changed in up to this many wrong cases, and in up to this many right ones

SAME = Finding(
    "the same whatever the input", "Your function returns the same result for all inputs.", strength="likely"
)


def ignored(e: Examination) -> Finding | None:
    """Find arguments that affect the reference's result, but not the attempt's."""
    names = e.exercise.argument_names
    unused = [name for i, name in enumerate(names) if _is_ignored(e, i)]
    if not unused:
        return None
    if len(unused) == len(names):
        return SAME
    which = " and ".join(f"`{name}`" for name in unused)
    says = f"{which} {'has' if len(unused) == 1 else 'have'} no influence: other values lead to the same result."
    look = f"Which line should use {which}? Does your result depend on what that line computes?"
    return Finding(f"{', '.join(unused)} ignored", says, look, "sign")


def _is_ignored(e: Examination, i: int) -> bool:
    differing = 0
    clear = [t for t in e.trials if not t.unclear]
    for trial in [t for t in clear if t.wrong][:TRIES] + [t for t in clear if not t.wrong][:TRIES]:
        for other in _others(trial.case.args[i]):
            args = tuple(other if j == i else arg for j, arg in enumerate(duplicate(trial.case.args)))
            right = run_our_own(e.exercise.reference, args)
            if right.error:
                continue
            theirs = run(e.attempt, args, QUICK)
            if theirs.error or not _same(theirs, trial.outcome):
                return False
            differing += not _same(right, Outcome(trial.expected))
    return differing >= 2


def _same(a: Outcome, b: Outcome) -> bool:
    return not a.error and not b.error and equal_safely(a.value, b.value)


def _others(value: Any) -> Iterator[Any]:
    """Yield other values of the same type, derived from this value."""
    if isinstance(value, Tensor):
        if value.dtype == torch.bool:
            yield torch.ones_like(value)
            yield torch.ones_like(value).tril(value.shape[-1] - value.shape[-2])
        elif value.is_floating_point():
            yield 1.7 * value.flip(-1) + 0.3
            yield value.flip(0)
            yield value.roll(1, -2) if value.ndim > 1 else value.roll(1)
        else:
            yield value.flip(-1)
            yield torch.zeros_like(value)
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, float):
        yield from (value / 2, 1.5 * value)
    elif isinstance(value, (list, tuple, str)):
        yield from (value[::-1], value[: len(value) // 2], value[len(value) // 2 :])
        pairs = [item for item in value if isinstance(item, tuple) and isinstance(item[0], Tensor)]
        if pairs:
            yield [tuple(1.7 * part.flip(-1) for part in item) for item in pairs]
    elif isinstance(value, dict):
        if all(isinstance(times, int) for times in value.values()):
            yield {key: times + 1 + i for i, (key, times) in enumerate(value.items())}
        else:
            yield dict(zip(value, reversed(value.values())))
        yield {key[::-1]: times for key, times in value.items()}


def idle(e: Examination) -> bool:
    """Return whether an attempt does nothing but return an input, the untouched model's result, or a constant."""
    guesses = [*given_back(e), *untouched_model(e)]
    return _never_varies(e.trials) or any(holds_everywhere(guess, e) for guess in guesses)


def _never_varies(trials: Sequence[Trial]) -> bool:
    """Return whether all results are equal, or are tensors filled with the same number."""
    first = trials[0].outcome
    return all(_same(first, t.outcome) for t in trials) or _one_number(trials)


def _one_number(trials: Sequence[Trial]) -> bool:
    values = [t.got for t in trials]
    if any(t.outcome.error for t in trials) or not all(isinstance(v, Tensor) and v.numel() for v in values):
        return False
    numbers = torch.stack([v.detach().flatten()[0].double() for v in values])
    first = numbers[0]
    alike = all(bool(torch.isclose(v.detach().double(), first, rtol=0, atol=0, equal_nan=True).all()) for v in values)
    return alike and sum(v.numel() > 1 for v in values) > 1


def always_the_same(e: Examination) -> bool:
    """Return whether the result never varies although the expected one does. With only one case, return False."""
    trials = e.trials
    if len(trials) < 2 or trials[0].got is None or not _never_varies(trials):  # None: no value, or an exception
        return False
    return not all(_same(Outcome(trials[0].expected), Outcome(t.expected)) for t in trials)


def given_back(e: Examination) -> Iterator[Guess]:
    """Yield guesses that the result is one of the arguments, returned unchanged."""
    for i, name in enumerate(e.exercise.argument_names):
        says = f"Your function returns its input `{name}` unchanged."
        look = "Do you return what you compute?"
        yield Guess(Finding(f"{name} given back", says, look, "likely"), partial(_is_argument, i))


def _is_argument(i: int, trial: Trial, _base: Any) -> bool:
    return type(trial.case.args[i]) is type(trial.got) and agree(trial.case.args[i], trial.got)


def wrapped() -> Guess:
    """Return the guess that the correct result is inside a list or tuple, on its own or along with something else."""
    says = "You do return the expected result, but inside a list, or along with something else."
    return Guess(
        Finding("together with something else", says, "What exactly should your function return?"), _is_among_others
    )


def _is_among_others(trial: Trial, base: Any) -> bool:
    if not trial.wrong:
        raise ValueError("a case with a right answer cannot confirm the guess")
    return isinstance(trial.got, (tuple, list)) and any(agree(base, item) for item in trial.got)


def another_type() -> Guess:
    """Return the guess that only the type is wrong.

    The result may be a list or array instead of a tensor, have another dtype, or be a list instead of a tuple.
    """
    says = "Your values are right, but their type is not."
    return Guess(Finding(ANOTHER_TYPE, says), _is_same_in_another_type)


def _is_same_in_another_type(trial: Trial, base: Any) -> bool:
    if not trial.wrong:
        raise ValueError("a case with a right answer cannot confirm the guess")
    got = trial.got
    if isinstance(base, Tensor):
        if isinstance(got, (list, tuple)) and got and all(isinstance(item, Tensor) for item in got):
            got = torch.stack(list(got))
        if not isinstance(got, Tensor) or got is not trial.got:
            return equal(base, torch.as_tensor(got).to(base.dtype))
        return got.dtype != base.dtype and _same_numbers(base, got)
    if isinstance(got, Tensor) or type(got).__module__ == "numpy":
        got = got.tolist()
    return type(base) is not type(trial.got) and equal(base, type(base)(got))


def _same_numbers(base: Tensor, got: Tensor) -> bool:
    """Check that the values are equal as numbers, too: converted to `bool`, a count of 2 would equal True."""
    if base.shape != got.shape or not equal(base, got.detach().to(base.dtype)):
        return False
    return base.is_floating_point() or bool((got.double() == base.double()).all())


def untouched_model(e: Examination) -> Iterator[Guess]:
    """Yield the guess that the attempt returns what the unchanged model (one of the arguments) returns for the ids."""
    args = e.trials[0].case.args
    at = next((i for i, arg in enumerate(args) if isinstance(arg, nn.Module)), None)
    ids = next((i for i, arg in enumerate(args) if isinstance(arg, Tensor)), None)
    if at is None or ids is None:
        return
    says = "Your result is what the model returns without your hook: the hook did not change anything."
    look = (
        "Does your hook function return the new value? Is the hook on the right layer, and is it still there when "
        "the model runs?"
    )
    finding = Finding("the untouched model's result", says, look, "likely")
    yield Guess(finding, partial(_is_untouched, at, ids))


def _is_untouched(at: int, ids: int, trial: Trial, _base: Any) -> bool:
    with torch.no_grad():
        value = trial.case.recall("untouched", lambda: trial.case.args[at](trial.case.args[ids]))
    return agree(value, trial.got)

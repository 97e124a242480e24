"""Find where, and in which cases, a result is wrong; this leads towards the reason, but is not the reason itself."""

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from llmlib.exercises.engine.comparing import values_agree
from llmlib.exercises.engine.detecting.guess import Guess
from llmlib.exercises.engine.detecting.naming import argument_axes, sizes
from llmlib.exercises.engine.examination import QUICK, Examination
from llmlib.exercises.engine.reasons import Finding
from llmlib.exercises.engine.running import run, run_our_own
from llmlib.exercises.engine.trials import Trial, equal_safely

PARTS = 3  # at most this many wrong cases are tried with parts of their arguments


def _wrong(trial: Trial, base: Tensor) -> Tensor:
    """Return True where the values differ; raise an error if the shapes differ."""
    if trial.got.shape != base.shape:
        raise ValueError("the shapes differ")
    return ~values_agree(base, trial.got.detach().to(base.dtype))


def places(names: Sequence[str]) -> Iterator[Guess]:
    """Yield guesses about where in a tensor the wrong values are."""
    for axis, name in enumerate(names):
        yield from _at(axis, name, "first", 0)
        yield from _at(axis, name, "last", -1)
    yield Guess(
        Finding("wrong where 0 is expected", "All wrong values are where 0 is expected; all other values are right."),
        lambda t, b: bool(_wrong(t, b).any()) and bool((b[_wrong(t, b)] == 0).all()),
    )


def _at(axis: int, name: str, which: str, at: int) -> Iterator[Guess]:
    says = f"Only the values at the {which} index along {name} are wrong; all other values are right."
    found = Finding(f"wrong only at the {which} of {name}", says, "What is special about that index?")
    yield Guess(found, lambda t, b: _only(_wrong(t, b), axis, at))
    says = f"The values at the {which} index along {name} are right; all other values are wrong."
    found = Finding(f"right only at the {which} of {name}", says, "What is different at the other indices?")
    yield Guess(found, lambda t, b: _all_but(_wrong(t, b), axis, at))


def _only(wrong: Tensor, axis: int, at: int) -> bool:
    rest = wrong.narrow(axis, 1 if at == 0 else 0, wrong.shape[axis] - 1)
    if wrong.shape[axis] == 1:
        raise ValueError("the axis has only one entry")
    return not bool(rest.any())


def _all_but(wrong: Tensor, axis: int, at: int) -> bool:
    if wrong.shape[axis] == 1:
        raise ValueError("the axis has only one entry")
    rest = wrong.narrow(axis, 1 if at == 0 else 0, wrong.shape[axis] - 1)
    others = tuple(i for i in range(wrong.ndim) if i != axis)
    everywhere = rest.any(dim=others) if others else rest
    return not bool(wrong.select(axis, at).any()) and bool(torch.as_tensor(everywhere).all())


def _right_in_part(e: Examination, axis: str, most: int) -> bool:
    """Return whether each wrong case becomes correct if its arguments keep only `most` entries along an axis."""
    for trial in [t for t in e.trials if t.wrong][:PARTS]:
        args = list(trial.case.args)
        for i, (_, axes) in enumerate(argument_axes(e.exercise, trial)):
            if axis in axes:
                args[i] = args[i].narrow(axes.index(axis), 0, min(most, args[i].shape[axes.index(axis)]))
        if any(part is not whole for part, whole in zip(args, trial.case.args)):
            expected = run_our_own(e.exercise.reference, tuple(args))
            got = run(e.attempt, tuple(args), QUICK)
            if expected.error or got.error or not equal_safely(expected.value, got.value):
                return False
    return True


def when(e: Examination) -> Finding | None:
    """Find what sets all wrong cases apart from the others. Report it only if nothing else fits equally well."""
    measured = [(sizes(e.exercise, t), t.wrong) for t in e.trials]
    if all(wrong for _, wrong in measured) or sum(wrong for _, wrong in measured) < 2:
        return None
    names = [name for name in measured[0][0] if all(name in s for s, _ in measured)]
    found = []
    for name, limit in itertools.product(names, (1, 2)):
        if all((s[name] > limit) == wrong for s, wrong in measured) and _right_in_part(e, name, limit):
            right = " or ".join(map(str, range(1, limit + 1)))
            says = f"Your result is correct where {name} is {right}, and wrong where {name} is larger."
            found.append(
                Finding(f"wrong where {name} is more than {limit}", says, f"What is different when {name} is larger?")
            )
    for one, other in itertools.combinations(names, 2):
        if all((s[one] != s[other]) == wrong for s, wrong in measured):
            says = f"Your result is correct if {one} and {other} have the same size, and wrong if they do not."
            look = "Which of the two sizes does each line of your code need?"
            found.append(Finding(f"wrong where {one} and {other} differ", says, look))
    return found[0] if len(found) == 1 else None

"""Make guesses by running the reference on arguments that are swapped, shifted, increased by one or left out."""

import inspect
import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from llmlib.exercises.engine.detecting import plain
from llmlib.exercises.engine.detecting.changes import Change, along, of_tensors
from llmlib.exercises.engine.detecting.guess import Guess, agree
from llmlib.exercises.engine.detecting.naming import argument_axes
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.exercise import Case, Exercise
from llmlib.exercises.engine.reasons import Finding
from llmlib.exercises.engine.running import Outcome, lent
from llmlib.exercises.engine.trials import Trial

Args = list[Any]


def as_if(e: Examination) -> Iterator[Guess]:
    """Yield guesses that the reference would return the attempt's result for changed arguments.

    The types of the arguments determine which changes are tried.
    """
    names, reference = e.exercise.argument_names, inspect.unwrap(e.exercise.reference)
    example = max(e.wrong, key=lambda t: sum(map(_extent, t.case.args)))

    said: Counter[str] = Counter()

    def guess(name: str, says: str, change: Callable[[Args], Any], look: str = "") -> Guess:
        said[says] += 1  # several changes can have the same description
        return Guess(Finding(name, says, look), partial(_comes_out, reference, change, (says, said[says])))

    yield from _rearranged(e.exercise, example)
    pairs = list(itertools.combinations(range(len(names)), 2))
    for i, j in pairs:
        if _of_one_kind(example.case.args[i], example.case.args[j]):
            says = f"The correct function returns your result when `{names[i]}` and `{names[j]}` are swapped."
            yield guess(f"{names[i]} and {names[j]} exchanged", says, partial(_swap, i=i, j=j), "Which is which?")
    for i, j in itertools.permutations(range(len(names)), 2):
        if _of_one_kind(example.case.args[i], example.case.args[j]):
            says = f"The correct function returns your result when `{names[j]}` is used instead of `{names[i]}`."
            yield guess(f"{names[j]} for {names[i]}", says, partial(_copy, i=i, j=j))
    for i, arg in enumerate(example.case.args):
        for change in _changes(arg):
            if change.argument and not (_decides(example) and change.argument[0] in FACTORS):
                name, words = change.argument
                says = f"The correct function returns your result when `{names[i]}` {words}."
                yield guess(
                    f"{names[i]} {name}", says, partial(_change, i=i, do=change.do), "Which of your lines does that?"
                )


FACTORS = ("twice as large", "half as large")


def _decides(trial: Trial) -> bool:
    """Check whether the results are booleans, which can be right by chance even if an argument is twice as large."""
    return isinstance(trial.expected, Tensor) and trial.expected.dtype == torch.bool


def _comes_out(
    reference: Callable[..., Any], change: Callable[[Args], Any], key: Hashable, trial: Trial, _base: Any
) -> bool:
    outcome: Outcome = trial.case.recall(key, lambda: _with_changed(reference, change, trial.case))
    if outcome.error:
        raise outcome.error
    return agree(outcome.value, trial.got)


def _with_changed(reference: Callable[..., Any], change: Callable[[Args], Any], case: Case) -> Outcome:
    args = lent(case.args)
    try:
        change(args)
        return Outcome(reference(*args))
    except Exception as error:
        return Outcome(error=error.with_traceback(None))


def _rearranged(exercise: Exercise, example: Trial) -> Iterator[Guess]:
    """Yield guesses that the result contains an argument's numbers, with axes joined or split in the wrong order."""
    for i, (name, axes) in enumerate(argument_axes(exercise, example)):
        right = _order_of(example, i, example.expected) if axes else None
        if right is None:
            continue
        for order in itertools.permutations(range(len(axes))):
            if order == right:
                continue

            mine, wanted = (", ".join(axes[axis] for axis in way) for way in (order, right))
            says = (
                f"Your result contains the numbers of `{name}` in the wrong order: yours run through the axes {mine} "
                f"(the last one changes fastest), but "
                f"the expected ones run through {wanted}."
            )
            look = "`reshape` never moves a number. Which axis must you move before you join or split axes?"
            yield Guess(Finding("joined in another order", says, look), partial(_is_permuted, i, order))


def _is_permuted(i: int, order: tuple[int, ...], trial: Trial, _base: Any) -> bool:
    return agree(trial.case.args[i].permute(order).reshape(trial.got.shape), trial.got)


def _order_of(trial: Trial, i: int, wanted: Any) -> tuple[int, ...] | None:
    """Find an order of the argument's axes that puts its numbers in the order of `wanted`, or return None."""
    arg = trial.case.args[i]
    if not isinstance(wanted, Tensor) or arg.numel() != wanted.numel() or arg.dtype != wanted.dtype:
        return None
    orders = itertools.permutations(range(arg.ndim))
    return next((o for o in orders if agree(arg.permute(o).reshape(wanted.shape), wanted)), None)


# Names of changes that replace an argument with a constant end in one of these.
CONSTANT = ("taken for 0", "taken for 1", "all True", "all False", "all 0", "all 1", "empty")


def _changes(arg: Any) -> Iterator[Change]:
    """Yield changes that may have happened to an argument of this type."""
    if not isinstance(arg, Tensor):
        yield from plain.changes(arg)
        return
    yield from of_tensors(arg)
    for axis in range(arg.ndim):
        yield from along(axis, f"its axis {axis} (counted from 0)", arg.is_floating_point())
    for one, other in itertools.combinations(range(arg.ndim), 2):
        words = f"has its axes {one} and {other} (counted from 0) swapped"
        exchanged = partial(torch.transpose, dim0=one, dim1=other)
        yield Change(exchanged, argument=(f"axes {one} and {other} exchanged", words))


def _of_one_kind(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.ndim == b.ndim and a.dtype == b.dtype
    return type(a) is type(b)


def _swap(args: Args, i: int, j: int) -> None:
    args[i], args[j] = args[j], args[i]


def _copy(args: Args, i: int, j: int) -> None:
    args[i] = args[j]


def _change(args: Args, i: int, do: Callable[[Any], Any]) -> None:
    args[i] = do(args[i])


def _extent(arg: Any) -> int:
    return arg.numel() if isinstance(arg, Tensor) else len(arg) if isinstance(arg, (str, list, tuple, dict)) else 0

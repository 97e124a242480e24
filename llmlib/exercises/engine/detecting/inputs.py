"""Guesses made by running the reference on changed arguments: exchanged, shifted, one larger, left out."""

import inspect
import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from llmlib.exercises.engine.detecting.guess import Finding, Guess, agree
from llmlib.exercises.engine.detecting.naming import argument_axes
from llmlib.exercises.engine.exercise import Case, Exercise
from llmlib.exercises.engine.running import Outcome, lent
from llmlib.exercises.engine.trials import Trial

Args = list[Any]


def as_if(exercise: Exercise, trials: Sequence[Trial]) -> Iterator[Guess]:
    """Guesses for the exercise's arguments, by the kinds that they have in the cases."""
    names, reference = exercise.argument_names, inspect.unwrap(exercise.reference)
    example = max((t for t in trials if t.wrong), key=lambda t: sum(map(_extent, t.case.args)))

    said: Counter[str] = Counter()

    def guess(name: str, says: str, change: Callable[[Args], Any], look: str = "") -> Guess:
        said[says] += 1  # several changes can be told in the same words
        return Guess(Finding(name, says, look), partial(_comes_out, reference, change, (says, said[says])))

    yield from _rearranged(exercise, example)
    pairs = list(itertools.combinations(range(len(names)), 2))
    for i, j in pairs:
        if _of_one_kind(example.case.args[i], example.case.args[j]):
            says = f"It is what comes out when `{names[i]}` and `{names[j]}` are swapped."
            yield guess(f"{names[i]} and {names[j]} exchanged", says, partial(_swap, i=i, j=j), "Which is which?")
    for i, j in itertools.permutations(range(len(names)), 2):
        if _of_one_kind(example.case.args[i], example.case.args[j]):
            says = f"It is what comes out when `{names[j]}` is used in place of `{names[i]}`."
            yield guess(f"{names[j]} for {names[i]}", says, partial(_copy, i=i, j=j))
    for i, arg in enumerate(example.case.args):
        for name, phrase, change in changes(arg):
            says = f"It is what comes out when `{names[i]}` {phrase}."
            yield guess(f"{names[i]} {name}", says, partial(_change, i=i, change=change), "Where does that happen?")


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
    """The result holds the numbers of an argument, joined or cut in another order of its axes."""
    for i, (name, axes) in enumerate(argument_axes(exercise, example)):
        right = _order_of(example, i, example.expected) if axes else None
        if right is None:
            continue
        for order in itertools.permutations(range(len(axes))):
            if order == right:
                continue

            mine, wanted = (", ".join(axes[axis] for axis in way) for way in (order, right))
            says = (
                f"You have the numbers of `{name}` in another order: read one after the other, yours "
                f"run through {mine} (the "
                f"first one slowest), and the expected ones through {wanted}."
            )
            look = "`reshape` never moves a number. Which axis must be moved before two are joined, or one is cut?"
            yield Guess(Finding("joined in another order", says, look), partial(_is_permuted, i, order))


def _is_permuted(i: int, order: tuple[int, ...], trial: Trial, _base: Any) -> bool:
    return agree(trial.case.args[i].permute(order).reshape(trial.got.shape), trial.got)


def _order_of(trial: Trial, i: int, wanted: Any) -> tuple[int, ...] | None:
    """The order of the argument's axes in which its numbers are those of `wanted`, if there is one."""
    arg = trial.case.args[i]
    if not isinstance(wanted, Tensor) or arg.numel() != wanted.numel() or arg.dtype != wanted.dtype:
        return None
    orders = itertools.permutations(range(arg.ndim))
    return next((o for o in orders if agree(arg.permute(o).reshape(wanted.shape), wanted)), None)


CONSTANT = ("taken for 0", "taken for 1", "all True", "all False", "all 0", "all 1", "empty")  # names of changes
Changes = Iterator[tuple[str, str, Callable[[Any], Any]]]


def changes(arg: Any) -> Changes:
    """What may have happened to an argument of this kind: a name, words for it, and the change."""
    if isinstance(arg, Tensor):
        yield from _of_tensor(arg)
    elif isinstance(arg, bool):
        yield "negated", "is negated", lambda x: not x
    elif isinstance(arg, int):
        yield "one larger", "is one larger", lambda x: x + 1
        yield "one smaller", "is one smaller", lambda x: x - 1
        yield "taken for 0", "is taken for 0", lambda x: 0
        yield "taken for 1", "is taken for 1", lambda x: 1
        yield "counted from the end", "is counted from the other end", lambda x: -1 - x
        yield "doubled", "is twice as large", lambda x: 2 * x
        yield "halved", "is half as large", lambda x: x // 2
    elif isinstance(arg, str):
        yield from _of_text()
    elif isinstance(arg, (list, tuple)):
        yield from _of_list()
        if isinstance(arg, list):
            yield "empty", "is empty: nothing of it is used", lambda x: []
    elif isinstance(arg, dict):
        yield "counts taken for 1", "has the value 1 for every key", lambda x: dict.fromkeys(x, 1)
        yield "keys reversed", "has its keys turned around", lambda x: {k[::-1]: v for k, v in x.items()}
        yield "first entry only", "has its first entry only", lambda x: dict(list(x.items())[:1])
        yield "first entry left out", "is without its first entry", lambda x: dict(list(x.items())[1:])
        yield "last entry left out", "is without its last entry", lambda x: dict(list(x.items())[:-1])


def _of_text() -> Changes:
    yield "turned around", "is turned around", lambda x: x[::-1]
    yield "in small letters", "is in small letters", str.lower
    yield "in capitals", "is in capitals", str.upper
    yield "stripped", "is stripped of the spaces around it", str.strip
    yield "without spaces", "has no spaces", lambda x: x.replace(" ", "")
    yield "last character left out", "is without its last character", lambda x: x[:-1]
    yield "first character left out", "is without its first character", lambda x: x[1:]
    yield "non-ASCII lost", "has lost all characters beyond ASCII", lambda x: x.encode("ascii", "ignore").decode()
    yield (
        "non-ASCII replaced",
        "has “?” for all characters beyond ASCII",
        lambda x: x.encode("ascii", "replace").decode(),
    )
    yield "distinct words only", "holds each word once", lambda x: " ".join(dict.fromkeys(x.split()))
    yield "space put before", "begins with a space", lambda x: " " + x


def _of_list() -> Changes:
    yield "turned around", "is turned around", lambda x: x[::-1]
    yield "sorted", "is sorted", lambda x: type(x)(sorted(x))
    yield "last item left out", "is without its last item", lambda x: x[:-1]
    yield "first item left out", "is without its first item", lambda x: x[1:]
    yield "first item only", "has its first item only", lambda x: x[:1]
    yield "last item only", "has its last item only", lambda x: x[-1:]
    yield "distinct items only", "holds each item only once", lambda x: type(x)(dict.fromkeys(x))
    yield "items turned around", "has each of its items turned around", lambda x: type(x)(i[::-1] for i in x)
    yield "one larger in each item", "has each item one larger", lambda x: type(x)(i + 1 for i in x)
    yield "one smaller in each item", "has each item one smaller", lambda x: type(x)(i - 1 for i in x)


def _of_tensor(x: Tensor) -> Changes:
    if x.dtype == torch.bool:
        yield "inverted", "is inverted", torch.logical_not
        yield "all True", "is True everywhere: it has no influence", torch.ones_like
        yield "all False", "is False everywhere", torch.zeros_like
    elif not x.is_floating_point():
        yield "one larger", "has each number one larger", lambda x: x + 1
        yield "one smaller", "has each number one smaller", lambda x: x - 1
        yield (
            "replaced by places",
            "holds the places 0, 1, 2, … and not its own numbers",
            lambda x: torch.arange(x.shape[-1]).expand_as(x),
        )
        yield "sorted", "is sorted", lambda x: x.sort(-1).values
        yield "all 0", "is 0 everywhere", torch.zeros_like
    else:
        yield from _of_floats()
    for axis in range(x.ndim):
        yield from _along(axis, f"along its axis {axis} (counted from 0)", x.is_floating_point())
    for one, other in itertools.combinations(range(x.ndim), 2):
        words = f"has its axes {one} and {other} (counted from 0) swapped"
        yield f"axes {one} and {other} exchanged", words, partial(torch.transpose, dim0=one, dim1=other)


def _along(axis: int, where: str, floating: bool) -> Changes:
    yield f"turned around along axis {axis}", f"is turned around {where}", lambda x: x.flip(axis)
    yield f"shifted along axis {axis}", f"is shifted by one place {where}", lambda x: x.roll(1, axis)
    yield f"shifted along axis {axis}", f"is shifted by one place {where}", lambda x: x.roll(-1, axis)
    first, last = f"has only its first entry {where}, for all", f"has only its last entry {where}, for all"
    yield f"first only along axis {axis}", first, lambda x: x.narrow(axis, 0, 1).expand_as(x)
    yield f"last only along axis {axis}", last, lambda x: x.narrow(axis, -1, 1).expand_as(x)
    first, last = f"is without its first entry {where}", f"is without its last entry {where}"
    yield f"first left out along axis {axis}", first, lambda x: x.narrow(axis, 1, x.shape[axis] - 1)
    yield f"last left out along axis {axis}", last, lambda x: x.narrow(axis, 0, x.shape[axis] - 1)
    if floating:
        yield from _floats_along(axis, where)


def _floats_along(axis: int, where: str) -> Changes:
    yield (
        f"averaged along axis {axis}",
        f"is averaged {where}, before anything else",
        lambda x: x.mean(axis, keepdim=True),
    )
    yield (
        f"averaged along axis {axis}",
        f"is averaged {where}, before anything else",
        lambda x: x.mean(axis, keepdim=True).expand_as(x),
    )
    yield f"summed along axis {axis}", f"is summed {where}, before anything else", lambda x: x.sum(axis, keepdim=True)
    yield f"largest along axis {axis}", f"has only its largest entry {where}", lambda x: x.amax(axis, keepdim=True)
    yield f"softmax along axis {axis}", f"has gone through a softmax {where}", lambda x: x.softmax(axis)
    yield f"normalised along axis {axis}", f"is divided by its sum {where}", lambda x: x / x.sum(axis, keepdim=True)
    yield f"length 1 along axis {axis}", f"is scaled to length 1 {where}", lambda x: x / x.norm(dim=axis, keepdim=True)
    yield f"centred along axis {axis}", f"has lost its mean {where}", lambda x: x - x.mean(axis, keepdim=True)
    yield (
        f"less its maximum along axis {axis}",
        f"has lost its maximum {where}",
        lambda x: x - x.amax(axis, keepdim=True),
    )
    yield f"running sums along axis {axis}", f"is summed up step by step {where}", lambda x: x.cumsum(axis)


ROOTS: tuple[tuple[str, Callable[[Tensor], float]], ...] = (
    ("√(its last axis) times as large", lambda x: x.shape[-1] ** 0.5),
    ("divided by √(its last axis)", lambda x: x.shape[-1] ** -0.5),
    ("multiplied by its last axis", lambda x: x.shape[-1]),
    ("divided by its last axis", lambda x: 1 / x.shape[-1]),
    ("√(its last axis but one) times as large", lambda x: x.shape[-2] ** 0.5),
    ("divided by √(its last axis but one)", lambda x: x.shape[-2] ** -0.5),
    ("twice as large", lambda x: 2),
    ("half as large", lambda x: 0.5),
)


def _scaled(x: Tensor, factor: Callable[[Tensor], float]) -> Tensor:
    return x * factor(x)


def _of_floats() -> Changes:
    for words, factor in ROOTS:
        yield words, f"is {words}", partial(_scaled, factor=factor)
    yield "negated", "has the opposite sign", torch.neg
    yield "without sign", "has lost its signs", torch.abs
    yield "exponentiated", "has been exponentiated", torch.exp
    yield "logarithm taken", "has been put through a logarithm", torch.log
    yield "squared", "has been squared", torch.square
    yield "negative ones cut off", "has lost its negative values", lambda x: x.clamp(min=0)
    yield "rounded", "has been rounded", torch.round
    yield "all 1", "is 1 everywhere", torch.ones_like
    yield "all 0", "is 0 everywhere", torch.zeros_like


def _of_one_kind(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.ndim == b.ndim and a.dtype == b.dtype
    return type(a) is type(b)


def _swap(args: Args, i: int, j: int) -> None:
    args[i], args[j] = args[j], args[i]


def _copy(args: Args, i: int, j: int) -> None:
    args[i] = args[j]


def _change(args: Args, i: int, change: Callable[[Any], Any]) -> None:
    args[i] = change(args[i])


def _extent(arg: Any) -> int:
    return arg.numel() if isinstance(arg, Tensor) else len(arg) if isinstance(arg, (str, list, tuple, dict)) else 0

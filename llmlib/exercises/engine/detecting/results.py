"""Guesses about tensors, made from the expected result: scaled, turned, moved, normalised once too often."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from llmlib.exercises.engine.detecting.guess import Finding, Guess, agree
from llmlib.exercises.engine.trials import Trial

Change = Callable[[Tensor], Tensor]


def after(name: str, says: str, change: Change, look: str = "") -> Guess:
    """The result is the expected one, changed."""
    return Guess(Finding(name, says, look), partial(_is_changed, change))


def _is_changed(change: Change, trial: Trial, base: Tensor) -> bool:
    other = change(base)
    return agree(other, trial.got) and (not trial.wrong or other is base or not agree(other, base))


def undone(name: str, says: str, change: Change, look: str = "") -> Guess:
    """The result becomes the expected one by this change: so the change was left out."""
    return Guess(Finding(name, says, look), partial(_lacks, change))


def _lacks(change: Change, trial: Trial, base: Tensor) -> bool:
    return agree(change(trial.got.to(base.dtype)), base) and (not trial.wrong or not agree(trial.got, base))


def of_numbers() -> Iterator[Guess]:
    """For each number alone."""
    yield after(
        "sign flipped", "Every value has the opposite sign.", torch.neg, "Where is a minus missing, or too many?"
    )
    yield after("absolute values", "Your values are the absolute values of the expected ones.", torch.abs)
    yield after("exponential taken", "Your values are e to the power of the expected ones.", torch.exp)
    yield after("logarithm taken", "Your values are the logarithms of the expected ones.", torch.log)
    yield after(
        "squared",
        "Your values are the squares of the expected ones: a root is missing, or there is an extra square.",
        torch.square,
    )
    yield after("root taken", "Your values are the square roots of the expected ones.", torch.sqrt)
    yield after("inverse taken", "Your values are 1 divided by the expected ones.", torch.reciprocal)
    yield after("complement", "Your values are 1 minus the expected ones.", lambda x: 1 - x)
    yield after(
        "negative ones cut off", "Negative values have become 0; all others are right.", lambda x: x.clamp(min=0)
    )
    yield after("rounded", "Your values are the expected ones, rounded.", torch.round)
    yield after(
        "cut to whole numbers", "Your values are the expected ones without their digits after the point.", torch.trunc
    )


def of_booleans() -> Iterator[Guess]:
    yield after(
        "True and False exchanged",
        "True and False are swapped everywhere.",
        torch.logical_not,
        "What does True mean in the task?",
    )


def along(axis: int, name: str, floating: bool) -> Iterator[Guess]:
    """For one axis."""
    yield after(
        f"reversed along {name}", f"Your result is the expected one turned around along {name}.", lambda x: x.flip(axis)
    )
    yield from _moves(axis, name, 1, "to the right (towards the end)")
    yield from _moves(axis, name, -1, "to the left (towards the beginning)")
    yield after(
        f"halves exchanged along {name}",
        f"The two halves are swapped along {name}.",
        lambda x: x.roll(_even(x, axis) // 2, axis),
    )
    yield after(
        f"interleaved along {name}",
        f"The two halves are interleaved along {name}: they alternate, where they should lie one after the other.",
        lambda x: _interleaved(x, axis),
    )
    yield undone(
        f"not interleaved along {name}",
        f"Along {name} the two halves lie one after the other, where they should alternate.",
        lambda x: _interleaved(x, axis),
    )
    yield after(
        f"neighbours exchanged along {name}",
        f"Neighbours are swapped along {name}: 0 with 1, 2 with 3, and so on.",
        lambda x: _neighbours(x, axis),
    )
    yield from _one_alone(axis, name, "first", 0)
    yield from _one_alone(axis, name, "last", -1)
    yield after(
        f"last lost along {name}",
        f"The last one along {name} is missing; the others are right.",
        lambda x: x.narrow(axis, 0, x.shape[axis] - 1),
    )
    yield after(
        f"first lost along {name}",
        f"The first one along {name} is missing; the others are right.",
        lambda x: x.narrow(axis, 1, x.shape[axis] - 1),
    )
    yield undone(
        f"one too many along {name}",
        f"There is an extra one at the end along {name}; the others are right.",
        lambda x: x.narrow(axis, 0, x.shape[axis] - 1),
    )
    yield undone(
        f"one too many along {name}",
        f"There is an extra one at the beginning along {name}; the others are right.",
        lambda x: x.narrow(axis, 1, x.shape[axis] - 1),
    )
    yield after(
        f"running sums along {name}",
        f"Your values are running sums of the expected ones along {name}.",
        lambda x: x.cumsum(axis),
    )
    if floating:
        yield from _floating(axis, name)


def _moves(axis: int, name: str, step: int, way: str) -> Iterator[Guess]:
    says = f"Everything is one position too far {way} along {name}."
    look = "Which index should be the first, and do you count from 0?"
    yield after(f"shifted along {name}", says, lambda x: x.roll(step, axis), look)
    yield after(f"shifted along {name}", says, lambda x: _shifted(x, step, axis), look)
    yield Guess(Finding(f"shifted along {name}", says, look), lambda t, b: _moved(b, t.got, step, axis))


def _one_alone(axis: int, name: str, which: str, at: int) -> Iterator[Guess]:
    says = f"Everything along {name} is the same: the {which} one's result stands for all."
    one = f"Only the {which} along {name} is returned, without the others."
    yield after(
        f"one for all along {name}", says, lambda x: _even_if_one(x, axis).select(axis, at).unsqueeze(axis).expand_as(x)
    )
    yield after(f"only the {which} of {name}", one, lambda x: x.select(axis, at))
    yield after(f"only the {which} of {name}", one, lambda x: x.narrow(axis, at % x.shape[axis], 1))


def _floating(axis: int, name: str) -> Iterator[Guess]:
    yield after(
        f"averaged over {name}",
        f"You average over {name}, which is gone then; the result should still have it.",
        lambda x: x.mean(axis),
    )
    yield after(
        f"averaged over {name}",
        f"You average over {name}, which is gone then; the result should still have it.",
        lambda x: x.mean(axis, keepdim=True),
    )
    yield after(
        f"averaged over {name}",
        f"Everything along {name} is the same, the mean over it.",
        lambda x: x.mean(axis, keepdim=True).expand_as(_even_if_one(x, axis)),
    )
    yield after(
        f"summed over {name}",
        f"You add up over {name}, which is gone then; the result should still have it.",
        lambda x: x.sum(axis),
    )
    yield after(
        f"summed over {name}",
        f"You add up over {name}, which is gone then; the result should still have it.",
        lambda x: x.sum(axis, keepdim=True),
    )
    yield after(
        f"maximum over {name}",
        f"You take the largest over {name}, which is gone then; the result should still have it.",
        lambda x: x.amax(axis),
    )
    yield after(
        f"softmax too many along {name}",
        f"Your result is the softmax, along {name}, of the expected one.",
        lambda x: x.softmax(axis),
    )
    yield undone(
        f"softmax missing along {name}",
        f"A softmax along {name} is missing: it would turn your result into the expected one.",
        lambda x: x.softmax(axis),
    )
    yield after(
        f"log-softmax too many along {name}",
        f"Your result is the log-softmax, along {name}, of the expected one.",
        lambda x: x.log_softmax(axis),
    )
    yield after(
        f"normalised too often along {name}",
        f"Your result has been divided by its sum along {name}, which is once too often.",
        lambda x: x / x.sum(axis, keepdim=True),
    )
    yield undone(
        f"not normalised along {name}",
        f"Your result has not been divided by its sum along {name}.",
        lambda x: x / x.sum(axis, keepdim=True),
    )
    yield after(
        f"scaled to length 1 along {name}",
        f"Your result has been scaled to length 1 along {name}, which nobody asked for.",
        lambda x: x / x.norm(dim=axis, keepdim=True),
    )
    yield undone(
        f"not scaled to length 1 along {name}",
        f"Your result has not been scaled to length 1 along {name}.",
        lambda x: x / x.norm(dim=axis, keepdim=True),
    )
    yield after(
        f"mean taken away along {name}",
        f"The mean along {name} has been subtracted from the expected values.",
        lambda x: x - x.mean(axis, keepdim=True),
    )
    yield after(
        f"maximum taken away along {name}",
        f"The maximum along {name} has been subtracted from the expected values.",
        lambda x: x - x.amax(axis, keepdim=True),
    )
    yield after(
        f"sorted along {name}",
        f"Your values are sorted along {name}, from small to large.",
        lambda x: x.sort(axis).values,
    )
    yield after(
        f"sorted along {name}",
        f"Your values are sorted along {name}, from large to small.",
        lambda x: x.sort(axis, descending=True).values,
    )
    yield Guess(
        Finding(
            f"factor of its own along {name}",
            f"All directions along {name} are right, and the lengths are not: each has a factor of its own.",
            "By what should each be divided?",
            weak=True,
        ),
        lambda t, b: (
            t.got.shape == b.shape and b.shape[axis] > 1 and agree(_unit(b, axis), _unit(t.got.to(b.dtype), axis))
        ),
    )


def arrangements(expected: Tensor, names: Sequence[str]) -> Iterator[Guess]:
    """The right numbers in other places."""
    short = [name.removeprefix("the axis ") for name in names]
    orders = list(itertools.permutations(range(expected.ndim)))
    for order in orders[1:]:
        yield _permuted(order, short)
    yield Guess(
        Finding(
            "one axis too many",
            "The values are right, but axes of length 1 are missing, or there are extra ones.",
            "`squeeze` and `keepdim` take away and keep such axes.",
        ),
        lambda t, b: t.got.ndim != b.ndim and agree(b.squeeze(), t.got.squeeze()),
    )
    yield Guess(
        Finding(
            "cut into other axes",
            "The numbers are right and in the right order; they are only cut into other axes.",
            "Which axes should the result have, and how long is each?",
            weak=True,
            single=True,
        ),
        lambda t, b: agree(_distinct(b).reshape(t.got.shape), t.got),
    )
    for order in orders[1:]:
        yield _rejoined(order, short)
    yield Guess(
        Finding(
            "right values in another order",
            "The numbers themselves are right; they stand in other places.",
            "Follow one of them by hand: where should it go?",
            weak=True,
        ),
        lambda t, b: t.got.numel() == b.numel() and agree(b.flatten().sort().values, t.got.flatten().sort().values),
    )


def _permuted(order: tuple[int, ...], names: Sequence[str]) -> Guess:
    axes = ", ".join(names[i] for i in order)
    says = f"The axes of your result are {axes}; they should be {', '.join(names)}."
    look = "Which axes have to be swapped?"
    return after("axes in another order", says, lambda x: _distinct(x).permute(order), look)


def _rejoined(order: tuple[int, ...], names: Sequence[str]) -> Guess:
    axes = ", ".join(names[i] for i in order)
    says = (
        "The numbers are right, but axes were joined or cut in another order: read one after the "
        "other, yours run through "
        f"{axes} (the first one slowest)."
    )
    look = "`reshape` never moves a number. Which axis must be moved before it?"
    fits = lambda t, b: agree(_distinct(b).permute(order).reshape(t.got.shape), t.got)  # noqa: E731
    return Guess(Finding("joined in another order", says, look), fits)


def _distinct(x: Tensor) -> Tensor:
    """Raises for a tensor whose values say nothing of their order."""
    if x.numel() > 1 and bool((x == x.flatten()[0]).all()):
        raise ValueError("all equal")
    return x


def _even_if_one(x: Tensor, axis: int) -> Tensor:
    if x.shape[axis] == 1:
        raise ValueError("a single one")
    return x


def _even(x: Tensor, axis: int) -> int:
    if x.shape[axis] % 2:
        raise ValueError("no two halves")
    return x.shape[axis]


def _interleaved(x: Tensor, axis: int) -> Tensor:
    _even(x, axis)
    first, second = x.chunk(2, axis)
    return torch.stack((first, second), dim=axis % x.ndim + 1).flatten(axis % x.ndim, axis % x.ndim + 1)


def _neighbours(x: Tensor, axis: int) -> Tensor:
    _even(x, axis)
    order = torch.arange(x.shape[axis]).view(-1, 2).flip(1).flatten()
    return x.index_select(axis, order)


def _shifted(x: Tensor, step: int, axis: int) -> Tensor:
    x = _even_if_one(x, axis).roll(step, axis).clone()
    x.select(axis, 0 if step > 0 else -1).zero_()
    return x


def _moved(base: Tensor, got: Tensor, step: int, axis: int) -> bool:
    """Whether all but the end agree after a move by one place; what stands at the end is no matter."""
    n = base.shape[axis] - 1
    if n < 2 or base.shape != got.shape or agree(base, got):
        raise ValueError("too short")
    mine, theirs = base.narrow(axis, max(0, -step), n), got.narrow(axis, max(0, step), n)
    return agree(_distinct(mine), theirs)


def _unit(x: Tensor, axis: int) -> Tensor:
    return x / x.norm(dim=axis, keepdim=True).clamp(min=1e-12)


def guesses(expected: Any, names: Sequence[str]) -> Iterator[Guess]:
    """All guesses for a tensor like this one."""
    if expected.dtype == torch.bool:
        yield from of_booleans()
    elif expected.is_floating_point():
        yield from of_numbers()
    yield from arrangements(expected, names)
    for axis, name in enumerate(names):  # counted from the end, as some results have more axes before it than others
        yield from along(axis - len(names), name, expected.is_floating_point())

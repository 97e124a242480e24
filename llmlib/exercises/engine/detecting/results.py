"""Guess how a tensor differs from the expected one: its values were changed or moved, or its vectors were rescaled."""

import itertools
from collections.abc import Iterator, Sequence

from torch import Tensor

from llmlib.exercises.engine.detecting.changes import Change, along, moved_by, of_tensors, of_the_result
from llmlib.exercises.engine.detecting.guess import Guess, agree
from llmlib.exercises.engine.reasons import Finding


def guesses(expected: Tensor, names: Sequence[str]) -> Iterator[Guess]:
    """Yield all guesses about how a result may differ from the expected tensor."""
    floating = expected.is_floating_point()
    yield from of_the_result(of_tensors(expected))
    yield from _arrangements(expected, names)
    for i, name in enumerate(names):
        axis = i - len(names)  # counted from the end, since a result may have more axes in front
        yield from of_the_result(along(axis, name, floating))
        yield from (_moved_apart_from_the_end(axis, name, step) for step in (1, -1))
        if floating:
            yield _of_other_lengths(axis, name)


def _arrangements(expected: Tensor, names: Sequence[str]) -> Iterator[Guess]:
    """Yield guesses that the right numbers are in the wrong positions."""
    short = [name.removeprefix("the axis ") for name in names]
    orders = list(itertools.permutations(range(expected.ndim)))
    for order in orders[1:]:
        yield _permuted(order, short)
    yield Guess(
        Finding(
            "one axis too many",
            "The values are right, but an axis of length 1 is missing, or there is an extra one.",
            "`squeeze` removes axes of length 1, and `keepdim=True` keeps them.",
        ),
        lambda t, b: t.got.ndim != b.ndim and agree(b.squeeze(), t.got.squeeze()),
    )
    yield Guess(
        Finding(
            "cut into other axes",
            "The numbers are right and in the right order, but they are split into the wrong axes.",
            "Which axes should the result have, and how long is each?",
            strength="likely",
        ),
        lambda t, b: agree(_distinct(b).reshape(t.got.shape), t.got),
    )
    for order in orders[1:]:
        yield _rejoined(order, short)
    yield Guess(
        Finding(
            "right values in another order",
            "The numbers themselves are right, but they are in the wrong positions.",
            "Follow one number by hand: where should it go?",
            strength="sign",
        ),
        lambda t, b: t.got.numel() == b.numel() and agree(b.flatten().sort().values, t.got.flatten().sort().values),
    )


def _permuted(order: tuple[int, ...], names: Sequence[str]) -> Guess:
    axes = ", ".join(names[i] for i in order)
    says = f"The axes of your result are {axes}, but they should be {', '.join(names)}."
    finding = Finding("axes in another order", says, "Which axes have to be swapped?")
    return next(of_the_result([Change(lambda x: _distinct(x).permute(order), finding)]))


def _rejoined(order: tuple[int, ...], names: Sequence[str]) -> Guess:
    axes = ", ".join(names[i] for i in order)
    finding = Finding(
        "joined in another order",
        "The numbers are right, but axes were joined or split in the wrong order: your numbers run through the axes "
        f"{axes} (the last one changes fastest).",
        "`reshape` never moves a number. Which axis must you move before you reshape?",
    )
    return Guess(finding, lambda t, b: agree(_distinct(b).permute(order).reshape(t.got.shape), t.got))


def _distinct(x: Tensor) -> Tensor:
    """Return the tensor; raise an error if all its values are equal, because then their order is not visible."""
    if x.numel() > 1 and bool((x == x.flatten()[0]).all()):
        raise ValueError("all values are equal")
    return x


def _moved_apart_from_the_end(axis: int, name: str, step: int) -> Guess:
    return Guess(moved_by(step, f"along {name}"), lambda t, b: _moved(b, t.got, step, axis))


def _moved(base: Tensor, got: Tensor, step: int, axis: int) -> bool:
    """Return whether the values agree after being shifted by one position; the value at the end does not matter."""
    n = base.shape[axis] - 1
    if n < 2 or base.shape != got.shape or agree(base, got):
        raise ValueError("the axis is too short, or nothing has moved")
    mine, theirs = base.narrow(axis, max(0, -step), n), got.narrow(axis, max(0, step), n)
    return agree(_distinct(mine), theirs)


def _of_other_lengths(axis: int, name: str) -> Guess:
    finding = Finding(
        f"factor of its own along {name}",
        f"All directions along {name} are right, but the lengths are not: each vector is scaled by a different factor.",
        "What should each vector be divided by?",
        "sign",
    )

    def unit(x: Tensor) -> Tensor:
        return x / x.norm(dim=axis, keepdim=True).clamp(min=1e-12)

    return Guess(
        finding, lambda t, b: t.got.shape == b.shape and b.shape[axis] > 1 and agree(unit(b), unit(t.got.to(b.dtype)))
    )

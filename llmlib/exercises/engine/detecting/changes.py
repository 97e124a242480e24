"""Define each transformation of a tensor once, for both results and arguments.

A flip, for example, may turn the expected result into the attempt's result, may be missing from the attempt, or may
have been applied to an argument before anything else.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.detecting.guess import Guess, agree
from llmlib.exercises.engine.reasons import Finding
from llmlib.exercises.engine.trials import Trial


@dataclass(frozen=True)
class Change:
    """A transformation, and what to say if it explains the whole difference.

    `done` is what to say if the attempt applied the transformation to the result, and `lacking` is what to say if
    applying the transformation would make the result correct. `argument` is for an attempt that applied the
    transformation to an argument: it holds a short name, and the words that follow the argument's name.
    """

    do: Callable[[Any], Any]
    done: Finding | None = None
    lacking: Finding | None = None
    argument: tuple[str, str] | None = None


def of_the_result(changes: Iterable[Change]) -> Iterator[Guess]:
    for change in changes:
        if change.done:
            yield Guess(change.done, partial(_is_changed, change.do))
        if change.lacking:
            yield Guess(change.lacking, partial(_lacks, change.do))


def _is_changed(do: Callable[[Any], Any], trial: Trial, base: Any) -> bool:
    other = do(base)
    return agree(other, trial.got) and (not trial.wrong or other is base or not agree(other, base))


def _lacks(do: Callable[[Any], Any], trial: Trial, base: Any) -> bool:
    if isinstance(base, Tensor):
        return agree(do(trial.got.to(base.dtype)), base) and (not trial.wrong or not agree(trial.got, base))
    if not trial.wrong:
        raise ValueError("a case with a right answer cannot confirm the guess")
    return type(base) is type(trial.got) and base != trial.got and equal(base, do(trial.got))


def of_tensors(x: Tensor) -> Iterator[Change]:
    """Yield the transformations that act on each value separately and suit the tensor's dtype."""
    if x.dtype == torch.bool:
        yield from BOOLEANS
    elif x.is_floating_point():
        yield from FLOATS
    else:
        yield from WHOLE_NUMBERS


BOOLEANS = (
    Change(
        torch.logical_not,
        Finding(
            "True and False exchanged", "True and False are swapped everywhere.", "What does True mean in the task?"
        ),
        argument=("inverted", "is inverted"),
    ),
    Change(torch.ones_like, argument=("all True", "is True everywhere, so that it has no influence")),
    Change(torch.zeros_like, argument=("all False", "is False everywhere")),
)

WHOLE_NUMBERS = (
    Change(lambda x: x + 1, argument=("one larger", "has 1 added to each number")),
    Change(lambda x: x - 1, argument=("one smaller", "has 1 subtracted from each number")),
    Change(
        lambda x: torch.arange(x.shape[-1]).expand_as(x),
        argument=("replaced by places", "holds the positions 0, 1, 2, … instead of its own numbers"),
    ),
    Change(lambda x: x.sort(-1).values, argument=("sorted", "is sorted")),
    Change(torch.zeros_like, argument=("all 0", "is 0 everywhere")),
)


def _scaled(words: str, factor: Callable[[Tensor], float]) -> Change:
    """Make a change that scales an argument. For a scaled result, `search` tries every factor that has a name."""
    return Change(lambda x: x * factor(x), argument=(words, f"is {words}"))


FLOATS = (
    _scaled("√(the size of its last axis) times as large", lambda x: x.shape[-1] ** 0.5),
    _scaled("divided by √(the size of its last axis)", lambda x: x.shape[-1] ** -0.5),
    _scaled("multiplied by the size of its last axis", lambda x: x.shape[-1]),
    _scaled("divided by the size of its last axis", lambda x: 1 / x.shape[-1]),
    _scaled("√(the size of its last axis but one) times as large", lambda x: x.shape[-2] ** 0.5),
    _scaled("divided by √(the size of its last axis but one)", lambda x: x.shape[-2] ** -0.5),
    _scaled("twice as large", lambda x: 2),
    _scaled("half as large", lambda x: 0.5),
    Change(
        torch.neg,
        Finding(
            "sign flipped", "Every value has the opposite sign.", "Is a minus sign missing, or is there one too many?"
        ),
        argument=("negated", "has the opposite sign"),
    ),
    Change(
        torch.abs,
        Finding("absolute values", "Your values are the absolute values of the expected ones."),
        argument=("without sign", "has lost its minus signs"),
    ),
    Change(
        torch.exp,
        Finding("exponential taken", "Your values are e to the power of the expected ones."),
        argument=("exponentiated", "has been exponentiated"),
    ),
    Change(
        torch.log,
        Finding("logarithm taken", "Your values are the logarithms of the expected ones."),
        argument=("logarithm taken", "has been replaced by its logarithm"),
    ),
    Change(
        torch.square,
        Finding(
            "squared",
            "Your values are the squares of the expected ones: a square root is missing, or you square once too often.",
        ),
        argument=("squared", "has been squared"),
    ),
    Change(torch.sqrt, Finding("root taken", "Your values are the square roots of the expected ones.")),
    Change(torch.reciprocal, Finding("inverse taken", "Your values are 1 divided by the expected ones.")),
    Change(lambda x: 1 - x, Finding("complement", "Your values are 1 minus the expected ones.")),
    Change(
        lambda x: x.clamp(min=0),
        Finding("negative ones cut off", "Negative values have become 0; all other values are right."),
        argument=("negative ones cut off", "has 0 instead of its negative values"),
    ),
    Change(
        torch.round,
        Finding("rounded", "Your values are the expected ones, rounded."),
        argument=("rounded", "has been rounded"),
    ),
    Change(
        torch.trunc,
        Finding("cut to whole numbers", "Your values are the expected ones with the decimals cut off."),
    ),
    Change(torch.ones_like, argument=("all 1", "is 1 everywhere")),
    Change(torch.zeros_like, argument=("all 0", "is 0 everywhere")),
)


def along(axis: int, name: str, floating: bool) -> Iterator[Change]:
    """Yield the transformations along one axis; `name` may be "the axis key" or "its axis 0 (counted from 0)"."""
    where, at = f"along {name}", f"along axis {axis}"
    yield Change(
        lambda x: x.flip(axis),
        Finding(f"reversed {where}", f"Your result is the expected one reversed {where}."),
        argument=(f"turned around {at}", f"is reversed {where}"),
    )
    for step in (1, -1):
        by_one = (f"shifted {at}", f"is shifted by one position {where}")
        yield Change(partial(torch.roll, shifts=step, dims=axis), moved_by(step, where), argument=by_one)
        yield Change(partial(_shifted, step=step, axis=axis), moved_by(step, where))
    yield Change(
        lambda x: x.roll(_even(x, axis) // 2, axis),
        Finding(f"halves exchanged {where}", f"The two halves are swapped {where}."),
    )
    interleaved = (
        f"The two halves are interleaved {where}: they alternate, but they should come one after the other.",
        f"Along {name}, the two halves come one after the other, but they should alternate.",
    )
    yield Change(
        lambda x: _interleaved(x, axis),
        Finding(f"interleaved {where}", interleaved[0]),
        Finding(f"not interleaved {where}", interleaved[1]),
    )
    yield Change(
        lambda x: _neighbours(x, axis),
        Finding(f"neighbours exchanged {where}", f"Neighbours are swapped {where}: 0 with 1, 2 with 3, and so on."),
    )
    yield from _one_alone(axis, name, "first", 0)
    yield from _one_alone(axis, name, "last", -1)
    for which, end, start in (("last", "end", 0), ("first", "beginning", 1)):
        yield Change(
            partial(_all_but_one, start=start, axis=axis),
            Finding(f"{which} lost {where}", f"The {which} entry {where} is missing; the other entries are right."),
            Finding(
                f"one too many {where}", f"There is an extra entry at the {end} {where}; the other entries are right."
            ),
            argument=(f"{which} left out {at}", f"lacks its {which} entry {where}"),
        )
    yield Change(
        lambda x: x.cumsum(axis),
        Finding(f"running sums {where}", f"Your values are running sums of the expected ones {where}."),
        argument=(f"running sums {at}", f"is replaced by its running sums {where}") if floating else None,
    )
    if floating:
        yield from _reduced(axis, name)
        yield from _normalised(axis, where)


def moved_by(step: int, where: str) -> Finding:
    way = "to the right (towards the end)" if step > 0 else "to the left (towards the beginning)"
    says = f"Everything is one position too far {way} {where}."
    return Finding(f"shifted {where}", says, "Which index should be the first, and do you count from 0?")


def _one_alone(axis: int, name: str, which: str, at: int) -> Iterator[Change]:
    says = f"All results along {name} are the same: the {which} one is repeated."
    alone = Finding(f"only the {which} of {name}", f"You return only the {which} entry along {name}.")
    yield Change(
        lambda x: _even_if_one(x, axis).narrow(axis, at, 1).expand_as(x),
        Finding(f"one for all along {name}", says),
        argument=(f"{which} only along axis {axis}", f"repeats its {which} entry along {name}"),
    )
    yield Change(lambda x: x.select(axis, at), alone)
    yield Change(lambda x: x.narrow(axis, at, 1), alone)


def _reduced(axis: int, name: str) -> Iterator[Change]:
    def gone(short: str, what: str) -> Finding:
        return Finding(
            f"{short} {name}", f"You {what} over {name}, so that axis is gone, but the result should still have it."
        )

    averaged = (f"averaged along axis {axis}", f"is averaged along {name} before anything else happens")
    summed = (f"summed along axis {axis}", f"is summed along {name} before anything else happens")
    largest = (f"largest along axis {axis}", f"has only its largest entry along {name}")
    same = Finding(f"averaged over {name}", f"Along {name}, all values are equal to the mean.")
    yield Change(lambda x: x.mean(axis), gone("averaged over", "average"))
    yield Change(lambda x: x.mean(axis, keepdim=True), gone("averaged over", "average"), argument=averaged)
    yield Change(lambda x: x.mean(axis, keepdim=True).expand_as(_even_if_one(x, axis)), same, argument=averaged)
    yield Change(lambda x: x.sum(axis), gone("summed over", "add up"))
    yield Change(lambda x: x.sum(axis, keepdim=True), gone("summed over", "add up"), argument=summed)
    yield Change(lambda x: x.amax(axis), gone("maximum over", "take the maximum"))
    yield Change(lambda x: x.amax(axis, keepdim=True), argument=largest)


def _normalised(axis: int, where: str) -> Iterator[Change]:
    at = f"along axis {axis}"
    yield Change(
        lambda x: x.softmax(axis),
        Finding(f"softmax too many {where}", f"Your result is the expected one after an extra softmax {where}."),
        Finding(
            f"softmax missing {where}",
            f"A softmax {where} is missing: it would turn your result into the expected one.",
        ),
        argument=(f"softmax {at}", f"has gone through a softmax {where}"),
    )
    yield Change(
        lambda x: x.log_softmax(axis),
        Finding(f"log-softmax too many {where}", f"Your result is the expected one after a log-softmax {where}."),
    )
    yield Change(
        lambda x: x / x.sum(axis, keepdim=True),
        Finding(
            f"normalised too often {where}",
            f"Your result has been divided by its sum {where} once too often.",
        ),
        Finding(f"not normalised {where}", f"Your result has not been divided by its sum {where}."),
        argument=(f"normalised {at}", f"is divided by its sum {where}"),
    )
    yield Change(
        lambda x: x / x.norm(dim=axis, keepdim=True),
        Finding(
            f"scaled to length 1 {where}",
            f"Your result has been scaled to length 1 {where}, but the task does not ask for that.",
        ),
        Finding(f"not scaled to length 1 {where}", f"Your result has not been scaled to length 1 {where}."),
        argument=(f"length 1 {at}", f"is scaled to length 1 {where}"),
    )
    yield Change(
        lambda x: x - x.mean(axis, keepdim=True),
        Finding(f"mean taken away {where}", f"Your values are the expected ones minus their mean {where}."),
        argument=(f"centred {at}", f"has its mean subtracted {where}"),
    )
    yield Change(
        lambda x: x - x.amax(axis, keepdim=True),
        Finding(f"maximum taken away {where}", f"Your values are the expected ones minus their maximum {where}."),
        argument=(f"less its maximum {at}", f"has its maximum subtracted {where}"),
    )
    yield Change(
        lambda x: x.sort(axis).values,
        Finding(f"sorted {where}", f"Your values are sorted {where}, from smallest to largest."),
    )
    yield Change(
        lambda x: x.sort(axis, descending=True).values,
        Finding(f"sorted {where}", f"Your values are sorted {where}, from largest to smallest."),
    )


def _even_if_one(x: Tensor, axis: int) -> Tensor:
    if x.shape[axis] == 1:
        raise ValueError("the axis has only one entry")
    return x


def _even(x: Tensor, axis: int) -> int:
    if x.shape[axis] % 2:
        raise ValueError("the length of the axis is odd")
    return x.shape[axis]


def _interleaved(x: Tensor, axis: int) -> Tensor:
    _even(x, axis)
    first, second = x.chunk(2, axis)
    return torch.stack((first, second), dim=axis % x.ndim + 1).flatten(axis % x.ndim, axis % x.ndim + 1)


def _neighbours(x: Tensor, axis: int) -> Tensor:
    _even(x, axis)
    order = torch.arange(x.shape[axis]).view(-1, 2).flip(1).flatten()
    return x.index_select(axis, order)


def _all_but_one(x: Tensor, start: int, axis: int) -> Tensor:
    return x.narrow(axis, start, x.shape[axis] - 1)


def _shifted(x: Tensor, step: int, axis: int) -> Tensor:
    x = _even_if_one(x, axis).roll(step, axis).clone()
    x.select(axis, 0 if step > 0 else -1).zero_()
    return x

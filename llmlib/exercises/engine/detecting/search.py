"""Compute reasons from an attempt's results, as steps of `checking`; only `idea_and_step` uses misconceptions."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from llmlib.exercises.engine.comparing import find_difference
from llmlib.exercises.engine.detecting import counts, infinity, influence, inputs, places, plain, results
from llmlib.exercises.engine.detecting.guess import Guess, agree, first, fits, holds, holds_everywhere
from llmlib.exercises.engine.detecting.naming import axis_names, factors, sizes
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.reasons import Finding, Reason, Strength
from llmlib.exercises.engine.recognising import on_top_of_each
from llmlib.exercises.engine.running import Outcome
from llmlib.exercises.engine.trials import Trial, equal_safely


def _reason(finding: Finding | None) -> Reason | None:
    return Reason(finding=finding) if finding else None


def one_step(e: Examination) -> Reason | None:
    """Find a single step that turns the expected result into the attempt's result in every case."""
    example = e.example
    guesses: Iterator[Guess] = iter(())
    if isinstance(example, Tensor) and all(isinstance(t.got, Tensor) for t in e.trials):
        guesses = results.guesses(example, axis_names(e.exercise, example))
    elif not isinstance(example, Tensor):
        guesses = plain.guesses(example)
    sure = (guess for guess in guesses if guess.finding.strength == "sure")
    return _reason(next((guess.finding for guess in sure if holds_everywhere(guess, e)), None))


def _varied(e: Examination) -> Examination:
    """Return the trials with values, or no trials if the results never vary, since a constant can fit many guesses."""
    return e.of(()) if influence.always_the_same(e.with_values) else e.with_values


def step_from_the_result(e: Examination) -> Reason | None:
    ran = _varied(e)
    return _reason(first(_own(ran), ran))


def changed_argument(e: Examination) -> Reason | None:
    """Find a change to an argument that makes the reference return the attempt's results."""
    finding = _argument(_varied(e))
    return _reason(finding) if finding and finding.strength == "sure" else None


def _argument(ran: Examination) -> Finding | None:
    """Find an argument that seems to be changed; if it has no influence, return only that, as a "likely" finding.

    Given an averaged or exponentiated argument, the reference returns equal probabilities, or sums that all exceed 1.
    Code that never looks at the argument returns the same.
    """
    changed = first(inputs.as_if(ran), ran)
    if changed is None or changed.name.endswith(inputs.CONSTANT):  # it helps more to name the constant
        return changed
    no_influence = influence.ignored(ran)
    if no_influence is None:
        return changed
    names = no_influence.name.removesuffix(" ignored").split(", ")
    same = no_influence is influence.SAME or any(changed.name.startswith(f"{name} ") for name in names)
    return replace(no_influence, strength="likely") if same else changed


def step_from_one_of_the_results(e: Examination) -> Reason | None:
    return _reason(_item(_varied(e), "sure"))


def likely_finding(e: Examination) -> Reason | None:
    """Find a likely cause, such as a constant result, an argument without effect, or an input returned unchanged."""
    ran = e.with_values
    if influence.always_the_same(ran):  # an attempt that raises errors in some cases does depend on its input
        return Reason(finding=influence.SAME) if len(ran.trials) == len(e.trials) else None
    finding = _argument(ran)
    if finding and finding.strength == "likely":
        return Reason(finding=finding)
    return _reason(_item(ran, "likely") or first(_own(ran), ran, "likely"))


def idea_and_step(e: Examination) -> Reason | None:
    """Find a misconception and a "sure" guess that together explain all cases.

    No guess is needed if the misconception alone leads to the attempt's numbers in another dtype.
    """
    ran = e.with_values
    if not ran.wrong or not e.of_the_right_kind or influence.always_the_same(ran):
        return None
    for idea, beyond in on_top_of_each(ran, _is_explained):
        if any(map(_is_shaped_right, ran.trials, beyond.trials)) or any(
            map(_speaks_against, ran.trials, beyond.trials)
        ):
            continue
        if all(_same_numbers(t.expected, t.got) for t in beyond.trials):
            return Reason((idea,))
        sized = not any(map(_other_sizes, ran.trials, beyond.trials))
        for guess in (influence.wrapped(), *_of_values(beyond)):
            if guess.finding.strength == "sure" and holds(guess, beyond) and not _undone(guess, beyond, ran):
                is_named = sized or guess.finding.name != "axes in another order"
                return Reason((idea,), guess.finding if is_named else None)
    return None


def _is_explained(beyond: Examination) -> bool:
    """Return whether some step explains this one case."""
    (trial,) = beyond.trials
    guesses = (guess for guess in (influence.wrapped(), *_of_values(beyond)) if guess.finding.strength == "sure")
    return _same_numbers(trial.expected, trial.got) or any(fits(guess, trial) for guess in guesses)


def _speaks_against(trial: Trial, beyond: Trial) -> bool:
    """Return whether the attempt is right where the idea is wrong, so that the step would have to undo the idea."""
    return not trial.wrong and not equal_safely(trial.expected, beyond.expected)


def _other_sizes(trial: Trial, beyond: Trial) -> bool:
    """Return whether the idea leads to axes of unexpected sizes, to which the task's names do not apply."""
    shapes = [sorted(getattr(value, "shape", ())) for value in (trial.expected, beyond.expected)]
    return shapes[0] != shapes[1]


def _is_shaped_right(trial: Trial, beyond: Trial) -> bool:
    """Return whether the attempt's result has the right shape and the idea's does not, which rules out the idea."""
    shapes = [getattr(value, "shape", None) for value in (trial.got, trial.expected, beyond.expected)]
    return trial.wrong and shapes[0] == shapes[1] != shapes[2]


def _undone(guess: Guess, beyond: Examination, e: Examination) -> bool:
    """Return whether the guess undoes the idea, so that the two together would also explain correct results.

    Nobody returns probabilities and forgets the softmax at the same time.
    """
    right = [replace(b, outcome=Outcome(t.expected)) for b, t in zip(beyond.trials, e.trials) if t.wrong]
    return all(fits(guess, trial) for trial in right)


def _same_numbers(a: Any, b: Any) -> bool:
    return isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and agree(a, b.to(a.dtype))


def sign(e: Examination) -> Reason | None:
    """Find something that is true of the results but does not explain them on its own."""
    ran = e.with_values
    if not ran.wrong:
        return None
    return _reason(_item(ran, "sign") or first(_own(ran), ran, "sign") or influence.ignored(ran))


def where(e: Examination) -> Reason | None:
    """Find where, or in which cases, the attempt goes wrong, if the cause is unknown."""
    ran = e.of(t for t in e.trials if not t.outcome.error)
    example = ran.example
    guesses = places.places(axis_names(e.exercise, example)) if isinstance(example, Tensor) else iter(())
    return _reason(first(guesses, ran) or places.when(e))


def _own(e: Examination) -> Iterator[Guess]:
    yield from influence.untouched_model(e)
    yield influence.wrapped()
    yield influence.another_type()
    yield from influence.given_back(e)
    yield from _of_values(e)


def _of_values(e: Examination) -> Iterator[Guess]:
    example = e.example
    if isinstance(example, Tensor):
        if all(isinstance(t.got, Tensor) for t in e.trials):
            yield from infinity.fillings(e)
            yield from _multiples(e)
            yield from results.guesses(example, axis_names(e.exercise, example))
    elif isinstance(example, int):
        yield from counts.parts(e)
    else:
        yield from plain.guesses(example)


def _multiples(e: Examination) -> Iterator[Guess]:
    """Yield guesses that the result was multiplied by a factor: a named one, a constant, or a new one per case."""
    ratios = []
    for trial in e.trials:
        ratio = _ratio(trial.expected, trial.got)
        if ratio is None and trial.wrong and not trial.unclear:
            return
        if ratio is not None:
            ratios.append((sizes(e.exercise, trial), ratio))
    if not ratios or all(abs(ratio - 1) < 1e-4 for _, ratio in ratios):
        return
    named = [dict(factors(s)) for s, _ in ratios]
    for name in named[0]:
        for sign, factor in ((1, name), (-1, f"−{name}")):
            if all(
                name in n and abs(sign * n[name] - ratio) < 1e-3 * abs(ratio) for n, (_, ratio) in zip(named, ratios)
            ):
                says = f"Each of your values is the expected one times {factor}."
                yield Guess(
                    Finding(
                        f"multiplied by {factor}",
                        says,
                        "Should one of your lines remove this factor, or does one of them apply it once too often?",
                    ),
                    _is_multiple,
                )
                return
    first = ratios[0][1]
    if first and all(abs(ratio / first - 1) < 1e-3 for _, ratio in ratios) and abs(ratios[0][1] + 1) > 1e-3:
        says = f"Each of your values is the expected one times {ratios[0][1]:.4g}."
        yield Guess(
            Finding("multiplied by a constant", says, "Which constant in your code is not in the task?"),
            _is_multiple,
        )
    elif other := next((ratio for _, ratio in ratios if abs(ratio / first - 1) > 1e-3), 0.0) if first else 0.0:
        says = (
            f"In each case, your values are the expected ones times one factor, but the factor varies: "
            f"{first:.3g} in one case, {other:.3g} in another."
        )
        look = "What do you divide or multiply by, and what is its value at that moment?"
        yield Guess(Finding("one factor in each case", says, look, "sign"), _is_multiple_of_several)


def _ratio(base: Any, got: Any) -> float | None:
    if (
        not isinstance(base, Tensor)
        or not isinstance(got, Tensor)
        or base.shape != got.shape
        or not base.is_floating_point()
    ):
        return None
    if not base.numel() or not got.is_floating_point():
        return None
    at = base.abs().argmax()
    largest = base.flatten()[at].item()
    return got.flatten()[at].item() / largest if largest else None


def _is_multiple(trial: Trial, base: Any) -> bool:
    ratio = _ratio(base, trial.got)
    if ratio is None:
        raise ValueError("there is no number to divide by")
    return agree(base * ratio, trial.got)


def _is_multiple_of_several(trial: Trial, base: Any) -> bool:
    if base.numel() < 2:
        raise ValueError("a single number is a multiple of any other number")
    return _is_multiple(trial, base)


def _item(e: Examination, strength: Strength) -> Finding | None:
    """If the result contains several tensors, explain the first wrong one on its own."""
    example = e.example
    if not isinstance(example, tuple) or not any(isinstance(item, Tensor) for item in example):
        return None
    if not all(isinstance(t.got, (tuple, list)) and len(t.got) == len(t.expected) for t in e.trials):
        return None
    for i in range(min(3, len(example))):
        trials = tuple(_part(t, i) for t in e.trials)
        single = replace(e, exercise=replace(e.exercise, axes=()), trials=trials)
        if single.wrong:
            if found := first(_of_values(single), single, strength):
                return replace(
                    found, says=f"In item {i} of the result (counted from 0): {found.says[0].lower()}{found.says[1:]}"
                )
            return None
    return None


def _part(trial: Trial, i: int) -> Trial:
    outcome = replace(trial.outcome, value=trial.got[i])
    return Trial(trial.case, trial.expected[i], outcome, find_difference(trial.expected[i], trial.got[i]))

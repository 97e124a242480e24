"""Going through the guesses, the telling ones first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from llmlib.exercises.engine.comparing import find_difference
from llmlib.exercises.engine.describing import kind
from llmlib.exercises.engine.detecting import counts, infinity, influence, inputs, places, plain, results
from llmlib.exercises.engine.detecting.guess import Finding, Guess, agree, fits, holds, holds_everywhere
from llmlib.exercises.engine.detecting.naming import axis_names, factors, sizes
from llmlib.exercises.engine.exercise import Exercise, Misconception
from llmlib.exercises.engine.recognising import faulty_outcomes
from llmlib.exercises.engine.running import Outcome
from llmlib.exercises.engine.trials import Trial


def detect(exercise: Exercise, attempt: Callable[..., Any], trials: Sequence[Trial]) -> Finding | None:
    """The first guess that explains all cases, strong ones first; None if there is none."""
    trials = _heard(trials)
    if not any(t.wrong for t in trials):
        return None
    if constant := influence.always_the_same(trials):
        return constant
    expected = [t.expected for t in trials]
    own = _first(_own(exercise, trials), trials, expected)
    if own and not own.weak:
        return own
    changed = _first(inputs.as_if(exercise, trials), trials, expected)
    if changed and not changed.weak:
        return _unless_deaf(changed, exercise, attempt, trials)
    weak = own or changed
    return _items(exercise, trials) or weak or influence.without_influence(exercise, attempt, trials)


def _unless_deaf(changed: Finding, exercise: Exercise, attempt: Callable[..., Any], trials: Sequence[Trial]) -> Finding:
    """The finding that an argument looks changed, unless it has no influence at all.

    Equal probabilities, or sums that all exceed 1, are what the reference makes of one that is averaged or
    exponentiated; the same comes from code that never looks at it.
    """
    deaf = influence.without_influence(exercise, attempt, trials)
    if deaf is None or changed.name.endswith(inputs.CONSTANT):  # which constant stands for it says more
        return changed
    names = deaf.name.removesuffix(" ignored").split(", ")
    told = deaf is influence.SAME or any(changed.name.startswith(f"{name} ") for name in names)
    return replace(deaf, single=True) if told else changed


def one_step(exercise: Exercise, trials: Sequence[Trial]) -> Finding | None:
    """A single step that turns the expected result into the attempt's, in every case."""
    example = _example(trials, [t.expected for t in trials])
    guesses: Iterator[Guess] = iter(())
    if isinstance(example, Tensor) and all(isinstance(t.got, Tensor) for t in trials):
        guesses = results.guesses(example, axis_names(exercise, example))
    elif example is not None and not isinstance(example, Tensor):
        guesses = plain.guesses(example)
    strong = (guess for guess in guesses if not guess.finding.weak)
    return next((guess.finding for guess in strong if holds_everywhere(guess, trials)), None)


def detect_beyond(exercise: Exercise, trials: Sequence[Trial]) -> tuple[Finding | None, Misconception] | None:
    """A strong guess that explains all cases on top of a misconception: two things at once.

    No guess is needed where the misconception alone gives these numbers, in another dtype.
    """
    trials = _heard(trials)
    if not any(t.wrong for t in trials):
        return None
    for idea, outcomes in faulty_outcomes(exercise, trials):
        bases = [o.value for o in outcomes]
        if any(o.error for o in outcomes) or not all(kind(t.expected) == kind(o) for t, o in zip(trials, bases)):
            continue
        if all(_same_numbers(base, t.got) for t, base in zip(trials, bases)):
            return None, idea
        guesses = (g for g in _of_values(exercise, trials, bases) if not g.finding.weak)
        found = next((g for g in guesses if holds(g, trials, bases) and not _undone(g, trials, bases)), None)
        if found:
            return found.finding, idea
    return None


def _undone(guess: Guess, trials: Sequence[Trial], bases: Sequence[Any]) -> bool:
    """Whether the guess takes the idea back: the two together would explain right results as well.

    Probabilities returned, but a softmax missing: that is nobody's mistake.
    """
    wrong = [(replace(t, outcome=Outcome(t.expected)), base) for t, base in zip(trials, bases) if t.wrong]
    return all(fits(guess, trial, base) for trial, base in wrong)


def _same_numbers(a: Any, b: Any) -> bool:
    return isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and agree(a, b.to(a.dtype))


def _heard(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Those that gave a value; none if most of them raised."""
    ran = [t for t in trials if not t.outcome.error]
    return ran if 2 * len(ran) >= len(trials) else []


def lead(exercise: Exercise, trials: Sequence[Trial]) -> Finding | None:
    """Where or when it is wrong, if nothing is known of the reason."""
    ran = [t for t in trials if not t.outcome.error]
    example = _example(ran, [t.expected for t in ran])
    if isinstance(example, Tensor):
        names = axis_names(exercise, example)
        if found := _first(places.places(names), ran, [t.expected for t in ran]):
            return found
    return places.when(exercise, trials)


def _first(guesses: Iterator[Guess], trials: Sequence[Trial], bases: Sequence[Any]) -> Finding | None:
    """The first strong guess that holds; if there is none, the first weak one."""
    weak = None
    for guess in guesses:
        if not (weak and guess.finding.weak) and holds(guess, trials, bases):
            if not guess.finding.weak:
                return guess.finding
            weak = guess.finding
    return weak


def _own(exercise: Exercise, trials: Sequence[Trial]) -> Iterator[Guess]:
    if model := influence.untouched_model(exercise, trials):
        yield model
    yield influence.wrapped()
    yield influence.another_type()
    yield from influence.given_back(exercise)
    yield from _of_values(exercise, trials, [t.expected for t in trials])


def _example(trials: Sequence[Trial], bases: Sequence[Any]) -> Any:
    """The base of the clearest wrong case."""
    wrong = sorted((t.odd, i) for i, t in enumerate(trials) if t.wrong and bases[i] is not None)
    return bases[wrong[0][1]] if wrong else None


def _of_values(exercise: Exercise, trials: Sequence[Trial], bases: Sequence[Any]) -> Iterator[Guess]:
    example = _example(trials, bases)
    if isinstance(example, Tensor):
        if all(isinstance(t.got, Tensor) for t in trials):
            yield from infinity.fillings(bases)
            yield from _multiples(exercise, trials, bases)
            yield from results.guesses(example, axis_names(exercise, example))
    elif isinstance(example, int):
        yield from counts.parts(exercise, trials)
    elif example is not None:
        yield from plain.guesses(example)


def _multiples(exercise: Exercise, trials: Sequence[Trial], bases: Sequence[Any]) -> Iterator[Guess]:
    """The result is a multiple of what it should be, by a number that has a name."""
    ratios = []
    for trial, base in zip(trials, bases):
        ratio = _ratio(base, trial.got)
        if ratio is None and trial.wrong and not trial.odd:
            return
        if ratio is not None:
            ratios.append((sizes(exercise, trial), ratio))
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
                    Finding(f"multiplied by {factor}", says, "Which line should undo it, or does it once too often?"),
                    _is_multiple,
                )
                return
    first = ratios[0][1]
    if first and all(abs(ratio / first - 1) < 1e-3 for _, ratio in ratios) and abs(ratios[0][1] + 1) > 1e-3:
        says = f"Each of your values is the expected one times {ratios[0][1]:.4g}."
        yield Guess(
            Finding("multiplied by a constant", says, "Which constant is in your code that is not in the task?"),
            _is_multiple,
        )


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
        raise ValueError("nothing to divide by")
    return agree(base * ratio, trial.got)


def _items(exercise: Exercise, trials: Sequence[Trial]) -> Finding | None:
    """For results of several tensors: the one that is wrong, by itself."""
    example = _example(trials, [t.expected for t in trials])
    if not isinstance(example, tuple) or not any(isinstance(item, Tensor) for item in example):
        return None
    if not all(isinstance(t.got, (tuple, list)) and len(t.got) == len(t.expected) for t in trials):
        return None
    for i, place in enumerate(("first", "second", "third")[: len(example)]):
        single = [_item(t, i) for t in trials]
        if any(t.wrong for t in single):
            bases = [t.expected for t in single]
            guesses = _of_values(replace(exercise, axes=()), single, bases)
            if found := _first(guesses, single, bases):
                return replace(found, says=f"In the {place} of your results: {found.says[0].lower()}{found.says[1:]}")
            return None
    return None


def _item(trial: Trial, i: int) -> Trial:
    outcome = replace(trial.outcome, value=trial.got[i])
    return Trial(trial.case, trial.expected[i], outcome, find_difference(trial.expected[i], trial.got[i]))

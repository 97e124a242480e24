"""`task`, `hint` and `solution`: what an exercise asks for, help that rises in three steps, the library's answer."""

import inspect

from llmlib.exercises import recording
from llmlib.exercises.checking import both_precisions
from llmlib.exercises.comparing import describe
from llmlib.exercises.registry import find
from llmlib.exercises.report import Code, Part, Prose, Report, Table

_next_hint: dict[str, int] = {}  # of this session alone, so that a notebook run anew starts with the first hint


def task(name: str) -> Report:
    """What the exercise asks for, and one example. Raises `KeyError` for an unknown exercise."""
    exercise = find(name)
    stars = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
    example = both_precisions(exercise.cases(0)[:1], double=False)[0]
    rows = [(argument, describe(value)) for argument, value in zip(exercise.argument_names, example.args)]
    rows.append(("result", describe(exercise.reference(*example.args))))
    parts = (Prose(exercise.task), Table(("", "for example"), tuple(rows)))
    heading = f"Exercise · {stars} · about {exercise.minutes} minutes"
    return Report("help", name, heading, parts)


def hint(name: str, number: int | None = None) -> Report:
    """The first hint, at the next call the second, then the third; or hint `number` (1 to 3).

    Raises `KeyError` for an unknown exercise, `ValueError` for another number.
    """
    exercise = find(name)
    if number is not None and number not in (1, 2, 3):
        raise ValueError(f"There are hints 1, 2 and 3, not {number}.")
    number = number or min(_next_hint.get(name, 1), 3)
    _next_hint[name] = number + 1
    recording.record_hint(name, number)
    more = f'Call `hint("{name}")` again for more.' if number < 3 else f'If all else fails: `solution("{name}")`.'
    return Report("help", name, f"Hint {number} of 3", (Prose(exercise.hints[number - 1]), Prose(more)))


def solution(name: str) -> Report:
    """The library's own source for this exercise. Raises `KeyError` for an unknown exercise."""
    exercise = find(name)
    parts: list[Part] = [Prose("This is the library's own code, the very function that your attempt is compared with.")]
    for function in (exercise.reference, *exercise.helpers):
        function = inspect.unwrap(function)
        parts += [Prose(f"`{function.__module__}.{function.__qualname__}`"), Code(inspect.getsource(function).rstrip())]
    recording.record_solution(name)
    return Report("help", name, "A solution", tuple(parts))

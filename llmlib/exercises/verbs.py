"""What a learner calls, with an exercise or a question by its name: the engine does the work."""

import inspect
from typing import Any

from llmlib.exercises.engine import recording
from llmlib.exercises.engine.asking import Question, Questions
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.comparing import describe
from llmlib.exercises.engine.errors import name_of
from llmlib.exercises.engine.report import Code, Part, Prose, Report, Table
from llmlib.exercises.engine.running import one_thread
from llmlib.exercises.engine.trials import both_precisions
from llmlib.exercises.registry import LESSONS, UnknownQuestions, find, of_lesson, questions_of

_next_hint: dict[str, int] = {}  # of this session alone, so that a notebook run anew starts with the first hint


def check(name: str, attempt: Any, *, seed: int = 0, seconds: float = 5.0) -> Report:
    """Run `attempt` on the exercise's hidden cases; returns a report that Jupyter and terminals show well.

    `seed` draws other cases; `seconds` is the limit for each call. Never raises for anything that `attempt`
    is or does; raises `KeyError` for an unknown exercise.

    >>> check("attention.causal_mask", lambda n_query, n_key: ...).kind
    'not attempted'
    """
    exercise = find(name)
    try:
        with one_thread():
            report = examine(exercise, attempt, seed, seconds)
    except Exception as error:
        text = f"What your function returned is so unusual that the check itself failed: {name_of(error)}."
        expected = Prose(f"Expected: {describe(exercise.reference(*exercise.cases(seed)[0].args))}.")
        report = Report("form", name, text, (expected,))
    if report.kind != "not attempted":
        recording.record_attempt(name, report.correct)
    return report


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


def progress() -> Report:
    """A table over all lessons: what is solved, how often it was tried, which help was used."""
    known = recording.load()
    rows, solved, total = [], 0, 0
    for lesson in LESSONS:
        for exercise in of_lesson(lesson):
            entry = known.get(exercise.name, {})
            attempts, hints = recording.as_count(entry.get("attempts")), recording.as_count(entry.get("hints"))
            is_solved = bool(entry.get("solved"))
            state = "✓ solved" if is_solved else ("… tried" if attempts else "○ open")
            used = ([f"hint {hints}"] if hints else []) + (["solution"] if entry.get("solution_seen") else [])
            stars = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
            rows.append((exercise.name, stars, f"{exercise.minutes} min", state, str(attempts), ", ".join(used)))
            solved, total = solved + is_solved, total + 1
    header = ("exercise", "difficulty", "about", "state", "attempts", "help used")
    parts = [Table(header, tuple(rows))]
    left = sum(int(row[2].split()[0]) for row in rows if not row[3].startswith("✓"))
    closing = f"About {left} minutes of exercises are left." if left else "Everything is solved. Well done."
    return Report("help", "progress", f"{solved} of {total} exercises solved.", (*parts, Prose(closing)))


def predict(name: str) -> Questions:
    """The question "lesson.name" that is asked before its idea. Raises `KeyError`, with close names, if unknown.

    >>> print(predict("attention.sum_of_weights").answer("a"))
    Not quite. ...
    """
    lesson, _, key = name.partition(".")
    entries = questions_of(lesson).get("predict", {})
    if key not in entries:
        raise UnknownQuestions(name, [f"{lesson}.{known}" for known in entries])
    return Questions("Predict first: choose before you read on", (Question.from_toml(entries[key]),))


def quiz(lesson: str) -> Questions:
    """The questions at the end of a lesson, such as "attention". Raises `KeyError` for an unknown lesson."""
    entries = questions_of(lesson).get("quiz", [])
    if not entries:
        raise UnknownQuestions(lesson, list(LESSONS))
    return Questions("Quiz: open the choice that you think is right", tuple(map(Question.from_toml, entries)))

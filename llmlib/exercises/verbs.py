"""Define the functions that a learner calls with the name of an exercise, a question or a lesson."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from llmlib.exercises.engine import recording
from llmlib.exercises.engine.asking import Question, Questions
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.describing import describe
from llmlib.exercises.engine.errors import name_of
from llmlib.exercises.engine.repeating import GAPS, due_in, to_repeat
from llmlib.exercises.engine.report import Code, Part, Prose, Report, Table
from llmlib.exercises.engine.running import one_thread
from llmlib.exercises.engine.trials import both_precisions
from llmlib.exercises.my_llm.remembering import remember
from llmlib.exercises.registry import (
    LESSONS,
    UnknownQuestions,
    asked_in,
    find,
    number_of,
    questions_of,
    quiz_name,
)

MOST_REPEATED = 3  # the largest number of questions in a warm-up
NOTHING_YET = "Nothing to repeat yet. Questions that you answer wrongly come back here, a lesson later."
NOTHING_DUE = "Nothing to repeat today: what you missed will come back later. On to the lesson!"
ALL_KNOWN = "Nothing to repeat: you know all that you have been asked so far. Well done!"

_next_hint: dict[str, int] = {}  # for this session only, so a notebook that runs again starts with the first hint


def check(name: str, attempt: Any, *, seed: int = 0, seconds: float = 5.0) -> Report:
    """Run `attempt` on the exercise's hidden cases, and return a report that reads well in Jupyter and in terminals.

    The source of a correct attempt is stored for `mine`. Each `seed` draws different cases, and `seconds` limits each
    call. Whatever `attempt` is or does, `check` raises no error, except `KeyError` for an unknown exercise.

    >>> check("attention.causal_mask", lambda n_query, n_key: ...).kind
    'not attempted'
    """
    exercise = find(name)
    try:
        with one_thread():
            report = examine(exercise, attempt, seed, seconds)
    except Exception as error:
        text = f"Your function returned something so unusual that the check itself failed: {name_of(error)}."
        expected = Prose(f"Expected: {describe(exercise.reference(*exercise.cases(seed)[0].args))}.")
        report = Report("form", name, text, (expected,))
    if exercise.blueprint and not isinstance(attempt, type) and report.kind != "not attempted":
        call = Prose(f'Pass the class without brackets: `check("{name}", {exercise.own.__name__})`.')
        report = Report("form", name, f"`check` needs your class itself, but got {describe(attempt)}.", (call,))
    if report.kind != "not attempted":
        recording.record_attempt(name, report.correct)
    if report.correct:
        report = replace(report, parts=(*report.parts, Prose(remember(name, attempt))))
    return report


def task(name: str) -> Report:
    """Show what the exercise asks for, and one example. Raises `KeyError` for an unknown exercise."""
    exercise = find(name)
    stars = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
    example = both_precisions(exercise.cases(0)[:1], double=False)[0]
    rows = [(argument, describe(value)) for argument, value in zip(exercise.argument_names, example.args)]
    rows.append(("result", describe(exercise.reference(*example.args))))
    parts = (Prose(exercise.task), Table(("", "for example"), tuple(rows)))
    heading = f"Exercise · {stars} · about {exercise.minutes} minutes"
    return Report("help", name, heading, parts)


def hint(name: str, number: int | None = None) -> Report:
    """Show the first hint; the next two calls show the second and the third. With `number` (1 to 3), show that hint.

    Raises `KeyError` for an unknown exercise, and `ValueError` for any other number.
    """
    exercise = find(name)
    if number is not None and number not in (1, 2, 3):
        raise ValueError(f"number must be 1, 2 or 3; got {number}.")
    number = number or min(_next_hint.get(name, 1), 3)
    _next_hint[name] = number + 1
    recording.record_hint(name, number)
    more = f'Call `hint("{name}")` again for more.' if number < 3 else f'If all else fails: `solution("{name}")`.'
    return Report("help", name, f"Hint {number} of 3", (Prose(exercise.hints[number - 1]), Prose(more)))


def solution(name: str) -> Report:
    """Show the library's own source for this exercise. Raises `KeyError` for an unknown exercise."""
    exercise = find(name)
    what = "class" if exercise.blueprint else "function"
    parts: list[Part] = [Prose(f"This is the library's own code. `check` compares your attempt with this {what}.")]
    for function in map(inspect.unwrap, (exercise.own, *exercise.helpers)):
        parts += [Prose(f"`{function.__module__}.{function.__qualname__}`"), Code(inspect.getsource(function).rstrip())]
    recording.record_solution(name)
    return Report("help", name, "A solution", tuple(parts))


def predict(name: str) -> Questions:
    """Ask the prediction question with this name. Raises `KeyError`, listing similar names, for an unknown question.

    >>> predict("attention.order")
    Predict first: choose before you read on
    ...
    """
    lesson, _, key = name.partition(".")
    entries = questions_of(lesson).get("predict", {})
    if key not in entries:
        raise UnknownQuestions(name, [f"{lesson}.{known}" for known in entries])
    asked = (Question.from_toml(entries[key], name),)
    return Questions("Predict first: choose before you read on", asked, _keeper(lesson))


def quiz(lesson: str) -> Questions:
    """Ask the questions at the end of the lesson with the given name, such as "attention".

    Raises `KeyError` for an unknown lesson.
    """
    entries = questions_of(lesson).get("quiz", [])
    if not entries:
        raise UnknownQuestions(lesson, list(LESSONS))
    asked = tuple(Question.from_toml(entry, quiz_name(lesson, entry)) for entry in entries)
    return Questions("Quiz: open the choice that you think is right", asked, _keeper(lesson))


def _keeper(lesson: str, warm_up: bool = False) -> Callable[[str, bool], None]:
    return lambda name, right: recording.record_answer(name, right, lesson, warm_up)


def warm_up(lesson: str | None = None) -> Questions | Report:
    """Ask up to three questions from earlier lessons that were answered incorrectly and are due again in this lesson.

    A wrong answer brings a question back one lesson later. A right answer in a warm-up brings the question back two
    lessons later, and the next right answer brings it back four lessons later. Without a lesson, `warm_up` asks
    questions that still need to be repeated, even if they are not due yet. Raises `KeyError` for an unknown lesson.

    >>> warm_up("welcome")
    › warm-up: Nothing to repeat ...
    """
    if lesson is not None and lesson not in LESSONS:
        raise UnknownQuestions(lesson, list(LESSONS))
    known, order = recording.load_questions(), list(LESSONS)
    waiting = [
        (due_in(entry, order), of, name, asked)
        for of in order
        for name, asked in asked_in(of).items()
        if to_repeat(entry := known.get(name, {}))
    ]
    now = len(order) + max(GAPS) if lesson is None else order.index(lesson)
    due = sorted((one for one in waiting if one[0] <= now), key=lambda one: one[0])[:MOST_REPEATED]
    if not due:
        return Report("help", "warm-up", NOTHING_DUE if waiting else ALL_KNOWN if known else NOTHING_YET)
    questions = tuple(Question.from_toml(asked, name, f"From lesson {number_of(of)}:") for _, of, name, asked in due)
    title = f"Warm-up: {len(due)} question{'s' if len(due) > 1 else ''} that you have met before. Answer from memory"
    return Questions(title, questions, _keeper(lesson or order[-1], warm_up=True))

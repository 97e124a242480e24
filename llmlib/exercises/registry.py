"""Which exercises there are. A lesson's file is imported when the first of its exercises is asked for."""

import difflib
import importlib
from functools import lru_cache

from llmlib.exercises.exercise import Exercise

# The part before the dot in an exercise's name, and the file that holds it. The order is the course's.
LESSONS = {
    "tokenization": "lesson_01_tokenization",
    "embeddings": "lesson_02_embeddings",
    "attention": "lesson_03_attention",
    "interpret": "lesson_04_attention_visualised",
}


@lru_cache
def of_lesson(lesson: str) -> tuple[Exercise, ...]:
    """The exercises of one lesson, in the order in which it sets them."""
    return importlib.import_module(f"llmlib.exercises.{LESSONS[lesson]}").EXERCISES


def all_exercises() -> tuple[Exercise, ...]:
    return tuple(exercise for lesson in LESSONS for exercise in of_lesson(lesson))


def find(name: str) -> Exercise:
    """The exercise of that name. Raises `KeyError`, with the names that come close, if there is none."""
    lesson = name.partition(".")[0] if isinstance(name, str) else ""
    if lesson in LESSONS:
        for exercise in of_lesson(lesson):
            if exercise.name == name:
                return exercise
    raise UnknownExercise(name, [exercise.name for exercise in all_exercises()])


class UnknownExercise(KeyError):
    """There is no exercise of this name; the message says which there are."""

    def __init__(self, name: object, names: list[str]):
        close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
        meant = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        super().__init__(f"There is no exercise {name!r}.{meant} All exercises: {', '.join(names)}.")

    def __str__(self) -> str:  # a KeyError would show its message in quotes
        return str(self.args[0])

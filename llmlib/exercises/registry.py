"""Find exercises and questions by name. A lesson's exercises are imported only when one of them is asked for."""

import difflib
import hashlib
import importlib
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmlib.exercises.engine.exercise import Exercise

# The part of an exercise's name before the dot -> the lesson's folder in `lessons`, in the order of the course.
LESSONS = {
    "welcome": "lesson_00_welcome",
    "tokenization": "lesson_01_tokenization",
    "primer": "lesson_01b_primer",
    "embeddings": "lesson_02_embeddings",
    "attention": "lesson_03_attention",
    "interpret": "lesson_04_attention_visualised",
    "transformer": "lesson_05_transformer",
    "training": "lesson_06_training",
    "sampling": "lesson_07_sampling",
    "instruction_tuning": "lesson_08_instruction_tuning",
    "alignment": "lesson_09_alignment",
    "scaling": "lesson_10_scaling_laws",
    "limits": "lesson_11_capabilities_and_limits",
}
FOLDER = Path(__file__).parent / "lessons"


@lru_cache
def of_lesson(lesson: str) -> tuple[Exercise, ...]:
    """Return the exercises of one lesson, in the lesson's order; the tuple may be empty."""
    if not (FOLDER / LESSONS[lesson] / "exercises.py").is_file():
        return ()
    return importlib.import_module(f"llmlib.exercises.lessons.{LESSONS[lesson]}.exercises").EXERCISES


def all_exercises() -> tuple[Exercise, ...]:
    return tuple(exercise for lesson in LESSONS for exercise in of_lesson(lesson))


def find(name: str) -> Exercise:
    """Return the exercise with this name. Raises `KeyError`, listing similar names, if there is none."""
    lesson = name.partition(".")[0] if isinstance(name, str) else ""
    if lesson in LESSONS:
        for exercise in of_lesson(lesson):
            if exercise.name == name:
                return exercise
    raise UnknownExercise(name, [exercise.name for exercise in all_exercises()])


@lru_cache
def questions_of(lesson: str) -> dict[str, Any]:
    """Return a lesson's questions: under "predict", a dictionary of questions by name; under "quiz", a list.

    Raises `KeyError` for an unknown lesson.
    """
    if lesson not in LESSONS:
        raise UnknownQuestions(lesson, list(LESSONS))
    return tomllib.loads((FOLDER / LESSONS[lesson] / "questions.toml").read_text(encoding="utf-8"))


def asked_in(lesson: str) -> dict[str, dict[str, Any]]:
    """Return a lesson's questions, keyed by the names under which their answers are stored.

    The name of a quiz question is derived from its text.
    """
    entries = questions_of(lesson)
    predictions = {f"{lesson}.{key}": entry for key, entry in entries.get("predict", {}).items()}
    return predictions | {quiz_name(lesson, entry): entry for entry in entries.get("quiz", [])}


def quiz_name(lesson: str, entry: dict[str, Any]) -> str:
    """Make a name for a quiz question; the name stays the same when other questions are added or moved.

    >>> quiz_name("attention", {"question": "What?"})
    'attention.quiz.a4949e2c'
    """
    return f"{lesson}.quiz.{hashlib.sha256(entry['question'].encode()).hexdigest()[:8]}"


def number_of(lesson: str) -> str:
    """Return the number in the name of a lesson's notebook.

    >>> number_of("primer")
    '01b'
    """
    return LESSONS[lesson].split("_")[1]


def title_of(lesson: str) -> str:
    """Return a lesson's number and title.

    >>> title_of("interpret")
    '04 Attention visualised'
    """
    _, number, title = LESSONS[lesson].split("_", 2)
    return f"{number} {title.replace('_', ' ').capitalize()}"


def notebook_of(lesson: str) -> str:
    """Return the name of a lesson's notebook.

    >>> notebook_of("primer")
    '01b_primer.ipynb'
    """
    return f"{LESSONS[lesson].removeprefix('lesson_')}.ipynb"


class Unknown(KeyError):
    """Raised for a name that does not exist; the message lists all existing names, and suggests similar ones."""

    what = "is nothing called"
    all_of_them = "There are"

    def __init__(self, name: object, names: list[str]):
        close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
        meant = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        super().__init__(f"There {self.what} {name!r}.{meant} {self.all_of_them}: {', '.join(names) or 'none'}.")

    def __str__(self) -> str:  # a KeyError would show its message in quotes
        return str(self.args[0])


class UnknownExercise(Unknown):
    what = "is no exercise"
    all_of_them = "All exercises"


class UnknownQuestions(Unknown):
    what = "are no questions"


class UnknownLesson(Unknown):
    what = "is no lesson"
    all_of_them = "All lessons"

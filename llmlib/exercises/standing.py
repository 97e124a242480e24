"""Show where the learner is in the course: a map of its lessons, what has been done in each, and where to continue."""

from typing import Any

from llmlib.exercises.engine import recording
from llmlib.exercises.engine.exercise import Exercise
from llmlib.exercises.engine.repeating import to_repeat
from llmlib.exercises.engine.report import Prose, Report, Table
from llmlib.exercises.registry import (
    LESSONS,
    UnknownLesson,
    all_exercises,
    asked_in,
    notebook_of,
    of_lesson,
    title_of,
)

Known = dict[str, dict[str, Any]]  # what we know about each exercise, or each question, by name


def progress(lesson: str | None = None) -> Report:
    """Show a map of the course, with what you have done and where to continue; for one lesson, show all its exercises.

    In Jupyter, the titles of the lessons are links. Raises `KeyError` for an unknown lesson.

    >>> progress("attention").heading  # doctest: +SKIP
    '3 of 10 exercises solved.'
    """
    if lesson is not None and lesson not in LESSONS:
        raise UnknownLesson(lesson, list(LESSONS))
    known = recording.load()
    exercises = all_exercises() if lesson is None else of_lesson(lesson)
    heading = f"{sum(is_solved(one, known) for one in exercises)} of {len(exercises)} exercises solved."
    if lesson is None:
        answers = recording.load_questions()
        return Report("help", "progress", heading, (_go_on(known, answers), _map(known, answers), MORE))
    return Report("help", f"progress in {title_of(lesson)}", heading, (_table(exercises, known),))


MORE = Prose('`progress("attention")` shows each exercise of a lesson, and the help that you used.')


def _map(known: Known, answers: Known) -> Table:
    """Make a table with a row for each lesson."""
    here, _ = place(known, answers)
    rows = []
    for lesson in LESSONS:
        exercises = of_lesson(lesson)
        solved = sum(is_solved(one, known) for one in exercises)
        left = sum(one.minutes for one in exercises if not is_solved(one, known))
        begun = any(_is_tried(one, known) for one in exercises) or any(name in answers for name in asked_in(lesson))
        all_done = exercises and solved == len(exercises)
        state = "▶ here" if lesson == here else "✓ solved" if all_done else "… begun" if begun else "○"
        count = f"{solved} of {len(exercises)}" if exercises else ""
        rows.append((title_of(lesson), state, count, f"{left} min" if left else "", _answers(lesson, answers)))
    header = ("lesson", "state", "exercises solved", "left", "questions")
    return Table(header, tuple(rows), links=tuple(map(notebook_of, LESSONS)))


def _answers(lesson: str, answers: Known) -> str:
    """Summarise the answers given in a lesson; return an empty string if there are none."""
    asked = asked_in(lesson)
    entries = [answers[name] for name in asked if name in answers]
    if not entries:
        return ""
    first, again = sum(entry.get("first") is True for entry in entries), sum(map(to_repeat, entries))
    back = f", {again} will come back" if again else ""
    return f"{len(entries)} of {len(asked)} answered, {first} right on the first try{back}"


def place(known: Known, answers: Known) -> tuple[str | None, Exercise | None]:
    """Return the lesson and the exercise to continue with.

    If only the exercise is None, the learner should read the lesson; at the end of the course, both are None.

    We continue after the last exercise that was tried, in the order of the course. Earlier exercises that the learner
    skipped come up only when no later exercise is left.
    """
    lessons = {one.name: lesson for lesson in LESSONS for one in of_lesson(lesson)}
    exercises = all_exercises()
    tried = [number for number, one in enumerate(exercises) if _is_tried(one, known)]
    if not tried and not any(name in answers for name in asked_in("welcome")):
        return "welcome", None
    last = tried[-1] if tried else 0
    left = [one for one in (*exercises[last:], *exercises[:last]) if not is_solved(one, known)]
    return (lessons[left[0].name], left[0]) if left else (None, None)


def _go_on(known: Known, answers: Known) -> Prose:
    lesson, exercise = place(known, answers)
    if lesson is None:
        return Prose("All exercises are solved. Well done!")
    if exercise is None:
        return Prose(f"{title_of(lesson)}, where the course starts.", "Begin here:", notebook_of(lesson))
    minutes = sum(one.minutes for one in all_exercises() if not is_solved(one, known))
    what = f"lesson {title_of(lesson)}, with `{exercise.name}` (about {exercise.minutes} minutes)."
    return Prose(f"{what} About {minutes} minutes of exercises are left.", "Continue here:", notebook_of(lesson))


def _table(exercises: tuple[Exercise, ...], known: Known) -> Table:
    """Make a table of exercises that shows whether each is solved, how often it was tried, and which help was used."""
    rows = []
    for exercise in exercises:
        entry = known.get(exercise.name, {})
        attempts, hints = recording.as_count(entry.get("attempts")), recording.as_count(entry.get("hints"))
        state = "✓ solved" if is_solved(exercise, known) else ("… tried" if attempts else "○ open")
        used = ([f"hint {hints}"] if hints else []) + (["solution"] if entry.get("solution_seen") else [])
        stars = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
        rows.append((exercise.name, stars, f"{exercise.minutes} min", state, str(attempts), ", ".join(used)))
    return Table(("exercise", "difficulty", "about", "state", "attempts", "help used"), tuple(rows))


def is_solved(exercise: Exercise, known: Known) -> bool:
    return bool(known.get(exercise.name, {}).get("solved"))


def _is_tried(exercise: Exercise, known: Known) -> bool:
    return exercise.name in known

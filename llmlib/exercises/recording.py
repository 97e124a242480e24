"""What a learner has tried and solved: one small JSON file in the user's data folder.

The folder is the platform's, or `LLMLIB_DATA_DIR`. The file is replaced whole or not at all; one that
cannot be read is set aside, never overwritten. Trouble with it never stands in the way of an exercise.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import platformdirs

from llmlib.downloads import atomic_write
from llmlib.exercises.report import Prose, Report, Table

VERSION = 1


def data_dir() -> Path:
    """The folder that holds the progress file: `LLMLIB_DATA_DIR`, else the platform's user data folder."""
    return Path(os.environ.get("LLMLIB_DATA_DIR") or platformdirs.user_data_dir("llmlib", appauthor=False))


def progress_file() -> Path:
    return data_dir() / "progress.json"


def load() -> dict[str, dict[str, Any]]:
    """What is known of each exercise, by name. A file that cannot be understood is renamed, and this is told."""
    path = progress_file()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("version") != VERSION:
            raise ValueError("it is not a progress file of this version")
        exercises = content["exercises"]
        if not all(isinstance(entry, dict) and isinstance(name, str) for name, entry in exercises.items()):
            raise ValueError("its entries are damaged")
        return exercises
    except FileNotFoundError:
        return {}
    except OSError as error:
        _tell(f"The progress file {path} cannot be read ({error.strerror}); your progress is not kept.")
        return {}
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        _set_aside(path, error)
        return {}


def _set_aside(path: Path, error: Exception) -> None:
    aside = next(p for n in range(1, 10_000) if not (p := path.with_name(f"progress.damaged-{n}.json")).exists())
    with contextlib.suppress(OSError):
        path.replace(aside)
        _tell(f"The progress file was damaged ({error}). It is kept as {aside}; a new one begins.")


def _tell(message: str) -> None:
    print(message, file=sys.stderr)


def _update(name: str, **changes: Any) -> None:
    exercises = load()
    entry = {"attempts": 0, "solved": False, "hints": 0, "solution_seen": False, **exercises.get(name, {})}
    exercises[name] = {**entry, **{key: change(entry[key]) for key, change in changes.items()}}
    content = json.dumps({"version": VERSION, "exercises": exercises}, indent=1, sort_keys=True)
    try:
        with atomic_write(progress_file()) as file:
            file.write(content.encode())
    except OSError as error:
        _tell(
            f"Your progress could not be kept in {data_dir()} ({error.strerror}). "
            "Set LLMLIB_DATA_DIR to a folder that you may write to."
        )


def record_attempt(name: str, correct: bool) -> None:
    """Count an attempt; what is solved stays solved."""
    _update(name, attempts=lambda n: _count(n) + 1, solved=lambda solved: bool(solved) or correct)


def record_hint(name: str, number: int) -> None:
    _update(name, hints=lambda most: max(_count(most), number))


def record_solution(name: str) -> None:
    _update(name, solution_seen=lambda _: True)


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def progress() -> Report:
    """A table over all lessons: what is solved, how often it was tried, which help was used."""
    from llmlib.exercises.registry import LESSONS, of_lesson

    known = load()
    rows, solved, total = [], 0, 0
    for lesson in LESSONS:
        for exercise in of_lesson(lesson):
            entry = known.get(exercise.name, {})
            attempts, hints = _count(entry.get("attempts")), _count(entry.get("hints"))
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

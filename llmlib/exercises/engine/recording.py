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

from llmlib.files.atomic import atomic_write

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
    _update(name, attempts=lambda n: as_count(n) + 1, solved=lambda solved: bool(solved) or correct)


def record_hint(name: str, number: int) -> None:
    _update(name, hints=lambda most: max(as_count(most), number))


def record_solution(name: str) -> None:
    _update(name, solution_seen=lambda _: True)


def as_count(value: Any) -> int:
    return value if isinstance(value, int) else 0

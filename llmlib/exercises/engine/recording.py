"""Record what a learner has tried, solved and answered in one small JSON file in the user's data folder.

The folder is `LLMLIB_DATA_DIR`, or else the platform's user data folder. A write replaces the whole file or leaves it
unchanged, and a damaged file is renamed, never overwritten. Kernels that run at the same time take turns, so that no
kernel overwrites what another has saved. A problem with the file never gets in the way of an exercise.

Both `exercises` and `questions` are stored by name. For example, the name of a question is "attention.order" for a
prediction, or "attention.quiz.0f3a…" for a quiz question. Older files have no `questions`, but are still valid.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from llmlib.exercises.engine import repeating
from llmlib.files.atomic import atomic_write

VERSION = 1
NOTHING: dict[str, Any] = {"version": VERSION, "exercises": {}, "questions": {}}
LONGEST_WAIT = 20.0  # how many seconds to wait at most for another kernel, which needs only a few milliseconds


def data_dir() -> Path:
    """Return the folder that holds the progress file: `LLMLIB_DATA_DIR`, or else the platform's user data folder."""
    return Path(os.environ.get("LLMLIB_DATA_DIR") or platformdirs.user_data_dir("llmlib", appauthor=False))


def progress_file() -> Path:
    return data_dir() / "progress.json"


def load() -> dict[str, dict[str, Any]]:
    """Load each exercise's entry, keyed by name. If the progress file is damaged, rename it, and print a message."""
    return _content()["exercises"]


def load_questions() -> dict[str, dict[str, Any]]:
    """Load each answered question's entry, keyed by name."""
    return _content()["questions"]


def _content() -> dict[str, Any]:
    """Read the whole progress file, or rename it if it is damaged."""
    try:
        with contextlib.suppress(ValueError):
            return _read()
        with alone():
            return _read_or_set_aside()
    except OSError as error:
        tell(f"The progress file {progress_file()} cannot be read ({error.strerror}). Your progress is not saved.")
        return dict(NOTHING)


def _read_or_set_aside() -> dict[str, Any]:
    """Read the progress file, or rename it if it is damaged.

    Call this only while you hold the lock, because another kernel may just have written the file.
    """
    try:
        return _read()
    except ValueError as error:
        _set_aside(progress_file(), error)
        return dict(NOTHING)


def _read() -> dict[str, Any]:
    """Read the progress file, including what a later version has added. Raises `ValueError` if it is damaged."""
    try:
        content = json.loads(progress_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return dict(NOTHING)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(content, dict) or content.get("version") != VERSION or "exercises" not in content:
        raise ValueError("its version is not supported")
    content = {**NOTHING, **content}
    for part in ("exercises", "questions"):
        if not isinstance(content[part], dict) or not all(isinstance(entry, dict) for entry in content[part].values()):
            raise ValueError("its entries are damaged")
    return content


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Prevent other kernels from changing the learner's files while the block runs.

    If locks do not work, or if waiting for the lock takes too long, the block runs without a lock.
    """
    lock = filelock.FileLock(data_dir() / "progress.lock", timeout=LONGEST_WAIT, poll_interval=0.01)
    try:
        data_dir().mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError):  # locks do not work in the folder, it is read-only, or we waited too long
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _set_aside(path: Path, error: Exception) -> None:
    aside = next(p for n in range(1, 10_000) if not (p := path.with_name(f"progress.damaged-{n}.json")).exists())
    path.replace(aside)
    tell(f"The progress file was damaged ({error}). It has been renamed to {aside}, and a new file starts now.")


def tell(message: str) -> None:
    print(message, file=sys.stderr)


def _update(part: str, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Replace what is known about one exercise or question, and leave the rest of the file as it is now."""
    try:
        with alone():
            content = _read_or_set_aside()  # raises an error for an unreadable file, so we do not overwrite it
            content[part] = {**content[part], name: change(content[part].get(name, {}))}
            with atomic_write(progress_file()) as file:
                file.write(json.dumps(content, indent=1, sort_keys=True).encode())
    except OSError as error:
        tell(
            f"Your progress could not be saved in {data_dir()} ({error.strerror}). "
            "Set LLMLIB_DATA_DIR to a folder that you can read and write."
        )


def _update_exercise(name: str, **changes: Callable[[Any], Any]) -> None:
    def changed(entry: dict[str, Any]) -> dict[str, Any]:
        entry = {"attempts": 0, "solved": False, "hints": 0, "solution_seen": False, **entry}
        return {**entry, **{key: change(entry[key]) for key, change in changes.items()}}

    _update("exercises", name, changed)


def record_answer(name: str, right: bool, lesson: str, warm_up: bool) -> None:
    """Record an answer to a question that was asked in this lesson or in its warm-up."""
    _update("questions", name, lambda entry: repeating.answered(entry, right, lesson, warm_up))


def record_attempt(name: str, correct: bool) -> None:
    """Count an attempt. Once an exercise has been solved, it stays solved."""
    _update_exercise(name, attempts=lambda n: as_count(n) + 1, solved=lambda solved: bool(solved) or correct)


def record_hint(name: str, number: int) -> None:
    _update_exercise(name, hints=lambda most: max(as_count(most), number))


def record_solution(name: str) -> None:
    _update_exercise(name, solution_seen=lambda _: True)


def as_count(value: Any) -> int:
    return value if isinstance(value, int) else 0

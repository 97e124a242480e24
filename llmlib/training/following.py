"""Report a run's progress in a log and on the terminal, for `llmlib train`, `tune` and `align`.

If something goes wrong, one line says what happened. If a run is stopped, a message says how to continue it; a run with
one process saves a checkpoint first.
"""

import contextlib
import csv
import dataclasses
import io
import json
import math
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from llmlib.files.atomic import atomic_write

LINES = 10  # how many progress lines to print if there is no terminal to show a bar
NOT_LOGGED = ("sample", "groups")  # fields of a step that do not fit into a line


@contextlib.contextmanager
def reporting(command: str) -> Iterator[None]:
    """Turn an error that has a message for users into one line, and exit; only the first process prints the line.

    Every process leaves its line for `torchrun`, which shows at the end what stopped the run, no matter in which
    process the error occurred.
    """
    try:
        yield
    except typer.Exit:
        raise  # typer.Exit is a RuntimeError too
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        why = str(error) or type(error).__name__
        if isinstance(error, OSError) and error.filename and str(error.filename) not in why.partition(":")[2]:
            why = f"{error.filename}: {why}"
        line = f"llmlib {command}: {why}"
        if not _left_to_torchrun(line) or os.environ.get("RANK", "0") == "0":
            typer.echo(line, err=True)
        raise typer.Exit(1) from None


def _left_to_torchrun(line: str) -> bool:
    """Write the message `line` where `torchrun` looks for it; return False if `torchrun` did not start this process.

    torchrun raises `ChildFailedError` if a process ends with an exit code other than 0. Without the file that is
    written here, torchrun's report would show only the traceback of that error.
    """
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not file:
        return False
    about = {"message": line, "extraInfo": {"timestamp": str(int(time.time()))}}
    try:
        Path(file).write_text(json.dumps({"message": about}), encoding="utf-8")
    except OSError:
        return False
    return True


@contextlib.contextmanager
def warnings_once(writes: bool) -> Iterator[None]:
    """Print warnings as notes on standard error, each only once, and only in the process that writes files."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for message in dict.fromkeys(str(warning.message) for warning in caught) if writes else ():
        typer.echo(f"Note: {message}", err=True)


@contextlib.contextmanager
def following(run: Any, folder: Path, ranks: Any, again: str) -> Iterator[None]:
    """Take all the steps in a run, and then run the `with` block.

    Each step adds a line to log.csv. A terminal shows a progress bar; any other output gets a line from time to time.
    Ctrl-C and SIGTERM end the run between two steps; a run with one process saves a checkpoint first. `again` is the
    command that continues the run.
    """
    try:
        with _terminable():
            _take(run, folder, ranks.writes)
    except KeyboardInterrupt as stop:
        code = 143 if isinstance(stop, Terminated) else 130
        if ranks.world > 1:  # a checkpoint needs all processes, and they may have stopped at different points
            where = f"The last checkpoint in {folder} is kept."
        elif run.step:
            where = f"The checkpoint is in {run.save()}."
        else:
            where = "No step was taken."
        if ranks.writes:
            typer.echo(f"\nStopped after step {run.step}. {where} To continue: {again}", err=True)
        raise typer.Exit(code) from None
    yield


class Terminated(KeyboardInterrupt):
    """Raised on SIGTERM, the signal that the system sends before it kills a process."""


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _take(run: Any, folder: Path, writes: bool) -> None:
    from tqdm.auto import tqdm

    log = Log(folder / "log.csv", run.last, run.RESULT) if writes else None
    shows = writes and sys.stderr.isatty()
    some = max(1, run.config.steps // LINES)
    with tqdm(run, total=run.config.steps, initial=run.step, unit="step", disable=not shows) as bar:
        for step in bar:
            if log:
                log.write(step)
            shown = step.shown
            bar.set_postfix(shown)
            if writes and not shows and (step.step % some == 0 or "validation" in shown):
                typer.echo(f"step {step.step:,}: " + ", ".join(f"{name} {value}" for name, value in shown.items()))


def summary(run: Any, folder: Path) -> str:
    """Return the result of a run as a sentence."""
    from llmlib.training.checkpoints import name_of

    if not (lowest := getattr(run, "best", None)):
        return f"{run.step} steps taken."
    loss, step = lowest
    best = f"the lowest validation loss was {loss:.4f}, at step {step}"
    kept = folder / name_of(step)
    other = f" ({kept} can be loaded too)" if step != run.step and kept.is_dir() else ""
    return f"{run.step} steps taken; {best}{other}."


class Log:
    """The CSV log of a run. It continues after the step `last`, or begins a new file if `last` is None.

    Later lines, left behind by a killed process, are dropped; the line for step `last` is added if the process was
    killed before it could write the line. Raises `RunError` if the file cannot be read or written.
    """

    def __init__(self, path: Path, last: Any, kind: type[Any]):
        self.path = path
        self.names = [field.name for field in dataclasses.fields(kind) if field.name not in NOT_LOGGED]
        kept: list[dict[str, Any]] = []
        if last is not None and path.is_file():
            kept = [row for row in self._rows() if int(row["step"]) < last.step]
        if last is not None:
            kept.append(_row(last))
        text = self._lines(kept, header=True)
        with self._named_errors(), atomic_write(path) as file:
            file.write(text)

    def write(self, step: Any) -> None:
        with self._named_errors(), open(self.path, "ab", buffering=0) as file:
            file.write(self._lines([_row(step)]))

    def _lines(self, rows: list[dict[str, Any]], header: bool = False) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.names, extrasaction="ignore", lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()

    def _rows(self) -> list[dict[str, Any]]:
        from llmlib.training.checkpoints import RunError

        try:
            with open(self.path, encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                rows = list(reader)
            if reader.fieldnames != self.names:
                raise ValueError(f"its first line is not {','.join(self.names)}")
            for number, row in enumerate(rows, start=1):
                whole = (
                    row.keys() == set(self.names) and int(row["step"]) == number and math.isfinite(float(row["loss"]))
                )
                last = number == len(rows)  # a full disk may have cut this line short
                if not whole and not last:
                    raise ValueError(f"line {number + 1} is not a complete row for step {number}")
            return rows if not rows or whole else rows[:-1]
        except (ValueError, TypeError, KeyError, OSError, csv.Error) as error:
            raise RunError(
                f"{self.path} is damaged ({error}). Move it somewhere else, and a new log will be started; "
                "the checkpoints are fine."
            ) from None

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        from llmlib.training.checkpoints import RunError

        try:
            yield
        except OSError as error:
            raise RunError(
                f"{self.path} could not be written ({error.strerror}). Free some space, or make the folder writable; "
                "then continue the run with --resume."
            ) from error


def _row(step: Any) -> dict[str, Any]:
    """Return a step's fields; a field that maps names to numbers becomes JSON."""
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in vars(step).items()}

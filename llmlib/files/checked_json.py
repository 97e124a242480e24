"""Read untrusted JSON, and check the type of every value before it is used."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class FormatError(ValueError):
    """Raised when a file does not contain what it should; the message says where in the file, and what is expected."""


_REQUIRED: Any = object()
_WORDS = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    None: "null",
}


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raises `FormatError` if the file contains anything else or repeats a key."""
    try:
        record = json.loads(path.read_bytes(), object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError too
        raise FormatError(
            f"{path} is damaged or is not a tokenizer file: {error}. Expected JSON; copy or download the file again."
        ) from None
    if not isinstance(record, dict):
        raise FormatError(f"{path} must contain a JSON object, got {short(record)}.")
    return record


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a dict (for json's `object_pairs_hook`); raise `ValueError` for a key that occurs twice."""
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} occurs twice")
    return record


def field(record: Any, key: str, kinds: Any, where: str, default: Any = _REQUIRED) -> Any:
    """Return `record[key]`, or `default` if the key is missing.

    The value must have one of the types in `kinds` (None stands for null). Raises `FormatError` if it does not, if the
    key is missing and there is no default, or if `record` is not a dict; the message begins with `where`.

    >>> field({"bos_id": 7}, "bos_id", (int, None), "file.json")
    7
    >>> field({"bos_id": True}, "bos_id", (int, None), "file.json")
    Traceback (most recent call last):
        ...
    llmlib.files.checked_json.FormatError: file.json: 'bos_id' must be a whole number or null, got True.
    """
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(record, dict):
        raise FormatError(f"{where}: expected an object, got {short(record)}.")
    value = record.get(key, default)
    if value is _REQUIRED:
        raise FormatError(f"{where}: {key!r} is missing.")
    if key in record and not any(value is None if kind is None else type(value) is kind for kind in kinds):
        raise FormatError(f"{where}: {key!r} must be {' or '.join(_WORDS[k] for k in kinds)}, got {short(value)}.")
    return value


def integers(record: Mapping[Any, Any], where: str) -> dict[Any, int]:
    """Return the mapping as a dict, after checking that all its values are integers."""
    for key, value in record.items():
        if type(value) is not int:
            raise FormatError(f"{where}: the id of {key!r} must be a whole number, got {short(value)}.")
    return dict(record)


def short(value: Any) -> str:
    """Return a value as text that is short enough for a message, however large the value is.

    >>> short("x" * 1000)
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
    """
    text = repr(value[:60] if isinstance(value, str | list) else value)
    return text if len(text) <= 60 else text[:60] + "…"


@contextlib.contextmanager
def naming(path: Path, error: type[ValueError]) -> Iterator[None]:
    """Re-raise any `FormatError` or `error` from the block as an `error` whose message begins with the path.

    >>> with naming(Path("file.json"), UnicodeError):
    ...     field({}, "bos_id", int, "the record")
    Traceback (most recent call last):
        ...
    UnicodeError: file.json: the record: 'bos_id' is missing.
    """
    try:
        yield
    except (FormatError, error) as wrong:
        message = str(wrong)
        raise error(message if message.startswith(str(path)) else f"{path}: {message}") from None

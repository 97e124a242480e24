"""Save a tokenizer in our own format: JSON with one line per token, which people can read and compare.

The file is a plain record of the arguments of `BPETokenizer`, by name. A file may be damaged or hostile, so every field
is checked before it is used.
"""

import contextlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmlib.files.atomic import atomic_write
from llmlib.files.checked_json import FormatError, field, integers, read_json, short

FORMAT, VERSION = "llmlib.BPETokenizer", 1
FIELDS = (
    "format",
    "version",
    "checksum",
    "vocabulary",
    "pattern",
    "special_tokens",
    "merge_order",
    "whole_pieces",
    "unk_id",
    "normalization",
    "bos_id",
    "adds_bos",
    "eos_ids",
    "chat_template",
)


def write_record(record: Mapping[str, Any], path: Path | str) -> None:
    """Write the record; an existing file is replaced completely or not at all.

    A token is written as a string, or as a list of its bytes if they are not valid UTF-8.
    """
    ids = record["vocabulary"]
    order = record["merge_order"]
    fields = {
        "format": FORMAT,
        "version": VERSION,
        **{key: value for key, value in record.items() if key not in ("vocabulary", "merge_order")},
        "merge_order": None if order is None else [ids[token] for token in order],
    }
    by_id = sorted(ids.items(), key=lambda entry: entry[1])
    fields["checksum"] = _checksum({**fields, "vocabulary": [[id, _readable(token)] for token, id in by_id]})
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    tokens = [f"  [{id}, {json.dumps(_readable(token), ensure_ascii=False)}]" for token, id in by_id]
    lines.append('"vocabulary": [\n' + ",\n".join(tokens) + "\n ]")
    with atomic_write(path) as file:
        file.write(("{\n " + ",\n ".join(lines) + "\n}\n").encode())


def read_record(path: Path) -> dict[str, Any]:
    """Read a record that `write_record` wrote. Raises `FormatError` if the file is damaged or in a different format."""
    content = read_json(path)
    if not is_record(content):
        raise FormatError(f"{path} was not written by BPETokenizer.save. Try load_tokenizer({str(path)!r}).")
    return record_from_json(content, path)


def is_record(content: Mapping[str, Any]) -> bool:
    """Return whether a JSON object claims to be in this format."""
    return "format" in content


def record_from_json(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the record in a JSON object that was read from `path`, and check the type of each field."""
    where = str(path)
    if content["format"] != FORMAT or content.get("version") != VERSION:
        raise FormatError(
            f"{path} has the format {short(content['format'])}, version {short(content.get('version'))}, but this "
            f"version of llmlib reads {FORMAT!r}, version {VERSION}. A newer version of llmlib may have written it."
        )
    written = field(content, "checksum", (int, None), where, None)
    if written is not None and written != _checksum({key: content[key] for key in content if key != "checksum"}):
        raise FormatError(f"{path} is damaged or was changed: its checksum does not match its content.")
    if unknown := [key for key in content if key not in FIELDS]:
        raise FormatError(f"{path} has an unknown field {short(unknown[0])}.")
    vocabulary = _vocabulary(field(content, "vocabulary", list, where), path)
    normalization = field(content, "normalization", (str, None), where)
    if normalization not in (None, "NFC"):
        raise FormatError(f"{path}: unknown normalization {normalization!r}; expected null or 'NFC'.")
    ends = field(content, "eos_ids", list, where)
    return {
        "vocabulary": vocabulary,
        "pattern": field(content, "pattern", str, where),
        "special_tokens": integers(field(content, "special_tokens", dict, where), f"{path}: special_tokens"),
        "merge_order": _merge_order(field(content, "merge_order", (list, None), where), vocabulary, path),
        "whole_pieces": field(content, "whole_pieces", bool, where),
        "unk_id": field(content, "unk_id", (int, None), where),
        "normalization": normalization,
        "bos_id": field(content, "bos_id", (int, None), where),
        "adds_bos": field(content, "adds_bos", bool, where),
        "eos_ids": tuple(integers(dict(enumerate(ends)), f"{path}: eos_ids").values()),
        "chat_template": field(content, "chat_template", (str, None), where),
    }


def _checksum(fields: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(fields, sort_keys=True).encode())


def _vocabulary(entries: list[Any], path: Path) -> dict[bytes, int]:
    vocabulary: dict[bytes, int] = {}
    for entry in entries:
        if not (isinstance(entry, list) and len(entry) == 2 and type(entry[0]) is int):
            raise FormatError(f"{path}: the vocabulary contains {short(entry)}, which is not an (id, token) pair.")
        token = _bytes_of(entry[1], path)
        if token in vocabulary:
            raise FormatError(f"{path}: the vocabulary contains the token {token!r} twice.")
        vocabulary[token] = entry[0]
    return vocabulary


def _merge_order(ids: list[Any] | None, vocabulary: dict[bytes, int], path: Path) -> list[bytes] | None:
    if ids is None:
        return None
    tokens = {id: token for token, id in vocabulary.items()}
    for id in ids:
        if type(id) is not int or id not in tokens:
            raise FormatError(f"{path}: merge_order contains {short(id)}, which is not a token id.")
    return [tokens[id] for id in ids]


def _readable(token: bytes) -> str | list[int]:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return list(token)


def _bytes_of(token: Any, path: Path) -> bytes:
    if isinstance(token, str):
        with contextlib.suppress(UnicodeEncodeError):  # the token may contain a lone surrogate
            return token.encode()
    if isinstance(token, list) and all(type(byte) is int and 0 <= byte < 256 for byte in token):
        return bytes(token)
    raise FormatError(f"{path}: the token {short(token)} is neither a string nor a list of bytes.")

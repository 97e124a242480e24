"""Read conversations from a JSONL file, one per line, and check them before training starts."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmlib.chat import Message, check_turns
from llmlib.files.checked_json import FormatError, field, short, without_duplicates

MOST_BYTES_A_LINE = 1 << 24  # 16 MB, because a damaged file may be one endless line


class ConversationError(ValueError):
    """Raised when part of a file is not a conversation; the message gives the line and what was expected."""


def read_conversations(path: Path | str) -> list[list[Message]]:
    """Read the conversations in a JSONL file, one per line; blank lines are skipped.

    Each line is a JSON object with "messages", a list of `{"role": …, "content": …}`, in which user and assistant take
    turns after at most one system message. For a single question and answer, the object may instead contain two
    strings, "prompt" and "response". Other fields are ignored. Raises `ConversationError` for a file that cannot be
    read or has no conversations, or for the first line that is not a conversation.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "examples.jsonl"
    >>> _ = path.write_text('{"prompt": "Hi", "response": "Hello!"}')
    >>> read_conversations(path)
    [[{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello!'}]]
    """
    path = Path(path)
    found = []
    for number, line in lines_of(path):
        try:
            found.append(_conversation(line))
        except ValueError as error:
            raise ConversationError(f"{path}, line {number}: {error}") from None
    if not found:
        raise ConversationError(
            f"{path} has no conversations. Expected one conversation per line, such as "
            '{"prompt": "Hi", "response": "Hello!"}.'
        )
    return found


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each non-empty line of a JSONL file with its number, counting from 1."""
    try:
        with open(path, "rb") as file:
            number = 0
            while line := file.readline(MOST_BYTES_A_LINE + 1):
                number += 1
                if len(line) > MOST_BYTES_A_LINE:
                    raise ConversationError(
                        f"{path}, line {number} is longer than {MOST_BYTES_A_LINE >> 20} MB. Expected JSONL, with one "
                        "object per line."
                    )
                if number == 1:
                    line = line.removeprefix(codecs.BOM_UTF8)
                if line.strip():
                    yield number, line
    except OSError as error:
        raise ConversationError(f"{path} cannot be read ({error.strerror}).") from None


def record_in(line: bytes, expected: str) -> dict[str, Any]:
    """Return the JSON object in a line. Raises a `FormatError` that says what is wrong and what is `expected`."""
    try:
        record = json.loads(line.decode(), object_pairs_hook=without_duplicates)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"byte {error.start + 1} of the line, 0x{line[error.start]:02x}, is not UTF-8. Save the file as UTF-8 in "
            "your editor."
        ) from None
    except json.JSONDecodeError as error:
        raise FormatError(f"invalid JSON at character {error.pos + 1}: {error.msg}. {expected}") from None
    except (ValueError, RecursionError) as error:  # a repeated key, too many digits, or nesting that is too deep
        raise FormatError(f"{error}. {expected}") from None
    if not isinstance(record, dict):
        raise FormatError(f"{short(record)} is not an object. {expected}")
    return record


def _conversation(line: bytes) -> list[Message]:
    record = record_in(line, _EXPECTED)
    if "messages" in record:
        messages = messages_in(record)
    elif "prompt" in record or "response" in record:
        pair = {"user": "prompt", "assistant": "response"}
        messages = [{"role": role, "content": field(record, key, str, "the pair")} for role, key in pair.items()]
    else:
        raise FormatError(f"the object has the fields {short(sorted(record))}. {_EXPECTED}")
    check_turns(messages)
    return messages


def messages_in(record: dict[str, Any]) -> list[Message]:
    """Return the messages of a record, each with only role and content. Raises `FormatError` for an invalid record."""
    messages = [_message(m, n) for n, m in enumerate(field(record, "messages", list, "the conversation"))]
    if not messages:
        raise FormatError("the conversation has no messages.")
    return messages


def _message(message: Any, number: int) -> Message:
    return {key: field(message, key, str, f"message {number}") for key in ("role", "content")}


_EXPECTED = 'Expected an object with "messages" (a list), or with "prompt" and "response" (two strings).'

"""Read the settings of published models, and check the type of each setting."""

import json
from pathlib import Path
from typing import Any


class CheckpointError(ValueError):
    """Raised when a checkpoint is damaged or not supported; the message says what is wrong, and what to do."""


def read_json(path: Path, remedy: str = "Download it again.") -> dict[str, Any]:
    """Return the JSON object in a file. Raises `CheckpointError` if the file is missing or contains anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # with or without a byte-order mark
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing, so this is not a model folder.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, an overlong number, or overly deep nesting
        raise CheckpointError(f"{path} is not valid JSON ({error}). {remedy}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} does not contain a JSON object. {remedy}")
    return content


class Fields:
    """Gives typed access to the settings in a file; errors name the file and the field."""

    def __init__(self, content: dict[str, Any], where: Any):
        self.content, self.where = content, where

    def need(self, name: str, kind: type) -> Any:
        if self.content.get(name) is None:
            raise CheckpointError(f"{self.where}: the field {name!r} is missing.")
        return self.get(name, None, kind)

    def get(self, name: str, default: Any, kind: type | None = None) -> Any:
        value = self.content.get(name)
        value = default if value is None else value
        kind = kind or type(default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise CheckpointError(f"{self.where}: the field {name!r} must be of type {kind.__name__}, got {value!r}.")
        if isinstance(value, int) and value < 0:
            raise CheckpointError(f"{self.where}: the field {name!r} must be 0 or more, got {value}.")
        return value

    def refuse_unless(self, name: str, default: Any, *allowed: Any) -> None:
        value = self.content.get(name, default)
        if value not in allowed:
            raise CheckpointError(
                f"{self.where}: {name}={value!r} is not supported; it must be {' or '.join(map(repr, allowed))}."
            )

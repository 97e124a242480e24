"""Check settings that are stored in frozen dataclasses, whose annotations say what the fields may contain.

Call `check_fields` from `__post_init__`, so that settings from Python, TOML and other files are all checked in the same
way; `from_mapping` makes a dataclass from names and values. Limits go next to the type: `steps: Annotated[int,
AT_LEAST_1] = 1000`.
"""

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

LARGEST = 2**63 - 1  # the largest int64, the usual integer type in torch and numpy
KINDS = {  # for each type: its name, and a test for its values
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: isinstance(value, Integral) and not isinstance(value, bool)),
    float: ("a number", lambda value: isinstance(value, Real) and not isinstance(value, bool)),
    str: ("a string", lambda value: isinstance(value, str)),
    Path: ("a path", lambda value: isinstance(value, str | Path)),
    dict: ("a section of name–value pairs", lambda value: isinstance(value, Mapping)),
    type(None): ("None", lambda value: value is None),
}
Settings = TypeVar("Settings")


class SettingsError(ValueError):
    """Raised when a setting cannot be used; the message names the setting and says what is expected."""


@dataclass(frozen=True)
class Limit:
    """A limit on a value, in addition to its type. `words` describes the limit, and `fits` tests a value."""

    words: str
    fits: Callable[[Any], bool]


AT_LEAST_0 = Limit("at least 0", lambda value: 0 <= value < math.inf)
AT_LEAST_1 = Limit("at least 1", lambda value: 1 <= value < math.inf)
MORE_THAN_0 = Limit("greater than 0", lambda value: 0 < value < math.inf)
SHARE = Limit("a number between 0 and 1", lambda value: 0 <= value <= 1)
BELOW_1 = Limit("at least 0 and less than 1", lambda value: 0 <= value < 1)


def check_fields(settings: Any) -> None:
    """Check every field of a frozen dataclass, and store its value in plain form (numpy's 3 as 3, a list as a tuple).

    Raises `SettingsError` for the first field that does not fit its annotation.

    >>> @dataclass(frozen=True)
    ... class Walk:
    ...     steps: Annotated[int, AT_LEAST_1] = 1
    ...
    ...     def __post_init__(self):
    ...         check_fields(self)
    >>> Walk("3")
    Traceback (most recent call last):
        ...
    llmlib.settings.SettingsError: steps must be a whole number, got '3'.
    """
    for field in dataclasses.fields(settings):
        value = checked(field.name, getattr(settings, field.name), field.type)
        object.__setattr__(settings, field.name, value)


def checked(name: str, value: Any, kind: Any) -> Any:
    """Return `value` in plain form, or raise a `SettingsError` if it does not fit `kind`.

    The message names the setting and says what is expected.
    """
    if get_origin(kind) is Annotated:
        kind, limit = get_args(kind)[:2]
        value = checked(name, value, kind)
        alternatives = _alternatives(kind)
        if not (value is None and type(None) in alternatives) and not limit.fits(value):
            allowed = f"{limit.words}, or None" if type(None) in alternatives else limit.words
            raise SettingsError(f"{name} must be {allowed}, got {_short(value)}.")
        return value
    if get_origin(kind) is Literal:
        if not any(type(value) is type(choice) and value == choice for choice in get_args(kind)):
            choices = ", ".join(map(repr, get_args(kind)))
            raise SettingsError(f"{name} must be one of {choices}; got {_short(value)}.")
        return value
    for alternative in _alternatives(kind):
        found = _plain(name, value, alternative)
        if found is not _UNFIT:
            return found
    written = f" Write {int(value)}." if isinstance(value, float) and value.is_integer() else ""
    raise SettingsError(f"{name} must be {expected(kind)}, got {_short(value)}.{written}")


def expected(kind: Any) -> str:
    """Describe the values that a type annotation allows.

    >>> expected(int | float), expected(tuple[float, float]), expected(str | list[str])
    ('a number', '2 numbers', 'a string or a list of strings')
    """
    kinds = [each for each in _alternatives(kind) if each is not int or float not in _alternatives(kind)]
    return " or ".join(_called(each) for each in kinds if each is not type(None) or len(kinds) == 1)


def from_mapping(cls: type[Settings], values: Any, where: str, given: Mapping[str, Any] | None = None) -> Settings:
    """Build a dataclass from names and values in a TOML or JSON file, and from the fields in `given`.

    Raises `SettingsError` for an unknown name (and suggests the right name), for a missing name, and for any value that
    the dataclass rejects; the message begins with `where`.

    >>> @dataclass(frozen=True)
    ... class Walk:
    ...     steps: int
    >>> from_mapping(Walk, {"stepz": 3}, "walk.toml")
    Traceback (most recent call last):
        ...
    llmlib.settings.SettingsError: walk.toml: unknown name 'stepz'. Did you mean 'steps'?
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where} must be a section of name–value pairs, got {_short(values)}.")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    check_names(values, fields, where)
    arguments = {**(given or {}), **values}
    nothing = dataclasses.MISSING
    for name, field in fields.items():
        if name not in arguments and field.default is nothing and field.default_factory is nothing:
            raise SettingsError(f"{where}: {name!r} is missing. Expected {expected(field.type)}.")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from None


def check_names(values: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise `SettingsError` for a name in `values` that is not one of the `known` names."""
    known = list(known)
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            meant = f"Did you mean {close[0]!r}?" if close else f"Known names: {', '.join(known)}."
            raise SettingsError(f"{where}: unknown name {name!r}. {meant}")


_UNFIT = object()


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _called(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return expected(get_args(kind)[0])
    if get_origin(kind) in (tuple, list, Sequence):
        inner = get_args(kind)
        several = expected(inner[0]).partition(" ")[2] + "s"
        return (
            f"a list of {several}" if get_origin(kind) is not tuple or inner[-1] is ... else f"{len(inner)} {several}"
        )
    return KINDS[get_origin(kind) or kind][0]


def _plain(name: str, value: Any, kind: Any) -> Any:
    """Return the value as a plain int, float, tuple or the like, or `_UNFIT` if it does not fit the type."""
    if get_origin(kind) is Literal:
        return value if value in get_args(kind) else _UNFIT
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            return _UNFIT
        items = tuple(value)
        if inner[-1] is not ... and len(items) != len(inner):
            return _UNFIT
        kinds = [inner[0]] * len(items) if inner[-1] is ... else inner
        return tuple(checked(f"each of {name}", item, each) for item, each in zip(items, kinds))
    if not KINDS[get_origin(kind) or kind][1](value):
        return _UNFIT
    if kind is int:
        value = int(value)
        if abs(value) > LARGEST:
            raise SettingsError(f"{name} must be at most {LARGEST:,}, got {_short(value)}.")
        return value
    if kind is float:
        return value if isinstance(value, int) else float(value)
    return Path(value) if kind is Path else value


def _short(value: Any) -> str:
    text = repr(value[:60] if isinstance(value, str | list | tuple) else value)
    return text if len(text) <= 60 else text[:60] + "…"

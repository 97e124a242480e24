"""Turn a JSON schema into a pattern that matches the JSON texts allowed by the schema, written in one standard form.

The members of an object come in the order in which the schema lists them; one space is allowed after `,` and `:`, but
not elsewhere. A finite automaton cannot recognise the texts that match a recursive schema (a schema that refers to
itself), so we reject recursive schemas.
"""

import itertools
import json
from collections.abc import Mapping
from typing import Any

from llmlib.sampling.automaton import (
    TOO_DEEP,
    Automaton,
    Chars,
    Concatenation,
    ConstraintError,
    OneOf,
    Pattern,
    Repeat,
    build,
    literal,
    shared_text,
)
from llmlib.sampling.regexes import read_regex

PLAIN = ~Chars(((0, 31), (34, 34), (92, 92)))  # characters that need not be escaped in a JSON string
SPACE = Repeat(literal(" "), 0, 1)
EMPTY = Concatenation(())
SHORT = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 34: '"', 92: "\\", 47: "/"}  # code point -> what follows a `\`
# Any code point up to U+FFFF may be escaped, except surrogates: half a surrogate pair is not a character.
CODE = read_regex(r"\\u([0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})")
CHARACTER = OneOf((PLAIN, read_regex(r'\\["\\/bfnrt]'), CODE))
INTEGER = read_regex(r"-?(0|[1-9]\d*)")
NUMBER = read_regex(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
SAYS_NOTHING = {
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "$defs",
    "definitions",
    "readOnly",
    "writeOnly",
}
KEYWORDS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "pattern"},
    "integer": set(),
    "number": set(),
    "boolean": set(),
    "null": set(),
}
INSTEAD = ("const", "enum", "anyOf", "oneOf", "$ref")  # keywords that a schema may have instead of a type
UNDERSTOOD = {"type", *INSTEAD}.union(*KEYWORDS.values())


def read_schema(schema: Mapping[str, Any] | str) -> Pattern:
    """Return a pattern that matches the JSON that a schema allows.

    This function supports `type` (one or more), `enum`, `const`, `anyOf`, `oneOf` (if its alternatives do not overlap),
    `$ref` to the schema's own parts, and the keywords in `KEYWORDS`. Objects may have only the members in `properties`.
    Raises `ConstraintError` for anything else, and for a schema that no text can match; the message names the part of
    the schema.
    """
    return read_parts(schema)[-1][1]


def read_parts(schema: Mapping[str, Any] | str) -> list[tuple[str, Pattern]]:
    """Return the name and pattern of each part of a schema, inner parts before outer ones; the whole schema comes last.

    >>> [path for path, _ in read_parts({"type": "array", "items": {"type": "null"}})]
    ['$.items', '$']
    """
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except json.JSONDecodeError as error:
            raise ConstraintError(f"The schema is not valid JSON: {error}.") from None
    reader = _Reader(schema)
    try:
        reader.read(schema, "$", ())
    except RecursionError:
        raise ConstraintError(TOO_DEEP) from None
    return reader.parts


class _Reader:
    def __init__(self, root: Any):
        self.root = root
        self.parts: list[tuple[str, Pattern]] = []

    def read(self, schema: Any, path: str, inside: tuple[str, ...]) -> Pattern:
        """Read a part of the schema. `path` is its name in messages; `inside` lists the references that led here."""
        pattern = self._read(schema, path, inside)
        self.parts.append((path, pattern))
        return pattern

    def _read(self, schema: Any, path: str, inside: tuple[str, ...]) -> Pattern:
        if not isinstance(schema, Mapping):
            raise ConstraintError(f"The schema at {path} must be an object, got {json.dumps(schema, default=str)}.")
        keys = set(schema) - SAYS_NOTHING
        kind = schema.get("type")
        for keyword in INSTEAD:
            if keyword in keys:
                self._check(keys - {"type"} if keyword in ("const", "enum") else keys, {keyword}, path)
                found = schema[keyword]
                if kind is not None:
                    found = _of_kind(found if keyword == "enum" else [found], kind, path)
                    keyword = "enum"
                return getattr(self, "_" + keyword.strip("$").lower())(found, path, inside)
        if isinstance(kind, list):
            self._check(keys, {"type"}.union(*map(_keywords, kind)), path)
            kinds = [{"type": one, **{k: schema[k] for k in keys & _keywords(one)}} for one in kind]
            return self._anyof(kinds, path, inside)
        if not isinstance(kind, str) or kind not in KEYWORDS:
            self._check(keys, UNDERSTOOD, path)
            raise ConstraintError(f"The schema at {path} needs one of the types {', '.join(KEYWORDS)}; got {kind!r}.")
        self._check(keys, {"type"} | KEYWORDS[kind], path)
        return getattr(self, f"_{kind}")(schema, path, inside)

    def _check(self, keys: set[str], known: set[str], path: str) -> None:
        if unknown := sorted(keys - known):
            raise ConstraintError(
                f"{unknown[0]!r} in the schema at {path} is not supported; the supported keywords are: "
                f"{', '.join(sorted(known))}."
            )

    def _const(self, value: Any, path: str, inside: tuple[str, ...]) -> Pattern:
        try:
            return literal(json.dumps(value, ensure_ascii=False, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ConstraintError(f"{value!r} in the schema at {path} cannot be written as JSON: {error}.") from None

    def _enum(self, values: Any, path: str, inside: tuple[str, ...]) -> Pattern:
        if not isinstance(values, list) or not values:
            raise ConstraintError(f"The schema at {path} allows no value: its enum is {values!r}.")
        return OneOf(tuple(self._const(value, path, inside) for value in values))

    def _anyof(self, schemas: Any, path: str, inside: tuple[str, ...]) -> Pattern:
        if not isinstance(schemas, list) or not schemas:
            raise ConstraintError(f"The schema at {path} allows no value: there is nothing to choose from.")
        return OneOf(tuple(self.read(one, f"{path}[{i}]", inside) for i, one in enumerate(schemas)))

    def _oneof(self, schemas: Any, path: str, inside: tuple[str, ...]) -> Pattern:
        pattern = self._anyof(schemas, path, inside)
        machines = [_machine(self.read(one, f"{path}[{i}]", inside), f"{path}[{i}]") for i, one in enumerate(schemas)]
        for (i, one), (j, other) in itertools.combinations(enumerate(machines), 2):
            if (text := shared_text(one, other)) is not None:
                raise ConstraintError(
                    f"A value must match exactly one alternative of the oneOf in the schema at {path}, but "
                    f"{text.decode()} matches both {path}[{i}] and {path}[{j}]: use anyOf, or alternatives that do "
                    "not overlap."
                )
        return pattern

    def _ref(self, target: Any, path: str, inside: tuple[str, ...]) -> Pattern:
        if target in inside or target == "#":
            raise ConstraintError(
                f"The schema at {path} refers to itself ({target}), which a finite automaton cannot represent."
            )
        found = self.root
        for step in str(target).removeprefix("#").strip("/").split("/"):
            if not str(target).startswith("#/") or not isinstance(found, Mapping) or step not in found:
                raise ConstraintError(f"The schema at {path} refers to {target!r}, which does not exist.")
            found = found[step]
        return self.read(found, path, (*inside, target))

    def _null(self, schema: Mapping[str, Any], path: str, inside: tuple[str, ...]) -> Pattern:
        return literal("null")

    def _boolean(self, schema: Mapping[str, Any], path: str, inside: tuple[str, ...]) -> Pattern:
        return OneOf((literal("true"), literal("false")))

    def _integer(self, schema: Mapping[str, Any], path: str, inside: tuple[str, ...]) -> Pattern:
        return INTEGER

    def _number(self, schema: Mapping[str, Any], path: str, inside: tuple[str, ...]) -> Pattern:
        return NUMBER

    def _string(self, schema: Mapping[str, Any], path: str, inside: tuple[str, ...]) -> Pattern:
        least, most = _limits(schema, "minLength", "maxLength", path)
        if "pattern" not in schema:
            inner: Pattern = Repeat(CHARACTER, least, most)
        elif (least, most) != (0, None):
            raise ConstraintError(
                f"The schema at {path} has both a pattern and a length: put the length into the pattern."
            )
        else:
            inner = _in_a_string(self._pattern(schema["pattern"], path))
        return Concatenation((literal('"'), inner, literal('"')))

    def _pattern(self, text: Any, path: str) -> Pattern:
        try:
            # A schema's pattern may match anywhere in a string, unless `^` ties it to the beginning or `$` to the end.
            anything = Repeat(~Chars(()))
            before = EMPTY if str(text).startswith("^") else anything
            after = EMPTY if str(text).endswith("$") else anything
            return Concatenation((before, read_regex(text), after))
        except ConstraintError as error:
            raise ConstraintError(f"The pattern in the schema at {path}: {error}") from None

    def _array(self, schema: Mapping[str, Any], path: str, inside: tuple[str, ...]) -> Pattern:
        least, most = _limits(schema, "minItems", "maxItems", path)
        if "items" not in schema:
            raise ConstraintError(f"The schema at {path} is an array, so it must have 'items'.")
        if most == 0:
            return literal("[]")
        item = self.read(schema["items"], f"{path}.items", inside)
        more = Repeat(Concatenation((literal(","), SPACE, item)), max(0, least - 1), None if most is None else most - 1)
        return Concatenation((literal("["), Repeat(Concatenation((item, more)), min(least, 1), 1), literal("]")))

    def _object(self, schema: Mapping[str, Any], path: str, inside: tuple[str, ...]) -> Pattern:
        if schema.get("additionalProperties", False) is not False:
            raise ConstraintError(f"'additionalProperties' in the schema at {path} can only be false.")
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, Mapping):
            raise ConstraintError(f"'properties' in the schema at {path} must be an object, got {properties!r}.")
        if wrong := [name for name in properties if not isinstance(name, str)]:
            raise ConstraintError(f"The name {wrong[0]!r} in the schema at {path} is not a string: put it in quotes.")
        if not isinstance(required, list):
            raise ConstraintError(f"'required' in the schema at {path} must be a list of names, got {required!r}.")
        if missing := [name for name in required if name not in properties]:
            raise ConstraintError(f"The schema at {path} requires {missing[0]!r}, which is not one of its properties.")
        # Some members may be missing, and there is a comma before every member except the first one present.
        first: Pattern = EMPTY  # what may come here if there has been no member yet …
        later: Pattern = EMPTY  # … and if there has been one
        for name, part in reversed(list(properties.items())):
            member = self.read(part, f"{path}.{name}", inside)
            member = Concatenation((literal(json.dumps(name, ensure_ascii=False) + ":"), SPACE, member))
            with_it = Concatenation((literal(","), SPACE, member, later))
            alone = Concatenation((member, later))
            first = alone if name in required else OneOf((alone, first))
            later = with_it if name in required else OneOf((with_it, later))
        return Concatenation((literal("{"), first, literal("}")))


def _machine(pattern: Pattern, path: str) -> Automaton:
    try:
        return build(pattern)
    except ConstraintError as error:
        raise ConstraintError(f"The schema at {path}: {error}") from None


def _keywords(kind: Any) -> set[str]:
    return KEYWORDS.get(kind, set()) if isinstance(kind, str) else set()


def _of_kind(values: Any, kind: Any, path: str) -> list[Any]:
    """Return the values that have one of the types, because a schema with a type and an enum allows no other values."""
    kinds = kind if isinstance(kind, list) else [kind]
    if unknown := [one for one in kinds if not isinstance(one, str) or one not in KEYWORDS]:
        raise ConstraintError(f"The schema at {path} needs one of the types {', '.join(KEYWORDS)}; got {unknown[0]!r}.")
    fit = [value for value in values if any(_is_a(value, one) for one in kinds)] if isinstance(values, list) else values
    if values and not fit:
        raise ConstraintError(f"The schema at {path} allows no value: none of {values!r} is of type {kind!r}.")
    return fit


def _is_a(value: Any, kind: str) -> bool:
    if isinstance(value, bool) or value is None:
        return kind == ("null" if value is None else "boolean")
    if isinstance(value, int | float):
        return kind == "number" or (kind == "integer" and float(value).is_integer())
    return isinstance(value, {"object": Mapping, "array": list, "string": str}.get(kind, ()))


def _limits(schema: Mapping[str, Any], low: str, high: str, path: str) -> tuple[int, int | None]:
    least, most = schema.get(low, 0), schema.get(high)
    for name, value in ((low, least), (high, most)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise ConstraintError(
                f"{name!r} in the schema at {path} must be a whole number, at least 0, got {value!r}."
            )
    if most is not None and most < least:
        raise ConstraintError(f"No text can meet the schema at {path}: {low} is {least}, {high} is {most}.")
    return least, most


def _in_a_string(pattern: Pattern) -> Pattern:
    """Turn a pattern for a text into a pattern for its JSON string, in which some characters can or must be escaped."""
    if isinstance(pattern, Repeat):
        return Repeat(_in_a_string(pattern.part), pattern.least, pattern.most)
    if isinstance(pattern, Chars):
        escaped = [
            literal("\\" + sign) for code, sign in SHORT.items() if any(a <= code <= b for a, b in pattern.ranges)
        ]
        return OneOf((pattern & PLAIN, *escaped))
    return type(pattern)(tuple(map(_in_a_string, pattern.parts)))

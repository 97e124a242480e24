"""JSON schemas: every accepted text is valid, every valid value can be written, and errors say what is wrong."""

import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlib.sampling import ConstraintError
from llmlib.sampling.automaton import build
from llmlib.sampling.schemas import read_schema

TEXT = {"type": "string"}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 8},
        "age": {"type": "integer"},
        "likes": {"type": "array", "items": {"enum": ["tea", "é\n", 3, None]}, "maxItems": 3},
        "city": {"$ref": "#/$defs/city"},
        "open": {"type": ["boolean", "null"], "description": "whether"},
    },
    "required": ["name", "open"],
    "additionalProperties": False,
    "$defs": {"city": {"type": "string", "pattern": '^[A-Z][a-z"\\\\]{1,3}$'}},
}
VALUES = st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=8)},
    optional={
        "age": st.integers(),
        "likes": st.lists(st.sampled_from(["tea", "é\n", 3, None]), max_size=3),
        "city": st.sampled_from(["Ur", 'A"\\', "Bonn"]),
    },
)


def matches(machine, text):
    return bool(machine.accepts[machine.read(text.encode())])


@settings(max_examples=40)
@given(value=VALUES, is_open=st.sampled_from([True, False, None]), ascii=st.booleans(), close=st.booleans())
def test_every_valid_value_can_be_written(value, is_open, ascii, close):
    value = {name: {**value, "open": is_open}[name] for name in PERSON["properties"] if name in {*value, "open"}}
    if any("\ud800" <= c <= "\udfff" or (ascii and c > "\uffff") for c in value["name"]):
        return
    jsonschema.validate(value, PERSON)
    text = json.dumps(value, ensure_ascii=ascii, separators=(",", ":") if close else None)
    # A string from the schema itself can be written in only one way.
    assert matches(build_person(), text) == (not ascii or "é\n" not in value.get("likes", []))


def build_person(cached=[]):  # noqa: B006
    if not cached:
        cached.append(build(read_schema(PERSON)))
    return cached[0]


@pytest.mark.slow
@settings(max_examples=60)
@given(st.data())
def test_every_accepted_text_is_valid(data):
    machine = build_person()
    state, written = machine.start, b""
    for _ in range(400):
        possible = machine.moves[state].nonzero()[0].tolist()
        if machine.accepts[state] and (not possible or data.draw(st.booleans())):
            break
        ends = [byte for byte in possible if byte in b'"}]']  # so that strings end
        byte = data.draw(st.sampled_from(ends if ends and data.draw(st.booleans()) else possible))
        written, state = written + bytes([byte]), int(machine.moves[state, byte])
    else:
        return
    jsonschema.validate(json.loads(written), PERSON)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, ["0", "-12"], ["01", "1.0", "+1", " 1"]),
        ({"type": "number"}, ["0.5", "-1e10", "7"], [".5", "1.", "NaN"]),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, ["[null, null]"], ["[null]", "[]"]),
        ({"type": "array", "items": TEXT, "maxItems": 0}, ["[]"], ['[""]']),
        ({"type": "array", "items": TEXT, "maxItems": 2}, ["[]", '["",""]'], ['["","",""]', '["","","",""]']),
        ({"type": "array", "items": TEXT, "minItems": 1, "maxItems": 1}, ['[""]'], ["[]", '["",""]']),
        ({"type": "object"}, ["{}"], ['{"a":1}']),
        ({"const": {"a": [1, None]}}, ['{"a": [1, null]}'], ["{}"]),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, ["true", "null"], ["nul", "0"]),
        ({"oneOf": [{"type": "integer"}, TEXT]}, ["12", '"a"'], ["1.5", "null"]),
        ({**TEXT, "enum": ["a", 1, None]}, ['"a"'], ["1", "null"]),
        ({"type": ["integer", "null"], "enum": ["a", 1, True, None, 0.5]}, ["1", "null"], ['"a"', "true", "0.5"]),
        ({"type": "number", "const": 1.5}, ["1.5"], ["1"]),
        ({**TEXT, "pattern": "b+"}, ['"abbc"', '"b"'], ['"ac"']),
        ({**TEXT, "maxLength": 1}, ['"\\""', '"\\u00e9"', '"😀"', '""'], ['"ab"', '"\\ud83d"', '"\n"']),
        ('{"type": "null"}', ["null"], ["0"]),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}},
                "required": ["b"],
            },
            ['{"b": null}', '{"a": null, "b": null}', '{"b":null,"c":null}', '{"a":null,"b":null,"c":null}'],
            ["{}", '{"a": null}', '{"a": null, "c": null}', '{,"b":null}', '{"b":null,}'],
        ),
    ],
)
def test_schemas_accept_good_texts_and_reject_bad_texts(schema, good, bad):
    machine = build(read_schema(schema))
    assert [text for text in good if not matches(machine, text)] == []
    assert [text for text in bad if matches(machine, text)] == []


@pytest.mark.slow
@given(st.data())
def test_optional_members_may_be_missing(data):
    names = [f"p{i}" for i in range(data.draw(st.integers(1, 40)))]
    required = data.draw(st.lists(st.sampled_from(names), unique=True))
    schema = {"type": "object", "properties": {name: {"type": "integer"} for name in names}, "required": required}
    machine = build(read_schema(schema))
    assert len(machine.accepts) < 15 * len(names) + 10, "the number of states must not double with each member"
    there = [name for name in names if name in required or data.draw(st.booleans())]
    assert matches(machine, json.dumps(dict.fromkeys(there, 7)))
    assert matches(machine, json.dumps(dict.fromkeys(there[1:], 7))) == (there[:1] == [] or there[0] not in required)


def test_too_many_or_too_deeply_nested_parts_are_refused():
    schema = {"type": "object", "properties": {f"p{i}": {"type": "null"} for i in range(1000)}}
    with pytest.raises(ConstraintError, match=r"nested too deeply: .* optional members"):
        build(read_schema(schema))
    for _ in range(900):
        schema = {"type": "array", "items": schema}
    with pytest.raises(ConstraintError, match=r"nested too deeply: .* fewer parts inside parts"):
        read_schema(schema)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{", "The schema is not valid JSON"),
        ("[]", r"The schema at \$ must be an object"),
        ({}, r"at \$ needs one of the types"),
        ({"type": "text"}, "got 'text'"),
        (
            {"type": "integer", "minimum": 3},
            r"'minimum' in the schema at \$ is not supported; the supported keywords are: type",
        ),
        ({"type": "object", "properties": {"a": {"type": "date"}}}, r"at \$\.a needs one of the types"),
        ({"type": "object", "required": ["b"]}, "requires 'b', which is not one of"),
        ({"allOf": [TEXT]}, r"'allOf' in the schema at \$ is not supported"),
        ({"anyOf": [TEXT, {"not": TEXT}]}, r"'not' in the schema at \$\[1\] is not supported"),
        ({"type": {"a": 1}}, r"at \$ needs one of the types .*; got {'a': 1}"),
        ({"type": ["null", ["a"]]}, r"at \$\[1\]\[0\] needs one of the types .*; got 'a'"),
        ({"type": "object", "properties": ["a"]}, r"'properties' in the schema at \$ must be an object, got \['a'\]"),
        ({"type": "object", "properties": {"a": TEXT}, "required": "a"}, r"at \$ must be a list of names, got 'a'"),
        ({**TEXT, "enum": [1, None]}, r"at \$ allows no value: none of \[1, None\] is of type 'string'"),
        ({"type": "text", "const": 1}, "needs one of the types .*; got 'text'"),
        (
            {"oneOf": [TEXT, {"type": "integer"}, {"type": "number"}]},
            r"match exactly one alternative of the oneOf in the schema at \$, "
            r"but 0 matches both \$\[1\] and \$\[2\]: use anyOf",
        ),
        ({"type": "object", "additionalProperties": True}, "can only be false"),
        ({"type": "array"}, "is an array, so it must have 'items'"),
        ({"type": "array", "items": {"enum": []}}, r"at \$\.items allows no value"),
        ({"anyOf": []}, "allows no value"),
        (
            {**TEXT, "minLength": 3, "maxLength": 2},
            r"No text can meet the schema at \$: minLength is 3, maxLength is 2",
        ),
        ({**TEXT, "minLength": "3"}, "must be a whole number"),
        ({**TEXT, "pattern": "("}, r"The pattern in the schema at \$: “\(” is not a valid regular expression"),
        ({**TEXT, "pattern": "a", "minLength": 3}, "a pattern and a length"),
        ({"$ref": "#/$defs/a"}, "refers to '#/\\$defs/a', which does not exist"),
        ({"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, "refers to itself"),
    ],
)
def test_invalid_and_unsupported_schemas_are_refused(schema, message):
    with pytest.raises(ConstraintError, match=message):
        read_schema(schema)

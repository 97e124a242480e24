"""Regular expressions agree with Python's `re` on texts that match and texts that nearly match."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlib.sampling import ConstraintError
from llmlib.sampling.automaton import LAST, Chars, build, utf8_ranges
from llmlib.sampling.regexes import read_regex

PATTERNS = [
    "",
    "abc",
    "a|b|",
    "(ab|a)(c|bcd)",
    "a*",
    "(a|b)*abb",
    "x{2,4}y{0,2}z{3}",
    "a{,2}b",
    "a{2,}",
    "(?:ab)+?c",
    "[a-c]+",
    "[^a-c\\d]x?",
    "\\d{4}-\\d\\d",
    "\\w+@\\w+\\.(com|org)",
    "a.c",
    "\\s\\S",
    "[]a]+",
    "[a\\]-]",
    "é+[α-ω]*",
    "(?P<year>1|2)0",
    "[^\\x00-\\x7f]+",
    "\\u00e9|\\t",
    "(aa?)?b",
    "^ab$",
    "[\\w-]+",
    "-?(0|[1-9]\\d*)(\\.\\d+)?",
    "{",
    "a{b",
    "[+-]{1}",
    "😀|👩",
]


@pytest.mark.slow
@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=30)
@given(data=st.data())
def test_patterns_match_the_same_texts_as_in_python(pattern, data):
    machine = build(read_regex(pattern))
    exact = re.compile(pattern, re.ASCII)

    def agrees(text):
        state = machine.read(text.encode("utf-8", "surrogatepass"))
        assert bool(machine.accepts[state]) == bool(exact.fullmatch(text)), text

    matching = data.draw(st.from_regex(exact, fullmatch=True))
    nearly = data.draw(st.integers(0, len(matching)))
    other = data.draw(st.sampled_from("abcxyz019-.@\n é😀") | st.just(""))
    for text in (matching, matching[:nearly], matching[:nearly] + other + matching[nearly:], other):
        agrees(text)


def test_nested_repetitions_do_not_take_exponential_time():
    machine = build(read_regex("(a*)*b"))  # Python's `re` would take for ever
    assert machine.accepts[machine.read(b"a" * 5_000 + b"b")]
    assert not machine.accepts[machine.read(b"a" * 5_000)]


@given(st.integers(0, LAST), st.integers(0, LAST))
@settings(max_examples=200)
def test_ranges_of_bytes_cover_exactly_the_range_of_characters(a, b):
    low, high = sorted((a, b))
    ranges = list(utf8_ranges(low, high))
    for code in {
        low,
        high,
        (low + high) // 2,
        max(0, low - 1),
        min(LAST, high + 1),
        0x80,
        0x7FF,
        0x800,
        0xFFFF,
        0x10000,
    }:
        if 0xD800 <= code <= 0xDFFF:
            continue
        data = chr(code).encode()
        found = sum(
            len(data) == len(each) and all(lo <= byte <= hi for byte, (lo, hi) in zip(data, each)) for each in ranges
        )
        assert found == (low <= code <= high)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=4))
def test_the_complement_has_exactly_the_other_characters(pairs):
    chars = Chars(tuple((low, low + more) for low, more in pairs))
    has = lambda c, code: any(low <= code <= high for low, high in c.ranges)  # noqa: E731
    assert all(has(chars, code) != has(~chars, code) for code in range(60))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "is not a valid regular expression: missing \\)"),
        ("(a)\\1", r"'\\1' at position 3 of “\(a\)\\1” is not supported"),
        ("\\p{L}+", r"^“\\p\{L\}\+” is not a valid regular expression: bad escape"),
        ("(" * 500 + ")" * 500, r"^“\({40}…\){40}”: The pattern is nested too deeply"),
        ("[" + "a" * 500, r"^“\[a{39}…a{40}” is not a valid regular expression"),
        ("a(?=b)", r"'\(\?=' at position 1"),
        ("\\bword", r"'\\b' at position 0"),
        ("a^b", "'\\^' inside a pattern at position 1"),
        ("a++", "possessive"),
        ("[^\\s\\S]", "No text can meet"),
        ("(a{300}){300}", "too large"),
        ("(a|b)*a(a|b){15}", "more than 20,000 states"),
    ],
)
def test_invalid_and_unsupported_patterns_are_refused(pattern, message):
    with pytest.raises(ConstraintError, match=message):
        build(read_regex(pattern))


@pytest.mark.parametrize("pattern", [r"a\n1", r"\t2", r"[\n0]\r9", r"\v\f7"])
def test_an_escape_before_a_digit_is_read_as_in_python(pattern):
    text = pattern.replace("[", "").replace("0]", "").encode().decode("unicode_escape")
    assert re.fullmatch(pattern, text)
    assert build(read_regex(pattern)).accepts[build(read_regex(pattern)).read(text.encode())]

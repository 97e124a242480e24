"""Turn regular expressions into patterns; only syntax that needs no memory of earlier matches is supported."""

import re
from dataclasses import dataclass

from llmlib.sampling.automaton import TOO_DEEP, Chars, Concatenation, ConstraintError, OneOf, Pattern, Repeat

DIGITS = Chars(((48, 57),))
WORD = Chars(((48, 57), (65, 90), (95, 95), (97, 122)))
SPACE = Chars(((9, 13), (32, 32)))
ANY = ~Chars(((10, 10),))  # everything except a newline
CLASSES = {"d": DIGITS, "w": WORD, "s": SPACE, "D": ~DIGITS, "W": ~WORD, "S": ~SPACE}
ESCAPES = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "a": 7, "0": 0}
MOST_QUOTED = 80  # a message quotes at most this many characters of an expression
CODES = {"x": 2, "u": 4, "U": 8}  # how many hexadecimal digits follow each of these letters in an escape


def read_regex(text: str) -> Pattern:
    r"""Return the pattern for a regular expression, which has to match the whole text.

    This function supports literals, `.`, classes, groups, `|`, repetitions, and `^` and `$` at the ends; `\d`, `\w` and
    `\s` match only ASCII. Raises `ConstraintError`, which names the position, for backreferences (they need memory),
    for lookarounds, and for an invalid regular expression.

    >>> read_regex("a|b").parts
    (Concatenation(parts=(Chars(ranges=((97, 97),)),)), Concatenation(parts=(Chars(ranges=((98, 98),)),)))
    """
    if not isinstance(text, str):
        raise ConstraintError(f"A regular expression must be a string, got {text!r}.")
    try:
        re.compile(text)
        return _Reader(text).whole()
    except re.error as error:
        raise ConstraintError(f"{_quoted(text)} is not a valid regular expression: {error}.") from None
    except RecursionError:
        raise ConstraintError(f"{_quoted(text)}: {TOO_DEEP}") from None


def _quoted(text: str) -> str:
    """Quote an expression as it was typed, without doubled backslashes; quote only the two ends of a long one."""
    return f"“{text if len(text) <= MOST_QUOTED else f'{text[: MOST_QUOTED // 2]}…{text[-MOST_QUOTED // 2 :]}'}”"


@dataclass
class _Reader:
    """Reads an expression from left to right; Python has already checked its syntax."""

    text: str
    at: int = 0

    def peek(self, ahead: int = 0) -> str:
        return self.text[self.at + ahead : self.at + ahead + 1]

    def take(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def fail(self, what: str) -> ConstraintError:
        return ConstraintError(f"{what} at position {self.at} of {_quoted(self.text)} is not supported here.")

    def whole(self) -> Pattern:
        if self.peek() == "^":
            self.take()
        return self.alternatives()

    def alternatives(self) -> Pattern:
        parts = [self.sequence()]
        while self.peek() == "|":
            self.take()
            parts.append(self.sequence())
        return OneOf(tuple(parts)) if len(parts) > 1 else parts[0]

    def sequence(self) -> Pattern:
        parts = []
        while self.peek() and self.peek() not in "|)":
            if self.peek() == "$" and self.at == len(self.text) - 1:
                self.take()
                break
            parts.append(self.repeated(self.atom()))
        return Concatenation(tuple(parts))

    def repeated(self, part: Pattern) -> Pattern:
        while self.peek() and (self.peek() in "*+?" or self._counts()):
            least, most = self._count()
            if self.peek() == "+":
                raise self.fail("A possessive repetition '+'")
            if self.peek() == "?":  # a lazy repetition matches the same texts as a greedy one
                self.take()
            part = Repeat(part, least, most)
        return part

    def _counts(self) -> bool:
        return re.match(r"\{(\d+(,\d*)?|,\d+)\}", self.text[self.at :]) is not None

    def _count(self) -> tuple[int, int | None]:
        sign = self.take()
        if sign != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        end = self.text.index("}", self.at)
        low, comma, high = self.text[self.at : end].partition(",")
        self.at = end + 1
        least = int(low or 0)
        return least, (int(high) if high else None) if comma else least

    def atom(self) -> Pattern:
        sign = self.peek()
        if sign == "(":
            return self.group()
        if sign == "[":
            return self.character_class()
        if sign in "^$":
            raise self.fail(f"{sign!r} inside a pattern")
        self.take()
        if sign == ".":
            return ANY
        return self.escape() if sign == "\\" else _one(ord(sign))

    def group(self) -> Pattern:
        opening = re.match(r"\((\?:|\?P<\w+>|(?!\?))", self.text[self.at :])
        if not opening:
            raise self.fail(f"{self.text[self.at : self.at + 3]!r}")
        self.at += len(opening[0])
        inside = self.alternatives()
        self.take()
        return inside

    def escape(self) -> Chars:
        sign = self.take()
        if sign in CLASSES:
            return CLASSES[sign]
        if sign in CODES:
            digits = self.text[self.at : self.at + CODES[sign]]
            self.at += CODES[sign]
            return _one(int(digits, 16))
        if sign in ESCAPES and not (sign == "0" and self.peek().isdigit()):  # \012 would be octal
            return _one(ESCAPES[sign])
        if sign.isalnum():
            self.at -= 2
            raise self.fail(f"'\\{sign}'")
        return _one(ord(sign))

    def character_class(self) -> Chars:
        self.take()
        negated = self.peek() == "^" and bool(self.take())
        ranges: list[tuple[int, int]] = []
        while self.peek() != "]" or not ranges:
            low = self._class_member()
            if self.peek() == "-" and self.peek(1) != "]" and len(low.ranges) == 1:
                self.take()
                low = Chars(((low.ranges[0][0], self._class_member().ranges[0][1]),))
            ranges += low.ranges
        self.take()
        return ~Chars(tuple(ranges)) if negated else Chars(tuple(ranges))

    def _class_member(self) -> Chars:
        sign = self.take()
        if sign == "\\" and self.peek() == "b":  # inside a class, \b means a backspace
            self.take()
            return _one(8)
        return self.escape() if sign == "\\" else _one(ord(sign))


def _one(code: int) -> Chars:
    return Chars(((code, code),))

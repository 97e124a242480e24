"""Guess how lists, strings, dictionaries and numbers were changed, and describe what wrong results look like."""

import ast
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.detecting.changes import Change, of_the_result
from llmlib.exercises.engine.detecting.guess import Guess
from llmlib.exercises.engine.reasons import Finding, Strength
from llmlib.exercises.engine.trials import Trial


def guesses(expected: Any) -> Iterator[Guess]:
    """Yield guesses about how a wrong result may differ from the expected one."""
    if isinstance(expected, float):
        yield from OF_NUMBERS
    else:
        yield from of_the_result(changes(expected))
        yield from next((looks for kind, looks in LOOKS.items() if isinstance(expected, kind)), ())


def changes(value: Any) -> tuple[Change, ...]:
    """Return the changes that an attempt may have made to a value of this type."""
    return next((changes for kind, changes in CHANGES.items() if isinstance(value, kind)), ())


BOOL = (Change(lambda x: not x, argument=("negated", "is negated")),)

INT = (
    Change(lambda x: x + 1, argument=("one larger", "is one larger")),
    Change(lambda x: x - 1, argument=("one smaller", "is one smaller")),
    Change(lambda x: 0, argument=("taken for 0", "is treated as 0")),
    Change(lambda x: 1, argument=("taken for 1", "is treated as 1")),
    Change(lambda x: -1 - x, argument=("counted from the end", "is counted from the other end")),
    Change(lambda x: 2 * x, argument=("doubled", "is twice as large")),
    Change(lambda x: x // 2, argument=("halved", "is half as large")),
)

LIST = (
    Change(
        lambda x: x[::-1],
        Finding("turned around", "Your list is the expected one in reverse order."),
        argument=("turned around", "is reversed"),
    ),
    Change(
        lambda x: type(x)(sorted(x)),
        Finding("sorted", "Your list has the right items, but they are sorted.", "In what order should they be?"),
        argument=("sorted", "is sorted"),
    ),
    Change(
        lambda x: sorted(x, reverse=True),
        Finding("sorted", "Your list has the right items, but they are sorted from largest to smallest."),
    ),
    Change(
        lambda x: x[:-1],
        Finding("last item lost", "The last item is missing; all other items are right.", "Where does your loop end?"),
        Finding(
            "one item too many at the end",
            "There is an extra item at the end; all other items are right.",
            "When does your loop stop?",
        ),
        ("last item left out", "lacks its last item"),
    ),
    Change(
        lambda x: x[1:],
        Finding(
            "first item lost", "The first item is missing; all other items are right.", "Where does your loop begin?"
        ),
        Finding(
            "one item too many at the beginning",
            "There is an extra item at the beginning; all other items are right.",
        ),
        ("first item left out", "lacks its first item"),
    ),
    Change(
        lambda x: x[:1],
        Finding(
            "only the first item",
            "Your list has only the first item of the expected one.",
            "Is `return` inside the loop?",
        ),
        argument=("first item only", "has only its first item"),
    ),
    Change(
        lambda x: x[-1:],
        Finding("only the last item", "Your list has only the last item of the expected one."),
        argument=("last item only", "has only its last item"),
    ),
    Change(
        lambda x: type(x)(dict.fromkeys(x)),
        Finding("repeated items lost", "Your list has each item only once, but some items should occur several times."),
        Finding("repeated items", "Your list has some items more than once."),
        ("distinct items only", "holds each item only once"),
    ),
    Change(
        lambda x: type(x)(i[::-1] for i in x),
        Finding("items turned around", "Each item is reversed: its parts are swapped."),
        argument=("items turned around", "has all its items reversed"),
    ),
    Change(
        lambda x: [i[0] for i in x],
        Finding("first parts only", "Your list has only the first part of each item."),
        Finding(
            "items with something else",
            "Each of your items contains the expected item, along with something else.",
            "What exactly should be in the list?",
        ),
    ),
    Change(
        lambda x: [p for i in x for p in i],
        Finding("flattened", "Your list contains the parts of the items one after the other, without grouping them."),
    ),
    Change(len, Finding("their number", "You return the number of items.")),
    Change(lambda x: type(x)(i + 1 for i in x), argument=("one larger in each item", "has 1 added to each item")),
    Change(
        lambda x: type(x)(i - 1 for i in x), argument=("one smaller in each item", "has 1 subtracted from each item")
    ),
    Change(lambda x: [], argument=("empty", "is empty, as if your function did not use it")),
)


def _number(x: Any) -> float:
    if not isinstance(x, (int, float)):
        raise ValueError("the item is not a number")
    return x


TUPLE = (
    Change(
        lambda x: x[::-1],
        Finding("turned around", "The items of your result are swapped.", "Which item does the task mention first?"),
    ),
    Change(lambda x: x[0], Finding("first alone", "You return only the first of the two results.")),
    Change(lambda x: (_number(x[0]) + 1, *x[1:]), Finding("first one larger", "The first number is one too large.")),
    Change(lambda x: x[1], Finding("second alone", "You return only the second of the two results.")),
    Change(
        lambda x: (x[0], _number(x[1]) + 1, *x[2:]), Finding("second one larger", "The second number is one too large.")
    ),
    *(Change(change.do, argument=change.argument) for change in LIST[:-1] if change.argument),
)

TEXT = (
    Change(
        lambda x: x[::-1],
        Finding("turned around", "Your string is the expected one in reverse order."),
        argument=("turned around", "is reversed"),
    ),
    Change(
        str.lower,
        Finding("small letters", "Your string is in lower case."),
        argument=("in small letters", "is in lower case"),
    ),
    Change(str.upper, argument=("in capitals", "is in upper case")),
    Change(
        str.strip,
        Finding("spaces around it lost", "Spaces at the beginning or the end are missing."),
        argument=("stripped", "is stripped of the spaces around it"),
    ),
    Change(
        lambda x: x.replace(" ", ""),
        Finding("spaces lost", "The spaces are missing."),
        Finding("spaces too many", "There are extra spaces; everything else is right."),
        ("without spaces", "has no spaces"),
    ),
    Change(
        lambda x: x[:-1],
        Finding("last character lost", "The last character is missing."),
        argument=("last character left out", "lacks its last character"),
    ),
    Change(
        lambda x: x[1:],
        Finding("first character lost", "The first character is missing."),
        argument=("first character left out", "lacks its first character"),
    ),
    Change(
        lambda x: x.replace("�", ""),
        Finding(
            "� lost",
            "The replacement characters � are missing; everything else is right.",
            "What should happen to bytes that are not valid UTF-8?",
        ),
    ),
    Change(lambda x: x.replace("�", "?"), Finding("? for �", "You have “?” where � is expected.")),
    Change(
        str.encode,
        Finding(
            "bytes returned",
            "Your result contains the right bytes, but is not yet a string.",
            "`.decode` turns bytes into text.",
        ),
    ),
    Change(repr, Finding("written out", "Your string is the right one, with quotes around it as Python prints it.")),
    Change(
        lambda x: x.encode("ascii", "ignore").decode(),
        argument=("non-ASCII lost", "has lost all characters that are not ASCII"),
    ),
    Change(
        lambda x: x.encode("ascii", "replace").decode(),
        argument=("non-ASCII replaced", "has “?” for all characters that are not ASCII"),
    ),
    Change(lambda x: " ".join(dict.fromkeys(x.split())), argument=("distinct words only", "holds each word only once")),
    Change(lambda x: " " + x, argument=("space put before", "begins with a space")),
)

MAPPING = (
    Change(
        lambda x: {k[::-1]: v for k, v in x.items()},
        Finding("keys turned around", "The keys are reversed: (b, a) instead of (a, b)."),
        argument=("keys reversed", "has each key reversed"),
    ),
    Change(
        lambda x: dict.fromkeys(x, 1),
        Finding("all counts 1", "Every count is 1.", "Do you set a count where you should increase it?"),
        argument=("counts taken for 1", "has the value 1 for every key"),
    ),
    Change(
        lambda x: {k: v + 1 for k, v in x.items()},
        Finding("counts off by one", "Every count is one too large."),
    ),
    Change(
        lambda x: {k: v - 1 for k, v in x.items()},
        Finding("counts off by one", "Every count is one too small.", "Which count should a new key begin with?"),
    ),
    Change(
        lambda x: list(x.items()),
        Finding(
            "items returned", "You return a list of keys with their counts.", "`dict(...)` turns it into a dictionary."
        ),
    ),
    Change(list, Finding("keys alone", "You return the keys without their counts.")),
    Change(lambda x: list(x.values()), Finding("counts alone", "You return the counts without their keys.")),
    Change(lambda x: sum(x.values()), Finding("their sum", "You return one number, the sum of all counts.")),
    Change(lambda x: dict(list(x.items())[:1]), argument=("first entry only", "has only its first entry")),
    Change(lambda x: dict(list(x.items())[1:]), argument=("first entry left out", "lacks its first entry")),
    Change(lambda x: dict(list(x.items())[:-1]), argument=("last entry left out", "lacks its last entry")),
)

CHANGES: dict[type, tuple[Change, ...]] = {bool: BOOL, int: INT, list: LIST, tuple: TUPLE, str: TEXT, dict: MAPPING}


def _shown(
    name: str, says: str, fits: Callable[[Any, Any], bool], look: str = "", strength: Strength = "sure"
) -> Guess:
    """Make a guess that says how the wrong results differ from the expected ones. The guess ignores correct results."""
    return Guess(Finding(name, says, look, strength), partial(_if_wrong, fits))


def _if_wrong(fits: Callable[[Any, Any], bool], trial: Trial, base: Any) -> bool:
    if not trial.wrong:
        raise ValueError("a case with a right answer cannot confirm the guess")
    return fits(trial.got, base)


def _off_by_one(got: list[int], base: list[int]) -> bool:
    if not base or not all(isinstance(i, int) for i in base) or len(base) != len(got):
        raise ValueError("the lists do not contain the same number of integers")
    return {mine - right for mine, right in zip(got, base)} in ({0, 1}, {0, -1}, {1}, {-1})


def _is_bytes_written_out(got: str, base: str) -> bool:
    if not got.startswith(("b'", 'b"')):
        return False
    written = ast.literal_eval(got)
    return isinstance(written, bytes) and written.decode(errors="replace") == base


def _have_other_keys(got: dict[Any, Any], base: dict[Any, Any]) -> bool:
    kinds = [{type(key) for key in counts} for counts in (got, base)]
    return _are_counts(base) and kinds[0].isdisjoint(kinds[1]) and sorted(got.values()) == sorted(base.values())


def _are_counts(values: dict[Any, Any]) -> bool:
    return all(type(value) is int for value in values.values())


LOOKS: dict[type, tuple[Guess, ...]] = {
    list: (
        _shown(
            "right items in another order",
            "The items are right, but their order is not.",
            lambda got, base: len(got) == len(base) and sorted(got) == sorted(base),
            strength="sign",
        ),
        _shown(
            "cut short",
            "Your list begins correctly, but ends too early.",
            lambda got, base: len(got) < len(base) and base[: len(got)] == got,
            "What stops your loop?",
            "sign",
        ),
        _shown(
            "goes on too long",
            "Your list begins correctly, but goes on for too long.",
            lambda got, base: len(got) > len(base) and got[: len(base)] == base,
            "What should stop your loop?",
            "sign",
        ),
        _shown(
            "numbers off by one",
            "Some numbers are off by one; all other numbers are right.",
            _off_by_one,
            "Do you count something from 1 that should count from 0, or the other way round?",
        ),
    ),
    str: (
        _shown(
            "bytes written out",
            "Your string is what Python prints for bytes, with b'…' around it: `str(...)` does not decode.",
            _is_bytes_written_out,
            "`.decode` turns bytes into text.",
        ),
        _shown(
            "spaces between",
            "Apart from the spaces, your string is right.",
            lambda got, base: got.replace(" ", "") == base.replace(" ", ""),
            "Where do spaces come from in this task?",
            "sign",
        ),
        _shown(
            "other number of �",
            "Only the number of � characters is wrong.",
            lambda got, base: got.replace("�", "") == base.replace("�", ""),
            "How many bytes does one � stand for? What decides that?",
            "sign",
        ),
    ),
    dict: (
        _shown(
            "keys right, counts wrong",
            "The keys are right; the counts are not.",
            lambda got, base: _are_counts(base) and got.keys() == base.keys(),
            "Follow the count of one key: how often do you add to it, and how much do you add each time?",
            "sign",
        ),
        _shown(
            "keys of another kind",
            "Your keys have the wrong type; the counts are right.",
            _have_other_keys,
            "Which type should a key have? Do you convert each key before you count it?",
        ),
        _shown(
            "keys missing",
            "Some keys are missing; all other entries are right.",
            lambda got, base: got.items() < base.items(),
            "Which keys does your code never reach?",
            "sign",
        ),
        _shown(
            "keys too many",
            "There are extra keys; all other entries are right.",
            lambda got, base: got.items() > base.items(),
            "Where do the extra keys come from?",
            "sign",
        ),
    ),
}


def _of_number(name: str, says: str, do: Callable[[Any], Any]) -> Guess:
    """Make a guess. Numbers that `do` does not change and correct 0s and 1s (often special cases) cannot confirm it."""

    def fits(trial: Trial, base: float) -> bool:
        if equal(base, do(base)) or (not trial.wrong and base in (0, 1)):
            raise ValueError("this case cannot confirm the guess")
        return equal(do(base), trial.got)

    return Guess(Finding(name, says), fits)


def _near(trial: Trial, base: float) -> bool:
    if not trial.wrong:
        raise ValueError("a case with a right answer cannot confirm the guess")
    return abs(trial.got / base - 1) < NEAR


NEAR = 0.1  # the largest error, as a fraction of the expected number

OF_NUMBERS = (
    _of_number("sign flipped", "Your number has the opposite sign.", lambda x: -x),
    _of_number("complement", "Your number is 1 minus the expected one.", lambda x: 1 - x),
    _of_number("inverse taken", "Your number is 1 divided by the expected one.", lambda x: 1 / x),
    _of_number("per cent", "Your number is a percentage: 100 times the expected one.", lambda x: 100 * x),
    _of_number("squared", "Your number is the square of the expected one.", lambda x: x * x),
    _of_number("root taken", "Your number is the square root of the expected one.", lambda x: x**0.5),
    _of_number("cut to a whole number", "Your number has its decimals cut off.", lambda x: int(x) * 1.0),
    Guess(
        Finding(
            "near the expected number",
            "Where your number is wrong, it is still within 10% of the expected one.",
            "Do you search, round or stop early where a formula yields the exact number?",
            "sign",
        ),
        _near,
    ),
)

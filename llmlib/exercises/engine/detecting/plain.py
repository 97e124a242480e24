"""Guesses about lists, texts, dictionaries and numbers, made from the expected result."""

import ast
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.detecting.guess import Finding, Guess
from llmlib.exercises.engine.trials import Trial


def _after(name: str, says: str, change: Callable[[Any], Any], look: str = "") -> Guess:
    return Guess(Finding(name, says, look), lambda trial, base: equal(change(base), trial.got))


def _shown(finding: Finding, fits: Callable[[Trial, Any], bool]) -> Guess:
    """A guess at what wrong results look like; right ones say nothing of it."""
    return Guess(finding, partial(_if_wrong, fits))


def _if_wrong(fits: Callable[[Trial, Any], bool], trial: Trial, base: Any) -> bool:
    if not trial.wrong:
        raise ValueError("this case says nothing")
    return fits(trial, base)


def _undone(name: str, says: str, change: Callable[[Any], Any], look: str = "") -> Guess:
    return _shown(
        Finding(name, says, look),
        lambda trial, base: type(base) is type(trial.got) and base != trial.got and equal(base, change(trial.got)),
    )


def of_list() -> Iterator[Guess]:
    yield _after("turned around", "Your list is the expected one from back to front.", lambda x: x[::-1])
    yield _after("sorted", "Your list has the right items, but sorted.", sorted, "Which order does the task name?")
    yield _after(
        "sorted", "Your list has the right items, but sorted from large to small.", lambda x: sorted(x, reverse=True)
    )
    yield _after(
        "last item lost",
        "The last item is missing; all others are right.",
        lambda x: x[:-1],
        "Where does your loop end?",
    )
    yield _after(
        "first item lost",
        "The first item is missing; all others are right.",
        lambda x: x[1:],
        "Where does your loop begin?",
    )
    yield _after(
        "only the first item",
        "There is only the first item of the expected list.",
        lambda x: x[:1],
        "Is `return` inside the loop?",
    )
    yield _after("only the last item", "There is only the last item of the expected list.", lambda x: x[-1:])
    yield _after("repeated items lost", "Items that come again are missing.", lambda x: list(dict.fromkeys(x)))
    yield _after(
        "items turned around", "Each item is turned around: its parts are swapped.", lambda x: [i[::-1] for i in x]
    )
    yield _after("first parts only", "Only the first part of each item is there.", lambda x: [i[0] for i in x])
    yield _after(
        "flattened",
        "The items' parts stand one after the other, without being grouped.",
        lambda x: [p for i in x for p in i],
    )
    yield _after("their number", "You return how many items there are.", len)
    yield _undone(
        "one item too many at the end",
        "There is one item too many at the end; the others are right.",
        lambda x: x[:-1],
        "When does your loop stop?",
    )
    yield _undone(
        "one item too many at the beginning",
        "There is one item too many at the beginning; the others are right.",
        lambda x: x[1:],
    )
    yield _undone(
        "items with something else",
        "Each of your items holds the expected one together with something else.",
        lambda x: [i[0] for i in x],
        "What exactly should stand in the list?",
    )
    yield _undone("repeated items", "Items stand in your list more than once.", lambda x: list(dict.fromkeys(x)))
    yield _shown(
        Finding("right items in another order", "The items are right, and their order is not.", weak=True),
        lambda t, b: len(t.got) == len(b) and sorted(t.got) == sorted(b),
    )
    yield _shown(
        Finding("cut short", "Your list begins rightly and ends too early.", "What stops your loop?", weak=True),
        lambda t, b: len(t.got) < len(b) and b[: len(t.got)] == t.got,
    )
    yield _shown(
        Finding(
            "goes on too long",
            "Your list begins rightly and goes on for too long.",
            "What should stop your loop?",
            weak=True,
        ),
        lambda t, b: len(t.got) > len(b) and t.got[: len(b)] == b,
    )
    yield _shown(
        Finding(
            "numbers off by one",
            "Some numbers are off by one: all others are right.",
            "Is something counted from 1 that begins at 0, or the reverse?",
        ),
        _off_by_one,
    )


def _off_by_one(trial: Trial, base: Any) -> bool:
    if not base or not all(isinstance(i, int) for i in base) or len(base) != len(trial.got):
        raise ValueError("no numbers")
    steps = {mine - right for mine, right in zip(trial.got, base)}
    return steps in ({0, 1}, {0, -1}, {1}, {-1})


def of_text() -> Iterator[Guess]:
    yield _after("turned around", "Your text is the expected one from back to front.", lambda x: x[::-1])
    yield _after("spaces around it lost", "Spaces at the beginning or the end are missing.", str.strip)
    yield _after("spaces lost", "The spaces are missing.", lambda x: x.replace(" ", ""))
    yield _after(
        "� lost",
        "The replacement characters � are missing; all else is right.",
        lambda x: x.replace("�", ""),
        "What should become of bytes that are no text?",
    )
    yield _after("? for �", "You have “?” where � is expected.", lambda x: x.replace("�", "?"))
    yield _after("small letters", "Your text is in small letters.", str.lower)
    yield _after("last character lost", "The last character is missing.", lambda x: x[:-1])
    yield _after("first character lost", "The first character is missing.", lambda x: x[1:])
    yield _after(
        "bytes returned",
        "Your result is the right bytes, not yet a text.",
        str.encode,
        "`.decode` makes text of bytes.",
    )
    yield _after("written out", "Your text is the right one as Python writes it, with its quotes.", repr)
    says = "Your text is what Python writes for bytes, with b'…' around it: `str(...)` does not decode."
    look = "`.decode` makes text of bytes."
    yield _shown(Finding("bytes written out", says, look), _is_bytes_written_out)
    yield _undone("spaces too many", "There are extra spaces; everything else is right.", lambda x: x.replace(" ", ""))
    yield _shown(
        Finding(
            "spaces between",
            "Apart from spaces your text is the right one.",
            "Where do spaces come from in this task?",
            weak=True,
        ),
        lambda t, b: t.got.replace(" ", "") == b.replace(" ", ""),
    )
    yield _shown(
        Finding(
            "other number of �",
            "Only the number of � differs.",
            "How many bytes does one � stand for? Who decides that?",
            weak=True,
        ),
        lambda t, b: t.got.replace("�", "") == b.replace("�", ""),
    )


def _is_bytes_written_out(trial: Trial, base: str) -> bool:
    if not trial.got.startswith(("b'", 'b"')):
        return False
    written = ast.literal_eval(trial.got)
    return isinstance(written, bytes) and written.decode(errors="replace") == base


def of_mapping() -> Iterator[Guess]:
    yield _after(
        "keys turned around",
        "The keys are turned around: (b, a) in place of (a, b).",
        lambda x: {k[::-1]: v for k, v in x.items()},
    )
    yield _after(
        "all counts 1", "Every count is 1.", lambda x: dict.fromkeys(x, 1), "Is a count set where it should grow?"
    )
    yield _shown(
        Finding(
            "keys right, counts wrong",
            "The keys are right; the counts are not.",
            "Follow one key: how often is it added to, and by how much each time?",
            weak=True,
        ),
        lambda t, b: t.got.keys() == b.keys(),
    )
    yield _shown(
        Finding(
            "keys of another kind",
            "Your keys are of the wrong kind; the counts are right.",
            "Of which type is a pair, and what do you make of it before you count?",
        ),
        lambda t, b: (
            {type(key) for key in t.got}.isdisjoint({type(key) for key in b})
            and sorted(t.got.values()) == sorted(b.values())
        ),
    )
    yield _after("counts off by one", "Every count is one too large.", lambda x: {k: v + 1 for k, v in x.items()})
    yield _after(
        "counts off by one",
        "Every count is one too small.",
        lambda x: {k: v - 1 for k, v in x.items()},
        "What does a key that is new begin with?",
    )
    yield _after(
        "items returned",
        "You return a list of keys with their counts.",
        lambda x: list(x.items()),
        "`dict(...)` makes a dictionary of it.",
    )
    yield _after("keys alone", "You return the keys without their counts.", list)
    yield _after("counts alone", "You return the counts without their keys.", lambda x: list(x.values()))
    yield _after("their sum", "You return one number, the sum of all counts.", lambda x: sum(x.values()))
    yield _shown(
        Finding(
            "keys missing",
            "Keys are missing; those that are there have the right counts.",
            "Which pairs does your loop never reach?",
            weak=True,
        ),
        lambda t, b: t.got.items() < b.items(),
    )
    yield _shown(
        Finding(
            "keys too many",
            "There are extra keys; the others are right.",
            "Where do the others come from?",
            weak=True,
        ),
        lambda t, b: t.got.items() > b.items(),
    )


def of_tuple() -> Iterator[Guess]:
    yield _after(
        "turned around",
        "The items of your result are swapped.",
        lambda x: x[::-1],
        "Which one does the task name first?",
    )
    yield from _of_item(0, "first")
    yield from _of_item(1, "second")


def _of_item(i: int, which: str) -> Iterator[Guess]:
    yield _after(f"{which} alone", f"You return the {which} of the two results alone.", lambda x: x[i])
    says = f"The {which} number is one too large."
    yield _after(f"{which} one larger", says, lambda x: tuple(v + (j == i) for j, v in enumerate(x)))


def of_number() -> Iterator[Guess]:
    yield _of_number("sign flipped", "Your number has the opposite sign.", lambda x: -x)
    yield _of_number("complement", "Your number is 1 minus the expected one.", lambda x: 1 - x)
    yield _of_number("inverse taken", "Your number is 1 divided by the expected one.", lambda x: 1 / x)
    yield _of_number("per cent", "Your number is in per cent: 100 times the expected one.", lambda x: 100 * x)
    yield _of_number("squared", "Your number is the square of the expected one.", lambda x: x * x)
    yield _of_number("root taken", "Your number is the root of the expected one.", lambda x: x**0.5)
    yield _of_number(
        "cut to a whole number", "Your number has lost its digits after the point.", lambda x: int(x) * 1.0
    )


def _of_number(name: str, says: str, change: Callable[[Any], Any]) -> Guess:
    """Cases in which the change makes no difference say nothing."""

    def fits(trial: Trial, base: Any) -> bool:
        if equal(base, change(base)):
            raise ValueError("this case says nothing")
        return equal(change(base), trial.got)

    return _shown(Finding(name, says), fits)


def guesses(expected: Any) -> Iterator[Guess]:
    if isinstance(expected, float):
        yield from of_number()
    elif isinstance(expected, tuple):
        yield from of_tuple()
    elif isinstance(expected, list):
        yield from of_list()
    elif isinstance(expected, str):
        yield from of_text()
    elif isinstance(expected, dict):
        yield from of_mapping()

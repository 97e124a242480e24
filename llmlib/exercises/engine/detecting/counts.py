"""Explain a whole number that is too large or too small by finding a part of the formula that is extra or missing."""

import itertools
import math
from collections.abc import Iterator

from llmlib.exercises.engine.detecting.guess import Guess
from llmlib.exercises.engine.detecting.naming import sizes
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.reasons import Finding

FACTORS = 3  # a part is a product of at most this many sizes
TIMES = 4  # the difference is at most this many times the part
CASES = 3  # at least this many cases have to agree


def parts(e: Examination) -> Iterator[Guess]:
    """Yield a guess with the simplest product of sizes that accounts for the whole difference in every case."""
    ran = [t for t in e.trials if type(t.got) is int and type(t.expected) is int]
    if len(ran) < max(CASES, len(e.trials)) or sum(t.wrong for t in ran) < CASES:
        return
    measured = [(sizes(e.exercise, t), t.got - t.expected) for t in ran]
    names = [name for name in measured[0][0] if all(name in s for s, _ in measured)]
    for n in range(1, FACTORS + 1):
        for product in itertools.combinations_with_replacement(names, n):
            ratios = {_ratio(difference, math.prod(s[name] for name in product)) for s, difference in measured}
            times = ratios.pop()
            if not ratios and times and abs(times) <= TIMES:
                yield Guess(_finding(product, times), lambda trial, _base: trial.wrong)
                return


def _ratio(difference: int, product: int) -> int | None:
    return difference // product if product and difference % product == 0 else None


def _finding(product: tuple[str, ...], times: int) -> Finding:
    amount = " · ".join([str(abs(times))] * (abs(times) > 1) + list(product))
    way, look = (
        ("large", "Which part of your formula is counted once too often, or does not belong there?")
        if times > 0
        else ("small", "Which part is missing from your formula, or is not counted often enough?")
    )
    return Finding(f"{amount} too {way}", f"In every case, your number is too {way} by {amount}.", look)

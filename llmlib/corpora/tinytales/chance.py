"""Provide the tales' only source of randomness: its numbers are the same on every machine and in every Python version.

Python promises that ``random.Random.random()`` never changes, but does not promise this for other methods, so we only
call ``random()``.
"""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")
MASK = 2**64 - 1


def mix(*values: int) -> int:
    """Mix ``values`` into a 64-bit number, in which each bit depends on every bit of every value.

    This is the finaliser of splitmix64 (Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators").

    >>> mix(0, 1) == mix(0, 1), mix(0, 1) == mix(1, 0)
    (True, False)
    """
    state = 0
    for value in values:
        state = (state + (value & MASK) + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state


@cache
def _up_to_rank(n: int) -> list[float]:
    return list(accumulate(1 / rank for rank in range(1, n + 1)))


def zipf(chance: float, n: int) -> int:
    """Use a number from 0 to 1 to pick one of ``n`` options by Zipf's law.

    The second option comes up half as often as the first, the third a third as often, and so on. The words in any
    natural text follow this pattern: a few are everywhere, and most are rare. We use only sums and quotients, which,
    unlike powers, are the same on every machine. Source: Zipf (1949), "Human Behavior and the Principle of Least
    Effort".

    >>> [zipf(chance, 3) for chance in (0.0, 0.5, 0.6, 0.8, 0.9)]
    [0, 0, 1, 1, 2]
    """
    sums = _up_to_rank(n)
    return min(bisect(sums, chance * sums[-1]), n - 1)


class Dice:
    """Makes random choices that depend only on the given integers."""

    def __init__(self, *seeds: int) -> None:
        self.random: Callable[[], float] = random.Random(mix(*seeds)).random

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def favourite(self, options: Sequence[T]) -> T:
        """Return one of ``options``; by Zipf's law, earlier options come up more often."""
        return options[zipf(self.random(), len(options))]

    def sample(self, options: Sequence[T], n: int) -> list[T]:
        """Return ``n`` distinct options in random order, or all options if there are fewer than ``n``."""
        pool = list(options)
        return [pool.pop(int(self.random() * len(pool))) for _ in range(min(n, len(pool)))]

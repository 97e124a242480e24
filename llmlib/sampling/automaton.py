"""Describe sets of texts with automata over bytes: which byte may come next, and may the text end here?

A pattern is a tree with four kinds of nodes. It is turned into a machine with many possible next states (Thompson,
1968, "Regular Expression Search Algorithm"), and then into a machine with a single next state for each byte (Rabin
and Scott, 1959). Finally, all states that cannot lead to an end are removed.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

LAST = 0x10FFFF  # the largest code point in Unicode
MOST_STATES = 20_000
TOO_LARGE = (
    f"The pattern is too large, with more than {MOST_STATES:,} states: use smaller counts in its repetitions "
    "(in a schema: maxLength, maxItems)."
)
TOO_DEEP = (
    "The pattern is nested too deeply: use fewer brackets inside brackets (in a schema: fewer parts inside parts, "
    "or fewer optional members)."
)


class ConstraintError(ValueError):
    """Raised when a constraint is not supported, is too large, or cannot be met by any text.

    The message says which part causes the problem.
    """


@dataclass(frozen=True)
class Chars:
    """A pattern for one character from any of these ranges of code points; a range includes both ends."""

    ranges: tuple[tuple[int, int], ...]

    def __invert__(self) -> "Chars":
        """Return a pattern for one character that is not in these ranges."""
        gaps, start = [], 0
        for low, high in sorted(self.ranges):
            if start < low:
                gaps.append((start, low - 1))
            start = max(start, high + 1)
        return Chars((*gaps, (start, LAST)) if start <= LAST else tuple(gaps))

    def __and__(self, other: "Chars") -> "Chars":
        return ~Chars((*(~self).ranges, *(~other).ranges))


@dataclass(frozen=True)
class Concatenation:
    parts: tuple["Pattern", ...]


@dataclass(frozen=True)
class OneOf:
    parts: tuple["Pattern", ...]


@dataclass(frozen=True)
class Repeat:
    part: "Pattern"
    least: int = 0
    most: int | None = None  # None means no limit


Pattern = Chars | Concatenation | OneOf | Repeat


def literal(text: str) -> Concatenation:
    """Return a pattern that matches exactly this text."""
    return Concatenation(tuple(Chars(((ord(c), ord(c)),)) for c in text))


@dataclass(frozen=True)
class Automaton:
    """An automaton as a table, in which `moves[state, byte]` is the next state, or 0 if there is none.

    A match ends in an accepting state.
    """

    moves: np.ndarray  # [state, 256], int32
    accepts: np.ndarray  # [state], bool
    start: int = 1

    def read(self, data: bytes, state: int | None = None) -> int:
        """Start in `state` (default: `start`), read these bytes, and return the state that they lead to.

        >>> machine = build(OneOf((literal("yes"), literal("no"))))
        >>> bool(machine.accepts[machine.read(b"no")]), machine.read(b"x")
        (True, 0)
        """
        state = self.start if state is None else state
        for byte in data:
            state = int(self.moves[state, byte])
        return state


def build(pattern: Pattern) -> Automaton:
    """Build the automaton for a pattern.

    Raises `ConstraintError` if no text can match the pattern, or if the automaton needs too many states.
    """
    many = _Many()
    try:
        first = many.add(pattern, end=0)
    except RecursionError:
        raise ConstraintError(TOO_DEEP) from None
    return Automaton(*_single(many, first))


def shared_text(one: Automaton, other: Automaton) -> bytes | None:
    """Return the shortest text that both automata match, or None if there is no such text.

    >>> shared_text(build(literal("no")), build(OneOf((literal("yes"), literal("no")))))
    b'no'
    """
    waiting = [(one.start, other.start, b"")]
    seen = {(one.start, other.start)}
    for mine, theirs, text in waiting:
        if one.accepts[mine] and other.accepts[theirs]:
            return text
        for byte in np.flatnonzero((one.moves[mine] > 0) & (other.moves[theirs] > 0)).tolist():
            reached = int(one.moves[mine, byte]), int(other.moves[theirs, byte])
            if reached not in seen:
                seen.add(reached)
                waiting.append((*reached, text + bytes([byte])))
    return None


@dataclass
class _Many:
    """Builds a machine that can be in several states at once, and ends in state 0."""

    moves: list[list[tuple[int, int, int]]] = field(default_factory=lambda: [[]])  # (first byte, last byte, next state)
    free: list[list[int]] = field(default_factory=lambda: [[]])  # states reached without reading a byte
    _made: dict[tuple[int, int], int] = field(default_factory=dict)
    _closures: dict[frozenset[int], frozenset[int]] = field(default_factory=dict)

    def state(self, moves: Iterable[tuple[int, int, int]] = (), free: Iterable[int] = ()) -> int:
        if len(self.moves) >= 3 * MOST_STATES:
            raise ConstraintError(TOO_LARGE)
        self.moves.append(list(moves))
        self.free.append(list(free))
        return len(self.moves) - 1

    def add(self, pattern: Pattern, end: int) -> int:
        """Add states that read the pattern and then move to `end`, and return the first new state.

        If a node occurs several times in the tree with the same end, the node's states are made only once. Otherwise,
        if all n members of an object are optional, some states would be made 2ⁿ times.
        """
        if (key := (id(pattern), end)) not in self._made:
            self._made[key] = self._add(pattern, end)
        return self._made[key]

    def _add(self, pattern: Pattern, end: int) -> int:
        if isinstance(pattern, Chars):
            return self._chars(pattern, end)
        if isinstance(pattern, Concatenation):
            for part in reversed(pattern.parts):
                end = self.add(part, end)
            return end
        if isinstance(pattern, OneOf):
            return self.state(free=[self.add(part, end) for part in pattern.parts])
        if pattern.most is None:
            first = self.state(free=[end])
            self.free[first].append(self.add(pattern.part, first))
        else:
            first = end
            for _ in range(pattern.most - pattern.least):
                first = self.state(free=[end, self.add(pattern.part, first)])
        for _ in range(pattern.least):
            first = self.add(pattern.part, first)
        return first

    def _chars(self, chars: Chars, end: int) -> int:
        first = self.state()
        for low, high in chars.ranges:
            for ranges in utf8_ranges(low, high):
                target = end
                for lowest, highest in reversed(ranges[1:]):
                    target = self.state(moves=[(lowest, highest, target)])
                self.moves[first].append((*ranges[0], target))
        return first

    def closure(self, states: frozenset[int]) -> frozenset[int]:
        """Follow all moves that need no byte; return the states, given or reached, that read a byte or are the end."""
        if states not in self._closures:
            open_, seen = list(states), set(states)
            while open_:
                for state in self.free[open_.pop()]:
                    if state not in seen:
                        seen.add(state)
                        open_.append(state)
            self._closures[states] = frozenset(state for state in seen if self.moves[state] or state == 0)
        return self._closures[states]


def utf8_ranges(low: int, high: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield sequences of byte ranges that match the code points from `low` to `high` in UTF-8, without surrogates.

    >>> list(utf8_ranges(0x7F, 0x80))
    [((127, 127),), ((194, 194), (128, 128))]
    """
    for edge in (0x7F, 0x7FF, 0xD7FF, 0xDFFF, 0xFFFF):  # where the length in UTF-8 changes, or surrogates begin or end
        if low <= edge < high:
            yield from utf8_ranges(low, edge)
            yield from utf8_ranges(edge + 1, high)
            return
    if 0xD800 <= low <= 0xDFFF:
        return
    first, last = chr(low).encode(), chr(high).encode()
    for bits in range(6, 6 * len(first), 6):  # split until the bytes can vary independently
        tail = (1 << bits) - 1
        if low | tail < high and low & tail:
            yield from utf8_ranges(low, low | tail)
            yield from utf8_ranges((low | tail) + 1, high)
            return
        if high & ~tail > low and high & tail != tail:
            yield from utf8_ranges(low, (high & ~tail) - 1)
            yield from utf8_ranges(high & ~tail, high)
            return
    yield tuple(zip(first, last))


def _single(many: _Many, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Make one state for each set of states that `many` can be in at once; return `moves` and `accepts`.

    A move into a state that cannot reach an end goes to state 0 instead.
    """
    start = many.closure(frozenset({first}))
    known: dict[frozenset[int], int] = {frozenset(): 0, start: 1}
    moves: list[list[tuple[int, int, int]]] = [[]]  # for each state: first byte, last byte, next state
    waiting = [start]
    for states in waiting:
        moves.append([])
        for low, high, targets in _pieces([move for state in states for move in many.moves[state]]):
            reached = many.closure(targets)
            if reached not in known:
                known[reached] = len(known)
                waiting.append(reached)
            moves[-1].append((low, high, known[reached]))
        if len(known) > MOST_STATES:
            raise ConstraintError(TOO_LARGE)
    accepts = np.array([0 in states for states in known])
    alive = backwards(({target for _, _, target in of_state} for of_state in moves), accepts)
    if len(alive) < 2 or not alive[1]:
        raise ConstraintError("No text can meet this constraint.")
    table = np.zeros((len(known), 256), dtype=np.int32)
    for state, of_state in enumerate(moves):
        for low, high, target in of_state:
            if alive[target]:
                table[state, low : high + 1] = target
    return table, accepts


def _pieces(moves: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, frozenset[int]]]:
    """Cut overlapping byte ranges wherever a range begins or ends; yield each piece with all the states it leads to."""
    edges = sorted({edge for low, high, _ in moves for edge in (low, high + 1)})
    for low, end in itertools.pairwise(edges):
        if targets := frozenset(target for first, last, target in moves if first <= low <= last):
            yield low, end - 1, targets


def backwards(targets: Iterable[Iterable[int]], ends: np.ndarray) -> np.ndarray:
    """Return which states can reach one that `ends` (Bool["state"]) marks; `targets` lists each state's next states."""
    before: list[list[int]] = [[] for _ in ends]
    for state, reached in enumerate(targets):
        for target in reached:
            before[target].append(state)
    found = ends.copy()
    open_ = np.flatnonzero(ends).tolist()
    while open_:
        for state in before[open_.pop()]:
            if not found[state]:
                found[state] = True
                open_.append(state)
    return found

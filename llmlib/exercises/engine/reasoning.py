"""Why an attempt is wrong: a listed idea, what computing on its results shows, or the change that would make it right.

The surest and most telling comes first: the exercise's own misconceptions, one or the two that explain every case
exactly; a result that is the expected one, changed; the one change to the code after which all is right; weaker signs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llmlib.exercises.engine.describing import kind
from llmlib.exercises.engine.detecting import (
    Finding,
    about_infinity,
    always_the_same,
    detect,
    detect_beyond,
    idle,
    lead,
    no_copy,
    one_step,
)
from llmlib.exercises.engine.exercise import Exercise, Misconception
from llmlib.exercises.engine.recognising import (
    exactly_one,
    exactly_two,
    one_apart_from_odd,
    one_guarded,
    two_apart_from_odd,
)
from llmlib.exercises.engine.repairing import Edit, Repair, repair
from llmlib.exercises.engine.report import Code, Part, Prose
from llmlib.exercises.engine.trials import Trial
from llmlib.exercises.engine.wording import advice


@dataclass(frozen=True)
class Reason:
    """Ideas, a finding, a repair, or several of them; `open` are cases in which something else is wrong as well."""

    ideas: tuple[Misconception, ...] = ()
    finding: Finding | None = None
    repair: Repair | None = None
    open: tuple[Trial, ...] = ()
    guarded: bool = False  # the ideas are likely, and some cases are treated apart

    def __bool__(self) -> bool:
        return bool(self.ideas or self.finding or self.repair)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(idea.name for idea in self.ideas)

    @property
    def findings(self) -> tuple[str, ...]:
        found = (self.finding.name,) if self.finding else ()
        return (*found, f"in the code: {self.repair.edit.name}") if self.repair else found

    @property
    def parts(self) -> tuple[Part, ...]:
        several = len(self.ideas) > 1 or bool(self.ideas and (self.finding or self.repair))
        parts = advice(self.ideas, first=1 if several else 0)
        if self.guarded:
            parts.insert(
                0, Prose("Where your result is wrong, it is what this idea gives; elsewhere you may guard against it:")
            )
        lead = f"{len(self.ideas) + 1}." if several else ""
        if self.finding:
            parts.append(Prose(self.finding.says, lead))
            parts += [Prose(self.finding.look, "Look at:")] if self.finding.look else []
        if self.repair:
            still = ". This is your line as it is:" if self.repair.code else "."
            parts.append(Prose(f"{_where(self.repair.edit)}{still}", lead))
            parts += [Code(self.repair.code)] if self.repair.code else []
            parts.append(Prose(self.repair.edit.says))
        if self.open and (note := self.open[0].case.note):
            what = "your function raises an exception" if self.open[0].outcome.error else "it is wrong as well"
            parts.append(Prose(f"This does not explain the case “{note}”, in which {what}: look at it by itself."))
        return tuple(parts)


def _where(edit: Edit) -> str:
    if not edit.settled:
        return f"The reason is in line {edit.line}" if edit.line else "The reason is in one place"
    return f"{_which_change(edit)} would make it right in all the cases tried here"


def _which_change(edit: Edit) -> str:
    if len(edit.lines) > 1:
        lines = sorted(set(edit.lines))
        where = f"lines {', '.join(map(str, lines[:-1]))} and {lines[-1]}" if len(lines) > 1 else f"line {lines[0]}"
        return f"The same change at {len(edit.lines)} places, in {where},"
    return f"One change in line {edit.line}" if edit.line else "One change"


def find_reason(exercise: Exercise, attempt: Callable[..., Any], trials: Sequence[Trial]) -> Reason:
    """The reason for a wrong attempt; it is false if none is known."""
    if known := _known(exercise, attempt, trials):
        return known
    if alias := no_copy(attempt, trials):
        return Reason(finding=alias)
    raised = any(t.outcome.error for t in trials)
    if raised and (repaired := repair(exercise, attempt, trials)):
        return Reason(repair=repaired)
    found = detect(exercise, attempt, trials)
    if found and not found.weak:
        return Reason(finding=found)
    if not raised and (repaired := repair(exercise, attempt, trials)):
        return Reason(repair=repaired)
    if found and found.single:
        return Reason(finding=found)
    guarded = one_guarded(exercise, trials)
    if guarded.ideas:
        return Reason(guarded.ideas, open=guarded.open, guarded=True)
    return _two(exercise, trials) or Reason(finding=found)


def _known(exercise: Exercise, attempt: Callable[..., Any], trials: Sequence[Trial]) -> Reason | None:
    """A misconception; infinities; two misconceptions that explain every case; one that leaves odd cases open.

    An attempt whose infinities alone are wrong is odd in every case, and ideas are forgiven odd cases.
    What one step on the results, or one change to the code, explains is not told as two ideas: two can come to the
    same (layers in the other order, and queries exchanged with keys, give the expected result transposed). Nor is a
    result that has nothing of the attempt in it: an input given back, or always the same.
    """
    if one := exactly_one(exercise, trials).ideas:
        return Reason(one)
    if infinity := about_infinity(trials):
        return Reason(finding=infinity)
    if not idle(exercise, trials) and (two := exactly_two(exercise, trials).ideas):
        if step := one_step(exercise, trials):
            return Reason(finding=step)
        repaired = repair(exercise, attempt, trials)
        return Reason(repair=repaired) if repaired else Reason(two)
    if always_the_same(trials):
        return None
    known = one_apart_from_odd(exercise, trials)
    return Reason(known.ideas, open=known.open) if known.ideas else None


def _two(exercise: Exercise, trials: Sequence[Trial]) -> Reason | None:
    """Two ideas apart from odd cases, or an idea and a finding; for results of the right type only."""
    if not all(kind(t.got) == kind(t.expected) for t in trials if t.wrong and not t.odd):
        return None
    two = two_apart_from_odd(exercise, trials)
    if two.ideas:
        return Reason(two.ideas, open=two.open)
    beyond = detect_beyond(exercise, trials)
    return Reason((beyond[1],), beyond[0]) if beyond else None


def find_lead(exercise: Exercise, trials: Sequence[Trial]) -> Reason:
    """Where to look, if no reason is known."""
    found = lead(exercise, trials)
    return Reason(finding=found)

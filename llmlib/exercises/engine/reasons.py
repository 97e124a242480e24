"""Say why an attempt is wrong: a listed misconception, a pattern in its results, or a change that would fix it."""

from dataclasses import dataclass
from typing import Literal

from llmlib.exercises.engine.exercise import Misconception
from llmlib.exercises.engine.repairing.edit import Edit, Repair
from llmlib.exercises.engine.report import Code, Part, Prose
from llmlib.exercises.engine.trials import Trial
from llmlib.exercises.engine.wording import advice

# A "likely" finding may take precedence over two ideas at once; a "sign" is true, but not yet a reason.
Strength = Literal["sure", "likely", "sign"]


@dataclass(frozen=True)
class Finding:
    """A finding about an attempt: a short name, a sentence for the learner, and a hint about where to look."""

    name: str
    says: str
    look: str = ""
    strength: Strength = "sure"


@dataclass(frozen=True)
class Reason:
    """The reason why an attempt is wrong: misconceptions, a finding, a repair, or several of these.

    `open` contains the wrong cases that this reason does not explain.
    """

    ideas: tuple[Misconception, ...] = ()
    finding: Finding | None = None
    repair: Repair | None = None
    open: tuple[Trial, ...] = ()
    guarded: bool = False  # whether the ideas are only likely, because the attempt seems to treat some cases separately

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
        if len(self.ideas) > 1:
            parts.insert(0, Prose("These two mistakes together lead to exactly your results:"))
        if self.guarded:
            parts.insert(0, Prose("This is probably your mistake, since it explains all your wrong values:"))
        lead = f"{len(self.ideas) + 1}." if several else ""
        if self.finding:
            parts.append(Prose(self.finding.says, lead))
            parts += [Prose(self.finding.look, "Look at:")] if self.finding.look else []
        if self.repair:
            still = ". This is your line:" if self.repair.code else "."
            parts.append(Prose(f"{_where(self.repair.edit)}{still}", lead))
            parts += [Code(self.repair.code)] if self.repair.code else []
            parts.append(Prose(self.repair.edit.says))
        if self.open and (note := self.open[0].case.note):
            what = "raises an exception" if self.open[0].outcome.error else "is wrong"
            parts.append(Prose(f"Then look at the case “{note}”, in which your function {what}, too."))
        return tuple(parts)


def _where(edit: Edit) -> str:
    if not edit.settled:
        return f"The mistake is in line {edit.line}" if edit.line else "The mistake is in one spot in your code"
    return f"{_which_change(edit)} would make your function correct in all tested cases"


def _which_change(edit: Edit) -> str:
    if len(edit.lines) > 1:
        lines = sorted(set(edit.lines))
        where = f"lines {', '.join(map(str, lines[:-1]))} and {lines[-1]}" if len(lines) > 1 else f"line {lines[0]}"
        return f"The same change in {len(edit.lines)} spots, in {where},"
    return f"One change in line {edit.line}" if edit.line else "One change"

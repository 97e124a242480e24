"""What an exercise is made of: a task, a reference, cases, misconceptions, probes, hints."""

import inspect
import itertools
import tomllib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from llmlib.exercises.engine.modules import Blueprint, OnWeights


@dataclass(frozen=True)
class Case:
    """Arguments for one call, and what is special about them ("a single token"), if anything."""

    args: tuple[Any, ...]
    note: str = ""
    precision: str = "both"  # "single" or "double": tried only with numbers of this precision
    known: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def recall(self, what: Hashable, find_out: Callable[[], Any]) -> Any:
        """Compute what a function of the course returns for a case; once is enough, for the result never changes."""
        if what not in self.known:
            self.known[what] = find_out()
        return self.known[what]


@dataclass(frozen=True, eq=False)
class Misconception:
    """One wrong idea. `faults` are the keywords that make the exercise's `faulty` function follow it.

    Because ideas are keywords of one function, we can combine two of them, as long as they set different keywords.
    One idea can be written in several ways that give different results somewhere; `forms` are the keywords of the
    other ways.
    """

    name: str
    faults: Mapping[str, Any]
    confuses: str  # what the reader did, and mistook for the right thing
    tempting: str  # why a clever person does it
    nudge: str  # where to look next; never the answer
    forms: Sequence[Mapping[str, Any]] = ()

    @property
    def all_forms(self) -> tuple[Mapping[str, Any], ...]:
        return (self.faults, *self.forms)


class NoValue(Exception):
    """Raised inside a probe if the attempt raised or did not end, so that there is no value to look at."""


@dataclass(frozen=True)
class Probe:
    """A property that every right solution has.

    `broken(call, case)` calls the attempt through `call` and returns a sentence that says how the property
    is broken, or None. The learner reads a `remark`, but it does not make a solution wrong. A probe that
    `explains` looks only at wrong cases, and it gives the reason: it looks into what the attempt does,
    not only at its results. With `beside`, its sentence is also shown beside a listed idea.
    """

    says: str
    broken: Callable[[Callable[..., Any], Case], str | None]
    remark: bool = False
    explains: bool = False
    beside: bool = False


@dataclass(frozen=True)
class Exercise:
    """Everything that `check`, `hint` and `solution` know about one exercise."""

    name: str  # "attention.causal_mask"
    task: str
    reference: Callable[..., Any]  # the library's own, tested function
    cases: Callable[[int], Sequence[Case]]  # from a seed; the small ones first, edge cases among them
    faulty: Callable[..., Any]  # the reference again, with a keyword for each way to go wrong
    misconceptions: tuple[Misconception, ...]
    hints: tuple[str, str, str]
    deepens: str  # one sentence for those who got it right
    minutes: int
    difficulty: int  # 1 to 3
    axes: tuple[str, ...] = ()  # names of the result's axes
    arguments: tuple[str, ...] = ()  # default: the parameters of the reference that have no default
    probes: tuple[Probe, ...] = ()
    helpers: tuple[Callable[..., Any], ...] = ()  # functions that the solution shows too
    makes_module: bool = False  # whether a right solution makes a torch module, which draws its first weights
    double: bool = True  # whether to call with float64 too, and expect the reference's dtype
    blueprint: Blueprint | None = None  # if the reader writes a torch module, not a function

    @property
    def lesson(self) -> str:
        return self.name.partition(".")[0]

    @property
    def argument_names(self) -> tuple[str, ...]:
        """The argument names for the cases' arguments, in order."""
        if self.arguments:
            return self.arguments
        parameters = inspect.signature(self.reference).parameters.values()
        return tuple(p.name for p in parameters if p.default is p.empty)

    @property
    def own(self) -> Any:
        """The library's counterpart of what the reader writes: the reference, or a module's class."""
        return self.blueprint.library if self.blueprint else self.reference

    def as_function(self, attempt: Any) -> Any:
        """The attempt as the cases call it: itself, or a module's class as a function of inputs and weights."""
        return OnWeights(attempt, self.blueprint) if self.blueprint and isinstance(attempt, type) else attempt

    def ideas(self) -> list[tuple[Misconception, ...]]:
        """Each single misconception, then each pair that can be held at the same time."""
        return list(dict.fromkeys(h.ideas for h in (*self.single_hypotheses, *self.pair_hypotheses)))

    @cached_property
    def single_hypotheses(self) -> tuple["Hypothesis", ...]:
        """The misconceptions, in all their forms."""
        return tuple(Hypothesis((idea,), form) for idea in self.misconceptions for form in idea.all_forms)

    @cached_property
    def pair_hypotheses(self) -> tuple["Hypothesis", ...]:
        """Each pair of misconceptions that set different keywords, in all their forms."""
        return tuple(
            Hypothesis(one.ideas + other.ideas, {**one.faults, **other.faults})
            for one, other in itertools.combinations(self.single_hypotheses, 2)
            if one.ideas != other.ideas and not one.faults.keys() & other.faults.keys()
        )


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One or more misconceptions that an attempt may show, with the keywords that give them to `faulty`."""

    ideas: tuple[Misconception, ...]
    faults: Mapping[str, Any]

    @cached_property
    def key(self) -> Hashable:
        return frozenset(self.faults.items())


def with_faults(exercise: Exercise, ideas: Sequence[Misconception]) -> Callable[..., Any]:
    """The solution of somebody who has all of these ideas."""
    faults = {name: value for idea in ideas for name, value in idea.faults.items()}
    return partial(exercise.faulty, **faults)


def texts_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Load the prose of a lesson's exercises, from `texts.toml` in its folder: fields of `Exercise` by short name.

    Line breaks in a text count as spaces.
    """
    content = tomllib.loads((folder / "texts.toml").read_text(encoding="utf-8"))
    lesson = content.pop("lesson")
    return {
        name: {
            "name": f"{lesson}.{name}",
            "minutes": entry["minutes"],
            "difficulty": entry["difficulty"],
            "task": _unwrapped(entry["task"]),
            "hints": tuple(map(_unwrapped, entry["hints"])),
            "deepens": _unwrapped(entry["deepens"]),
            "misconceptions": tuple(
                Misconception(**{key: _unwrapped(value) for key, value in idea.items()})
                for idea in entry["misconceptions"]
            ),
        }
        for name, entry in content.items()
    }


def _unwrapped(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value

"""Define an exercise and its parts: a task, a reference, cases, misconceptions, probes and hints."""

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
    """The arguments of one call, with a note if they are special ("a single token")."""

    args: tuple[Any, ...]
    note: str = ""
    precision: str = "both"  # "single" or "double": try the case only in this precision
    known: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def recall(self, what: Hashable, find_out: Callable[[], Any]) -> Any:
        """Return the value stored for this case under the key `what`; the first call computes it with `find_out`."""
        if what not in self.known:
            self.known[what] = find_out()
        return self.known[what]


@dataclass(frozen=True, eq=False)
class Misconception:
    """A wrong idea. `faults` are the keywords that make the exercise's `faulty` function follow this idea.

    Because ideas are keywords of one function, we can combine two of them, as long as they set different keywords. The
    same idea can be written in several ways, with different results in some cases; `forms` contains the keywords for
    the other ways.
    """

    name: str
    faults: Mapping[str, Any]
    confuses: str  # what the learner did instead of the right thing
    tempting: str  # why this mistake is easy to make
    nudge: str  # where to look next; never the answer
    forms: Sequence[Mapping[str, Any]] = ()

    @property
    def all_forms(self) -> tuple[Mapping[str, Any], ...]:
        return (self.faults, *self.forms)


class NoValue(Exception):
    """Raised inside a probe if the attempt raised an error or did not finish, so there is no value to look at."""


@dataclass(frozen=True)
class Probe:
    """A property that every correct solution has.

    `broken(call, case)` calls the attempt through `call`, and returns a sentence that says how the attempt breaks the
    property, or None if the attempt has the property. If the probe is a `remark`, learners read the sentence, but their
    solution is still accepted. A probe that `explains` finds the reason for wrong cases: it looks at what the attempt
    does, not only at the results. With `beside`, the sentence is also shown when a listed misconception already
    explains the attempt.
    """

    says: str
    broken: Callable[[Callable[..., Any], Case], str | None]
    remark: bool = False
    explains: bool = False
    beside: bool = False


@dataclass(frozen=True)
class Exercise:
    """Everything that `check`, `hint` and `solution` need for one exercise."""

    name: str  # "attention.causal_mask"
    task: str
    reference: Callable[..., Any]  # the library's own function, which is tested
    cases: Callable[[int], Sequence[Case]]  # returns the cases for a seed, small ones first, with edge cases among them
    faulty: Callable[..., Any]  # a copy of the reference, with keyword arguments that switch faults on
    misconceptions: tuple[Misconception, ...]
    hints: tuple[str, str, str]
    deepens: str  # one sentence for learners whose solution is correct
    minutes: int
    difficulty: int  # 1 to 3
    axes: tuple[str, ...] = ()  # names of the result's axes
    arguments: tuple[str, ...] = ()  # if empty, the reference's parameters that have no default
    probes: tuple[Probe, ...] = ()
    helpers: tuple[Callable[..., Any], ...] = ()  # other functions that `solution` shows, too
    makes_module: bool = False  # whether a correct solution makes a torch module, which draws initial weights
    double: bool = True  # whether to try float64 as well, and expect the reference's dtype
    blueprint: Blueprint | None = None  # set if the learner writes a torch module, not a function

    @property
    def lesson(self) -> str:
        return self.name.partition(".")[0]

    @property
    def argument_names(self) -> tuple[str, ...]:
        """The names of the cases' arguments, in order."""
        if self.arguments:
            return self.arguments
        parameters = inspect.signature(self.reference).parameters.values()
        return tuple(p.name for p in parameters if p.default is p.empty)

    @property
    def own(self) -> Any:
        """The library's counterpart to what the learner writes: the reference, or a module's class."""
        return self.blueprint.library if self.blueprint else self.reference

    def as_function(self, attempt: Any) -> Any:
        """Return the attempt as a function of a case's arguments; a class becomes a function of inputs and weights."""
        return OnWeights(attempt, self.blueprint) if self.blueprint and isinstance(attempt, type) else attempt

    def ideas(self) -> list[tuple[Misconception, ...]]:
        """List each misconception on its own, then each pair that somebody can hold at the same time."""
        return list(dict.fromkeys(h.ideas for h in (*self.single_hypotheses, *self.pair_hypotheses)))

    @cached_property
    def single_hypotheses(self) -> tuple["Hypothesis", ...]:
        """The individual misconceptions, in all their forms."""
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
    """One or more misconceptions that an attempt may show, with the keywords for `faulty`."""

    ideas: tuple[Misconception, ...]
    faults: Mapping[str, Any]

    @cached_property
    def key(self) -> Hashable:
        return frozenset(self.faults.items())


def with_faults(exercise: Exercise, ideas: Sequence[Misconception]) -> Callable[..., Any]:
    """Return the solution that somebody with all of these misconceptions would write."""
    faults = {name: value for idea in ideas for name, value in idea.faults.items()}
    return partial(exercise.faulty, **faults)


def texts_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Load the texts of a lesson's exercises from `texts.toml` in its folder.

    The result maps each exercise's short name to fields of `Exercise`. Line breaks in a text count as spaces.
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

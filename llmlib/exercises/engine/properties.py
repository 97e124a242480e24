"""Check that a solution leaves its inputs unchanged, does not depend on chance, and passes the probes."""

import inspect
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch

from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.errors import name_of
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.exercise import Case, NoValue, Probe
from llmlib.exercises.engine.running import Outcome, change_of_model, gradients_left, quietly, run, same_numbers
from llmlib.exercises.engine.trials import Trial

LOOKED_AT = 8  # a probe has to explain the first wrong cases: this many, or all if there are fewer


@dataclass(frozen=True)
class Broken:
    """A broken property: its statement, a sentence that says how the attempt breaks it, and a trial that shows this."""

    says: str
    found: str
    trial: Trial


def broken_property(e: Examination) -> Broken | None:
    for says, broken in GENERAL.items():
        for trial in e.trials:
            if found := broken(e, trial):
                return Broken(says, found, trial)
    return next(broken_probes(e), None)


def explained(e: Examination, beside: bool = False) -> Broken | None:
    """Find a probe that explains every wrong case we look at.

    With `beside`, consider only probes whose sentence is also shown alongside a listed misconception.
    """
    for probe in e.exercise.probes if e.wrong else ():
        if probe.explains and probe.beside >= beside:
            found = list(takewhile(bool, (_asked(probe, e, trial.case) for trial in e.wrong[:LOOKED_AT])))
            if len(found) == len(e.wrong[:LOOKED_AT]):
                return Broken(probe.says, str(found[0]), e.wrong[0])
    return None


def remarks(e: Examination) -> Iterator[str]:
    """Yield remarks on a correct solution."""
    drawn = next((t.outcome.disturbed for t in e.trials if t.outcome.disturbed), None)
    if drawn and not e.exercise.makes_module:
        yield (
            f"Your function draws random numbers from the global state of {' and '.join(drawn)}. The draws do not "
            "change its result, but other code gets different random numbers afterwards."
        )
    yield from (broken.found for broken in broken_probes(e, remarks=True))


def broken_probes(e: Examination, remarks: bool = False) -> Iterator[Broken]:
    """Yield the exercise's own properties that the attempt breaks.

    Remarks are left out; with `remarks`, only remarks are considered.
    """
    for probe in e.exercise.probes:
        if probe.remark == remarks and not probe.explains:
            for trial in e.trials:
                if found := _asked(probe, e, trial.case):
                    yield Broken(probe.says, found, trial)
                    break


GRADIENTS_LEFT = (
    "Your function sets `requires_grad` on `{0}`, which belongs to the caller. In a second call with the same `{0}`, "
    "`backward` would add new gradients to the old ones. Work on a copy: `{1}`."
)
WRITTEN_INTO = (
    "Your function changes the weights that it gets: it writes into `{0}`. Afterwards, the caller has different "
    "weights. Work on a copy: `{1}`."
)


def _unchanged(e: Examination, trial: Trial) -> str | None:
    before, after, changed = trial.case.args, trial.outcome.after, trial.outcome.changed
    if hooks := [text for i in changed if (text := change_of_model(before[i], after[i], e.exercise.task))]:
        return " ".join(hooks)
    names = [f"`{e.exercise.argument_names[i]}`" for i in changed]
    for i in changed:
        if gradients_left(before[i], after[i]):
            name, several = e.exercise.argument_names[i], isinstance(before[i], (list, tuple))
            copied = (
                "[w.detach().clone().requires_grad_() for w in {}]"
                if several
                else "{}.detach().clone().requires_grad_()"
            )
            says = GRADIENTS_LEFT if same_numbers(before[i], after[i]) else WRITTEN_INTO
            return says.format(name, copied.format(name))
    own = (e.exercise.argument_names[i] for i in changed)
    if added := next((name for name in own if _in_place(e, name)), None):
        return (
            f"Your function changes its input {' and '.join(names)}: `+=` writes into a tensor, so the caller's tensor "
            f"changes, too. `{added} = {added} + …` makes a new tensor."
        )
    return f"Your function changes its input {' and '.join(names)}. Work on a copy." if names else None


def _in_place(e: Examination, name: str) -> bool:
    """Return whether the code contains `name += …`."""
    try:
        source = inspect.getsource(e.attempt)
    except (OSError, TypeError):
        return False
    return re.search(rf"^\s*{name} \+= ", source, re.MULTILINE) is not None


def _undisturbed(e: Examination, trial: Trial) -> str | None:
    if not trial.outcome.disturbed or _whatever_is_drawn(e, trial):
        return None
    names = " and ".join(trial.outcome.disturbed)
    drawn = f"Your function draws random numbers from the global random state of {names}."
    advice = (
        "Use the numbers from `draw`."
        if "draw" in e.exercise.argument_names
        else "The task does not need random numbers."
    )
    return f"{drawn} {advice}"


def _repeatable(e: Examination, trial: Trial) -> str | None:
    if not trial.wrong or equal(trial.outcome.value, run(e.attempt, trial.case.args, e.seconds).value):
        return None
    return "For the same input, your function returns two different results. Does it remember something between calls?"


GENERAL = {  # rules for every exercise
    "The inputs stay as they are.": _unchanged,
    "No global randomness is used.": _undisturbed,
    "The same input gives the same result.": _repeatable,
}


def _whatever_is_drawn(e: Examination, trial: Trial) -> bool:
    """Return whether another random state leads to the same result, as with initial weights that are soon replaced."""
    with quietly():
        torch.manual_seed(1)
        random.seed(1)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(1)
        again = run(e.attempt, trial.case.args, e.seconds)
    return not again.error and equal(trial.outcome.value, again.value)


def _asked(probe: Probe, e: Examination, case: Case) -> str | None:
    def call(*args: Any) -> Any:
        outcome = _run_for_gradients(e, args)
        if outcome.error:
            raise NoValue(name_of(outcome.error))
        return outcome.value

    try:
        return probe.broken(call, case)
    except NoValue:
        return None
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):  # the attempt returned something unusable
        return None


def _run_for_gradients(e: Examination, args: tuple[Any, ...]) -> Outcome:
    """Run the attempt on copies of its arguments, or on the originals if a gradient has to flow back to one of them."""
    if any(isinstance(a, torch.Tensor) and a.requires_grad for a in args):
        return run(lambda: e.attempt(*args), (), e.seconds)
    return run(e.attempt, args, e.seconds)

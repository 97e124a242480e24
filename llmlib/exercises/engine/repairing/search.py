"""Try one change after another, within limits, until the attempt is correct."""

import ast
import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from time import monotonic, thread_time
from typing import Any

from torch import nn

from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.properties import broken_probes
from llmlib.exercises.engine.repairing import expressions, missing, moved, repeated, statements
from llmlib.exercises.engine.repairing.edit import Edit, Repair
from llmlib.exercises.engine.repairing.source import Source, source_of
from llmlib.exercises.engine.running import Outcome, duplicate, run, same, within
from llmlib.exercises.engine.trials import Trial, equal_safely

MOST = 1500  # the largest number of changes that we try
PATIENCE = 0.03, 0.5  # the shortest and the longest time limit for one call, in seconds
SLOWER = 4  # time limit for a call, as a multiple of the attempt's time, which depends on how busy the machine is
LONGEST = 30  # we stop after this many calls have reached their time limit
ROOM = 1 << 30  # how many more bytes of memory the process may use while we try changes
SECONDS = 0.3  # the computing time for all changes together, in seconds
FEW = 6  # the number of cases for which we check the properties


def repair(e: Examination) -> Repair | None:
    """Find the first single change that makes all cases pass and breaks no property, or return None."""
    source = source_of(e.attempt)
    if source is None:
        return None
    with _bounded_memory():
        return _search(e.within(SECONDS), source)


def _search(e: Examination, source: Source) -> Repair | None:
    ordered = sorted(e.trials, key=lambda trial: (not trial.wrong, trial.unclear))
    bench = _Bench(ordered[0].case.args)
    patience = _patience(e.attempt, bench)
    late = 0
    numbers = all(isinstance(arg, (int, float)) for arg in ordered[0].case.args)
    last = missing.factors(source.tree) if numbers else iter(())  # not for tensors: with broadcasting, many factors fit
    for number, edit in enumerate(chain(_edits(source.tree), last)):
        if number >= MOST or late >= LONGEST or e.out_of_time:
            return None
        try:
            changed = source.compiled()
        except Exception:  # not a valid program: `break` is outside a loop, or a name is missing
            continue
        began = thread_time()
        outcome, ended = _call(changed, bench, patience)
        if not ended and thread_time() - began < patience / 2:  # the machine was busy with something else
            outcome, ended = _call(changed, bench, patience)
        late += not ended
        right = not outcome.error and equal_safely(ordered[0].expected, outcome.value)
        if right and _all_right(changed, ordered, patience) and _keeps_properties(e, changed, ordered, patience):
            decided = _decided(source, edit, ordered, patience)
            if decided:
                return Repair(_beside_the_task(decided, e.exercise.task), source.lines.get(edit.line, ""))
    return None


def _patience(attempt: Callable[..., Any], bench: "_Bench") -> float:
    least, most = PATIENCE
    started = monotonic()
    _call(attempt, bench, most)
    return min(most, max(least, SLOWER * (monotonic() - started)))


def _decided(source: Source, edit: Edit, trials: Sequence[Trial], patience: float) -> Edit | None:
    """Return the edit, or what to report instead (perhaps nothing) if another change in the same spot is also right.

    This may leave the other change in the tree.
    """
    for rival in edit.rivals:
        rival.slot.set(rival.node)
        try:
            right = _all_right(source.compiled(), trials, patience)
        except Exception:  # not a valid program
            right = False
        if right:
            return rival.instead
    return edit


def _keeps_properties(e: Examination, function: Callable[..., Any], trials: Sequence[Trial], patience: float) -> bool:
    changed = replace(e, attempt=function, trials=tuple(trials[:FEW]), seconds=5 * patience)
    return next(broken_probes(changed), None) is None


def _beside_the_task(edit: Edit, task: str) -> Edit:
    """Make the message vaguer if the task mentions the code to be replaced, as the cause may be next to that code."""
    if not edit.of or not re.search(rf"(?<![\w.]){re.escape(edit.of)}(?![\w.]*\w)", task):
        return edit
    says = f"`{edit.of}` is not right here, though the task mentions it. Does it belong here? What should it apply to?"
    return replace(edit, says=says)


def _edits(tree: ast.Module) -> Iterator[Edit]:
    return chain(
        statements.edits(tree),
        expressions.edits(tree),
        repeated.edits(tree),
        moved.edits(tree),
        missing.names(tree),
        missing.steps(tree),
    )


def _all_right(function: Callable[..., Any], trials: Sequence[Trial], patience: float) -> bool:
    for trial in trials:
        outcome = run(function, trial.case.args, 5 * patience)
        if outcome.error or outcome.changed or not equal_safely(trial.expected, outcome.value):
            return False
    return True


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """On Linux, limit the process's memory while the block runs.

    Under this limit, a change that creates a huge list raises `MemoryError`; a time limit would not stop it.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + ROOM if hard == resource.RLIM_INFINITY else min(used + ROOM, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit if soft == resource.RLIM_INFINITY else min(limit, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class _Bench:
    """Makes fresh copies of a case's arguments; models are slow to copy, so a copy is reused until it changes."""

    def __init__(self, args: tuple[Any, ...]):
        self.args = args
        self.models: dict[int, Any] = {}

    def fresh(self) -> list[Any]:
        return [
            self._model(i, arg) if isinstance(arg, nn.Module) else duplicate(arg) for i, arg in enumerate(self.args)
        ]

    def _model(self, i: int, model: nn.Module) -> nn.Module:
        if i in self.models:
            for part, copy in zip(model.modules(), self.models[i].modules()):
                copy._forward_hooks.clear()  # hooks that the last call left behind
                copy._forward_hooks.update(part._forward_hooks)
        if i not in self.models or not same(model, self.models[i]):
            self.models[i] = duplicate(model)
        return self.models[i]


def _call(function: Callable[..., Any], bench: _Bench, patience: float) -> tuple[Outcome, bool]:
    """Call the function quickly, without the checks of `run`, and also return whether the call finished in time."""
    args = bench.fresh()
    try:
        return Outcome(within(patience, function, *args)), True
    except Exception as error:
        return Outcome(error=error), True
    except BaseException as error:
        return Outcome(error=error), False

"""Hold an attempt at an exercise and its results: everything that the steps in `checking` look at."""

import dis
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from time import thread_time
from types import CodeType
from typing import Any

from llmlib.exercises.engine.comparing import find_difference
from llmlib.exercises.engine.describing import kind
from llmlib.exercises.engine.errors import code_of
from llmlib.exercises.engine.exercise import Exercise
from llmlib.exercises.engine.running import Outcome, run
from llmlib.exercises.engine.trials import Trial, expected_of, kept_cases

QUICK = 0.5  # the time limit, in seconds, for a call that is only made to find the reason
SEARCH = 0.5  # seconds of computing for all steps that look for the reason, so that nobody waits long for a report


@dataclass(frozen=True, eq=False)
class Examination:
    """An attempt, and the cases tried so far.

    `stopped` is the last call, if further calls are pointless because that call did not finish or because the attempt
    has not been written yet. Slow steps stop when this thread's CPU time reaches `until`.
    """

    exercise: Exercise
    attempt: Callable[..., Any]
    trials: tuple[Trial, ...] = ()
    seed: int = 0
    seconds: float = QUICK  # the time limit for one call
    stopped: Trial | None = None
    until: float = math.inf

    def tried(self) -> "Examination":
        """Try the attempt on the cases drawn with `seed`, starting with the small ones."""
        trials: list[Trial] = []
        for case in kept_cases(self.exercise, self.seed):
            outcome = run(self.attempt, case.args, self.seconds)
            if outcome.timed_out or _does_nothing(self.attempt, outcome):
                return replace(self, trials=tuple(trials), stopped=Trial(case, None, outcome, None))
            expected = expected_of(self.exercise, case)
            difference = None if outcome.error else find_difference(expected, outcome.value, self.exercise.axes)
            trials.append(Trial(case, expected, outcome, difference))
        return self.of(trials)

    def tried_again(self) -> "Examination":
        """Also run the attempt on a second random draw of the cases.

        A reason that fits only one of the two draws fits by chance.
        """
        other = replace(self, seed=self.seed + 1, seconds=QUICK).tried()
        return replace(other, trials=(*self.trials, *other.trials), until=thread_time() + SEARCH)

    def within(self, seconds: float) -> "Examination":
        """Return a copy of this examination for a step that may use at most this many seconds of computing time."""
        return replace(self, until=min(self.until, thread_time() + seconds))

    @property
    def out_of_time(self) -> bool:
        return thread_time() > self.until

    def of(self, trials: Iterable[Trial]) -> "Examination":
        return replace(self, trials=tuple(trials))

    @cached_property
    def wrong(self) -> tuple[Trial, ...]:
        return tuple(t for t in self.trials if t.wrong)

    @property
    def raised(self) -> bool:
        return any(t.outcome.error for t in self.trials)

    @cached_property
    def with_values(self) -> "Examination":
        """The examination with only the trials that returned a value, or with no trials if most raised an error."""
        ran = [t for t in self.trials if not t.outcome.error]
        return self.of(ran if 2 * len(ran) >= len(self.trials) else ())

    @property
    def of_the_right_kind(self) -> bool:
        """Whether the wrong results have the right type."""
        return all(kind(t.got) == kind(t.expected) for t in self.wrong if not t.unclear)

    @property
    def example(self) -> Any:
        """Return the expected result of the clearest wrong case, or None if there is no wrong case."""
        wrong = sorted((t for t in self.wrong if t.expected is not None), key=lambda t: t.unclear)
        return wrong[0].expected if wrong else None


IDLE = {
    "RESUME",
    "LOAD_CONST",
    "MAKE_FUNCTION",
    "COPY_FREE_VARS",
    "RETURN_VALUE",
    "RETURN_CONST",
    "NOP",
    "POP_TOP",
    "CACHE",
}


def _does_nothing(attempt: Callable[..., Any], outcome: Outcome) -> bool:
    """Return whether the attempt has yet to be written: it raises NotImplementedError, returns `...`, or is empty."""
    if outcome.error:
        return isinstance(outcome.error, NotImplementedError) and _raised_in_python(outcome.error)
    if outcome.value is not None or (code := code_of(attempt)) is None:
        return outcome.value is ...
    return _is_idle(code)


def _raised_in_python(error: BaseException) -> bool:
    """Return whether a `raise` statement in Python code raised the error.

    Torch itself raises NotImplementedError for unsupported dtypes.
    """
    step = error.__traceback__
    while step and step.tb_next:
        step = step.tb_next
    return step is not None and dis.opname[step.tb_frame.f_code.co_code[step.tb_lasti]] == "RAISE_VARARGS"


def _is_idle(code: CodeType) -> bool:
    """Return whether a function's body contains only `...`, `pass`, a docstring, or functions with such bodies."""
    before = None
    for step in dis.get_instructions(code):
        if isinstance(step.argval, CodeType) and not _is_idle(step.argval):
            return False
        if step.opname not in IDLE and not (step.opname == "STORE_FAST" and before == "MAKE_FUNCTION"):
            return False
        before = step.opname
    return True

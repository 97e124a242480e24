"""Store each part when `check` accepts it, and load the part again when the learner asks for it."""

import contextlib
import inspect
import linecache
import platform
import zlib
from collections.abc import Callable
from typing import Any

from llmlib.exercises.engine import keeping, recording
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.errors import name_of
from llmlib.exercises.engine.keeping import Kept, is_copied
from llmlib.exercises.engine.running import one_thread, quietly, within
from llmlib.exercises.engine.sources import NoSource, Source, source_of
from llmlib.exercises.my_llm.parts import OF_EXERCISE
from llmlib.exercises.my_llm.rewriting import refusal
from llmlib.exercises.registry import find

LONGEST = 5.0  # the time limit for running definitions, in seconds; they usually take hardly any time

# The correct attempts of this session, keyed by exercise, each with its source if the source can run on its own.
checked: dict[str, tuple[Callable[..., Any], Source | None]] = {}
_loaded: dict[str, tuple[Source, Callable[..., Any]]] = {}


class Unfit(Exception):
    """Raised if a saved part cannot be used here; the message is a full sentence that says why."""


def remember(name: str, attempt: Callable[..., Any]) -> str:
    """Store a correct attempt, and return a sentence that says whether that worked."""
    checked[name] = attempt, None
    try:
        source = source_of(attempt, name.partition(".")[2])
        checked[name] = attempt, source
        keeping.keep(name, source, is_from_solution(name, source))
    except NoSource as error:
        return f"Not kept for `mine`: {error}."
    except OSError as error:
        return f"Not kept for `mine`: {keeping.folder()} cannot be written to ({error.strerror or error})."
    except Exception as error:  # an attempt may be anything, and it is correct even if this fails
        return f"Not kept for `mine`: the source of your function cannot be analysed ({name_of(error).rstrip('.')})."
    return f'Kept: `mine("{name}")` returns it in every notebook.' + _not_in_the_file(name, source)


def _not_in_the_file(name: str, source: Source) -> str:
    """Return a warning if `my_llm.py` cannot include this part because it uses llmlib, or else an empty string."""
    with contextlib.suppress(Exception):  # if unusual source raises an error here, `llmlib mine` reports it
        if name in OF_EXERCISE and (why := refusal(source, OF_EXERCISE[name])):
            return f" But it cannot go into your own file, `my_llm.py`: {why}. Write your function without that."
    return ""


def is_from_solution(name: str, source: Source) -> bool:
    """Return whether this source was copied from `solution`, or False if the learner has never called `solution`."""
    if not recording.load().get(name, {}).get("solution_seen"):
        return False
    exercise = find(name)
    return is_copied(source, [inspect.getsource(inspect.unwrap(f)) for f in (exercise.own, *exercise.helpers)])


def as_it_was(name: str) -> Callable[..., Any]:
    """Return the attempt that `check` accepted, with its helpers as they were then, even if they have changed since."""
    attempt, source = checked[name]
    if source is None:
        return attempt
    try:
        function = _loaded_from(name, source) or _define(name, Kept(source))
    except Unfit:
        return attempt
    _loaded[name] = source, function
    return function


def load(name: str, kept: Kept) -> Callable[..., Any]:
    """Load a stored part's function: run its source, and try it on `check`'s cases. Raises `Unfit` if either fails."""
    if known := _loaded_from(name, kept.source):
        return known
    function = _define(name, kept)
    with one_thread():
        report = examine(find(name), function)
    if not report.correct:
        raise Unfit(f"It is no longer correct: {report.heading}")
    _loaded[name] = kept.source, function
    return function


def _loaded_from(name: str, source: Source) -> Callable[..., Any] | None:
    known = _loaded.get(name)
    return known[1] if known and known[0] == source else None


def _define(name: str, kept: Kept) -> Callable[..., Any]:
    """Run a part's source, which defines its function; raise `Unfit` if it does not define a callable."""
    exercise, code = find(name), kept.source.whole
    place = f"<mine: {name}, {zlib.crc32(code.encode()):08x}>"  # unique, as an earlier version may still be in use
    space: dict[str, Any] = {"__name__": f"mine.{name}"}
    try:
        compiled = compile(code, place, "exec")
        with quietly():
            within(LONGEST, exec, compiled, space)
        function = space[kept.source.function]
        if not exercise.blueprint:
            inspect.signature(function).bind(*exercise.argument_names)
    except SyntaxError as error:
        here = platform.python_version()
        other = f" It was kept under Python {kept.python}; this is {here}." if kept.python != here else ""
        raise Unfit(f"This version of Python cannot read it: {error.msg}, line {error.lineno}.{other}") from None
    except KeyError:
        raise Unfit(f"It does not define `{kept.source.function}`.") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Unfit(f"Loading it raised {name_of(error).rstrip('.')}.") from None
    linecache.cache[place] = (len(code), None, code.splitlines(keepends=True), place)  # for tracebacks and reports
    return function

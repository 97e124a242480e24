"""`mine` returns the learner's own function for a part, or the library's, and shows all parts in one picture."""

from collections.abc import Callable
from typing import Any, overload

from llmlib.exercises.engine import keeping
from llmlib.exercises.my_llm.parts import PARTS
from llmlib.exercises.my_llm.picture import Whole, whole_now
from llmlib.exercises.my_llm.remembering import Unfit, as_it_was, checked, load
from llmlib.exercises.registry import find


@overload
def mine(*, here: str = "", trust: bool = False) -> Whole: ...


@overload
def mine(name: str, *, trust: bool = False, earlier: int = 0) -> Callable[..., Any]: ...


def mine(name: str | None = None, *, here: str = "", trust: bool = False, earlier: int = 0) -> Any:
    """Return your own function for an exercise, if `check` has accepted one, or else the library's; print which it is.

    A function that you checked in this session comes back as it was then, even if a name that it uses means something
    different in your notebook now. For a function from an earlier session, `mine` runs the source and tries the
    function on `check`'s cases. If your function no longer passes, you get the library's, but yours is kept. Only
    `trust=True` runs code that was not saved here by you, or that has been changed since. `earlier=1` returns the
    version before the latest, if there is one. Raises `KeyError` for an unknown exercise.

    Without a name, `mine` shows which parts of `my_llm.py` are yours, and which part comes next. `here` highlights one
    group, as in `mine(here="Attention")`, and raises `ValueError` for an unknown group. `llmlib mine` writes that file.
    After moving your folder, use `mine(trust=True)` to confirm that everything in it is yours; nothing is run.

    >>> attend = mine("attention.scaled_dot_product")
    attention.scaled_dot_product: the library's function, until check finds one of yours right.
    """
    if name is None:
        for part in PARTS if trust else ():
            kept = keeping.last_kept(part.exercise)
            if kept is not None and not kept.sealed:
                keeping.trust(part.exercise, kept)
        return whole_now(here)
    function, origin = _of(name, trust, earlier)
    print(f"{name}: {origin}")
    return function


def _of(name: str, trust: bool, earlier: int) -> tuple[Callable[..., Any], str]:
    exercise = find(name)
    if name in checked and not earlier:
        return as_it_was(name), "your function, checked in this session."
    versions = keeping.kept_versions(name)
    kept = versions[earlier] if 0 <= earlier < len(versions) else None
    if kept is None and earlier:
        return exercise.own, f"the library's function. {len(versions)} of your versions are kept."
    if kept is None:
        return exercise.own, "the library's function, until check finds one of yours right."
    if not kept.sealed and not trust:
        return exercise.own, (
            f"the library's function. You did not write {keeping.file_of(name)} here, or it has "
            f'been changed since, so it was not run. Read it first; mine("{name}", trust=True) runs it.'
        )
    try:
        function = load(name, kept)
    except Unfit as error:
        return exercise.own, f"the library's function. Yours no longer fits. {error} It stays kept."
    if not kept.sealed:
        keeping.trust(name, kept)
    return function, "the function you took from solution." if kept.borrowed else "your function, kept earlier."

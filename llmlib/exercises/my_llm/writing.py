"""Write `my_llm.py` with the learner's parts that work there, but never overwrite a file changed by hand."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from llmlib.exercises.engine import keeping
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.errors import name_of
from llmlib.exercises.engine.running import one_thread, quietly
from llmlib.exercises.engine.sources import Source
from llmlib.exercises.my_llm.assembling import Assembled, assemble
from llmlib.exercises.my_llm.parts import OF_EXERCISE, PARTS
from llmlib.exercises.my_llm.remembering import Unfit, load
from llmlib.exercises.registry import find
from llmlib.files.atomic import atomic_write

MARK = "# Written by `llmlib mine`, which replaces this file as long as it is unchanged: "


class Refused(ValueError):
    """Raised for a file that we do not overwrite; the message says why, and what to do."""


@dataclass(frozen=True)
class Collected:
    """The learner's parts, keyed by exercise."""

    mine: dict[str, Source]
    shown: frozenset[str]  # taken from `solution`
    refused: dict[str, str]  # why a part is not used


def collect() -> Collected:
    """Run each stored part with a valid seal, try it on its exercise's cases, and collect the parts that pass."""
    mine, shown, refused = {}, set(), {}
    for part in PARTS:
        kept = keeping.last_kept(part.exercise)
        if kept is None:
            continue
        if not kept.sealed:
            refused[part.exercise] = (
                "you did not save it in this folder, or it has been changed since, so it was not run; "
                f'mine("{part.exercise}", trust=True) in a notebook runs it, and saves it as yours'
            )
            continue
        try:
            load(part.exercise, kept)
        except Unfit as error:
            refused[part.exercise] = f"it no longer fits. {str(error).rstrip('.')}"
        else:
            if kept.borrowed:
                shown.add(part.exercise)
            else:
                mine[part.exercise] = kept.source
    return Collected(mine, frozenset(shown), refused)


def compose(collected: Collected) -> Assembled:
    """Compose the file's text from all the parts that are still correct when they are checked again inside the file."""
    refused = dict(collected.refused)
    while True:
        assembled = assemble(collected.mine, collected.shown, refused)
        refused = dict(assembled.refused)
        broken = _broken(assembled)
        if not broken:
            return assembled
        refused |= broken


def _broken(assembled: Assembled) -> dict[str, str]:
    """Find the learner's parts that are no longer correct once all parts are combined, and say why."""
    if not assembled.mine:
        return {}
    try:
        module = as_module(assembled.text)
    except Exception as error:  # we cannot tell which part raises the error
        return dict.fromkeys(assembled.mine, f"together with your other parts, it raises {name_of(error).rstrip('.')}")
    broken = {}
    for exercise in assembled.mine:
        with one_thread():
            report = examine(find(exercise), getattr(module, OF_EXERCISE[exercise].name, None))
        if not report.correct:
            broken[exercise] = f"it is no longer correct inside the file: {report.heading.rstrip('.')}"
    return broken


def as_module(text: str, name: str = "my_llm") -> ModuleType:
    """Run the file's text as a module, and return the module. The file's commands run only in `__main__`."""
    module = ModuleType(name)
    before = sys.modules.get(name)
    sys.modules[name] = module  # a dataclass looks for its module there
    try:
        with quietly():
            exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
    return module


def write(path: Path, text: str) -> None:
    """Write the whole file, or nothing at all. Raises `Refused` if somebody has changed it; may raise `OSError`."""
    if path.exists():
        refuse_changed(path)
    with atomic_write(path) as file:
        file.write(marked(text).encode())


def refuse_changed(path: Path) -> None:
    """Raise `Refused` for a folder, or for a file that `llmlib mine` did not write or that has been changed since."""
    if not path.is_file():
        raise Refused(f"{path} is a folder. Give the path of a file: llmlib mine {path / 'my_llm.py'}.")
    if not is_untouched(read(path)):
        other = path.with_name(f"{path.stem}_new{path.suffix}")
        raise Refused(
            f"Either {path} has been changed since llmlib wrote it, or llmlib did not write it. It has been left as it "
            f"is. Write a new file next to it: llmlib mine {other}."
        )


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


def marked(text: str) -> str:
    """Add a final line that reveals whether the text was changed later, and whether somebody else wrote the file."""
    text = text.rstrip("\n") + "\n"
    return f"{text}\n{MARK}{_sum(text)} {keeping.seal_of(text)}".rstrip() + "\n"


def is_untouched(text: str) -> bool:
    """Return whether the text is as `llmlib mine` wrote it, here or elsewhere."""
    body, sums = _parted(text)
    return len(sums) in (1, 2) and sums[0] == _sum(body)


def is_written_here(text: str) -> bool:
    """Return whether the text was written here, from the learner's stored parts, and is unchanged."""
    body, sums = _parted(text)
    return is_untouched(text) and len(sums) == 2 and sums[1] == keeping.seal_of(body)


def _parted(text: str) -> tuple[str, list[str]]:
    body, _, last = text.removesuffix("\n").rpartition("\n")
    return (body, last.removeprefix(MARK).split()) if last.startswith(MARK) else (text, [])


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]

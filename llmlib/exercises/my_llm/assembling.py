"""Assemble the text of `my_llm.py` from the template and the learner's parts."""

import ast
import io
import sys
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from llmlib.exercises.engine.scopes import defined, uses
from llmlib.exercises.engine.sources import Source
from llmlib.exercises.my_llm.parts import PARTS, Part
from llmlib.exercises.my_llm.rewriting import Import, Other, Unusable, imports_of, rewritten

SECTIONS = {
    "text": "Text: bytes, and the pairs that were merged",
    "attention": "Attention",
    "model": "The model",
    "weights": "Other people's weights",
    "training": "Training",
    "sampling": "Its voice",
    "tuning": "Its tuning",
    "aligning": "Its aims",
    "commands": "All of it (given: the commands, and what they need)",
}
BORROWED = "# borrowed from llmlib: {exercise}, lesson {lesson}"
GIVEN = "# given: what a command needs"
SHOWN = "# taken from the solution of {exercise}, lesson {lesson}"


@dataclass(frozen=True)
class Piece:
    """A definition in the file."""

    section: str
    names: frozenset[str]  # names that the piece defines
    needs: frozenset[str]
    text: str
    part: Part | None = None
    stays: bool = False  # the piece stays even if no other piece needs it


@dataclass(frozen=True)
class Assembled:
    """The file's text, the learner's parts in it, and the reasons why other parts are missing, keyed by exercise."""

    text: str
    mine: tuple[str, ...]
    shown: tuple[str, ...]
    borrowed: tuple[str, ...]  # parts for which the file uses our functions
    idle: tuple[str, ...]  # parts that are left out, since nothing in the file calls them
    refused: Mapping[str, str]


@cache
def template() -> tuple[str, tuple[Piece, ...], tuple[Import, ...]]:
    """Read the file's docstring, its pieces (with our functions in them), and its imports from the template."""
    doc, pieces, imports = "", [], []
    parts = {part.name: part for part in PARTS}
    for section in SECTIONS:
        text = (Path(__file__).parent / "template" / f"{section}.py").read_text(encoding="utf-8")
        tree, lines = ast.parse(text), text.splitlines()
        doc = ast.get_docstring(tree, clean=False) or ""
        imports += [each for each in imports_of(tree.body) if each.package != "llmlib"]
        for node in tree.body[1:]:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
                while lines[first - 1].startswith("#"):
                    first -= 1
                said = "\n".join(lines[first : node.end_lineno])
                pieces.append(_piece(section, said, parts.get(getattr(node, "name", ""))))
    return doc, tuple(pieces), tuple(dict.fromkeys(imports))


def _piece(section: str, text: str, part: Part | None, stays: bool = False) -> Piece:
    tree = ast.parse(text)
    names = frozenset(defined(tree))
    needs = frozenset(use.name for use in uses(tree)) - names
    return Piece(section, names, needs, text, part, stays or not names)


def assemble(mine: Mapping[str, Source], shown: frozenset[str], refused: Mapping[str, str] | None = None) -> Assembled:
    """Put the learner's parts, keyed by exercise, into the template; `shown` names the parts taken from `solution`.

    A part that cannot be included in the file is left out and added to `refused`.
    """
    doc, pieces, imports = template()
    refused = dict(refused or {})
    taken: dict[str, Any] = {each.alias: each for each in imports} | {n: None for piece in pieces for n in piece.names}
    own = {part.exercise: part for part in PARTS if part.exercise in mine and part.exercise not in refused}
    given = {name: Other(piece.text, name) for piece in pieces if not piece.part for name in piece.names}
    written: dict[str, Piece] = {}
    needed = list(imports)
    for exercise, part in own.items():
        others = {
            mine[e].function: Other(mine[e].text, p.name) for e, p in own.items() if e not in {exercise, *refused}
        }
        try:
            text, more = rewritten(mine[exercise], part, taken, given | others)
        except Unusable as error:
            refused[exercise] = str(error)
            continue
        section = next(piece.section for piece in pieces if piece.part == part)
        piece = _piece(section, text, part, stays=True)
        taken |= {each.alias: each for each in more} | dict.fromkeys(piece.names)
        needed += more
        written[exercise] = piece
    placed = [written.get(piece.part.exercise, piece) if piece.part else piece for piece in pieces]
    kept = _needed(placed)
    own_names = tuple(written)
    ours = tuple(piece.part.exercise for piece in kept if piece.part and not piece.stays)
    shown_names = tuple(exercise for exercise in ours if exercise in shown)
    borrowed = tuple(exercise for exercise in ours if exercise not in shown)
    idle = tuple(part.exercise for part in PARTS if part.exercise not in {*own_names, *ours})
    said = f"{len(own_names)} of the {len(PARTS)} parts are mine"
    said += f", {len(shown_names)} I took from a solution" * bool(shown_names)
    said += "; the others are borrowed from llmlib until I write them." if borrowed else "."
    said += "\nA comment above each part that is not mine says so."
    said += f"\nThese parts are not in the file, since nothing in it calls them: {', '.join(idle)}." * bool(idle)
    packages = sorted({each.package for each in _used(needed, kept)} - {"torch", *sys.stdlib_module_names})
    needs = f"torch, and my parts need {' and '.join(packages)}" if packages else "only torch"
    text = _layout(f"{doc.rstrip()}\nThe file needs {needs}.\n\n{said}\n", kept, needed, frozenset(shown_names))
    return Assembled(text, own_names, shown_names, borrowed, idle, refused)


def lines_of_code(text: str) -> int:
    """Count the lines of code, leaving out blank lines, comments and docstrings.

    >>> lines_of_code('def f():\\n    "Two."\\n\\n    # half of four\\n    return 2\\n')
    2
    """
    rows: set[int] = set()
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            if any(each.type != tokenize.STRING for each in statement):  # a docstring is just a string
                rows |= {row for each in statement for row in range(each.start[0], each.end[0] + 1)}
            statement = []
        elif token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            statement.append(token)
    return len(rows)


def _needed(pieces: list[Piece]) -> list[Piece]:
    """Drop the pieces that no other piece needs; the learner's own code may leave one of our functions unused."""
    kept = {piece for piece in pieces if piece.stays}
    while more := {p for p in pieces if p not in kept and any(p.names & other.needs for other in kept)}:
        kept |= more
    return [piece for piece in pieces if piece in kept]


def _layout(doc: str, pieces: list[Piece], imports: list[Import], shown: frozenset[str]) -> str:
    used = _used(imports, pieces)
    standard = [each for each in used if each.package in sys.stdlib_module_names]
    lines = [*_import_lines(standard), "", *_import_lines([each for each in used if each not in standard])]
    text = f'"""{doc}"""\n\n' + "\n".join(lines) + "\n"
    section = ""
    for piece in pieces:
        if piece.section != section:
            section = piece.section
            text += f"\n\n# ----- {SECTIONS[section]} -----\n"
        text += f"\n{_marked(piece, shown)}\n"
    return text


def _used(imports: list[Import], pieces: list[Piece]) -> set[Import]:
    wanted = {name for piece in pieces for name in piece.needs}
    return {each for each in imports if each.alias.partition(".")[0] in wanted}


def _marked(piece: Piece, shown: frozenset[str]) -> str:
    if piece.part is None and piece.section != "commands" and piece.text.startswith(("def ", "class ", "@")):
        return f"{GIVEN}\n{piece.text}"
    if piece.part is None or piece.stays:
        return piece.text
    comment = SHOWN if piece.part.exercise in shown else BORROWED
    return comment.format(exercise=piece.part.exercise, lesson=piece.part.lesson) + "\n" + piece.text


def _import_lines(imports: list[Import]) -> list[str]:
    """Write the imports in sorted order, with all names from a module on one line."""
    together: dict[str, list[str]] = {}
    for each in sorted(imports, key=lambda each: (each.module, each.name)):
        if each.name:
            together.setdefault(each.module, []).append(str(each).partition(" import ")[2])
    whole = sorted(str(each) for each in imports if not each.name)
    return whole + [f"from {module} import {', '.join(names)}" for module, names in together.items()]

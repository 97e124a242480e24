"""Rewrite a learner's part for `my_llm.py` so that it uses the file's own functions instead of llmlib's.

`attention.split_heads(x, 4)` becomes `split_heads(x, 4)`, which calls the learner's own function, if there is one.
Names that clash are changed. Comments and layout stay the same.
"""

import ast
import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmlib import attention, embeddings, layers
from llmlib.exercises.engine.scopes import Use, defined, uses
from llmlib.exercises.engine.sources import Source
from llmlib.exercises.my_llm.parts import PARTS, Part

SPARE = (  # other llmlib functions that the file includes, because some parts use them
    embeddings.rotary_frequencies,
    embeddings.rotary_cos_sin,
    layers.silu,
    layers.swiglu,
    attention.attention_scores,
    attention.attention_pattern,
)


Definition = ast.FunctionDef | ast.ClassDef


class Unusable(Exception):
    """Raised if a part cannot go into a file that needs only torch.

    The message is a clause that says why.
    """


@dataclass(frozen=True)
class Import:
    """`import module as alias`, or with a `name`: `from module import name as alias`."""

    module: str
    name: str
    alias: str

    def __str__(self) -> str:
        if self.name:
            return f"from {self.module} import {self.name}" + f" as {self.alias}" * (self.alias != self.name)
        return f"import {self.module}" + f" as {self.alias}" * (self.alias != self.module)

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]


def imports_of(nodes: Iterable[ast.AST]) -> list[Import]:
    """List all imports among these statements."""
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [Import(alias.name, "", alias.asname or alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [Import(node.module, alias.name, alias.asname or alias.name) for alias in node.names]
    return found


@dataclass(frozen=True)
class Other:
    """A definition that the file contains anyway, with its text and the name that it has in the file."""

    text: str
    name: str


def rewritten(
    source: Source, part: Part, taken: Mapping[str, Any], others: Mapping[str, Other]
) -> tuple[str, list[Import]]:
    """Rewrite the text of a part, and list its imports.

    `taken` maps names in use in the file to their imports. `others` contains the learner's other parts, keyed
    by the learner's names, and the file's helpers, because the file does not need two helpers with the same name
    and parameters. Raises `Unusable` if the part cannot go into the file.
    """
    tree = ast.parse(source.text)
    names, kept_imports = _imported(source, tree, taken)
    edits: list[tuple[ast.AST, str]] = []  # an expression, and what replaces it
    gone: list[ast.stmt] = []
    for name in sorted(defined(tree)):
        new = part.name if name == source.function else _other_name(name, part, taken)
        if name != source.function and (same := others.get(name)) and _same_arguments(tree, name, same.text):
            gone += [node for node in tree.body if isinstance(node, Definition) and node.name == name]
            new = same.name
        names[name] = new
    for use in uses(tree):
        if isinstance(new_name := names.get(use.name), str):
            edits.append((use.nodes[0], new_name))
        elif new_name is not None:
            edits.append(_of_library(use, new_name.value))
    edits += [(node, names[node.name]) for node in tree.body if isinstance(node, Definition)]
    return _edited(source.text, edits, gone), kept_imports


def refusal(source: Source, part: Part) -> str:
    """Return a clause that says why a part can never go into the file, or "" if it can."""
    try:
        rewritten(source, part, {}, {})
    except Unusable as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class _Theirs:
    """What a name that was imported from llmlib refers to."""

    value: Any


def _imported(source: Source, tree: ast.Module, taken: Mapping[str, Any]) -> tuple[dict[str, Any], list[Import]]:
    """Map imported names to llmlib objects, or to new names where a name is taken, and list the imports needed."""
    names: dict[str, Any] = {}
    needed = []
    for each in imports_of(ast.parse("\n".join(source.imports)).body):
        root = each.alias.partition(".")[0]
        if each.package == "llmlib":
            value = importlib.import_module(each.module)
            if each.name:
                value = getattr(value, each.name, None) or importlib.import_module(f"{each.module}.{each.name}")
            names[root] = _Theirs(value if each.name or root != "llmlib" else importlib.import_module("llmlib"))
        else:
            alias = each.alias
            if taken.get(alias, each) != each:  # the name means something else in the file
                alias = names[root] = _free(f"{root}_", taken)
            needed.append(Import(each.module, each.name, alias))
    return names, needed


def _other_name(name: str, part: Part, taken: Mapping[str, Any]) -> str:
    return name if name not in taken and name != part.name else _free(f"{name}_of_{part.name}", taken)


def _free(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name


def _same_arguments(tree: ast.Module, name: str, other: str) -> bool:
    """Return whether both texts define a function `name` with the same parameters, or a class with the same methods."""

    def arguments(body: list[ast.stmt]) -> dict[str, list[str]]:
        for node in body:
            if isinstance(node, Definition) and node.name == name:
                own = [node] if isinstance(node, ast.FunctionDef) else node.body
                return {each.name: [a.arg for a in each.args.args] for each in own if isinstance(each, ast.FunctionDef)}
        return {}

    mine = arguments(tree.body)
    return bool(mine) and mine == arguments(ast.parse(other).body)


@cache
def _names_of_library() -> dict[int, str]:
    """Return a dictionary that maps the `id` of each llmlib function in the file to its name there."""
    known = {id(function): function.__name__ for function in SPARE}
    return known | {id(part.reference): part.name for part in PARTS}


def _of_library(use: Use, value: Any) -> tuple[ast.AST, str]:
    for depth, node in enumerate(use.nodes):
        if depth:
            value = getattr(value, use.path[depth], None)
        if name := _names_of_library().get(id(value)):
            return node, name
    raise Unusable(f"your function uses `{'.'.join(use.path)}` from llmlib")


def _edited(text: str, edits: list[tuple[ast.AST, str]], gone: list[ast.stmt]) -> str:
    """Replace each expression in the text, and remove the definitions that are listed in `gone`."""
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    inside = [range(node.lineno, (node.end_lineno or node.lineno) + 1) for node in gone]
    for node, new in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True):  # type: ignore[attr-defined]
        if any(node.lineno in rows for rows in inside):  # type: ignore[attr-defined]
            continue
        line = lines[node.lineno - 1]  # type: ignore[attr-defined]
        if isinstance(node, Definition):
            lines[node.lineno - 1] = re.sub(rb"\b" + node.name.encode() + rb"\b", new.encode(), line, count=1)
            continue
        start, stop = node.col_offset, node.end_col_offset  # type: ignore[attr-defined]
        said = ast.unparse(node)
        if line[start:stop].decode(errors="replace") != said:  # it is in an f-string (older Pythons), or spans lines
            if new == said:
                continue
            raise Unusable(f"`{said}` in your code cannot be replaced")
        lines[node.lineno - 1] = line[:start] + new.encode() + line[stop:]  # type: ignore[attr-defined]
    for node in gone:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        lines[first : node.end_lineno] = [b""] * ((node.end_lineno or 0) - first)
    return re.sub(r"\n{3,}", "\n\n", b"".join(lines).decode()).strip("\n")

"""Find a list that gets shorter inside a loop that counts up to the list's original length."""

import ast
from collections.abc import Callable
from typing import Any

from llmlib.exercises.engine.repairing.source import source_of

SAYS = (
    "`{0}` counts to the length that `{1}` had when the loop began, but inside the loop `{1}` gets shorter. A `while` "
    "loop checks the length again on each pass."
)


def shrinking(function: Callable[..., Any]) -> str:
    """Return a sentence about a loop over `range(len(...))` that shortens this list, or "" if there is none."""
    source = source_of(function)
    loops = [node for node in ast.walk(source.tree) if isinstance(node, ast.For)] if source else []
    for loop in loops:
        for name in _measured(loop.iter):
            if any(_shortens(node, name) for line in loop.body for node in ast.walk(line)):
                return SAYS.format(ast.unparse(loop.iter), name)
    return ""


def _measured(counted: ast.expr) -> list[str]:
    """Return the names of the lists whose lengths this `range` uses."""
    if not (isinstance(counted, ast.Call) and isinstance(counted.func, ast.Name) and counted.func.id == "range"):
        return []
    lengths = [n for n in ast.walk(counted) if isinstance(n, ast.Call) and ast.unparse(n.func) == "len" and n.args]
    return [n.args[0].id for n in lengths if isinstance(n.args[0], ast.Name)]


def _shortens(node: ast.AST, name: str) -> bool:
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=changed)])
            | ast.Call(func=ast.Attribute(value=ast.Name(id=changed), attr="pop" | "remove" | "clear"))
        ):
            return changed == name
        case (
            ast.Assign(targets=[ast.Subscript(value=ast.Name(id=changed), slice=ast.Slice())])
            | ast.Delete(targets=[ast.Subscript(value=ast.Name(id=changed))])
        ):
            return changed == name
    return False

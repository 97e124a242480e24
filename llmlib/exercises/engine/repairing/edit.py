"""Represent one change to a syntax tree, which we make, try and undo."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Edit:
    """A change: a short name, the line, and a sentence that says what is wrong there."""

    name: str
    line: int
    says: str
    of: str = ""  # the number or name that this edit replaces; the message is vaguer if the task mentions it
    lines: tuple[int, ...] = ()  # all lines, if the change is made in several places at once
    rivals: "tuple[Rival, ...]" = ()  # if one of these edits is also right, the cases cannot tell which one is meant
    settled: bool = True  # whether the change is right for inputs of any size


@dataclass(frozen=True)
class Rival:
    """Another change in the same spot, and what to report if it is right, too: an edit, or None for nothing."""

    slot: "Slot"
    node: ast.expr
    instead: Edit | None = None


@dataclass(frozen=True)
class Repair:
    """The change that would fix the attempt, and the line as it is now."""

    edit: Edit
    code: str


Alternative = tuple[str, str, ast.expr]  # name, what is wrong, the node to put there instead


def shown(node: ast.AST, length: int = 60) -> str:
    """Show a node's code, truncated to fit in a sentence."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= length else text[: length - 2] + " …"


@dataclass(frozen=True)
class Slot:
    """The position of an expression in a syntax tree: a field of its parent node, or an item in such a field's list."""

    parent: ast.AST
    field: str
    index: int | None

    def get(self) -> Any:
        value = getattr(self.parent, self.field)
        return value if self.index is None else value[self.index]

    def set(self, node: ast.AST) -> None:
        ast.fix_missing_locations(node)  # a new node has no line yet
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


SKIPPED = {"annotation", "returns", "decorator_list", "type_params"}


def slots(tree: ast.AST) -> Iterator[Slot]:
    """Yield every slot that holds an expression whose value is read."""
    for parent in list(ast.walk(tree)):
        if isinstance(parent, (ast.JoinedStr, ast.FormattedValue)):
            continue
        if isinstance(parent, ast.Expr) and isinstance(parent.value, ast.Constant):
            continue  # a docstring
        for field, value in ast.iter_fields(parent):
            if field in SKIPPED:
                continue
            if isinstance(value, ast.expr) and _read(value):
                yield Slot(parent, field, None)
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, ast.expr) and _read(item):
                        yield Slot(parent, field, index)


def _read(node: ast.expr) -> bool:
    return not isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))

"""Make the same change in several spots at once, because a slip may have been copied along with its line."""

import ast
from collections.abc import Hashable, Iterator

from llmlib.exercises.engine.repairing.constants import called
from llmlib.exercises.engine.repairing.edit import Alternative, Edit, Slot, slots
from llmlib.exercises.engine.repairing.expressions import alternatives


def edits(tree: ast.AST) -> Iterator[Edit]:
    """For each change that is possible in two or more spots, yield an edit that makes it in all of them at once."""
    places: dict[Hashable, list[Slot]] = {}
    for slot in slots(tree):
        keys = (_what(slot, slot.get(), other) for _, _, other in alternatives(slot, slot.get()))
        for key in dict.fromkeys(keys):
            if key is not None:
                places.setdefault(key, []).append(slot)
    for key, found in places.items():
        if len(found) > 1:
            yield from _made(key, found)


def _made(key: Hashable, found: list[Slot]) -> Iterator[Edit]:
    """Make the same change in all spots, innermost first, so that no change affects code that another has replaced."""
    kept: list[tuple[Slot, ast.expr]] = []
    first: Alternative | None = None
    lines: list[int] = []
    for slot in reversed(found):
        node = slot.get()
        first = next((a for a in alternatives(slot, node) if _what(slot, node, a[2]) == key), None)
        if first is None:  # an earlier change inside this node left nothing to change here
            break
        kept.append((slot, node))
        lines.append(getattr(node, "lineno", 0))
        slot.set(first[2])
    if first is not None:
        name, says, _ = first
        yield Edit(name, lines[-1], says, lines=tuple(sorted(lines)))
    for slot, node in reversed(kept):
        slot.set(node)


def _what(slot: Slot, node: ast.expr, other: ast.expr) -> Hashable:
    """Return a key that is the same for the same change in another spot, or None for changes that are not repeated."""
    match node, other:
        case ast.BinOp(left=a, right=b), ast.BinOp(left=c, right=d) if a is c and b is d:
            return "operator", type(node.op), type(other.op)
        case (
            ast.BinOp(left=ast.BinOp(left=a, right=b, op=first), right=c),
            ast.BinOp(left=d, right=ast.BinOp(left=e, right=f)),
        ) if a is d and b is e and c is f:
            return "brackets", type(first), type(node.op)
        case ast.BinOp(left=a, right=b), _ if other is a or other is b:
            return "side", type(node.op), other is a, ast.dump(b if other is a else a)
        case ast.Attribute(attr=mine), ast.Attribute(attr=theirs):
            return "name", mine, theirs
        case ast.Constant(), ast.Constant() | ast.UnaryOp():
            return "number", _role(slot.parent), ast.dump(node), ast.dump(other)
        case ast.Call(func=ast.Attribute(attr=name)), ast.Call(func=ast.Attribute(attr="transpose")) if name in CUTS:
            return "cut", name, tuple(map(ast.dump, other.args))
        case ast.Call(), _ if not isinstance(other, ast.Call) and called(node):
            return "call", TOGETHER.get(called(node), called(node))
    return None


TOGETHER = {"sin": "sin and cos", "cos": "sin and cos"}  # a slip with sin is usually also made with cos
CUTS = ("reshape", "view")


def _role(parent: ast.AST) -> str:
    """Name what a number belongs to: the called function, the keyword, or else the type of the parent node."""
    if isinstance(parent, ast.Call):
        return called(parent)
    return str(parent.arg) if isinstance(parent, ast.keyword) else type(parent).__name__

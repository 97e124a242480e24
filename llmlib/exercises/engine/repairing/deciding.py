"""Check that the cases determine a change, because numbers, operators and comparisons can be tuned to pass all cases.

If a loop runs twice but should run until nothing is left to do, any number that is large enough for the cases is
"right". So we also try further changes in the same direction. If those changes also make all cases pass, we do not name
the number.
"""

import ast
from collections.abc import Iterator
from dataclasses import replace

from llmlib.exercises.engine.repairing.constants import called, number
from llmlib.exercises.engine.repairing.edit import Edit, Rival, Slot, shown


def rivals(slot: Slot, node: ast.expr, other: ast.expr, edit: Edit) -> tuple[Rival, ...]:
    """List rivals of the change from `node` to `other`; if one is also right, the cases do not show which is needed."""
    if edit.name in ("off by one", "another number"):
        return tuple(_further_numbers(slot, node, other, edit))
    if edit.name == "borders of a range":
        return tuple(_further_ends(slot, node, other, edit))
    if edit.name == "another operator":
        return tuple(_other_operators(slot, node, other))
    if edit.name in ("another comparison", "border of a comparison"):
        return tuple(_no_condition(slot, node, edit))
    return ()


def _further_numbers(slot: Slot, node: ast.expr, other: ast.expr, edit: Edit) -> Iterator[Rival]:
    before, after = _whole(node), _whole(other)
    if before is None or after is None:
        return
    parent = slot.parent
    fixed = isinstance(parent, ast.Call) and called(parent) == "range" and parent.args[-1] is node
    instead = _fixed_rounds(edit, parent) if fixed and after > before else None
    yield Rival(slot, number(after + (1 if after > before else -1)), instead)


def _further_ends(slot: Slot, node: ast.expr, other: ast.expr, edit: Edit) -> Iterator[Rival]:
    if not isinstance(node, ast.Call) or not isinstance(other, ast.Call) or len(node.args) != len(other.args):
        return
    end, last = node.args[-1], other.args[-1]
    if called(node) != "range" or not isinstance(last, ast.BinOp) or last.left is not end:
        return
    early = isinstance(last.op, ast.Add)
    says = f"`{shown(node)}` ends too {'early' if early else 'late'}."
    instead = replace(edit, says=says, settled=False)
    if early and all(_whole(arg) is not None for arg in node.args):
        instead = _fixed_rounds(edit, node)
    further = ast.BinOp(end, last.op, ast.Constant(2))
    yield Rival(slot, ast.Call(node.func, [*node.args[:-1], further], []), instead)


def _fixed_rounds(edit: Edit, loop: ast.AST) -> Edit:
    says = (
        f"You stop after a fixed number of rounds, `{shown(loop)}`. Whatever the number, some inputs need more rounds. "
        "How can you tell that nothing is left to do?"
    )
    return replace(edit, name="fixed number of rounds", says=says, of="", settled=False)


def _other_operators(slot: Slot, node: ast.expr, other: ast.expr) -> Iterator[Rival]:
    if not isinstance(node, ast.BinOp) or not isinstance(other, ast.BinOp):
        return
    division = (ast.Div, ast.FloorDiv)
    for operator in (ast.Add, ast.Sub, ast.Mult, ast.Div):
        same = isinstance(other.op, operator) or (operator is ast.Div and isinstance(other.op, division))
        if not same and not isinstance(node.op, operator):
            yield Rival(slot, ast.BinOp(node.left, operator(), node.right))
    if (value := _whole(node.right)) is not None:
        yield Rival(slot, ast.BinOp(node.left, other.op, number(value + 1)))


def _no_condition(slot: Slot, node: ast.expr, edit: Edit) -> Iterator[Rival]:
    if slot.field != "test" or not isinstance(slot.parent, (ast.If, ast.IfExp)):
        return
    for holds in (True, False):
        what = "holds" if holds else "does not hold"
        says = f"You do not need the condition `{shown(node)}`: what you do when it {what} is right in all cases."
        yield Rival(slot, ast.Constant(holds), replace(edit, name="condition too many", says=says))


def _whole(node: ast.expr) -> int | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    return sign * node.value if isinstance(node, ast.Constant) and type(node.value) is int else None

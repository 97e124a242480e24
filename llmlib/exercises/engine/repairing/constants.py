"""Propose changes to constants: numbers, axes, sizes, words and patterns."""

import ast
import itertools
import re
from collections.abc import Iterator

from llmlib.exercises.engine.repairing.edit import Alternative, Slot, shown

WORDS = (
    ("replace", "ignore", "strict", "backslashreplace"),
    ("utf-8", "latin-1", "ascii", "utf8", "utf-16", "cp1252"),
    ("", " "),
    ("-inf", "inf"),
    ("big", "little"),
)


AXIS_WORDS = {"dim", "axis", "dims", "dim0", "dim1", "dim2"}
AXIS_CALLS = """
    all amax amin any argmax argmin argsort cat chunk cumprod cumsum diagonal expand flatten flip gather
    index_select log_softmax logcumsumexp logsumexp max mean min movedim nansum narrow norm normalize permute
    prod repeat_interleave roll scatter scatter_ select softmax sort split squeeze stack std sum swapaxes
    take_along_dim tensor_split topk transpose unbind unflatten unsqueeze var
"""


def of_constant(slot: Slot, node: ast.Constant) -> Iterator[Alternative]:
    value = node.value
    if isinstance(value, bool):
        yield "True and False exchanged", f"`{value}` is the opposite of what you need here.", ast.Constant(not value)
    elif isinstance(value, int):
        for name, says, others in _for_number(slot, value):
            yield from ((name, says, number(other)) for other in others if other != value)
    elif isinstance(value, float):
        if 1e-12 < value <= 0.1:
            says = f"The number `{value}` is large enough to change the result. Do you need it? Must it be so large?"
            yield "guard too large", says, ast.Constant(1e-12)
        for factor in (1 / value if value else 0.0, -value, 2 * value, value / 2, 0.0, 1.0, 0.5):
            if factor != value:
                yield "another number", f"The number `{value}` is not the right one here.", ast.Constant(factor)
        if value in (1e-1, 1e3, 1e4, 1e5, 100.0, 1000.0):
            yield "another number", f"The number `{value}` is not the right one here.", ast.Constant(10_000.0)
    elif isinstance(value, str):
        yield from _of_word(value)


def _for_number(slot: Slot, value: int) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Say what a number may mean in this spot, and which numbers to try instead."""
    around = shown(slot.parent)
    if _is_size(slot):
        yield "size of another axis", f"`{around}` is the size of the wrong axis.", (0, 1, 2, 3, -1, -2)
    elif _is_axis(slot):
        says = f"The axis is wrong: it should not be {value}. Count the axes, and name each one."
        yield "another axis", says, (-1, -2, 0, 1, 2, 3, -3)
    elif value < 0:
        says = f"The number `{value}` is not the right one here. Which axis or which position does it stand for?"
        yield "another number", says, (-1, -2, 0, 1, 2, 3, -3)
    elif _is_index(slot):
        yield "another part", f"`{around}` is the wrong part here.", (value + 1, value - 1, 0, -1)
    elif isinstance(slot.parent, ast.Compare):
        says = f"The limit in `{around}` is wrong, or you do not need the condition at all."
        yield "another border", says, (value + 1, value - 1, 0, 1, 2)
    else:
        says = f"The number `{value}` is not the right one here"
        yield "off by one", f"{says}. Is it off by one?", (value + 1, value - 1)
        others = (0, 1, 2, -1, -2, 256, -value)
        yield "another number", f"{says}.", tuple(n for n in others if n not in (value + 1, value - 1))


def _of_word(value: str) -> Iterator[Alternative]:
    for family in WORDS:
        if value in family:
            for other in family:
                if other != value:
                    yield "another word", f"`{value!r}` is not the right choice here.", ast.Constant(other)
    if "->" in value and len(value) < 80:
        left, right = value.split("->")
        for side, this, that in ((0, left, right), (1, right, left)):
            for other in _reordered(this):
                text = f"{other}->{that}" if side == 0 else f"{that}->{other}"
                yield (
                    "axes in another order",
                    f"In the pattern `{value}`, the axes are in the wrong order.",
                    ast.Constant(text),
                )


def _reordered(side: str) -> Iterator[str]:
    """Yield one side of an einsum or einops pattern with two of its axes swapped."""
    spaced = " " in side.strip()
    names = re.findall(r"\w+|\.\.\." if spaced else r"[A-Za-z]|\.\.\.", side)
    for a, b in itertools.combinations([n for n in dict.fromkeys(names) if n != "..."], 2):
        swap = {a: b, b: a}
        yield re.sub(r"\w+" if spaced else r"[A-Za-z]", lambda m, s=swap: s.get(m.group(), m.group()), side)


def number(value: int) -> ast.expr:
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def _is_axis(slot: Slot) -> bool:
    parent = slot.parent
    if isinstance(parent, ast.keyword):
        return parent.arg in AXIS_WORDS
    if isinstance(parent, ast.Call) and slot.field == "args":
        return called(parent) in AXIS_CALLS.split() and isinstance(
            parent.func, ast.Attribute
        )  # `min(2, n)` has no axis
    return False


def _is_index(slot: Slot) -> bool:
    """Return whether the node is a single number in square brackets."""
    return isinstance(slot.parent, ast.Subscript) and slot.field == "slice"


def _is_size(slot: Slot) -> bool:
    """Return whether the slot holds an index into a shape, or an argument of `size`."""
    parent = slot.parent
    if isinstance(parent, ast.Subscript) and slot.field == "slice":
        return isinstance(parent.value, ast.Attribute) and parent.value.attr == "shape"
    return isinstance(parent, ast.Call) and called(parent) == "size"


def called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def of_unary(slot: Slot, node: ast.UnaryOp) -> Iterator[Alternative]:
    if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, int):
        value = -node.operand.value
        for name, says, others in _for_number(slot, value):
            yield from ((name, says, number(other)) for other in others if other != value)
            if name == "size of another axis":
                return
    words = {ast.USub: "minus", ast.Invert: "`~`", ast.Not: "`not`"}
    if type(node.op) in words:
        says = f"You do not need the {words[type(node.op)]} in `{shown(node)}`."
        yield "sign or negation too many", says, node.operand

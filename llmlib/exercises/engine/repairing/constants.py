"""Changes to constants: numbers, axes, sizes, words, patterns."""

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


AXIS_CALLS = {
    "softmax",
    "sum",
    "mean",
    "max",
    "min",
    "amax",
    "amin",
    "argmax",
    "cumsum",
    "unsqueeze",
    "squeeze",
    "transpose",
    "cat",
    "stack",
    "chunk",
    "split",
    "flatten",
    "unflatten",
    "log_softmax",
    "logsumexp",
    "norm",
    "any",
    "all",
    "repeat_interleave",
    "flip",
    "select",
    "narrow",
    "permute",
    "prod",
    "normalize",
    "sort",
    "topk",
    "swapaxes",
    "movedim",
    "roll",
    "diagonal",
    "gather",
    "scatter",
    "scatter_",
    "index_select",
    "take_along_dim",
    "unbind",
    "tensor_split",
    "std",
    "var",
    "cumprod",
    "argsort",
    "argmin",
    "logcumsumexp",
    "nansum",
    "expand",
}


def of_constant(slot: Slot, node: ast.Constant) -> Iterator[Alternative]:
    value = node.value
    if isinstance(value, bool):
        yield "True and False exchanged", f"`{value}` is the opposite of what is needed here.", ast.Constant(not value)
    elif isinstance(value, int):
        if _is_size(slot):
            for axis in (0, 1, 2, 3, -1, -2):
                says = f"`{shown(slot.parent)}` is the size of the wrong axis."
                yield from [("size of another axis", says, number(axis))] if axis != value else []
            return
        if _is_axis(slot):
            for axis in (-1, -2, 0, 1, 2, 3, -3):
                if axis != value:
                    says = f"The axis is wrong: it should not be {value}. Count the axes, with their names."
                    yield "another axis", says, number(axis)
            return
        if _is_index(slot):
            for other in (value + 1, value - 1, 0, -1):
                says = f"`{shown(slot.parent)}` is the wrong part here."
                yield from [("another part", says, number(other))] if other != value else []
            return
        if isinstance(slot.parent, ast.Compare):
            for other in (value + 1, value - 1, 0, 1, 2):
                says = f"The border in `{shown(slot.parent)}` is not right, or the condition itself is not needed."
                yield from [("another border", says, number(other))] if other != value else []
            return
        for other in (value + 1, value - 1):
            says = f"The number `{value}` is not the right one here: is it off by one?"
            yield "off by one", says, number(other)
        for other in (0, 1, 2, -1, -2, 256, -value):
            if other not in (value, value + 1, value - 1):
                yield "another number", f"The number `{value}` is not the right one here.", number(other)
    elif isinstance(value, float):
        for factor in (1 / value if value else 0.0, -value, 2 * value, value / 2, 0.0, 1.0, 0.5):
            if factor != value:
                yield "another number", f"The number `{value}` is not the right one here.", ast.Constant(factor)
        if value in (1e-1, 1e3, 1e4, 1e5, 100.0, 1000.0):
            yield "another number", f"The number `{value}` is not the right one here.", ast.Constant(10_000.0)
    elif isinstance(value, str):
        yield from _of_word(value)


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
                    f"In the pattern `{value}` the axes are in the wrong order.",
                    ast.Constant(text),
                )


def _reordered(side: str) -> Iterator[str]:
    """Two axes of one side of a pattern exchanged, in the spelling of einsum or of einops."""
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
        return called(parent) in AXIS_CALLS and isinstance(parent.func, ast.Attribute)  # `min(2, n)` has no axis
    return False


def _is_index(slot: Slot) -> bool:
    """A number alone in square brackets."""
    return isinstance(slot.parent, ast.Subscript) and slot.field == "slice"


def _is_size(slot: Slot) -> bool:
    """An index into a shape, or an argument of `size`."""
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
        if _is_size(slot):
            for other in (0, 1, 2, 3, -1, -2):
                says = f"`{shown(slot.parent)}` is the size of the wrong axis."
                yield from [("size of another axis", says, number(other))] if other != value else []
            return
        axis = _is_axis(slot)
        for other in (-1, -2, 0, 1, 2, 3, -3):
            if other != value:
                says = (
                    f"The axis is wrong: it should not be {value} here. Count the axes, with their names."
                    if axis
                    else f"The number `{value}` is not the right one here (which axis, or which place, does it count?)."
                )
                yield "another axis" if axis else "another number", says, number(other)
    words = {ast.USub: "minus", ast.Invert: "`~`", ast.Not: "`not`"}
    if type(node.op) in words:
        says = f"You do not need the {words[type(node.op)]} in `{shown(node)}`."
        yield "sign or negation too many", says, node.operand

"""Propose changes to calls, attributes, indices and slices."""

import ast
import itertools
from collections.abc import Iterator

from llmlib.exercises.engine.repairing.constants import AXIS_WORDS, called, number
from llmlib.exercises.engine.repairing.edit import Alternative, shown

FAMILIES = (
    ("sum", "mean"),
    ("max", "min"),
    ("amax", "amin"),
    ("argmax", "argmin"),
    ("log", "log2", "log10", "log1p"),
    ("exp", "exp2"),
    ("sin", "cos"),
    ("tril", "triu"),
    ("any", "all"),
    ("indices", "values"),
    ("floor", "ceil", "round"),
    ("repeat", "repeat_interleave", "tile"),
    ("append", "insert", "extend"),
    ("keys", "values", "items"),
    ("max", "sum", "mean"),
    ("cat", "stack", "concat"),
    ("prod", "sum"),
    ("softmax", "log_softmax", "sigmoid"),
    ("gelu", "silu", "relu", "tanh", "sigmoid", "softplus", "elu", "leaky_relu", "selu", "mish", "hardtanh", "relu6"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("permute", "reshape", "view", "transpose"),
    ("most_common", "elements"),
    ("norm", "sum"),
    ("std", "var"),
    ("abs", "square"),
    ("first", "last"),
    ("logical_and", "logical_or"),
    ("maximum", "minimum"),
)


MODULES = {"torch", "F", "np", "math", "einops"}


def of_call(node: ast.Call) -> Iterator[Alternative]:
    if (isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name | ast.Attribute)) or (
        isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id not in MODULES
    ):
        says = f"You do not need the step `.{node.func.attr}(…)` on `{shown(node.func.value, 40)}`."
        yield "a step too many", says, node.func.value
    if len(node.args) == 1 and not (isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name)):
        says = f"You do not need the step `{shown(node.func)}(…)`."
        yield "a step too many", says, node.args[0]
    if called(node) == "round" and len(node.args) == 2:
        yield "a step too many", f"You do not need the step `{shown(node.func)}(…)`.", node.args[0]
        return
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("reshape", "view") and len(node.args) > 1:
        says = (
            f"In `{shown(node)}`, `{node.func.attr}` only regroups the numbers and keeps their order, but you need to "
            "swap two axes."
        )
        for axes in ((-2, -1), (1, 2), (0, 1)):
            turned = ast.Attribute(node.func.value, "transpose", ast.Load())
            yield "reshaped, not turned", says, ast.Call(turned, [number(axis) for axis in axes], [])
    for i, j in itertools.combinations(range(len(node.args)), 2):
        args = list(node.args)
        args[i], args[j] = args[j], args[i]
        says = f"In `{shown(node)}`, `{shown(node.args[i], 20)}` and `{shown(node.args[j], 20)}` are swapped."
        yield "arguments exchanged", says, ast.Call(node.func, args, node.keywords)
    for i, keyword in enumerate(node.keywords):
        rest = node.keywords[:i] + node.keywords[i + 1 :]
        says = f"In `{shown(node)}`, the argument `{keyword.arg}` is wrong."
        if keyword.arg in AXIS_WORDS:
            says = f"The axis in `{shown(node)}` is wrong: `{keyword.arg}` should name another axis."
        yield "an argument too many", says, ast.Call(node.func, node.args, rest)
    if called(node) in ("get", "setdefault") and len(node.args) == 2 and not isinstance(node.args[1], ast.Constant):
        says = f"`{shown(node.args[1])}` in `{shown(node)}` is the wrong initial value for a new key."
        yield "another beginning", says, ast.Call(node.func, [node.args[0], ast.Constant(0)], [])
    if node.args and (called(node) in ("range", "enumerate", "get", "most_common") or _is_builtin(node, "sum")):
        says = f"One end of `{shown(node)}` is off by one."
        counts = called(node) == "range" and len(node.args) < 3
        for step, when in ((1, "early"), (-1, "late")):
            says_when = f"`{shown(node)}` ends one step too {when}." if counts else says
            last = _plus(node.args[-1], step)
            yield "borders of a range", says_when, ast.Call(node.func, [*node.args[:-1], last], [])
        if len(node.args) == 2:
            begins = f"`{shown(node)}` should begin at 0." if counts else says
            yield "borders of a range", begins, ast.Call(node.func, node.args[1:], [])
        if len(node.args) == 1:
            begins = f"`{shown(node)}` begins at 0, but should begin at 1." if counts else says
            yield "borders of a range", begins, ast.Call(node.func, [ast.Constant(1), *node.args], [])
    if called(node) == "permute" and len(node.args) in (3, 4):
        for order in itertools.permutations(node.args):
            if list(order) != node.args:
                yield (
                    "axes in another order",
                    f"The axes in `{shown(node)}` are in the wrong order.",
                    ast.Call(node.func, list(order), []),
                )


def _is_builtin(node: ast.Call, name: str) -> bool:
    """Return whether this calls the built-in function `name`, and not a method of that name, which takes an axis."""
    return isinstance(node.func, ast.Name) and node.func.id == name


def _plus(node: ast.expr, step: int) -> ast.expr:
    return ast.BinOp(node, ast.Add() if step > 0 else ast.Sub(), ast.Constant(abs(step)))


def of_attribute(node: ast.Attribute) -> Iterator[Alternative]:
    for family in FAMILIES:
        if node.attr in family:
            for other in family:
                if other != node.attr:
                    says = f"In `{shown(node)}`, `{node.attr}` is not the right operation."
                    if isinstance(node.value, ast.Name) and node.value.id in MODULES:
                        says = f"`{shown(node)}` is not the right function here."
                    yield "another operation", says, ast.Attribute(node.value, other, node.ctx)
    if node.attr in ("T", "mT"):
        yield "a transposition too many", f"You do not need the transposition in `{shown(node)}`.", node.value


def of_slice(node: ast.Slice) -> Iterator[Alternative]:
    if node.lower is not None and node.upper is not None:
        says = (
            f"The slice `{shown(node)}` ends at position `{shown(node.upper)}`. If `{shown(node.upper)}` is a length, "
            f"count it from `{shown(node.lower)}`."
        )
        yield "a length for an end", says, _sliced(node, "upper", ast.BinOp(node.lower, ast.Add(), node.upper))
    says = f"The limits of the slice `{shown(node)}` are wrong"
    for field in ("lower", "upper"):
        border = getattr(node, field)
        if border is not None:
            for step in (1, -1):
                yield "borders of a slice", f"{says}: one is off by one.", _sliced(node, field, _plus(border, step))
            yield "borders of a slice", f"{says}: the slice leaves something out.", _sliced(node, field, None)
        else:
            for at in (1, -1):
                yield (
                    "borders of a slice",
                    f"{says}: the slice should leave something out.",
                    _sliced(node, field, number(at)),
                )
    if node.lower is not None or node.upper is not None:
        yield "borders of a slice", f"{says}: the two ends are swapped.", ast.Slice(node.upper, node.lower, node.step)


def _sliced(node: ast.Slice, field: str, border: ast.expr | None) -> ast.Slice:
    return ast.Slice(border if field == "lower" else node.lower, border if field == "upper" else node.upper, node.step)


def of_index(node: ast.Tuple) -> Iterator[Alternative]:
    """Yield changes that move the entries of a multi-axis index to other axes."""
    if not any(isinstance(e, ast.Slice) for e in node.elts):
        return
    says = f"The index `[{shown(node)}]` uses the wrong axis: count the axes from the left."
    for i, j in itertools.combinations(range(len(node.elts)), 2):
        elements = list(node.elts)
        elements[i], elements[j] = elements[j], elements[i]
        yield "index at another axis", says, ast.Tuple(elements, ast.Load())
    for i, element in enumerate(node.elts):
        if isinstance(element, ast.Slice) and not (element.lower or element.upper or element.step):
            yield "index at another axis", says, ast.Tuple(node.elts[:i] + node.elts[i + 1 :], ast.Load())


def _only_adds_axes(index: ast.expr) -> bool:
    """Return whether the index keeps all entries and only adds axes, as in `x[:, None]`."""
    items = index.elts if isinstance(index, ast.Tuple) else [index]
    new = [item for item in items if isinstance(item, ast.Constant) and item.value is None]
    whole = [item for item in items if isinstance(item, ast.Slice) and not (item.lower or item.upper or item.step)]
    dots = [item for item in items if isinstance(item, ast.Constant) and item.value is ...]
    return bool(new) and len(new) + len(whole) + len(dots) == len(items)


def of_subscript(node: ast.Subscript) -> Iterator[Alternative]:
    if isinstance(node.slice, (ast.Slice, ast.Tuple)):
        says = f"`{shown(node)}` takes only a part, but you need all of `{shown(node.value, 30)}`."
        if isinstance(node.slice, ast.Slice) and node.slice.step and shown(node.slice.step) == "-1":
            says = f"`{shown(node)}` reverses `{shown(node.value, 30)}`, but you need it as it is."
        if _only_adds_axes(node.slice):
            says = f"`{shown(node)}` has one more axis than `{shown(node.value, 30)}`. What do you combine it with?"
        yield "a slice too many", says, node.value
    elif not isinstance(node.slice, ast.Constant | ast.UnaryOp):
        for step in (1, -1):
            says = f"The index in `{shown(node)}` is off by one."
            yield "off by one", says, ast.Subscript(node.value, _plus(node.slice, step), ast.Load())

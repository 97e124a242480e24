"""Move a function that is applied to the wrong part of the formula."""

import ast
from collections.abc import Iterator

from llmlib.exercises.engine.repairing.calls import MODULES
from llmlib.exercises.engine.repairing.constants import called
from llmlib.exercises.engine.repairing.edit import Edit, shown, slots

# Functions whose result has the same shape as their input, because they work element by element or normalise.
MOVABLE = {
    "gelu",
    "silu",
    "relu",
    "tanh",
    "sigmoid",
    "softplus",
    "exp",
    "log",
    "log2",
    "sqrt",
    "rsqrt",
    "square",
    "abs",
    "neg",
    "softmax",
    "log_softmax",
    "normalize",
    "rms_norm",
    "layer_norm",
    "clamp",
    "erf",
    "log1p",
}


def edits(tree: ast.AST) -> Iterator[Edit]:
    """Yield edits that move one call of a function in `MOVABLE`, so that it applies to another part of the formula."""
    for source in slots(tree):
        call = source.get()
        inner = _inner(call)
        if inner is None:
            continue
        says = f"You apply `{_name(call)}` to `{shown(inner, 40)}`, but it belongs to a different part of the formula."
        source.set(inner)
        for target in list(slots(tree)):
            node = target.get()
            if target != source and isinstance(node, (ast.BinOp, ast.Call, ast.Name, ast.Subscript, ast.Attribute)):
                if target.field == "func" or (isinstance(node, ast.Name) and node.id in MODULES):
                    continue
                target.set(_around(call, node))
                yield Edit("applied to another part", getattr(call, "lineno", 0), says)
                target.set(node)
        source.set(call)


def _inner(call: ast.AST) -> ast.expr | None:
    """Return what a function in `MOVABLE` is applied to, or None if `call` is not a call of such a function."""
    if not isinstance(call, ast.Call) or called(call) not in MOVABLE:
        return None
    if isinstance(call.func, ast.Attribute) and not _of_module(call.func):
        return call.func.value
    return call.args[0] if call.args else None


def _of_module(function: ast.Attribute) -> bool:
    owner = function.value
    return (isinstance(owner, ast.Name) and owner.id in MODULES) or ast.unparse(owner).endswith("functional")


def _around(call: ast.Call, node: ast.expr) -> ast.Call:
    if isinstance(call.func, ast.Attribute) and not _of_module(call.func):
        return ast.Call(ast.Attribute(node, call.func.attr, ast.Load()), call.args, call.keywords)
    return ast.Call(call.func, [node, *call.args[1:]], call.keywords)


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute) and not _of_module(call.func):
        return f".{call.func.attr}"
    return shown(call.func)

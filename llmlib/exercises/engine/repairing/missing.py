"""Propose the less likely changes, which we try last: use another variable, or add a missing step."""

import ast
import re
from collections.abc import Iterator

from llmlib.exercises.engine.repairing.constants import called
from llmlib.exercises.engine.repairing.edit import Edit, Slot, shown, slots


def names(tree: ast.AST) -> Iterator[Edit]:
    """Yield edits that replace a name with another variable."""
    function_names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    known = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    known |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    encoded = {
        n.value.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and n.attr == "encode" and isinstance(n.value, ast.Name)
    }
    holders = dict(_held(tree))
    for slot in slots(tree):
        node = slot.get()
        if isinstance(node, ast.Name) and node.id in known:
            says = _of_name(slot, node, encoded)  # called before the change, because it quotes the code
            for other in sorted(known - {node.id, holders.get(id(node), "")} - function_names):
                slot.set(ast.Name(other, ast.Load()))
                yield Edit("another variable", node.lineno, says)
                slot.set(node)


def _held(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the `id` of each name that the code puts into a list, and the list's name.

    No edit may put a list into itself, because `torch.tensor` never returns if given such a list, and the process dies.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(ast.Name(into), "append" | "insert"), values):
                waiting: list[ast.AST] = list(values)
            case ast.Assign([ast.Subscript(ast.Name(into))], value):
                waiting = [value]
            case _:
                continue
        while waiting:
            held = waiting.pop()
            if isinstance(held, ast.Name):
                yield id(held), into
            elif isinstance(held, (ast.List, ast.Tuple)):
                waiting += held.elts


def _of_name(slot: Slot, node: ast.Name, encoded: set[str]) -> str:
    """Say which variable is wrong, showing some of the code around it; the variables in `encoded` contain strings."""
    if isinstance(slot.parent, ast.Call) and called(slot.parent) == "len" and node.id in encoded:
        return f"`len({node.id})` counts characters, but a single character can be up to four bytes."
    says = f"`{node.id}` is the wrong variable here."
    parent = slot.parent
    if isinstance(parent, ast.Attribute):  # such as `x.numel`
        return f"`{shown(parent)}` uses `{node.id}`, but should use a different variable."
    if isinstance(parent, ast.Call) and slot.field == "args" and len(parent.args) > 1 and slot.index is not None:
        place = ("first", "second", "third", "fourth", "fifth")[min(slot.index, 4)]
        return f"The {place} argument of `{shown(parent.func)}`, `{node.id}`, is the wrong variable."
    if isinstance(parent, ast.expr) and shown(parent) != node.id:
        return f"In `{shown(parent)}`, {says}"
    return says


# For a single number, a softmax or a similar step would always return 0 or 1; dividing by `dim() > 0` prevents that.
STEPS = (
    ("a transposition missing", "`{0}` has two axes that should be swapped first", "({0}).transpose(-2, -1)"),
    ("a transposition missing", "`{0}` has two axes that should be swapped first", "({0}).transpose(1, 2)"),
    ("a copy missing", "you change `{0}` here, but it belongs to the caller: a copy is missing", "({0}).clone()"),
    ("a sign missing", "a minus sign is missing before `{0}`", "-({0})"),
    ("a negation missing", "`{0}` is the opposite of what you need: a negation is missing", "~({0})"),
    ("a one missing", "`{0}` is one too small here", "({0}) + 1"),
    ("a one missing", "`{0}` is one too large here", "({0}) - 1"),
    ("a root missing", "you need the square root of `{0}`", "({0}) ** 0.5"),
    ("a square missing", "you need the square of `{0}`", "({0}) ** 2"),
    ("an exponential missing", "you need the exponential of `{0}` first", "({0}).exp()"),
    ("a logarithm missing", "you need the logarithm of `{0}` first", "({0}).log()"),
    ("an exponential missing", "you need the exponential of `{0}` first", "math.exp({0})"),
    ("a logarithm missing", "you need the logarithm of `{0}` first", "math.log({0})"),
    ("a softmax missing", "`{0}` has to go through a softmax first", "({0}).softmax(-1) / (({0}).dim() > 0)"),
    ("a mean missing", "a mean over an axis of `{0}` is missing", "({0}).mean(0)"),
    ("a mean missing", "a mean over an axis of `{0}` is missing", "({0}).mean(-1)"),
    ("a sum missing", "a sum over an axis of `{0}` is missing", "({0}).sum(-1)"),
    (
        "an axis missing",
        "`{0}` needs one more axis (of length 1) here. `[..., None]` adds it at the end",
        "({0}).unsqueeze(-1)",
    ),
    (
        "an axis missing",
        "`{0}` needs one more axis (of length 1) here. `[None]` adds it in front",
        "({0}).unsqueeze(0)",
    ),
    (
        "not divided by the sum",
        "you do not divide `{0}` by its sum",
        "({0}) / ({0}).sum(-1, keepdim=True) / (({0}).dim() > 0)",
    ),
    (
        "maximum not subtracted",
        "you do not subtract the maximum of each row of `{0}`",
        "({0}) - ({0}).amax(-1, keepdim=True) / (({0}).dim() > 0)",
    ),
    ("NaN not caught", "`{0}` contains NaN where 0 is divided by 0, or multiplied by ∞", "({0}).nan_to_num(0.0)"),
    ("zero not caught", "`{0}` can be 0 here, and you divide by it", "({0}).clamp(min=1e-12)"),
    ("direction", "`{0}` runs in the wrong direction", "({0})[::-1]"),
    ("direction", "`{0}` runs in the wrong direction", "({0}).flip(-1)"),
    ("form", "`{0}` should be a tuple", "tuple({0})"),
    ("form", "`{0}` should be a list", "list({0})"),
    # This step raises an error for floats, because nobody writes floats and means booleans.
    ("form", "`{0}` should be converted to booleans", "[({0}).bool()][({0}).is_floating_point()]"),
    ("form", "`{0}` should be converted to `float32`", "({0}).float()"),
    ("form", "`{0}` is a string, but you need its bytes", "({0}).encode()"),
    ("order", "`{0}` should be sorted first", "sorted({0})"),
)

OF_SIZE = ("a root missing", "a square missing")
OF_NUMBERS = (*OF_SIZE, "an exponential missing", "a logarithm missing", "a softmax missing")
CHOICE = re.compile(r"mask|~|[<>]|==|\.bool\(|isin|isnan|isinf")  # code for booleans, whose logarithm nobody takes


def _beside_zero(slot: Slot) -> bool:
    """Return whether the code compares the value in this slot with 0.

    A value's square root and its square are 0 exactly when the value is 0, up to rounding.
    """
    beside = [slot.parent.left, *slot.parent.comparators] if isinstance(slot.parent, ast.Compare) else []
    return any(isinstance(node, ast.Constant) and node.value == 0 for node in beside)


def _decides(slot: Slot) -> bool:
    """Return whether the slot holds a condition, or a shape in a comparison with `==` or `!=`."""
    node, parent = slot.get(), slot.parent
    equality = isinstance(parent, ast.Compare) and isinstance(parent.ops[0], (ast.Eq, ast.NotEq))
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return isinstance(node, (ast.Compare, ast.BoolOp)) or negated or (equality and ".shape" in shown(node))


SEQUENCES = ("tuple({0})", "list({0})")


def _asks_for_a_type(slot: Slot) -> bool:
    """Return whether the code compares, returns or hashes a value, so that its type (tuple or list) can matter.

    Elsewhere, converting a list to a tuple helps for another reason: if a list has two names, extending it under one
    name also extends it under the other, but this does not happen with a tuple.
    """
    parent = slot.parent
    if isinstance(parent, ast.Assign):
        return all(isinstance(target, ast.Name) for target in parent.targets)
    if isinstance(parent, ast.DictComp):
        return slot.field == "key"
    return not isinstance(parent, (ast.BinOp, ast.AugAssign, ast.Dict))


def _counts(slot: Slot, parameters: set[str]) -> bool:
    """Return whether a missing 1 can be a slip; added to a factor or to a bare argument, a 1 may just be algebra."""
    parent, node = slot.parent, slot.get()
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Mult, ast.Div, ast.Pow, ast.MatMult)):
        return False
    given = isinstance(node, ast.Name) and node.id in parameters
    return not (given and isinstance(parent, (ast.BinOp, ast.Compare)))


def steps(tree: ast.AST) -> Iterator[Edit]:
    """Yield edits that add a missing step."""
    parameters = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    for slot in slots(tree):
        node = slot.get()
        if isinstance(node, (ast.Slice, ast.Starred, ast.Constant, ast.JoinedStr, ast.Lambda)) or slot.field == "func":
            continue
        if isinstance(node, ast.Tuple) and any(isinstance(e, (ast.Slice, ast.Starred)) for e in node.elts):
            continue
        text = ast.unparse(node)
        for name, says, template in STEPS:
            if name in ("a mean missing", "a sum missing") and not isinstance(slot.parent, ast.Return):
                continue  # elsewhere, the step may help for another reason
            if (name in OF_SIZE and _beside_zero(slot)) or (name in OF_NUMBERS and CHOICE.search(text)):
                continue
            if name in ("form", "order") and isinstance(slot.parent, ast.Subscript):
                continue  # a dictionary's keys may be right by chance where its values are meant
            if template in SEQUENCES and not _asks_for_a_type(slot):
                continue
            if name in ("a one missing", "a sign missing") and _decides(slot):
                continue  # the step would only make a condition always true, or always false
            if name == "a one missing" and not _counts(slot, parameters):
                continue
            sentence = says.format(shown(node))
            other = ast.parse(template.replace("{0}", text), mode="eval").body
            slot.set(other)
            yield Edit(name, getattr(node, "lineno", 0), sentence[0].upper() + sentence[1:] + ".")
            slot.set(node)


def factors(tree: ast.AST) -> Iterator[Edit]:
    """Yield edits that multiply or divide a part of a formula by a variable."""
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    known = sorted({n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)} | stored)
    for slot in slots(tree):
        node = slot.get()
        if not isinstance(node, (ast.BinOp, ast.Name)) or not isinstance(slot.parent, (ast.BinOp, ast.Return)):
            continue
        for name in known:
            for operator, done in ((ast.Mult(), "multiplied"), (ast.Div(), "divided")):
                slot.set(ast.BinOp(node, operator, ast.Name(name, ast.Load())))
                yield Edit("a factor missing", node.lineno, f"`{shown(node)}` should be {done} by `{name}`.")
                slot.set(node)

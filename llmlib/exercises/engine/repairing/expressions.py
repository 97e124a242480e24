"""Changes to expressions: numbers, axes, operators, comparisons, names, steps too many."""

import ast
import itertools
from collections.abc import Iterator

from llmlib.exercises.engine.repairing.edit import Alternative, Edit, Slot, shown, slots

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
OTHERS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult), ast.Sub: (ast.Add,), ast.Mult: (ast.Div, ast.Add, ast.MatMult, ast.FloorDiv, ast.Pow),
    ast.Div: (ast.Mult, ast.FloorDiv, ast.Sub), ast.FloorDiv: (ast.Div, ast.Mod, ast.Mult), ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,), ast.MatMult: (ast.Mult,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
}  # fmt: skip
COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt, ast.GtE), ast.LtE: (ast.Lt, ast.GtE, ast.Gt), ast.Gt: (ast.GtE, ast.Lt, ast.LtE),
    ast.GtE: (ast.Gt, ast.LtE, ast.Lt), ast.Eq: (ast.NotEq, ast.GtE, ast.LtE), ast.NotEq: (ast.Eq, ast.Lt, ast.Gt),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
FAMILIES = (
    ("sum", "mean"), ("max", "min"), ("amax", "amin"), ("argmax", "argmin"), ("log", "log2", "log10", "log1p"),
    ("exp", "exp2"), ("sin", "cos"), ("tril", "triu"), ("any", "all"), ("indices", "values"), ("floor", "ceil", "round"),
    ("repeat", "repeat_interleave", "tile"), ("append", "insert", "extend"), ("keys", "values", "items"), ("max", "sum", "mean"),
    ("cat", "stack", "concat"), ("prod", "sum"), ("softmax", "log_softmax", "sigmoid"), ("zeros", "ones"),
    ("zeros_like", "ones_like"), ("permute", "reshape", "view", "transpose"), ("most_common", "elements"), ("and", "or"),
    ("norm", "sum"), ("std", "var"), ("abs", "square"), ("first", "last"), ("logical_and", "logical_or"), ("maximum", "minimum"),
)  # fmt: skip
WORDS = (
    ("replace", "ignore", "strict", "backslashreplace"), ("utf-8", "latin-1", "ascii", "utf8", "utf-16", "cp1252"), ("", " "),
    ("-inf", "inf"),
)  # fmt: skip
AXIS_WORDS = {"dim", "axis", "dims", "dim0", "dim1", "dim2"}
AXIS_CALLS = {
    "softmax", "sum", "mean", "max", "min", "amax", "amin", "argmax", "cumsum", "unsqueeze", "squeeze", "transpose", "cat",
    "stack", "chunk", "split", "flatten", "unflatten", "log_softmax", "logsumexp", "norm", "any", "all", "repeat_interleave",
    "flip", "select", "narrow", "permute", "prod", "normalize", "sort", "topk", "swapaxes", "movedim", "roll", "diagonal",
}  # fmt: skip


def edits(tree: ast.AST) -> Iterator[Edit]:
    """Each change of one expression; the tree is changed while the edit is looked at."""
    for slot in slots(tree):
        node = slot.get()
        for name, says, other in _alternatives(slot, node):
            slot.set(other)
            yield Edit(name, getattr(node, "lineno", 0), says)
            slot.set(node)


def _alternatives(slot: Slot, node: ast.expr) -> Iterator[Alternative]:
    if isinstance(node, ast.Constant):
        yield from _of_constant(slot, node)
    elif isinstance(node, ast.UnaryOp):
        yield from _of_unary(slot, node)
    elif isinstance(node, ast.BinOp):
        yield from _of_binary(node)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _of_comparison(node)
    elif isinstance(node, ast.BoolOp):
        yield from _of_boolean(node)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.Attribute):
        yield from _of_attribute(node)
    elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
        says = f"In `{shown(node)}` the two are exchanged."
        yield "two things exchanged", says, ast.Tuple(node.elts[::-1], ast.Load())
    elif isinstance(node, ast.Tuple):
        yield from _of_index(node)
    elif isinstance(node, ast.Slice):
        yield from _of_slice(node)
    elif isinstance(node, ast.Subscript):
        yield from _of_subscript(node)
    elif isinstance(node, ast.IfExp):
        says = f"In `{shown(node)}` the two cases are exchanged."
        yield "cases exchanged", says, ast.IfExp(node.test, node.orelse, node.body)
    if isinstance(node, (ast.Compare, ast.Name, ast.Call)) and slot.field == "test":
        yield (
            "condition negated",
            f"The condition `{shown(node)}` has the opposite sense.",
            ast.UnaryOp(ast.Not(), node),
        )
    if isinstance(node, ast.ListComp) or isinstance(node, ast.GeneratorExp):
        for i, clause in enumerate(node.generators):
            if clause.ifs:
                free = ast.comprehension(clause.target, clause.iter, [], clause.is_async)
                others = [free if j == i else c for j, c in enumerate(node.generators)]
                says = f"The condition `{shown(clause.ifs[0])}` leaves out too much."
                yield "condition too many", says, type(node)(node.elt, others)


def _of_constant(slot: Slot, node: ast.Constant) -> Iterator[Alternative]:
    value = node.value
    if isinstance(value, bool):
        yield "True and False exchanged", f"`{value}` is the opposite of what is needed here.", ast.Constant(not value)
    elif isinstance(value, int):
        if _is_size(slot):
            for axis in (0, 1, 2, 3, -1, -2):
                says = f"`{shown(slot.parent)}` is the size of another axis than the one that is meant."
                yield from [("size of another axis", says, _number(axis))] if axis != value else []
            return
        if _is_axis(slot):
            for axis in (-1, -2, 0, 1, 2, 3, -3):
                if axis != value:
                    says = f"The axis is the matter: {value} is not the one that is meant here. Count the axes, with their names."
                    yield "another axis", says, _number(axis)
            return
        for other in (value + 1, value - 1):
            says = f"The number `{value}` is not the right one here: is it off by one?"
            yield "off by one", says, _number(other)
        for other in (0, 1, 2, -1, -2, 256, -value):
            if other not in (value, value + 1, value - 1):
                yield "another number", f"The number `{value}` is not the right one here.", _number(other)
        yield "a root for a number", f"`{value}`: is a root, or a square, meant here?", ast.Constant(0.5)
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
                    f"In the pattern `{value}` the axes stand in another order than they should.",
                    ast.Constant(text),
                )


def _reordered(side: str) -> Iterator[str]:
    """Two axes of one side of a pattern exchanged, in the spelling of einsum or of einops."""
    import re

    spaced = " " in side.strip()
    names = re.findall(r"\w+|\.\.\." if spaced else r"[A-Za-z]|\.\.\.", side)
    for a, b in itertools.combinations([n for n in dict.fromkeys(names) if n != "..."], 2):
        swap = {a: b, b: a}
        yield re.sub(r"\w+" if spaced else r"[A-Za-z]", lambda m, s=swap: s.get(m.group(), m.group()), side)


def _number(value: int) -> ast.expr:
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def _is_axis(slot: Slot) -> bool:
    parent = slot.parent
    if isinstance(parent, ast.keyword):
        return parent.arg in AXIS_WORDS
    if isinstance(parent, ast.Call) and slot.field == "args":
        return _called(parent) in AXIS_CALLS
    return False


def _is_size(slot: Slot) -> bool:
    """An index into a shape, or an argument of `size`."""
    parent = slot.parent
    if isinstance(parent, ast.Subscript) and slot.field == "slice":
        return isinstance(parent.value, ast.Attribute) and parent.value.attr == "shape"
    return isinstance(parent, ast.Call) and _called(parent) == "size"


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _of_unary(slot: Slot, node: ast.UnaryOp) -> Iterator[Alternative]:
    if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, int):
        value = -node.operand.value
        if _is_size(slot):
            for other in (0, 1, 2, 3, -1, -2):
                says = f"`{shown(slot.parent)}` is the size of another axis than the one that is meant."
                yield from [("size of another axis", says, _number(other))] if other != value else []
            return
        axis = _is_axis(slot)
        for other in (-1, -2, 0, 1, 2, 3, -3):
            if other != value:
                says = (
                    f"The axis is the matter: {value} is not the one that is meant here. Count the axes, with their names."
                    if axis
                    else f"The number `{value}` is not the right one here (which axis, or which place, does it count?)."
                )
                yield "another axis" if axis else "another number", says, _number(other)
    words = {ast.USub: "minus", ast.Invert: "`~`", ast.Not: "`not`"}
    if type(node.op) in words:
        says = f"The {words[type(node.op)]} in `{shown(node)}` is one too many."
        yield "sign or negation too many", says, node.operand


def _of_binary(node: ast.BinOp) -> Iterator[Alternative]:
    for other in OTHERS.get(type(node.op), ()):
        says = f"The operator in `{shown(node)}` is not the right one."
        yield "another operator", says, ast.BinOp(node.left, other(), node.right)
    if isinstance(node.op, (ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv, ast.Mod, ast.Add)):
        says = f"The two sides of `{shown(node)}` are exchanged."
        yield "sides exchanged", says, ast.BinOp(node.right, node.op, node.left)
    says = f"In `{shown(node)}` a step is too many: what stands beside `{shown(node.left, 30)}` does not belong there."
    yield "a step too many", says, node.left
    if isinstance(node.op, (ast.Add, ast.Mult, ast.MatMult)):
        says = f"In `{shown(node)}` a step is too many: `{shown(node.left, 30)}` does not belong there."
        yield "a step too many", says, node.right
    if isinstance(node.op, (ast.Div, ast.Mult)):
        root = ast.BinOp(node.right, ast.Pow(), ast.Constant(0.5))
        yield "a root missing", f"In `{shown(node)}` a root is missing.", ast.BinOp(node.left, node.op, root)
    if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.UnaryOp):
        says = f"The sign of the exponent in `{shown(node)}` is the wrong one."
        yield "sign of an exponent", says, ast.BinOp(node.left, node.op, node.right.operand)
    elif isinstance(node.op, ast.Pow):
        says = f"The sign of the exponent in `{shown(node)}` is the wrong one."
        yield "sign of an exponent", says, ast.BinOp(node.left, node.op, ast.UnaryOp(ast.USub(), node.right))


def _of_comparison(node: ast.Compare) -> Iterator[Alternative]:
    for other in COMPARISONS.get(type(node.ops[0]), ()):
        strict = {type(node.ops[0]), other} in ({ast.Lt, ast.LtE}, {ast.Gt, ast.GtE})
        if strict:
            says = f"The comparison `{shown(node)}` decides wrongly where both sides are equal."
        else:
            says = f"The comparison `{shown(node)}` looks the wrong way."
        yield (
            "border of a comparison" if strict else "another comparison",
            says,
            ast.Compare(node.left, [other()], node.comparators),
        )


def _of_boolean(node: ast.BoolOp) -> Iterator[Alternative]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield "and, or", f"`and` and `or` are exchanged in `{shown(node)}`.", ast.BoolOp(other, node.values)
    for i, value in enumerate(node.values):
        rest = node.values[:i] + node.values[i + 1 :]
        says = f"The part `{shown(value)}` of the condition is too many."
        yield "condition too many", says, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _of_call(node: ast.Call) -> Iterator[Alternative]:
    if (
        isinstance(node.func, ast.Attribute)
        and not isinstance(node.func.value, ast.Name | ast.Attribute)
        or (
            isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id not in {"torch", "F", "np", "math", "einops"}
        )
    ):
        says = f"The step `.{node.func.attr}(…)` on `{shown(node.func.value, 40)}` is one too many."
        yield "a step too many", says, node.func.value
    if len(node.args) == 1 and not (isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name)):
        says = f"The step `{shown(node.func)}(…)` is one too many."
        yield "a step too many", says, node.args[0]
    for i, j in itertools.combinations(range(len(node.args)), 2):
        args = list(node.args)
        args[i], args[j] = args[j], args[i]
        says = f"In `{shown(node)}` `{shown(node.args[i], 20)}` and `{shown(node.args[j], 20)}` are exchanged."
        yield "arguments exchanged", says, ast.Call(node.func, args, node.keywords)
    for i, keyword in enumerate(node.keywords):
        rest = node.keywords[:i] + node.keywords[i + 1 :]
        says = f"In `{shown(node)}` the argument `{keyword.arg}` is not what is needed."
        yield "an argument too many", says, ast.Call(node.func, node.args, rest)
    if node.args and _called(node) in ("range", "enumerate", "get", "sum", "most_common"):
        says = f"The borders of `{shown(node)}` are not right: by one at an end."
        for step in (1, -1):
            yield "borders of a range", says, ast.Call(node.func, [*node.args[:-1], _plus(node.args[-1], step)], [])
        if len(node.args) == 2:
            yield "borders of a range", says, ast.Call(node.func, node.args[1:], [])
        if len(node.args) == 1:
            yield "borders of a range", says, ast.Call(node.func, [ast.Constant(1), *node.args], [])
    if _called(node) == "permute" and len(node.args) in (3, 4):
        for order in itertools.permutations(node.args):
            if list(order) != node.args:
                yield (
                    "axes in another order",
                    f"The order of axes in `{shown(node)}` is not the right one.",
                    ast.Call(node.func, list(order), []),
                )


def _plus(node: ast.expr, step: int) -> ast.expr:
    return ast.BinOp(node, ast.Add() if step > 0 else ast.Sub(), ast.Constant(abs(step)))


def _of_attribute(node: ast.Attribute) -> Iterator[Alternative]:
    for family in FAMILIES:
        if node.attr in family:
            for other in family:
                if other != node.attr:
                    says = f"`{node.attr}` is not the right operation here (it stands after `{shown(node.value, 30)}`)."
                    yield "another operation", says, ast.Attribute(node.value, other, node.ctx)
    if node.attr in ("T", "mT"):
        yield "a transposition too many", f"The transposition in `{shown(node)}` is one too many.", node.value


def _of_slice(node: ast.Slice) -> Iterator[Alternative]:
    says = f"The borders of the slice `{shown(node)}` are not right"
    for field in ("lower", "upper"):
        border = getattr(node, field)
        parts = {"lower": node.lower, "upper": node.upper, "step": node.step}
        if border is not None:
            for step in (1, -1):
                yield "borders of a slice", f"{says}: off by one.", ast.Slice(**{**parts, field: _plus(border, step)})
            yield "borders of a slice", f"{says}: something is cut off.", ast.Slice(**{**parts, field: None})
        else:
            for at in (1, -1):
                yield (
                    "borders of a slice",
                    f"{says}: nothing is cut off here.",
                    ast.Slice(**{**parts, field: _number(at)}),
                )
    if node.step is not None:
        yield (
            "step of a slice",
            f"The step of the slice `{shown(node)}` is not right.",
            ast.Slice(node.lower, node.upper),
        )
    if node.lower is not None or node.upper is not None:
        yield "borders of a slice", f"{says}: its two ends are exchanged.", ast.Slice(node.upper, node.lower, node.step)


def _of_index(node: ast.Tuple) -> Iterator[Alternative]:
    """The index of several axes: one of them may stand at another axis."""
    if not any(isinstance(e, ast.Slice) for e in node.elts):
        return
    says = f"The index `[{shown(node)}]` reaches into another axis than the one that is meant: count the axes from the left."
    for i, j in itertools.combinations(range(len(node.elts)), 2):
        elements = list(node.elts)
        elements[i], elements[j] = elements[j], elements[i]
        yield "index at another axis", says, ast.Tuple(elements, ast.Load())
    for i, element in enumerate(node.elts):
        if isinstance(element, ast.Slice) and not (element.lower or element.upper or element.step):
            yield "index at another axis", says, ast.Tuple(node.elts[:i] + node.elts[i + 1 :], ast.Load())


def _of_subscript(node: ast.Subscript) -> Iterator[Alternative]:
    if isinstance(node.slice, ast.Slice) or isinstance(node.slice, ast.Tuple):
        yield (
            "a slice too many",
            f"`{shown(node)}` takes only a part, where all of `{shown(node.value, 30)}` is needed.",
            node.value,
        )
    elif not isinstance(node.slice, ast.Constant | ast.UnaryOp):
        for step in (1, -1):
            says = f"The index in `{shown(node)}` is off by one."
            yield "off by one", says, ast.Subscript(node.value, _plus(node.slice, step), ast.Load())


def names(tree: ast.AST) -> Iterator[Edit]:
    """Another variable in each place."""
    function_names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    known = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    known |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for slot in slots(tree):
        node = slot.get()
        if isinstance(node, ast.Name) and node.id in known:
            for other in sorted(known - {node.id} - function_names):
                slot.set(ast.Name(other, ast.Load()))
                yield Edit("another variable", node.lineno, f"`{node.id}` stands where another variable belongs.")
                slot.set(node)


STEPS = (
    ("a transposition missing", "`{0}` has two axes that should be exchanged first", "({0}).transpose(-2, -1)"),
    ("a transposition missing", "`{0}` has two axes that should be exchanged first", "({0}).transpose(1, 2)"),
    ("a copy missing", "`{0}` is changed here, and it is not yours: a copy is missing", "({0}).clone()"),
    ("a sign missing", "a minus before `{0}` is missing", "-({0})"),
    ("a negation missing", "`{0}` means the opposite of what is needed: a negation is missing", "~({0})"),
    ("a one missing", "`{0}` is one too small", "({0}) + 1"),
    ("a one missing", "`{0}` is one too large", "({0}) - 1"),
    ("a root missing", "the root of `{0}` is meant", "({0}) ** 0.5"),
    ("a square missing", "the square of `{0}` is meant", "({0}) ** 2"),
    ("an exponential missing", "`{0}` has to go through the exponential first", "({0}).exp()"),
    ("a logarithm missing", "`{0}` has to go through the logarithm first", "({0}).log()"),
    ("a softmax missing", "`{0}` has to go through a softmax first", "({0}).softmax(-1)"),
    ("a mean missing", "a mean over an axis of `{0}` is missing", "({0}).mean(0)"),
    ("a mean missing", "a mean over an axis of `{0}` is missing", "({0}).mean(-1)"),
    ("a sum missing", "a sum over an axis of `{0}` is missing", "({0}).sum(-1)"),
    ("an axis missing", "`{0}` needs one axis more (of length 1) here", "({0}).unsqueeze(-1)"),
    ("an axis missing", "`{0}` needs one axis more (of length 1) here", "({0}).unsqueeze(0)"),
    ("lengths not divided out", "`{0}` is not scaled to length 1", "({0}) / ({0}).norm(dim=-1, keepdim=True)"),
    ("not divided by the sum", "`{0}` is not divided by its sum", "({0}) / ({0}).sum(-1, keepdim=True)"),
    ("maximum not subtracted", "the maximum of `{0}` is not subtracted", "({0}) - ({0}).amax(-1, keepdim=True)"),
    ("NaN not caught", "`{0}` holds NaN where 0 is divided by 0, or multiplied by ∞", "({0}).nan_to_num(0.0)"),
    ("zero not caught", "`{0}` can be 0 here, and is divided by", "({0}).clamp(min=1e-12)"),
    ("direction", "`{0}` runs the other way than it should", "({0})[::-1]"),
    ("direction", "`{0}` runs the other way than it should", "({0}).flip(-1)"),
    ("form", "`{0}` should be a tuple", "tuple({0})"),
    ("form", "`{0}` should be a list", "list({0})"),
    ("form", "`{0}` should be converted to booleans", "({0}).bool()"),
    ("form", "`{0}` should be converted to numbers with a point", "({0}).float()"),
    ("form", "`{0}` is a text where its bytes are meant", "({0}).encode()"),
    ("order", "`{0}` should be in order first", "sorted({0})"),
    ("256 missing", "`{0}` is counted from 0, where ids of new tokens are meant", "({0}) + 256"),
)  # fmt: skip


def steps(tree: ast.AST) -> Iterator[Edit]:
    """A step that is missing somewhere."""
    for slot in slots(tree):
        node = slot.get()
        if isinstance(node, (ast.Slice, ast.Starred, ast.Constant, ast.JoinedStr, ast.Lambda)) or slot.field == "func":
            continue
        if isinstance(node, ast.Tuple) and any(isinstance(e, (ast.Slice, ast.Starred)) for e in node.elts):
            continue
        text = ast.unparse(node)
        for name, says, template in STEPS:
            if name in ("a mean missing", "a sum missing") and not isinstance(slot.parent, ast.Return):
                continue  # elsewhere it may be right for another reason
            sentence = says.format(shown(node))
            other = ast.parse(template.replace("{0}", text), mode="eval").body
            slot.set(other)
            yield Edit(name, getattr(node, "lineno", 0), sentence[0].upper() + sentence[1:] + ".")
            slot.set(node)

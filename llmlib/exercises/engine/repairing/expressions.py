"""Propose changes to operators, comparisons and conditions; `constants` and `calls` change other expressions."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce

from llmlib.exercises.engine.repairing.calls import of_attribute, of_call, of_index, of_slice, of_subscript
from llmlib.exercises.engine.repairing.constants import of_constant, of_unary
from llmlib.exercises.engine.repairing.deciding import rivals
from llmlib.exercises.engine.repairing.edit import Alternative, Edit, Slot, shown, slots

Comprehension = ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp

SYMBOLS: dict[type, str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.BitAnd: "&",
    ast.BitOr: "|",
}


OTHERS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add, ast.MatMult, ast.FloorDiv, ast.Pow),
    ast.Div: (ast.Mult, ast.FloorDiv, ast.Sub),
    ast.FloorDiv: (ast.Div, ast.Mod, ast.Mult),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
}


COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt, ast.GtE),
    ast.LtE: (ast.Lt, ast.GtE, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt, ast.LtE),
    ast.GtE: (ast.Gt, ast.LtE, ast.Lt),
    ast.Eq: (ast.NotEq, ast.GtE, ast.LtE),
    ast.NotEq: (ast.Eq, ast.Lt, ast.Gt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}


def edits(tree: ast.AST) -> Iterator[Edit]:
    """Yield the changes to single expressions, one by one; the tree stays changed while the caller inspects it."""
    for slot in slots(tree):
        node = slot.get()
        for name, says, other in alternatives(slot, node):
            edit = Edit(name, getattr(node, "lineno", 0), says, "" if "axis" in name else token_of(node))
            edit = replace(edit, rivals=rivals(slot, node, other, edit))
            slot.set(other)
            yield edit
            slot.set(node)


def token_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return str(node.value) if isinstance(node, ast.Constant) and type(node.value) in (int, float) else ""


def alternatives(slot: Slot, node: ast.expr) -> Iterator[Alternative]:
    if isinstance(node, (ast.UnaryOp, ast.Attribute, ast.Call)) and INFINITE.fullmatch(ast.unparse(node)):
        yield "another number", f"`{shown(node)}` is not the right number here.", ast.Constant(0.0)
    if isinstance(node, ast.Constant):
        yield from of_constant(slot, node)
    elif isinstance(node, ast.UnaryOp):
        yield from of_unary(slot, node)
    elif isinstance(node, ast.BinOp):
        yield from _of_binary(node)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _of_comparison(node)
    elif isinstance(node, ast.BoolOp):
        yield from _of_boolean(node)
    elif isinstance(node, ast.Call):
        yield from of_call(node)
    elif isinstance(node, ast.Attribute):
        yield from of_attribute(node)
    elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
        says = f"In `{shown(node)}`, the two items are swapped."
        yield "two things exchanged", says, ast.Tuple(node.elts[::-1], ast.Load())
    elif isinstance(node, ast.Tuple):
        yield from of_index(node)
    elif isinstance(node, ast.Slice):
        yield from of_slice(node)
    elif isinstance(node, ast.Subscript):
        yield from of_subscript(node)
    elif isinstance(node, ast.IfExp):
        for kept, holds in ((node.orelse, "does not hold"), (node.body, "holds")):
            says = f"You do not need the condition `{shown(node.test)}`: what you do when it {holds} is right"
            yield "condition too many", f"{says} in all cases.", kept
        says = f"In `{shown(node)}`, the two cases are swapped."
        yield "cases exchanged", says, ast.IfExp(node.test, node.orelse, node.body)
    if isinstance(node, (ast.Compare, ast.Name, ast.Call, ast.BoolOp)) and slot.field == "test":
        yield (
            "condition negated",
            f"The condition `{shown(node)}` is the opposite of what you need.",
            ast.UnaryOp(ast.Not(), node),
        )
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
        for i, clause in enumerate(node.generators):
            if clause.ifs:
                free = ast.comprehension(clause.target, clause.iter, [], clause.is_async)
                others = [free if j == i else c for j, c in enumerate(node.generators)]
                says = f"The condition `{shown(clause.ifs[0])}` leaves out too much."
                yield "condition too many", says, _with_clauses(node, others)


def _with_clauses(node: Comprehension, clauses: list[ast.comprehension]) -> ast.expr:
    if isinstance(node, ast.DictComp):
        return ast.DictComp(node.key, node.value, clauses)
    return type(node)(node.elt, clauses)


def _of_binary(node: ast.BinOp) -> Iterator[Alternative]:
    yield from _brackets(node)
    for other in OTHERS.get(type(node.op), ()):
        if _takes_the_one_away(node, other):
            continue  # here the whole step `+ 1` is wrong, which one of the changes below says
        says = f"In `{shown(node)}`, `{SYMBOLS[type(node.op)]}` is not the right operator."
        yield "another operator", says, ast.BinOp(node.left, other(), node.right)
    if isinstance(node.op, (ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv, ast.Mod, ast.Add)):
        says = f"The two sides of `{shown(node)}` are swapped."
        yield "sides exchanged", says, ast.BinOp(node.right, node.op, node.left)
    yield from _times_infinity(node)
    says = f"`{shown(node)}` has one step too many: you only need `{shown(node.left, 30)}`."
    yield "a step too many", says, node.left
    if isinstance(node.op, (ast.Add, ast.Mult, ast.MatMult)):
        says = f"`{shown(node)}` has one step too many: `{shown(node.left, 30)}` does not belong there."
        yield "a step too many", says, node.right
    if isinstance(node.op, (ast.Div, ast.Mult)):
        root = ast.BinOp(node.right, ast.Pow(), ast.Constant(0.5))
        yield "a root missing", f"In `{shown(node)}`, a square root is missing.", ast.BinOp(node.left, node.op, root)
    if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.UnaryOp):
        says = f"The sign of the exponent in `{shown(node)}` is wrong."
        yield "sign of an exponent", says, ast.BinOp(node.left, node.op, node.right.operand)
    elif isinstance(node.op, ast.Pow):
        says = f"The sign of the exponent in `{shown(node)}` is wrong."
        yield "sign of an exponent", says, ast.BinOp(node.left, node.op, ast.UnaryOp(ast.USub(), node.right))


INFINITE = re.compile(r"-?\(?(torch|np|numpy|math|float)(\.inf|\(['\"]-?inf['\"]\))\)?")


def _times_infinity(node: ast.BinOp) -> Iterator[Alternative]:
    """Repair `mask * -inf`, which is meant to be −∞ where the mask is not 0, and 0 elsewhere."""
    for mask, infinity in ((node.left, node.right), (node.right, node.left)):
        if isinstance(node.op, ast.Mult) and INFINITE.fullmatch(ast.unparse(infinity)):
            says = (
                f"`{shown(node)}` is NaN (not a number) where `{shown(mask, 30)}` is 0, because 0 · ∞ is not 0. "
                "`masked_fill` and `torch.where` choose between two values, without multiplying."
            )
            chosen = f"({ast.unparse(mask)}).float().masked_fill(({ast.unparse(mask)}) != 0, {ast.unparse(infinity)})"
            yield "0 · ∞", says, ast.parse(chosen, mode="eval").body


def _takes_the_one_away(node: ast.BinOp, other: type) -> bool:
    """Return whether another operator would make a step `+ 1` or `- 1` do nothing, as in x * 1, x / 1 or x // 1."""
    one = isinstance(node.right, ast.Constant) and node.right.value == 1
    left = isinstance(node.left, ast.Constant) and node.left.value == 1 and other is ast.Mult
    adds = isinstance(node.op, (ast.Add, ast.Sub))
    return adds and (left or (one and other in (ast.Mult, ast.Div, ast.FloorDiv, ast.Pow)))


def _brackets(node: ast.BinOp) -> Iterator[Alternative]:
    """Add or move brackets: turn `x / a + b` into `x / (a + b)`; likewise for `x * (1 - a) / b` and `4 * n ** 2`."""
    name, left, right = "brackets", node.left, node.right
    products = (ast.Mult, ast.Div, ast.MatMult)
    if isinstance(node.op, (ast.Add, ast.Sub)) and isinstance(left, ast.BinOp) and isinstance(left.op, products):
        says = f"In `{shown(node)}`, brackets are missing: Python multiplies and divides before it adds and subtracts."
        yield name, says, ast.BinOp(left.left, left.op, ast.BinOp(left.right, node.op, right))
        if isinstance(right, ast.BinOp) and isinstance(right.op, products):
            inner = ast.BinOp(left.left, left.op, ast.BinOp(left.right, node.op, right.left))
            yield name, says, ast.BinOp(inner, right.op, right.right)
        yield from ((name, says, other) for other in _sums_of_products(node))
    if isinstance(node.op, (ast.Add, ast.Sub)) and isinstance(right, ast.BinOp) and isinstance(right.op, products):
        says = (
            f"In `{shown(node)}`, brackets are missing: Python multiplies and divides first, then adds and subtracts."
        )
        yield name, says, ast.BinOp(ast.BinOp(left, node.op, right.left), right.op, right.right)
    if isinstance(node.op, ast.Pow) and isinstance(left, ast.BinOp) and isinstance(left.op, products):
        says = f"The power in `{shown(node)}` applies to the whole bracket, including `{shown(left.left)}`."
        yield name, says, ast.BinOp(left.left, left.op, ast.BinOp(left.right, ast.Pow(), right))
    if isinstance(node.op, (ast.Mult, ast.Div)):
        yield from _brackets_of_a_product(node)


def _sums_of_products(node: ast.BinOp) -> Iterator[ast.expr]:
    """Yield sums with brackets around a part of each product, such as `6 * (a * b + c * d) * n`."""
    left, right = _product(node.left), _product(node.right)
    for before in range(len(left)):
        for after in range(1, len(right) + 1):
            if before or after < len(right):
                inner = ast.BinOp(_multiplied(left[before:]), node.op, _multiplied(right[:after]))
                yield _multiplied([*left[:before], inner, *right[after:]])


def _product(node: ast.expr) -> list[ast.expr]:
    """Return the factors of a product; any other expression counts as a single factor."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_product(node.left), *_product(node.right)]
    return [node]


def _multiplied(factors: list[ast.expr]) -> ast.expr:
    return reduce(lambda one, other: ast.BinOp(one, ast.Mult(), other), factors)


def _brackets_of_a_product(node: ast.BinOp) -> Iterator[Alternative]:
    """Add missing brackets: turn `x ** 1 / b` into `x ** (1 / b)`, `a / b * c` into `a / (b * c)`, and so on."""
    name, left, right = "brackets", node.left, node.right
    missing = f"In `{shown(node)}`, brackets are missing: Python"

    def too_short(power: ast.BinOp) -> str:
        alone = f"In `{shown(node)}`, the power applies only to `{shown(power.left, 30)}`"
        return f"{alone}, but should apply to the other part, too."

    if isinstance(right, ast.BinOp) and isinstance(right.op, ast.Pow):
        yield name, too_short(right), ast.BinOp(ast.BinOp(left, node.op, right.left), ast.Pow(), right.right)
    if not isinstance(left, ast.BinOp):
        return
    if isinstance(left.op, ast.Pow):
        says = f"{missing} computes `{shown(left, 30)}` first, without the rest.{_a_root(left, right)}"
        yield name, says, ast.BinOp(left.left, ast.Pow(), ast.BinOp(left.right, node.op, right))
        yield name, too_short(left), ast.BinOp(ast.BinOp(left.left, node.op, right), ast.Pow(), left.right)
    last = left.right
    if isinstance(left.op, ast.Mult) and isinstance(last, ast.BinOp) and isinstance(last.op, ast.Pow):
        power = ast.BinOp(ast.BinOp(last.left, node.op, right), ast.Pow(), last.right)
        yield name, too_short(last), ast.BinOp(left.left, ast.Mult(), power)
    if isinstance(left.op, (ast.Mult, ast.Div)) and isinstance(last, ast.BinOp) and isinstance(last.op, ast.Pow):
        says = f"{missing} computes `{shown(last, 30)}` first, without the rest.{_a_root(last, right)}"
        exponent = ast.BinOp(last.right, node.op, right)
        yield name, says, ast.BinOp(left.left, left.op, ast.BinOp(last.left, ast.Pow(), exponent))
    if isinstance(left.op, ast.Div) and isinstance(node.op, ast.Mult):
        says = f"{missing} goes from left to right, so `{shown(right, 30)}` is not in the denominator."
        yield name, says, ast.BinOp(left.left, ast.Div(), ast.BinOp(last, ast.Mult(), right))
    if isinstance(left.op, ast.Div) and isinstance(last, ast.BinOp) and isinstance(last.op, (ast.Add, ast.Sub)):
        says = f"In `{shown(node)}`, a bracket ends too early: it should also include `{shown(right, 30)}`."
        yield (
            name,
            says,
            ast.BinOp(left.left, ast.Div(), ast.BinOp(last.left, last.op, ast.BinOp(last.right, node.op, right))),
        )
    if isinstance(left.op, (ast.Add, ast.Sub)):
        part, sign = f"{'/' if isinstance(node.op, ast.Div) else '*'} {shown(right, 30)}", left.op
        for here, both in (
            (left.left, (ast.BinOp(left.left, node.op, right), last)),
            (last, (left.left, ast.BinOp(last, node.op, right))),
        ):
            says = (
                f"In `{shown(node)}`, the `{part}` applies to the whole bracket, but should apply only to "
                f"`{shown(here, 40)}`."
            )
            yield name, says, ast.BinOp(both[0], sign, both[1])


def _a_root(power: ast.BinOp, divisor: ast.expr) -> str:
    whole = [getattr(part, "value", None) for part in (power.right, divisor)]
    return " A square root is `** 0.5`, or `** (1 / 2)`." if whole == [1, 2] else ""


def _of_comparison(node: ast.Compare) -> Iterator[Alternative]:
    for other in COMPARISONS.get(type(node.ops[0]), ()):
        strict = {type(node.ops[0]), other} in ({ast.Lt, ast.LtE}, {ast.Gt, ast.GtE})
        if strict:
            says = f"The comparison `{shown(node)}` is wrong when both sides are equal."
        else:
            says = f"The comparison `{shown(node)}` points the wrong way."
        yield (
            "border of a comparison" if strict else "another comparison",
            says,
            ast.Compare(node.left, [other()], node.comparators),
        )


def _of_boolean(node: ast.BoolOp) -> Iterator[Alternative]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield "and, or", f"`and` and `or` are swapped in `{shown(node)}`.", ast.BoolOp(other, node.values)
    for i, value in enumerate(node.values):
        rest = node.values[:i] + node.values[i + 1 :]
        says = f"You do not need `{shown(value)}` in the condition."
        yield "condition too many", says, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)

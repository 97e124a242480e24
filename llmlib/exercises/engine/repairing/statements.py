"""Propose changes to statements: unused results, missing returns, extra lines, and lines in the wrong place."""

import ast
from collections.abc import Iterator

from llmlib.exercises.engine.repairing.edit import Edit, shown

Body = list[ast.stmt]


def bodies(tree: ast.AST) -> Iterator[Body]:
    for node in list(ast.walk(tree)):
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list) and not isinstance(node, ast.Module):
                yield body


def edits(tree: ast.AST) -> Iterator[Edit]:
    """Yield the changes to single statements, one by one; the tree stays changed while the caller inspects it."""
    for rule in (_begins_at_0, _thrown_away, _not_returned, _too_many, _overwritten, _misplaced, _exchanged, _jumps):
        for body in bodies(tree):
            kept = list(body)
            for edit, other in rule(body, tree):
                body[:] = other
                yield edit
                body[:] = kept


Changed = Iterator[tuple[Edit, Body]]


def _with(body: Body, i: int, *others: ast.stmt) -> Body:
    return [*body[:i], *others, *body[i + 1 :]]


def _thrown_away(body: Body, _tree: ast.AST) -> Changed:
    """Find a line that consists only of `x.f()`, where x.f() returns a new value."""
    for i, line in enumerate(body):
        if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Call)):
            continue
        call = line.value
        targets = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        targets += call.args[:1]
        for target in targets:
            if isinstance(target, ast.Name):
                says = (
                    f"You do not use the result of `{shown(call)}`, which returns a new value and leaves "
                    f"`{target.id}` unchanged."
                )
                assigned = ast.Assign([ast.Name(target.id, ast.Store())], call, lineno=line.lineno)
                yield Edit("result thrown away", line.lineno, says), _with(body, i, assigned)


def _begins_at_0(body: Body, tree: ast.AST) -> Changed:
    """Find `best = 0` in a function with `if x > best: best = x`, and try infinity with the right sign instead."""
    for i, line in enumerate(body):
        if not (isinstance(line, ast.Assign) and len(line.targets) == 1):
            continue
        target, value = line.targets[0], line.value
        several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        names, values = (target.elts, value.elts) if several else ([target], [value])  # type: ignore[attr-defined]
        for place, (name, first) in enumerate(zip(names, values)):
            number = isinstance(first, ast.Constant) and type(first.value) in (int, float)
            if not (number and isinstance(name, ast.Name) and (side := _beaten(tree, name.id))):
                continue
            start = ast.Call(ast.Name("float", ast.Load()), [ast.Constant(f"{side}inf")], [])
            others = [start if n == place else v for n, v in enumerate(values)]
            new = ast.Assign([target], ast.Tuple(others, ast.Load()) if several else start, lineno=line.lineno)
            says = (
                f"Your search begins with `{name.id} = {shown(first)}`. If all values are "
                f"{'below' if side else 'above'} that, no value ever counts as better. Begin with the first item, "
                f"or with {'minus ' if side else ''}infinity."
            )
            yield Edit("where a search begins", line.lineno, says), _with(body, i, new)


def _beaten(tree: ast.AST, name: str) -> str | None:
    """Return "-" if larger values replace `name`, "" if smaller ones do, or None if no comparison decides that."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.If):
            continue
        set_here = {n.id for s in node.body for n in ast.walk(s) if isinstance(n, ast.Name) and _stored(n)}
        for test in ast.walk(node.test):
            if name in set_here and isinstance(test, ast.Compare) and len(test.ops) == 1:
                right = ast.unparse(test.comparators[0]) == name
                left = ast.unparse(test.left) == name
                if right != left and isinstance(test.ops[0], (ast.Gt, ast.GtE, ast.Lt, ast.LtE)):
                    return "-" if isinstance(test.ops[0], (ast.Gt, ast.GtE)) == right else ""
    return None


def _stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _not_returned(body: Body, tree: ast.AST) -> Changed:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.body is body and not isinstance(body[-1], ast.Return):
            names = dict.fromkeys(
                n.id
                for line in reversed(body)
                for n in ast.walk(line)
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            )
            names |= dict.fromkeys(a.arg for a in function.args.args)
            last = body[-1]
            values: list[ast.expr] = [ast.Name(name, ast.Load()) for name in names]
            if isinstance(last, ast.Expr):
                values.insert(0, last.value)
            for value in values:
                says = f"`{function.name}` does not return its result: a `return` is missing at the end."
                yield Edit("return missing", last.lineno, says), [*body, ast.Return(value)]


def _overwritten(body: Body, _tree: ast.AST) -> Changed:
    for i, line in enumerate(body):
        if isinstance(line, ast.Assign) and len(line.targets) == 1:
            target = line.targets[0]
            read = {ast.dump(node) for node in ast.walk(line.value)}
            uses_itself = ast.dump(target).replace("Store", "Load") in read  # `x = x + 1` already adds to x
            adds = not (uses_itself or isinstance(line.value, ast.Constant))  # `+= False` does nothing
            if adds and isinstance(target, (ast.Name, ast.Subscript)):
                says = f"`{shown(line)}` overwrites the old value, but should add to it."
                yield (
                    Edit("overwritten", line.lineno, says),
                    _with(body, i, ast.AugAssign(target, ast.Add(), line.value)),
                )
        if isinstance(line, ast.AugAssign):
            for other in (ast.Add, ast.Sub, ast.Mult, ast.Div):
                if not isinstance(line.op, other):
                    says = f"The operator in `{shown(line)}` is not the right one."
                    yield (
                        Edit("another operator", line.lineno, says),
                        _with(body, i, ast.AugAssign(line.target, other(), line.value)),
                    )
            for step in (2, 1):
                says = f"The step in `{shown(line)}` is not right."
                yield (
                    Edit("another step", line.lineno, says),
                    _with(body, i, ast.AugAssign(line.target, line.op, ast.Constant(step))),
                )


def _too_many(body: Body, _tree: ast.AST) -> Changed:
    for i, line in enumerate(body):
        if isinstance(line, (ast.Return, ast.FunctionDef)) or (
            isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
        ):
            continue
        rest = _with(body, i) or [ast.Pass()]
        if not hasattr(line, "body") or _only_leaves(line):
            says = f"Without `{shown(line)}`, everything would be correct."
            yield Edit("a line too many", line.lineno, says), rest
        elif isinstance(line, ast.If) and not line.orelse:
            says = f"Without the block that begins with `if {shown(line.test)}`, everything would be correct."
            yield Edit("a block too many", line.lineno, says), rest
        if isinstance(line, ast.If):
            says = f"You do not need the condition `{shown(line.test)}`, or it leaves out too much."
            yield Edit("a condition too many", line.lineno, says), _with(body, i, *line.body)


def _only_leaves(line: ast.stmt) -> bool:
    """Return whether this is an `if` without `else` whose block begins with return, continue, break or raise."""
    leaving = (ast.Return, ast.Continue, ast.Break, ast.Raise)
    return isinstance(line, ast.If) and not line.orelse and isinstance(line.body[0], leaving)


def _misplaced(body: Body, _tree: ast.AST) -> Changed:
    """Move a line out of a loop or block, move a neighbouring line into it, or put later lines in an `else`."""
    for i, line in enumerate(body):
        inner = getattr(line, "body", None)
        if not isinstance(line, (ast.For, ast.While, ast.If, ast.With)) or not inner:
            continue
        what = "loop" if isinstance(line, (ast.For, ast.While)) else "block"
        for j, moved in enumerate(inner):
            rest = inner[:j] + inner[j + 1 :]
            if rest:
                smaller = _copy_with(line, rest)
                says = f"`{shown(moved)}` is inside the {what}, but belongs after it."
                yield Edit("inside the loop", moved.lineno, says), _with(body, i, smaller, moved)
                says = f"`{shown(moved)}` is inside the {what}, but belongs before it."
                yield Edit("inside the loop", moved.lineno, says), _with(body, i, moved, smaller)
        for at, way in ((i + 1, "after"), (i - 1, "before")):
            if 0 <= at < len(body) and not isinstance(body[at], ast.FunctionDef):
                moved = body[at]
                larger = _copy_with(line, [*inner, moved] if way == "after" else [moved, *inner])
                says = f"`{shown(moved)}` is {way} the {what}, but belongs inside it."
                others = [larger if n == i else s for n, s in enumerate(body) if n != at]
                yield Edit("outside of the loop", moved.lineno, says), others
        if isinstance(line, ast.If) and not line.orelse and i + 1 < len(body):
            alternative = ast.copy_location(ast.If(line.test, inner, body[i + 1 :]), line)
            says = f"The code after `if {shown(line.test)}` always runs, but it belongs in an `else`."
            yield Edit("else missing", line.lineno, says), [*body[:i], alternative]


def _copy_with(line: ast.stmt, body: Body) -> ast.stmt:
    fields = dict(ast.iter_fields(line))
    copy = type(line)(**{**fields, "body": body})
    return ast.copy_location(copy, line)


def _exchanged(body: Body, _tree: ast.AST) -> Changed:
    for i in range(len(body)):
        for j in range(i + 1, min(i + 4, len(body))):
            moved = [*body[:i], *body[i + 1 : j], *_then(body[j], body[i]), *body[j + 1 :]]
            says = f"`{shown(body[i])}` comes too early: it belongs after `{shown(body[j], 40)}`."
            if isinstance(body[j], ast.Return):
                says = (
                    f"`{shown(body[i])}` comes too early: it belongs after the computation in `{shown(body[j], 40)}`. "
                    "Nothing runs after a `return`, so keep the result in a variable first, and return the variable."
                )
            yield Edit("too early", body[i].lineno, says), moved
            if j > i + 1:
                moved = [*body[:i], body[j], *body[i:j], *body[j + 1 :]]
                says = f"`{shown(body[j])}` comes too late: it belongs before `{shown(body[i], 40)}`."
                yield Edit("too late", body[j].lineno, says), moved


def _then(first: ast.stmt, second: ast.stmt) -> Body:
    """Put `second` after `first`; if `first` returns a value, return it only after `second`."""
    if isinstance(first, ast.Return) and first.value is not None:
        kept = ast.Assign([ast.Name("_result", ast.Store())], first.value, lineno=first.lineno)
        return [kept, second, ast.Return(ast.Name("_result", ast.Load()))]
    return [first, second]


def _jumps(body: Body, _tree: ast.AST) -> Changed:
    for i, line in enumerate(body):
        if isinstance(line, ast.Break):
            yield (
                Edit("loop left", line.lineno, "`break` ends the loop where it should continue."),
                _with(body, i, ast.Continue()),
            )
        if isinstance(line, ast.Continue):
            yield (
                Edit("loop goes on", line.lineno, "`continue` keeps the loop running where it should end."),
                _with(body, i, ast.Break()),
            )
        if isinstance(line, ast.If):
            looped = ast.While(line.test, line.body, [])
            says = f"`if {shown(line.test)}` runs its lines once, but they should repeat while the condition holds."
            yield Edit("once instead of again", line.lineno, says), _with(body, i, looped)

"""Make faulty versions of right solutions mechanically, by changing one node of the syntax tree at a time.

The mutations were chosen without regard to what the engine's own repairs can undo. Some of them (dropping a call,
doubling a constant, cutting a loop's body, dropping part of a condition) have no counterpart there.
"""

import ast
import inspect
import linecache
import textwrap

OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.Mod: ast.Add,
}
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}


def trees_of(functions):
    """Return the syntax trees of the functions, without docstrings, annotations and decorators."""
    found = []
    for function in functions:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
        if isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant):
            tree.body = tree.body[1:]
        tree.decorator_list = []
        for method in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
            method.returns = None
            for argument in [*method.args.args, *method.args.kwonlyargs]:
                argument.annotation = None
        found.append(tree)
    return found


def _replacements(node):
    """Yield nodes that can replace this one."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in OPERATORS:
            yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        if not isinstance(node.op, (ast.Add, ast.Mult, ast.BitAnd)):
            yield ast.BinOp(node.right, node.op, node.left)
        yield node.left
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in COMPARISONS.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [other()], node.comparators)
        if not isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            yield ast.Compare(node.comparators[0], node.ops, [node.left])
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        for value in sorted({node.value + 1, node.value - 1, 2 * node.value} - {node.value}):
            yield ast.Constant(value)
    elif isinstance(node, ast.Constant) and type(node.value) is float:
        yield ast.Constant(2 * node.value)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) == 2:
        yield ast.Tuple(node.elts[::-1], ast.Load())
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
            yield node.func.value
        if len(node.args) == 1 and isinstance(node.func, ast.Name):
            yield node.args[0]
        if len(node.args) >= 2:
            yield ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
    elif isinstance(node, ast.Slice) and (node.lower or node.upper):
        yield ast.Slice(None, node.upper, node.step)
        yield ast.Slice(node.lower, None, node.step)
    elif isinstance(node, ast.BoolOp):
        yield from node.values


def mutants(functions):
    """Yield (code before, code after, source) for each version with one change.

    The source ends with the first of the functions.
    """
    trees = trees_of(functions)
    nodes = [node for tree in trees for node in ast.walk(tree)]
    for node in nodes:
        for field, value in ast.iter_fields(node):
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(child, ast.AST):
                    continue
                before = _first_line(child)
                for other in _replacements(child):
                    changed = other if index is None else [*value[:index], other, *value[index + 1 :]]
                    yield before, ast.unparse(other), _source_with(trees, node, field, changed)
                is_one_of_several = isinstance(child, ast.stmt) and index is not None and len(value) > 1
                if is_one_of_several and not isinstance(child, ast.Return):
                    yield before, "(left out)", _source_with(trees, node, field, [*value[:index], *value[index + 1 :]])
    for node in nodes:
        body = getattr(node, "body", None)
        for i in range(len(body) - 1 if isinstance(body, list) else 0):
            exchanged = [*body[:i], body[i + 1], body[i], *body[i + 2 :]]
            yield _first_line(body[i]), "(after the next)", _source_with(trees, node, "body", exchanged)


def _first_line(node):
    return ast.unparse(node).split("\n")[0]


def _source_with(trees, node, field, changed):
    """Return the source with another value in one field of a node, and leave the tree as it was."""
    value = getattr(node, field)
    setattr(node, field, changed)
    source = "\n\n".join(map(ast.unparse, reversed(trees)))
    setattr(node, field, value)
    return source


def compiled(source, name, scope, readable=True):
    """Return the compiled function. With `readable`, `inspect` finds its source, as it does for cells in Jupyter."""
    file = f"<mutant {abs(hash(source))} {readable}>"
    if readable:
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope = {**scope, "__name__": "mutant"}
    exec(compile(source, file, "exec"), scope)
    return scope[name]

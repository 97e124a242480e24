"""Find the external names that a piece of source code uses, and where it uses them."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True)
class Use:
    """A name from outside a function, with the attributes that follow it: `F.silu` has the path ("F", "silu").

    `nodes[i]` is the expression for the first i + 1 parts of the path.
    """

    path: tuple[str, ...]
    nodes: tuple[ast.expr, ...]

    @property
    def name(self) -> str:
        return self.path[0]


def uses(tree: ast.AST) -> list[Use]:
    """List every use of a name that is not local to a function, in source order.

    >>> [use.path for use in uses(ast.parse("def f(x): return F.silu(x) + y"))]
    [('F', 'silu'), ('y',)]
    """
    return list(_uses(tree, frozenset()))


def defined(tree: ast.Module) -> set[str]:
    """List the names that the source itself defines, outside functions and classes.

    >>> sorted(defined(ast.parse("import torch.nn.functional as F\\ndef f(x): y = x\\nz = 1")))
    ['F', 'f', 'z']
    """
    return _bound(tree.body)


def _uses(node: ast.AST, hidden: frozenset[str]) -> Iterator[Use]:
    if isinstance(node, (ast.Attribute, ast.Name)) and (chain := _chain(node)):
        if chain[0].id not in hidden:  # type: ignore[attr-defined]  # the first is a Name
            yield Use(tuple(n.id if isinstance(n, ast.Name) else n.attr for n in chain), chain)  # type: ignore[attr-defined]
        return
    if isinstance(node, Function):
        yield from _of_function(node, hidden)
    elif isinstance(node, Comprehension):
        targets = frozenset(name for part in node.generators for name in _bound([part.target]))
        for child in ast.iter_child_nodes(node):
            yield from _uses(child, hidden | targets)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _uses(child, hidden)


def _of_function(node: Function, hidden: frozenset[str]) -> Iterator[Use]:
    """Yield the uses of names in the function's decorators, defaults and annotations, then those in its body."""
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    every += [arg for arg in (node.args.vararg, node.args.kwarg) if arg]
    outside: list[ast.AST | None] = [*node.args.defaults, *node.args.kw_defaults, *(arg.annotation for arg in every)]
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    if not isinstance(node, ast.Lambda):
        outside = [*node.decorator_list, *outside, node.returns]
    for part in outside:
        if part is not None:
            yield from _uses(part, hidden)
    inside = {arg.arg for arg in every} | _bound(body)
    for part in body:
        yield from _uses(part, (hidden | inside) - _declared_global(body))


def _bound(body: Sequence[ast.AST]) -> set[str]:
    """List the names that these statements bind in their own scope."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.comprehension)]
    return found


def _declared_global(body: list[ast.AST]) -> set[str]:
    return {name for part in body for node in ast.walk(part) if isinstance(node, ast.Global) for name in node.names}


def _chain(node: ast.expr) -> tuple[ast.expr, ...]:
    """Split `a.b.c` into the expressions a, a.b and a.b.c; return an empty tuple if it does not begin with a name."""
    chain: list[ast.expr] = [node]
    while isinstance(chain[0], ast.Attribute):
        chain.insert(0, chain[0].value)
    return tuple(chain) if isinstance(chain[0], ast.Name) else ()

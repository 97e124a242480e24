"""Turn a learner's function into a syntax tree, and turn changed trees back into functions."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Source:
    """The function's tree, with the helpers from its own file; `lines` maps line numbers to the original code."""

    tree: ast.Module
    name: str
    scope: dict[str, Any]
    lines: dict[int, str]

    def compiled(self) -> Callable[..., Any]:
        """Compile the current tree into a function, and raise an error if the tree is not a valid program."""
        try:
            code = compile(self.tree, "<repair>", "exec")
        except TypeError:  # a new statement has no line number; always adding one would take longer than compiling
            code = compile(ast.fix_missing_locations(self.tree), "<repair>", "exec")
        scope = dict(self.scope)
        exec(code, scope)
        return scope[self.name]


def source_of(function: Any) -> Source | None:
    """Find a function's source, or return None for built-ins, objects, and functions typed at a plain Python prompt."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    scope = dict(function.__globals__)
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        try:
            scope[name] = cell.cell_contents
        except ValueError:  # the variable is not yet set
            return None
    found = _definition(function)
    if found is None:
        return None
    definition, lines = found
    body: list[ast.stmt] = []
    for helper in _helpers(function, scope):
        if part := _definition(helper):
            body.append(part[0])
            lines |= part[1]
    tree = ast.fix_missing_locations(ast.Module([*body, definition], []))
    return Source(tree, definition.name, scope, lines)


def _helpers(function: Callable[..., Any], scope: dict[str, Any]) -> list[Callable[..., Any]]:
    """Find the functions in the same file that this function calls."""
    code = function.__code__
    found: list[Any] = [scope.get(name) for name in (*code.co_names, *code.co_freevars)]
    home = code.co_filename
    return [
        f for f in found if f is not function and getattr(getattr(f, "__code__", None), "co_filename", None) == home
    ]


def _definition(function: Any) -> tuple[ast.FunctionDef, dict[int, str]] | None:
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    ast.increment_lineno(tree, max(first - 1, 0))
    text = {first + i: line.strip() for i, line in enumerate(lines)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__:
            node.decorator_list = []
            return node, text
        if isinstance(node, ast.Lambda) and function.__name__ == "<lambda>":
            body = ast.Return(node.body, lineno=node.lineno, col_offset=0)
            name = "anonymous"
            definition = ast.FunctionDef(name, node.args, [body], [], lineno=node.lineno, col_offset=0)
            setattr(definition, "type_params", [])  # Python 3.12 and later need it  # noqa: B010
            return definition, text
    return None

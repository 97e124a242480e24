"""Find the source line that computes a box, so that a view stays correct when the source changes."""

import ast
import inspect
import textwrap
from functools import lru_cache
from pathlib import Path

from llmlib.widgets.architecture.boxes import SourceLine

PACKAGE = Path(__file__).parent.parent.parent
SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)  # statements that contain no other statements


@lru_cache
def line_that_uses(cls: type, name: str) -> SourceLine:
    """Find the first statement in a class's methods that calls `name` or `self.name`.

    If there is none, find the first statement that reads `self.name`. `__init__` is not searched. Raises `LookupError`
    if there is no such statement either.

    >>> from llmlib.layers import MLP
    >>> line_that_uses(MLP, "down").text
    'return self.down(self.hook_activation(activation))'
    """
    source, first = inspect.getsourcelines(cls)
    text = textwrap.dedent("".join(source))
    (tree,) = ast.parse(text).body
    assert isinstance(tree, ast.ClassDef)
    methods = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name != "__init__"]
    statements = [node for method in methods for node in ast.walk(method) if isinstance(node, SIMPLE)]
    for wanted in (_calls, _reads):
        for node in sorted(statements, key=lambda node: node.lineno):
            if any(wanted(part, name) for part in ast.walk(node)):
                file = Path(inspect.getsourcefile(cls) or "").relative_to(PACKAGE.parent).as_posix()
                return SourceLine(file, first + node.lineno - 1, ast.get_source_segment(text, node) or "")
    raise LookupError(f"No method of {cls.__name__} uses {name!r}.")


def _calls(node: ast.AST, name: str) -> bool:
    if not isinstance(node, ast.Call):
        return False
    return (isinstance(node.func, ast.Name) and node.func.id == name) or _reads(node.func, name)


def _reads(node: ast.AST, name: str) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )

"""Find a function's source, along with the helpers, constants and imports that it needs from its notebook.

The result can be written to a file and run in another session. Nothing in this module runs it.
"""

import ast
import inspect
import linecache
import math
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from llmlib.exercises.engine.scopes import uses

LLMLIB = Path(__file__).parents[2]
LONGEST = 40_000  # a part may have at most this many characters; the longest solution to an exercise has about 3,000


class NoSource(Exception):
    """Raised if a function has no source that could run elsewhere; the message is a clause that says why."""


@dataclass(frozen=True)
class Source:
    """The self-contained source of a part: imports, then definitions, with the function itself last."""

    function: str  # the function's name in `text`
    imports: tuple[str, ...]
    text: str

    @property
    def whole(self) -> str:
        return "\n".join(self.imports) + "\n\n\n" * bool(self.imports) + self.text


def source_of(function: Callable[..., Any], name: str = "solution") -> Source:
    """Find the source of a function or class that the learner wrote. An unnamed lambda becomes `name = lambda …`.

    Raises `NoSource` for a library's function, for a function without source (typed into a plain Python prompt, or made
    by another function), and for a function that needs a value that cannot be written as code, such as a tensor in a
    notebook.
    """
    inner = inspect.unwrap(function) if callable(function) else function
    first = next(iter(_methods(inner)), inner)
    if not isinstance(first, FunctionType):
        raise NoSource("your attempt is not a function written with def or lambda")
    if _is_library(first):
        raise NoSource(f"your attempt is `{inner.__module__}.{inner.__qualname__}`, a library function")
    if set(first.__code__.co_freevars) - {"__class__"}:  # `super()` needs `__class__`
        raise NoSource("your function was defined inside another function")
    collected = _Collected(first.__globals__)
    text = _text_of_function(inner, name) if inner is first else _text_of_helper(name, inner)
    function_name = inner.__name__ if inner.__name__ != "<lambda>" else _assigned_name(text)
    collected.need(text, function_name)
    source = Source(function_name, tuple(collected.imports), "\n\n\n".join([*collected.parts, text]) + "\n")
    if len(source.whole) > LONGEST:
        raise NoSource(f"your function, together with everything it uses, is longer than {LONGEST:,} characters")
    return source


def _methods(value: Any) -> list[FunctionType]:
    """List a class's methods; return an empty list for anything else."""
    return [each for each in vars(value).values() if isinstance(each, FunctionType)] if isinstance(value, type) else []


def _globals_of(value: Any) -> dict[str, Any] | None:
    """Return the global names that a function, or a class's methods, can use."""
    return getattr(next(iter(_methods(value)), value), "__globals__", None)


class _Collected:
    """Collects the imports and definitions that a piece of source code needs, in an order in which they can run."""

    def __init__(self, names: dict[str, Any]):
        self.names = names
        self.imports: dict[str, None] = {}
        self.parts: list[str] = []
        self.done: set[str] = set()

    def need(self, text: str, own_name: str) -> None:
        self.done.add(own_name)
        for use in uses(ast.parse(text)):
            if use.name not in self.done and use.name in self.names:
                self.done.add(use.name)
                self._add(use.name, self.names[use.name])

    def _add(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType):
            self.imports[_import_module(name, value.__name__)] = None
        elif line := _import_from(name, value):
            self.imports[line] = None
        elif _is_plain(value):
            self.parts.append(f"{name} = {_written(value)}")
        else:
            self._add_helper(name, value)

    def _add_helper(self, name: str, value: Any) -> None:
        """Add one of the learner's functions or classes; code from `mine` has its own global names."""
        inner = inspect.unwrap(value) if callable(value) else value
        text, around = _text_of_helper(name, value), _globals_of(inner) or self.names
        own = _Collected(around) if around is not self.names else self
        its_name = name if text.startswith(f"{name} = ") else value.__name__
        own.need(text, its_name)
        if own is not self:
            for both in sorted(self.done & own.done - {name, its_name}):
                if not _mean_the_same(both, self.names.get(both), around.get(both)):
                    raise NoSource(f"`{both}` means one thing in your notebook and another in `{name}`")
            self.imports |= own.imports
            self.parts += [part for part in own.parts if part not in self.parts]
            self.done |= own.done
        self.parts.append(text if its_name == name else f"{text}\n\n\n{name} = {its_name}")


def _mean_the_same(name: str, one: Any, other: Any) -> bool:
    """Return whether one definition can serve for both values: they are equal constants or have the same source."""
    if one is other or (_is_plain(one) and _is_plain(other) and one == other):
        return True
    try:
        return _text_of_helper(name, one) == _text_of_helper(name, other)
    except NoSource:
        return False


def _import_module(name: str, module: str) -> str:
    package, _, last = module.rpartition(".")
    if name == module:
        return f"import {module}"
    return f"from {package} import {last}" if name == last else f"import {module} as {name}"


def _import_from(name: str, value: Any) -> str:
    """Return the line that imports a function, class or similar object from a library; return "" if there is none."""
    its_name = getattr(value, "__name__", None)
    if not isinstance(its_name, str):
        return ""
    for place in _public_places(its_name, value):
        if _is_library(sys.modules[place]):
            return f"from {place} import {its_name}" + (f" as {name}" if name != its_name else "")
    return ""


def _public_places(name: str, value: Any) -> list[str]:
    """List the modules in which `name` refers to the value, starting with the value's own module.

    The others are sorted: first modules of the same package, then those that list the name in `__all__`, then the
    standard library's, then those whose names have the fewest dots. Private modules such as `torch._C` are left out.
    """
    own = (getattr(value, "__module__", None) or "").lstrip("_")  # functools.reduce has the `__module__` "_functools"
    public = [(place, m) for place, m in list(sys.modules.items()) if not re.search(r"(^|\.)_", place)]
    offers = {place: module for place, module in public if getattr(module, "__dict__", {}).get(name) is value}

    def rank(place: str) -> tuple[bool, bool, bool, bool, int, str]:
        root = place.partition(".")[0]
        is_foreign, is_offered = root != own.partition(".")[0], name in getattr(offers[place], "__all__", ())
        return place != own, is_foreign, not is_offered, root not in sys.stdlib_module_names, place.count("."), place

    return sorted(offers, key=rank)


def _is_library(thing: Any) -> bool:
    """Return whether a function or module belongs to Python, a package or this course, rather than to the learner."""
    module = thing if isinstance(thing, ModuleType) else sys.modules.get(thing.__module__ or "")
    if module is None or module.__name__ == "__main__":
        return False
    file = getattr(module, "__file__", None)
    if module.__name__.partition(".")[0] in sys.stdlib_module_names or file is None:
        return True
    path = Path(file).resolve()
    return path.is_relative_to(LLMLIB) or not {"site-packages", "dist-packages"}.isdisjoint(path.parts)


def _is_plain(value: Any) -> bool:
    """Return whether the value can be written as code."""
    if type(value) in (tuple, list):
        return len(value) <= 1000 and all(map(_is_plain, value))
    if type(value) is dict:
        return len(value) <= 1000 and all(_is_plain(key) and _is_plain(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, float, str, bytes)


def _written(value: Any) -> str:
    """Write a plain value as code.

    >>> _written({"low": (-math.inf, 0.5), "names": ["a"]})
    "{'low': (float('-inf'), 0.5,), 'names': ['a']}"
    """
    if type(value) is float and not math.isfinite(value):
        return f"float('{value}')"
    if type(value) is list:
        return f"[{', '.join(map(_written, value))}]"
    if type(value) is tuple:
        return f"({''.join(f'{_written(item)}, ' for item in value).rstrip()})"
    if type(value) is dict:
        return f"{{{', '.join(f'{_written(key)}: {_written(item)}' for key, item in value.items())}}}"
    return repr(value)


def _text_of_helper(name: str, value: Any) -> str:
    inner = inspect.unwrap(value) if callable(value) else value
    if isinstance(inner, FunctionType) and not inner.__closure__:
        return _text_of_function(inner, name)
    if methods := _methods(value):
        return _text_at(methods[0].__code__.co_filename, lambda node: _is_class(node, value.__name__))
    raise NoSource(
        f"your function uses `{name}` from your notebook, and `{name}` is not a function; pass `{name}` as an argument"
    )


def _is_class(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == name


def _text_of_function(function: FunctionType, name: str) -> str:
    code = function.__code__
    if function.__name__ != "<lambda>":
        return _text_at(code.co_filename, lambda node: _begins_at(node, code.co_firstlineno, code.co_name))
    lines = _lines(code.co_filename)
    start = next((p for p in code.co_positions() if p[0] is not None and p[2] is not None and p[3]), None)
    found = [
        node
        for node in _definitions("".join(lines))
        if isinstance(node, ast.Lambda)
        and node.lineno == code.co_firstlineno
        and (start is None or _holds(node, start))
    ]
    if len(found) != 1:
        raise NoSource("your lambda is one of several on the same line")
    segment = ast.get_source_segment("".join(lines), found[0])
    return f"{name} = {segment}" if segment and "\n" not in segment else f"{name} = (\n{segment}\n)"


def _holds(node: ast.Lambda, position: tuple[int | None, int | None, int | None, int | None]) -> bool:
    line, _, column, _ = position
    end = (node.end_lineno or 0, node.end_col_offset or 0)
    return (node.lineno, node.col_offset) <= (line or 0, column or 0) <= end


def _begins_at(node: ast.AST, line: int, name: str) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return node.name == name and line in (node.lineno, *(decorator.lineno for decorator in node.decorator_list))


def _text_at(filename: str, is_it: Callable[[ast.AST], bool]) -> str:
    """Return the lines of a definition, with its decorators and the comments right above it."""
    lines = _lines(filename)
    found = [node for node in _definitions("".join(lines)) if is_it(node)]
    if len(found) != 1:
        raise NoSource("the source of your function, or of a helper, has changed; run its cell again")
    (node,) = found
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    while first and lines[first - 1].lstrip().startswith("#") and not lines[first - 1].lstrip().startswith("# %"):
        first -= 1
    return textwrap.dedent("".join(lines[first : node.end_lineno])).rstrip()


def _lines(filename: str) -> list[str]:
    """Read the lines of a file, or of a notebook's cell, which IPython stores under a special file name."""
    linecache.checkcache(filename)
    lines = linecache.getlines(filename)
    if not lines:
        raise NoSource("the source of your function, or of a helper, cannot be read here")
    return lines


@lru_cache(maxsize=16)
def _definitions(text: str) -> list[ast.AST]:
    """List the functions, lambdas and classes in a file or a cell."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        tree = compile(text, "a cell", "exec", flags)
    except (SyntaxError, ValueError):
        raise NoSource("the source of your function, or of a helper, has changed; run its cell again") from None
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def _assigned_name(text: str) -> str:
    return text.partition(" = ")[0]

"""Load public names on first use, so that importing a package is quick and loads only what is needed."""

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any


def lazy(package: str, home: Mapping[str, str]) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__all__`, `__getattr__` and `__dir__` (PEP 562) for a package.

    `home` maps each public name to the module that defines it.
    """
    face = sys.modules[package]
    face.__class__ = _face_of(home)

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"{package} has no attribute {name!r}; it offers: {', '.join(sorted(home))}")
        value = getattr(importlib.import_module(home[name]), name)
        setattr(face, name, value)
        return value

    def offered() -> list[str]:  # so that the Tab key can complete the names
        return sorted({*vars(face), *home})

    return sorted(home), get, offered


def _face_of(home: Mapping[str, str]) -> type[ModuleType]:
    """Return a module type in which a public name keeps its meaning even if a submodule has the same name.

    Python sets `llmlib.chat` to the submodule as soon as somebody imports that submodule, but `llmlib.chat` should
    remain the function.
    """

    class Face(ModuleType):
        def __setattr__(self, name: str, value: Any) -> None:
            clash = isinstance(value, ModuleType) and home.get(name) == value.__name__
            super().__setattr__(name, getattr(value, name) if clash else value)

    return Face

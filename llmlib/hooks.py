"""Provide hook points: named points in a model where you can read or replace the value that passes through."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Module = TypeVar("Module", bound=nn.Module)
HookFunction = Callable[[Tensor], Tensor | None]


class HookPoint(nn.Module):
    """A named point that passes values on unchanged until you hook a function to it.

    The function is called with each value; if the function returns anything but `None`, the result replaces the value.
    The idea comes from TransformerLens (Nanda and Bloom, 2022).

    >>> import torch
    >>> point = HookPoint()
    >>> handle = point.add_hook(lambda value: value * 0)
    >>> point(torch.tensor([1.0, 2.0]))
    tensor([0., 0.])
    >>> handle.remove()
    >>> point(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """

    def add_hook(self, function: HookFunction) -> RemovableHandle:
        """Call `function` with every value that passes through, until you call `.remove()` on the returned handle."""
        return self.register_forward_hook(_Hook(function))

    def remove_hook(self, function: HookFunction) -> None:
        """Stop calling `function`; do nothing if it is not hooked to this point."""
        ours = [key for key, hook in self._forward_hooks.items() if getattr(hook, "function", None) is function]
        for key in ours:
            del self._forward_hooks[key]

    @property
    def has_hooks(self) -> bool:
        """Whether a function is hooked to this point. Only then does attention compute its pattern explicitly."""
        return bool(self._forward_hooks)

    def __call__(self, value: Tensor) -> Any:
        # Skip nn.Module's machinery while nothing is hooked: a model goes through hundreds of hook points per token.
        return super().__call__(value) if self._forward_hooks else value

    def forward(self, value: Tensor) -> Tensor:
        return value


class Observed(nn.Module):
    """A module in which hook points can be looked up quickly.

    torch looks for a child module only after everything else has failed, which takes ten times as long as finding an
    attribute. A model goes through hundreds of hook points per token, so here the hook points are also stored as
    attributes.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if isinstance(value, HookPoint):
            self.__dict__[name] = value


class _Hook:
    """Takes the arguments that torch passes to a hook, and calls `function` with only the value."""

    def __init__(self, function: HookFunction):
        self.function = function

    def __call__(self, _module: nn.Module, _args: Any, value: Tensor) -> Tensor | None:
        return self.function(value)


@contextlib.contextmanager
def hooked(hooks: Sequence[tuple[HookPoint, HookFunction]]) -> Iterator[None]:
    """Hook functions to several points inside a `with` block; remove them afterwards, even after an error.

    >>> import torch
    >>> point = HookPoint()
    >>> with hooked([(point, torch.neg)]):
    ...     print(point(torch.ones(1)), point.has_hooks)
    tensor([-1.]) True
    >>> point.has_hooks
    False
    """
    try:
        for point, function in hooks:
            point.add_hook(function)  # keep no handle, since an interrupt right here could lose it
        yield
    finally:
        for point, function in hooks:
            point.remove_hook(function)


def unhooked(module: Module) -> Module:
    """Return a copy of `module` that shares all its weights and buffers, but has no hooks.

    A hook on one module has no effect on the other, so two threads can inspect the same model at the same time. If you
    train one module, you train the other, too. If you later replace a submodule of one module, the other module keeps
    the old submodule.

    >>> import torch
    >>> block = nn.Sequential(nn.Linear(2, 2), HookPoint())
    >>> handle = block[1].add_hook(torch.neg)
    >>> other = unhooked(block)
    >>> other[0].weight is block[0].weight, other[1].has_hooks
    (True, False)
    """
    return _unhooked(module, {})


def _unhooked(module: Any, known: dict[int, Any]) -> Any:
    if id(module) in known:  # a module that occurs twice must stay one module
        return known[id(module)]
    other = known[id(module)] = object.__new__(type(module))
    state = {name: type(value)() if "_hooks" in name else value for name, value in module.__dict__.items()}
    children = {name: child if child is None else _unhooked(child, known) for name, child in module._modules.items()}
    state |= {name: child for name, child in children.items() if name in state}  # for `Observed`
    other.__dict__.update(state, _modules=children)
    return other

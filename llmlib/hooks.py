"""Hook points: named places in a model where a passing value can be read or replaced."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Watched = TypeVar("Watched", bound=nn.Module)
Watcher = Callable[[Tensor], Tensor | None]


class HookPoint(nn.Module):
    """An identity with a name. Nothing happens here until somebody watches.

    Watch it with a function of the value; what the function returns, unless it is `None`, replaces the
    value. The idea is TransformerLens' (Nanda and Bloom, 2022).

    >>> import torch
    >>> point = HookPoint()
    >>> handle = point.watch(lambda value: value * 0)
    >>> point(torch.tensor([1.0, 2.0]))
    tensor([0., 0.])
    >>> handle.remove()
    >>> point(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """

    def watch(self, function: Watcher) -> RemovableHandle:
        """Call `function` on every value that passes; `.remove()` on the returned handle ends it."""
        return self.register_forward_hook(_Hook(function))

    def unwatch(self, function: Watcher) -> None:
        """Stop calling `function`; no matter if it never was."""
        ours = [key for key, hook in self._forward_hooks.items() if getattr(hook, "function", None) is function]
        for key in ours:
            del self._forward_hooks[key]

    @property
    def watched(self) -> bool:
        """Whether anybody is watching. Attention computes its pattern explicitly only if so."""
        return bool(self._forward_hooks)

    def __call__(self, value: Tensor) -> Any:
        # Skips nn.Module's machinery while nobody watches: a model passes hundreds of hook points per token.
        return super().__call__(value) if self._forward_hooks else value

    def forward(self, value: Tensor) -> Tensor:
        return value


class Observed(nn.Module):
    """A module whose hook points cost next to nothing to reach.

    torch finds a child module only after everything else has failed, at ten times the cost of an attribute. A model
    passes hundreds of hook points for every token, so here they are attributes as well.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if isinstance(value, HookPoint):
            self.__dict__[name] = value


class _Hook:
    """A watcher in the form that torch calls, which remembers whom it calls."""

    def __init__(self, function: Watcher):
        self.function = function

    def __call__(self, _module: nn.Module, _args: Any, value: Tensor) -> Tensor | None:
        return self.function(value)


@contextlib.contextmanager
def watching(watchers: Sequence[tuple[HookPoint, Watcher]]) -> Iterator[None]:
    """Watch several points inside a `with` block; afterwards, whatever happened in it, none of them.

    >>> import torch
    >>> point = HookPoint()
    >>> with watching([(point, torch.neg)]):
    ...     print(point(torch.ones(1)), point.watched)
    tensor([-1.]) True
    >>> point.watched
    False
    """
    try:
        for point, function in watchers:
            point.watch(function)  # no handle to lose, should an interrupt strike right here
        yield
    finally:
        for point, function in watchers:
            point.unwatch(function)


def unhooked(module: Watched) -> Watched:
    """The same module in another tree: it shares all weights and buffers, and has no hooks.

    What is hooked to either is not seen by the other, so two threads can look into one model at once. Training either
    trains both. A submodule that is exchanged later is not exchanged in the other.

    >>> import torch
    >>> block = nn.Sequential(nn.Linear(2, 2), HookPoint())
    >>> handle = block[1].watch(torch.neg)
    >>> other = unhooked(block)
    >>> other[0].weight is block[0].weight, other[1].watched
    (True, False)
    """
    return _unhooked(module, {})


def _unhooked(module: Any, known: dict[int, Any]) -> Any:
    if id(module) in known:  # one module in two places stays one
        return known[id(module)]
    other = known[id(module)] = object.__new__(type(module))
    state = {name: type(value)() if "_hooks" in name else value for name, value in module.__dict__.items()}
    children = {name: child if child is None else _unhooked(child, known) for name, child in module._modules.items()}
    state |= {name: child for name, child in children.items() if name in state}  # see `Observed`
    other.__dict__.update(state, _modules=children)
    return other

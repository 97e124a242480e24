"""Hook points: named places in a model where a passing value can be read or replaced."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

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

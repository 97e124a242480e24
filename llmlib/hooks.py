"""Hook points: named places in a model where a passing value can be read or replaced."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


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

    def watch(self, function: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `function` on every value that passes; `.remove()` on the returned handle ends it."""
        return self.register_forward_hook(lambda _module, _args, value: function(value))

    @property
    def watched(self) -> bool:
        """Whether anybody is watching. Attention computes its pattern explicitly only if so."""
        return bool(self._forward_hooks)

    def __call__(self, value: Tensor) -> Any:
        # Skips nn.Module's machinery while nobody watches: a model passes hundreds of hook points per token.
        return super().__call__(value) if self._forward_hooks else value

    def forward(self, value: Tensor) -> Tensor:
        return value

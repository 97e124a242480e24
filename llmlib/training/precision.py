"""Train in two precisions at once: keep the weights in float32, and compute with a copy in a narrower dtype.

bfloat16 has 8 bits of mantissa. Matrix products in bfloat16 are several times faster if the hardware has instructions
for them. But if the weights themselves were in bfloat16, a step smaller than 1/256 of a weight would be rounded away.
So each step computes with a rounded copy and hands the gradients to the float32 weights; these are updated and rounded
again. Source: Micikevicius et al. (2018), "Mixed Precision Training", section 3.1.

(torch's autocast rounds each operand at each product instead. Then the norms between the products mix two dtypes, and
torch has no fused kernel for such a mix.)
"""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)


class WorkingCopy(Generic[Model]):
    """Does the computing while `model` is being trained: a copy in `dtype`, or the model itself if it has that dtype.

    Frozen weights (`requires_grad=False`, as with a LoRA) never change, so they are rounded only once, or shared if
    they already have that dtype. After a step only the trained weights are copied.

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> work = WorkingCopy(model, torch.bfloat16)
    >>> work.model(torch.tensor([[1, 2, 3]])).sum().backward()
    >>> work.hand_over()
    >>> model.embed.weight.grad.dtype
    torch.float32
    """

    def __init__(self, model: Model, dtype: torch.dtype):
        self.is_copy = any(parameter.dtype != dtype for parameter in model.parameters())
        shared = {id(p): p for p in model.parameters() if not p.requires_grad and p.dtype == dtype}
        self.model = copy.deepcopy(model, dict(shared)).to(dtype) if self.is_copy else model
        pairs = [pair for pair in zip(model.parameters(), self.model.parameters()) if pair[0].requires_grad]
        self._theirs: list[Tensor] = [theirs for theirs, _ in pairs]
        self._ours: list[Tensor] = [ours for _, ours in pairs]

    def hand_over(self) -> None:
        """Pass the gradients to the float32 weights."""
        if self.is_copy:
            for theirs, ours in zip(self._theirs, self._ours):
                theirs.grad = None if ours.grad is None else ours.grad.to(theirs.dtype)
                ours.grad = None

    @torch.no_grad()
    def refresh(self) -> None:
        """Update the copy by rounding the float32 weights again, after they have changed."""
        if self.is_copy:
            torch._foreach_copy_(self._ours, self._theirs)

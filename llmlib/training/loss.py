"""Define the loss that training minimises: the surprise at the next token."""

from typing import Any, Literal, Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

IGNORED = -100  # a target with this value does not count, as in torch and `transformers`
NOTHING_COUNTS = f"All targets are ignored ({IGNORED}), so there is nothing to learn from this batch."


def count_targets(targets: Int[Tensor, "*axes"]) -> int:
    """Return how many targets there are, not counting those that are -100 (`IGNORED`).

    >>> import torch
    >>> count_targets(torch.tensor([[4, 5, -100]]))
    2
    """
    return int((targets != IGNORED).sum())


def cross_entropy(
    logits: Float[Tensor, "*axes vocab"],
    targets: Int[Tensor, "*axes"],
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*shape"]:
    """Return the mean of −ln p(target) over all targets, in nats; targets of -100 (`IGNORED`) are ignored.

    `reduction="sum"` returns the sum, and "none" returns one value per target, in the targets' shape, with 0 for
    ignored targets. p is the softmax of the logits. A model that knows nothing has a loss of ln vocab. The loss is
    computed in float32 whatever the dtype of the logits. Raises `ValueError` for a target that is not a token, or if
    every target is ignored (the mean of no values would be NaN).

    >>> import torch
    >>> cross_entropy(torch.zeros(2, 3, 8), torch.tensor([[1, 2, 3], [4, 5, -100]]))  # ln 8
    tensor(2.0794)
    >>> cross_entropy(torch.zeros(1, 3, 8), torch.tensor([[1, 2, -100]]), reduction="none")
    tensor([[2.0794, 2.0794, 0.0000]])
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}.")
    vocab, flat = logits.shape[-1], targets.flatten().long()
    counts = flat != IGNORED
    if not counts.any():
        raise ValueError(NOTHING_COUNTS)
    if (wrong := flat[counts & ((flat < 0) | (flat >= vocab))]).numel():
        raise ValueError(f"The target {wrong[0].item()} is not a token id: ids go from 0 to {vocab - 1} here.")
    loss = F.cross_entropy(logits.reshape(-1, vocab).float(), flat, ignore_index=IGNORED, reduction=reduction)
    return loss.reshape(targets.shape) if reduction == "none" else loss


@runtime_checkable
class Objective(Protocol):
    """Defines the loss that a run minimises. `x` and `y` are part of a batch, as the data returns them."""

    def __call__(self, model: Any, x: Tensor, y: Tensor) -> Float[Tensor, ""]:
        """Return the mean loss; `model` is the module to call, which may be spread across several processes."""
        ...

    def count(self, y: Tensor) -> int:
        """Return how many values the mean is taken over, so that parts of a batch can be weighted."""
        ...


class NextToken:
    """The surprise at the next token, computed as `cross_entropy` over all targets that are not ignored."""

    def __call__(self, model: Any, x: Int[Tensor, "batch seq"], y: Int[Tensor, "batch seq"]) -> Float[Tensor, ""]:
        return cross_entropy(model(x), y)

    def count(self, y: Int[Tensor, "batch seq"]) -> int:
        return count_targets(y)

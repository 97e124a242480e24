"""Define properties that exercises in several lessons share."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.exercise import Case, NoValue, Probe


def batch_permuted(*batched: int) -> Probe:
    """Require that reversing the batch in these arguments reverses the results and changes nothing else about them."""

    def broken(call: Callable[..., Any], case: Case) -> str | None:
        size = case.args[batched[0]].shape[0]
        if size < 2:
            return None
        turned = [arg.flip(0) if i in batched else arg for i, arg in enumerate(case.args)]
        if equal(call(*case.args).flip(0), call(*turned)):
            return None
        return f"The results of the {size} texts change when the batch is in the opposite order."

    return Probe("Each text in a batch is treated on its own, wherever it is in the batch.", broken)


def gradients_flow(names: Sequence[str], *arguments: int, needed_for: str = "") -> Probe:
    """Require that gradients reach these arguments, or only remark on a missing gradient if `needed_for` is empty.

    `needed_for` says what is impossible without the gradient ("nothing can learn from this loss").
    """

    def broken(call: Callable[..., Any], case: Case) -> str | None:
        args = [arg.detach().clone().requires_grad_() if i in arguments else arg for i, arg in enumerate(case.args)]
        try:
            result = call(*args)
            if result.requires_grad:
                result.sum().backward()
        except NoValue:
            pass
        cut = " and ".join(f"`{name}`" for name, i in zip(names, arguments) if args[i].grad is None)
        if not cut:
            return None
        without = f"No gradient flows back to {cut}, so parameters before this function cannot learn. "
        if needed_for:
            without = f"Your values are right, but no gradient flows back to {cut}, so {needed_for}. "
        return (
            without
            + "numpy, `.item()`, `.tolist()`, `torch.tensor(...)`, `nn.Parameter(...)` and `no_grad()` stop gradients."
        )

    return Probe("Gradients flow back to the inputs.", broken, remark=not needed_for)


def randn(seed: int, *shape: int) -> torch.Tensor:
    """Draw normally distributed random numbers in float64; `check` converts them to float32 where necessary."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

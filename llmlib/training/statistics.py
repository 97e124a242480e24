"""Measure what goes on inside a model while it is learning: how large are its activations, its gradients and its steps?

A falling loss shows that training is working, but not how well. These statistics show problems long before the loss
does: activations that grow from block to block, gradients that vanish on their way down through the blocks, and steps
that are too small or too large for the weights. A run takes these measurements every `statistics_every` steps; they do
not change anything that the run computes.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from llmlib.hooks import HookFunction, HookPoint, hooked
from llmlib.transformer import Transformer

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SAMPLE = 4096  # a group's quantiles are computed from at most about this many values, evenly spaced
KINDS = ("activations", "gradients", "updates")


@dataclass(frozen=True)
class Statistics:
    """Holds quantiles (`QUANTILES`) for each group of a model's parts at one step (NaN if there is nothing to measure).

    `activations` are the absolute values of a group's output; `gradients` are the absolute values of the gradients of
    the group's weights, before clipping; `updates` say how far the step moved each of the group's matrices, as a share
    of the matrix's norm, ‖Δw‖ / ‖w‖.
    """

    groups: tuple[str, ...]  # "embedding", "block 0", …, "output": from the bottom of the model to its top
    activations: Float[np.ndarray, "group quantile"]
    gradients: Float[np.ndarray, "group quantile"]
    updates: Float[np.ndarray, "group quantile"]


def groups_of(model: Transformer) -> tuple[str, ...]:
    """Return names for the parts of a model, from bottom to top."""
    return ("embedding", *(f"block {k}" for k in range(len(model.blocks))), "output")


def group_of(parameter: str, n_layers: int) -> int:
    """Return the number of the group that a parameter belongs to, given the parameter's name.

    >>> [group_of(name, n_layers=2) for name in ("embed.weight", "blocks.1.mlp.up.weight", "final_norm.weight")]
    [0, 2, 3]
    """
    first, *rest = parameter.split(".")
    return 1 + int(rest[0]) if first == "blocks" else n_layers + 1 if first in ("final_norm", "unembed") else 0


def even_sample(values: Tensor, most: int = SAMPLE) -> Float[Tensor, " value"]:
    """Return at most `most` values of a tensor as float32, from fixed, evenly spaced positions that cover all columns.

    >>> even_sample(torch.arange(12).reshape(4, 3), most=3)
    tensor([0., 4., 8.])
    """
    stride = max(1, math.ceil(values.numel() / most))
    while (
        values.ndim and math.gcd(stride, values.shape[-1]) > 1
    ):  # otherwise the stride would hit the same columns in every row
        stride += 1
    return values.detach().reshape(-1)[::stride].float()


def quantiles_of(values: Float[Tensor, " value"]) -> Float[np.ndarray, " quantile"]:
    """Return the `QUANTILES` of the values, linearly interpolated as in `torch.quantile`; NaN if there are no values.

    >>> quantiles_of(torch.arange(101.0)).tolist()
    [5.0, 25.0, 50.0, 75.0, 95.0]
    """
    if not len(values):
        return np.full(len(QUANTILES), np.nan)
    return np.quantile(values.double().cpu().numpy(), QUANTILES)  # five times as fast as torch.quantile


def size_quantiles(parts: list[Tensor]) -> Float[np.ndarray, " quantile"]:
    """Return the `QUANTILES` of the absolute values in these tensors; a larger tensor counts for more."""
    total = sum(part.numel() for part in parts)
    samples = [even_sample(part, max(1, SAMPLE * part.numel() // total)) for part in parts if part.numel()]
    return quantiles_of(torch.cat(samples).abs() if samples else torch.zeros(0))


@torch.no_grad()
def update_ratio(before: Tensor, after: Tensor) -> float:
    """Return how far a step moved a matrix, as a share of the matrix's norm: ‖after − before‖ / ‖before‖ (Frobenius).

    As a rule of thumb, the ratio should be about 0.001: if it is far less, the learning rate may be too low; if it is
    far more, the learning rate is probably too high. Source: Karpathy, CS231n, "Neural Networks Part 3: Learning and
    Evaluation", ratio of weights to updates.

    >>> update_ratio(torch.eye(2), torch.eye(2) * 1.5)
    0.5
    """
    length = before.norm()
    return float((after - before).norm() / length) if length else float("nan")


class Observer:
    """Measures one step of a model: `watch` its forward pass, and call the other two methods before and after the step.

    >>> from llmlib import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> observer = Observer(model)
    >>> with observer.watch(model):
    ...     model(torch.tensor([[1, 2, 3]])).sum().backward()
    >>> observer.before_the_step()
    >>> _ = [p.data.mul_(1.01) for p in model.parameters()]
    >>> observer.after_the_step().updates[:2, 2].round(3).tolist()  # of the embedding, and of the block
    [0.01, 0.01]
    """

    def __init__(self, model: Transformer):
        self.model, self.groups = model, groups_of(model)
        self._activations: dict[int, Tensor] = {}
        self._gradients = self._nothing()
        self._before: dict[str, Tensor] = {}

    def _nothing(self) -> Float[np.ndarray, "group quantile"]:
        return np.full((len(self.groups), len(QUANTILES)), np.nan)

    @contextlib.contextmanager
    def watch(self, work: Transformer) -> Iterator[None]:
        """Sample the output of each group of `work`, the model's working copy, in the first forward pass."""

        def hook_of(group: int) -> HookFunction:
            def see(value: Tensor) -> None:
                if group not in self._activations:
                    self._activations[group] = even_sample(value)

            return see

        after_blocks: list[Any] = [block.hook_residual_post for block in work.blocks]
        points: list[HookPoint] = [work.hook_embed, *after_blocks, work.hook_final]
        with hooked([(point, hook_of(k)) for k, point in enumerate(points)]):
            yield

    def _by_group(self, tensors: Mapping[str, Tensor]) -> list[list[Tensor]]:
        found: list[list[Tensor]] = [[] for _ in self.groups]
        for name, tensor in tensors.items():
            found[group_of(name, len(self.model.blocks))].append(tensor)
        return found

    @torch.no_grad()
    def before_the_step(self) -> None:
        """Measure the gradients, and remember the matrices as they are before the step."""
        learning: dict[str, nn.Parameter] = {n: p for n, p in self.model.named_parameters() if p.grad is not None}
        gradients = self._by_group({name: p.grad for name, p in learning.items() if p.grad is not None})
        self._gradients = np.stack([size_quantiles(group) for group in gradients])
        self._before = {name: p.detach().clone() for name, p in learning.items() if p.ndim == 2}

    @torch.no_grad()
    def after_the_step(self) -> Statistics:
        """Return everything that was measured at this step."""
        now = dict(self.model.named_parameters())
        ratios = {name: torch.tensor(update_ratio(old, now[name])) for name, old in self._before.items()}
        updates = self._nothing()
        for k, group in enumerate(self._by_group(ratios)):
            known = torch.tensor([ratio for ratio in group if not ratio.isnan()])
            updates[k] = quantiles_of(known)
        activations = self._nothing()
        for k, sample in self._activations.items():
            activations[k] = quantiles_of(sample.abs())
        return Statistics(self.groups, activations, self._gradients, updates)

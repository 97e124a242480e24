"""Implement LoRA, which freezes a model and trains small low-rank adapters alongside the model's linear maps.

A linear map y = W x gets a low-rank adapter: y = W x + α/r · B A x, where r is `rank`, A is [r, d_in] and B is [d_out,
r]. Only A and B are trained, so there are gradients and optimizer states for only about 1% of the weights. B starts at
zero, so at first the model's output is exactly the same as the base model's. Source: Hu et al. (2021), "LoRA: Low-Rank
Adaptation of Large Language Models".
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, no_type_check

import torch
from jaxtyping import Float
from torch import Tensor, nn

from llmlib.hooks import unhooked
from llmlib.linear import Linear, linear
from llmlib.settings import AT_LEAST_0, AT_LEAST_1, MORE_THAN_0, check_fields
from llmlib.transformer import Transformer

ATTENTION, MLP = ("query", "key", "value", "output"), ("gate", "up", "down")
GROUPS = {"all": ATTENTION + MLP, "attention": ATTENTION, "mlp": MLP}


@no_type_check  # check_fields checks the types instead, with better messages
@dataclass(frozen=True)
class LoRAConfig:
    """Says which linear maps get a low-rank adapter, and what rank and scale the adapters have.

    Raises `ValueError` for impossible settings.

    >>> LoRAConfig(rank=8, alpha=16).scale
    2.0
    """

    rank: Annotated[int, AT_LEAST_1] = 8  # the rank r of the adapter
    alpha: Annotated[int | float, MORE_THAN_0] = 16  # the adapter's output is multiplied by α/r
    targets: str | tuple[str, ...] = "all"  # "all" (linear maps in the blocks), "attention", "mlp" or names of maps
    rslora: bool = False  # use α/√r instead of α/r. Source: Kalajdzievski (2023), "A Rank Stabilization Scaling Factor"
    seed: Annotated[int, AT_LEAST_0] = 0  # seed for the random initial values of A

    def __post_init__(self) -> None:
        check_fields(self)
        unknown = [name for name in self.names if name not in GROUPS["all"]]
        if unknown or not self.names:
            raise ValueError(
                f"targets must be {', '.join(map(repr, GROUPS))}, or one or more of {', '.join(GROUPS['all'])}; "
                f"got {unknown[0] if unknown else self.targets!r}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the linear maps that get an adapter in each block."""
        if isinstance(self.targets, str):
            return GROUPS.get(self.targets, (self.targets,))
        return self.targets

    @property
    def scale(self) -> float:
        """The factor by which the adapter's output is multiplied: α/r, or α/√r."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


class LoRALinear(Linear):
    """A linear map with a low-rank adapter: W x + scale · B A x. W and the bias are shared with `base`.

    A is drawn uniformly between −1/√d_in and 1/√d_in, as in peft. A and B are float32 even if W is bfloat16, because
    the updates of A and B are small. If `merged` is True, `weight` is W + scale · B A; if `enabled` is False, the
    adapter is skipped.

    >>> base = Linear(2, 1, bias=False)  # with weights of zero
    >>> module = LoRALinear(base, rank=1, scale=10.0, generator=torch.Generator())
    >>> module.A.data, module.B.data = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])
    >>> module(torch.tensor([[1.0, 1.0]])).item()  # 10 · 3 · (1 + 2)
    90.0
    """

    def __init__(self, base: Linear, rank: int, scale: float, generator: torch.Generator):
        nn.Module.__init__(self)
        self.in_features, self.out_features, self.scale = base.in_features, base.out_features, scale
        self.weight = base.weight
        self.register_parameter("bias", base.bias)
        dtype = torch.promote_types(base.weight.dtype, torch.float32)
        bound = base.in_features**-0.5
        drawn = torch.empty(rank, base.in_features)  # drawn on the CPU, so every device gets the same numbers
        drawn.uniform_(-bound, bound, generator=generator)
        self.A = nn.Parameter(drawn.to(base.weight.device, dtype))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank, device=base.weight.device, dtype=dtype))
        self.enabled, self.merged = True, False

    def forward(self, x: Float[Tensor, "*rows d_in"]) -> Float[Tensor, "*rows d_out"]:
        y = linear(x, self.weight, self.bias)
        if self.merged or not self.enabled:
            return y
        narrow = self.scale * linear(x, self.A.to(x.dtype))  # Float[Tensor, "*rows rank"]
        return y + linear(narrow, self.B.to(x.dtype))

    def update(self) -> Float[Tensor, "d_out d_in"]:
        """Return what the adapter adds to W, as the single matrix scale · B A."""
        return self.scale * self.B.detach() @ self.A.detach()


class LoRA:
    """The low-rank adapters of one model, added by `apply_lora` or `load_adapter`.

    `maps` contains the `LoRALinear` modules by their names in the model, such as "blocks.0.attention.query".
    """

    def __init__(self, model: Transformer, config: LoRAConfig):
        self.model, self.config = model, config
        self._originals = maps_of(model, config)
        generator = torch.Generator().manual_seed(config.seed)
        self.maps = {n: LoRALinear(m, config.rank, config.scale, generator) for n, m in self._originals.items()}
        self._learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
        for parameter in self._learned:
            parameter.requires_grad_(False)
        for name, module in self.maps.items():
            model.set_submodule(name, module)

    def __repr__(self) -> str:
        state = "merged" if self.merged else "on" if self.enabled else "off"
        kinds = ", ".join(self.config.names)
        return f"LoRA(rank {self.config.rank} on {kinds}: {self.n_weights:,} weights, {self.share:.2%}; {state})"

    @property
    def n_weights(self) -> int:
        """The total number of weights in all matrices A and B."""
        return sum(module.A.numel() + module.B.numel() for module in self.maps.values())

    @property
    def share(self) -> float:
        """`n_weights` divided by the number of weights in the base model."""
        return self.n_weights / (sum(p.numel() for p in self.model.parameters()) - self.n_weights)

    @property
    def enabled(self) -> bool:
        """Whether the adapters are on. While this is False, the model gives the same results as the base model."""
        return all(module.enabled for module in self.maps.values())

    @enabled.setter
    def enabled(self, on: bool) -> None:
        if not on:
            self._check_apart()
        for module in self.maps.values():
            module.enabled = on
        self._let_learn()

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """Switch the adapters off inside a `with` block, so that results there equal the base model's, bit for bit."""
        before, self.enabled = self.enabled, False
        try:
            yield
        finally:
            self.enabled = before

    def base(self) -> Transformer:
        """Return a second model that shares the weights but has no adapters; you can use both models side by side.

        Raises `ValueError` if the LoRA is merged or was removed.
        """
        self._check_there()
        self._check_apart()
        base = unhooked(self.model)
        for module in base.modules():
            if isinstance(module, LoRALinear):
                module.enabled = False
        return base

    @property
    def merged(self) -> bool:
        """Whether the adapters are merged into the weights."""
        return all(module.merged for module in self.maps.values()) and bool(self.maps)

    def merge(self) -> None:
        """Replace the weights with W + scale · B A, so that the model needs no adapters and is as fast as before.

        The base's matrices stay in memory, so `unmerge` can restore them bit for bit. The sum is computed in float32
        and rounded to the model's dtype. Raises `ValueError` if the LoRA is off, or was removed.
        """
        self._check_there()
        if not self.enabled:
            raise ValueError("The LoRA is off. Set enabled = True before you merge it.")
        for name, module in self.maps.items():
            base = self._originals[name].weight
            summed = (base.to(module.B.dtype) + module.update()).to(base.dtype)
            module.weight, module.merged = nn.Parameter(summed, requires_grad=False), True
        self._let_learn()

    def unmerge(self) -> None:
        """Undo `merge` by restoring the original matrices and the separate adapters."""
        self._check_there()
        for name, module in self.maps.items():
            module.weight, module.merged = self._originals[name].weight, False
        self._let_learn()

    def fold(self) -> None:
        """Merge the adapters into the original matrices permanently, and remove the adapters from the model.

        Raises `ValueError` for the same reasons as `merge`.
        """
        self.merge()
        with torch.no_grad():
            for name, module in self.maps.items():
                self._originals[name].weight.copy_(module.weight)
        self.remove()

    def remove(self) -> None:
        """Restore the model's original state: its own linear maps, with the same weights trainable as before."""
        for name, original in self._originals.items():
            self.model.set_submodule(name, original)
        for parameter in self._learned:
            parameter.requires_grad_(True)
        self.maps, self._originals, self._learned = {}, {}, []

    def _let_learn(self) -> None:
        """Make A and B trainable only while they have an effect; at other times, `train` refuses to train them."""
        for module in self.maps.values():
            for parameter in (module.A, module.B):
                parameter.requires_grad_(module.enabled and not module.merged)

    def _check_apart(self) -> None:
        if self.merged:
            raise ValueError("A merged LoRA is part of the weights and cannot be switched off. Call unmerge() first.")

    def _check_there(self) -> None:
        if not self.maps:
            raise ValueError("This LoRA was removed from its model. Apply or load it again.")


def apply_lora(model: Transformer, config: LoRAConfig | None = None) -> LoRA:
    """Freeze a model, and add a trainable low-rank adapter to each linear map that the config names.

    The model is changed in place, and each map that gets an adapter is replaced by a new map with the same weights. The
    model's output stays the same until you train; `train(model, …)` then trains only A and B. Raises `ValueError` if
    the model already has a LoRA, or if its blocks have no linear map with a given name.

    >>> from llmlib import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=2))
    >>> lora = apply_lora(model, LoRAConfig(rank=2, targets="attention"))
    >>> lora
    LoRA(rank 2 on query, key, value, output: 512 weights, 7.77%; on)
    >>> [name for name, weight in model.named_parameters() if weight.requires_grad][:2]
    ['blocks.0.attention.query.A', 'blocks.0.attention.query.B']
    """
    return LoRA(model, config or LoRAConfig())


def maps_of(model: Transformer, config: LoRAConfig | None = None) -> dict[str, Linear]:
    """Return, by name, the linear maps that the config targets in the model's blocks (by default, all of them).

    Raises the same errors as `apply_lora`.
    """
    config = config or LoRAConfig()
    if any(isinstance(module, LoRALinear) for module in model.modules()):
        raise ValueError("The model already has a LoRA. Use the existing LoRA, or call its remove() first.")
    there = {name: m for name, m in model.blocks.named_modules(prefix="blocks") if isinstance(m, Linear)}
    kinds = list(dict.fromkeys(name.rpartition(".")[2] for name in there))
    wanted = [name for name in config.names if name in kinds]
    missing = [name for name in config.names if name not in kinds]
    if not wanted or (missing and config.targets not in GROUPS):  # a model may lack part of a group: GPT-2 has no gate
        raise ValueError(
            f"The model's blocks have no linear map {missing[0]!r}; they have: {', '.join(kinds) or 'none'}."
        )
    return {name: module for name, module in there.items() if name.rpartition(".")[2] in wanted}

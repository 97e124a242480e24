"""Turn gradients into steps with AdamW, or with Muon for matrices."""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from llmlib.devices import choose
from llmlib.training.config import TrainConfig
from llmlib.training.sharding import cut_like, whole
from llmlib.transformer import Transformer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # coefficients of the polynomial in `orthogonalise`; Jordan et al. (2024)


def orthogonalise(matrices: Float[Tensor, "*many rows columns"], steps: int = 5) -> Float[Tensor, "*many rows columns"]:
    """Bring all singular values of the matrices close to 1 and keep the singular vectors: roughly, U S Vᵀ becomes U Vᵀ.

    This is the Newton–Schulz iteration, in which each step applies the odd polynomial a·x + b·x³ + c·x⁵ to all singular
    values at once, using only matrix products. With these coefficients, five steps bring every value that is not tiny
    to between 0.7 and 1.2. Source: Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks".

    >>> stretched = torch.diag(torch.tensor([30.0, 10.0, 5.0]))
    >>> orthogonalise(stretched).diagonal().round(decimals=2)
    tensor([0.7500, 1.1300, 1.0000])
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices  # wide matrices make `square` small
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)  # no singular value exceeds the norm, so all are at most 1
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """An optimizer that orthogonalises momentum, so that a matrix takes steps of the same size in all directions.

    A step is as large as an AdamW step would be (its root mean square over the weights is 0.2 times the learning rate:
    Liu et al., 2025, "Muon is Scalable for LLM Training", section 2.2), so you can compare the learning rates of the
    two optimizers. Weight decay is separate from the gradient, as in AdamW. The products are computed in `dtype`
    (default: the parameters' own), for all matrices of the same shape at once. If a matrix is split into parts
    (`llmlib.training.sharding`), a part cannot be orthogonalised separately, so each process gathers the whole momentum
    and then updates its own rows. Raises `ValueError` for a parameter that is not a matrix.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: int | float = 2e-2,
        momentum: int | float = 0.95,
        weight_decay: int | float = 0.1,
        steps: int = 5,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.steps, self.dtype = steps, dtype
        for group in self.param_groups:
            if wrong := [tuple(p.shape) for p in group["params"] if p.ndim != 2]:
                raise ValueError(
                    f"Muon is for matrices, but a parameter has the shape {wrong[0]}. Leave such parameters to AdamW."
                )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in alike.items():
                ahead = [self._ahead(p, p.grad, group["momentum"]) for p in parameters]  # type: ignore[arg-type]
                matrices = torch.stack([whole(each.to(self.dtype or each.dtype)) for each in ahead])
                turned = orthogonalise(matrices, self.steps).to(ahead[0].dtype)
                size = 0.2 * max(shape) ** 0.5
                for parameter, direction in zip(parameters, turned):
                    mine = cut_like(direction, parameter)
                    parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(mine, alpha=-group["lr"] * size)

    def _ahead(self, parameter: Tensor, gradient: Tensor, momentum: float) -> Tensor:
        """Return Nesterov's momentum, which looks ahead to where the running average of the gradients is going."""
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        average = state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(average, momentum)


def make_optimizers(model: Transformer, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Return the optimizers for a run. Each parameter group stores its peak learning rate as `peak`.

    The matrices in the blocks have weight decay and their own learning rate (`TrainConfig.matrix_rate`), and Muon
    trains them if the config says so. Embeddings, norms and biases never decay, because decay would pull the embeddings
    of words that are rare in the data, and the scale of every vector, towards zero. Frozen weights
    (`requires_grad=False`) are left out, so no optimizer updates them or stores their gradients. Raises `ValueError` if
    all weights are frozen.
    """
    learning = [p for p in model.parameters() if p.requires_grad]
    if not learning:
        raise ValueError(
            "All of the model's weights are frozen (requires_grad=False), so there is nothing to train. "
            "A LoRA only learns while it is enabled and not merged; call lora.unmerge(), and set lora.enabled = True."
        )
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2 and p.requires_grad]
    known = {id(p) for p in matrices}
    others = [p for p in learning if id(p) not in known]
    adamw = [{"params": others, "weight_decay": 0.0, "peak": config.learning_rate}]
    optimizers: list[torch.optim.Optimizer] = []
    if config.optimizer == "muon" and matrices:
        group = {"params": matrices, "peak": config.matrix_rate}
        dtype = choose(matrices[0].device, config.dtype).dtype
        optimizers.append(Muon([group], momentum=config.momentum, weight_decay=config.weight_decay, dtype=dtype))
    else:
        adamw.append({"params": matrices, "weight_decay": config.weight_decay, "peak": config.matrix_rate})
    fused = next(model.parameters()).device.type in ("cuda", "cpu")
    return [torch.optim.AdamW(adamw, lr=config.learning_rate, betas=config.betas, fused=fused), *optimizers]


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split any module's parameters into two groups for `torch.optim.AdamW`, with and without weight decay.

    Only the matrices of linear maps decay; see `make_optimizers` for the reason why embeddings, norms and biases do
    not. Frozen parameters are in neither group.

    >>> groups = decay_groups(nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 4), nn.LayerNorm(4)), 0.1)
    >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
    [(1, 0.1), (4, 0.0)]
    """
    matrices = {id(m.weight) for m in module.modules() if isinstance(m, nn.Linear)}
    matrices -= {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}  # tied embeddings
    learning = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in learning if id(p) in matrices], "weight_decay": weight_decay},
        {"params": [p for p in learning if id(p) not in matrices], "weight_decay": 0.0},
    ]

"""What turns gradients into steps: AdamW, and Muon for matrices."""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.training.config import TrainConfig
from llmlib.transformer import Transformer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the polynomial in `orthogonalise`; Jordan et al. (2024)


def orthogonalise(matrix: Float[Tensor, "rows columns"], steps: int = 5) -> Float[Tensor, "rows columns"]:
    """The matrix with all singular values brought near 1, its directions kept: U Vᵀ for U S Vᵀ, roughly.

    Newton–Schulz: each step applies the odd polynomial a·x + b·x³ + c·x⁵ to all singular values at once, by matrix
    products alone. With these coefficients five steps bring every value that is not tiny to between 0.7 and 1.2.
    Source: Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks".

    >>> stretched = torch.diag(torch.tensor([30.0, 10.0, 5.0]))
    >>> orthogonalise(stretched).diagonal().round(decimals=2)
    tensor([0.7500, 1.1300, 1.0000])
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix  # the products are smaller on the short side
    x = x / (x.norm() + 1e-7)  # no singular value is larger than the norm, so all are at most 1
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised: all directions of a matrix take steps of the same size.

    A step is as large as AdamW's would be (root mean square 0.2 a weight and unit of learning rate: Liu et al., 2025,
    "Muon is Scalable for LLM Training", section 2.2), so learning rates of the two are comparable. Weight decay is
    apart from the gradient, as in AdamW. Raises `ValueError` for a parameter that is not a matrix.
    """

    def __init__(self, parameters: Iterable[Any], lr: float = 2e-2, momentum: float = 0.95, weight_decay: float = 0.1):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            if wrong := [tuple(p.shape) for p in group["params"] if p.ndim != 2]:
                raise ValueError(f"Muon is for matrices; {wrong[0]} is none. Leave such parameters to AdamW.")

    @torch.no_grad()
    def step(self, closure=None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                average = state["momentum"].lerp_(parameter.grad, 1 - momentum)
                ahead = parameter.grad.lerp(average, momentum)  # Nesterov: where the average is going
                size = 0.2 * max(parameter.shape) ** 0.5
                parameter.mul_(1 - lr * decay).add_(orthogonalise(ahead), alpha=-lr * size)


def make_optimizers(model: Transformer, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """The optimizers of a run. Each of their groups remembers its highest learning rate as `peak`.

    The matrices in the blocks decay, and go to Muon if the config says so. Embeddings, norms and biases never decay:
    decay would pull words that are rare in the data, and the scale of every vector, towards nothing.
    """
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    known = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in known]
    adamw = [{"params": others, "weight_decay": 0.0, "peak": config.learning_rate}]
    optimizers: list[torch.optim.Optimizer] = []
    if config.optimizer == "muon" and matrices:
        group = {"params": matrices, "peak": config.matrix_learning_rate}
        optimizers.append(Muon([group], momentum=config.momentum, weight_decay=config.weight_decay))
    else:
        adamw.append({"params": matrices, "weight_decay": config.weight_decay, "peak": config.learning_rate})
    fused = next(model.parameters()).device.type in ("cuda", "cpu")
    return [torch.optim.AdamW(adamw, lr=config.learning_rate, betas=config.betas, fused=fused), *optimizers]

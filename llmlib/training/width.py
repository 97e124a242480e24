"""Transfer a learning rate from a narrow model to a wide one, with the maximal update parametrisation (muP)."""

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from llmlib.transformer import Transformer, TransformerConfig


class Times(nn.Module):
    """Multiplies a weight by a factor at each use, which scales the effect of the weight's steps by the same factor."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, weight: Tensor) -> Tensor:
        return self.factor * weight


def widened(base: TransformerConfig, times: int) -> TransformerConfig:
    """Return a config `times` times as wide: more heads of the same width, and an MLP that grows by the same factor.

    >>> base = TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=2)
    >>> wide = widened(base, 4)
    >>> wide.d_model, wide.n_heads, wide.d_head, wide.d_mlp
    (64, 8, 8, 256)
    """
    grown = {name: times * getattr(base, name) for name in ("d_model", "n_heads", "n_kv_heads", "d_mlp")}
    return dataclasses.replace(base, **grown)


@torch.no_grad()
def maximal_update(model: Transformer, base: TransformerConfig) -> float:
    """Make a fresh model learn as fast as a model with the narrow config `base` does at the same learning rate.

    The function returns a factor, which is base width / model width. The blocks' matrices start smaller (they are
    multiplied by the square root of this factor), and the logits are multiplied by the factor in the final norm. The
    rest is up to you: multiply the learning rate of the matrices by the factor, and give tables, norms and biases the
    same learning rate as in the base model. At the base's own width nothing changes. Attention can keep dividing by
    √d_head, since wider models have more heads, not wider heads. Before you save the trained model, fold the factor
    into its weights: `torch.nn.utils.parametrize.remove_parametrizations(model.final_norm, "weight")`. Raises
    `ValueError` unless the model is `widened(base, times)`. Source: Yang et al. (2022), "Tensor Programs V", table 8.

    >>> base = TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=2)
    >>> maximal_update(Transformer(widened(base, 4), seed=0), base)
    0.25
    """
    times, rest = divmod(model.config.d_model, base.d_model)
    if rest or not times or model.config != widened(base, times):
        raise ValueError(
            f"The model is not a wider copy of the base model: it has {model.config}, but the base model has {base}. "
            "Create it with Transformer(widened(base, times))."
        )
    if parametrize.is_parametrized(model.final_norm):
        raise ValueError("This model has already been prepared; a second call would scale it twice. Make a new model.")
    for matrix in model.blocks.parameters():
        if matrix.ndim == 2:
            matrix.mul_(times**-0.5)
    for name, _ in list(model.final_norm.named_parameters()):  # LayerNorm has a bias, too
        parametrize.register_parametrization(model.final_norm, name, Times(1 / times))
    return 1 / times

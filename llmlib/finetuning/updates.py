"""Measure what tuning changed, using the singular values of each matrix's update.

LoRA assumes that a low-rank update is enough. Here we look at full tuning, which could use the full rank, and ask how
much of that rank it used. In other words, what share of the squared norm of W_tuned − W_base is in its first r
directions? No matrix of rank r can contain more (Eckart and Young, 1936). The question comes from Aghajanyan et al.
(2020), "Intrinsic Dimensionality Explains the Effectiveness of Language Model Fine-Tuning", and Hu et al. (2021),
"LoRA".
"""

import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.linear import Linear
from llmlib.transformer import Transformer


def update_spectra(base: Transformer, tuned: Transformer) -> dict[str, Float[Tensor, " directions"]]:
    """Return, by name, the singular values of tuned − base for each linear map in the blocks, with the largest first.

    Raises `ValueError` if the two models have different shapes.

    >>> from llmlib import TransformerConfig
    >>> config = TransformerConfig(vocab_size=10, max_seq_len=8, d_model=4, n_layers=1, n_heads=2)
    >>> base, tuned = Transformer(config), Transformer(config)
    >>> with torch.no_grad():
    ...     tuned.blocks[0].mlp.up.weight[0, 0] += 1  # one number changed: rank 1
    >>> update_spectra(base, tuned)["blocks.0.mlp.up"].round(decimals=4)
    tensor([1., 0., 0., 0.])
    """
    ours, theirs = ({n: m for n, m in model.named_modules() if _is_map(n, m)} for model in (base, tuned))
    for name in sorted(ours.keys() | theirs.keys()):
        shapes = [tuple(maps[name].weight.shape) if name in maps else "missing" for maps in (ours, theirs)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"The models differ in shape: {name} is {shapes[0]} in the base model and {shapes[1]} in the tuned "
                "model."
            )
    with torch.no_grad():
        return {n: torch.linalg.svdvals(theirs[n].weight.float() - ours[n].weight.float()) for n in ours}


def share_of_rank(singular_values: Float[Tensor, " directions"], rank: int) -> float:
    """Return the share of an update that its best approximation of this rank keeps.

    The share is Σ σ² over the first `rank` values, divided by Σ σ² over all values. Returns 0.0 for an all-zero update.

    >>> share_of_rank(torch.tensor([3.0, 1.0]), rank=1)
    0.9
    """
    squares = singular_values.double().square()
    total = squares.sum().item()
    return squares[:rank].sum().item() / total if total else 0.0


def _is_map(name: str, module: torch.nn.Module) -> bool:
    return name.startswith("blocks.") and isinstance(module, Linear)

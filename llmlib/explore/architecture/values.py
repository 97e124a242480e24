"""Fetch the actual values for the boxes of a model, but only for boxes that the user opens."""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from llmlib.explore.architecture.boxes import VALUES, weight_paths
from llmlib.interpret.tracing import trace
from llmlib.transformer import Transformer, TransformerConfig


def weights_in(model: Transformer, box: str, tensor: str, layer: int) -> Float[np.ndarray, "panel row column"]:
    """Return a box's weight as one panel; a vector becomes one row."""
    parameter = model.get_parameter(weight_paths(box)[tensor].format(layer)).detach().float().cpu().numpy()
    return parameter.reshape(1, -1, parameter.shape[-1])


def values_in(
    model: Transformer, ids: list[int], places: Iterable[tuple[str, int]]
) -> list[Float[Tensor, "panel seq width"]]:
    """Run the model once, and return the values for several (box, layer) pairs. Each head is one panel."""
    paths = [VALUES[box].format(layer) for box, layer in places]
    kept: dict[str, Tensor] = {}
    handles = [
        model.get_submodule(path).register_forward_hook(
            lambda _module, _args, value, path=path: kept.__setitem__(path, value.detach())
        )
        for path in paths
    ]
    try:
        with torch.inference_mode():
            model(torch.tensor([ids], dtype=torch.long, device=model.device))
    finally:
        for handle in handles:
            handle.remove()
    return [kept[path][0].float().reshape(-1, *kept[path].shape[-2:]) for path in paths]


def box_before(config: TransformerConfig, before: str, layer: int, inside: bool) -> tuple[str, int]:
    """Return the name and layer of the box that another box reads from; `before` is the other box's `Box.before`.

    The other box belongs to `layer`. If it is `inside` the layer, it may read from the previous layer; otherwise, it
    may read from the last layer.
    """
    if before in ("embed", "positions") and inside and layer > 0:
        return "add_mlp", layer - 1
    if not inside and before == "add_mlp":
        return before, config.n_layers - 1
    return before, layer


def changes_by_token(
    value: Float[Tensor, "panel seq width"], before: Float[Tensor, "panel_before seq width_before"]
) -> Float[np.ndarray, "measure seq"]:
    """Compare each token's vector after a box with its vector before the box.

    For each token, return the norm after the box, the norm before it, the cosine between the two vectors, and
    |change| / |before|. Values are NaN if the widths differ, because then the vectors cannot be compared.
    """
    after, earlier = (x.permute(1, 0, 2).flatten(1) for x in (value, before))
    measures = torch.full((4, len(after)), torch.nan)
    measures[0], measures[1] = after.norm(dim=1), earlier.norm(dim=1)
    if after.shape == earlier.shape:
        measures[2] = cosine_similarity(after, earlier, dim=1)
        measures[3] = (after - earlier).norm(dim=1) / earlier.norm(dim=1)
    return measures.numpy()


def token_paths(
    model: Transformer, ids: list[int]
) -> tuple[Float[np.ndarray, "3 place seq"], Float[np.ndarray, "2 layer seq"]]:
    """Follow every token's residual stream through the layers.

    Return each stream's norm, and its cosine with the stream's first and last vector, before the first layer and after
    each layer. Also return the norms of what attention and the MLP added in each layer.
    """
    with torch.inference_mode(), trace(model, names=("residual", "attention_out", "mlp_out")) as t:
        model(torch.tensor([ids], dtype=torch.long, device=model.device), last_only=True)
    stream = torch.stack([residual[0].float() for residual in t.residual])  # Float[Tensor, "place seq d_model"]
    paths = [stream.norm(dim=-1), *(cosine_similarity(stream, end, dim=-1) for end in (stream[:1], stream[-1:]))]
    added = [torch.stack([out[0].float().norm(dim=-1) for out in outs]) for outs in (t.attention_out, t.mlp_out)]
    return torch.stack(paths).cpu().numpy(), torch.stack(added).cpu().numpy()

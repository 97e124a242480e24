"""Collect the numbers for a guided tour of how a model processes a text, from token ids to the next token."""

from collections.abc import Sequence
from functools import partial
from math import isfinite
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.attention import causal_mask
from llmlib.hooks import HookFunction, HookPoint, hooked
from llmlib.interpret.points import point_at
from llmlib.transformer import Transformer

LIKELIEST = 6  # how many candidates for the next token the tour shows
OF_A_LAYER = ("residual", "q", "k", "attention_out", "residual_mid", "mlp_out")


def tour_of(model: Transformer, ids: Sequence[int]) -> dict[str, Any]:
    """Collect what happens to a text's last token, layer by layer, and what the model predicts next.

    The result contains plain numbers for `ArchitectureView.put_tour`: `ids`, `sizes`, the vector's `norm` at the start
    and its first `numbers`, the `layers`, the norm after the `final` norm, the `mean_logit`, and, as `next`, the
    likeliest tokens (`id`, `logit`, `p`). Each of the `layers` has the vector's norm `before` attention, after
    attention (`mid`) and `after` the MLP, the norms of what `attention` and the `mlp` add, the strongest attention
    weight (`head`, `key`, `weight`), the share of attention that the `first` token receives (averaged over the heads),
    and the hidden `unit` with the largest `activation`. Numbers that are not finite are `None`.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> tour = tour_of(model, [3, 1, 4])
    >>> len(tour["layers"]), len(tour["next"]), tour["layers"][0]["key"]
    (2, 6, 1)
    """
    c, kept = model.config, _run(model, ids)
    residual, logits = kept["residual", 0], kept["logits", 0]
    p, (best, chosen) = logits.softmax(-1), logits.topk(min(LIKELIEST, len(logits)))
    return {
        "ids": list(ids),
        "sizes": {
            "vocab": c.vocab_size,
            "d_model": c.d_model,
            "heads": c.n_heads,
            "layers": c.n_layers,
            "d_mlp": c.d_mlp if c.mlp != "none" else 0,
        },
        "norm": _number(residual.norm()),
        "numbers": [_number(value) for value in residual[:4]],
        "layers": [_layer(model, kept, layer) for layer in range(c.n_layers)],
        "final": _number(kept["final", 0].norm()),
        "mean_logit": _number(logits.mean()),
        "next": [{"id": id, "logit": _number(logit), "p": _number(p[id])} for id, logit in zip(chosen.tolist(), best)],
    }


def _run(model: Transformer, ids: Sequence[int]) -> dict[tuple[str, int], Float[Tensor, "..."]]:
    """Return the activations at the last token and the keys of all tokens, indexed by name and layer."""
    kept: dict[tuple[str, int], Tensor] = {}

    def keep(name: str, layer: int, value: Tensor) -> None:
        kept[name, layer] = (value[0] if name == "k" else value[0, ..., -1, :]).detach().float()

    c = model.config
    names = OF_A_LAYER if c.mlp == "none" else (*OF_A_LAYER, "mlp")
    places = [(name, layer) for name in names for layer in range(c.n_layers)] + [("residual", c.n_layers)]
    hooks: list[tuple[HookPoint, HookFunction]] = [
        (point_at(model, name, layer), partial(keep, name, layer)) for name, layer in places
    ]
    with torch.inference_mode(), hooked([*hooks, (model.hook_final, partial(keep, "final", 0))]):
        logits = model(torch.tensor([list(ids)], dtype=torch.long, device=model.device), last_only=True)
    keep("logits", 0, logits)
    return kept


def _layer(model: Transformer, kept: dict[tuple[str, int], Tensor], layer: int) -> dict[str, Any]:
    norms = {
        "before": kept["residual", layer],
        "attention": kept["attention_out", layer],
        "mid": kept["residual_mid", layer],
        "mlp": kept["mlp_out", layer],
        "after": kept["residual", layer + 1],
    }
    facts: dict[str, Any] = {name: _number(vector.norm()) for name, vector in norms.items()}
    pattern = _looks(model, kept["q", layer], kept["k", layer])
    n = pattern.shape[1]
    # Leave out the token itself and the first token, which gets a lot of attention in any text.
    others = range(1, n - 1) if n > 2 else range(max(1, n - 1))
    head, place = divmod(int(pattern[:, others.start : others.stop].argmax()), len(others))
    key = others[place]
    facts |= {
        "head": head,
        "key": key,
        "weight": _number(pattern[head, key]),
        "first": _number(pattern[:, 0].mean()),
    }
    if ("mlp", layer) in kept:
        activation = kept["mlp", layer]
        unit = int(activation.abs().argmax())
        facts |= {"unit": unit, "activation": _number(activation[unit])}
    return facts


def _looks(
    model: Transformer, q: Float[Tensor, "head d_head"], k: Float[Tensor, "kv_head seq d_head"]
) -> Float[Tensor, "head key"]:
    """Return the last row of each head's attention pattern in a layer."""
    shared = k.repeat_interleave(len(q) // len(k), dim=0)
    scores = torch.einsum("hd,hkd->hk", q / q.shape[-1] ** 0.5, shared)
    n, window = k.shape[1], model.config.sliding_window
    mask = causal_mask(1, n, window, q.device) if window else None
    return (scores if mask is None else scores.masked_fill(~mask, float("-inf"))).softmax(-1)


def _number(value: Tensor) -> float | None:
    """Round a number to six digits, which is precise enough here; return None if the number is not finite."""
    number = float(f"{value.item():.6g}")
    return number if isfinite(number) else None

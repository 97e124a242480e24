"""Find the hook point for a name and a layer, and call a function before each run of a model."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from torch import Tensor

from llmlib.hooks import HookPoint
from llmlib.transformer import Transformer

# For each name: its hook point in a block, and the shape of the values there.
POINTS = {
    "residual": ("hook_residual_pre", "batch seq d_model"),
    "q": ("attention.hook_q", "batch head seq d_head"),
    "k": ("attention.hook_k", "batch kv_head seq d_head"),
    "v": ("attention.hook_v", "batch kv_head seq d_head"),
    "scores": ("attention.hook_scores", "batch head query key"),
    "pattern": ("attention.hook_pattern", "batch head query key"),
    "z": ("attention.hook_z", "batch head seq d_head"),
    "attention_out": ("hook_attention_out", "batch seq d_model"),
    "residual_mid": ("hook_residual_mid", "batch seq d_model"),
    "mlp": ("mlp.hook_activation", "batch seq d_mlp"),
    "mlp_out": ("hook_mlp_out", "batch seq d_model"),
}

Head = tuple[int, int]  # (layer, head)


@contextlib.contextmanager
def before_each_run(model: Transformer, function: Callable[[Tensor, int, dict], None]) -> Iterator[None]:
    """Call `function(ids, start, keywords)` before each forward pass; `start` is the number of cached positions."""

    def hook(_model: Any, args: tuple, keywords: dict) -> None:
        ids = args[0] if args else keywords["ids"]
        cache = keywords.get("cache")
        function(ids, cache.length if cache else 0, keywords)

    try:
        model.register_forward_pre_hook(hook, with_kwargs=True)
        yield
    finally:
        for key in [key for key, other in model._forward_pre_hooks.items() if other is hook]:
            del model._forward_pre_hooks[key]
            model._forward_pre_hooks_with_kwargs.pop(key, None)


def known(names: Iterable[str] | None) -> tuple[str, ...]:
    asked = tuple(POINTS) if names is None else (names,) if isinstance(names, str) else tuple(names)
    if unknown := [name for name in asked if name not in POINTS]:
        raise ValueError(f"There is no value called {unknown[0]!r} in a model; choose from: {', '.join(POINTS)}.")
    return tuple(name for name in POINTS if name in asked)


def point_at(model: Transformer, name: str, layer: int) -> HookPoint:
    at_the_end = layer == model.config.n_layers  # only the residual can be read after the last layer
    path = "hook_residual_post" if at_the_end else POINTS[name][0]
    return attrgetter(path)(model.blocks[layer - at_the_end])


def checked_layer(model: Transformer, layer: int, extra: bool = False) -> int:
    last = model.config.n_layers - 1 + extra
    if not 0 <= layer <= last:
        raise ValueError(f"There is no layer {layer}; this model has layers 0 to {last}.")
    return layer


def checked_heads(model: Transformer, heads: Iterable[Sequence[int]]) -> list[Head]:
    c = model.config
    chosen = [(int(layer), int(head)) for layer, head in heads]
    for layer, head in chosen:
        if not (0 <= layer < c.n_layers and 0 <= head < c.n_heads):
            raise ValueError(
                f"There is no head {head} in layer {layer}: this model has layers 0 to {c.n_layers - 1}, "
                f"each with heads 0 to {c.n_heads - 1}."
            )
    return chosen

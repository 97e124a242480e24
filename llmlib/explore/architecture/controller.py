"""Run the architecture view on any model, with sizes that you can change, costs, and a live model's real values."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from llmlib.costs import count
from llmlib.explore.architecture.boxes import boxes_of
from llmlib.explore.architecture.tour import tour_of
from llmlib.explore.architecture.values import box_before, changes_by_token, token_paths, values_in, weights_in
from llmlib.explore.shared.checks import check_length
from llmlib.explore.shared.known_models import KNOWN_MODELS, name_of
from llmlib.explore.shared.own_model import noticing_training, own_model, undoing
from llmlib.explore.shared.token_texts import token_texts
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer, TransformerConfig
from llmlib.widgets.architecture.values import picture_of
from llmlib.widgets.architecture.view import ArchitectureView

SIZES = ("n_layers", "d_model", "n_heads", "n_kv_heads", "vocab_size", "max_seq_len")
LARGEST = 10_000_000  # a larger size is probably a typing error
SOON = 256  # in tokens: for a longer text, the tour is computed only when the user starts it


def explore_architecture(
    model: Transformer | TransformerConfig | None = None,
    tokenizer: Tokenizer | None = None,
    text: str = "",
    *,
    title: str | None = None,
    others: Mapping[str, TransformerConfig] = KNOWN_MODELS,
) -> ArchitectureView:
    """Show a model as nested boxes, down to each tensor with its shape, its costs and the line that computes it.

    The user can change the model's sizes and look at other models; the view then computes the new costs. With a live
    `Transformer`, its tokenizer and a text, a box also shows its real values. To compute these values, the model runs
    each time a box is opened; no values are kept. A guided tour takes the user through the boxes with the numbers for
    that text. FLOPs count only matrix products, for one token that attends to a full context (see `llmlib.costs`).
    Byte counts assume the live model's dtype, or bfloat16 if there is no live model.

    Raises `ValueError` for a text without a model or tokenizer, or for a text that is empty or longer than the context.

    >>> config = TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4)
    >>> explore_architecture(config, title="Mine").model["totals"]["parameters"]
    6592
    """
    if text and (not isinstance(model, Transformer) or tokenizer is None):
        raise ValueError("To show the values for a text, pass a Transformer and its tokenizer.")
    if isinstance(model, Transformer) and tokenizer is not None and not text:
        raise ValueError("To show values, a live model needs a text. Pass a text, or leave out the tokenizer.")
    controller = _Controller(ArchitectureView(text=text), model, tokenizer, title, others)
    view = controller.view
    view.on_act("model", controller.choose, then=controller.show)
    view.on_act("size", controller.resize, then=controller.show)
    for kind, function in (
        ("text", controller.read),
        ("open", controller.open),
        ("follow", controller.follow),
        ("tour", controller.tour),
    ):
        view.on_act(kind, function, then=controller.compute)
    return view


class _Controller:
    """Carries out the user's actions in an `ArchitectureView`."""

    def __init__(
        self,
        view: ArchitectureView,
        model: Transformer | TransformerConfig | None,
        tokenizer: Tokenizer | None,
        title: str | None,
        others: Mapping[str, TransformerConfig],
    ):
        self.view, self.tokenizer = view, tokenizer
        self.live = model if isinstance(model, Transformer) and tokenizer is not None else None
        self.dtype = model.dtype if isinstance(model, Transformer) else torch.bfloat16
        config = model.config if isinstance(model, Transformer) else model
        self.configs = dict(others)
        self.own = ""
        if config is not None:
            self.own = title or name_of(config) or "Your model"
            self.configs = {self.own: config, **{name: c for name, c in others.items() if name != self.own}}
        self.view.models = list(self.configs)
        self.wanted: Callable[[], None] | None = None  # runs the model and shows the result
        self.choose(self.view.models[0])
        if self.live:
            check_length(len(self.ids(view.text)), self.live.config.max_seq_len)
        self.show()

    # --- sizes ---

    def choose(self, name: str) -> None:
        if name not in self.configs:
            raise ValueError(f"There is no model {name!r} here. Choose one of {', '.join(self.configs)}.")
        self.name, self.config = name, self.configs[name]
        self.wish = {size: getattr(self.config, size) for size in SIZES}

    def resize(self, name: str, value: float | int) -> None:
        if name in SIZES:
            self.wish[name] = int(value)

    def wished(self) -> TransformerConfig:
        """Return the chosen model's config with the sizes that the user has set.

        If the model's heads share d_model evenly, they still do afterwards, and d_mlp changes in proportion to d_model.
        Raises `ValueError` if a size is out of range or if the sizes do not fit together.
        """
        base = self.config
        for name, value in self.wish.items():
            if not 1 <= value <= LARGEST:
                raise ValueError(f"{name} must be between 1 and {LARGEST:,}, got {value:,}.")
        d_model, n_heads, n_kv_heads = (self.wish[name] for name in ("d_model", "n_heads", "n_kv_heads"))
        if base.d_head * base.n_heads == base.d_model and d_model % n_heads:
            fits = d_model // n_heads * n_heads
            raise ValueError(
                f"{n_heads:,} heads cannot share a d_model of {d_model:,} evenly; "
                f"a d_model of {fits or n_heads:,} would work."
            )
        if n_heads % n_kv_heads:
            fitting = [str(n) for n in range(1, min(n_heads, 4096) + 1) if n_heads % n == 0]
            raise ValueError(
                f"{n_heads:,} heads cannot share {n_kv_heads:,} KV heads evenly. "
                f"Numbers of KV heads that would work: {', '.join(fitting)}."
            )
        changes: dict[str, Any] = dict(self.wish)
        if (self.wish["d_model"], self.wish["n_heads"]) != (base.d_model, base.n_heads):
            if base.d_head * base.n_heads == base.d_model:
                changes["d_head"] = 0
            changes |= {"d_mlp": max(1, round(base.d_mlp * self.wish["d_model"] / base.d_model)), "rope_factors": None}
        return dataclasses.replace(base, **changes)

    def show(self) -> None:
        view = self.view
        try:
            config, problem = self.wished(), ""
        except ValueError as error:
            config, problem = None, str(error)
        with view.hold_sync():
            view.chosen, view.sizes, view.problem = self.name, dict(self.wish), problem
            if config is not None:
                self.put(config)
        self.tour_soon()

    def put(self, config: TransformerConfig) -> None:
        dtype = self.dtype if self.name == self.own else torch.bfloat16
        costs = count(config, dtype=dtype)
        totals = {
            "parameters": costs.parameters,
            "weight_bytes": costs.weight_bytes,
            "cache_bytes": costs.cache_bytes,
            "forward_flops": costs.forward_flops,
            "training_flops": costs.training_flops,
        }
        changed = config != self.config
        title = f"{self.name}, with other sizes" if changed else self.name
        self.view.put(
            title, boxes_of(config), totals, dtype.itemsize, str(dtype).removeprefix("torch."), config.max_seq_len
        )
        alive = self.live is not None and self.name == self.own and not changed
        self.view.tokens = token_texts(self.tokenizer, self.ids(self.view.text)) if alive else []

    # --- values ---

    def ids(self, text: str) -> list[int]:
        assert self.tokenizer is not None
        return list(self.tokenizer.encode(text, add_bos=self.tokenizer.adds_bos))

    def read(self, text: str) -> None:
        model = self.alive()
        ids = self.ids(text)
        check_length(len(ids), model.config.max_seq_len)
        self.wanted = None
        with self.view.hold_sync():
            self.view.close_values()
            self.view.text, self.view.tokens = text, token_texts(self.tokenizer, ids)

    def alive(self) -> Transformer:
        if self.live is None or not (self.view.tokens or self.view.model["title"] == self.own):
            raise ValueError(
                "There are no values to show: this model has no weights, only sizes. Go back to the live model."
            )
        return self.live

    def open(self, box: str, tensor: str, layer: int = 0) -> None:
        """Show the values of one tensor."""
        model, of = self.alive(), {"box": box, "tensor": tensor, "layer": layer}
        known = {inside.id: inside for inside in boxes_of(model.config).walk()}
        if box not in known or tensor not in {t.name for t in known[box].tensors}:
            raise ValueError(f"The box {box!r} has no tensor {tensor!r}.")
        if not 0 <= layer < model.config.n_layers:
            raise ValueError(f"There is no layer {layer}; this model has layers 0 to {model.config.n_layers - 1}.")
        if tensor != "result":
            values = weights_in(model, box, tensor, layer)
            self.view.put_opened({**of, "norm": float(np.linalg.norm(values))}, picture_of(values))
            return
        self.wanted = partial(self.show_values, box, layer, of)

    def show_values(self, box: str, layer: int, of: dict[str, Any]) -> None:
        """Show the values that pass through a box for the current text."""
        model = self.alive()
        known = {inside.id: inside for inside in boxes_of(model.config).walk()}
        ids, before = self.ids(self.view.text), known[box].before
        places = [(box, layer)]
        if before:
            inside = any(box == part.id for part in known["layer"].walk())
            places.append(box_before(model.config, before, layer, inside))
        value, *earlier = values_in(self.own_model(), ids, places)
        changes = changes_by_token(value, earlier[0]) if earlier and box not in ("scores", "pattern") else None
        self.view.put_opened(of, picture_of(value.cpu().numpy()), changes)

    def follow(self) -> None:
        """Show every token's path through the layers."""
        self.alive()
        self.wanted = self.show_ways

    def show_ways(self) -> None:
        self.view.put_followed(*token_paths(self.own_model(), self.ids(self.view.text)))

    def tour(self) -> None:
        """Show what happens to the last token, from its id to the prediction of the next token."""
        self.alive()
        self.wanted = self.show_tour

    def show_tour(self) -> None:
        tour = tour_of(self.own_model(), self.ids(self.view.text))
        for one, token in zip(tour["next"], token_texts(self.tokenizer, [one["id"] for one in tour["next"]])):
            one["token"] = token
        self.view.put_tour({**tour, "characters": len(self.view.text)})

    def tour_soon(self) -> None:
        """Compute the tour if the text is short enough for a quick computation and there is no tour yet."""
        if self.view.tokens and len(self.view.tokens) <= SOON and not self.view.tour:
            self.show_tour()

    def own_model(self) -> Transformer:
        return own_model(self.alive(), self.view.check)

    def compute(self) -> None:
        """Run the model to compute what the user wants to see."""
        with undoing(self._want_nothing), noticing_training(self.alive(), self.view.remark):
            if self.wanted:
                self.wanted()
            self.tour_soon()
        self._want_nothing()

    def _want_nothing(self) -> None:
        self.wanted = None

"""The architecture view shows a model as nested boxes (down to individual tensors), its costs, and one token's path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from llmlib.widgets.architecture.boxes import Box
from llmlib.widgets.architecture.picture import counted, draw, in_short
from llmlib.widgets.architecture.values import Picture
from llmlib.widgets.shared.base import View


class ArchitectureView(View):
    """A view of a model as nested boxes; `put` shows a model.

    `model` contains the boxes (`tree`, see `Box.as_json`), the `title`, the total costs (`totals`), and the `dtype` of
    the numbers. `sizes` contains the six sizes that the user wants. If these sizes do not fit together, `problem` says
    why, and `model` is still the last valid model. `place` says where the user is looking (`box`, `layer`, `tensor`,
    `token`), and how.

    The owner of a model handles the user's actions "model" (`name`), "size" (`name`, `value`), "text" (`text`), "open"
    (`box`, `layer`, `tensor`), "follow" and "tour" by setting the traits (see `llmlib.explore.explore_architecture`).
    """

    folder = Path(__file__).parent
    shown = (
        "model",
        "sizes",
        "problem",
        "models",
        "chosen",
        "tokens",
        "opened",
        "opened_codes",
        "opened_tokens",
        "followed",
        "followed_values",
        "tour",
        "place",
    )

    model = traitlets.Dict().tag(sync=True)
    sizes = traitlets.Dict().tag(sync=True)  # n_layers, d_model, n_heads, n_kv_heads, vocab_size, max_seq_len
    problem = traitlets.Unicode("").tag(sync=True)
    models = traitlets.List(traitlets.Unicode()).tag(sync=True)  # names of models to choose from
    chosen = traitlets.Unicode("").tag(sync=True)

    text = traitlets.Unicode("").tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)  # the text's tokens in a live model; empty: sizes only
    opened = traitlets.Dict().tag(sync=True)  # box, layer, tensor, panels, rows, columns, scale, axes, shape, before
    opened_codes = traitlets.Bytes(b"").tag(sync=True)  # i1 (panel, row, column): see `Picture`
    opened_tokens = traitlets.Bytes(b"").tag(sync=True)  # f4 (norm, norm before, cosine, share changed) × seq
    followed = traitlets.Dict().tag(sync=True)  # layers, seq
    followed_values = traitlets.Bytes(b"").tag(sync=True)  # f4: see `put_followed`
    tour = traitlets.Dict().tag(sync=True)  # see `put_tour`
    place = traitlets.Dict().tag(sync=True)

    def put(
        self, title: str, box: Box, totals: Mapping[str, int], width: int = 2, dtype: str = "bfloat16", context: int = 0
    ) -> None:
        """Show a model whose numbers take up `width` bytes each, and close whatever was open in the previous model.

        `totals` contains `parameters`, `weight_bytes`, `cache_bytes`, `forward_flops` and `training_flops`.
        """
        with self.hold_sync():
            self.model = {
                "title": title,
                "tree": box.as_json(width),
                "totals": dict(totals),
                "dtype": dtype,
                "context": context,
            }
            self.close_values()

    def close_values(self) -> None:
        """Stop showing what belongs to the old text or model: a tensor's values, the tokens' paths and the tour."""
        with self.hold_sync():
            self.opened, self.opened_codes, self.opened_tokens = {}, b"", b""
            self.followed, self.followed_values, self.tour = {}, b"", {}

    def put_opened(
        self, of: Mapping[str, Any], picture: Picture, tokens: Float[np.ndarray, "measure seq"] | None = None
    ) -> None:
        """Show the real values of one tensor; `of` says which tensor.

        For each token, `tokens` contains the norm of its vector, the norm of its vector in the previous box, the cosine
        between the two vectors, and the length of the change relative to the previous vector (NaN where a number cannot
        be computed).
        """
        with self.hold_sync():
            self.opened = {**of, **picture.meta}
            self.opened_codes = picture.codes
            self.opened_tokens = b"" if tokens is None else tokens.astype("<f4").tobytes()

    def put_followed(
        self, stream: Float[np.ndarray, "measure place seq"], added: Float[np.ndarray, "part layer seq"]
    ) -> None:
        """Show every token's path through the layers.

        For the points before the first layer and after each layer, `stream` contains the norm of the stream's vector,
        and the cosine of this vector with the first and with the last vector. `added` contains the norms of what
        attention and the MLP added in each layer.
        """
        with self.hold_sync():
            self.followed = {"layers": added.shape[1], "seq": added.shape[2]}
            self.followed_values = b"".join(part.astype("<f4").tobytes() for part in (stream, added))

    def put_tour(self, tour: Mapping[str, Any]) -> None:
        """Start a guided tour of the boxes; it shows the numbers for one text.

        `tour` contains what `llmlib.explore.architecture.tour.tour_of` returns, how many `characters` the text has, and
        a `token` (its text) for each entry of `next`.
        """
        self.tour = dict(tour)

    @property
    def title(self) -> str:
        return f"Architecture of {self.model['title']}"

    @property
    def alt(self) -> str:
        tree, totals = self.model["tree"], self.model["totals"]
        layers = next((box["repeat"] for box in tree["boxes"] if box["id"] == "layer"), 1)
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.shares().items() if share >= 0.005)
        return (
            f"{self.model['title']} as nested boxes: {layers} layers, {counted(totals['parameters'])} parameters "
            f"({shares}), {in_short(totals['cache_bytes'], 'B')} of KV cache at {self.model['context']:,} tokens in "
            f"{self.model['dtype']}, {in_short(totals['training_flops'], 'FLOPs')} of training for each token at "
            "that context."
        )

    def shares(self) -> dict[str, float]:
        """Return the share of the model's parameters that each kind of part contains."""
        kinds = {"embedding": "tables", "output": "tables", "attention": "attention", "mlp": "MLPs", "norm": "norms"}
        numbers = dict.fromkeys(kinds.values(), 0)

        def add(box: Mapping[str, Any], times: int) -> None:
            times *= box["repeat"]
            own = sum(tensor["parameters"] for tensor in box["tensors"])
            if own:
                numbers[kinds[box["kind"]]] += own * times
            for inside in box["boxes"]:
                add(inside, times)

        add(self.model["tree"], 1)
        total = sum(numbers.values()) or 1
        return {name: number / total for name, number in numbers.items()}

    def svg(self) -> str:
        return draw(self.model, self.shares())

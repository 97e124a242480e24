"""The logit-lens view shows what a model would predict after each layer, and which parts contributed to a logit."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float, Int

from llmlib.widgets.logit_lens.cells import Cells, cells_of
from llmlib.widgets.logit_lens.picture import draw, ordinal
from llmlib.widgets.shared.base import View
from llmlib.widgets.shared.token_text import joined_text, percent, visible_token


class LogitLensView(View):
    """A grid of layers × positions. To make a view from arrays, use `logit_lens_view`.

    Text A and, for comparison, text B each have a description (`tokens`, `layers`, `shown`, `most` (nats),
    `title`, and `words`, the texts of the ids in the cells) and the bytes of `Cells`. Row 0 is the embedding, and the
    last row is the model's answer. `place` says where the user is looking, such as `{"side": "a", "layer": 3,
    "position": 5}`, and how the view is drawn.

    The owner of a model handles the user's actions "text" (`which`, `text`), "pin" (a text `token` or an `id`; without
    either, unpin) and "who" (`side`, `position`) by setting the traits (see `llmlib.explore.explore_logit_lens`).
    """

    folder = Path(__file__).parent
    shown = ("a", "a_cells", "a_pinned", "b", "b_cells", "b_pinned", "pinned", "place", "who", "who_values")

    a = traitlets.Dict().tag(sync=True)
    a_cells = traitlets.Bytes(b"").tag(sync=True)
    a_pinned = traitlets.Bytes(b"").tag(sync=True)  # u4 ranks, f4 probabilities (layer, seq) of the pinned token
    b = traitlets.Dict().tag(sync=True)  # empty if there is no second text
    b_cells = traitlets.Bytes(b"").tag(sync=True)
    b_pinned = traitlets.Bytes(b"").tag(sync=True)
    pinned = traitlets.Dict().tag(sync=True)  # id, token; empty if no token is pinned
    who = traitlets.Dict().tag(sync=True)  # side, position, token, logit, embedding, norm_bias, layers, heads
    who_values = traitlets.Bytes(b"").tag(sync=True)  # f4: heads (layer, head), MLPs (layer), biases (layer)
    place = traitlets.Dict().tag(sync=True)

    text = traitlets.Unicode("").tag(sync=True)
    text_b = traitlets.Unicode("").tag(sync=True)

    def clear(self) -> None:
        """Clear the second text, the pinned token and the contributions to a logit, so other texts can be shown."""
        with self.hold_sync():
            self.b, self.b_cells, self.a_pinned, self.b_pinned = {}, b"", b"", b""
            self.pinned, self.who, self.who_values = {}, {}, b""

    def put(
        self, side: str, tokens: Sequence[str], cells: Cells, words: Mapping[int, str], vocab_size: int, title: str = ""
    ) -> None:
        """Show these tokens and cells on side "a" or "b"; `words` maps every id in the cells to its text."""
        n_layers, seq, k = cells.top.shape
        if seq != len(tokens):
            raise ValueError(
                f"There are {len(tokens)} tokens, but logits at {seq} positions; both must come from the same text."
            )
        meta = {
            "tokens": list(tokens),
            "layers": n_layers,
            "shown": k,
            "most": math.log(vocab_size),
            "words": {str(id): text for id, text in words.items()},
            "title": title or side.upper(),
        }
        with self.hold_sync():
            setattr(self, side, meta)
            setattr(self, f"{side}_cells", cells.pack())

    def put_pinned(
        self, side: str, ranks: Int[np.ndarray, "layer seq"], probabilities: Float[np.ndarray, "layer seq"]
    ) -> None:
        """For each cell, show the rank of the pinned token (how many tokens are likelier) and its probability."""
        setattr(self, f"{side}_pinned", ranks.astype("<u4").tobytes() + probabilities.astype("<f4").tobytes())

    def put_who(
        self,
        of: Mapping[str, Any],
        heads: Float[np.ndarray, "layer head"],
        mlps: Float[np.ndarray, " layer"],
        biases: Float[np.ndarray, " layer"],
    ) -> None:
        """Show how much each part contributes to a logit.

        `of` says which logit, and contains the other terms of the sum (see `who`).
        """
        with self.hold_sync():
            self.who = {**of, "layers": heads.shape[0], "heads": heads.shape[1]}
            self.who_values = b"".join(part.astype("<f4").tobytes() for part in (heads, mlps, biases))

    def cells(self, side: str = "a") -> Cells:
        """Return one side's cells, as precisely as the view stores them."""
        meta = getattr(self, side)
        return Cells.unpack(getattr(self, f"{side}_cells"), meta["layers"], len(meta["tokens"]), meta["shown"])

    def pinned_ranks(self) -> Int[np.ndarray, "layer seq"] | None:
        """Return how many tokens are likelier than the pinned one in each cell of A, or None if no token is pinned.

        A cell that has not been computed yet contains -1.
        """
        n_layers, seq = self.a["layers"], len(self.a["tokens"])
        if not self.pinned or len(self.a_pinned) != 8 * n_layers * seq:
            return None
        return np.frombuffer(self.a_pinned, "<u4", n_layers * seq).reshape(n_layers, seq).astype("<i4")

    def word(self, id: int, side: str = "a") -> str:
        return str(getattr(self, side)["words"][str(id)])

    @property
    def alt(self) -> str:
        tokens, cells = self.a["tokens"], self.cells()
        text = joined_text(tokens).replace("\n", "⏎")
        text = text if len(text) <= 60 else text[:59] + "…"
        answer, ranks = self.word(int(cells.top[-1, -1, 0])), cells.ranks[:, -1]
        first = len(ranks) - 1  # from this layer on, the answer stays the first choice
        while first and ranks[first - 1] == 0:
            first -= 1
        since = "from the embedding on" if first == 0 else f"from layer {first} on"
        pinned = self.pinned_ranks()
        best = "" if pinned is None else _best(self.pinned["token"], pinned[:, -1])
        compared = f", compared with {self.b['title']}" if self.b else ""
        return (
            f"Logit lens of {self.a['layers'] - 1} layers over {len(tokens):,} token{'s'[: len(tokens) != 1]}: “{text}”"
            f"{compared}. After this text, the model says “{visible_token(answer)}” "
            f"({percent(float(cells.probabilities[-1, -1, 0]))}), its first choice {since}.{best}"
        )

    def svg(self) -> str:
        return draw(self)


def _best(token: str, ranks: Int[np.ndarray, " layer"]) -> str:
    """Say at which rank a pinned token starts, and what its best rank is.

    Ranks that are not computed yet are ignored.
    """
    known = [(int(rank), layer) for layer, rank in enumerate(ranks) if rank >= 0]
    if not known:
        return ""
    (begin, _), (best, layer) = known[0], min(known)
    where = "the embedding" if layer == 0 else f"layer {layer}"
    return f" “{visible_token(token)}” begins as the {ordinal(begin + 1)} choice and is {ordinal(best + 1)} at {where}."


def logit_lens_view(
    tokens: Sequence[str],
    logits: Float[np.ndarray, "layer seq vocab"],
    vocabulary: Sequence[str],
    *,
    other: Float[np.ndarray, "other_layer other_seq vocab"] | None = None,
    other_tokens: Sequence[str] | None = None,
    titles: tuple[str, str] = ("A", "B"),
) -> LogitLensView:
    """Show an interactive logit lens of any model, from its logits after the embedding and after each layer.

    `vocabulary` contains the text of each id. `other` contains logits for comparison, from another text
    (`other_tokens`) or from another model on the same text. Raises `ValueError` if there are no tokens, or if sizes do
    not match.

    >>> logits = np.log([[[0.2, 0.8]], [[0.7, 0.3]]])
    >>> logit_lens_view(["The"], logits, [" cat", " dog"]).alt.split(". ")[1]
    'After this text, the model says “·cat” (70%), its first choice from layer 1 on.'
    """
    view = LogitLensView()
    sides = [("a", tokens, logits)]
    if other is not None:
        sides.append(("b", tokens if other_tokens is None else other_tokens, other))
    for (side, its_tokens, its_logits), title in zip(sides, titles):
        array = np.asarray(its_logits)
        if array.ndim != 3 or not all(array.shape) or not its_tokens:
            raise ValueError(
                "A logit lens needs tokens, and logits with the axes layer × position × vocabulary; "
                f"got logits of shape {array.shape}."
            )
        if array.shape[-1] != len(vocabulary):
            raise ValueError(f"The logits are for {array.shape[-1]} tokens, but the vocabulary has {len(vocabulary)}.")
        cells = cells_of(array)
        words = {int(id): vocabulary[id] for id in np.unique(cells.top)}
        view.put(side, its_tokens, cells, words, len(vocabulary), title)
    return view

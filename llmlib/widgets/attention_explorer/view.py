"""The attention explorer: all heads at a glance, then one head, then one token; two runs side by side."""

import base64
import html
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from llmlib.widgets.attention_explorer.codes import as_array, check, decode, encode
from llmlib.widgets.attention_explorer.picture import draw
from llmlib.widgets.shared.base import View
from llmlib.widgets.shared.token_text import percent, visible_token


class AttentionWarning(UserWarning):
    """Patterns that are shown, but are not what attention weights should be."""


class AttentionView(View):
    """A grid of all heads, each of which opens; see `attention_view`, which makes one from arrays.

    The text A and, to compare with it, B are each a description (`tokens`, `layers`, `heads`, `causal`, `scale`,
    `title`) and the bytes of `attention_codes`. `place` is where the reader is: `{"layer": 3, "head": 2, "token": 5}`,
    each part missing where nothing is chosen. With `live`, what the reader asks for arrives in `request`, and whoever
    owns a model answers by `put` and by setting the traits of the ablation board (see `llmlib.explore.explore`).
    """

    folder = Path(__file__).parent
    shown = (
        "a", "a_codes", "b", "b_codes", "place", "notes",
        "ablated", "how", "predictions", "continuation", "logprobs",
    )  # fmt: skip

    a = traitlets.Dict().tag(sync=True)
    a_codes = traitlets.Bytes(b"").tag(sync=True)
    b = traitlets.Dict().tag(sync=True)  # empty: nothing to compare with
    b_codes = traitlets.Bytes(b"").tag(sync=True)
    place = traitlets.Dict().tag(sync=True)
    notes = traitlets.List(traitlets.Unicode()).tag(sync=True)

    live = traitlets.Bool(False).tag(sync=True)
    request = traitlets.Dict().tag(sync=True)
    answered = traitlets.Int(0).tag(sync=True)  # number of the last request that has been dealt with
    notice = traitlets.Unicode("").tag(sync=True)  # why the last request could not be met
    text = traitlets.Unicode("").tag(sync=True)
    text_b = traitlets.Unicode("").tag(sync=True)
    ablated = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)  # [layer, head], switched off
    how = traitlets.Enum(["zero", "mean"], "zero").tag(sync=True)
    predictions = traitlets.List(traitlets.Dict()).tag(sync=True)  # token, before, after: next-token probabilities
    continuation = traitlets.Unicode("").tag(sync=True)
    logprobs = traitlets.List(traitlets.Float()).tag(sync=True)  # of the continuation: intact, ablated

    def put(self, side: str, tokens: Sequence[str], patterns: Any, title: str = "") -> list[str]:
        """Show these tokens and patterns as "a" or "b"; returns remarks on them. Raises `ValueError`, see `check`."""
        tokens, patterns = [str(token) for token in tokens], as_array(patterns)
        check(patterns, len(tokens))
        other = self.b if side == "a" else self.a
        if other and side == "b" and (other["layers"], other["heads"]) != patterns.shape[:2]:
            raise ValueError(
                f"A has {other['layers']} layers × {other['heads']} heads and B has "
                f"{patterns.shape[0]} × {patterns.shape[1]}; only equal ones can be compared head by head."
            )
        coded = encode(patterns)
        meta = {
            "tokens": tokens, "layers": patterns.shape[0], "heads": patterns.shape[1],
            "causal": coded.causal, "scale": coded.scale, "title": title or side.upper(),
        }  # fmt: skip
        with self.hold_sync():
            setattr(self, side, meta)
            setattr(self, f"{side}_codes", coded.codes)
        return coded.notes

    @property
    def alt(self) -> str:
        n, text = len(self.a["tokens"]), "".join(self.a["tokens"])
        shown = visible_text(text if len(text) <= 60 else text[:59] + "…")
        tokens = "1 token" if n == 1 else f"{n:,} tokens"
        if "layer" not in self.place or "head" not in self.place:
            compared = f", compared with {self.b['title']}" if self.b else ""
            sizes = f"{self.a['layers']} layers × {self.a['heads']} heads"
            return f"Attention of {sizes} over {tokens}: “{shown}”{compared}."
        layer, head = self.place["layer"], self.place["head"]
        which = f"the {head} of all heads" if isinstance(head, str) else f"head {head}"
        return f"Attention of layer {layer}, {which} over {tokens}: “{shown}”. {self._strongest(layer, head)}"

    def _strongest(self, layer: int, head: int | str) -> str:
        """The clearest thing to see in a head, in words: the strongest look at another token."""
        pattern = self.pattern(layer, head)
        elsewhere = np.nan_to_num(pattern - np.diag(np.diag(pattern)))
        query, key = (int(at) for at in np.unravel_index(elsewhere.argmax(), pattern.shape))
        if elsewhere[query, key] == 0:
            return "Each token looks at itself alone."
        of = [visible_token(self.a["tokens"][at]) for at in (query, key)]
        return f"Its strongest look: “{of[0]}” at “{of[1]}” ({percent(float(elsewhere[query, key]))})."

    def pattern(self, layer: int, head: int | str) -> Float[np.ndarray, "query key"]:
        """One head of A, as precisely as the view holds it; "mean" or "max" gives all heads of the layer together."""
        n, codes = len(self.a["tokens"]), np.frombuffer(self.a_codes, dtype=np.uint8)
        of_layer = codes.reshape(self.a["layers"], self.a["heads"], -1)[layer]
        if isinstance(head, str):
            weights = getattr(decode(of_layer, self.a["scale"]), head)(axis=0)
        else:
            weights = decode(of_layer[head], self.a["scale"])
        if not self.a["causal"]:
            return weights.reshape(n, n)
        square = np.zeros((n, n), dtype=np.float32)
        square[np.tril_indices(n)] = weights
        return square

    def svg(self) -> str:
        return draw(self, "svg").decode()

    def fallback_html(self) -> str:
        encoded = base64.b64encode(draw(self, "png")).decode()
        return f'<img alt="{html.escape(self.alt, quote=True)}" src="data:image/png;base64,{encoded}"/>'


def visible_text(text: str) -> str:
    """A text on one line."""
    return text.replace("\n", "⏎").replace("\t", "⇥")


def attention_view(
    tokens: Sequence[str],
    patterns: Any,
    *,
    other: Any = None,
    other_tokens: Sequence[str] | None = None,
    titles: tuple[str, str] = ("A", "B"),
    layer: int | None = None,
    head: int | None = None,
) -> AttentionView:
    """An interactive view of attention patterns, of any model.

    `patterns` is a numpy array with the axes `layer head query key` (fewer at the front will do), a torch tensor of
    that shape, or the tuple that `transformers` models give with `output_attentions=True`. `other` is a second set to
    compare with, of as many layers and heads (before and after an intervention, or another text with its own
    `other_tokens`); the difference shown is B - A. `layer` and `head` open the view at one head.

    Patterns that are not what attention weights should be (rows that do not sum to one, NaN) are shown, with an
    `AttentionWarning`. Raises `ValueError` for no tokens, for tokens and patterns that disagree, for negative or
    infinite weights, and for a head that does not exist.

    >>> pattern = np.array([[1.0, 0.0], [0.25, 0.75]])
    >>> attention_view(["The", " cat"], pattern)
    <AttentionView: Attention of 1 layers × 1 heads over 2 tokens: “The cat”.>
    """
    view = AttentionView()
    notes = view.put("a", tokens, patterns, titles[0])
    if other is not None:
        more = view.put("b", tokens if other_tokens is None else other_tokens, other, titles[1])
        notes = [*notes, *(f"{titles[1]}: {note}" for note in more)]
    for what, number, limit in (("layer", layer, view.a["layers"]), ("head", head, view.a["heads"])):
        if number is not None and not 0 <= number < limit:
            raise ValueError(f"There is no {what} {number}; these patterns have {what}s 0 … {limit - 1}.")
    if (layer is None) != (head is None):
        raise ValueError("Give both layer and head, or neither.")
    if layer is not None:
        view.place = {"layer": layer, "head": head}
    for note in notes:
        warnings.warn(note, AttentionWarning, stacklevel=2)
    view.notes = notes
    return view

"""The attention view shows all heads at a glance, one head, or one token, and can show two runs side by side."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from llmlib.style import picture_html
from llmlib.widgets.attention.codes import as_array, check, decode, encode
from llmlib.widgets.attention.picture import draw
from llmlib.widgets.shared.base import View
from llmlib.widgets.shared.token_text import joined_text, percent, visible_token

MOST_KEPT = 16_000_000  # how many bytes of opened heads a saved page may hold


class AttentionWarning(UserWarning):
    """Warns that the view shows patterns that are not valid attention weights."""


class AttentionView(View):
    """A grid of all heads, each of which the user can open. To make a view from arrays, use `attention_view`.

    Text A and, for comparison, text B each have a description (`tokens`, `layers`, `heads`, `causal`, `scale`, `title`)
    and codes (as bytes). `place` says where the user is, such as `{"layer": 3, "head": 2, "token": 5}`; entries that
    the user has not chosen are missing. With `"drawn": "layer"`, the view draws all heads of the chosen layer on top of
    each other.

    For a long text, the bytes are thumbnails (`put_thumbnails`): the description contains their `side`, and each
    layer's heads are followed by their mean and their maximum. `opened` then holds the whole head that the user has
    opened.

    The owner of a model handles the user's actions "text" (`which`, `text`), "switch" (`layer`, `head`, `off`), "all
    on", "how" (`how`), "continuation" (`text`) and "open" (`layer`, `head`) by setting the traits (see
    `llmlib.explore.explore_attention`).
    """

    folder = Path(__file__).parent
    shown = (
        "a",
        "a_codes",
        "a_scores",
        "b",
        "b_codes",
        "b_scores",
        "place",
        "notes",
        "ablated",
        "how",
        "predictions",
        "continuation",
        "logprobs",
        "kept",
        "kept_codes",
        "source",
    )

    a = traitlets.Dict().tag(sync=True)
    a_codes = traitlets.Bytes(b"").tag(sync=True)
    a_scores = traitlets.Bytes(b"").tag(sync=True)  # float32 (layer, map, score); only for thumbnails
    b = traitlets.Dict().tag(sync=True)  # empty if there is no second text
    b_codes = traitlets.Bytes(b"").tag(sync=True)
    b_scores = traitlets.Bytes(b"").tag(sync=True)
    opened = traitlets.Dict().tag(sync=True)  # layer, head, and for each side: causal, scale, size (in bytes)
    opened_codes = traitlets.Bytes(b"").tag(sync=True)
    place = traitlets.Dict().tag(sync=True)
    notes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    source = traitlets.Unicode("").tag(sync=True)  # the model's name, for the titles of pictures

    text = traitlets.Unicode("").tag(sync=True)
    text_b = traitlets.Unicode("").tag(sync=True)
    ablated = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)  # [layer, head] of each switched-off head
    how = traitlets.Enum(["zero", "mean"], "zero").tag(sync=True)
    predictions = traitlets.List(traitlets.Dict()).tag(sync=True)  # token; before, after: next-token probability
    continuation = traitlets.Unicode("").tag(sync=True)
    logprobs = traitlets.List(traitlets.Float()).tag(sync=True)  # of the continuation: with all heads, after ablation

    def __init__(self, **traits: Any):
        self._kept: dict[tuple[int, int | str], tuple[dict[str, Any], bytes]] = {}  # opened heads
        super().__init__(**traits)

    def clear(self) -> None:
        """Clear the second text, the thumbnails and the opened heads, so that other texts can be shown."""
        self._kept = {}
        with self.hold_sync():
            self.b, self.b_codes, self.a_scores, self.b_scores = {}, b"", b"", b""
            self.opened, self.opened_codes = {}, b""

    def put(self, side: str, tokens: Sequence[str], patterns: Any, title: str = "") -> list[str]:
        """Show tokens and patterns on side "a" or "b", and return notes on the patterns for the user.

        Raises `ValueError` as `check` does, or if A and B have different numbers of layers or heads.
        """
        tokens, patterns = [str(token) for token in tokens], as_array(patterns)
        check(patterns, len(tokens))
        self._check_sizes(side, patterns)
        coded = encode(patterns)
        meta = {
            "tokens": tokens,
            "layers": patterns.shape[0],
            "heads": patterns.shape[1],
            "causal": coded.causal,
            "scale": coded.scale,
            "title": title or side.upper(),
        }
        with self.hold_sync():
            setattr(self, side, meta)
            setattr(self, f"{side}_codes", coded.codes)
        return coded.notes

    def put_thumbnails(
        self,
        side: str,
        tokens: Sequence[str],
        thumbnails: Float[np.ndarray, "layer map row column"],
        scores: Float[np.ndarray, "layer map score"],
        title: str = "",
    ) -> list[str]:
        """For a long text, show thumbnails of all heads' patterns, and of each layer's mean and maximum.

        Returns notes for the user. Each cell shows the largest weight in a square of tokens. `scores` contains the
        scores of each map (a head, the mean or the maximum), in the order in which the view lists them. The caller must
        respond to the action "open" with `put_head`.
        """
        heads = thumbnails[:, :-2]
        self._check_sizes(side, heads)
        coded = encode(thumbnails)
        meta = {
            "tokens": list(tokens),
            "layers": heads.shape[0],
            "heads": heads.shape[1],
            "side": thumbnails.shape[-1],
            "causal": coded.causal,
            "scale": coded.scale,
            "title": title or side.upper(),
        }
        with self.hold_sync():
            setattr(self, side, meta)
            setattr(self, f"{side}_codes", coded.codes)
            setattr(self, f"{side}_scores", scores.astype("<f4").tobytes())
        cell = -(-len(tokens) // thumbnails.shape[-1])
        return [
            f"This text is long, so each cell in the grid shows the largest weight in a square of {cell} × {cell} "
            "tokens. Open a head to see every weight."
        ]

    def put_head(self, layer: int, head: int | str, patterns: Mapping[str, Float[np.ndarray, "query key"]]) -> None:
        """Show one whole head on each side that shows thumbnails; `patterns` contains the pattern for each side."""
        coded = {side: encode(pattern[None, None]) for side, pattern in patterns.items()}
        sides = {side: {"causal": c.causal, "scale": c.scale, "size": len(c.codes)} for side, c in coded.items()}
        opened = {"layer": layer, "head": head, "sides": sides}
        codes = b"".join(c.codes for c in coded.values())
        self._kept.pop((layer, head), None)
        self._kept[layer, head] = (opened, codes)
        while sum(len(one) for _, one in self._kept.values()) > MOST_KEPT and len(self._kept) > 1:
            del self._kept[next(iter(self._kept))]
        with self.hold_sync():
            self.opened, self.opened_codes = opened, codes

    @property
    def kept(self) -> list[dict[str, Any]]:
        """The heads that the user opened most recently in a long text, as many as a saved page can hold."""
        return [opened for opened, _ in self._kept.values()]

    @property
    def kept_codes(self) -> bytes:
        return b"".join(codes for _, codes in self._kept.values())

    def _check_sizes(self, side: str, patterns: Float[np.ndarray, "layer head query key"]) -> None:
        if self.a and side == "b" and (self.a["layers"], self.a["heads"]) != patterns.shape[:2]:
            raise ValueError(
                f"A has {self.a['layers']} layers × {self.a['heads']} heads, but B has "
                f"{patterns.shape[0]} × {patterns.shape[1]}. To compare heads, A and B must have the same number of "
                "layers and the same number of heads."
            )

    @property
    def title(self) -> str:
        return f"Attention over “{self._shown(40)}”"

    def _shown(self, most: int) -> str:
        """Return the text's first characters (at most `most`) on one line."""
        text = joined_text(self.a["tokens"])
        return visible_text(text if len(text) <= most else text[: most - 1] + "…")

    @property
    def alt(self) -> str:
        n, shown = len(self.a["tokens"]), self._shown(60)
        tokens = "1 token" if n == 1 else f"{n:,} tokens"
        if "layer" not in self.place or "head" not in self.place:
            compared = f", compared with {self.b['title']}" if self.b else ""
            sizes = f"{self.a['layers']} layers × {self.a['heads']} heads"
            return f"Attention of {sizes} over {tokens}: “{shown}”{compared}."
        layer, head = self.place["layer"], self.place["head"]
        which = f"the {head} of all heads" if isinstance(head, str) else f"head {head}"
        beside = f" Beside it: {self.b['title']}." if self.b else ""
        return f"Attention of layer {layer}, {which} over {tokens}: “{shown}”. {self._strongest(layer, head)}{beside}"

    def _strongest(self, layer: int, head: int | str) -> str:
        """Describe the largest weight that a head gives to a token other than the query's own."""
        pattern = self.pattern(layer, head)
        if len(pattern) < len(self.a["tokens"]):
            return "Only a thumbnail of this head is available."
        elsewhere = np.nan_to_num(pattern - np.diag(np.diag(pattern)))
        query, key = (int(at) for at in np.unravel_index(elsewhere.argmax(), pattern.shape))
        if elsewhere[query, key] == 0:
            return "Each token looks only at itself."
        of = [visible_token(self.a["tokens"][at]) for at in (query, key)]
        return f"Strongest: “{of[0]}” looks at “{of[1]}” ({percent(float(elsewhere[query, key]))})."

    def pattern(self, layer: int, head: int | str, side: str = "a") -> Float[np.ndarray, "query key"]:
        """Return one head's pattern for A or B, as precisely as the view stores it.

        The heads "mean" and "max" combine all heads in the layer.

        For a long text, a head that has not been opened has only a thumbnail, with fewer queries and keys than tokens.
        """
        text, codes = (self.a, self.a_codes) if side == "a" else (self.b, self.b_codes)
        whole, start = self._kept.get((layer, head), ({"sides": {}}, b"")), 0
        for name, meta in whole[0]["sides"].items():  # the bytes of the sides are stored one after the other
            if name == side:
                own = np.frombuffer(whole[1][start : start + meta["size"]], dtype=np.uint8)
                return _square(decode(own, meta["scale"]), len(text["tokens"]), meta["causal"])
            start += meta["size"]
        n, maps = len(text["tokens"]), text["heads"]
        if "side" in text:
            at = {"mean": maps, "max": maps + 1}[head] if isinstance(head, str) else head
            n, maps, head = text["side"], maps + 2, at
        of_layer = np.frombuffer(codes, dtype=np.uint8).reshape(text["layers"], maps, -1)[layer]
        if isinstance(head, str):
            weights = getattr(decode(of_layer, text["scale"]), head)(axis=0)
        else:
            weights = decode(of_layer[head], text["scale"])
        return _square(weights, n, text["causal"])

    def svg(self) -> str:
        return draw(self, "svg").decode()

    def fallback_html(self) -> str:
        return picture_html(draw(self, "png"), self.alt)


def _square(weights: Float[np.ndarray, " cell"], n: int, causal: bool) -> Float[np.ndarray, "query key"]:
    if not causal:
        return weights.reshape(n, n)
    square = np.zeros((n, n), dtype=np.float32)
    square[np.tril_indices(n)] = weights
    return square


def visible_text(text: str) -> str:
    """Write a text on one line, with symbols for newlines and tabs."""
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
    """Show the attention patterns of any model in an interactive view.

    `patterns` is a numpy array with the axes `layer head query key` (the first axes may be missing), a torch tensor of
    this shape, or the tuple that `transformers` models return with `output_attentions=True`. `other` is a second set of
    patterns for comparison, with the same numbers of layers and heads: for the same text after an intervention, for
    example, or for another text with the tokens `other_tokens`. If both texts have the same number of tokens, the view
    can also show the difference B - A. Pass `layer` and `head` to open the view at one head.

    Patterns that are not valid attention weights (rows that do not sum to one, NaN) are shown with an
    `AttentionWarning`. Raises `ValueError` if there are no tokens, if the number of tokens does not match the patterns,
    if weights are negative or infinite, or if a head does not exist.

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
            raise ValueError(f"There is no {what} {number}; these patterns have {what}s 0 to {limit - 1}.")
    if (layer is None) != (head is None):
        raise ValueError("Pass both layer and head, or neither.")
    if layer is not None:
        view.place = {"layer": layer, "head": head}
    for note in notes:
        warnings.warn(note, AttentionWarning, stacklevel=2)
    view.notes = notes
    return view

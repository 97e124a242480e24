"""Run the attention view on a live model, with a text to edit, a second text to compare, and heads to switch off."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor, maximum

from llmlib.explore.attention.forward_pass import Run, check_heads, check_size, run
from llmlib.explore.shared.checks import check_length
from llmlib.explore.shared.known_models import name_of
from llmlib.explore.shared.own_model import noticing_training, undoing
from llmlib.explore.shared.token_texts import token_texts
from llmlib.transformer import Transformer
from llmlib.widgets.attention.view import AttentionView

CANDIDATES = 8  # how many candidates for the next token the table shows


def explore_attention(
    model: Any,
    tokenizer: Any,
    text: str,
    *,
    other: str | None = None,
    other_model: Any = None,
    continuation: str = "",
    titles: tuple[str, str] | None = None,
) -> AttentionView:
    """Show a model's attention on `text` in an interactive view. When the text is edited, everything is recomputed.

    `other` is a second text to compare (it becomes B, and `text` is A), and `other_model` is a second model to run on
    the same text. The user can switch a head off on its thumbnail. B then shows the same text without the heads that
    are off; if there is another text or model, these heads are left out of both A and B. The board next to the
    thumbnails shows the model's predictions after `text`, with all heads and without the heads that are off, as well as
    the log-probability (natural logarithm) of a `continuation`.

    For a long text (with more than four million weights over all heads), the view receives only thumbnails at first,
    and a head's whole pattern when the user opens that head. The queries and keys of all layers stay in memory, which
    takes 94 MB for each run shown (for SmolLM2 and 1,024 tokens).

    `model` is a `Transformer`, or a model from `transformers` (loaded with `attn_implementation="eager"`; its heads
    cannot be switched off), with a tokenizer from the same library. Raises `ValueError` for a text that is empty,
    longer than the model's context, or too long for this machine's memory.

    >>> from llmlib.tokenization import CharTokenizer
    >>> from llmlib.transformer import TransformerConfig
    >>> tokenizer = CharTokenizer.train("hello world")
    >>> config = TransformerConfig(tokenizer.vocab_size, max_seq_len=16, d_model=16, n_layers=2, n_heads=4)
    >>> explore_attention(Transformer(config), tokenizer, "hello")
    <AttentionView: Attention of 2 layers × 4 heads over 5 tokens: “hello”.>
    """
    if other is not None and other_model is not None:
        raise ValueError("Compare with another text or with another model, not with both at once.")
    models = [model] if other_model is None else [model, other_model]
    source = " and ".join(dict.fromkeys(_name(one) for one in models))
    view = AttentionView(text=text, text_b=other or "", continuation=continuation, source=source)
    controller = _Controller(model, other_model, tokenizer, view, titles)
    controller.want()
    controller.show()
    view.on_act("text", controller.set_text, then=controller.show)
    view.on_act("switch", controller.switch, then=controller.show)
    view.on_act("all on", lambda: controller.want(ablated=[]), then=controller.show)
    view.on_act("how", lambda how: controller.want(how=how), then=controller.show)
    view.on_act("continuation", lambda text: controller.want(continuation=text), then=controller.show)
    view.on_act("open", controller.open)
    return view


def attention_patterns(model: Any, ids: Sequence[int]) -> Float[np.ndarray, "layer head query key"]:
    """Return a model's attention patterns on one text, ready for `attention_view`.

    >>> from llmlib.transformer import TransformerConfig
    >>> config = TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4)
    >>> attention_patterns(Transformer(config), [1, 2, 3]).shape
    (2, 4, 3, 3)
    """
    patterns = run(model, list(ids), len(ids), whole=True).patterns
    assert isinstance(patterns, np.ndarray)
    return patterns


def _name(model: Any) -> str:
    """Return a model's name for use in titles."""
    if isinstance(model, Transformer):
        return name_of(model.config) or f"Transformer, d_model {model.config.d_model}"
    return str(getattr(model.config, "name_or_path", "") or type(model).__name__)


class Wish(NamedTuple):
    """What the user wants to see, under the same names as the view's traits."""

    text: str
    text_b: str
    continuation: str
    ablated: list[list[int]]  # [layer, head] of each head that is off
    how: str


class _Controller:
    """Carries out the user's actions in an `AttentionView`."""

    def __init__(
        self, model: Any, other_model: Any, tokenizer: Any, view: AttentionView, titles: tuple[str, str] | None
    ):
        self.model, self.other_model, self.tokenizer = model, other_model, tokenizer
        self.view, self.titles = view, titles
        self.wish = self.shown = Wish(*(getattr(view, name) for name in Wish._fields))
        self.runs: dict[str, Run] = {}  # the runs that are shown: "a" and perhaps "b"

    def want(self, **changes: Any) -> None:
        """Change what the user wants to see. Raises `ValueError` if the change is not possible."""
        wish = self.wish._replace(**changes)
        check_heads(self.model, wish.ablated)
        more = self.encode(wish.continuation, start=False)
        lengths = [len(self.encode(text)) for text in (wish.text, *([wish.text_b] if wish.text_b else []))]
        for length in lengths:
            check_length(length, self.most())
            check_size(self.model, length)
        check_length(lengths[0] + len(more), self.most(), "The continuation counts, too: shorten it or the text.")
        self.wish = wish

    def most(self) -> int:
        c = self.model.config
        return c.max_seq_len if isinstance(self.model, Transformer) else getattr(c, "max_position_embeddings", 2**30)

    def set_text(self, which: str, text: str) -> None:
        self.want(**{"text" if which == "a" else "text_b": text})

    def switch(self, layer: int, head: int, off: bool) -> None:
        others = [other for other in self.wish.ablated if other != [layer, head]]
        self.want(ablated=[*others, [layer, head]] if off else others)

    def show(self) -> None:
        """Compute and show what the user wants to see. If an error occurs, go back to what was shown before."""
        with undoing(self._take_back), noticing_training(self.model, self.view.remark):
            self._show(self.wish)
        self.shown = self.wish

    def _take_back(self) -> None:
        self.wish = self.shown

    def _show(self, wish: Wish) -> None:
        off = check_heads(self.model, wish.ablated)
        ids, more = self.encode(wish.text), self.encode(wish.continuation, start=False)
        intact = self.run(self.model, ids, more)
        without = self.run(self.model, ids, more, off, wish.how) if off else intact

        a, titles = intact, ("text A", "text B")
        b: Run | None = None
        ids_b = ids
        if wish.text_b:
            ids_b = self.encode(wish.text_b)
            a, b = without, self.run(self.model, ids_b, [], off, wish.how)
        elif self.other_model is not None:
            a, b, titles = without, self.run(self.other_model, ids, [], off, wish.how), ("model A", "model B")
        elif off:
            b, titles = without, ("all heads", "without")
        titles = self.titles or titles

        view = self.view
        self.runs = {"a": a} if b is None else {"a": a, "b": b}
        with view.hold_sync():
            view.clear()
            notes = self.put("a", ids, a, titles[0])
            if b is not None:
                notes = list(dict.fromkeys(notes + self.put("b", ids_b, b, titles[1])))
            for name, value in wish._asdict().items():
                setattr(view, name, value)
            view.notes = notes
            view.predictions = self.predictions(intact.probabilities, without.probabilities)
            scores = [intact.logprob, without.logprob]
            view.logprobs = [score for score in scores if score is not None]
            if "layer" in view.place and "head" in view.place:  # if the user is looking at a head
                self.open(view.place["layer"], view.place["head"])

    def put(self, side: str, ids: list[int], run: Run, title: str) -> list[str]:
        tokens, patterns = token_texts(self.tokenizer, ids), run.patterns
        if isinstance(patterns, np.ndarray):
            return self.view.put(side, tokens, patterns, title)
        return self.view.put_thumbnails(side, tokens, patterns.thumbnails, patterns.scores, title)

    def run(self, model: Any, ids: list[int], more: list[int], off: Sequence[Any] = (), how: str = "zero") -> Run:
        of = f" of {model.config.n_layers}" if isinstance(model, Transformer) else ""
        say = lambda layer: self.view.progress(f"layer {layer + 1}{of}")  # noqa: E731
        return run(model, ids + more, len(ids), off, how, say, self.view.check)

    def open(self, layer: int, head: int | str) -> None:
        """Show the whole pattern of one head for a long text."""
        long = {side: run.patterns for side, run in self.runs.items() if not isinstance(run.patterns, np.ndarray)}
        if long:
            self.view.put_head(layer, head, {side: patterns.head(layer, head) for side, patterns in long.items()})

    def encode(self, text: str, start: bool = True) -> list[int]:
        """Encode a text; with `start`, the begin-of-text token comes first, if the tokenizer has one."""
        if isinstance(self.model, Transformer):
            return list(self.tokenizer.encode(text, add_bos=start and self.tokenizer.adds_bos)) if text or start else []
        return list(self.tokenizer.encode(text, add_special_tokens=start))

    def predictions(
        self, before: Float[Tensor, " vocab"], after: Float[Tensor, " vocab"]
    ) -> list[dict[str, str | float]]:
        """Return the likeliest tokens of both runs, ordered by their probability in the first run."""
        chosen = maximum(before, after).topk(min(CANDIDATES, len(before))).indices
        chosen = chosen[before[chosen].argsort(descending=True, stable=True)]
        return [
            {"token": token_texts(self.tokenizer, [id])[0], "before": before[id].item(), "after": after[id].item()}
            for id in chosen.tolist()
        ]

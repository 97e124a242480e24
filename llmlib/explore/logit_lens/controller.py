"""Run the logit-lens view on live models: edit a text, compare a second text or model, and break down one logit."""

from typing import Any, NamedTuple

import numpy as np
import torch

from llmlib.explore.logit_lens.reader import Glance, LensReader
from llmlib.explore.shared.checks import check_length, check_token
from llmlib.explore.shared.own_model import noticing_training, own_model, undoing
from llmlib.explore.shared.token_texts import token_texts
from llmlib.interpret.attribution import direct_logit_attribution
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets.logit_lens.view import LogitLensView


def explore_logit_lens(
    model: Transformer,
    tokenizer: Tokenizer,
    text: str,
    *,
    other: str | None = None,
    other_model: Transformer | None = None,
    pin: str | None = None,
    titles: tuple[str, str] | None = None,
) -> LogitLensView:
    """For an editable `text`, show what a model would say after each layer, and what makes up the answer's logit.

    `other` is a second text to compare (it becomes B, and `text` is A), and `other_model` is a second model with the
    same tokenizer to run on the same text. `pin` is a token whose rank is shown everywhere. If this machine is faster
    in bfloat16, we use bfloat16 to find the likeliest tokens after every layer but the last, and score the best
    candidates again in the model's precision. Ranks beyond the first few can then be off by a few percent.

    Raises `ValueError` for an empty text, a text that is longer than the model's context, or a `pin` that is not one
    token. Source: nostalgebraist (2020), "interpreting GPT: the logit lens"; see `llmlib.interpret.logit_lens`.

    >>> from llmlib.tokenization import CharTokenizer
    >>> from llmlib.transformer import TransformerConfig
    >>> tokenizer = CharTokenizer.train("hello world")
    >>> config = TransformerConfig(tokenizer.vocab_size, max_seq_len=16, d_model=16, n_layers=2, n_heads=4)
    >>> view = explore_logit_lens(Transformer(config), tokenizer, "hello")
    >>> view.a["tokens"], view.a["layers"]
    (['h', 'e', 'l', 'l', 'o'], 3)
    """
    if other is not None and other_model is not None:
        raise ValueError("Compare with another text or with another model, not with both at once.")
    if other_model is not None and other_model.config.vocab_size != model.config.vocab_size:
        raise ValueError(
            "Two models can only be compared if they share a vocabulary, but one has "
            f"{model.config.vocab_size:,} tokens and the other has {other_model.config.vocab_size:,}."
        )
    view = LogitLensView(text=text, text_b=other or "")
    controller = _Controller(model, other_model, tokenizer, view, titles)
    controller.want()
    if pin is not None:
        controller.pin(token=pin)
    controller.show()
    view.on_act("text", controller.set_text, then=controller.show)
    view.on_act("pin", controller.pin, then=controller.show)
    view.on_act("who", controller.who)
    return view


SHOWN_TRAITS = ("a", "a_cells", "a_pinned", "b", "b_cells", "b_pinned", "pinned", "who", "who_values", "text", "text_b")


class Wish(NamedTuple):
    """What the user wants to see."""

    text: str
    text_b: str
    pinned: int | None = None


class _Controller:
    """Carries out the user's actions in a `LogitLensView`."""

    def __init__(
        self,
        model: Transformer,
        other_model: Transformer | None,
        tokenizer: Tokenizer,
        view: LogitLensView,
        titles: tuple[str, str] | None,
    ):
        self.model, self.other_model, self.tokenizer = model, other_model, tokenizer
        self.view, self.titles = view, titles
        self.readers = {
            side: LensReader(one, view.check, view.progress)
            for side, one in (("a", model), ("b", other_model or model))
        }
        self.before: dict[str, Any] = {}  # what the view showed before this computation
        self.ids: dict[str, list[int]] = {}  # the token ids of the texts that are shown: "a", and perhaps "b"
        self.wish = self.shown = Wish(view.text, view.text_b)

    def want(self, **changes: Any) -> None:
        """Change what the user wants to see. Raises `ValueError` if the change is not possible."""
        wish = self.wish._replace(**changes)
        for side, ids in self.encoded(wish).items():
            check_length(len(ids), self.readers[side].model.config.max_seq_len)
        self.wish = wish

    def set_text(self, which: str, text: str) -> None:
        self.want(**{"text" if which == "a" else "text_b": text})

    def pin(self, token: str | None = None, id: int | None = None) -> None:
        """Pin a token, given as text or by its id; without text or id, unpin the token."""
        if token is not None:
            id = self.id_of(token)
        if id is not None:
            check_token(id, self.model.config.vocab_size)
        self.want(pinned=id)

    def id_of(self, token: str) -> int:
        """Find the id of a text that is one token, with or without a space before the text."""
        for text in (" " + token, token) if token[:1].isalnum() else (token,):
            if len(ids := self.tokenizer.encode(text)) == 1:
                return ids[0]
        pieces = " | ".join(token_texts(self.tokenizer, self.tokenizer.encode(token)))
        raise ValueError(
            f"Only single tokens can be pinned, but “{token}” is several tokens: {pieces}. Pin one of them."
        )

    def encoded(self, wish: Wish) -> dict[str, list[int]]:
        texts = {"a": wish.text}
        if self.other_model is not None or wish.text_b:
            texts["b"] = wish.text_b or wish.text
        return {side: self.tokenizer.encode(text, add_bos=self.tokenizer.adds_bos) for side, text in texts.items()}

    def show(self) -> None:
        """Compute and show what the user wants to see. If an error occurs, go back to what was shown before."""
        self.before = self.before or {name: getattr(self.view, name) for name in SHOWN_TRAITS}
        with undoing(self._take_back), noticing_training(self.model, self.view.remark):
            self._show(self.wish)
        self.shown, self.before = self.wish, {}

    def _take_back(self) -> None:
        self.wish = self.shown
        with self.view.hold_sync():
            for name, value in self.before.items():
                setattr(self.view, name, value)
        self.before = {}

    def _show(self, wish: Wish) -> None:
        view, ids = self.view, self.encoded(wish)
        names = self.titles or (("model A", "model B") if self.other_model is not None else ("text A", "text B"))
        titles = dict(zip("ab", names))

        def read(side: str) -> Glance:
            def progress(done: int, of: int, glance: Glance) -> None:
                view.progress(f"{done} of {of} layers read")
                with view.hold_sync():
                    view.who = {}  # the contributions shown belong to the earlier text
                    view.text, view.text_b = wish.text, wish.text_b
                    self.put(side, ids[side], glance, titles[side])

            return self.readers[side].read(ids[side], wish.pinned, progress)

        glances = {side: read(side) for side in ids}
        with view.hold_sync():
            view.clear()
            view.text, view.text_b = wish.text, wish.text_b
            if wish.pinned is not None:
                view.pinned = {"id": wish.pinned, "token": token_texts(self.tokenizer, [wish.pinned])[0]}
            for side, glance in glances.items():
                self.put(side, ids[side], glance, titles[side])
        self.ids = ids

    def put(self, side: str, ids: list[int], glance: Glance, title: str) -> None:
        named = np.unique(glance.cells.top).tolist()
        words = dict(zip(named, token_texts(self.tokenizer, named)))
        vocab_size = self.model.config.vocab_size
        self.view.put(side, token_texts(self.tokenizer, ids), glance.cells, words, vocab_size, title)
        if glance.pinned is not None:
            self.view.put_pinned(side, *glance.pinned)

    def who(self, side: str, position: int) -> None:
        """Show what contributed to the logit of the pinned token (or else of the model's answer) at this position."""
        if side not in self.ids or not 0 <= position < len(self.ids[side]):
            raise ValueError("This cell no longer exists, because the text has changed.")
        model, cells = self.readers[side].model, self.view.cells(side)
        id = int(cells.top[-1, position, 0]) if self.shown.pinned is None else self.shown.pinned
        ids = torch.tensor([self.ids[side][: position + 1]], device=model.device)  # later tokens do not matter
        credit = direct_logit_attribution(own_model(model, self.view.check), ids, id)
        of = {
            "side": side,
            "position": position,
            "id": id,
            "token": token_texts(self.tokenizer, [id])[0],
            "logit": credit.logit.item(),
            "embedding": credit.embedding.item(),
            "norm_bias": credit.norm_bias.item(),
        }
        parts = (part[0].float().cpu().numpy() for part in (credit.heads, credit.mlps, credit.biases))
        self.view.put_who(of, *parts)

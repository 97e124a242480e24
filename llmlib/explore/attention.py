"""Live attention: the explorer on a model, with a text to edit, a second one to compare, and heads to switch off."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.interpret.intervening import ablate
from llmlib.interpret.points import Head
from llmlib.interpret.tracing import trace
from llmlib.transformer import Transformer
from llmlib.widgets.attention_explorer.view import AttentionView

CANDIDATES = 8  # rows of the table of next tokens


def explore(
    model: Any,
    tokenizer: Any,
    text: str,
    *,
    other: str | None = None,
    other_model: Any = None,
    continuation: str = "",
    titles: tuple[str, str] | None = None,
) -> AttentionView:
    """An interactive view of a model's attention on `text`, which can be edited: everything is computed anew.

    `other` is a second text to compare with (B, where `text` is A), `other_model` a second model on the same text.
    On the ablation board heads can be switched off. Then B is the same text without them or, where there is another
    text or model, both are shown without them. The board tells what the model expects next after `text`, with all
    heads and without those, and the log-probability (natural logarithm) of a `continuation`.

    `model` is a `Transformer`, or a model of `transformers` (loaded with `attn_implementation="eager"`; its heads
    cannot be switched off), with a tokenizer of the same library. Raises `ValueError` for an empty text and for one
    that is longer than the model's context.

    >>> from llmlib.tokenization import CharTokenizer
    >>> from llmlib.transformer import TransformerConfig
    >>> tokenizer = CharTokenizer.train("hello world")
    >>> config = TransformerConfig(tokenizer.vocab_size, max_seq_len=16, d_model=16, n_layers=2, n_heads=4)
    >>> explore(Transformer(config), tokenizer, "hello")
    <AttentionView: Attention of 2 layers × 4 heads over 5 tokens: “hello”.>
    """
    if other is not None and other_model is not None:
        raise ValueError("Compare with another text or with another model, not with both at once.")
    view = AttentionView(live=True, text=text, text_b=other or "", continuation=continuation)
    conductor = _Conductor(model, other_model, tokenizer, view, titles)
    conductor.show()
    view.observe(conductor.answer, names="request")
    return view


def attention_patterns(model: Any, ids: Sequence[int]) -> Float[np.ndarray, "layer head query key"]:
    """The attention patterns of a model on one text, ready for `attention_view`.

    >>> from llmlib.transformer import TransformerConfig
    >>> config = TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4)
    >>> attention_patterns(Transformer(config), [1, 2, 3]).shape
    (2, 4, 3, 3)
    """
    return _run(model, list(ids), len(ids)).patterns


class Run(NamedTuple):
    """What one forward pass over a text and its continuation tells."""

    patterns: Float[np.ndarray, "layer head query key"]  # of the text
    probabilities: Float[Tensor, " vocab"]  # of the token after the text
    logprob: float | None  # of the continuation


def _run(model: Any, ids: list[int], n_text: int, off: Sequence[Head] = (), how: str = "zero") -> Run:
    """One pass over `ids`, of which the first `n_text` are the text and the others a continuation to score."""
    if not n_text:
        raise ValueError("A model needs at least one token; write some text.")
    attentions, logits = (_run_ours if isinstance(model, Transformer) else _run_theirs)(model, ids, n_text, off, how)
    patterns = np.stack([layer[0, :, :n_text, :n_text].float().cpu().numpy() for layer in attentions])
    n_more = len(ids) - n_text
    logprobs = (
        logits[0, -n_more - 1 :].float().log_softmax(-1).cpu()
    )  # after the text and after each token that follows
    following = logprobs[torch.arange(n_more), torch.tensor(ids[n_text:], dtype=torch.long)].sum().item()
    return Run(patterns, logprobs[0].exp(), following if n_more else None)


def _run_ours(
    model: Transformer, ids: list[int], n_text: int, off: Sequence[Head], how: str
) -> tuple[Sequence[Tensor], Tensor]:
    batch = torch.tensor([ids], dtype=torch.long, device=model.device)
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        if off:
            reference = batch[:, :n_text] if how == "mean" else None
            stack.enter_context(ablate(model, off, "mean" if how == "mean" else "zero", reference))
        seen = stack.enter_context(trace(model, names=("pattern",)))
        logits = model(batch, last_only=len(ids) == n_text)
    return seen.pattern, logits


def _run_theirs(
    model: Any, ids: list[int], n_text: int, off: Sequence[Head], how: str
) -> tuple[Sequence[Tensor], Tensor]:
    """A causal language model of the `transformers` library."""
    if off:
        raise ValueError("Heads can be switched off in a llmlib Transformer only: llmlib.load_pretrained gives one.")
    with torch.inference_mode():
        batch = torch.tensor([ids], dtype=torch.long, device=model.device)
        output = model(batch, output_attentions=True)
    if not output.attentions or output.attentions[0] is None:
        raise ValueError(
            "This model gives no attentions. Load it with from_pretrained(…, attn_implementation='eager')."
        )
    return output.attentions, output.logits


class _Conductor:
    """Answers what the reader asks of an `AttentionView`."""

    def __init__(
        self, model: Any, other_model: Any, tokenizer: Any, view: AttentionView, titles: tuple[str, str] | None
    ):
        self.model, self.other_model, self.tokenizer, self.view, self.titles = (
            model,
            other_model,
            tokenizer,
            view,
            titles,
        )

    def show(self, **changes: Any) -> None:
        """Compute all anew, with these traits of the view changed; if that fails, nothing has changed."""
        now = {
            name: getattr(self.view, name) for name in ("text", "text_b", "continuation", "ablated", "how")
        } | changes
        off, how = [(layer, head) for layer, head in now["ablated"]], now["how"]
        ids, more = self.encode(now["text"]), self.encode(now["continuation"], start=False)
        intact = _run(self.model, ids + more, len(ids))
        without = _run(self.model, ids + more, len(ids), off, how) if off else intact

        a, titles = intact, ("text A", "text B")
        b: Run | None = None
        ids_b = ids
        if now["text_b"]:
            ids_b = self.encode(now["text_b"])
            a, b = without, _run(self.model, ids_b, len(ids_b), off, how)
        elif self.other_model is not None:
            a, b, titles = without, _run(self.other_model, ids, len(ids), off, how), ("model A", "model B")
        elif off:
            b, titles = without, ("all heads", "without")
        titles = self.titles or titles

        view = self.view
        with view.hold_sync():
            notes = view.put("a", self.texts(ids), a.patterns, titles[0])
            if b is None:
                view.b, view.b_codes = {}, b""
            else:
                notes = notes + view.put("b", self.texts(ids_b), b.patterns, titles[1])
            for name, value in now.items():
                setattr(view, name, value)
            view.notes, view.notice = notes, ""
            view.predictions = self.predictions(intact.probabilities, without.probabilities)
            scores = [intact.logprob, without.logprob]
            view.logprobs = [score for score in scores if score is not None]

    def answer(self, change: Any) -> None:
        request = change["new"]
        kind = request.get("kind")
        try:
            if kind == "text":
                self.show(**{"text" if request["which"] == "a" else "text_b": request["text"]})
            elif kind == "ablate":
                self.show(ablated=[list(head) for head in request["heads"]], how=request["how"])
            elif kind == "continuation":
                self.show(continuation=request["text"])
        except (ValueError, RuntimeError, MemoryError) as error:  # it would vanish here; the reader should see it
            self.view.notice = str(error)
        finally:
            self.view.answered = request.get("number", 0)

    def encode(self, text: str, start: bool = True) -> list[int]:
        """Ids of a text; at its start with the token that begins texts, if the model knows one."""
        if isinstance(self.model, Transformer):
            return list(self.tokenizer.encode(text, add_bos=start and self.tokenizer.adds_bos)) if text or start else []
        return list(self.tokenizer.encode(text, add_special_tokens=start))

    def texts(self, ids: Sequence[int]) -> list[str]:
        return [self.tokenizer.decode([id]) for id in ids]

    def predictions(
        self, before: Float[Tensor, " vocab"], after: Float[Tensor, " vocab"]
    ) -> list[dict[str, str | float]]:
        """The tokens that matter most in either run, the likeliest of the first run on top."""
        chosen = torch.maximum(before, after).topk(min(CANDIDATES, len(before))).indices
        chosen = chosen[before[chosen].argsort(descending=True, stable=True)]
        return [
            {"token": self.tokenizer.decode([id]), "before": before[id].item(), "after": after[id].item()}
            for id in chosen.tolist()
        ]

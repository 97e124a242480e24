"""The tuning view shows how much likelier a conversation's tokens are for the tuned model than for the base model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from llmlib.widgets.shared.base import View
from llmlib.widgets.shared.token_text import visible_token
from llmlib.widgets.tuning.moves import Expected, Mean, look, mean_surprise, nothing
from llmlib.widgets.tuning.picture import draw, signed

Span = tuple[str, int, int]  # the role, the first token, and the token after the last


class TuningView(View):
    """Tokens coloured by how much their log-probabilities changed. To make a view from arrays, use `tuning_view`.

    `tokens` contains the texts of the conversation's tokens, `spans` contains its messages (a `role`, and the token
    positions `from` and `to`), `values` contains the bytes of the predictions (`Expected`) of the base model and then
    of the tuned model, and `words` contains the texts of all ids in these predictions.
    """

    folder = Path(__file__).parent
    title = "Two models, token by token"
    shown = ("tokens", "spans", "mask", "values", "shown_tokens", "words", "titles")

    tokens: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)
    spans: Any = traitlets.List(traitlets.Dict()).tag(sync=True)
    mask = traitlets.Bytes(b"").tag(sync=True)  # a byte per token: 1 if it was trained on, else 0; empty if unknown
    values = traitlets.Bytes(b"").tag(sync=True)
    shown_tokens = traitlets.Int(0).tag(sync=True)  # how many of the likeliest tokens are kept at each position
    words = traitlets.Dict().tag(sync=True)
    titles: Any = traitlets.List(traitlets.Unicode(), ["base", "tuned"]).tag(sync=True)

    def put(
        self,
        tokens: Sequence[str],
        expected: tuple[Expected, Expected],
        words: dict[int, str],
        spans: Sequence[Span],
        mask: Sequence[bool] | None,
    ) -> None:
        """Show the predictions of the base model and the tuned model; `words` holds the texts of the predicted ids."""
        if mask is not None and len(mask) != len(tokens):
            raise ValueError(
                f"The mask has {len(mask)} flags, but the conversation has {len(tokens)} tokens: pass one flag "
                "per token, True for each token that the model was trained on."
            )
        with self.hold_sync():
            self.tokens, self.shown_tokens = list(tokens), expected[0].top.shape[1]
            self.values = b"".join(one.pack() for one in expected)
            self.words = {str(id): text for id, text in words.items()}
            self.spans = [{"role": role, "from": start, "to": end} for role, start, end in spans]
            self.mask = b"" if mask is None else bytes(map(int, mask))

    def log_probs(self) -> Float[np.ndarray, "model seq"]:
        """Return the tokens' log-probabilities for the base and the tuned model, with NaN for the first token."""
        n, k = len(self.tokens), self.shown_tokens
        size = 4 * n * (1 + 2 * k)
        return np.stack([np.frombuffer(self.values, "<f4", n, size * model) for model in (0, 1)]).astype(np.float64)

    def moves(self) -> Float[np.ndarray, " seq"]:
        """Return how much likelier each token has become, in nats (tuned − base)."""
        base, tuned = self.log_probs()
        return tuned - base

    def means(self) -> list[tuple[str, Mean]]:
        """Return the mean surprise of each message, and of the tokens that were trained on."""
        base, tuned = self.log_probs()
        found = [(span["role"], mean_surprise(base, tuned, range(span["from"], span["to"]))) for span in self.spans]
        if self.mask:
            trained = [k for k, flag in enumerate(self.mask) if flag]
            found.append(("trained on", mean_surprise(base, tuned, trained)))
        return found

    @property
    def alt(self) -> str:
        base, tuned = self.titles
        moves = self.moves()
        if not len(moves) or np.isnan(moves).all():
            return f"What changed from {base} to {tuned}: there are no tokens to compare."
        changes = [f"{role} {mean.base:.2f} → {mean.tuned:.2f}" for role, mean in self.means() if mean.tokens]
        most = int(np.nanargmax(np.abs(moves)))
        return (
            f"What changed from {base} to {tuned} over {len(moves):,} tokens, "
            f"mean surprise in nats: {', '.join(changes)}. "
            f"“{visible_token(self.tokens[most])}” has moved most: {signed(moves[most])} nats."
        )

    def svg(self) -> str:
        return draw(self)


def tuning_view(
    ids: Sequence[int],
    base: Float[np.ndarray, "base_seq base_vocab"],
    tuned: Float[np.ndarray, "tuned_seq tuned_vocab"],
    vocabulary: Sequence[str],
    *,
    spans: Sequence[Span] = (),
    mask: Sequence[bool] | None = None,
    titles: tuple[str, str] = ("base", "tuned"),
) -> TuningView:
    """Show how two models differ on the same text. `base` and `tuned` are each model's logits after every token.

    `spans` lists the messages as `(role, first token, token after the last)`; without `spans`, the whole text is one
    message. `mask` says which tokens were trained on. Raises `ValueError` if there are no tokens, or if sizes do not
    match.

    >>> before, after = np.log([[0.5, 0.5], [0.5, 0.5]]), np.log([[0.2, 0.8], [0.5, 0.5]])
    >>> tuning_view([0, 1], before, after, ["a", "b"]).moves().round(2).tolist()
    [nan, 0.47]
    """
    names = dict(zip(titles, (np.asarray(base, dtype=np.float64), np.asarray(tuned, dtype=np.float64))))
    for name, logits in names.items():
        if logits.shape != (len(ids), len(vocabulary)) or not ids:
            raise ValueError(
                f"The logits of {name} have the shape {logits.shape}, but there are {len(ids)} tokens and a vocabulary "
                f"of {len(vocabulary)}: both models must have read the same tokens."
            )
    known = nothing(len(ids), len(vocabulary)), nothing(len(ids), len(vocabulary))
    for expected, logits in zip(known, names.values()):
        look(expected, 1, logits[:-1], np.asarray(ids[1:], dtype=np.int64))
    view = TuningView(titles=list(titles))
    seen = np.unique(np.concatenate([expected.top for expected in known]))
    texts = {int(id): vocabulary[id] for id in seen}
    view.put([vocabulary[id] for id in ids], known, texts, spans or [("text", 0, len(ids))], mask)
    return view

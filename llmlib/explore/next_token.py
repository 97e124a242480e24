"""What a live model expects next."""

from collections.abc import Sequence
from typing import Any

import torch

from llmlib.sampling import Sampler
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets.next_token.view import NextTokenView


def explore_next_token(
    model: Transformer, tokenizer: Tokenizer, prompt: str, n_candidates: int = 10, seed: int = 0
) -> NextTokenView:
    """A view of what the model expects after `prompt`: pick a token or let chance pick, and watch the text grow.

    Chance starts from `seed`. Raises `ValueError` if the prompt is empty or longer than the model's context.
    """
    view = NextTokenView()
    conductor = _NextToken(model, tokenizer, view, n_candidates, seed)
    conductor.begin(prompt)
    view.observe(conductor.answer, names="request")
    return view


class _NextToken:
    """Answers what the reader asks of a `NextTokenView`."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, view: NextTokenView, n_candidates: int, seed: int):
        self.model, self.tokenizer, self.view = model, tokenizer, view
        self.n_candidates = min(n_candidates, model.config.vocab_size)
        self.generator = torch.Generator().manual_seed(seed)
        self.ids: list[int] = []
        self.picked = 0

    def begin(self, prompt: str) -> None:
        ids = self.tokenizer.encode(prompt, add_bos=self.tokenizer.adds_bos)
        most = self.model.config.max_seq_len
        if not ids:
            raise ValueError("There is no text to continue. Type at least one word.")
        if len(ids) > most:
            raise ValueError(
                f"This text has {len(ids):,} tokens, but the model can take {most:,} at most (its context). "
                "Shorten the text."
            )
        self.think(ids, picked=0)

    def think(self, ids: list[int], picked: int) -> None:
        """One forward pass over `ids`, the last `picked` of them picked here; if it fails, the text so far stays."""
        with torch.inference_mode():
            batch = torch.tensor([ids], dtype=torch.long, device=self.model.device)
            self.logits = self.model(batch, last_only=True)[:, -1].float().cpu()
        self.ids, self.picked = ids, picked
        self.show()

    def show(self) -> None:
        sampler = Sampler(self.view.temperature)
        probabilities = sampler.probabilities(self.logits)[0]
        order = self.logits[0].topk(self.n_candidates).indices  # the same order at every temperature
        self.candidates = order.tolist()
        kept = probabilities[order]
        others = self.model.config.vocab_size - self.n_candidates
        with self.view.hold_sync():
            self.view.tokens = self.texts(self.ids)
            self.view.picked = self.picked
            self.view.candidates = self.texts(self.candidates)
            self.view.probabilities = kept.tolist()
            self.view.rest = f"{others:,} other tokens share the remaining {max(0.0, 1 - kept.sum().item()):.0%}."

    def texts(self, ids: Sequence[int]) -> list[str]:
        return [self.tokenizer.decode([id]) for id in ids]

    def append(self, id: int) -> None:
        most = self.model.config.max_seq_len
        if len(self.ids) >= most:
            raise ValueError(
                f"The text fills the model's context of {most:,} tokens; nothing can be added. "
                "Take tokens back with Undo, or use a shorter text."
            )
        self.think([*self.ids, id], self.picked + 1)

    def draw(self, times: int) -> None:
        for _ in range(times):
            if self.picked and self.ids[-1] in self.model.config.end_ids:
                return  # the text has ended
            self.append(int(Sampler(self.view.temperature)(self.logits, self.generator)))

    def answer(self, change: Any) -> None:
        request = change["new"]
        kind = request.get("kind")
        self.view.notice = ""  # now, so that the same notice, if it comes again, is read aloud again
        try:
            if kind == "prompt":
                self.begin(request["text"])
            elif kind == "pick":
                self.append(self.candidates[request["index"]])
            elif kind in ("draw", "draw10"):
                self.draw(10 if kind == "draw10" else 1)
            elif kind == "undo" and self.picked:
                self.think(self.ids[:-1], self.picked - 1)
            elif kind == "temperature":
                self.view.temperature = float(request["value"])
                self.show()
        except (ValueError, RuntimeError, MemoryError) as error:  # it would vanish here; the reader should see it
            self.view.notice = str(error)

"""Reads a text that changes at its end: only what has changed goes through the model again."""

import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.transformer import Cache, Transformer

ROOM = 256  # tokens that fit in a cache after the text with which it began


class Reader:
    """What a model expects after a text, where each text has most in common with the one before."""

    def __init__(self, model: Transformer):
        self.model = model
        self.cache: Cache | None = None
        self.held: tuple[int, ...] = ()  # ids whose keys and values the cache holds
        self.last: tuple[tuple[int, ...], Tensor] | None = None  # a text, and the logits after it

    def logits(self, ids: tuple[int, ...]) -> Float[Tensor, "1 vocab"]:
        if self.last and self.last[0] == ids:
            return self.last[1]
        if self.cache is None or self.cache.max_seq_len < len(ids):
            self.cache, self.held = self.model.new_cache(max_seq_len=len(ids) + ROOM), ()
        same = next((at for at, (new, old) in enumerate(zip(ids, self.held)) if new != old), len(self.held))
        known = min(same, len(ids) - 1)  # the last token is read in any case: its logits are wanted
        self.cache.length, self.held = known, ids[:known]
        with torch.inference_mode():
            batch = torch.tensor([ids[known:]], dtype=torch.long, device=self.model.device)
            logits = self.model(batch, cache=self.cache, last_only=True)[:, -1].float().cpu()
        self.held, self.last = ids, (ids, logits)
        return logits

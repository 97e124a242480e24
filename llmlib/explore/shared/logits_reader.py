"""Read a text whose end changes; only the changed part is run through the model again."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.explore.shared.own_model import own_model, versions
from llmlib.sampling.prefix_cache import PrefixCache
from llmlib.transformer import Transformer

ROOM = 256  # how many more tokens fit in a cache after its first text
MOST_BYTES = 64 * 2**20  # limit on the size of the logits that we keep


class LogitsReader:
    """Computes the logits after a text. This is quick if the text begins like the previous text.

    In 16-bit precision, the last digits differ slightly between a text read token by token and the same text read in
    one go. So logits are cached, and a text shows the same numbers whenever the user returns to it. The numbers may
    still differ if the text has since been dropped from the cache (the oldest texts are dropped first), or if it is
    read in another view or batch. `check` is called before each module of the model, and can end the run by raising an
    error.
    """

    def __init__(self, model: Transformer, check: Callable[[], object] | None = None):
        self.model, self.check = model, check
        self._forget()

    def _forget(self) -> None:
        self.own, self.weights = own_model(self.model, self.check), versions(self.model)
        self.prefix = PrefixCache(self.own, ROOM)
        self.known: dict[tuple[int, ...], Tensor] = {}  # the logits after each text, the latest text last

    def logits(self, ids: tuple[int, ...]) -> Float[Tensor, "1 vocab"]:
        """Compute the logits after this text. Once the model has been trained further, everything is computed again."""
        if versions(self.model) != self.weights:
            self._forget()
        logits = self.known.pop(ids) if ids in self.known else self._read(ids)
        self.known[ids] = logits
        while len(self.known) > 1 and len(self.known) * logits.nbytes > MOST_BYTES:
            del self.known[next(iter(self.known))]
        return logits

    def _read(self, ids: tuple[int, ...]) -> Float[Tensor, "1 vocab"]:
        known = self.prefix.keep(ids, len(ids) - 1)  # always read the last token, because we want its logits
        with torch.inference_mode():
            batch = torch.tensor([ids[known:]], dtype=torch.long, device=self.model.device)
            logits = self.own(batch, cache=self.prefix.cache, last_only=True)[:, -1].float().cpu()
        self.prefix.ids = ids
        return logits

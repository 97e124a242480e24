"""Read a text for the logit lens; when the text changes, only the changed part is read again."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from llmlib.devices import choose
from llmlib.explore.shared.own_model import own_model, versions
from llmlib.hooks import hooked
from llmlib.interpret.points import point_at
from llmlib.interpret.tracing import trace
from llmlib.linear import linear
from llmlib.sampling.prefix_cache import PrefixCache, common_length
from llmlib.transformer import Transformer
from llmlib.widgets.logit_lens.cells import PENDING, SHOWN, Cells

ROOM = 128  # how many tokens a cache has room for after its first text
ROWS = 128  # number of positions whose logits are computed together; they take up 25 MB with SmolLM2's vocabulary
CACHED = 8  # number of rows whose logits fit in a core's cache
WEIGHED = 4  # extra candidates, so that rounding in the search does not lose a token that should be shown
BLOCK = 128  # number of neighbouring ids in a block, in the search for the largest logits

SOON = 0.25  # seconds between two updates of the view


class Glance(NamedTuple):
    """What the view shows for a text, with a pinned token's ranks and probabilities.

    A rank of `PENDING` means that the rank is not known yet.
    """

    cells: Cells
    pinned: tuple[Int[np.ndarray, "layer seq"], Float[np.ndarray, "layer seq"]] | None


Progress = Callable[[int, int, Glance], None]  # called with: layers done, number of layers, what is known so far


class _Row(NamedTuple):
    """Holds what is known about some positions after one layer."""

    top: Int[Tensor, "row k"]
    probabilities: Float[Tensor, "row k"]
    entropy: Float[Tensor, " row"]
    ranks: Int[Tensor, "row target"]
    target_probabilities: Float[Tensor, "row target"]

    def pending(self) -> "_Row":
        """Return the same number of positions, with nothing known about them yet."""
        return _Row(*(torch.full_like(part, PENDING if part is self.ranks else 0) for part in self))

    def after(self, earlier: "_Row") -> "_Row":
        """Append these positions to the `earlier` positions."""
        return _Row(*(torch.cat(parts) for parts in zip(earlier, self)))

    def until(self, end: int) -> "_Row":
        return _Row(*(part[:end] for part in self))


class LensReader:
    """Reads texts with one model. When a text changes, the model rereads it only from the first change onwards.

    `check` is called before each module of the model and every few rows, and can end the run by raising an error. `say`
    is called for each layer while the model is running on a long text.
    """

    def __init__(
        self, model: Transformer, check: Callable[[], object] | None = None, say: Callable[[str], object] = str
    ):
        self.model, self.check, self.say = model, check, say
        self._forget()

    def _forget(self) -> None:
        self.own, self.weights, self.table = own_model(self.model, self.check), versions(self.model), _Table(self.model)
        self.prefix = PrefixCache(self.own, ROOM)
        self.ids: list[int] = []
        self.pinned: int | None = None
        self.residual: list[Float[Tensor, "seq d_model"]] = []  # vectors after the embedding and after each layer
        self.rows: list[_Row] = []

    def read(self, ids: Sequence[int], pinned: int | None = None, progress: Progress = lambda *_: None) -> Glance:
        """Read a text, and return a `Glance` of what is known about it.

        If this call is interrupted, the next call reads the changed part of the text again; if the model has been
        trained in between, the next call starts over.
        """
        if versions(self.model) != self.weights:
            self._forget()
        same = common_length(ids, self.ids)
        with torch.inference_mode():
            self.ids = list(ids[:same])  # after an error, only these tokens count as known
            residual = self._residual(ids, same)
            known = same if pinned == self.pinned else 0
            rows = self._rows(residual, known, pinned, progress)
        self.ids, self.pinned, self.residual, self.rows = list(ids), pinned, residual, rows
        return _glance(rows, pinned is not None)

    def _residual(self, ids: Sequence[int], same: int) -> list[Float[Tensor, "seq d_model"]]:
        """Compute the vectors after each layer.

        The vectors before the first change in the text are reused, since later tokens do not affect them.
        """
        if same == len(ids):
            return [known[:same] for known in self.residual]
        same = self.prefix.keep(ids, same)
        batch = torch.tensor([list(ids[same:])], dtype=torch.long, device=self.model.device)
        with trace(self.own, names=("residual",)) as t, self._saying_layers(long=batch.shape[1] > ROWS):
            self.own(batch, cache=self.prefix.cache, last_only=True)
        self.prefix.ids = tuple(ids)
        fresh = [residual[0] for residual in t.residual]
        return [torch.cat([old[:same], new]) for old, new in zip(self.residual, fresh)] if same else fresh

    def _saying_layers(self, long: bool) -> AbstractContextManager[None]:
        n_layers = self.model.config.n_layers

        def saying(layer: int, _value: Tensor) -> None:
            self.say(f"the model’s layer {layer + 1} of {n_layers}")

        layers = range(n_layers if long else 0)
        return hooked([(point_at(self.own, "residual", layer), partial(saying, layer)) for layer in layers])

    def _rows(self, residual: list[Tensor], known: int, pinned: int | None, progress: Progress) -> list[_Row]:
        earlier = [row.until(known) for row in self.rows]
        if known == len(residual[0]):
            return earlier
        whole = lambda rows: [row.after(before) for before, row in zip(earlier, rows)] if known else rows  # noqa: E731
        fresh, shown = [r[known:] for r in residual], time.monotonic()
        rows = [self._look(fresh[-1], None, pinned)]  # the last layer first, because all layers need its answers
        answers = rows[0].top[:, :1]
        for layer in reversed(range(len(fresh) - 1)):  # late layers first: they are the most interesting
            if (now := time.monotonic()) - shown > SOON:
                known_rows = [rows[0].pending() for _ in range(layer + 1)] + rows
                progress(len(rows), len(fresh), _glance(whole(known_rows), pinned is not None))
                shown = now
            rows.insert(0, self._look(fresh[layer], answers, pinned))
        return whole(rows)

    def _look(self, residual: Float[Tensor, "row d_model"], answers: Tensor | None, pinned: int | None) -> _Row:
        parts = []
        for at in range(0, len(residual), ROWS):
            final = self.own.final_norm(residual[at : at + ROWS])
            parts.append(self.table.look(final, None if answers is None else answers[at : at + ROWS], pinned))
        return parts[0] if len(parts) == 1 else _Row(*(torch.cat(part) for part in zip(*parts)))


def _glance(rows: list[_Row], with_pinned: bool) -> Glance:
    top, probabilities, entropy, ranks, targets = (torch.stack(part).cpu().numpy() for part in zip(*rows, strict=True))
    cells = Cells(top, probabilities, ranks[..., 0], entropy)
    return Glance(cells, (ranks[..., 1], targets[..., 1]) if with_pinned else None)


class _Table:
    """Holds the output table, and also a bfloat16 copy if the CPU computes several times faster in bfloat16."""

    def __init__(self, model: Transformer):
        self.exact = self.quick = model.unembedding.detach()
        if self.exact.device.type == "cpu" and self.exact.dtype == torch.float32:
            self.quick = self.exact.to(choose("cpu").dtype)

    def look(
        self, final: Float[Tensor, "row d_model"], answers: Int[Tensor, "row 1"] | None, pinned: int | None
    ) -> _Row:
        """Find the likeliest tokens after these vectors, the entropy, and the ranks of the answers and a pinned token.

        Without `answers`, `final` must hold the last layer's vectors: their likeliest tokens become the answers, and
        all logits are computed in the model's precision.
        """
        table = self.exact if answers is None else self.quick
        logits = linear(final.to(table.dtype), table)
        candidates = largest(logits, min(SHOWN + WEIGHED * (table is not self.exact), logits.shape[-1]))
        answers = candidates[:, :1] if answers is None else answers
        wanted = answers if pinned is None else torch.cat([answers, torch.full_like(answers, pinned)], dim=1)
        weighed, order = self._weigh(final, candidates).sort(dim=1, descending=True)
        candidates, targets = candidates.gather(1, order), self._weigh(final, wanted)
        known, exactly = torch.cat([candidates, wanted], dim=1), torch.cat([weighed, targets], dim=1)
        log_total, entropy, ranks = _over_the_vocabulary(logits, known, exactly, targets)
        among = wanted[:, :, None] == candidates[:, None, :]  # if a target is a candidate, we know its exact rank
        ranks = torch.where(among.any(-1), among.int().argmax(-1).int(), ranks)
        k = min(SHOWN, candidates.shape[1])
        share = lambda logit: (logit - log_total[:, None]).exp().clamp(max=1)  # noqa: E731
        return _Row(candidates[:, :k], share(weighed[:, :k]), entropy, ranks, share(targets))

    def _weigh(self, final: Float[Tensor, "row d_model"], ids: Int[Tensor, "row k"]) -> Float[Tensor, "row k"]:
        """Compute the logits of a few tokens in the model's precision."""
        return torch.bmm(self.exact[ids], final[:, :, None])[..., 0].float()


def _over_the_vocabulary(
    logits: Float[Tensor, "row vocab"],
    known: Int[Tensor, "row known"],
    exactly: Float[Tensor, "row known"],
    targets: Float[Tensor, "row target"],
) -> tuple[Float[Tensor, " row"], Float[Tensor, " row"], Int[Tensor, "row target"]]:
    """Compute log Σ exp(logit), the entropy in nats, and how many logits are higher than each target's.

    The logits of the `known` ids, which make up nearly all of the sum, are replaced by exact logits. The function works
    on a few rows at a time, so that these rows stay in the processor's cache.
    """
    found = []
    for part, *its, its_targets in zip(*(whole.split(CACHED) for whole in (logits, known, exactly, targets))):
        part = part.to(torch.float32, copy=True).scatter_(1, *its)
        highest = part.amax(-1, keepdim=True)
        ranks = [(part > target[:, None]).sum(-1, dtype=torch.int32) for target in its_targets.T]
        shifted = (part - highest).clamp_(min=-1e4)  # -inf · 0 would be NaN
        weights = shifted.exp()
        total = weights.sum(-1)
        entropy = total.log() - torch.linalg.vecdot(weights, shifted) / total
        found.append((total.log() + highest[:, 0], entropy, torch.stack(ranks, dim=1)))
    log_totals, entropies, all_ranks = (torch.cat(part) for part in zip(*found))
    return log_totals, entropies, all_ranks


def largest(logits: Float[Tensor, "row vocab"], k: int) -> Int[Tensor, "row k"]:
    """Find the ids of the `k` largest logits in each row, with the largest first.

    These ids are in the k blocks with the largest maxima, which can be found in one quick pass over memory.

    >>> largest(torch.tensor([[1.0, 5.0, 3.0, 4.0]]), 2)
    tensor([[1, 3]])
    """
    block = math.gcd(logits.shape[-1], BLOCK)
    if block < 16 or logits.shape[-1] // block < k:
        return logits.topk(k).indices
    blocks = logits.unflatten(-1, (-1, block))  # Float[Tensor, "row block inside"]
    where = blocks.amax(-1).topk(k).indices
    best = blocks.take_along_dim(where[..., None], dim=1).flatten(1).topk(k).indices
    return where.gather(1, best // block) * block + best % block

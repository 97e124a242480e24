"""Compute attention patterns for a long text: thumbnails of all heads, and the whole pattern of one head on demand.

For 1,024 tokens, 270 heads have 283 million weights, which take up 1.1 GB. So for a long text we keep only queries and
keys, and recompute a head's pattern when it is needed. While the model runs, each layer's patterns are computed a few
rows at a time, pooled, scored and discarded.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from llmlib.attention import causal_mask
from llmlib.hooks import HookFunction, HookPoint, hooked
from llmlib.interpret.points import point_at
from llmlib.transformer import Transformer, TransformerConfig

WHOLE = 4_000_000  # the view sends at most this many weights, over all heads, to the browser at once
SIDE = 64  # largest number of cells in a row of a thumbnail
ROWS = 128  # number of queries processed at a time
KEPT = 2048  # for texts of up to this many tokens, what all layers share is computed only once
RUNS = 4  # runs that may be in memory at once: the A and B that are shown, and the A and B that are being computed
TOGETHER = ("mean", "max")  # maps that combine all heads of a layer, and are shown as if they were heads
SCORES = ("previous", "first", "duplicate", "induction", "distance", "entropy")  # scores of a head, in this order


# A layer's patterns, cut into blocks of rows, from top to bottom. Each block comes with the number of its first query,
# and contains the attention weights for all keys up to its last query.
Blocks = Iterable[tuple[int, Float[Tensor, "head query key"]]]


class Patterns(Protocol):
    """What the view needs from a long text's patterns."""

    thumbnails: Float[np.ndarray, "layer map row column"]  # the largest weight in each square; maps: heads, mean, max
    scores: Float[np.ndarray, "layer map score"]

    def head(self, layer: int, head: int | str) -> Float[np.ndarray, "query key"]:
        """Return one head's pattern, or the "mean" or "max" over all heads in the layer."""
        ...


def is_long(n_layers: int, n_heads: int, n_tokens: int) -> bool:
    """Return whether the patterns are too large to be sent to the browser in full."""
    return n_layers * n_heads * n_tokens * (n_tokens + 1) // 2 > WHOLE


def check_memory(config: TransformerConfig, n_tokens: int, itemsize: int, free: int) -> None:
    """Raise `ValueError`, with a message for users, if a run over `n_tokens` tokens needs more memory than is free."""
    kept = RUNS * config.n_layers * (config.n_heads + config.n_kv_heads) * config.d_head * n_tokens * itemsize
    passing = 4 * (config.n_heads + len(TOGETHER)) * ROWS * n_tokens * 4 + 8 * n_tokens * config.d_mlp * itemsize
    if kept + passing > free:
        most = max(1, free * n_tokens // (kept + passing))
        raise ValueError(
            f"This text has {n_tokens:,} tokens. Showing all the heads takes about "
            f"{(kept + passing) / 1e9:.1f} GB of memory, but only {free / 1e9:.1f} GB is free here. Shorten the text "
            f"to about {most:,} tokens."
        )


class PatternsOfRun:
    """Patterns computed from queries and keys, which `watched` records during one run of a `Transformer`.

    We keep n_layers · (n_heads + n_kv_heads) · d_head · seq numbers, which take 94 MB for SmolLM2 and 1,024 tokens.
    While the model runs, memory also holds several copies of `ROWS` rows of one layer's patterns: (n_heads + 2) · ROWS
    · seq numbers each. `progress` is called after each layer. `check` is called every few rows, and can end the run by
    raising an error.
    """

    def __init__(
        self,
        model: Transformer,
        ids: Sequence[int],
        progress: Callable[[int], None] = lambda layer: None,
        check: Callable[[], object] = lambda: None,
    ):
        self.model, self.n, self.progress, self.check = model, len(ids), progress, check
        self.q: list[Float[Tensor, "head seq d_head"]] = []
        self.k: list[Float[Tensor, "kv_head seq d_head"]] = []
        self.pooling = _Pooling(torch.tensor(ids, device=model.device))
        shape = (model.config.n_layers, model.config.n_heads + len(TOGETHER))
        self.thumbnails = np.zeros((*shape, self.pooling.side, self.pooling.side), dtype=np.float32)
        self.scores = np.zeros((*shape, len(SCORES)), dtype=np.float32)

    def watched(self) -> AbstractContextManager[None]:
        """Record one run of the model on the text (and on a continuation, if there is one) inside this `with` block."""
        hooks: list[tuple[HookPoint, HookFunction]] = []
        for layer in range(self.model.config.n_layers):
            hooks.append((point_at(self.model, "q", layer), self._keep_queries))
            hooks.append((point_at(self.model, "k", layer), partial(self._keep_keys, layer)))
        return hooked(hooks)

    def _keep_queries(self, q: Float[Tensor, "1 head seq d_head"]) -> None:
        self.q.append(q[0, :, : self.n].detach())

    def _keep_keys(self, layer: int, k: Float[Tensor, "1 kv_head seq d_head"]) -> None:
        self.k.append(k[0, :, : self.n].detach())
        rows = self._rows(self.q[layer], self.k[layer])
        self.thumbnails[layer], self.scores[layer] = self.pooling.layer(rows)
        self.progress(layer)

    def _rows(self, q: Float[Tensor, "head seq d_head"], k: Float[Tensor, "kv_head seq d_head"]) -> Blocks:
        window = self.model.config.sliding_window
        q = rearrange(q.float() / q.shape[-1] ** 0.5, "(kv group) query d_head -> kv group query d_head", kv=k.shape[0])
        k = rearrange(k.float(), "kv key d_head -> kv d_head key")
        for start in range(0, self.n, self.pooling.rows):
            self.check()  # since a layer of a long text takes at least half a second
            end = min(start + self.pooling.rows, self.n)
            asking = rearrange(q[:, :, start:end], "kv group query d_head -> kv (group query) d_head")
            scores = torch.bmm(asking, k[:, :, :end])
            scores = rearrange(scores, "kv (group query) key -> (kv group) query key", query=end - start)
            if window and window < end:
                scores.masked_fill_(~causal_mask(end - start, end, window, q.device), float("-inf"))
            else:  # the mask hides keys only at the positions of these rows
                scores[:, :, start:].masked_fill_(
                    ~causal_mask(end - start, end - start, device=q.device), float("-inf")
                )
            yield start, scores.softmax(-1)

    def head(self, layer: int, head: int | str) -> Float[np.ndarray, "query key"]:
        q, k = self.q[layer], self.k[layer]
        if not isinstance(head, str):
            shared = head // (q.shape[0] // k.shape[0])  # the key-value head that this query head reads
            q, k = q[head : head + 1], k[shared : shared + 1]
        pattern = torch.zeros(self.n, self.n, device=q.device)
        with torch.inference_mode():
            for start, rows in self._rows(q, k):
                one = rows.mean(0) if head == "mean" else rows.amax(0)
                pattern[start : start + one.shape[0], : one.shape[1]] = one
        return pattern.cpu().numpy()


class PatternsOfArrays:
    """Patterns that another library's model returned all at once, stored with one byte per weight."""

    def __init__(self, layers: Sequence[Tensor], ids: Sequence[int]):
        pooling, made = _Pooling(torch.tensor(ids)), []
        self.codes: list[np.ndarray] = []
        for layer in layers:
            pattern = layer.float().cpu()  # Float[Tensor, "head query key"]
            made.append(pooling.layer([(0, pattern)]))
            self.codes.append((pattern.sqrt() * 255).round().to(torch.uint8).numpy())
        self.thumbnails, self.scores = (np.stack(parts) for parts in zip(*made))

    def head(self, layer: int, head: int | str) -> Float[np.ndarray, "query key"]:
        of_layer = self.codes[layer]
        if isinstance(head, str):
            return getattr((of_layer / np.float32(255)) ** 2, head)(axis=0)
        return (of_layer[head] / np.float32(255)) ** 2


class _Pooling:
    """Computes the thumbnails and scores for one text, layer by layer."""

    def __init__(self, ids: Int[Tensor, " seq"]):
        self.ids, self.n = ids, len(ids)
        self.cell = -(-self.n // SIDE)  # how many tokens share a row or a column of a thumbnail
        self.side = -(-self.n // self.cell)
        self.rows = max(1, ROWS // self.cell) * self.cell
        self.divisors = self._divisors()
        self.known: dict[int, Tensor] = {}  # what `_counting` returns for all layers; empty for a very long text

    def _divisors(self) -> Float[Tensor, " score"]:
        """Count the queries over which each score is averaged; `llmlib.interpret.head_scores` defines the scores."""
        seen: dict[int, int] = {}
        repeated = followed = 0
        for at, id in enumerate(self.ids.tolist()):
            repeated += id in seen
            followed += seen.setdefault(id, at) + 1 < at  # if tokens lie between this one and its first occurrence
        numbers = (self.n - 1, self.n - 1, repeated, followed, self.n, self.n)
        return torch.tensor([max(1, number) for number in numbers], dtype=torch.float32)

    def _counting(self, start: int, end: int, n_key: int) -> Float[Tensor, "weight score"]:
        """Return how much each weight in these rows counts toward each score except entropy, which is not linear."""
        if start in self.known:
            return self.known[start]
        query, key = torch.arange(start, end)[:, None], torch.arange(n_key)[None]
        ids = self.ids.cpu()
        same = ids[start:end, None] == ids[None, :n_key]
        after = torch.zeros_like(same)
        after[:, 1:] = same[:, :-1]
        parts = (key == query - 1, (key == 0) & (query > 0), same & (key < query), after & (key < query))
        counting = torch.stack([part.float() for part in (*parts, (query - key).abs())], dim=-1)
        counting = counting.flatten(0, 1).to(self.ids.device)
        if self.n <= KEPT:
            self.known[start] = counting
        return counting

    def layer(self, blocks: Blocks) -> tuple[Float[np.ndarray, "map row column"], Float[np.ndarray, "map score"]]:
        pooled, sums = [], []
        for start, rows in blocks:
            counting = self._counting(start, start + rows.shape[1], rows.shape[2])
            maps = (rows, rows.mean(0, keepdim=True), rows.amax(0, keepdim=True))
            small = torch.cat([F.max_pool2d(part[None], self.cell, ceil_mode=True)[0] for part in maps])
            pooled.append(F.pad(small, (0, self.side - small.shape[2])))
            linear = torch.cat([part.flatten(1) @ counting for part in maps])
            entropy = torch.cat([_entropy(part) for part in maps])
            sums.append(torch.cat([linear, entropy[:, None]], dim=1))
        scores = torch.stack(sums).sum(0).cpu() / self.divisors
        return torch.cat(pooled, dim=1).cpu().numpy(), scores.numpy()


def _entropy(rows: Float[Tensor, "map query key"]) -> Float[Tensor, " map"]:
    """Sum the entropies of each map's rows, five times as fast as with `torch.special.entr`.

    That function handles one weight at a time.
    """
    return -(rows.clamp_min(torch.finfo(rows.dtype).tiny).log_().mul_(rows)).sum((1, 2))

"""Compute attention, in which each query reads the values of the keys that match it."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from llmlib.architecture import TransformerConfig, check_config
from llmlib.embeddings import rotary_cos_sin, rotary_frequencies, rotate
from llmlib.hooks import HookPoint, Observed
from llmlib.layers import RMSNorm, materialise
from llmlib.linear import Linear

CosSin = tuple[Tensor, Tensor]  # both are Float[Tensor, "#batch 1 seq d_head"]
SHORT = 512  # up to this many tokens, a bfloat16 training step on a CPU is faster without torch's fused kernel


def causal_mask(
    n_query: int, n_key: int, window: int | None = None, device: torch.device | str | None = None
) -> Bool[Tensor, "query key"]:
    """Return a mask that is True where a query may attend to a key.

    A query may attend to its own position and to earlier positions. With a `window`, a query may attend only to the
    last `window` of these positions. The queries are taken to be at the last `n_query` of the `n_key` positions, as is
    the case when a cache holds the earlier keys.

    >>> causal_mask(2, 4).int()
    tensor([[1, 1, 1, 0],
            [1, 1, 1, 1]], dtype=torch.int32)
    >>> causal_mask(2, 4, window=2).int()
    tensor([[0, 1, 1, 0],
            [0, 0, 1, 1]], dtype=torch.int32)
    """
    query = torch.arange(n_key - n_query, n_key, device=device)[:, None]
    key = torch.arange(n_key, device=device)[None, :]
    mask = key <= query
    return mask if window is None else mask & (key > query - window)


def softmax(x: Float[Tensor, "*axes"], dim: int = -1) -> Float[Tensor, "*axes"]:
    """Divide exp(x) by the sum of exp(x) along an axis, so that the results sum to 1.

    Subtracting the largest x first leaves the result unchanged and keeps exp from overflowing. An x of -inf becomes
    exactly 0; if every x is -inf, the result is NaN.

    >>> softmax(torch.tensor([0.0, 1000.0, float("-inf"), 1000.0]))
    tensor([0.0000, 0.5000, 0.0000, 0.5000])
    """
    return x.softmax(dim)  # torch's fused kernel reads memory only once


def attention_scores(
    q: Float[Tensor, "*batch query d_head"], k: Float[Tensor, "*batch key d_head"]
) -> Float[Tensor, "*batch query key"]:
    """Score how well each query matches each key, as q·k / √d_head (Vaswani et al., 2017, section 3.2.1).

    The tensors may have any number of leading axes, for example for batches and heads.

    >>> q = k = torch.ones(1, 4)
    >>> attention_scores(q, k)
    tensor([[2.]])
    """
    return einsum(q, k, "... query d_head, ... key d_head -> ... query key") / q.shape[-1] ** 0.5


def attention_pattern(
    scores: Float[Tensor, "*batch query key"], mask: Bool[Tensor, "*#batch query key"] | None = None
) -> Float[Tensor, "*batch query key"]:
    """Apply softmax to the scores of the keys that the mask allows.

    All other keys get a weight of 0. If the mask allows no keys for a query, all of that query's weights are 0.

    >>> attention_pattern(torch.zeros(2, 2), causal_mask(2, 2))
    tensor([[1.0000, 0.0000],
            [0.5000, 0.5000]])
    """
    if mask is None:
        return softmax(scores)
    pattern = softmax(scores.masked_fill(~mask, float("-inf")))
    return pattern.masked_fill(~mask, 0.0)  # softmax turns a row of only -inf into NaN


def scaled_dot_product_attention(
    q: Float[Tensor, "*batch query d_head"],
    k: Float[Tensor, "*batch key d_head"],
    v: Float[Tensor, "*batch key d_value"],
    mask: Bool[Tensor, "*#batch query key"] | None = None,
) -> Float[Tensor, "*batch query d_value"]:
    """Compute attention as softmax(q·kᵀ / √d_head) · v (Vaswani et al., 2017, equation 1).

    The tensors may have any number of leading axes, for example for batches and heads.

    >>> v = torch.tensor([[1.0], [3.0]])
    >>> scaled_dot_product_attention(torch.zeros(2, 1), torch.zeros(2, 1), v, causal_mask(2, 2))
    tensor([[1.],
            [2.]])
    """
    pattern = attention_pattern(attention_scores(q, k), mask)
    return einsum(pattern, v, "... query key, ... key d_value -> ... query d_value")


def split_heads(x: Float[Tensor, "batch seq width"], n_heads: int) -> Float[Tensor, "batch head seq d_head"]:
    """Split each vector into `n_heads` pieces of equal width, one for each head.

    >>> split_heads(torch.arange(4.0).reshape(1, 1, 4), n_heads=2)
    tensor([[[[0., 1.]],
    <BLANKLINE>
             [[2., 3.]]]])
    """
    _check_whole(n_heads)
    return rearrange(x, "batch seq (head d_head) -> batch head seq d_head", head=n_heads)


def _check_whole(n_heads: int) -> None:
    """Raise `TypeError` for a number such as 2.0.

    einops would cache 2.0 under the same key as 2, and would later fail for callers who pass 2.
    """
    if not isinstance(n_heads, int):
        raise TypeError(f"n_heads must be a whole number, got {n_heads!r}. Did you divide with / instead of //?")


def merge_heads(z: Float[Tensor, "batch head seq d_head"]) -> Float[Tensor, "batch seq width"]:
    """Undo `split_heads` by concatenating the heads' vectors.

    >>> merge_heads(torch.tensor([[[[0.0, 1.0]], [[2.0, 3.0]]]]))
    tensor([[[0., 1., 2., 3.]]])
    """
    return rearrange(z, "batch head seq d_head -> batch seq (head d_head)")


def share_heads(kv: Float[Tensor, "batch kv_head key d_head"], n_heads: int) -> Float[Tensor, "batch head key d_head"]:
    """Repeat each key-value head for the group of neighbouring query heads that share it.

    Source: Ainslie et al. (2023), "GQA", section 2.2.

    >>> share_heads(torch.tensor([[[[1.0]], [[2.0]]]]), n_heads=4).flatten().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    _check_whole(n_heads)
    group = n_heads // kv.shape[1]
    return repeat(kv, "batch head key d_head -> batch (head group) key d_head", group=group)


def online_softmax(
    blocks: Iterable[tuple[Float[Tensor, "query _"], Float[Tensor, "_ d_head"]]],
) -> Float[Tensor, "query d_head"]:
    """Compute softmax(scores) · values in one pass over blocks of (scores, values).

    Only one block has to be in memory at a time. The largest score so far is subtracted before exp is applied. When a
    larger score appears, the sums so far are scaled down to match. This algorithm is the heart of FlashAttention.
    Scores may be -inf (masked), but each query must have at least one finite score in the first block. Raises
    `ValueError` if there are no blocks.
    Sources: Milakov and Gimelshein (2018), "Online normalizer calculation for softmax", algorithm 3; for the version
    with values, Dao et al. (2022), "FlashAttention", section 3.1.

    >>> scores, values = torch.tensor([[0.0, 1.0, 2.0]]), torch.eye(3)
    >>> online_softmax([(scores[:, :2], values[:2]), (scores[:, 2:], values[2:])])
    tensor([[0.0900, 0.2447, 0.6652]])
    """
    number = -1
    largest = total = weighted = torch.empty(0)
    for number, (scores, values) in enumerate(blocks):
        if number == 0:
            largest = torch.full_like(scores[:, :1], float("-inf"))
            total = torch.zeros_like(largest)
            weighted = torch.zeros_like(largest * values[:1])
        new_largest = torch.maximum(largest, scores.amax(dim=-1, keepdim=True))
        shrink = (largest - new_largest).exp()  # Float[Tensor, "query 1"]; 0 for the first block
        weights = (scores - new_largest).exp()
        total = total * shrink + weights.sum(dim=-1, keepdim=True)
        weighted = weighted * shrink + weights @ values
        largest = new_largest
    if number < 0:
        raise ValueError("online_softmax needs at least one block of scores and values.")
    return weighted / total


def rotation_at(positions: Int[Tensor, "#batch seq"], config: TransformerConfig, dtype: torch.dtype) -> CosSin | None:
    """Return the cosines and sines that rotate queries and keys at `positions`.

    The result is None if `config` does not use rotary positions. Otherwise, both tensors are
    Float[Tensor, "#batch 1 seq d_head"], because all heads share one rotation. See `llmlib.embeddings.rotate`.
    """
    if config.positions != "rotary":
        return None
    cos, sin = rotary_cos_sin(positions, rotary_frequencies(config.d_head, config.rope_theta, config.rope_factors))
    return cos[:, None].to(dtype), sin[:, None].to(dtype)


class KVCache:
    """Stores one layer's keys and values in preallocated memory, with room for `max_seq_len` positions.

    With a cache, a new token needs only one query against the stored keys and values, so the keys and values of earlier
    tokens do not have to be recomputed.
    """

    def __init__(
        self,
        batch: int,
        n_kv_heads: int,
        max_seq_len: int,
        d_head: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        shape = (batch, n_kv_heads, max_seq_len, d_head)
        self.keys = torch.empty(shape, device=device, dtype=dtype)
        self.values = torch.empty(shape, device=device, dtype=dtype)

    def write(
        self, k: Float[Tensor, "batch head seq d_head"], v: Float[Tensor, "batch head seq d_head"], start: int
    ) -> tuple[Float[Tensor, "batch head key d_head"], Float[Tensor, "batch head key d_head"]]:
        """Store new keys and values from position `start` on; return all keys and values, including the new ones."""
        end = start + k.shape[2]
        self.keys[:, :, start:end] = k
        self.values[:, :, start:end] = v
        return self.keys[:, :, :end], self.values[:, :, :end]


class Attention(Observed):
    """Multi-head attention, or grouped-query attention if there are fewer key-value heads than query heads.

    Sources: Vaswani et al. (2017); Ainslie et al. (2023), "GQA", for grouped queries; Dehghani et al. (2023), "Scaling
    Vision Transformers to 22 Billion Parameters", for query-key normalisation.

    `seed` and `device` mean the same as in `Transformer`. Hook points: `hook_q`, `hook_k` (after rotation), `hook_v`,
    `hook_scores`, `hook_pattern`, `hook_z`.

    >>> config = TransformerConfig.for_part(d_model=16, n_heads=4, n_kv_heads=2, positions="rotary")
    >>> Attention(config, seed=0)(torch.zeros(1, 3, 16)).shape
    torch.Size([1, 3, 16])
    """

    def __init__(self, config: TransformerConfig, seed: int | None = 0, device: torch.device | str | None = None):
        super().__init__()
        check_config(config)
        self.config = c = config
        self.n_heads, self.n_kv_heads, self.d_head = c.n_heads, c.n_kv_heads, c.d_head
        with torch.device("meta"):
            self.query = Linear(c.d_model, c.n_heads * c.d_head, bias=c.qkv_bias)
            self.key = Linear(c.d_model, c.n_kv_heads * c.d_head, bias=c.qkv_bias)
            self.value = Linear(c.d_model, c.n_kv_heads * c.d_head, bias=c.qkv_bias)
            self.output = Linear(c.n_heads * c.d_head, c.d_model, bias=c.output_bias)
            self.query_norm = RMSNorm(c.d_head, eps=c.norm_eps) if c.qk_norm else nn.Identity()
            self.key_norm = RMSNorm(c.d_head, eps=c.norm_eps) if c.qk_norm else nn.Identity()
        self.hook_q, self.hook_k, self.hook_v = HookPoint(), HookPoint(), HookPoint()
        self.hook_scores, self.hook_pattern, self.hook_z = HookPoint(), HookPoint(), HookPoint()
        materialise(self, c.n_layers, seed, device)

    def forward(
        self,
        x: Float[Tensor, "batch query d_model"],
        rotation: CosSin | None = None,
        mask: Bool[Tensor, "#batch 1 query key"] | None = None,
        cache: KVCache | None = None,
        start: int = 0,
    ) -> Float[Tensor, "batch query d_model"]:
        """Attend to the keys of `x` and, with a `cache`, also to the keys stored for positions before `start`.

        Without a `mask`, each position attends to itself and to earlier positions, as far back as the config's window
        reaches. Without a `rotation`, the positions begin at `start`; if the config asks for rotary positions, the
        rotation is computed from these positions. (A model computes the mask and the rotation once and passes both to
        all its layers.)
        """
        if rotation is None:
            positions = torch.arange(start, start + x.shape[1], device=x.device)[None]
            rotation = rotation_at(positions, self.config, x.dtype)
        n_key = x.shape[1] + (start if cache is not None else 0)
        window = self.config.sliding_window
        if mask is None and window is not None and window < n_key:
            mask = causal_mask(x.shape[1], n_key, window, x.device)[None, None]
        q = self.query_norm(split_heads(self.query(x), self.n_heads))
        k = self.key_norm(split_heads(self.key(x), self.n_kv_heads))
        v = self.hook_v(split_heads(self.value(x), self.n_kv_heads))
        if rotation is not None:
            q, k = rotate(q, *rotation), rotate(k, *rotation)
        q, k = self.hook_q(q), self.hook_k(k)
        if cache is not None:
            k, v = cache.write(k, v, start)

        observed = self.hook_scores.has_hooks or self.hook_pattern.has_hooks
        z = self.hook_z(self._explicit(q, k, v, mask) if observed else self._fast(q, k, v, mask))
        return self.output(merge_heads(z))

    def _explicit(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Attend step by step, so that hooks can read and change every intermediate result."""
        k, v = share_heads(k, self.n_heads), share_heads(v, self.n_heads)
        if mask is None:
            mask = causal_mask(q.shape[2], k.shape[2], device=q.device)
        scores = self.hook_scores(attention_scores(q, k))
        pattern = self.hook_pattern(attention_pattern(scores, mask))
        return einsum(pattern, v, "batch head query key, batch head key d_head -> batch head query d_head")

    def _fast(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Attend with torch's fused kernel, which gives the same result but never holds the whole pattern in memory."""
        n_query, n_key = q.shape[2], k.shape[2]
        if n_query == 1:
            # A single query attends to all keys. Heads that share keys become the rows of one query matrix.
            q = rearrange(q, "batch (head group) 1 d_head -> batch head group d_head", head=self.n_kv_heads)
            z = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            return rearrange(z, "batch head group d_head -> batch (head group) 1 d_head")
        if mask is None and n_query < n_key:
            mask = causal_mask(n_query, n_key, device=q.device)
        if _trains_on_cpu(q) and n_key <= SHORT:
            return self._two_products(q, k, v, mask)
        shared = self.n_kv_heads < self.n_heads
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=shared)

    def _two_products(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Attend with the plain formula.

        In bfloat16 on a CPU, the plain formula's backward pass is far faster than the fused kernel's.
        """
        k, v = share_heads(k, self.n_heads), share_heads(v, self.n_heads)
        scores = (q * self.d_head**-0.5) @ k.mT
        if mask is None:
            return (scores + _hiding(causal_mask(q.shape[2], k.shape[2]), q.dtype)).softmax(dim=-1) @ v
        attends = mask.any(dim=-1, keepdim=True)  # a query without an allowed key gets zeros, as in torch's kernel
        z = (scores + _hiding(mask | ~attends, q.dtype)).softmax(dim=-1) @ v
        return z.where(attends, 0.0)


def _hiding(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a tensor that is 0 where the mask is True and -inf elsewhere.

    Adding this tensor to the scores is faster than overwriting the masked scores.
    """
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, float("-inf"))


def _trains_on_cpu(q: Tensor) -> bool:
    """Return whether `q` is bfloat16 on a CPU and gradients are enabled.

    Whether `q` itself requires a gradient does not matter, because freezing weights must not change the results.
    """
    return torch.is_grad_enabled() and q.dtype == torch.bfloat16 and q.device.type == "cpu"

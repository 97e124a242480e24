"""Build a decoder-only Transformer, which can be GPT-2 or any model in the Llama family."""

import dataclasses
import math
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from llmlib.architecture import TransformerConfig as TransformerConfig
from llmlib.architecture import check_config
from llmlib.attention import Attention, CosSin, KVCache, causal_mask, rotation_at
from llmlib.devices import memory_of
from llmlib.embeddings import linear_rope_factors, ntk_rope_factors, sinusoidal_positions
from llmlib.hooks import HookPoint, Observed
from llmlib.layers import MLP, Embedding, make_norm, materialise
from llmlib.linear import Linear, linear


class Block(Observed):
    """One layer, in which attention moves information between positions, and the MLP works on each position separately.

    Attention and the MLP both add their results to the residual stream.

    `seed` and `device` mean the same as in `Transformer`, and `forward` works as in `Attention`, so you can also use a
    block on its own.

    >>> config = TransformerConfig.for_part(d_model=16, n_heads=4, positions="rotary")
    >>> Block(config, seed=0)(torch.zeros(1, 3, 16)).shape
    torch.Size([1, 3, 16])
    """

    def __init__(self, config: TransformerConfig, seed: int | None = 0, device: torch.device | str | None = None):
        super().__init__()
        with torch.device("meta"):
            self.attention_norm = make_norm(config)
            self.attention = Attention(config, device="meta")
            self.mlp_norm = make_norm(config) if config.mlp != "none" else nn.Identity()
            self.mlp = MLP(config, device="meta")
        self.hook_residual_pre, self.hook_residual_mid, self.hook_residual_post = (
            HookPoint(),
            HookPoint(),
            HookPoint(),
        )
        self.hook_attention_out, self.hook_mlp_out = HookPoint(), HookPoint()
        materialise(self, config.n_layers, seed, device)

    def forward(
        self,
        residual: Float[Tensor, "batch seq d_model"],
        rotation: CosSin | None = None,
        mask: Bool[Tensor, "#batch 1 seq key"] | None = None,
        cache: KVCache | None = None,
        start: int = 0,
    ) -> Float[Tensor, "batch seq d_model"]:
        residual = self.hook_residual_pre(residual)
        attended = self.attention(self.attention_norm(residual), rotation, mask, cache, start)
        residual = self.hook_residual_mid(residual + self.hook_attention_out(attended))
        return self.hook_residual_post(residual + self.hook_mlp_out(self.mlp(self.mlp_norm(residual))))


class Cache:
    """A model's memory of a text: a `KVCache` per layer, the number of filled positions, and where the padding is."""

    def __init__(
        self,
        config: TransformerConfig,
        batch: int = 1,
        max_seq_len: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        self.max_seq_len = config.max_seq_len if max_seq_len is None else min(max_seq_len, config.max_seq_len)
        self.length = 0
        self.real = torch.ones(batch, self.max_seq_len, dtype=torch.bool, device=device)
        self.padded = False
        self.layers = [
            KVCache(batch, config.n_kv_heads, self.max_seq_len, config.d_head, device, dtype)
            for _ in range(config.n_layers)
        ]

    def reorder(self, rows: Int[Tensor, " beam"]) -> None:
        """Keep only the rows in `rows`, in that order; a row may occur several times, or not at all."""
        self.real = self.real[rows]
        for layer in self.layers:
            layer.keys, layer.values = layer.keys[rows], layer.values[rows]


def _check_room(c: TransformerConfig, device: torch.device | str | None) -> None:
    """Raise `ValueError` for a model that does not fit on the device, before any layers are created."""
    check_config(c)
    per_layer = 2 * c.d_model * c.d_head * (c.n_heads + c.n_kv_heads) + 2 * c.d_model * c.d_mlp
    weights = c.n_layers * per_layer + c.vocab_size * c.d_model
    if str(device) == "meta" or weights < 2**28:
        return
    have = memory_of(device or "cpu")
    if 4 * weights > have:
        raise ValueError(
            f"This model has more than {weights:,} weights, which take {4 * weights / 1e9:,.0f} GB in float32, but "
            f"there is only {have / 1e9:,.0f} GB of memory. Choose a smaller model."
        )


class Transformer(Observed):
    """A decoder-only language model, which turns ids into a score for every possible next token.

    `seed` determines the initial weights (None leaves the weights uninitialised, so that other weights can be loaded).
    The model never touches torch's global random state.

    >>> config = TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4)
    >>> model = Transformer(config, seed=0)
    >>> model(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 10])
    """

    def __init__(self, config: TransformerConfig, seed: int | None = 0, device: torch.device | str | None = None):
        super().__init__()
        self.config = c = config
        _check_room(c, device)
        with torch.device("meta"):  # on the meta device, this needs no memory and no random numbers
            self.embed = Embedding(c.vocab_size, c.d_model)
            if c.positions == "learned":
                self.position_embed = Embedding(c.max_seq_len, c.d_model)
            self.blocks = nn.ModuleList(Block(c, device="meta") for _ in range(c.n_layers))
            self.final_norm = make_norm(c)
            if not c.tied_embeddings:
                self.unembed = Linear(c.d_model, c.vocab_size, bias=False)
        self.hook_embed, self.hook_final = HookPoint(), HookPoint()
        materialise(self, c.n_layers, seed, device)

    @property
    def device(self) -> torch.device:
        return self.embed.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embed.weight.dtype

    @property
    def unembedding(self) -> Float[Tensor, "vocab d_model"]:
        """The table that turns a final vector into logits. With tied embeddings, this is the embedding table."""
        return self.embed.weight if self.config.tied_embeddings else self.unembed.weight

    def new_cache(self, batch: int = 1, max_seq_len: int | None = None) -> Cache:
        """Return an empty cache for `batch` texts of at most `max_seq_len` tokens (default: the model's limit)."""
        return Cache(self.config, batch, max_seq_len, self.device, self.dtype)

    def forward(
        self,
        ids: Int[Tensor, "batch seq"],
        *,
        cache: Cache | None = None,
        attention_mask: Bool[Tensor, "batch seq"] | Int[Tensor, "batch seq"] | None = None,
        last_only: bool = False,
    ) -> Float[Tensor, "batch predicted vocab"]:
        """Return logits for the token after each position; with `last_only`, only after the last position.

        With a `cache`, `ids` continue the cached text, and are added to the cache. `attention_mask` is True (or 1) at
        real tokens and False at padding (on the left, so that texts of different lengths end at the same position).
        Raises `ValueError` for an empty input, ids outside the vocabulary (on a CPU), more ids than fit into the
        context, wrong shapes, or tensors that are not on the model's device. `torch.compile`, `torch.export` and
        `torch.onnx.export` accept the model as it is; a compiled graph cannot look at the ids, so the graph does not
        check that all ids are in the vocabulary.
        """
        start = cache.length if cache else 0
        if not isinstance(ids, Tensor):
            raise ValueError(
                f"ids must be a tensor of shape [batch, seq], got {type(ids).__name__}. Try torch.tensor([ids])."
            )
        if ids.ndim != 2:
            raise ValueError(
                f"ids must have the shape [batch, seq], got {list(ids.shape)}. For one text, write ids[None]."
            )
        if attention_mask is not None and attention_mask.shape != ids.shape:
            raise ValueError(
                f"attention_mask must have the same shape as ids, {list(ids.shape)}, got {list(attention_mask.shape)}."
            )
        self._check_devices(ids=ids, attention_mask=attention_mask, cache=cache.real if cache else None)
        self._check_length(ids)
        # On a GPU, looking at the ids would stall the queue at every token; a compiled graph knows only their shape.
        if ids.device.type == "cpu" and not torch.compiler.is_compiling():
            self._check_range(ids)
        if cache and start + ids.shape[1] > cache.max_seq_len:
            raise ValueError(
                f"The cache holds {start:,} of at most {cache.max_seq_len:,} tokens; {ids.shape[1]:,} more do not fit."
            )
        positions, mask = self._positions_and_mask(
            ids, start, cache, None if attention_mask is None else attention_mask.bool()
        )

        residual = self.embed(ids)
        if self.config.positions == "learned":
            residual = residual + self.position_embed(positions)
        elif self.config.positions == "sinusoidal":
            residual = residual + sinusoidal_positions(positions, self.config.d_model).to(residual.dtype)
        rotation = rotation_at(positions, self.config, self.dtype)  # computed once for all layers

        residual = self.hook_embed(residual)
        for layer, block in enumerate(self.blocks):
            residual = block(residual, rotation, mask, cache.layers[layer] if cache else None, start)
        if cache:
            cache.length += ids.shape[1]  # last, so that an interrupt leaves the cache as it was

        final = self.hook_final(self.final_norm(residual[:, -1:] if last_only else residual))
        return linear(final, self.unembedding)

    def check_ids(self, ids: Int[Tensor, "batch seq"]) -> None:
        """Raise `ValueError` if there are no ids or too many for the context, or if some are outside the vocabulary."""
        self._check_length(ids)
        self._check_range(ids)

    def _check_devices(self, **tensors: Tensor | None) -> None:
        for name, tensor in tensors.items():
            if tensor is not None and tensor.device != self.device:
                move = "Use model.new_cache() instead." if name == "cache" else f"Move them: {name}.to(model.device)."
                raise ValueError(f"The model is on {self.device}, but {name} is on {tensor.device}. {move}")

    def _check_length(self, ids: Int[Tensor, "batch seq"]) -> None:
        if ids.is_floating_point():
            raise ValueError(f"ids must be whole numbers, got {ids.dtype}.")
        if ids.shape[0] == 0 or ids.shape[1] == 0:
            raise ValueError(
                f"A model needs at least one token, got ids of shape {tuple(ids.shape)}. Start with a word or a letter."
            )
        if ids.shape[1] > self.config.max_seq_len:
            raise ValueError(
                f"{ids.shape[1]:,} tokens do not fit into this model's context of {self.config.max_seq_len:,}. "
                f"Shorten the text, or keep only its last {self.config.max_seq_len:,} ids."
            )

    def _check_range(self, ids: Int[Tensor, "batch seq"]) -> None:
        low, high = ids.aminmax()
        if low < 0 or high >= self.config.vocab_size:
            raise ValueError(
                f"ids must be between 0 and {self.config.vocab_size - 1} (the vocabulary), got {low} to {high}. "
                "Did the ids come from another model's tokenizer?"
            )

    def _positions_and_mask(
        self, ids: Tensor, start: int, cache: Cache | None, attention_mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return positions, which count only real tokens, and a mask (None if plain causal attention is enough)."""
        end = start + ids.shape[1]
        real = None  # Bool[Tensor, "batch key"], or None if nothing is padding
        if cache:
            if attention_mask is not None:
                cache.real[:, start:end] = attention_mask
                cache.padded = cache.padded or _may_have_padding(attention_mask)
            if cache.padded:
                real = cache.real[:, :end]
        elif attention_mask is not None and _may_have_padding(attention_mask):
            real = attention_mask

        window = self.config.sliding_window
        if window and not torch.compiler.is_compiling() and window >= end:
            window = None  # too wide to matter here; a graph keeps it, because it must also work for longer texts
        if real is None:
            positions = torch.arange(start, end, device=ids.device)[None]
            mask = causal_mask(end - start, end, window, ids.device)[None, None] if window else None
            return positions, mask
        positions = (real.cumsum(dim=1) - 1).clamp(min=0)[:, start:]
        return positions, causal_mask(end - start, end, window, ids.device) & real[:, None, None, :]


def _may_have_padding(attention_mask: Bool[Tensor, "batch seq"]) -> bool:
    """Return whether a mask is needed at all. A compiled graph must work with every mask, so it always needs a mask."""
    return torch.compiler.is_compiling() or not bool(attention_mask.all())


def with_longer_context(
    model: Transformer, factor: float | int, how: Literal["none", "linear", "ntk"] = "ntk"
) -> Transformer:
    """Return a model with the same weights (not copied) and a context `factor` times as long, without any training.

    "linear" is position interpolation, "ntk" slows down only the slow rotations (see `linear_rope_factors` and
    `ntk_rope_factors`), and "none" just uses positions that the model has not been trained on. Raises `ValueError` for
    a model without rotary positions, an unknown `how`, or a factor below 1.

    >>> config = TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2, positions="rotary")
    >>> longer = with_longer_context(Transformer(config), 2)
    >>> longer(torch.zeros(1, 16, dtype=torch.long)).shape
    torch.Size([1, 16, 10])
    """
    c = model.config
    if c.positions != "rotary" or how not in ("none", "linear", "ntk"):
        raise ValueError(
            "To stretch the context, positions must be 'rotary', and how must be 'none', 'linear' or 'ntk'; got "
            f"positions={c.positions!r} and how={how!r}."
        )
    divisors = ntk_rope_factors(c.d_head, factor) if how == "ntk" else linear_rope_factors(c.d_head, factor)
    before = c.rope_factors or (1.0,) * len(divisors)
    factors = c.rope_factors if how == "none" else tuple(old * new for old, new in zip(before, divisors))
    longer = dataclasses.replace(c, max_seq_len=math.floor(c.max_seq_len * factor), rope_factors=factors)
    stretched = Transformer(longer, seed=None, device="meta")
    stretched.load_state_dict(model.state_dict(), assign=True)
    return stretched.train(model.training)

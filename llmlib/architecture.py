"""Define `TransformerConfig`, the config that describes a model and each of its parts."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, no_type_check

from llmlib.settings import AT_LEAST_0, AT_LEAST_1, MORE_THAN_0, check_fields


@no_type_check  # check_fields checks the types instead, with better messages
@dataclass(frozen=True)
class TransformerConfig:
    """Holds every choice that distinguishes one architecture from another.

    Raises `ValueError` for choices that contradict each other.

    >>> TransformerConfig(vocab_size=50257, max_seq_len=1024, d_model=768, n_layers=12, n_heads=12).d_head
    64
    """

    vocab_size: Annotated[int, AT_LEAST_1]  # rows of the embedding table
    max_seq_len: Annotated[int, AT_LEAST_1]  # longest text, in tokens
    d_model: Annotated[int, AT_LEAST_1]  # width of the residual stream
    n_layers: Annotated[int, AT_LEAST_1]  # number of blocks
    n_heads: Annotated[int, AT_LEAST_1]  # query heads per layer
    # key-value heads per layer; fewer than n_heads means grouped-query attention. 0 means n_heads
    n_kv_heads: Annotated[int, AT_LEAST_0] = 0
    d_head: Annotated[int, AT_LEAST_0] = 0  # width of one head. 0 means d_model / n_heads
    d_mlp: Annotated[int, AT_LEAST_0] = 0  # hidden width of the MLP. 0 means 4 * d_model
    positions: Literal["learned", "sinusoidal", "rotary", "none"] = "learned"  # how positions are encoded
    rope_theta: Annotated[int | float, MORE_THAN_0] = 10_000.0  # rotary: base of the frequencies
    rope_factors: tuple[int | float, ...] | None = None  # rotary: a divisor for each frequency, for longer contexts
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"  # RMSNorm does not subtract the mean and has no bias
    norm_eps: Annotated[int | float, AT_LEAST_0] = 1e-5  # keeps the norm from dividing by zero
    mlp: Literal["gelu", "gelu_tanh", "swiglu", "none"] = "gelu"  # gelu_tanh is what GPT-2 uses; swiglu has a gate
    qkv_bias: bool = False  # whether queries, keys and values have biases (GPT-2, Qwen2)
    output_bias: bool = False  # whether attention's output has a bias (GPT-2)
    mlp_bias: bool = False  # whether the MLP has biases (GPT-2)
    qk_norm: bool = False  # whether each head's queries and keys get an RMSNorm (Qwen3)
    # how many positions each position may attend to, itself included (Mistral). None means all
    sliding_window: Annotated[int | None, AT_LEAST_1] = None
    tied_embeddings: bool = True  # whether the embedding and the unembedding share one table
    end_ids: tuple[Annotated[int, AT_LEAST_0], ...] = ()  # ids that end a text; `generate` stops there

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.d_head and self.d_model % self.n_heads:
            raise ValueError(
                f"d_model={self.d_model} cannot be divided evenly among n_heads={self.n_heads} heads. "
                "Choose a multiple of n_heads, or set d_head."
            )
        defaults = {"n_kv_heads": self.n_heads, "d_head": self.d_model // self.n_heads, "d_mlp": 4 * self.d_model}
        for name, value in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)  # the only way to set a frozen field
        if self.mlp == "none":
            object.__setattr__(self, "d_mlp", 0)
        if self.n_heads % self.n_kv_heads:
            raise ValueError(f"n_heads={self.n_heads} is not a multiple of n_kv_heads={self.n_kv_heads}.")
        if self.positions == "rotary" and self.d_head % 2:
            raise ValueError(
                f"positions='rotary' rotates pairs of channels, so d_head must be even, got d_head={self.d_head}."
            )
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(
                "positions='sinusoidal' gives each pair of channels a frequency, so d_model must be even, "
                f"got d_model={self.d_model}."
            )
        if self.rope_factors is not None:
            if self.positions != "rotary":
                raise ValueError(
                    f"rope_factors only work with rotary positions, got positions={self.positions!r}. "
                    "Choose positions='rotary', or rope_factors=None."
                )
            n_pairs, fit = self.d_head // 2, all(0 < factor < math.inf for factor in self.rope_factors)
            if len(self.rope_factors) != n_pairs or not fit:
                raise ValueError(f"rope_factors must be {n_pairs} positive numbers, one for each pair of channels.")

    @classmethod
    def for_part(cls, d_model: int, n_heads: int = 1, **choices: Any) -> "TransformerConfig":
        """Return a config for a single `Attention`, `MLP` or `Block`, without a vocabulary or a context length.

        >>> TransformerConfig.for_part(d_model=64, n_heads=4, mlp="swiglu").d_mlp
        256
        """
        return cls(**{"vocab_size": 1, "max_seq_len": 1, "n_layers": 1, **choices}, d_model=d_model, n_heads=n_heads)


def check_config(config: Any) -> None:
    """Raise `ValueError` if `config` is not a `TransformerConfig` (for example, if a width was passed instead)."""
    if not hasattr(config, "d_model"):
        raise ValueError(
            f"config must be a TransformerConfig, got {type(config).__name__}. For a single attention layer, MLP or "
            "block, use TransformerConfig.for_part(d_model=64, n_heads=4)."
        )

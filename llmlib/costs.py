"""Calculate a model's cost in parameters, floating-point operations and memory from its config."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from llmlib.transformer import TransformerConfig

FLOPS_OF_A_PRODUCT = 2  # one multiplication and one addition
TRAINING = 3  # a backward pass takes two products for each product of the forward pass


@dataclass(frozen=True)
class Costs:
    """Holds the result of `count`. The FLOPs are for one token, and the bytes are for the whole batch."""

    parameters_of: Mapping[str, int]  # the number of parameters in each part
    forward_flops: int  # counts only the matrix products, as is usual: they are nearly all of the work
    training_flops: int
    weight_bytes: int
    gradient_bytes: int
    optimizer_bytes: int  # AdamW keeps two float32 numbers per weight
    activation_bytes: int  # values that the backward pass needs from the forward pass, without the logits
    logit_bytes: int  # three float32 copies: the logits, their log-softmax, and its gradient
    cache_bytes: int  # keys and values of all positions

    @property
    def parameters(self) -> int:
        return sum(self.parameters_of.values())

    @property
    def training_bytes(self) -> int:
        """The number of bytes of memory that a training step needs."""
        return self.weight_bytes + self.gradient_bytes + self.optimizer_bytes + self.activation_bytes + self.logit_bytes


def count(
    config: TransformerConfig, *, batch: int = 1, seq_len: int | None = None, dtype: torch.dtype = torch.float32
) -> Costs:
    """Calculate a model's parameters, FLOPs and memory for `batch` texts of `seq_len` tokens (default: `max_seq_len`).

    The numbers for the parameters and the cache are exact. The FLOPs are those of the matrix products, with attention
    over all `seq_len` keys (torch's `FlopCounterMode` counts the same way, although a causal kernel can save up to half
    of attention's cost). The activations are the values that `Transformer` keeps for the backward pass with torch's
    fused attention. Raises `ValueError` for sizes that are not positive, or for a `seq_len` beyond `max_seq_len`.
    Source for the rule "6 FLOPs per parameter per token": Kaplan et al. (2020), section 2.1.

    >>> gpt2 = TransformerConfig(
    ...     50257, 1024, 768, n_layers=12, n_heads=12, qkv_bias=True, output_bias=True, mlp_bias=True
    ... )
    >>> f"{count(gpt2).parameters:,}", f"{count(gpt2).forward_flops / 1e6:.0f} MFLOPs per token"
    ('124,439,808', '285 MFLOPs per token')
    """
    seq_len = config.max_seq_len if seq_len is None else seq_len
    if batch < 1 or not 1 <= seq_len <= config.max_seq_len:
        raise ValueError(
            f"batch must be at least 1, and seq_len must be between 1 and {config.max_seq_len} (the context length); "
            f"got batch={batch}, seq_len={seq_len}."
        )
    parameters, tokens, size = parameters_of(config), batch * seq_len, dtype.itemsize
    n_weights = sum(parameters.values())
    forward = forward_flops(config, seq_len)
    return Costs(
        parameters_of=parameters,
        forward_flops=forward,
        training_flops=TRAINING * forward,
        weight_bytes=n_weights * size,
        gradient_bytes=n_weights * size,
        optimizer_bytes=2 * 4 * n_weights,
        activation_bytes=activations(config) * tokens * size,
        logit_bytes=3 * 4 * config.vocab_size * tokens,
        cache_bytes=2 * config.n_layers * config.n_kv_heads * config.d_head * tokens * size,
    )


def parameters_of(config: TransformerConfig) -> dict[str, int]:
    """Return the exact number of parameters in each part of `Transformer(config)`."""
    c = config
    d_q, d_kv = c.n_heads * c.d_head, c.n_kv_heads * c.d_head
    attention = c.d_model * (d_q + 2 * d_kv) + d_q * c.d_model
    attention += (d_q + 2 * d_kv) * c.qkv_bias + c.d_model * c.output_bias + 2 * c.d_head * c.qk_norm
    n_matrices = {"none": 0, "swiglu": 3}.get(c.mlp, 2)
    n_biases = ((n_matrices - 1) * c.d_mlp + c.d_model) if n_matrices else 0
    mlp = n_matrices * c.d_model * c.d_mlp + n_biases * c.mlp_bias
    a_norm = c.d_model * (2 if c.norm == "layernorm" else 1)
    n_norms = (2 if c.mlp != "none" else 1) * c.n_layers + 1
    return {
        "token table": c.vocab_size * c.d_model,
        "position table": c.max_seq_len * c.d_model * (c.positions == "learned"),
        "attention": attention * c.n_layers,
        "MLPs": mlp * c.n_layers,
        "norms": a_norm * n_norms,
        "output table": c.vocab_size * c.d_model * (not c.tied_embeddings),
    }


def forward_flops(config: TransformerConfig, seq_len: int) -> int:
    """Return the FLOPs per token of all matrix products, output layer included, in a text of `seq_len` tokens."""
    c = config
    d_q, d_kv = c.n_heads * c.d_head, c.n_kv_heads * c.d_head
    maps = c.d_model * (2 * d_q + 2 * d_kv) + {"none": 0, "swiglu": 3}.get(c.mlp, 2) * c.d_model * c.d_mlp
    scores_and_values = 2 * seq_len * d_q  # one product with all the keys, and one with all the values
    return FLOPS_OF_A_PRODUCT * (c.n_layers * (maps + scores_and_values) + c.vocab_size * c.d_model)


def activations(config: TransformerConfig) -> int:
    """Return how many activations per token the backward pass needs, not counting the logits.

    Each block needs the following: the input and output of each norm (RMSNorm also keeps its result before it is
    multiplied by the weight); the queries, keys and values, as they enter attention, and the result of attention (with
    `qk_norm`, also the queries and keys before, inside and after their norms); and, in the MLP, each value that is an
    input to a nonlinearity, to a product of two activations, or to a product with a weight matrix. The final norm needs
    as much as any other norm.
    """
    c = config
    d_q, d_kv = c.n_heads * c.d_head, c.n_kv_heads * c.d_head
    norm = c.d_model * (3 if c.norm == "rmsnorm" else 2)
    attention = norm + d_q + 2 * d_kv + d_q
    if c.qk_norm:
        attention += 3 * (d_q + d_kv)  # the queries and keys before, inside and after their norms
    mlp = {"none": 0, "swiglu": norm + 4 * c.d_mlp}.get(c.mlp, norm + 2 * c.d_mlp)
    return c.n_layers * (attention + mlp) + norm

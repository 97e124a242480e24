"""List the configs of well-known models, without weights, for users to look at and compare."""

from llmlib.transformer import TransformerConfig

KNOWN_MODELS = {
    "GPT-2 small": TransformerConfig(
        vocab_size=50_257,
        max_seq_len=1024,
        d_model=768,
        n_layers=12,
        n_heads=12,
        mlp="gelu_tanh",
        qkv_bias=True,
        output_bias=True,
        mlp_bias=True,
    ),
    "SmolLM2-135M": TransformerConfig(
        vocab_size=49_152,
        max_seq_len=8192,
        d_model=576,
        n_layers=30,
        n_heads=9,
        n_kv_heads=3,
        d_mlp=1536,
        positions="rotary",
        rope_theta=100_000.0,
        norm="rmsnorm",
        mlp="swiglu",
    ),
    "Llama-3-8B": TransformerConfig(
        vocab_size=128_256,
        max_seq_len=8192,
        d_model=4096,
        n_layers=32,
        n_heads=32,
        n_kv_heads=8,
        d_mlp=14_336,
        positions="rotary",
        rope_theta=500_000.0,
        norm="rmsnorm",
        mlp="swiglu",
        tied_embeddings=False,
    ),
}


def name_of(config: TransformerConfig) -> str | None:
    """Find the name of the known model with these sizes; context length and end tokens do not matter.

    >>> import dataclasses
    >>> name_of(dataclasses.replace(KNOWN_MODELS["GPT-2 small"], max_seq_len=512))
    'GPT-2 small'
    """
    boxes = ("vocab_size", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_mlp", "positions", "norm", "mlp")
    return next(
        (name for name, known in KNOWN_MODELS.items() if all(getattr(config, b) == getattr(known, b) for b in boxes)),
        None,
    )

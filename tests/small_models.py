"""Make small random models of every kind, and list the hooks that are registered on a model."""

import dataclasses

import torch

from llmlib.transformer import Transformer, TransformerConfig

BASE = TransformerConfig(vocab_size=31, max_seq_len=24, d_model=32, n_layers=3, n_heads=4)
KINDS = {
    "gpt2": dataclasses.replace(BASE, mlp="gelu_tanh", qkv_bias=True, output_bias=True, mlp_bias=True),
    "llama": dataclasses.replace(
        BASE, positions="rotary", norm="rmsnorm", mlp="swiglu", n_kv_heads=2, d_mlp=48, tied_embeddings=False
    ),
    "qwen3": dataclasses.replace(
        BASE, positions="rotary", norm="rmsnorm", mlp="swiglu", n_kv_heads=1, d_head=12, qk_norm=True
    ),
    "mistral": dataclasses.replace(
        BASE, positions="rotary", norm="rmsnorm", mlp="swiglu", n_kv_heads=2, sliding_window=5
    ),
    "sinusoidal": dataclasses.replace(BASE, positions="sinusoidal"),
    "no positions": dataclasses.replace(BASE, positions="none"),
    "attention only": dataclasses.replace(BASE, positions="rotary", mlp="none"),
}


def make(kind, seed=0):
    model = Transformer(KINDS[kind], seed=seed)
    for parameter in model.parameters():
        parameter.data *= 4  # initial weights are so small that mistakes would hide below the tolerance
    return model.eval()


def random_ids(batch, seq, seed=0):
    return torch.randint(31, (batch, seq), generator=torch.Generator().manual_seed(seed))


def hooks_of(model):
    """Return which modules of a model have hooks, and of which kinds."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs")
    return [(name, kind) for name, module in model.named_modules() for kind in kinds if getattr(module, kind)]

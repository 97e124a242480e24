"""Turn published configurations (`config.json`, or a GGUF file's metadata) into a `TransformerConfig`."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmlib.embeddings import llama3_rope_factors
from llmlib.files.gguf_file import GGUFFile
from llmlib.pretrained.config_fields import CheckpointError, Fields, read_json
from llmlib.settings import from_mapping
from llmlib.transformer import TransformerConfig

MAX_D_HEAD = 65_536  # real heads are 64 to 256 wide


def _gpt2_config(raw: Fields) -> TransformerConfig:
    raw.refuse_unless("activation_function", "gelu_new", "gelu_new", "gelu_pytorch_tanh", "gelu")
    raw.refuse_unless("scale_attn_weights", True, True)
    raw.refuse_unless("scale_attn_by_inverse_layer_idx", False, False)
    raw.refuse_unless("add_cross_attention", False, False)
    exact = raw.get("activation_function", "gelu_new") == "gelu"
    return _build(
        raw,
        vocab_size=raw.need("vocab_size", int),
        max_seq_len=raw.need("n_positions", int),
        d_model=raw.need("n_embd", int),
        n_layers=raw.need("n_layer", int),
        n_heads=raw.need("n_head", int),
        d_mlp=raw.get("n_inner", 0),
        positions="learned",
        norm="layernorm",
        norm_eps=raw.get("layer_norm_epsilon", 1e-5),
        mlp="gelu" if exact else "gelu_tanh",
        qkv_bias=True,
        output_bias=True,
        mlp_bias=True,
        tied_embeddings=raw.get("tie_word_embeddings", True),
        end_ids=_end_ids(raw),
    )


def _llama_config(raw: Fields, **choices: Any) -> TransformerConfig:
    raw.refuse_unless("hidden_act", "silu", "silu")
    d_model, n_heads = raw.need("hidden_size", int), raw.need("num_attention_heads", int)
    theta, factors = _rope(raw, _head_width(raw, "head_dim", d_model, n_heads))
    bias = raw.get("attention_bias", False)
    settings = {
        "vocab_size": raw.need("vocab_size", int),
        "max_seq_len": raw.need("max_position_embeddings", int),
        "d_model": d_model,
        "n_layers": raw.need("num_hidden_layers", int),
        "n_heads": n_heads,
        "n_kv_heads": raw.get("num_key_value_heads", 0),
        "d_head": raw.get("head_dim", 0),
        "d_mlp": raw.need("intermediate_size", int),
        "positions": "rotary",
        "rope_theta": theta,
        "rope_factors": factors,
        "norm": "rmsnorm",
        "norm_eps": raw.get("rms_norm_eps", 1e-6),
        "mlp": "swiglu",
        "qkv_bias": bias,
        "output_bias": bias,
        "mlp_bias": raw.get("mlp_bias", False),
        "tied_embeddings": raw.get("tie_word_embeddings", False),
        "end_ids": _end_ids(raw),
    }
    return _build(raw, **{**settings, **choices})


def _mistral_config(raw: Fields) -> TransformerConfig:
    return _llama_config(raw, sliding_window=raw.get("sliding_window", 0) or None)


def _qwen2_config(raw: Fields) -> TransformerConfig:
    raw.refuse_unless("use_sliding_window", False, False)
    return _llama_config(raw, qkv_bias=True, output_bias=False)


def _qwen3_config(raw: Fields) -> TransformerConfig:
    raw.refuse_unless("use_sliding_window", False, False)
    return _llama_config(raw, qk_norm=True, d_head=raw.get("head_dim", 128))


def _own_config(raw: Fields) -> TransformerConfig:
    """Read the config of a model of no known family; `save_pretrained` wrote its fields under our own names."""
    return from_mapping(TransformerConfig, raw.need("architecture", dict), str(raw.where))


OWN = "llmlib"  # the family name that we write for a model that belongs to no known family
HUB_FAMILIES: dict[str, Callable[[Fields], TransformerConfig]] = {
    "gpt2": _gpt2_config,
    "llama": _llama_config,
    "mistral": _mistral_config,
    "qwen2": _qwen2_config,
    "qwen3": _qwen3_config,
    OWN: _own_config,
}
GGUF_ARCHITECTURES = ("llama", "qwen2", "qwen3")


def _build(raw: Fields, **settings: Any) -> TransformerConfig:
    try:
        return TransformerConfig(**settings)
    except ValueError as error:
        raise CheckpointError(f"{raw.where}: {error}") from error


def _end_ids(raw: Fields) -> tuple[int, ...]:
    """Collect end tokens from config.json and generation_config.json, where instruction-tuned models list theirs."""
    generation = Path(raw.where).with_name("generation_config.json")
    sources = [raw] + ([Fields(read_json(generation), generation)] if generation.is_file() else [])
    ids: list[int] = []
    for source in sources:
        value = source.content.get("eos_token_id")
        listed = value if isinstance(value, list) else [] if value is None else [value]
        if not all(type(id) is int for id in listed):
            raise CheckpointError(
                f"{source.where}: 'eos_token_id' must be an integer or a list of integers, got {value!r}."
            )
        ids += listed
    in_vocabulary = range(raw.need("vocab_size", int))  # an id outside the vocabulary can never occur
    return tuple(id for id in dict.fromkeys(ids) if id in in_vocabulary)


def _head_width(raw: Fields, field: str, d_model: int, n_heads: int) -> int:
    """Return the width of a head, after checking it.

    If the width is wrong, the table of frequencies could use up all the memory.
    """
    d_head = raw.get(field, 0) or d_model // max(n_heads, 1)
    if not 2 <= d_head <= MAX_D_HEAD or d_head % 2:
        raise CheckpointError(
            f"{raw.where}: for rotary positions, the head width must be an even number from 2 to {MAX_D_HEAD:,}, "
            f"got {d_head:,}."
        )
    return d_head


def _rope(raw: Fields, d_head: int) -> tuple[float, tuple[float, ...] | None]:
    """Return the base and the divisors of the rotary frequencies, which `transformers` stores in one of two ways."""
    settings = raw.get("rope_parameters", {}) or raw.get("rope_scaling", {})
    rope = Fields(settings, f"{raw.where} (rope)")
    theta = rope.get("rope_theta", raw.get("rope_theta", 10_000.0))
    if not 0 < theta < math.inf:
        raise CheckpointError(f"{rope.where}: rope_theta must be a finite number greater than 0, got {theta}.")
    kind = settings.get("rope_type") or settings.get("type") or "default"
    if kind == "default":
        return theta, None
    if kind == "linear":
        return theta, (rope.need("factor", float),) * (d_head // 2)
    if kind == "llama3":
        factor, low, high = (rope.need(name, float) for name in ("factor", "low_freq_factor", "high_freq_factor"))
        original = rope.need("original_max_position_embeddings", int)
        try:
            return theta, llama3_rope_factors(d_head, theta, factor, low, high, original)
        except ValueError as error:
            raise CheckpointError(f"{rope.where}: {error}") from error
    raise CheckpointError(f"{raw.where}: rope type {kind!r} is not supported; it must be default, linear or llama3.")


def config_from_gguf(file: GGUFFile) -> TransformerConfig:
    raw = Fields(dict(file.metadata), file.path)
    architecture = raw.need("general.architecture", str)
    if architecture not in GGUF_ARCHITECTURES:
        raise CheckpointError(
            f"{file.path}: the architecture {architecture!r} is not supported. "
            f"Supported: {', '.join(GGUF_ARCHITECTURES)}."
        )
    at = f"{architecture}."
    raw.refuse_unless(at + "expert_count", 0, 0)
    raw.refuse_unless(at + "rope.scaling.type", "none", "none", "linear")
    d_model, n_heads = raw.need(at + "embedding_length", int), raw.need(at + "attention.head_count", int)
    d_head = _head_width(raw, at + "attention.key_length", d_model, n_heads)
    raw.refuse_unless(at + "rope.dimension_count", d_head, d_head)
    factors = None
    if "rope_freqs.weight" in file.tensors:  # Llama 3's factors, already computed
        factors = tuple(file.tensor("rope_freqs.weight").tolist())
    elif raw.get(at + "rope.scaling.type", "none") == "linear":
        factors = (raw.need(at + "rope.scaling.factor", float),) * (d_head // 2)
    if "token_embd.weight" not in file.tensors:
        raise CheckpointError(f"{file.path}: tensor 'token_embd.weight' is missing.")
    ends = (file.metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot"))
    return _build(
        raw,
        vocab_size=file.tensors["token_embd.weight"].shape[0],
        max_seq_len=raw.need(at + "context_length", int),
        d_model=d_model,
        n_layers=raw.need(at + "block_count", int),
        n_heads=n_heads,
        n_kv_heads=raw.get(at + "attention.head_count_kv", 0),
        d_head=d_head,
        d_mlp=raw.need(at + "feed_forward_length", int),
        positions="rotary",
        rope_theta=raw.get(at + "rope.freq_base", 10_000.0),
        rope_factors=factors,
        norm="rmsnorm",
        norm_eps=raw.need(at + "attention.layer_norm_rms_epsilon", float),
        mlp="swiglu",
        qkv_bias="blk.0.attn_q.bias" in file.tensors,
        output_bias="blk.0.attn_output.bias" in file.tensors,
        qk_norm="blk.0.attn_q_norm.weight" in file.tensors,
        sliding_window=raw.get(at + "attention.sliding_window", 0) or None,
        tied_embeddings="output.weight" not in file.tensors,
        end_ids=tuple(dict.fromkeys(end for end in ends if isinstance(end, int))),
    )


def check_layers(config: TransformerConfig, n_tensors: int, where: Path) -> None:
    """Raise `CheckpointError` if there are more layers than tensors.

    A damaged file may specify a million layers, which would use up all the memory.
    """
    if config.n_layers > n_tensors:
        raise CheckpointError(
            f"{where}: the settings ask for {config.n_layers:,} layers, but there are only {n_tensors:,} tensors. "
            "The file is damaged; download it again."
        )

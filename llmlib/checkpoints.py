"""The configuration and tensor names of other people's files, translated into ours.

A checkpoint is a folder in the format of the Hugging Face hub or a GGUF file. Each offers a
`TransformerConfig` and, for each parameter of our `Transformer`, a tensor in our layout.
"""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from llmlib.embeddings import llama3_rope_factors
from llmlib.gguf_file import GGUFFile, read_gguf
from llmlib.transformer import TransformerConfig


class CheckpointError(ValueError):
    """A checkpoint is damaged, or of a kind that we cannot run; the message says which and what to do."""


MAX_D_HEAD = 65_536  # real heads are 64 to 256 wide

# Our parameter names -> theirs. {i} is the number of the block.
LLAMA_NAMES = {
    "embed.weight": "model.embed_tokens.weight",
    "blocks.{i}.attention_norm": "model.layers.{i}.input_layernorm",
    "blocks.{i}.attention.query_norm": "model.layers.{i}.self_attn.q_norm",
    "blocks.{i}.attention.key_norm": "model.layers.{i}.self_attn.k_norm",
    "blocks.{i}.attention.query": "model.layers.{i}.self_attn.q_proj",
    "blocks.{i}.attention.key": "model.layers.{i}.self_attn.k_proj",
    "blocks.{i}.attention.value": "model.layers.{i}.self_attn.v_proj",
    "blocks.{i}.attention.output": "model.layers.{i}.self_attn.o_proj",
    "blocks.{i}.mlp_norm": "model.layers.{i}.post_attention_layernorm",
    "blocks.{i}.mlp.gate": "model.layers.{i}.mlp.gate_proj",
    "blocks.{i}.mlp.up": "model.layers.{i}.mlp.up_proj",
    "blocks.{i}.mlp.down": "model.layers.{i}.mlp.down_proj",
    "final_norm": "model.norm",
    "unembed.weight": "lm_head.weight",
}
GPT2_NAMES = {
    "embed.weight": "wte.weight",
    "position_embed.weight": "wpe.weight",
    "blocks.{i}.attention_norm": "h.{i}.ln_1",
    "blocks.{i}.attention.query": "h.{i}.attn.c_attn",  # queries, keys and values in one matrix
    "blocks.{i}.attention.key": "h.{i}.attn.c_attn",
    "blocks.{i}.attention.value": "h.{i}.attn.c_attn",
    "blocks.{i}.attention.output": "h.{i}.attn.c_proj",
    "blocks.{i}.mlp_norm": "h.{i}.ln_2",
    "blocks.{i}.mlp.up": "h.{i}.mlp.c_fc",
    "blocks.{i}.mlp.down": "h.{i}.mlp.c_proj",
    "final_norm": "ln_f",
    "unembed.weight": "lm_head.weight",
}
GGUF_NAMES = {
    "embed.weight": "token_embd.weight",
    "blocks.{i}.attention_norm": "blk.{i}.attn_norm",
    "blocks.{i}.attention.query_norm": "blk.{i}.attn_q_norm",
    "blocks.{i}.attention.key_norm": "blk.{i}.attn_k_norm",
    "blocks.{i}.attention.query": "blk.{i}.attn_q",
    "blocks.{i}.attention.key": "blk.{i}.attn_k",
    "blocks.{i}.attention.value": "blk.{i}.attn_v",
    "blocks.{i}.attention.output": "blk.{i}.attn_output",
    "blocks.{i}.mlp_norm": "blk.{i}.ffn_norm",
    "blocks.{i}.mlp.gate": "blk.{i}.ffn_gate",
    "blocks.{i}.mlp.up": "blk.{i}.ffn_up",
    "blocks.{i}.mlp.down": "blk.{i}.ffn_down",
    "final_norm": "output_norm",
    "unembed.weight": "output.weight",
}


def translate(name: str, names: dict[str, str]) -> str:
    """Their name of our parameter.

    >>> translate("blocks.3.mlp.up.weight", GGUF_NAMES)
    'blk.3.ffn_up.weight'
    """
    number = re.search(r"\.(\d+)\.", name)
    general = re.sub(r"\.\d+\.", ".{i}.", name)
    if general not in names:
        general, _, kind = general.rpartition(".")
        return f"{names[general]}.{kind}".format(i=number and number[1])
    return names[general].format(i=number and number[1])


class HubFolder:
    """A folder with `config.json` and `*.safetensors`: GPT-2, Llama, Mistral, Qwen2, Qwen3, SmolLM2."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.raw = _Fields(read_json(folder / "config.json"), folder / "config.json")
        self.family = self.raw.need("model_type", str)
        if self.family not in HUB_FAMILIES:
            raise CheckpointError(
                f"{self.raw.where}: the architecture {self.family!r} is not supported. "
                f"Supported: {', '.join(HUB_FAMILIES)} (SmolLM2 calls itself llama)."
            )
        self.tensors = self._table_of_tensors()
        self.config = HUB_FAMILIES[self.family](self.raw)
        self.where = folder / "config.json"
        _check_layers(self.config, len(self.tensors), self.where)
        self.names = GPT2_NAMES if self.family == "gpt2" else LLAMA_NAMES

    def tensor(self, name: str) -> Tensor:
        """One of our parameters, in the precision of the file."""
        theirs = translate(name, self.names)
        value = self._read(theirs)
        if self.family == "gpt2" and value.ndim == 2 and name.startswith("blocks"):
            value = value.T  # GPT-2 stores its matrices as (in, out)
        if theirs.split(".")[-2] == "c_attn":
            part = ("query", "key", "value").index(name.split(".")[-2])
            value = value.chunk(3, dim=0)[part]
        return value

    def unused(self, used: set[str]) -> set[str]:
        """Tensors of the file that no parameter of ours stands for: a sign that it is another architecture."""
        theirs = {translate(name, self.names) for name in used}
        harmless = re.compile(r"lm_head\.weight|.*\.attn\.(masked_)?bias|.*rotary_emb\.inv_freq")
        return {name for name in self.tensors if name not in theirs and not harmless.fullmatch(name)}

    def _table_of_tensors(self) -> dict[str, Path]:
        """Which file holds each tensor, by the header that each file carries."""
        import safetensors

        index = self.folder / "model.safetensors.index.json"
        if index.is_file():
            listed = _Fields(read_json(index), index).need("weight_map", dict)
            files = sorted({self.folder / Path(str(name)).name for name in listed.values()})
        else:
            files = sorted(self.folder.glob("*.safetensors"))
        if not files:
            pickled = any(self.folder.glob("*.bin"))
            raise CheckpointError(
                f"{self.folder} holds no *.safetensors file."
                + (
                    " Its *.bin files are pickles, which can run code when loaded, so they are not read."
                    if pickled
                    else ""
                )
            )
        table: dict[str, Path] = {}
        for file in files:
            try:
                with safetensors.safe_open(file, framework="pt") as opened:
                    table |= {name.removeprefix("transformer."): file for name in opened.keys()}  # noqa: SIM118
            except FileNotFoundError:
                raise CheckpointError(f"{index} names {file.name}, which is missing. Download it again.") from None
            except (safetensors.SafetensorError, OSError) as error:
                raise CheckpointError(f"{file} is truncated or damaged ({error}). Download it again.") from error
        return table

    def _read(self, theirs: str) -> Tensor:
        import safetensors

        if theirs not in self.tensors:
            raise CheckpointError(f"{self.folder}: tensor {theirs!r} is missing, though config.json asks for it.")
        with safetensors.safe_open(self.tensors[theirs], framework="pt") as opened:
            stored = opened.keys()
            return opened.get_tensor(theirs if theirs in stored else f"transformer.{theirs}")


class GGUFCheckpoint:
    """A GGUF file of the Llama family (Llama, Mistral, SmolLM2, Qwen2, Qwen3), of any quantisation."""

    def __init__(self, path: Path):
        self.gguf: GGUFFile = read_gguf(path)
        self.config = _config_from_gguf(self.gguf)
        self.where = path
        _check_layers(self.config, len(self.gguf.tensors), self.where)

    def tensor(self, name: str) -> Tensor:
        """One of our parameters, dequantised to float32."""
        value = torch.from_numpy(self.gguf.tensor(translate(name, GGUF_NAMES)))
        if self.gguf.metadata["general.architecture"] == "llama" and ".attention.query." in name:
            return _halves_from_pairs(value, self.config.n_heads)
        if self.gguf.metadata["general.architecture"] == "llama" and ".attention.key." in name:
            return _halves_from_pairs(value, self.config.n_kv_heads)
        return value

    def unused(self, used: set[str]) -> set[str]:
        """Tensors of the file that no parameter of ours stands for: a sign that it is another architecture."""
        return set(self.gguf.tensors) - {translate(name, GGUF_NAMES) for name in used} - {"rope_freqs.weight"}


def _check_layers(config: TransformerConfig, n_tensors: int, where: Path) -> None:
    """Building a million layers that a damaged file asks for would fill the memory before a weight is missed."""
    if config.n_layers > n_tensors:
        raise CheckpointError(
            f"{where}: {config.n_layers:,} layers are announced, but only {n_tensors:,} tensors are there. "
            "The file is damaged; download it again."
        )


def _halves_from_pairs(value: Tensor, n_heads: int) -> Tensor:
    # llama.cpp rotates neighbouring channels (0, 1), (2, 3) …; we rotate (0, d/2), (1, d/2 + 1) …
    if value.shape[0] % (2 * n_heads):
        return value  # its shape is wrong anyway, which `fill` reports with the name
    return rearrange(value, "(head pair two) ... -> (head two pair) ...", head=n_heads, two=2).contiguous()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises `CheckpointError` if the file is missing or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # with or without a byte-order mark
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing: this is no folder of a model.") from None
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, a number too long, or nested too deeply
        raise CheckpointError(f"{path} is not valid JSON ({error}). Download it again.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no JSON object. Download it again.")
    return content


class _Fields:
    """Typed access to somebody else's settings, with errors that name the file and the field."""

    def __init__(self, content: dict[str, Any], where: Any):
        self.content, self.where = content, where

    def need(self, name: str, kind: type) -> Any:
        if self.content.get(name) is None:
            raise CheckpointError(f"{self.where}: the field {name!r} is missing.")
        return self.get(name, None, kind)

    def get(self, name: str, default: Any, kind: type | None = None) -> Any:
        value = self.content.get(name)
        value = default if value is None else value
        kind = kind or type(default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise CheckpointError(f"{self.where}: the field {name!r} is {value!r}, expected {kind.__name__}.")
        if isinstance(value, int) and value < 0:
            raise CheckpointError(f"{self.where}: the field {name!r} is {value}, expected 0 or more.")
        return value

    def refuse_unless(self, name: str, default: Any, *allowed: Any) -> None:
        value = self.content.get(name, default)
        if value not in allowed:
            raise CheckpointError(
                f"{self.where}: {name}={value!r} is not supported, only {' or '.join(map(repr, allowed))}."
            )


def _gpt2_config(raw: _Fields) -> TransformerConfig:
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


def _llama_config(raw: _Fields, **choices: Any) -> TransformerConfig:
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


def _mistral_config(raw: _Fields) -> TransformerConfig:
    return _llama_config(raw, sliding_window=raw.get("sliding_window", 0) or None)


def _qwen2_config(raw: _Fields) -> TransformerConfig:
    raw.refuse_unless("use_sliding_window", False, False)
    return _llama_config(raw, qkv_bias=True, output_bias=False)


def _qwen3_config(raw: _Fields) -> TransformerConfig:
    raw.refuse_unless("use_sliding_window", False, False)
    return _llama_config(raw, qk_norm=True, d_head=raw.get("head_dim", 128))


HUB_FAMILIES: dict[str, Callable[[_Fields], TransformerConfig]] = {
    "gpt2": _gpt2_config,
    "llama": _llama_config,
    "mistral": _mistral_config,
    "qwen2": _qwen2_config,
    "qwen3": _qwen3_config,
}
GGUF_ARCHITECTURES = ("llama", "qwen2", "qwen3")


def _build(raw: _Fields, **settings: Any) -> TransformerConfig:
    try:
        return TransformerConfig(**settings)
    except ValueError as error:
        raise CheckpointError(f"{raw.where}: {error}") from error


def _end_ids(raw: _Fields) -> tuple[int, ...]:
    """End tokens from config.json and generation_config.json: instruction-tuned models name theirs in the latter."""
    generation = Path(raw.where).with_name("generation_config.json")
    sources = [raw] + ([_Fields(read_json(generation), generation)] if generation.is_file() else [])
    ids: list[int] = []
    for source in sources:
        value = source.content.get("eos_token_id")
        listed = value if isinstance(value, list) else [] if value is None else [value]
        if not all(type(id) is int for id in listed):
            raise CheckpointError(
                f"{source.where}: 'eos_token_id' is {value!r}, expected a whole number or a list of them."
            )
        ids += listed
    in_vocabulary = range(raw.need("vocab_size", int))  # an id outside of it can never come
    return tuple(id for id in dict.fromkeys(ids) if id in in_vocabulary)


def _head_width(raw: _Fields, field: str, d_model: int, n_heads: int) -> int:
    """Checked before a table of frequencies is made for it, which could fill the memory."""
    d_head = raw.get(field, 0) or d_model // max(n_heads, 1)
    if not 2 <= d_head <= MAX_D_HEAD or d_head % 2:
        raise CheckpointError(
            f"{raw.where}: rotary positions need heads of an even width from 2 to {MAX_D_HEAD:,}, got {d_head:,}."
        )
    return d_head


def _rope(raw: _Fields, d_head: int) -> tuple[float, tuple[float, ...] | None]:
    """Base of the frequencies and divisor of each; the settings have moved between releases of `transformers`."""
    settings = raw.get("rope_parameters", {}) or raw.get("rope_scaling", {})
    rope = _Fields(settings, f"{raw.where} (rope)")
    theta = rope.get("rope_theta", raw.get("rope_theta", 10_000.0))
    if not 0 < theta < math.inf:
        raise CheckpointError(f"{rope.where}: rope_theta is {theta}, expected a number above 0.")
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
    raise CheckpointError(f"{raw.where}: rope type {kind!r} is not supported, only default, linear and llama3.")


def _config_from_gguf(file: GGUFFile) -> TransformerConfig:
    raw = _Fields(dict(file.metadata), file.path)
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
    if "rope_freqs.weight" in file.tensors:  # Llama 3's recipe, worked out
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

"""Save our `Transformer` in the Hugging Face hub's format, which `load_pretrained` and other libraries can open."""

import dataclasses
import json
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llmlib.files.atomic import write_together
from llmlib.pretrained.configs import OWN
from llmlib.pretrained.weight_names import GPT2_NAMES, LLAMA_NAMES, translate
from llmlib.pretrained.weights_file import OTHERS, file_checksum, write_weights
from llmlib.tokenization.base import Tokenizer, TokenizerError
from llmlib.tokenization.bpe import BPETokenizer
from llmlib.tokenization.hugging_face_writing import write_hugging_face
from llmlib.transformer import Transformer, TransformerConfig

ARCHITECTURES = {
    "gpt2": "GPT2LMHeadModel",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
FOREIGN = ("*.safetensors*", "generation_config.json", "chat_template.jinja")  # files that would describe another model
CONFIG, WEIGHTS = "config.json", "model.safetensors"


class OwnFormatWarning(UserWarning):
    """Warns that part of a saved model opens only in llmlib, because the Hugging Face hub has no format for it."""


def save_pretrained(model: Transformer, tokenizer: Tokenizer, folder: Path | str, *, step: int | None = None) -> None:
    """Write the model and its tokenizer, with the chat template, to a folder that `load_pretrained` can open.

    The folder is in the Hugging Face hub's format, so `transformers` can also open the model and the tokenizer
    (`AutoModelForCausalLM` and `AutoTokenizer`). If the hub has no family for the architecture, or if the hub's format
    cannot express the tokenizer, we use our own format, and issue an `OwnFormatWarning`. `step` is recorded for models
    that come from a training run. The new files replace the old ones all at once. Before anything is written, this
    function raises `ValueError` for the same reasons as `check_savable`, and for a model with more weights than its
    config describes, such as one with a LoRA. Raises `OSError` if the folder cannot be written to.

        save_pretrained(model, tokenizer, "my-assistant")
        model, tokenizer = load_pretrained("my-assistant")
    """
    if not isinstance(model, torch.nn.Module):
        raise ValueError(
            f"model must be a Transformer, got {type(model).__name__}: save_pretrained(model, tokenizer, …)."
        )
    folder = Path(folder)
    check_savable(tokenizer)
    _check_weights(model)
    for other in (path for pattern in FOREIGN for path in folder.glob(pattern)):
        if other.name != WEIGHTS:
            raise ValueError(
                f"{folder} contains {other.name}, which belongs to a different model. Choose another folder."
            )
    config = _config(model.config)
    config["eos_token_id"] = list(dict.fromkeys((*tokenizer.eos_ids, *model.config.end_ids))) or None
    config["torch_dtype"] = str(model.dtype).removeprefix("torch.")
    if step is not None:
        config["llmlib_step"] = step
    weights = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    with write_together(folder, key=CONFIG) as new:
        write_tokenizer(tokenizer, new)
        (new / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        others = {path.name: file_checksum(path) for path in sorted(new.iterdir())}
        write_weights(_renamed(weights, config["model_type"]), new / WEIGHTS, **{OTHERS: json.dumps(others)})


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write `tokenizer.json` in Hugging Face's format, or in our own (with an `OwnFormatWarning`) if necessary."""
    check_savable(tokenizer)
    assert isinstance(tokenizer, BPETokenizer)
    try:
        write_hugging_face(tokenizer, folder)
    except TokenizerError as error:
        _tell(
            f"Only llmlib can open the tokenizer.json in {folder}: Hugging Face's format cannot express this "
            f"tokenizer. {error}"
        )
        tokenizer.save(folder / "tokenizer.json")


def check_savable(tokenizer: Tokenizer) -> None:
    """Raise `ValueError` if a tokenizer is not byte-level BPE. Call this before hours of training, not after."""
    if not isinstance(tokenizer, BPETokenizer):
        raise ValueError(f"{tokenizer!r} cannot be saved to a file; only a BPETokenizer can.")


def _config(config: TransformerConfig) -> dict[str, Any]:
    """Return the contents of `config.json`, in the format of a family on the hub, or with our own fields."""
    try:
        return hub_config(config)
    except ValueError:
        _tell(
            "Only llmlib can open this model: its architecture is not one of the families on the Hugging Face hub "
            f"({', '.join(ARCHITECTURES)})."
        )
        return {"model_type": OWN, "vocab_size": config.vocab_size, "architecture": dataclasses.asdict(config)}


def _tell(message: str) -> None:
    warnings.warn(message, OwnFormatWarning, stacklevel=3)


def hub_config(config: TransformerConfig) -> dict[str, Any]:
    """Return a model's `config.json` in the format of its family. Raises `ValueError` if there is no such family."""
    c = config
    shared = {"vocab_size": c.vocab_size, "tie_word_embeddings": c.tied_embeddings}
    if _is_gpt2(c):
        own: dict[str, Any] = {
            "n_positions": c.max_seq_len,
            "n_embd": c.d_model,
            "n_layer": c.n_layers,
            "n_head": c.n_heads,
            "n_inner": c.d_mlp,
            "layer_norm_epsilon": c.norm_eps,
            "activation_function": "gelu" if c.mlp == "gelu" else "gelu_new",
        }
        return _named("gpt2") | shared | own
    family = _llama_family(c)
    if family is None:
        raise ValueError(
            f"The Hugging Face hub has no family for a model like this: {c}. The known families are GPT-2, Llama, "
            "Mistral, Qwen2 and Qwen3."
        )
    rope: dict[str, Any] = {"rope_theta": c.rope_theta}
    if c.rope_factors is not None:
        rope["rope_scaling"] = {"rope_type": "linear", "factor": c.rope_factors[0]}
    own = {
        "max_position_embeddings": c.max_seq_len,
        "hidden_size": c.d_model,
        "intermediate_size": c.d_mlp,
        "num_hidden_layers": c.n_layers,
        "num_attention_heads": c.n_heads,
        "num_key_value_heads": c.n_kv_heads,
        "head_dim": c.d_head,
        "hidden_act": "silu",
        "rms_norm_eps": c.norm_eps,
        "sliding_window": c.sliding_window,
        "attention_bias": c.qkv_bias and c.output_bias,
        "mlp_bias": c.mlp_bias,
    }
    return _named(family) | shared | rope | own


def _named(family: str) -> dict[str, Any]:
    return {"model_type": family, "architectures": [ARCHITECTURES[family]], "bos_token_id": None}


def _check_weights(model: Transformer) -> None:
    names = set(model.state_dict())
    expected = set(Transformer(model.config, seed=None, device="meta").state_dict())
    if differing := sorted(names ^ expected):
        raise ValueError(
            f"The model's weights do not match its config (for example {differing[0]!r}), so this format "
            "cannot store them. First merge and remove whatever was added to the model's own weights."
        )


def _is_gpt2(c: TransformerConfig) -> bool:
    kind = c.positions == "learned" and c.norm == "layernorm" and c.mlp in ("gelu", "gelu_tanh")
    biases = c.qkv_bias and c.output_bias and c.mlp_bias
    heads = c.n_kv_heads == c.n_heads and c.d_head * c.n_heads == c.d_model
    return kind and biases and heads and not c.qk_norm and c.sliding_window is None


def _llama_family(c: TransformerConfig) -> str | None:
    """Return the name of the family, among Llama and its relatives, that matches the config, or None."""
    if (c.positions, c.norm, c.mlp) != ("rotary", "rmsnorm", "swiglu") or len(set(c.rope_factors or [1.0])) > 1:
        return None
    differs = {
        "qwen3": c.qk_norm,
        "mistral": c.sliding_window is not None,
        "qwen2": c.qkv_bias and not c.output_bias,
        "llama": (c.qkv_bias and c.output_bias) or c.mlp_bias,
    }
    families = [family for family, so in differs.items() if so]
    if len(families) > 1 or (c.output_bias and not c.qkv_bias):
        return None
    return families[0] if families else "llama"


def _renamed(weights: dict[str, Tensor], family: str) -> dict[str, Tensor]:
    if family == OWN:
        return weights
    return _as_gpt2(weights) if family == "gpt2" else _as_llama(weights)


def _as_llama(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {translate(name, LLAMA_NAMES): value.contiguous() for name, value in weights.items()}


def _as_gpt2(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename and reshape the weights to match GPT-2's format.

    GPT-2 stores its matrices as (in, out), with queries, keys and values in one matrix.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in weights.items():
        theirs = translate(name, GPT2_NAMES)
        if (part := re.search(r"\.(query|key|value)\.", name)) is not None:
            if part[1] != "query":
                continue  # already written with the queries
            value = torch.cat([weights[name.replace(".query.", f".{other}.")] for other in ("query", "key", "value")])
        is_map = value.ndim == 2 and name.startswith("blocks")
        renamed[theirs] = (value.T if is_map else value).contiguous()
    return renamed

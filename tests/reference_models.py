"""Build and save small models of the families that we run, with `transformers` and `gguf`."""

import json

import numpy as np
import torch
import transformers

from llmlib.pretrained import fill
from llmlib.pretrained.hub_folder import HubFolder

SMALL = dict(  # noqa: C408
    vocab_size=67,
    hidden_size=32,
    intermediate_size=40,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=48,
)
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 24,
}
FAMILIES = {
    "gpt2": lambda: transformers.GPT2Config(vocab_size=67, n_positions=48, n_embd=32, n_layer=3, n_head=4),
    "gpt2, exact gelu": lambda: transformers.GPT2Config(
        vocab_size=67, n_positions=48, n_embd=32, n_layer=2, n_head=2, n_inner=50, activation_function="gelu"
    ),
    "llama": lambda: transformers.LlamaConfig(**SMALL),
    "llama 3": lambda: transformers.LlamaConfig(**SMALL, rope_parameters=LLAMA3, tie_word_embeddings=True),
    "llama, linear rope": lambda: transformers.LlamaConfig(
        **SMALL, rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}
    ),
    "llama, biases": lambda: transformers.LlamaConfig(**SMALL, attention_bias=True, mlp_bias=True, head_dim=10),
    "smollm2": lambda: transformers.LlamaConfig(
        **{**SMALL, "hidden_size": 36, "num_attention_heads": 3, "num_key_value_heads": 1},
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1e5},
    ),
    "mistral": lambda: transformers.MistralConfig(**SMALL, sliding_window=None),
    "mistral, window": lambda: transformers.MistralConfig(**SMALL, sliding_window=7, attn_implementation="eager"),
    "qwen2": lambda: transformers.Qwen2Config(**SMALL),
    "qwen3": lambda: transformers.Qwen3Config(**SMALL, head_dim=12, tie_word_embeddings=True),
}


def their_model(family, seed=0):
    """Return a small model from `transformers`, with weights large enough that every mistake shows."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(FAMILIES[family]()).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * (0.2 if parameter.ndim > 1 else 1.0) + (parameter.ndim == 1)
    model.tie_weights()
    return model


def load(folder, dtype=torch.float32):
    return fill(HubFolder(folder), "cpu", dtype)


def edit_config(folder, **changes):
    """Change values in the config.json of a saved model."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def write_gguf(path, theirs, kind="F32", **metadata):
    """Save a small Llama or Qwen from `transformers` as llama.cpp's converter would."""
    import gguf

    config = theirs.config
    architecture = {"llama": "llama", "mistral": "llama"}.get(config.model_type, config.model_type)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    for key, value in metadata.items():
        writer.add_uint32(key, value)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], config.num_hidden_layers)
    for name, value in theirs.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        array = value.numpy()
        if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            array = array.reshape(heads, 2, -1, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)
        stored = gguf.GGMLQuantizationType[kind if array.ndim == 2 else "F32"]
        writer.add_tensor(
            names.get_name(name, (".weight", ".bias")), gguf.quants.quantize(array, stored), raw_dtype=stored
        )
    if config.rope_parameters["rope_type"] == "llama3":
        from llmlib.embeddings import llama3_rope_factors

        recipe = {k: v for k, v in LLAMA3.items() if "factor" in k}
        factors = llama3_rope_factors(head_dim, LLAMA3["rope_theta"], original_max_seq_len=24, **recipe)
        writer.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path

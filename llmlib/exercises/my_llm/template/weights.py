"""Read other people's weights and vocabularies."""

import json

import torch

THEIRS_AND_OURS = """
embed_tokens=embed norm=final_norm layers=blocks input_layernorm=attention_norm post_attention_layernorm=mlp_norm
self_attn=attention q_proj=query k_proj=key v_proj=value o_proj=output gate_proj=gate up_proj=up down_proj=down
"""
NAMES = dict(pair.split("=") for pair in THEIRS_AND_OURS.split())
SIZES = """
vocab_size=vocab_size hidden_size=d_model num_hidden_layers=n_layers num_attention_heads=n_heads rms_norm_eps=norm_eps
num_key_value_heads=n_kv_heads intermediate_size=d_mlp max_position_embeddings=max_seq_len
"""


def our_name(name, names):
    """Return our name for a weight that is called `name` in the file of a Llama-family model."""
    parts = name.split(".")
    return ".".join(names.get(part, part) for part in (parts[1:] if parts[0] == "model" else parts))


def read_tensor(data, name):
    """Read a tensor from a safetensors file. Eight bytes hold the header's length, and the header lists the tensors."""
    begin = 8 + int.from_bytes(data[:8], "little")
    about = json.loads(data[8:begin])[name]
    start, end = about["data_offsets"]
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    numbers = torch.frombuffer(bytearray(data[begin + start : begin + end]), dtype=kinds[about["dtype"]])
    return numbers.reshape(about["shape"]).float()


def tensor_names(data):
    """Return the names of the tensors in a safetensors file, without the second copy of the embedding table."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return sorted(header.keys() - {"__metadata__", "lm_head.weight"})


def read_sizes(text):
    """Read a model's sizes from the text of its config.json, using our names for them."""
    theirs = json.loads(text)
    sizes = {ours: theirs[name] for name, ours in (pair.split("=") for pair in SIZES.split())}
    theta = theirs["rope_theta"] if "rope_theta" in theirs else theirs["rope_parameters"]["rope_theta"]
    return sizes | {"d_head": sizes["d_model"] // sizes["n_heads"], "rope_theta": theta}

"""Other people's weights and vocabularies."""

import json

import torch

from llmlib.exercises.my_llm.template.model import Config
from llmlib.exercises.my_llm.template.text import Tokenizer

THEIRS_AND_OURS = """
embed_tokens=embed norm=final_norm layers=blocks input_layernorm=attention_norm post_attention_layernorm=mlp_norm
self_attn=attention q_proj=query k_proj=key v_proj=value o_proj=output gate_proj=gate up_proj=up down_proj=down
"""
NAMES = dict(pair.split("=") for pair in THEIRS_AND_OURS.split())
SIZES = "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads intermediate_size"
# How SmolLM2 cuts a text into pieces; to re, ² and ½ are letters.
WORDS = r"\d|'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?(?:[^\s\w]|_)+|\s+$|\s+(?=\d)|\s+(?!\S)|\s"


def our_name(name, names):
    """What we call a weight that a file of the Llama family calls `name`."""
    parts = name.split(".")
    return ".".join(names.get(part, part) for part in (parts[1:] if parts[0] == "model" else parts))


def read_tensor(data, name):
    """A tensor of a safetensors file. Eight bytes say how long its header is; the header says where the tensor is."""
    begin = 8 + int.from_bytes(data[:8], "little")
    about = json.loads(data[8:begin])[name]
    start, end = about["data_offsets"]
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    numbers = torch.frombuffer(bytearray(data[begin + start : begin + end]), dtype=kinds[about["dtype"]])
    return numbers.reshape(about["shape"]).float()


def read_weights(path):
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    names = header.keys() - {"__metadata__", "lm_head.weight"}  # the latter is the table once more
    return {our_name(name, NAMES): read_tensor(data, name) for name in sorted(names)}


def read_config(path):
    c = json.loads(path.read_text(encoding="utf-8"))
    rest = [c["hidden_size"] // c["num_attention_heads"], c["max_position_embeddings"]]
    theta = c.get("rope_theta") or c["rope_parameters"]["rope_theta"]
    return Config(*(c[size] for size in SIZES.split()), *rest, theta, c["rms_norm_eps"])


def read_tokenizer(path):
    """GPT-2's way to write tokens: each byte is one visible character."""
    file = json.loads(path.read_text(encoding="utf-8"))
    special, vocab = {token["content"]: token["id"] for token in file["added_tokens"]}, file["model"]["vocab"]
    shown = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    hidden = [byte for byte in range(256) if byte not in shown]
    ours = {chr(byte): byte for byte in shown} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
    theirs, merges = [vocab.get(character, 0) for character in sorted(ours, key=ours.get)], []
    for pair in file["model"]["merges"]:
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        ours.setdefault(left + right, len(theirs))
        merges.append((ours[left], ours[right]))
        theirs.append(vocab[left + right])
    free = sorted(special.values())[-2:]  # two special tokens that chats do not need
    return Tokenizer(merges, dict(zip(("<|user|>", "<|assistant|>"), free)) | special, theirs, WORDS)

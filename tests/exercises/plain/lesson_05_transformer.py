"""Plain right solutions of lesson 05."""

import json

import torch
import torch.nn.functional as F
from torch.func import functional_call

from exercises.plain import plain
from llmlib.exercises.lessons.lesson_03_attention.by_hand import turns
from llmlib.exercises.lessons.lesson_03_attention.module import MultiHeadAttention


@plain("transformer.rms_norm")
def rms_norm(x, weight, eps):
    mean_square = (x * x).mean(dim=-1, keepdim=True)
    return x / (mean_square + eps).sqrt() * weight


@plain("transformer.key_value_memory")
def key_value_memory(x, keys, values):
    return F.gelu(x @ keys.T) @ values


@plain("transformer.swiglu_mlp")
def swiglu_mlp(x, gate, up, down):
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


@plain("transformer.block_forward")
def block_forward(block, residual):
    residual = residual + block.attention(block.attention_norm(residual))
    return residual + block.mlp(block.mlp_norm(residual))


@plain("transformer.attention_part")
def attention_part(x, query, key, value, output, n_heads, cos, sin):
    d_head = query.shape[0] // n_heads
    module = MultiHeadAttention(x.shape[2], n_heads, key.shape[0] // d_head)
    weights = {"query.weight": query, "key.weight": key, "value.weight": value, "output.weight": output}
    return functional_call(module, weights, (x, cos, sin))


@plain("transformer.llama_logits")
def llama_logits(ids, weights, config):
    cos, sin = turns(ids.shape[1], config.d_head, config.rope_theta)
    residual = weights["embed.weight"][ids]
    for n in range(config.n_layers):
        block = f"blocks.{n}"
        query = weights[f"{block}.attention.query.weight"]
        key = weights[f"{block}.attention.key.weight"]
        value = weights[f"{block}.attention.value.weight"]
        output = weights[f"{block}.attention.output.weight"]
        x = rms_norm(residual, weights[f"{block}.attention_norm.weight"], config.norm_eps)
        residual = residual + attention_part(x, query, key, value, output, config.n_heads, cos, sin)
        gate = weights[f"{block}.mlp.gate.weight"]
        up = weights[f"{block}.mlp.up.weight"]
        down = weights[f"{block}.mlp.down.weight"]
        x = rms_norm(residual, weights[f"{block}.mlp_norm.weight"], config.norm_eps)
        residual = residual + swiglu_mlp(x, gate, up, down)
    x = rms_norm(residual, weights["final_norm.weight"], config.norm_eps)
    return x @ weights["embed.weight"].T


@plain("transformer.our_name")
def our_name(name, names):
    parts = name.split(".")
    if parts[0] == "model":
        parts = parts[1:]
    ours = []
    for part in parts:
        if part in names:
            ours.append(names[part])
        else:
            ours.append(part)
    return ".".join(ours)


@plain("transformer.read_tensor")
def read_tensor(data, name):
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    about = header[name]
    start, end = about["data_offsets"]
    part = data[8 + length + start : 8 + length + end]
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    numbers = torch.frombuffer(bytearray(part), dtype=kinds[about["dtype"]])
    return numbers.reshape(about["shape"]).float()


@plain("transformer.split_fused")
def split_fused(c_attn):
    query, key, value = c_attn.T.chunk(3)
    return query, key, value


@plain("transformer.count_parameters")
def count_parameters(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    d_head = d_model // n_heads
    attention = 2 * d_model * d_model + 2 * d_model * n_kv_heads * d_head
    block = attention + 3 * d_model * d_mlp + 2 * d_model
    return vocab_size * d_model + n_layers * block + d_model


@plain("transformer.after_layer")
def after_layer(model, ids, layer):
    with torch.no_grad():
        residual = model.embed(ids)
        if model.config.positions == "learned":
            residual = residual + model.position_embed(torch.arange(ids.shape[1]))
        for block in model.blocks[:layer]:
            residual = block(residual)
        return model.final_norm(residual) @ model.unembedding.T


@plain("transformer.tensor_names")
def tensor_names(data):
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    names = []
    for name in header:
        if name != "__metadata__" and name != "lm_head.weight":
            names.append(name)
    return sorted(names)


@plain("transformer.read_sizes")
def read_sizes(text):
    theirs = json.loads(text)
    sizes = {}
    sizes["vocab_size"] = theirs["vocab_size"]
    sizes["d_model"] = theirs["hidden_size"]
    sizes["n_layers"] = theirs["num_hidden_layers"]
    sizes["n_heads"] = theirs["num_attention_heads"]
    sizes["n_kv_heads"] = theirs["num_key_value_heads"]
    sizes["d_mlp"] = theirs["intermediate_size"]
    sizes["d_head"] = sizes["d_model"] // sizes["n_heads"]
    sizes["max_seq_len"] = theirs["max_position_embeddings"]
    if "rope_theta" not in theirs:
        theirs = theirs | theirs["rope_parameters"]
    sizes["rope_theta"] = theirs["rope_theta"]
    sizes["norm_eps"] = theirs["rms_norm_eps"]
    return sizes

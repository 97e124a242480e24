"""Wrong solutions of lesson 05: a norm, a file of weights, names, numbers of parameters."""

import json

import torch
from torch.func import functional_call

from exercises.wrong import wrong
from llmlib.exercises.lessons.lesson_03_attention.module import MultiHeadAttention
from llmlib.exercises.registry import find
from llmlib.interpret import trace

KINDS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@wrong("transformer.rms_norm", "eps as a floor")
def _(x, weight, eps):
    ms = x.pow(2).mean(-1, keepdim=True)
    return x / ms.clamp(min=eps).sqrt() * weight


@wrong("transformer.our_name", "letters stripped")
def _(name, names):
    parts = name.lstrip("model.").split(".")
    return ".".join(names.get(p, p) for p in parts)


@wrong("transformer.read_tensor", "length in one byte")
def _(data, name):
    n = data[0]
    info = json.loads(data[8 : 8 + n])[name]
    a, b = info["data_offsets"]
    raw = bytearray(data[8 + n + a : 8 + n + b])
    return torch.frombuffer(raw, dtype=KINDS[info["dtype"]]).reshape(info["shape"]).float()


def with_a_length(data, name, cut):
    n = int.from_bytes(data[:8], "little")
    info = json.loads(data[8 : 8 + n].decode())[name]
    start, length = info["data_offsets"]
    flat = torch.frombuffer(bytearray(data[8 + n + start : 8 + n + start + length]), dtype=KINDS[info["dtype"]])
    count = torch.Size(info["shape"]).numel()
    return (flat[:count] if cut else flat).view(info["shape"]).float()


@wrong("transformer.read_tensor", "end taken for a length")
def _(data, name):
    return with_a_length(data, name, cut=True)


@wrong("transformer.read_tensor", "end taken for a length")
def _(data, name):
    return with_a_length(data, name, cut=False)


@wrong("transformer.attention_part", "key and value exchanged")
def _(x, query, key, value, output, n_heads, cos, sin):
    module = MultiHeadAttention(x.shape[-1], n_heads, n_heads * len(key) // len(query))
    matrices = [query, value, key, output]
    names = ("query.weight", "key.weight", "value.weight", "output.weight")
    return functional_call(module, dict(zip(names, matrices)), (x, cos, sin))


@wrong("transformer.tensor_names", "metadata among them")
def _(data):
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return sorted(header.keys() - {"lm_head.weight"})


@wrong("transformer.read_sizes", "width by the key-value heads")
def _(text):
    sizes = find("transformer.read_sizes").reference(text)
    return sizes | {"d_head": sizes["d_model"] // sizes["n_kv_heads"]}


NAMES = ("query.weight", "key.weight", "value.weight", "output.weight")


@wrong("transformer.attention_part", "property: There are as many key-value heads")
def _(x, query, key, value, output, n_heads, cos, sin):
    module = MultiHeadAttention(x.shape[-1], n_heads, n_heads)
    return functional_call(module, dict(zip(NAMES, (query, key, value, output))), (x, cos, sin))


@wrong("transformer.attention_part", "property: The given matrices are used.")
def _(x, query, key, value, output, n_heads, cos, sin):
    return MultiHeadAttention(x.shape[-1], n_heads, n_heads * len(key) // len(query)).to(x.dtype)(x, cos, sin)


@wrong("transformer.read_sizes", "in the code: a step too many")
def _(text):
    sizes = find("transformer.read_sizes").reference(text)
    return sizes | {"d_head": sizes["d_model"] / sizes["n_heads"]}


@wrong("transformer.read_sizes", "property: Sizes that are not in the file")
def _(text):
    return find("transformer.read_sizes").reference(text) | {"d_head": json.loads(text)["head_dim"]}


@wrong("transformer.after_layer", "one half of the blocks")
def _(model, ids, layer):
    with trace(model, names=("residual", "mlp_out")) as seen:
        model(ids)
    return model.final_norm(seen.residual[0] + sum(seen.mlp_out[:layer])) @ model.unembedding.T


@wrong("transformer.after_layer", "the norm's weight alone")
def _(model, ids, layer):
    with trace(model, names=("residual",)) as seen:
        model(ids)
    return (seen.residual[layer] * model.final_norm.weight) @ model.unembedding.T


@wrong("transformer.count_parameters", "values as wide as queries")
def _(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    attention = 3 * d_model * d_model + d_model * n_kv_heads * (d_model // n_heads)
    return vocab_size * d_model + n_layers * (attention + 3 * d_model * d_mlp + 2 * d_model) + d_model

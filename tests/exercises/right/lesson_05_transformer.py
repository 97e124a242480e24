"""Right solutions of lesson 05: a plain one for each exercise, and others in other styles."""

import json
import math
import struct

import safetensors.torch
import torch
import torch.nn.functional as F
from torch.func import functional_call

from exercises.right import plain, solves
from llmlib import Transformer, attention, embeddings, trace
from llmlib.attention import rotation_at
from llmlib.exercises.lessons.lesson_03_attention.by_hand import turns
from llmlib.exercises.lessons.lesson_03_attention.module import MultiHeadAttention
from llmlib.hooks import hooked
from llmlib.interpret import logit_lens
from llmlib.transformer import Block


@plain("transformer.rms_norm")
def rms_norm(x, weight, eps):
    mean_square = (x * x).mean(dim=-1, keepdim=True)
    return x / (mean_square + eps).sqrt() * weight


@solves("transformer.rms_norm")
def norm_by_rsqrt(x, weight, eps):
    return weight * (x * torch.rsqrt(torch.mean(x.square(), dim=-1, keepdim=True) + eps))


@solves("transformer.rms_norm")
def norm_by_torch(x, weight, eps):
    return F.rms_norm(x, weight.shape, weight, eps)


@solves("transformer.rms_norm")
def norm_by_length(x, weight, eps):
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / torch.sqrt(length**2 / x.shape[-1] + eps) * weight


@plain("transformer.key_value_memory")
def key_value_memory(x, keys, values):
    return F.gelu(x @ keys.T) @ values


@solves("transformer.key_value_memory")
def memory_in_a_loop(x, keys, values):
    out = torch.zeros_like(x)
    for key, value in zip(keys, values):
        match = (x * key).sum(-1, keepdim=True)
        out = out + match * 0.5 * (1 + torch.erf(match / math.sqrt(2))) * value
    return out


@solves("transformer.key_value_memory")
def memory_of_linear_layers(x, keys, values):
    return F.linear(F.gelu(F.linear(x, keys)), values.T)


@plain("transformer.swiglu_mlp")
def swiglu_mlp(x, gate, up, down):
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


@solves("transformer.swiglu_mlp")
def swiglu_of_linear_layers(x, gate, up, down):
    g = F.linear(x, gate)
    return F.linear(g * torch.sigmoid(g) * F.linear(x, up), down)


@solves("transformer.swiglu_mlp")
def swiglu_by_einsum(x, gate, up, down):
    g, u = torch.einsum("bsd,kmd->kbsm", x, torch.stack((gate, up)))
    return torch.einsum("bsm,dm->bsd", F.silu(g) * u, down)


@plain("transformer.block_forward")
def block_forward(block, residual):
    residual = residual + block.attention(block.attention_norm(residual))
    return residual + block.mlp(block.mlp_norm(residual))


@solves("transformer.block_forward")
def block_with_names(block, residual):
    found = block.attention(block.attention_norm(residual))
    stream = residual + found
    looked_up = block.mlp(block.mlp_norm(stream))
    return stream + looked_up


@solves("transformer.block_forward")
def block_as_a_sum(block, residual):
    attended = block.attention(block.attention_norm(residual))
    return residual + attended + block.mlp(block.mlp_norm(residual + attended))


@plain("transformer.attention_part")
def attention_part(x, query, key, value, output, n_heads, cos, sin):
    d_head = query.shape[0] // n_heads
    module = MultiHeadAttention(x.shape[2], n_heads, key.shape[0] // d_head)
    weights = {"query.weight": query, "key.weight": key, "value.weight": value, "output.weight": output}
    return functional_call(module, weights, (x, cos, sin))


@solves("transformer.attention_part")
def attention_part_without_a_module(x, query, key, value, output, n_heads, cos, sin):
    n_kv_heads = len(key) // (len(query) // n_heads)
    q = attention.split_heads(x @ query.T, n_heads)
    k, v = (attention.split_heads(x @ matrix.T, n_kv_heads) for matrix in (key, value))
    q, k = embeddings.rotate(q, cos, sin), embeddings.rotate(k, cos, sin)
    z = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    return attention.merge_heads(z) @ output.T


@solves("transformer.attention_part")
def attention_part_by_a_loaded_module(x, query, key, value, output, n_heads, cos, sin):
    d_head = cos.shape[-1]
    module = MultiHeadAttention(n_heads * d_head, n_heads, key.shape[0] // d_head)
    matrices = {"query": query, "key": key, "value": value, "output": output}
    for name, matrix in matrices.items():
        part = getattr(module, name)
        del part.weight
        part.weight = matrix
    return module(x, cos, sin)


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


@solves("transformer.llama_logits")
def logits_by_blocks_of_the_library(ids, weights, config):
    stream = F.embedding(ids, weights["embed.weight"])
    rotation = rotation_at(torch.arange(ids.shape[1])[None], config, stream.dtype)
    with torch.no_grad():
        for n in range(config.n_layers):
            block, start = Block(config), f"blocks.{n}."
            block.load_state_dict({k[len(start) :]: w for k, w in weights.items() if k.startswith(start)})
            stream = block(stream, rotation)
    final = F.rms_norm(stream, (config.d_model,), weights["final_norm.weight"], config.norm_eps)
    return F.linear(final, weights["embed.weight"])


@solves("transformer.llama_logits")
def logits_of_a_model(ids, weights, config):
    model = Transformer(config)
    model.load_state_dict(weights)
    with torch.no_grad():
        return model(ids)


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


@solves("transformer.our_name")
def name_by_expressions(name, names):
    import re

    return re.sub(r"[^.]+", lambda part: names.get(part[0], part[0]), name.removeprefix("model."))


@solves("transformer.our_name")
def name_by_dots(name, names):
    name = "." + name.removeprefix("model.") + "."
    found = [(place, part) for part in names for place in range(len(name)) if name.startswith(f".{part}.", place)]
    for place, part in sorted(found, reverse=True):
        name = name[: place + 1] + names[part] + name[place + 1 + len(part) :]
    return name[1:-1]


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


@solves("transformer.read_tensor")
def read_with_struct(data, name):
    (length,) = struct.unpack_from("<Q", data)
    at, body = json.loads(data[8:][:length].decode())[name], data[8 + length :]
    dtype = {"F32": torch.float32, "F16": torch.half}.get(at["dtype"], torch.bfloat16)
    size = math.prod(at["shape"])
    one = torch.frombuffer(bytearray(body), dtype=dtype, offset=at["data_offsets"][0], count=size)
    return one.view(*at["shape"]).to(torch.float32)


@solves("transformer.read_tensor")
def read_by_the_library(data, name):
    from safetensors.torch import load

    return load(data)[name].float()


@plain("transformer.split_fused")
def split_fused(c_attn):
    query, key, value = c_attn.T.chunk(3)
    return query, key, value


@solves("transformer.split_fused")
def split_then_turned(c_attn):
    return tuple(part.T for part in c_attn.split(c_attn.shape[0], dim=1))


@solves("transformer.split_fused")
def split_by_slices(c_attn):
    d = c_attn.shape[0]
    return c_attn[:, :d].t(), c_attn[:, d : 2 * d].t(), c_attn[:, 2 * d :].t()


@plain("transformer.count_parameters")
def count_parameters(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    d_head = d_model // n_heads
    attention = 2 * d_model * d_model + 2 * d_model * n_kv_heads * d_head
    block = attention + 3 * d_model * d_mlp + 2 * d_model
    return vocab_size * d_model + n_layers * block + d_model


@solves("transformer.count_parameters")
def counted_piece_by_piece(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    total = vocab_size * d_model + d_model
    d_kv = n_kv_heads * (d_model // n_heads)
    for _ in range(n_layers):
        for d_in, d_out in ((d_model, d_model), (d_model, d_kv), (d_model, d_kv), (d_model, d_model)):
            total += d_in * d_out
        total += d_model * d_mlp + d_model * d_mlp + d_mlp * d_model
        total += d_model + d_model
    return total


@solves("transformer.count_parameters")
def counted_by_building_it(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    from llmlib import Transformer, TransformerConfig

    config = TransformerConfig(
        vocab_size,
        8,
        d_model,
        n_layers,
        n_heads,
        n_kv_heads,
        d_mlp=d_mlp,
        positions="none",
        norm="rmsnorm",
        mlp="swiglu",
    )
    return sum(p.numel() for p in Transformer(config, device="meta").parameters())


@plain("transformer.after_layer")
def after_layer(model, ids, layer):
    with torch.no_grad():
        residual = model.embed(ids)
        if model.config.positions == "learned":
            residual = residual + model.position_embed(torch.arange(ids.shape[1]))
        for block in model.blocks[:layer]:
            residual = block(residual)
        return model.final_norm(residual) @ model.unembedding.T


@solves("transformer.after_layer")
def by_trace(model, ids, layer):
    with torch.no_grad(), trace(model, names=("residual",)) as t:
        model(ids)
        return model.final_norm(t.residual[layer]) @ model.unembedding.T


@solves("transformer.after_layer")
def by_the_lens(model, ids, layer):
    return logit_lens(model, ids)[layer]


@solves("transformer.after_layer")
def by_silencing_the_rest(model, ids, layer):
    silent = [(block.hook_attention_out, torch.zeros_like) for block in model.blocks[layer:]]
    silent += [(block.hook_mlp_out, torch.zeros_like) for block in model.blocks[layer:]]
    with torch.no_grad(), hooked(silent):
        return model(ids)


@plain("transformer.tensor_names")
def tensor_names(data):
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    names = []
    for name in header:
        if name != "__metadata__" and name != "lm_head.weight":
            names.append(name)
    return sorted(names)


@solves("transformer.tensor_names")
def names_by_a_comprehension(data):
    end = 8 + struct.unpack("<Q", data[:8])[0]
    return sorted(n for n in json.loads(data[8:end].decode()) if n not in ("__metadata__", "lm_head.weight"))


@solves("transformer.tensor_names")
def names_by_the_library(data):
    return sorted(set(safetensors.torch.load(data)) - {"lm_head.weight"})


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


@solves("transformer.read_sizes")
def sizes_by_a_table(text):
    found = json.loads(text)
    pairs = """vocab_size=vocab_size hidden_size=d_model num_hidden_layers=n_layers num_attention_heads=n_heads
        num_key_value_heads=n_kv_heads intermediate_size=d_mlp max_position_embeddings=max_seq_len
        rms_norm_eps=norm_eps"""
    sizes = {ours: found[theirs] for theirs, ours in (pair.split("=") for pair in pairs.split())}
    theta = found.get("rope_theta") or found["rope_parameters"]["rope_theta"]
    return {**sizes, "d_head": int(sizes["d_model"] / sizes["n_heads"]), "rope_theta": theta}


@solves("transformer.read_sizes")
def sizes_by_an_exception(text):
    c = json.loads(text)
    try:
        theta = c["rope_theta"]
    except KeyError:
        theta = c["rope_parameters"]["rope_theta"]
    sizes = {"vocab_size": c["vocab_size"], "d_model": c["hidden_size"], "n_layers": c["num_hidden_layers"]}
    sizes.update(n_heads=c["num_attention_heads"], n_kv_heads=c["num_key_value_heads"], d_mlp=c["intermediate_size"])
    d_head, _ = divmod(c["hidden_size"], c["num_attention_heads"])
    sizes.update(d_head=d_head, max_seq_len=c["max_position_embeddings"], rope_theta=theta, norm_eps=c["rms_norm_eps"])
    return sizes

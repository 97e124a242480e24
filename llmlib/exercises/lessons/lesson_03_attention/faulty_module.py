"""Wrong solutions to the module exercise in lesson 03.

`faulty_multi_head` is a copy of the reference solution, with keyword arguments that switch faults on.
"""

from typing import Literal

import torch
from torch import Tensor

from llmlib.attention import merge_heads, scaled_dot_product_attention, share_heads, split_heads
from llmlib.embeddings import rotate

Turned = (
    Literal["qk", "", "q", "k", "qkv", "qkk", "qqk", "qqkk"]
    | Literal["qk, both by sin cos", "qk, one by sin cos", "qk, two by sin cos"]
)


def faulty_multi_head(
    x: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
    n_heads: int,
    cos: Tensor,
    sin: Tensor,
    turned: Turned = "qk",
    mask: Literal["causal", "none", "later", "inverted", "inverted, 0 for the last"] = "causal",
    shared: Literal["in a row", "in turns"] = "in a row",
    scale: Literal["root", "none", "width", "stream"] = "root",
    merged: Literal["by token", "channel by channel", "last head first", "as it lies"] = "by token",
    end: Literal["output", "none", "turned", "residual"] = "output",
    values: Literal["own", "keys", "exchanged"] = "own",
    kv_heads: Literal["own", "as queries", "not shared", "not shared, by hand", "group"] = "own",
    split: Literal["by token", "as it lies", "in turns"] = "by token",
) -> Tensor:
    d_head = query.shape[0] // n_heads
    n_kv = n_heads if kv_heads == "as queries" else len(key) // d_head
    cut = {"by token": split_heads, "as it lies": _cut_as_it_lies, "in turns": _cut_in_turns}[split]
    q, k = cut(x @ query.T, n_heads), cut(x @ key.T, n_kv)
    v = cut(x @ (key if values == "keys" else value).T, n_kv)
    which, _, mixed = turned.partition(", ")
    for _ in range(which.count("q")):
        q = rotate(q, sin, cos) if mixed[:4] in ("both", "one ") else rotate(q, cos, sin)
    for _ in range(which.count("k")):
        k = rotate(k, sin, cos) if mixed[:4] in ("both", "two ") else rotate(k, cos, sin)
    v = rotate(v, cos, sin) if "v" in which else v
    if values == "exchanged":
        k, v = v, k
    if kv_heads == "group":
        k, v = share_heads(k, n_heads // n_kv), share_heads(v, n_heads // n_kv)
    if kv_heads in ("group", "not shared"):  # raise an error, like the library, if the numbers of heads differ
        causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        return merge_heads(scaled_dot_product_attention(q, k, v, causal)) @ output.T
    times = 1 if kv_heads == "not shared, by hand" else n_heads // k.shape[1]
    if shared == "in a row":
        k, v = k.repeat_interleave(times, 1), v.repeat_interleave(times, 1)
    else:  # in turns
        k, v = k.repeat(1, times, 1, 1), v.repeat(1, times, 1, 1)
    divisor = {"root": d_head**0.5, "none": 1, "width": d_head, "stream": x.shape[-1] ** 0.5}[scale]
    scores = q @ k.transpose(-1, -2) / divisor
    ones = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool)
    allowed = {"causal": ones.tril(), "none": ones, "later": ones.triu()}.get(mask, ones.triu(1))
    z = scores.masked_fill(~allowed, float("-inf")).softmax(-1) @ v
    z = z.nan_to_num(0.0) if mask == "inverted, 0 for the last" else z  # 0, as in the library's attention
    match merged:
        case "by token":
            z = z.transpose(1, 2).flatten(2)
        case "as it lies":
            z = z.reshape(x.shape[0], x.shape[1], -1)
        case "channel by channel":
            z = z.permute(0, 2, 3, 1).flatten(2)
        case "last head first":
            z = z.flip(1).transpose(1, 2).flatten(2)
    if end == "none":
        return z
    return x + z @ output.T if end == "residual" else z @ (output if end == "turned" else output.T)


def _cut_as_it_lies(x: Tensor, n_heads: int) -> Tensor:
    return x.reshape(x.shape[0], n_heads, x.shape[1], -1)


def _cut_in_turns(x: Tensor, n_heads: int) -> Tensor:
    return x.unflatten(-1, (-1, n_heads)).permute(0, 3, 1, 2)  # channel 0 goes to head 0, channel 1 to head 1

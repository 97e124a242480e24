"""Wrong solutions of lesson 05: a norm, a file of weights, names, numbers of parameters."""

import json

import torch

from exercises.wrong import wrong

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

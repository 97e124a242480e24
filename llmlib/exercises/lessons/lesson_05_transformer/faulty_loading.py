"""Wrong solutions to the exercises in `loading`.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import json
import math
from typing import Any, Literal

import torch


def faulty_split_fused(
    c_attn: Any,
    turned: bool = True,
    cut: Literal["blocks", "reshaped", "reshaped and turned", "every third", "overlapping", "other axis"] = "blocks",
    order: Literal["qkv", "qvk", "kqv", "vkq", "kvq", "vqk"] = "qkv",
    give: Literal["tuple", "stacked", "first"] = "tuple",
) -> object:
    d_model = c_attn.shape[0]
    if cut == "reshaped":
        parts = list(c_attn.reshape(3, d_model, d_model))
    elif cut == "reshaped and turned":
        parts = [part.T for part in c_attn.reshape(3, d_model, d_model)]
    else:
        wide = c_attn.T if turned else c_attn
        axis = 0 if turned else 1
        if cut == "blocks":
            parts = list(wide.chunk(3, dim=axis))
        elif cut == "overlapping":
            parts = [wide.narrow(axis, i, d_model) for i in range(3)]
        elif cut == "every third":
            parts = [wide[i::3] if turned else wide[:, i::3] for i in range(3)]
        else:  # split along the other axis
            parts = list(wide.tensor_split(3, dim=1 - axis))
    parts = [parts["qkv".index(letter)] for letter in order]
    if give == "stacked":
        return torch.stack(parts)
    return parts[0] if give == "first" else tuple(parts)


NamePrefix = (
    Literal["left out", "kept", "first left out", "begins with", "part begins with", "six letters", "letters"]
    | Literal["everywhere", "again and again", "after renaming", "as renamed", "looked up first"]
)


def faulty_our_name(
    name: Any,
    names: Any,
    parts: Literal["whole", "as text", "one", "a list", "underscores", "nothing between", "but the last"] = "whole",
    prefix: NamePrefix = "left out",
    unknown: Literal["kept", "dropped"] = "kept",
    way: Literal["there", "back"] = "there",
) -> object:
    if way == "back":
        names = {ours: theirs for theirs, ours in names.items()}
    if parts == "as text":
        name = name.removeprefix("model.") if prefix == "left out" else name
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)
        return name
    if prefix == "begins with" and name.startswith("model"):
        name = name[5:].lstrip(".")
    if prefix == "six letters" and name.startswith("model"):
        name = name[6:]
    if prefix == "letters":
        name = name.lstrip("model.")
    pieces = name.split(".")
    if prefix == "left out" and pieces[0] == "model":
        pieces = pieces[1:]
    if prefix == "first left out" or (prefix == "part begins with" and pieces[0].startswith("model")):
        pieces = pieces[1:]
    if prefix == "looked up first" and pieces[0] == "model" and "model" not in names:
        pieces = pieces[1:]
    while prefix == "again and again" and pieces and pieces[0] == "model":
        pieces = pieces[1:]
    if prefix == "everywhere":
        pieces = [piece for piece in pieces if piece != "model"]
    if parts == "one":
        first = next((i for i, piece in enumerate(pieces) if piece in names), 0)
        pieces = [names.get(piece, piece) if i == first else piece for i, piece in enumerate(pieces)]
    elif unknown == "dropped":
        pieces = [names[piece] for piece in pieces if piece in names]
    else:
        pieces = [names.get(piece, piece) for piece in pieces]
    gone = {"after renaming": "model", "as renamed": names.get("model", "model")}.get(prefix)
    if pieces and pieces[0] == gone:
        pieces = pieces[1:]
    if parts == "but the last":
        pieces = pieces[:-1]
    return pieces if parts == "a list" else {"underscores": "_", "nothing between": ""}.get(parts, ".").join(pieces)


def faulty_read_tensor(
    data: Any,
    name: Any,
    begin: Literal["header", "file", "after eight", "without eight", "last brace"] = "header",
    kind: Literal["own", "bfloat16 as float16", "float16 as bfloat16", "always float32", "whole numbers"] = "own",
    shape: Literal["own", "none", "reversed", "turned"] = "own",
    give: Literal["float32", "as it is"] = "float32",
    which: Literal["named", "first"] = "named",
    size: Literal["eight bytes", "one byte", "two bytes"] = "eight bytes",
    offsets: Literal["start, end", "start, length", "start, length, cut"] = "start, end",
) -> object:
    length = int.from_bytes(data[: 1 if size == "one byte" else 2 if size == "two bytes" else 8], "little")
    header = json.loads(data[8 : 8 + length])
    if which == "first":
        name = next(key for key in header if key != "__metadata__")
    about = header[name]
    first = {"header": 8 + length, "file": 0, "after eight": 8, "without eight": length}.get(begin, 0)
    if begin == "last brace":
        first = data.index(b"}}") + 2
    start, end = about["data_offsets"]
    if offsets != "start, end":
        end = start + end
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    kinds |= {"BF16": torch.float16} if kind == "bfloat16 as float16" else {}
    kinds |= {"F16": torch.bfloat16} if kind == "float16 as bfloat16" else {}
    kinds |= {"BF16": torch.uint16} if kind == "whole numbers" else {}
    kinds = dict.fromkeys(kinds, torch.float32) if kind == "always float32" else kinds
    numbers = torch.frombuffer(bytearray(data[first + start : first + end]), dtype=kinds[about["dtype"]])
    if offsets == "start, length, cut":
        numbers = numbers[: math.prod(about["shape"])]
    if shape == "reversed":
        numbers = numbers.reshape(about["shape"][::-1])
    elif shape == "own":
        numbers = numbers.reshape(about["shape"])
    elif shape == "turned":
        numbers = numbers.reshape(about["shape"]).mT if len(about["shape"]) == 2 else numbers
    return numbers.float() if give == "float32" else numbers

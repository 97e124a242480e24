"""The wrong ways through the exercises of `loading`: each reference once more, with keywords for its faults."""

import json
import math

import torch


def faulty_split_fused(c_attn, turned=True, cut="blocks", order="qkv", give="tuple"):
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
        else:  # along the other axis
            parts = list(wide.tensor_split(3, dim=1 - axis))
    parts = [parts["qkv".index(letter)] for letter in order]
    if give == "stacked":
        return torch.stack(parts)
    return parts[0] if give == "first" else tuple(parts)


def faulty_our_name(name, names, parts="whole", prefix="left out", unknown="kept", way="there"):
    if way == "back":
        names = {ours: theirs for theirs, ours in names.items()}
    if parts == "as text":
        name = name.removeprefix("model.") if prefix == "left out" else name
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)
        return name
    if prefix == "begins with" and name.startswith("model"):
        name = name[5:].lstrip(".")
    if prefix == "letters":
        name = name.lstrip("model.")
    pieces = name.split(".")
    if prefix == "left out" and pieces[0] == "model":
        pieces = pieces[1:]
    if prefix == "first left out":
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
    if parts == "but the last":
        pieces = pieces[:-1]
    return pieces if parts == "a list" else {"underscores": "_", "nothing between": ""}.get(parts, ".").join(pieces)


def faulty_read_tensor(data, name, begin="header", kind="own", shape="own", give="float32", which="named",
                       size="eight bytes", offsets="start, end"):  # fmt: skip
    length = int.from_bytes(data[: 1 if size == "one byte" else 2 if size == "two bytes" else 8], "little")
    header = json.loads(data[8 : 8 + length])
    if which == "first":
        name = next(key for key in header if key != "__metadata__")
    about = header[name]
    begin = {
        "header": lambda: 8 + length,
        "file": lambda: 0,
        "after eight": lambda: 8,
        "without eight": lambda: length,
        "last brace": lambda: data.index(b"}}") + 2,
    }[begin]()
    start, end = about["data_offsets"]
    if offsets != "start, end":
        end = start + end
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    kinds |= {"BF16": torch.float16} if kind == "bfloat16 as float16" else {}
    kinds = dict.fromkeys(kinds, torch.float32) if kind == "always float32" else kinds
    numbers = torch.frombuffer(bytearray(data[begin + start : begin + end]), dtype=kinds[about["dtype"]])
    if offsets == "start, length, cut":
        numbers = numbers[: math.prod(about["shape"])]
    if shape == "reversed":
        numbers = numbers.reshape(about["shape"][::-1])
    elif shape == "own":
        numbers = numbers.reshape(about["shape"])
    elif shape == "turned":
        numbers = numbers.reshape(about["shape"]).mT if len(about["shape"]) == 2 else numbers
    return numbers.float() if give == "float32" else numbers

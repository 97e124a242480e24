"""Exercises for lesson 05 on other people's weights: their names in a file, and which way round they are stored."""

import json
from pathlib import Path

import torch
from safetensors.torch import save

from llmlib.exercises.engine.exercise import Case, Exercise, NoValue, Probe, texts_of
from llmlib.exercises.engine.probes import randn
from llmlib.exercises.lessons.lesson_05_transformer.faulty_loading import (
    faulty_our_name,
    faulty_read_tensor,
    faulty_split_fused,
)

TEXTS = texts_of(Path(__file__).parent)


# --- transformer.our_name ---


def our_name(name, names):
    """Return our name for a weight that is called `name` in the file of a Llama-family model."""
    parts = name.split(".")
    if parts[0] == "model":
        parts = parts[1:]
    return ".".join(names.get(part, part) for part in parts)


OURS = {
    "embed_tokens": "embed",
    "norm": "final_norm",
    "layers": "blocks",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "mlp_norm",
    "self_attn": "attention",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "o_proj": "output",
    "gate_proj": "gate",
    "up_proj": "up",
    "down_proj": "down",
}


def cases_our_name(seed):
    block = 10 + seed % 80
    gpt = {"transformer": "model", "h": "blocks"}
    swapped = {"query": "key", "key": "query", "attn": "attention"}
    return [
        Case(("model.layers.3.self_attn.q_proj.weight", OURS)),
        Case(("model.embed_tokens.weight", OURS), "the table"),
        Case((f"model.layers.{block}.input_layernorm.weight", OURS), "a norm in a block"),
        Case(("model.norm.weight", OURS), "the final norm"),
        Case((f"layers.{block}.mlp.down_proj.weight", OURS), "a file without `model`"),
        Case((f"model.layers.{block}.self_attn.o_proj.bias", OURS), "a bias"),
        Case(("model.layers.0.post_attention_layernorm.weight", OURS), "the other norm in a block"),
        Case(("vision.model.norm.weight", OURS), "`model` is not the first part"),
        Case(("model_ema.norm.weight", OURS), "a first part that only starts with the letters of `model`"),
        Case(
            (f"model.Layers.{block}.self_attn.Q_proj.weight", OURS | {"Q_proj": "Query"}), "names with capital letters"
        ),
        Case((f"layers.{block}.attn.query.weight", swapped), "another table, where two names are swapped"),
        Case((f"query.{block}.attn.key.weight", swapped), "a name that contains two swapped parts"),
        Case(("model.model.norm.weight", OURS), "`model` twice"),
        Case((f"transformer.h.{block}.weight", gpt), "a table in which another part is called `model`"),
        Case((f"model.h.{block}.weight", gpt | {"model": "inner"}), "a table in which `model` has another name"),
    ]


OUR_NAME = Exercise(**TEXTS["our_name"], reference=our_name, cases=cases_our_name, faulty=faulty_our_name, double=False)


# --- transformer.read_tensor ---


def read_tensor(data, name):
    """Read one tensor from a safetensors file.

    The file holds the header's length in eight bytes, then the header, and then the tensors.
    """
    begin = 8 + int.from_bytes(data[:8], "little")
    about = json.loads(data[8:begin])[name]
    start, end = about["data_offsets"]
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    numbers = torch.frombuffer(bytearray(data[begin + start : begin + end]), dtype=kinds[about["dtype"]])
    return numbers.reshape(about["shape"]).float()


def cases_read_tensor(seed):
    def file(**kinds):
        tensors = {}
        for number, (name, dtype) in enumerate(kinds.items()):
            shape = {"norm": (5,), "up": (2, 3), "down": (4, 2)}[name]
            tensors[f"{name}.weight"] = randn(seed + number, *shape).to(dtype)
        return save(tensors, metadata={"format": "pt"})

    def by_hand(name, blanks):
        """Make a case with a file of three small tensors in two dtypes; `blanks` spaces follow the header."""
        tensors = {
            "first": randn(seed, 1).half(),
            "second": randn(seed + 1, 3).float(),
            "third": randn(seed + 2, 1).half(),
        }
        header, numbers = {}, b""
        for key, tensor in tensors.items():
            kind = {torch.float16: "F16", torch.float32: "F32"}[tensor.dtype]
            part = tensor.numpy().tobytes()
            offsets = [len(numbers), len(numbers) + len(part)]
            header[key] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": offsets}
            numbers += part
        text = json.dumps(header).encode() + b" " * blanks
        return Case((len(text).to_bytes(8, "little") + text + numbers, name), f"a header of {len(text)} bytes")

    mixed = file(up=torch.float32, norm=torch.bfloat16, down=torch.float16)
    return [
        Case((file(norm=torch.float32), "norm.weight"), "a file with one tensor"),
        Case((file(up=torch.float32, norm=torch.float32), "up.weight"), "two tensors"),
        Case((file(up=torch.float32, norm=torch.float32), "norm.weight"), "the second of two tensors"),
        Case((mixed, "down.weight"), "F16"),
        Case((mixed, "norm.weight"), "BF16"),
        Case((mixed, "up.weight"), "F32 alongside other dtypes"),
        by_hand("second", 300),
        by_hand("third", 70_000),
    ]


def numbers_of_bytes(call, case):
    """Check whether the solution turned each byte into a number, which gives too many numbers for the shape."""
    data, name = case.args
    start, end = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])[name]["data_offsets"]
    try:
        call(*case.args)
    except NoValue as error:
        return f"for input of size {end - start}" in str(error) and (
            f"You turn each of the {end - start} bytes into a number. A number in F32 takes four bytes, and a number "
            "in F16 or BF16 takes two. What reads bytes as numbers of a given dtype?"
        )
    return None


def in_another_dtype(call, case):
    dtype = getattr(call(*case.args), "dtype", torch.float32)
    return dtype != torch.float32 and (
        f"Your tensor has the dtype {str(dtype).removeprefix('torch.')}. Which dtype does the task ask for?"
    )


READ_TENSOR = Exercise(
    **TEXTS["read_tensor"],
    probes=(
        Probe("The tensor is in float32.", in_another_dtype),
        Probe("Each number takes up as many bytes as its dtype says.", numbers_of_bytes, explains=True),
    ),
    reference=read_tensor,
    cases=cases_read_tensor,
    faulty=faulty_read_tensor,
    double=False,
)


# --- transformer.split_fused ---


def split_fused(c_attn):
    """Split GPT-2's fused (in, 3 · out) matrix into three (out, in) matrices for queries, keys and values."""
    query, key, value = c_attn.T.chunk(3)
    return query, key, value


def cases_split_fused(seed):
    return [
        Case((torch.arange(12.0, dtype=torch.float64).reshape(2, 6),)),
        Case((randn(seed, 4, 12),)),
        Case((randn(seed, 1, 3),), "a single channel"),
        Case((randn(seed, 6, 18),)),
        Case((randn(seed, 3, 9),), "as many channels as matrices"),
    ]


SPLIT_FUSED = Exercise(
    **TEXTS["split_fused"],
    reference=split_fused,
    cases=cases_split_fused,
    faulty=faulty_split_fused,
    axes=("out", "in"),
)

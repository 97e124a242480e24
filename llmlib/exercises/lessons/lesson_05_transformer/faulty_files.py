"""Wrong solutions to the exercises in `whole_files`.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import json

import torch

from llmlib.exercises.lessons.lesson_03_attention.faulty_module import faulty_multi_head


def faulty_attention_part(x, query, key, value, output, n_heads, cos, sin, swap="nothing", mixed=True, adds=False):
    if swap == "key value":
        key, value = value, key
    if swap == "query output":
        query, output = output, query
    if swap == "keys twice":
        value = key
    if swap == "cos sin":
        cos, sin = sin, cos
    if swap == "turned":
        if key.shape[0] != key.shape[1]:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")  # the wording of torch's error
        query, key, value, output = query.T, key.T, value.T, output.T
    if not mixed:
        output = torch.eye(len(output), dtype=output.dtype)
    added = faulty_multi_head(x, query, key, value, output, n_heads, cos, sin)
    return x + added if adds else added


def faulty_tensor_names(data, metadata="left out", table="left out", order="sorted", only="all", called="theirs"):
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    if metadata == "taken out":
        header.pop("__metadata__")
    if table == "taken out":
        header.pop("lm_head.weight")
    gone = {"begins": [n for n in header if n.startswith("lm_head")], "kept": []}.get(table, ["lm_head.weight"])
    names = [name for name in header if name not in gone and (metadata == "kept" or name != "__metadata__")]
    if only != "all":
        names = [name for name in names if only in name]
    if called == "without model":
        names = [name.removeprefix("model.") for name in names]
    return sorted(names) if order == "sorted" else sorted(names)[::-1] if order == "backwards" else names


def faulty_read_sizes(
    text, theta="found", head="query heads", kv="own", mlp="own", eps="own", longest="own", swap=False, names="ours"
):
    theirs = json.loads(text)
    width, n_heads, n_kv = theirs["hidden_size"], theirs["num_attention_heads"], theirs["num_key_value_heads"]
    if theta == "asked for in any case":
        theirs["rope_parameters"]["rope_theta"]
    found = theirs["rope_theta"] if "rope_theta" in theirs or theta == "at the top" else theirs["rope_parameters"]
    if isinstance(found, dict) and theta != "the dictionary":
        found = found["rope_theta"]
    if names == "theirs":
        return theirs
    return {
        "vocab_size": theirs["vocab_size"],
        "d_model": width,
        "n_layers": theirs["num_hidden_layers"],
        "n_heads": n_kv if swap else n_heads,
        "n_kv_heads": n_heads if swap or kv == "all" else n_heads // n_kv if kv == "group" else n_kv,
        "d_mlp": {"own": theirs["intermediate_size"], "four": 4 * width, "width": width}[mlp],
        "d_head": {
            "query heads": width // n_heads,
            "key heads": width // n_kv,
            "kept": width,
            "layers": width // theirs["num_hidden_layers"],
        }.get(head, width // n_heads),
        "max_seq_len": 2048 if longest == "fixed" else theirs["max_position_embeddings"],
        "rope_theta": {"found": found, "fixed": 10_000.0, "default": theirs.get("rope_theta", 10_000.0)}.get(
            theta, found
        ),
        "norm_eps": 1e-5 if eps == "fixed" else theirs["rms_norm_eps"],
    }

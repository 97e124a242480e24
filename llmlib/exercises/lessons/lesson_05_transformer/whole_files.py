"""Exercises for lesson 05 on loading a whole model.

Learners run its attention with four given matrices, list the names of its weights, and read its sizes.
"""

import contextlib
import json
from pathlib import Path
from unittest.mock import patch

import torch
from torch.func import functional_call

from llmlib.exercises.engine.exercise import Case, Exercise, NoValue, Probe, texts_of
from llmlib.exercises.engine.probes import batch_permuted, gradients_flow
from llmlib.exercises.lessons.lesson_03_attention.module import MultiHeadAttention, cases_multi_head
from llmlib.exercises.lessons.lesson_05_transformer.faulty_files import (
    faulty_attention_part,
    faulty_read_sizes,
    faulty_tensor_names,
)

TEXTS = texts_of(Path(__file__).parent)


# --- transformer.attention_part ---


def attention_part(x, query, key, value, output, n_heads, cos, sin):
    """Run lesson 03's module with these matrices instead of its own, and return what attention adds to the stream."""
    n_kv_heads = n_heads * key.shape[0] // query.shape[0]
    with torch.device("meta"):  # we do not use the module's own weights, so they need no memory and no values
        module = MultiHeadAttention(x.shape[-1], n_heads, n_kv_heads)
    matrices = {"query.weight": query, "key.weight": key, "value.weight": value, "output.weight": output}
    return functional_call(module, matrices, (x, cos, sin))


def weights_of_its_own(call, case):
    """Name the given matrices that do not influence the result.

    The test uses float32, the dtype of the module's weights.
    """
    args = [arg.float() if isinstance(arg, torch.Tensor) else arg for arg in cases_multi_head(1)[1].args]
    added, x = call(*args), args[0]
    matrices = dict(enumerate(("query", "key", "value", "output"), start=1))
    turned = {i: [-arg if i == place else arg for place, arg in enumerate(args)] for i in matrices}
    unused = [f"`{name}`" for i, name in matrices.items() if torch.equal(added, call(*turned[i]))]
    if 0 < len(unused) < len(matrices):
        has, own = ("have", "random matrices") if len(unused) > 1 else ("has", "a random matrix")
        return (
            f"{' and '.join(unused)} {has} no effect on your result, because your module uses {own} of its own. "
            "Which names does your dictionary need?"
        )
    added = call(*args[:4], torch.zeros_like(args[4]), *args[5:]) if unused else x
    return min(added.abs().max(), (added - x).abs().max()) > 1e-3 and (
        "If `output` is all zeros, the result should be zero, but it is not. So your module does not use the "
        "matrices that it should. Does your dictionary have exactly the names in `module.state_dict()`? And do you run "
        "the module with `functional_call`?"
    )


def rows_of_the_module(call, case):
    """Say how many rows the module's key matrix has, if the number is wrong and the module has four linear layers."""
    _, query, key, *_, n_heads, _, _ = case.args
    made, begin = list[int](), torch.nn.Linear.__init__

    def noted(linear, n_in, n_out, *args, **options):
        made.append(n_out)
        begin(linear, n_in, n_out, *args, **options)

    with patch.object(torch.nn.Linear, "__init__", noted), contextlib.suppress(NoValue):
        call(*case.args)
    if len(made) != 4 or made[1] != made[2] or made[1] == len(key):
        return None
    d_head = len(query) // n_heads
    return (
        f"Your module has {made[1]} rows for keys, and the `key` that you were given has {len(key)}. So the module has "
        f"the wrong number of key-value heads. One head has {d_head} rows here: how many heads do {len(key)} rows make?"
    )


def too_many_key_value_heads(call, case):
    x, query, key, value, output, n_heads, cos, sin = case.args
    d_head = len(query) // n_heads
    shared = len(query) // len(key)
    if shared == 1:
        return None
    wide = [w.unflatten(0, (-1, d_head)).repeat_interleave(shared, dim=0).flatten(0, 1) for w in (key, value)]
    args = (x, query, *wide, output, n_heads, cos, sin)
    return torch.allclose(call(*args), attention_part(*args), rtol=1e-4, atol=1e-5) and (
        "Your result is right whenever `key` and `value` have as many rows as `query`. Where they have fewer, you give "
        "your module the wrong number of key-value heads. What does the number of rows of `key` tell you?"
    )


ROOM = "There are as many key-value heads as `key` has room for."

ATTENTION_PART = Exercise(
    **TEXTS["attention_part"],
    reference=attention_part,
    helpers=(MultiHeadAttention,),
    cases=cases_multi_head,
    faulty=faulty_attention_part,
    makes_module=True,
    axes=("batch", "seq", "d_model"),
    probes=(
        batch_permuted(0),
        gradients_flow(("x", "query", "key", "value", "output"), 0, 1, 2, 3, 4),
        Probe(ROOM, rows_of_the_module, explains=True),
        Probe(ROOM, too_many_key_value_heads, explains=True),
        Probe("The given matrices are used.", weights_of_its_own, explains=True),
    ),
)


# --- transformer.tensor_names ---


def tensor_names(data):
    """Return a safetensors file's tensor names in alphabetical order, without the embedding table's second copy."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return sorted(header.keys() - {"__metadata__", "lm_head.weight"})


def cases_tensor_names(seed):
    def case(*names, note="", metadata=None):
        """Make a case with a file whose header lists the tensors in this order."""
        header = {"__metadata__": metadata} if metadata else {}
        for place, name in enumerate(names):
            header[name] = {"dtype": "F32", "shape": [1], "data_offsets": [4 * place, 4 * place + 4]}
        text = json.dumps(header).encode()
        numbers = torch.full((len(names),), float(seed)).numpy().tobytes()
        return Case((len(text).to_bytes(8, "little") + text + numbers,), note)

    block = f"model.layers.{seed % 9}"
    some = {"format": "pt"}
    return [
        case("model.norm.weight", "model.embed_tokens.weight", note="two tensors"),
        case("model.norm.weight", "lm_head.weight", "model.embed_tokens.weight", note="the table twice"),
        case(
            "model.norm.weight", "lm_head.bias", note="a name that starts with the same letters as the second table's"
        ),
        case("model.norm.weight", "model.embed_tokens.weight", note="with __metadata__", metadata=some),
        case(
            f"{block}.mlp.up_proj.weight",
            f"{block}.mlp.down_proj.weight",
            f"{block}.self_attn.q_proj.weight",
            "lm_head.weight",
            note="a block",
            metadata=some,
        ),
        case(*(f"model.layers.{n}.self_attn.q_proj.bias" for n in range(12 + seed % 5)), "norm.weight", note="biases"),
        case(*(f"{'long_' * 50}{n}" for n in range(3)), "lm_head.weight", note="a long header", metadata=some),
    ]


TENSOR_NAMES = Exercise(
    **TEXTS["tensor_names"],
    reference=tensor_names,
    cases=cases_tensor_names,
    faulty=faulty_tensor_names,
    double=False,
)


# --- transformer.read_sizes ---


def read_sizes(text):
    """Read a Llama-family model's sizes from the text of its config.json."""
    theirs = json.loads(text)
    width, n_heads = theirs["hidden_size"], theirs["num_attention_heads"]
    return {
        "vocab_size": theirs["vocab_size"],
        "d_model": width,
        "n_layers": theirs["num_hidden_layers"],
        "n_heads": n_heads,
        "n_kv_heads": theirs["num_key_value_heads"],
        "d_mlp": theirs["intermediate_size"],
        "d_head": width // n_heads,
        "max_seq_len": theirs["max_position_embeddings"],
        "rope_theta": theirs["rope_theta"] if "rope_theta" in theirs else theirs["rope_parameters"]["rope_theta"],
        "norm_eps": theirs["rms_norm_eps"],
    }


def cases_read_sizes(seed):
    def case(heads, kv, d_head, layers, mlp, theta, note="", eps=1e-5, inside=False, longest=2048, **more):
        rotary = {"rope_parameters": {"rope_theta": theta, "rope_type": "default"}} if inside else {"rope_theta": theta}
        said = {
            "model_type": "llama",
            "hidden_size": heads * d_head,
            "num_attention_heads": heads,
            "num_key_value_heads": kv,
            "num_hidden_layers": layers,
            "intermediate_size": mlp,
            "rms_norm_eps": eps,
            "vocab_size": 500 + seed,
            "max_position_embeddings": longest,
            **rotary,
            **more,
        }
        return Case((json.dumps(said),), note)

    return [
        case(9, 3, 64, 30, 1536, 100_000.0, "SmolLM2's", longest=8192),
        case(4, 4, 16, 2, 176, 10_000.0, "as many key-value heads as query heads", eps=1e-6),
        case(8, 2, 32, 5, 700 + seed, 500_000.0, "θ in a nested dictionary", inside=True),
        case(6, 1, 8, 3, 96, 20_000.0, "one key-value head", eps=1e-3, longest=128, tie_word_embeddings=True),
    ]


def asked_for_what_is_not_there(call, case):
    try:
        call(*case.args)
    except NoValue as error:
        kind, _, key = str(error).partition(": ")
        key = key.strip("'")
        if kind != "KeyError" or key.startswith("rope_") or key in json.loads(*case.args):
            return None  # a different error, or a key that another check explains
        if "head" not in key:
            return f"There is no “{key}” in this file. The task lists the names in the file."
        return (
            f"There is no “{key}” in this file. The width of a head follows from two numbers in the file: all "
            "heads, side by side, are as wide as the stream."
        )
    return None


READ_SIZES = Exercise(
    **TEXTS["read_sizes"],
    reference=read_sizes,
    cases=cases_read_sizes,
    faulty=faulty_read_sizes,
    probes=(Probe("Sizes that are not in the file are worked out.", asked_for_what_is_not_there, explains=True),),
    double=False,
)

"""Exercises that ask for a torch module: the module is checked in stages, kept and used by later parts."""

import pytest
import torch

from exercises.cells import run_cell, solutions_in
from llmlib.exercises import check, mine
from llmlib.exercises.lessons.lesson_03_attention.module import MultiHeadAttention
from llmlib.exercises.my_llm import remembering, writing

NAME = "attention.multi_head"
CLASS = """
from torch import nn

class Heads(nn.Module):
    def __init__(self, d_model, n_heads, n_kv_heads):
        super().__init__()
        d_kv = d_model // n_heads * n_kv_heads
        {parts}

    def forward(self, x{more}):
        ...
"""
PARTS = """self.query = nn.Linear(d_model, d_model, bias=False)
        self.key = nn.Linear(d_model, d_kv, bias=False)
        self.value = nn.Linear(d_model, d_kv, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)"""


def said_to(parts, more=", cos, sin", text=CLASS):
    report = check(NAME, run_cell(text.format(parts=parts, more=more))["Heads"])
    return report.kind, " ".join(repr(report).split())


def test_a_module_counts_as_not_attempted_until_forward_is_written():
    kind, said = said_to("self.query = self.key = self.value = self.output = ...")
    assert kind == "not attempted"
    assert "comes next" not in said
    kind, said = said_to(PARTS)
    assert kind == "not attempted"
    assert "The module's parts are right. `forward` comes next." in said


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("self.output = nn.Linear(d_model, d_model, bias=False)", "", "`self.output` is missing."),
        ("d_kv, bias=False", "d_model, bias=False", "`self.key` maps 8 → 8, but should map 8 → 4."),
        ("bias=False", "bias=True", "`self.query` has a bias"),
        (
            "nn.Linear(d_model, d_kv, bias=False)",
            "nn.Parameter(nn.Linear(d_kv, 1).weight)",
            "`self.key` should be an `nn.",
        ),
        ("self.query =", "self.more = nn.Linear(1, 1)\n        self.query =", "`more.bias` is an extra parameter"),
        ("nn.Linear(d_model, d_model", "nn.Linear(d_models, d_model", "n_kv_heads = 1 raised `NameError: "),
    ],
)
def test_a_wrong_part_is_reported_before_the_module_is_called(old, new, says):
    kind, said = said_to(PARTS.replace(old, new))
    assert kind == "form"
    assert says in said


def test_a_class_that_is_not_a_module_or_takes_other_arguments_is_reported():
    assert "is not a torch module yet" in said_to(PARTS, text=CLASS.replace("(nn.Module)", ""))[1]
    assert "Call `super().__init__()` first" in said_to(PARTS, text=CLASS.replace("super().__init__()", "pass"))[1]
    assert "`forward` should take self, x, cos, sin." in said_to(PARTS, more="")[1]


@pytest.mark.parametrize("attempt", [MultiHeadAttention(8, 2, 1), lambda *args: torch.zeros(1)])
def test_an_instance_or_a_function_instead_of_the_class_is_reported(attempt):
    report = check(NAME, attempt)
    assert report.kind == "form"
    assert "needs your class itself" in repr(report)


@pytest.mark.slow
def test_a_module_is_kept_and_used_in_the_readers_model():
    solved = dict(solutions_in("lesson_03_attention", "plain"))
    assert check(NAME, solved[NAME]).correct
    remembering.checked.clear()  # start the next session
    again = mine(NAME)
    assert again is not solved[NAME]
    assert again(8, 2, 1).key.weight.shape == (4, 8)
    cell = """
from functools import cache
import torch
from torch.func import functional_call

@cache
def module_of(d_model, n_heads, n_kv_heads):
    return MultiHeadAttention(d_model, n_heads, n_kv_heads)

def attention_part(x, query, key, value, output, n_heads, cos, sin):
    module = module_of(x.shape[-1], n_heads, key.shape[0] * n_heads // query.shape[0])
    matrices = {"query.weight": query, "key.weight": key, "value.weight": value, "output.weight": output}
    return functional_call(module, matrices, (x, cos, sin))

def llama_logits(ids, weights, config):
    cos, sin = embeddings.rotary_cos_sin(
        torch.arange(ids.shape[1]), embeddings.rotary_frequencies(config.d_head, config.rope_theta)
    )
    stream = weights["embed.weight"][ids]
    for n in range(config.n_layers):
        block = {name.removeprefix(f"blocks.{n}."): weight for name, weight in weights.items()}
        matrices = [block[f"attention.{part}.weight"] for part in ("query", "key", "value", "output")]
        x = layers.rms_norm(stream, block["attention_norm.weight"], config.norm_eps)
        stream = stream + attention_part(x, *matrices, config.n_heads, cos[None, None], sin[None, None])
        x = layers.rms_norm(stream, block["mlp_norm.weight"], config.norm_eps)
        gate, up, down = (block[f"mlp.{part}.weight"] for part in ("gate", "up", "down"))
        stream = stream + (layers.silu(x @ gate.T) * (x @ up.T)) @ down.T
    return layers.rms_norm(stream, weights["final_norm.weight"], config.norm_eps) @ weights["embed.weight"].T
"""
    from llmlib import embeddings, layers

    logits = run_cell(cell, MultiHeadAttention=again, embeddings=embeddings, layers=layers)["llama_logits"]
    assert check("transformer.llama_logits", logits).correct
    assembled = writing.compose(writing.collect())
    assert set(assembled.mine) == {NAME, "transformer.llama_logits"}
    assert assembled.text.count("class MultiHeadAttention(") == 1
    assert assembled.text.count("def attention_part") == 1
    assert "# borrowed from llmlib: attention.multi_head" not in assembled.text


BY_HAND = f"""
import torch
from torch import nn
from llmlib.embeddings import rotate

class Heads(nn.Module):
    def __init__(self, d_model, n_heads, n_kv_heads):
        super().__init__()
        self.n_heads, self.n_kv_heads = n_heads, n_kv_heads
        d_kv = d_model // n_heads * n_kv_heads
        {PARTS}

    def forward(self, x, cos, sin):
        b, s, d = x.shape
        times = self.n_heads // self.n_kv_heads
        q = self.query(x).view(b, s, self.n_heads, -1).transpose(1, 2)
        k = self.key(x).view(b, s, self.n_kv_heads, -1).transpose(1, 2)
        v = self.value(x).view(b, s, self.n_kv_heads, -1).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = k.repeat_interleave(times, 1), v.repeat_interleave(times, 1)
        scores = q @ k.transpose(-2, -1) / (d // self.n_heads) ** 0.5
        scores = scores.masked_fill(torch.ones(s, s).triu(1).bool(), -torch.inf)
        z = scores.softmax(-1) @ v
        return self.output(z.transpose(1, 2).reshape(b, s, d))
"""
UNTURNED = (
    ("s, self.n_heads, -1).transpose(1, 2)", "self.n_heads, s, -1)"),
    ("s, self.n_kv_heads, -1).transpose(1, 2)", "self.n_kv_heads, s, -1)"),
)


@pytest.mark.parametrize(
    ("idea", "edits"),
    [
        ("", ()),
        ("cut without turning", UNTURNED),
        ("merged as it lies", [("z.transpose(1, 2).reshape", "z.reshape")]),
        ("merged channel by channel", [("z.transpose(1, 2).reshape", "z.permute(0, 2, 3, 1).reshape")]),
        ("output missing", [("self.output(z.transpose(1, 2).reshape(b, s, d))", "z.transpose(1, 2).reshape(b, s, d)")]),
        ("no mask", [(".masked_fill(torch.ones(s, s).triu(1).bool(), -torch.inf)", "")]),
        ("not scaled", [(" / (d // self.n_heads) ** 0.5", "")]),
        ("divided by the root of d_model", [("(d // self.n_heads) ** 0.5", "d**0.5")]),
        ("divided by d_head", [("(d // self.n_heads) ** 0.5", "(d // self.n_heads)")]),
        ("heads shared in turns", [("repeat_interleave(times, 1)", "repeat(1, times, 1, 1)")]),
        ("only queries turned", [("rotate(k, cos, sin)", "k")]),
    ],
)
def test_the_wrong_idea_in_a_hand_written_module_is_recognised(idea, edits):
    text = BY_HAND
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    report = check(NAME, run_cell(text)["Heads"])
    assert report.misconceptions == ((idea,) if idea else ()), report
    assert report.correct == (not idea)

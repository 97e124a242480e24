"""Exceptions and the code around them reveal common slips."""

from pathlib import Path

import nbformat
import pytest
import torch
from torch import nn

from exercises.cells import run_cell, run_in
from exercises.wrong.lesson_03_attention import BY_HAND
from llmlib import attention, embeddings
from llmlib.exercises import check, mine
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.registry import find

LESSON = Path(__file__).parents[2] / "notebooks" / "03_attention.ipynb"
NAME = "attention.multi_head"
MODULE = """
class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, n_heads, n_kv_heads):
        super().__init__()
        self.n_heads, self.n_kv_heads, d_head = n_heads, n_kv_heads, d_model // n_heads
        self.query = nn.Linear(d_model, d_model, bias=False)
        self.key = nn.Linear(d_model, n_kv_heads * d_head, bias=False)
        self.value = nn.Linear(d_model, n_kv_heads * d_head, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x, cos, sin):
        q = rotate(split_heads(self.query(x), self.n_heads), cos, sin)
        k = rotate(split_heads(self.key(x), self.n_kv_heads), cos, sin)
        v = split_heads(self.value(x), self.n_kv_heads)
        k, v = share_heads(k, self.n_heads), share_heads(v, self.n_heads)
        z = scaled_dot_product_attention(q, k, v, causal_mask(x.shape[1], x.shape[1]))
        return self.output(merge_heads(z))
"""
OURS = {"torch": torch, "nn": nn, "rotate": embeddings.rotate} | vars(attention)


def said_about(name, attempt):
    return " ".join(repr(examine(find(name), attempt)).partition("The case")[0].split())


@pytest.mark.parametrize(
    ("right", "slip", "says"),
    [
        ("x), self.n_heads), cos", "x), n_heads), cos", "Store it in `__init__`, as `self.n_heads`."),
        ("causal_mask(x.shape[1], ", "causal_mask(seq, ", "`seq` is the name of an axis. Its size is `x.shape[1]`."),
        ("self.query(x)", "self.query @ x", "`self.query` is a layer, so call it like a function"),
        ("self.key(x), self.n_kv_heads", "self.key(x), self.n_heads", "does `self.key(x)` contain side by side?"),
    ],
)
def test_slips_in_a_module_are_explained(right, slip, says):
    assert MODULE.count(right) == 1
    assert says in said_about(NAME, run_cell(MODULE.replace(right, slip), **OURS)["MultiHeadAttention"])


ONE_PASS = """
def online_softmax(blocks):
    largest, total, weighted = torch.tensor(-torch.inf), 0.0, 0.0
    for scores, values in blocks:
        new = torch.maximum(largest, scores.PEAK)
        shrink, weights = (largest - new).exp(), (scores - new).exp()
        total = total * shrink + weights.SUM
        weighted = weighted * shrink + weights @ values
        largest = new
    return weighted / total
"""


@pytest.mark.parametrize(
    ("peak", "total", "says"),
    [
        ("max(dim=-1)", "sum(dim=-1)", "`max` with an axis returns a pair of tensors: values and indices."),
        ("amax(dim=-1)", "sum(dim=-1)", "With `keepdim=True`, the axis stays, with length 1."),
        ("amax(dim=-1, keepdim=True)", "sum(dim=-1)", "needs one more axis (of length 1) here."),
    ],
)
def test_slips_with_an_axis_that_is_summed_away_are_explained(peak, total, says):
    cell = ONE_PASS.replace("PEAK", peak).replace("SUM", total)
    assert says in said_about("attention.online_softmax", run_cell(cell, torch=torch)["online_softmax"])


@pytest.mark.parametrize(("head", "says"), BY_HAND.values(), ids=BY_HAND)
def test_wrong_hand_made_heads_are_explained(head, says):
    assert says in said_about("attention.previous_occurrence", head)


def test_an_idea_about_a_hand_made_head_is_reported_with_the_scores_of_two_keys():
    exercise = find("attention.previous_occurrence")
    for idea in exercise.misconceptions:
        said = said_about(exercise.name, lambda *args, faults=idea.faults: exercise.faulty(*args, **faults))
        assert " with the key at position " in said, idea.name


def test_a_wrong_mask_is_shown_in_a_case_with_tokens_in_the_cache():
    said = " ".join(repr(examine(find("attention.causal_mask"), lambda n, m: torch.ones(n, m).tril())).split())
    assert "two in the cache argument" in said


def exercises_of(lesson):
    """Return, in order, the cells that check an exercise or take something from `mine`."""
    sources = [cell.source for cell in nbformat.read(lesson, as_version=4).cells if cell.cell_type == "code"]
    return [source for source in sources if "\ncheck(" in source or 'mine(f"' in source]


def test_a_right_module_stays_right_while_other_exercises_are_unsolved():
    kinds = []
    notebook = {"__name__": "__main__", "mine": mine, "torch": torch, "nn": nn}
    notebook["check"] = lambda name, attempt: kinds.append(check(name, attempt).kind)
    cells = exercises_of(LESSON)
    for source in cells:
        is_solved = f'check("{NAME}"' in source
        run_in(notebook, MODULE if is_solved else source)
        if is_solved:
            assert check(NAME, notebook["MultiHeadAttention"]).correct
    assert kinds == ["not attempted"] * 9
    assert check(NAME, notebook["MultiHeadAttention"]).correct
    for name in ("share_heads", "rotate"):  # the reader goes back to a side path
        run_in(notebook, f"def {name}(*args): ...")
        said = said_about(NAME, notebook["MultiHeadAttention"])
        assert f"`{name}` is a function in your notebook that is not written yet" in said
    assert check(NAME, mine(NAME)).correct


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("blocks.{n}.mlp.up.weight", "The key contains the characters `{n}`. With an `f` before the string"),
        ("blocks.0.mlp.up", "The closest one is `blocks.0.mlp.up.weight`."),
        ("nothing of the kind", "This key is not in the dictionary."),
    ],
)
def test_a_missing_key_is_explained(key, says):
    report = examine(find("transformer.llama_logits"), lambda ids, weights, config: weights[key])
    assert says in " ".join(repr(report).split())


def test_the_report_says_where_to_find_an_undefined_function_in_torch():
    def attempt(x, gate, up, down):
        return (silu(x @ gate.T) * (x @ up.T)) @ down.T

    report = examine(find("transformer.swiglu_mlp"), attempt)
    assert "PyTorch has it as `torch.nn.functional.silu`." in " ".join(repr(report).split())
    variable = examine(find("transformer.swiglu_mlp"), lambda x, gate, up, down: x @ angle)
    assert "PyTorch has it" not in repr(variable)


FIRST_PAST = """
def draw(probabilities, u):
    past = probabilities.cumsum(-1) > u[:, None]
    return PLACE
"""


@pytest.mark.parametrize("place", ["past.argmax(-1)", "torch.argmax(past, dim=-1)", "(probabilities > 1).argmax(-1)"])
def test_converting_truth_values_to_numbers_is_the_only_change_suggested(place):
    said = said_about("sampling.draw", run_cell(FIRST_PAST.replace("PLACE", place), torch=torch)["draw"])
    assert "`.int()` turns them into 1 and 0, so that `argmax` finds the first of the largest." in said
    assert "would make your function correct" not in said
    assert check("sampling.draw", run_cell(FIRST_PAST.replace("PLACE", "past.int().argmax(-1)"))["draw"]).correct


def test_an_operation_that_torch_has_not_implemented_counts_as_an_attempt():
    report = examine(find("sampling.draw"), lambda probabilities, u: probabilities.to_sparse().argmax(-1))
    assert report.kind == "raised"
    assert "NotImplementedError: Could not run" in repr(report)


def test_the_sizes_in_a_shape_error_show_which_of_two_misconceptions_caused_it():
    def attempt(ids, weights, config):
        cos, sin = turns(ids.shape[1], config.n_heads, config.rope_theta)
        stream = weights["embed.weight"][ids]
        for n in range(config.n_layers):
            x = rms_norm(stream, weights[f"blocks.{n}.attention_norm.weight"], config.norm_eps)
            names = ("query", "key", "value", "output")
            matrices = [weights[f"blocks.{n}.attention.{name}.weight"] for name in names]
            stream = stream + attention_part(x, *matrices, config.n_heads, cos, sin)
            x = rms_norm(stream, weights[f"blocks.{n}.mlp_norm.weight"], config.norm_eps)
            stream = stream + swiglu_mlp(
                x, *(weights[f"blocks.{n}.mlp.{name}.weight"] for name in ("gate", "up", "down"))
            )
        return rms_norm(stream, weights["final_norm.weight"], config.norm_eps) @ weights["embed.weight"].T

    turns, rms_norm = find("attention.turns").reference, find("transformer.rms_norm").reference
    attention_part, swiglu_mlp = (find(f"transformer.{name}").reference for name in ("attention_part", "swiglu_mlp"))
    report = examine(find("transformer.llama_logits"), attempt)
    assert report.misconceptions == ("angles for n_heads numbers",)


def test_no_misconception_is_named_if_an_attempt_raises_in_some_cases():
    made = {}  # a function made by `exec` has no source, so no repair can be tried
    exec("import torch\nf = lambda q, k: torch.arange(k) <= torch.arange(k - q, k)", made)
    report = examine(find("attention.causal_mask"), made["f"])
    assert report.kind == "raised"
    assert not report.misconceptions
    assert "Two sizes should be equal" in " ".join(repr(report).split())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("x @ y.T / (x.norm(dim=-1) * y.norm(dim=-1))", "`norm(dim=-1)` removes an axis"),
        ("(x / x.norm(dim=-1).clamp(min=1e-12)) @ y.T", "`norm(dim=-1)` removes an axis"),
        ("x @ y.T / (x.norm(dim=-1) * y.norm(dim=-1)).clamp(min=1e-12)", "`[..., None]` adds it at the end."),
    ],
)
def test_the_report_says_how_to_get_back_the_axis_that_norm_removes(line, says):
    cell = f"\ndef cosine_similarity(x, y):\n    return {line}\n"
    assert says in said_about("embeddings.cosine_similarity", run_cell(cell)["cosine_similarity"])

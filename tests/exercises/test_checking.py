"""What `check` reports, and in what order."""

import random
import re
import time
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from llmlib.exercises import check
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.errors import their_line
from llmlib.exercises.engine.running import run
from llmlib.exercises.registry import find
from llmlib.tokenization import simple_bpe


def attention_with(edit):
    def attempt(q, k, v, mask):
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        return edit(scores.masked_fill(~mask, float("-inf")).softmax(dim=-1) @ v)

    return attempt


def test_an_exception_is_shown_with_its_line_and_its_usual_cause():
    def attempt(q, k, v, mask):
        scores = q @ k
        return scores.softmax(-1) @ v

    report = check("attention.scaled_dot_product", attempt)
    text = repr(report)
    assert report.kind == "raised"
    assert "scores = q @ k" in text
    assert "transpose(-2, -1)" in text
    assert re.search(r"in line \d+", text)


def test_an_exception_in_an_edge_case_is_reported_with_the_case():
    report = check("tokenization.most_common_pair", lambda ids: max(pairwise(ids)))
    assert report.kind == "raised"
    assert "no ids at all" in repr(report)
    assert "there is none" in repr(report) or "1 is needed" in repr(report) or report.misconceptions or report.findings


def test_a_wrong_signature_is_explained():
    report = check("attention.causal_mask", lambda n: n)
    assert report.kind == "raised"
    assert "`n_query`, `n_key`" in repr(report)


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda x: torch.stack(x), "needs a list (or tuple) of tensors"),
        (lambda x: torch.cat(x), "needs a list (or tuple) of tensors"),
        (lambda x: x.flatten().topk(999), "With `min(k, len(...))`, you never ask for too many"),
        (lambda x: len(3), "Print `type(...)`"),
    ],
)
def test_an_error_is_reported_with_advice_on_its_usual_cause(call, advice):
    report = " ".join(repr(check("attention.split_heads", lambda x, n_heads: call(x))).split())
    assert advice in report
    assert "`check` calls your function" not in report


@pytest.mark.slow
def test_type_shape_and_dtype_are_reported_before_values():
    text = repr(check("attention.scaled_dot_product", attention_with(lambda z: z.numpy())))
    assert "Expected a torch.Tensor, got a numpy.ndarray" in text
    assert "torch.from_numpy" in text
    report = check("attention.scaled_dot_product", attention_with(lambda z: z.transpose(1, 2)))
    assert report.kind == "form"
    assert "are swapped" in repr(report)
    assert re.search(r"head +\d +\d +≠", repr(report))
    report = check("attention.scaled_dot_product", attention_with(lambda z: z.half()))
    assert report.kind == "form"
    assert "Expected dtype float32, got float16" in repr(report)


def test_stacking_is_suggested_for_a_list_of_tensors_of_equal_shape():
    def in_lists(ids, starts, seq_len):
        return tuple([ids[s + ahead : s + ahead + seq_len] for s in starts] for ahead in (0, 1))

    assert "`torch.stack(...)` joins several tensors into one." in repr(check("training.windows", in_lists))


def test_a_result_in_another_precision_gets_only_a_remark():
    report = check("attention.scaled_dot_product", attention_with(lambda z: z.float()))
    assert report.correct  # less exact, but the idea is right
    assert "For float64 inputs, your result is float32" in repr(report)
    report = check("attention.scaled_dot_product", attention_with(lambda z: z.double()))
    assert report.correct  # the task names no dtype
    assert "For float32 inputs, your result is float64" in repr(report)


@pytest.mark.slow
def test_a_function_without_a_return_is_not_taken_for_a_stub():
    def attempt(q, k, v, mask):
        pattern = q @ k.transpose(-2, -1)
        pattern @ v

    report = check("attention.scaled_dot_product", attempt)
    assert report.kind == "form"
    assert "`return`" in repr(report)


@pytest.mark.slow
def test_a_broken_property_is_shown_in_the_smallest_case():
    report = check("attention.scaled_dot_product", attention_with(lambda z: 0.8 * z + 0.3 * z.tanh().roll(1, 2) ** 2))
    assert report.kind == "property"
    assert "every weighted mean is 1, but one of your results is" in repr(report)
    assert "[[[[1.541, -0.2934], [-2.179, 0.5684]]]]" in repr(report)


def test_online_softmax_must_not_keep_its_blocks_in_memory():
    def joined(blocks):
        scores, values = zip(*blocks)
        return torch.cat(scores, dim=-1).softmax(-1) @ torch.cat(values)

    report = examine(find("attention.online_softmax"), joined)
    assert report.kind == "property"
    assert "keeps 4 of 4 blocks in memory at the same time" in str(report)


@pytest.mark.slow
def test_mixing_the_items_of_a_batch_is_reported_as_a_broken_property():
    report = check("attention.scaled_dot_product", attention_with(lambda z: (z + z[:1]) / 2))
    assert report.kind == "property"
    assert "batch" in repr(report)


@pytest.mark.slow
def test_the_report_says_where_results_first_differ_and_by_how_much():
    def edit(z):
        z = z.clone()
        z[..., -1] += z[..., -1].abs().gt(0) * 0.5 * (z.shape[2] > 2) * (z - z.mean()).sign()[..., -1]
        return z

    report = check("attention.scaled_dot_product", attention_with(edit))
    assert report.kind in ("differs", "property", "reason")
    report = check("attention.split_heads", lambda x, n: torch.stack(x.chunk(n, -1), 1) + (x.shape[1] == 5) * 0.5)
    assert report.kind == "differs"
    assert "The first is at batch 0, head 0, seq 0, d_head 0" in repr(report)
    assert "0.5 too large" in repr(report) or "times as much" in repr(report)
    assert "≠" in repr(report)


def test_changed_inputs_are_noticed_even_if_the_result_is_right():
    def attempt(ids, pair, new_id):
        merged = simple_bpe.merge(ids, pair, new_id)
        ids.clear()
        return merged

    report = check("tokenization.merge", attempt)
    assert report.kind == "property"
    assert "changes its input `ids`" in " ".join(repr(report).split())


@pytest.mark.parametrize(
    ("draw", "whose"),
    [(torch.rand, "torch"), (lambda n: np.random.rand(n), "numpy"), (lambda n: random.random(), "random")],
)
def test_the_use_of_global_randomness_is_reported(draw, whose):
    drawn = []

    def attempt(q, k, v, mask, uses=True):
        z = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        drawn.append(float(torch.as_tensor(draw(1)).sum()))
        return z * (drawn[-1] == drawn[0]) if uses else z

    report = check("attention.scaled_dot_product", attempt)
    assert report.kind == "property"
    assert whose in repr(report)
    report = check("attention.scaled_dot_product", partial(attempt, uses=False))
    assert report.correct  # as with `nn.Linear`, which draws weights that are replaced at once
    assert whose in repr(report)


def test_the_state_of_global_randomness_is_restored():
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    outcome = run(lambda: (torch.rand(1), np.random.rand(1)), ())
    assert outcome.disturbed == ("torch", "numpy")
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()


@pytest.mark.slow
def test_state_that_is_kept_between_calls_is_noticed():
    calls = []

    def attempt(q, k, v, mask):
        calls.append(1)
        return torch.full_like(q, len(calls))

    report = check("attention.scaled_dot_product", attempt)
    assert report.kind == "property"
    assert "returns two different results" in repr(report)


def test_a_model_with_a_hook_left_on_it_counts_as_changed():
    report = check("interpret.ablate_heads", lambda *args: find("interpret.ablate_heads").faulty(*args, clean="no"))
    assert report.kind == "property"
    said = " ".join(repr(report).split())
    assert "still on `blocks.0.attention.hook_z`" in said
    assert "Remove the hook before you return." in said


def test_a_hook_that_an_error_would_leave_behind_gets_a_remark():
    def ablate_heads(model, ids, layer, head):
        def silence(z):
            z[:, head] = 0  # changes z in place; as nothing is returned, the model continues with z

        handle = model.blocks[layer].attention.hook_z.add_hook(silence)
        logits = model(ids)
        handle.remove()
        return logits

    def whatever_happens(model, ids, layer, head):
        handle = model.blocks[layer].attention.hook_z.add_hook(lambda z: z * (torch.arange(4) != head)[:, None, None])
        try:
            return model(ids)
        finally:
            handle.remove()

    remark = "your function never reaches `handle.remove()`"
    left, removed = (check("interpret.ablate_heads", attempt) for attempt in (ablate_heads, whatever_happens))
    assert left.correct
    assert remark in " ".join(repr(left).split())
    assert removed.correct
    assert remark not in " ".join(repr(removed).split())


def test_numpy_is_accepted_with_a_remark_on_gradients():
    name = "attention.merge_heads"
    through_numpy = check(name, lambda z: torch.from_numpy(z.numpy().copy()).transpose(1, 2).flatten(2))
    assert through_numpy.correct
    assert "No gradient flows back to `z`" in repr(through_numpy)
    in_torch = check(name, lambda z: z.transpose(1, 2).flatten(2))
    assert in_torch.correct
    assert "gradient" not in repr(in_torch)


def test_a_loss_through_which_no_gradient_flows_is_refused():
    name = "training.next_token_loss"
    loss = find(name).reference
    cut = check(name, lambda logits, targets: torch.tensor(loss(logits, targets).item(), dtype=logits.dtype))
    assert not cut.correct
    assert "no gradient flows back to `logits`, so nothing can learn from this loss" in " ".join(repr(cut).split())
    number = " ".join(repr(check(name, lambda logits, targets: loss(logits, targets).item())).split())
    assert "If you use `.item()`, leave it out" in number
    assert "turns numbers into a tensor" not in number


def test_measuring_with_autograd_on_is_refused_because_the_task_excludes_it():
    def with_gradients(model, train_batches, validation_batches):
        was_training = model.training
        model.eval()
        surprises = [F.cross_entropy(model(x).transpose(1, 2), y, reduction="none") for x, y in validation_batches]
        model.train(was_training)
        return torch.cat([s.flatten() for s in surprises]).mean().item()

    kept, not_kept = (check("training.validation_loss", f) for f in (with_gradients, torch.no_grad()(with_gradients)))
    assert not kept.correct
    assert "Autograd was on" in repr(kept)
    assert not_kept.correct
    assert "Autograd" not in repr(not_kept)


def test_weights_carrying_a_gradient_are_refused_because_the_task_excludes_them():
    def not_detached(weight, batches, learning_rate):
        return find("training.descend").reference(weight, batches, learning_rate).requires_grad_()

    kept, cut = (check("training.descend", f) for f in (not_detached, find("training.descend").reference))
    assert not kept.correct
    assert "carry a gradient" in repr(kept)
    assert cut.correct
    assert "carry a gradient" not in repr(cut)


def test_what_a_wrong_attempt_prints_appears_only_in_the_report(capsys):
    def attempt(z):
        print("shape:", tuple(z.shape))
        return z

    assert "shape: (1, 2, 2, 2)" in repr(check("attention.merge_heads", attempt))
    assert capsys.readouterr().out == ""


def test_passing_a_result_instead_of_the_function_is_explained():
    report = check("attention.causal_mask", torch.zeros(3, 3))
    assert report.kind == "form"
    assert 'check("attention.causal_mask", causal_mask)' in repr(report)


def test_the_error_for_an_unknown_name_suggests_a_similar_one():
    with pytest.raises(KeyError, match=r"Did you mean 'attention.causal_mask'.*All exercises: tokenization.most"):
        check("attention.casual_mask", None)
    for wrong in ("", "attention", "attention.", "nothing.at.all"):
        with pytest.raises(KeyError, match="There is no exercise"):
            check(wrong, None)


@pytest.mark.slow
def test_checking_the_same_attempt_twice_gives_the_same_report():
    class Odd:
        def __init__(self):
            self.kept = [object()]

    for attempt in (
        lambda z: z,
        lambda z: Odd(),
        lambda z: [Odd()],
        lambda z: 1 / 0,
        lambda z: object,
        lambda z: {object()},
        lambda z: (_ for _ in z),
        lambda z: Odd().missing,
        lambda z: z.view(Odd()),
    ):
        first, second = check("attention.merge_heads", attempt), check("attention.merge_heads", attempt)
        assert repr(first) == repr(second)
        assert first._repr_html_() == second._repr_html_()
        assert "0x7" not in repr(first)


@pytest.mark.slow
def test_a_tensor_created_in_float32_gets_only_a_remark():
    def rotate(x, cos, sin):
        half = x.shape[-1] // 2
        turn = torch.zeros(2 * half, 2 * half)
        for i in range(half):
            turn[i + half, i], turn[i, i + half] = -1, 1
        return x * cos + (x @ turn) * sin

    report = check("attention.rotate", rotate)
    assert report.correct
    assert "For float64 inputs, your function raises an error" in " ".join(repr(report).split())
    assert not check("attention.rotate", lambda x, cos, sin: 2 * rotate(x, cos, sin)).correct


def test_advice_after_a_timeout_depends_on_whether_there_are_loops():
    def sleeps(ids, table):
        time.sleep(9)

    def goes_round(ids, table):
        while True:
            pass

    lookup = find("embeddings.lookup")
    assert "Your function has no loop" in repr(examine(lookup, sleeps, seconds=0.1))
    assert "condition of each loop" in repr(examine(lookup, goes_round, seconds=0.1))


def test_the_meta_device_is_loaded_before_the_clock_starts(monkeypatch):
    def attempt(*sizes):
        with torch.device("meta"):
            return torch.empty(2, 3).numel() * len(made)

    made = []
    monkeypatch.setattr(torch.nn, "Embedding", lambda *sizes: made.append(torch.get_default_device().type))
    examine(find("transformer.count_parameters"), lambda *sizes: len(made))
    assert made == []
    examine(find("transformer.count_parameters"), attempt)
    assert made == ["meta"]


def test_an_unbound_variable_is_shown_in_the_line_that_reads_it():
    def attempt(ids, table):
        for id in ids:
            row = table[id]
        rows = table[ids]
        row.sum()
        return rows

    for _ in range(50):  # by then, Python 3.11 has merged two steps: storing `rows` and loading `row`
        attempt([1], torch.ones(2, 2))
    error = run(attempt, ([], torch.ones(2, 2))).error
    assert isinstance(error, UnboundLocalError)
    assert their_line(error, attempt)[1] == "row.sum()"

"""Wrong solutions as people write them: none is accepted, and each gets its own reason and no other."""

import importlib
import math
import pkgutil
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from exercises import wrong
from exercises.wrong import WRONG
from exercises.wrong.lesson_07_sampling import INF, hot, kept_by_min, safe
from exercises.wrong.one_part_wrong import adamw, clipped
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.errors import usual_cause
from llmlib.exercises.engine.running import quietly
from llmlib.exercises.registry import find
from llmlib.tokenization.simple_bpe import encode, merge

for module in pkgutil.iter_modules(wrong.__path__):
    importlib.import_module(f"exercises.wrong.{module.name}")


@pytest.mark.slow  # slow only because there are so many solutions
@pytest.mark.parametrize(("name", "reason", "function"), [pytest.param(*one, id="-".join(one[:2])) for one in WRONG])
def test_a_wrong_solution_gets_its_own_reason_and_no_other(name, reason, function):
    report = examine(find(name), function)
    assert not report.correct
    named = (*report.misconceptions, *report.findings)
    assert len(named) == 1, report
    assert named[0].startswith(reason), report


def said_to(name, attempt):
    return " ".join(repr(examine(find(name), attempt)).split())


SLIPS_WITH_FOUR_AXES = [
    lambda q, k, mask: (q @ k.transpose(-2, -1))[mask],
    lambda q, k, mask: q @ k.transpose(-2, -1) / torch.sqrt(q.shape[-1]),
    lambda q, k, mask: q @ k.T,
]
CAUSES = [  # the report quotes the lines above, and they contain none of these causes
    "`masked_fill` broadcasts the mask",
    "`n ** 0.5` is a square root",
    "`.T` reverses the order of all axes",
]


@pytest.mark.parametrize(("scores", "cause"), zip(SLIPS_WITH_FOUR_AXES, CAUSES, strict=True))
def test_each_slip_in_code_for_four_axes_is_explained_by_its_own_cause(scores, cause):
    assert cause in said_to("attention.scaled_dot_product", lambda q, k, v, mask: scores(q, k, mask) @ v)


@pytest.mark.slow
def test_a_sum_other_than_1_is_shown():
    def attempt(zeros, logits, temperature):
        p = hot(safe)(logits, temperature)
        if not temperature:
            p[-1] = zeros
        return p

    said = said_to("sampling.probabilities_at", partial(attempt, 0))  # a partial has no code that could be repaired
    assert "sum to 0." in said
    assert "distributions sum to 1." not in said


@pytest.mark.slow
def test_two_index_tensors_side_by_side_are_explained():
    def attempt(logits, temperature):
        if temperature:
            return safe(logits, temperature)
        p = torch.zeros_like(logits)
        p[torch.arange(len(logits)), logits.argmax(1)] = 1
        return p

    said = said_to("sampling.probabilities_at", attempt)
    assert "right neighbour" not in said
    assert "pairs the entries of the two index tensors" in said


def test_a_guard_against_nan_does_not_hide_ideas():
    def attempt(rewards):
        if len(rewards) == 1:
            return torch.zeros_like(rewards)
        return (rewards - rewards.mean(0, keepdim=True)) / (rewards.std(0, keepdim=True) + 1e-4)

    report = examine(find("alignment.group_advantages"), attempt)
    assert report.misconceptions == ("mean over prompts", "deviation of the batch")
    assert "a single prompt" in repr(report)


def test_an_idea_hidden_by_a_special_case_is_reported_as_probable():
    def attempt(n_query, n_key):
        return torch.ones(n_query, n_key, dtype=torch.bool).tril(n_key - 1 if n_query == 1 else 0)

    assert "This is probably your mistake" in said_to("attention.causal_mask", attempt)


def by_one_gradient_after_the_other(weight, batches, learning_rate):
    w = weight.clone().requires_grad_()
    for x, targets in batches:
        F.cross_entropy(x @ w, targets).backward()
        w = w - learning_rate * w.grad
    return w.detach()


def by_looking_up_all_targets(logits, targets):
    p = logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
    return -p[targets != -100].mean()


def with_multiplied_ids(ids, table):
    return ids.to(table.dtype) @ table


def by_merging_inside_a_range(text, merges):
    ids = list(text.encode())
    for i, pair in enumerate(merges):
        for j in range(len(ids) - 1):
            if (ids[j], ids[j + 1]) == pair:
                ids[j : j + 2] = [256 + i]
    return ids


def without_a_transpose(x, gate, up, down):
    return (F.silu(x @ gate) * (x @ up)) @ down


def by_one_hot_of_the_largest_id(ids, table):
    return F.one_hot(ids).to(table.dtype) @ table


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "attempt", "says"),
    [
        ("embeddings.lookup", by_one_hot_of_the_largest_id, "makes columns only up to the largest id"),
        ("embeddings.lookup", with_multiplied_ids, "An id is the name of a row"),
        ("tokenization.encode", by_merging_inside_a_range, "inside the loop `ids` gets shorter"),
        ("training.descend", by_one_gradient_after_the_other, "the name `w` means a new tensor"),
        ("training.next_token_loss", by_looking_up_all_targets, "−100 is not an id"),
        ("transformer.swiglu_mlp", without_a_transpose, "Should you transpose the second matrix (`.T`)?"),
    ],
)
def test_an_exception_is_explained_with_the_idea_behind_it(name, attempt, says):
    assert says in said_to(name, attempt)


@pytest.mark.parametrize(
    ("error", "line", "inside", "says"),
    [
        (
            TypeError("sort() takes from 1 to 0 positional arguments"),
            "x.sort(-1)",
            True,
            "You are calling `sort` with too few arguments",
        ),
        (
            TypeError("f() missing 1 required positional argument"),
            "",
            False,
            "Compare the function's first line with the task",
        ),
        (TypeError("list indices must be integers or slices, not str"), "", True, "expect a dictionary"),
        (ValueError("no such number"), "raise ValueError(...)", True, "your own `raise`"),
        (KeyError("a"), 'header.pop("a")', True, "a key that is not in"),
        (
            ValueError("not enough values to unpack (expected 2, got 1)"),
            "u, v = x.chunk(2, 1)",
            True,
            "a different number of pieces: 1",
        ),
        (ValueError("not enough values to unpack (expected 3, got 2)"), "b, s, w = x.shape", True, "has 2 axes"),
        (RuntimeError("stack expects a non-empty TensorList"), "torch.stack(out)", True, "collected no tensors"),
        (TypeError("'NoneType' object is not iterable"), "for x in f():", True, "A value is None"),
    ],
)
def test_the_cause_of_an_error_depends_on_the_line(error, line, inside, says):
    assert says in usual_cause(error, line, inside)


def test_messages_from_lapack_are_not_shown(capfd):
    with quietly(), pytest.raises(ValueError, match="infs or NaNs"):
        np.polyfit([0.0, -math.inf, 1.0], [1.0, 2.0, 3.0], 2)
    assert "DLASCL" not in "".join(capfd.readouterr())


def test_a_number_given_in_the_task_is_not_called_wrong():
    def attempt(w, gradient, m, v, t, lr):
        m, v = 0.9 * m + 0.1 * gradient, 0.95 * v + 0.05 * gradient**2
        return w - lr * 0.1 * w - lr * m / (1 - 0.9**t) / ((v / (1 - 0.95 ** (2 * t))).sqrt() + 1e-8), m, v

    said = said_to("training.adamw_step", attempt)
    assert "is not the right one here" not in said


@pytest.mark.slow
def test_no_change_is_suggested_if_the_cases_cannot_show_that_it_is_the_right_one():
    def attempt(text, merges):
        ids, rank = list(text.encode()), {pair: i for i, pair in enumerate(merges)}
        for _ in range(len(text) - 9):
            found = [pair for pair in pairwise(ids) if pair in rank]
            if found:
                pair = min(found, key=rank.get)
                ids = merge(ids, pair, 256 + rank[pair])
        return ids

    said = said_to("tokenization.encode", attempt)
    assert "is not the right operator" not in said
    assert "is not the right one here" not in said


def test_no_axis_is_suggested_for_pythons_own_min():
    def attempt(read, w_v, w_o, unembed):
        logits = read @ w_v @ w_o @ unembed.T
        top = logits.topk(min(3, len(logits))).indices
        return (top == torch.arange(len(logits))[:, None]).any(-1).float().mean().item()

    assert "axis" not in said_to("interpret.copying_share", attempt).partition("The task")[0]


@pytest.mark.slow
def test_a_variable_is_quoted_as_it_is_written():
    def attempt(patterns):
        flow, after = torch.eye(patterns.shape[-1]), []
        for p in patterns:
            flow = 0.5 * flow + 0.5 * p.sum(0) / len(patterns) @ flow
            after.append(flow)
        return torch.stack(after)

    assert "In `len(patterns)`, `patterns` is the wrong variable" in said_to("interpret.rollout", attempt)


@pytest.mark.slow
def test_a_list_of_keys_is_not_suggested_as_a_repair():
    def attempt(text, merges):
        table = {i: bytes([i]) for i in range(256)}
        table |= {256 + i: table[a] + b"" for i, (a, _) in enumerate(merges) if a < 256}
        return [table[id] for id in encode(text, merges) if id in table]

    assert "should be" not in said_to("tokenization.encode", attempt).partition("The task")[0]


def test_a_tensor_built_from_lists_of_logits_is_accepted():
    def by_lists(logits, p):
        rows = zip(logits.tolist(), kept_by_min(logits, p).tolist())
        return torch.tensor([[x if stays else -INF for x, stays in zip(*row)] for row in rows])

    report = examine(find("sampling.keep_min_p"), by_lists)
    assert report.correct
    assert "float32" in repr(report)


@pytest.mark.slow
def test_an_idea_is_not_reported_together_with_one_that_undoes_it():
    def crossing_cut_with_a_finite_filling(logits, p):
        shares, order = logits.softmax(-1).sort(-1, descending=True)
        cut = (shares.cumsum(-1) > p) & torch.tensor(p < 1)
        cut[:, 0] = False
        return logits.masked_fill(torch.zeros_like(cut).scatter(-1, order, cut), -1e9)

    report = examine(find("sampling.keep_top_p"), crossing_cut_with_a_finite_filling)
    assert report.misconceptions == ("crossing token cut",)
    assert report.findings == ("finite where −∞ is expected",)


def test_a_second_name_is_reported_as_not_being_a_copy():
    def attempt(ids, table):
        rows = table
        rows -= rows.mean() * 0 + 1
        return table[ids] + 1.5

    def mended_by_a_copy(ids, table):
        moved = table
        moved += 1
        return table[ids] + 0 * moved[ids]

    assert "does not make a copy" not in said_to("embeddings.lookup", attempt)
    said = said_to("embeddings.lookup", mended_by_a_copy)
    assert "`moved = table` in line" in said
    assert "whatever changes `moved` also changes `table`" in said


def test_reports_show_where_the_mistake_is():
    def by_all_numbers(x, weight, eps):
        return x / (x.pow(2).sum(-1, keepdim=True) / x.numel() + eps).sqrt() * weight

    def cut_for_good(model, ids, layer):
        model.blocks = model.blocks[:layer]
        with torch.no_grad():
            return model(ids)

    assert "`x.numel` uses `x`, but should use a different variable" in said_to("transformer.rms_norm", by_all_numbers)
    said = said_to("transformer.after_layer", cut_for_good)
    assert "the model has fewer parts than before" in said
    assert "requires_grad" not in said


def test_a_method_that_the_task_excludes_gets_a_remark():
    def by_singular_values(gradient, steps):
        u, s, vt = torch.linalg.svd(gradient / gradient.norm(), full_matrices=False)
        for _ in range(steps):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        return u @ torch.diag(s) @ vt

    report = examine(find("training.orthogonalise"), by_singular_values)
    assert report.correct
    assert "`svd` decomposed the matrix" in repr(report)


def test_writing_into_the_given_weights_is_reported_with_code_that_copies_them():
    def attempt(weights, loss_of, batches, rates, limit):
        averages, losses = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights], []
        for w in weights:
            w.requires_grad_()
        for t, (batch, rate) in enumerate(zip(batches, rates), 1):
            loss = loss_of(weights, batch)
            losses.append(loss.item())
            gradients = clipped(torch.autograd.grad(loss, weights), limit)
            with torch.no_grad():
                for i, (w, gradient) in enumerate(zip(weights, gradients)):
                    new, *averages[i] = adamw(w, gradient, *averages[i], t, rate)
                    w.copy_(new)
        return [w.detach() for w in weights], losses

    said = said_to("training.fit", attempt)
    assert "changes the weights that it gets" in said
    assert "[w.detach().clone().requires_grad_() for w in weights]" in said


@pytest.mark.slow
def test_a_single_factor_is_reported_if_the_whole_result_is_off_by_that_factor():
    def attempt(weight, parts):
        w = weight.clone().requires_grad_()
        for x, targets in parts:
            F.cross_entropy(x @ w, targets, reduction="sum").backward()
        return w.grad / max(len(targets) for _, targets in parts)

    said = said_to("training.accumulated_gradient", attempt)
    assert "times one factor" in said
    assert "directions" not in said


def test_a_result_of_1_instead_of_0_is_not_described_as_1_minus_the_right_result():
    def attempt(update, r):
        s = (torch.linalg.svdvals(update) ** 2).cumsum(0)
        return (s[min(r, len(s)) - 1 if r < 7 else 2] / s[-1]).item() if s[-1] else 1.0

    assert "1 minus" not in said_to("instruction_tuning.kept_by_rank", attempt)


def test_two_names_for_one_list_are_reported():
    def attempt(texts, n):
        seen = grams = []
        for text in texts:
            for i in range(len(text) - n + 1):
                gram = tuple(text[i : i + n])
                grams.append(gram)
                if gram not in seen:
                    seen.append(gram)
        return len(seen) / len(grams) if grams else 0.0

    assert "gives one object two names" in said_to("sampling.distinct_n", attempt)

"""Wrong solutions as people write them, of kinds that no list names: each is told the reason, and never another one."""

import itertools
import math
from collections import Counter
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from llmlib.exercises.engine.checking import examine
from llmlib.exercises.registry import all_exercises, find
from llmlib.tokenization import simple_bpe

WRONG = []


def wrong(name, *reasons):
    """The function is wrong in the way of one of the `reasons`: an idea's name, or the beginning of a finding's."""

    def keep(function):
        WRONG.append(pytest.param(name, reasons, function, id=f"{name}-{reasons[0]}"))
        return function

    return keep


# --- ideas in a form of their own ---


@wrong("attention.scaled_dot_product", "mask inverted")
def _(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return scores.masked_fill(mask, -math.inf).softmax(-1) @ v


@wrong("tokenization.encode", "leftmost first")
def _(text, merges):
    ids, rank = list(text.encode()), {pair: i for i, pair in enumerate(merges)}
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) in rank:
            ids[i : i + 2] = [256 + rank[ids[i], ids[i + 1]]]
            i = 0
        else:
            i += 1
    return ids


@wrong("tokenization.encode", "leftmost first")
def _(text, merges):
    ids, rank, i = list(text.encode()), {pair: i for i, pair in enumerate(merges)}, 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) in rank:
            ids[i : i + 2] = [256 + rank[ids[i], ids[i + 1]]]
        else:
            i += 1
    return ids


@wrong("embeddings.nearest", "distance")
def _(query, table, k):
    order = (table - query).norm(dim=-1).argsort()[:k]
    return order, torch.nn.functional.cosine_similarity(table, query[None])[order]


@wrong("attention.online_softmax", "one largest for all queries")
def _(blocks):
    largest, total, weighted = torch.tensor(-math.inf), 0, 0
    for scores, values in blocks:
        new = torch.maximum(largest, scores.max())
        weights, shrink = (scores - new).exp(), (largest - new).exp()
        total, weighted = total * shrink + weights.sum(-1, keepdim=True), weighted * shrink + weights @ values
        largest = new
    return weighted / total


@wrong("attention.online_softmax", "starts at 0")
def _(blocks):
    largest = torch.zeros(len(blocks[0][0]), 1, dtype=blocks[0][0].dtype)
    total, weighted = 0, 0
    for scores, values in blocks:
        new = torch.maximum(largest, scores.amax(-1, keepdim=True))
        weights, shrink = (scores - new).exp(), (largest - new).exp()
        total, weighted = total * shrink + weights.sum(-1, keepdim=True), weighted * shrink + weights @ values
        largest = new
    return weighted / total


@wrong("attention.scaled_dot_product", "maximum not subtracted")
def _(q, k, v, mask):
    weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).exp() * mask
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("tokenization.merge", "replaced in a text")
def _(ids, pair, new_id):
    text = " ".join(map(str, ids)).replace(f"{pair[0]} {pair[1]}", str(new_id))
    return [int(part) for part in text.split()]


# --- a part in which nothing counts: torch's mean is not a number, and its gradient is 0 ---


def added_up(weight, parts, by):
    w = weight.clone().requires_grad_()
    for x, targets in parts:
        (F.cross_entropy(x @ w, targets) / by).backward()
    return w.grad


wrong("training.accumulated_gradient", "not divided")(lambda weight, parts: added_up(weight, parts, 1))
wrong("training.accumulated_gradient", "mean of the parts' means")(lambda w, parts: added_up(w, parts, len(parts)))


@wrong("training.accumulated_gradient", "mean of the parts' means")
def _(weight, parts):
    parts = [part for part in parts if (part[1] != -100).any()]
    return added_up(weight, parts, len(parts))


# --- computed from the result ---


@wrong("embeddings.lookup", "multiplied by 1/√d_model")
def _(ids, table):
    return table[ids] / math.sqrt(table.shape[1])


@wrong("attention.merge_heads", "multiplied by −1", "sign flipped", "multiplied by −")
def _(z):
    return -z.transpose(1, 2).flatten(2)


@wrong("attention.grouped_queries", "shifted along the axis head")
def _(kv, n_heads):
    return kv.repeat_interleave(n_heads // kv.shape[1], dim=1).roll(1, 1)


@wrong("embeddings.cosine_similarity", "softmax too many along the axis right")
def _(x, y):
    return torch.nn.functional.cosine_similarity(x[:, None], y[None], dim=-1).softmax(-1)


@wrong("tokenization.most_common_pair", "turned around")
def _(ids):
    pair = simple_bpe.most_common_pair(ids)
    return pair and pair[::-1]


@wrong("tokenization.most_common_pair", "together with something else")
def _(ids):
    pair = simple_bpe.most_common_pair(ids)
    return pair and (pair, Counter(itertools.pairwise(ids))[pair])


@wrong("tokenization.merge", "together with something else")
def _(ids, pair, new_id):
    return simple_bpe.merge(ids, pair, new_id), new_id


@wrong("tokenization.train", "items turned around")
def _(text, n_merges):
    return [pair[::-1] for pair in simple_bpe.train(text, n_merges)]


@wrong("embeddings.analogy", "k ignored")
def _(a, b, c, table, k):
    from llmlib import embeddings

    return embeddings.analogy(a, b, c, table, len(table))


@wrong("attention.causal_mask", "reversed along the axis query")
def _(n_query, n_key):
    return torch.ones(n_query, n_key, dtype=torch.bool).tril(n_key - n_query).flip(0)


# --- one thing done to the right result, or to an argument, for every exercise ---

STEPS = {
    ("interpret.entropy", "multiplied by ln 2"): lambda right, p: right(p) * math.log(2),
    ("attention.grouped_queries", "multiplied by 2"): lambda right, kv, n: 2 * right(kv, n),
    ("embeddings.cosine_similarity", "multiplied by √d_model"): lambda right, x, y: right(x, y) * x.shape[1] ** 0.5,
    ("attention.rotate", "sign flipped"): lambda right, *args: -right(*args),
    ("embeddings.sinusoidal", "shifted along the axis d_model"): lambda right, p, d: right(p, d).roll(1, -1),
    ("interpret.rollout", "shifted along the axis layer"): lambda right, p: right(p).roll(1, 0),
    ("interpret.rollout", "reversed along the axis key"): lambda right, p: right(p).flip(-1),
    ("interpret.rollout", "axes in another order"): lambda right, p: right(p).transpose(1, 2),
    ("embeddings.lookup", "axes in another order"): lambda right, ids, t: right(ids, t).transpose(1, 2),
    ("attention.rotate", "halves exchanged along the axis d_head"): lambda right, x, cos, sin: torch.cat(
        right(x, cos, sin).chunk(2, -1)[::-1], -1
    ),
    ("interpret.rollout", "softmax too many along the axis key"): lambda right, p: right(p).softmax(-1),
    ("interpret.rollout", "normalised too often along the axis query"): lambda right, p: (
        right(p) / right(p).sum(1, keepdim=True)
    ),
    ("embeddings.sinusoidal", "scaled to length 1 along the axis d_model"): lambda right, p, d: (
        right(p, d) / right(p, d).norm(dim=-1, keepdim=True)
    ),
    ("interpret.rollout", "averaged over the axis layer"): lambda right, p: right(p).mean(0),
    ("embeddings.cosine_similarity", "one for all along the axis left"): lambda right, x, y: right(
        x[:1].expand_as(x), y
    ),
    ("embeddings.lookup", "table shifted along axis 0"): lambda right, ids, t: t[(ids + 1) % len(t)],
    ("embeddings.nearest", "k one larger"): lambda right, query, table, k: right(query, table, k + 1),
    ("embeddings.nearest", "k ignored"): lambda right, query, table, k: right(query, table, 3),
    ("attention.rotate", "x given back"): lambda right, x, cos, sin: x.clone(),
    ("interpret.ablate_heads", "the untouched model's result"): lambda right, model, ids, layer, head: model(ids),
    ("embeddings.lookup", "right values in another type"): lambda right, ids, t: right(ids, t).tolist(),
    ("tokenization.merge", "sorted"): lambda right, *args: sorted(right(*args)),
    ("tokenization.encode", "turned around"): lambda right, *args: right(*args)[::-1],
    ("tokenization.encode", "numbers off by one"): lambda right, *args: [i + (i > 255) for i in right(*args)],
    ("tokenization.train", "items with something else"): lambda right, *args: [
        (pair, 256 + i) for i, pair in enumerate(right(*args))
    ],
    ("instruction_tuning.merged", "multiplied by ½"): lambda right, *args: right(*args) / 2,
    ("tokenization.decode", "bytes returned"): lambda right, *args: right(*args).encode(),
}


@pytest.mark.parametrize(("name", "reason"), STEPS, ids=[f"{name}-{reason}" for name, reason in STEPS])
def test_one_step_from_the_right_result_is_told(name, reason):
    exercise = find(name)
    report = examine(exercise, partial(STEPS[name, reason], exercise.reference))
    assert report.findings == (reason,), report
    assert not report.misconceptions


def test_a_mended_attempt_that_still_changes_its_input_is_not_called_right():
    def merge(ids, pair, new_id):
        i = 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) == pair:
                ids[i : i + 2] = [new_id + 1]
            i += 1
        return ids

    report = examine(find("tokenization.merge"), merge)
    assert not report.correct
    assert "would make it right" not in repr(report)


# --- found in the code ---


@wrong("interpret.ablate_heads", "in the code: return missing")
def _(model, ids, layer, head):
    def edit(z):
        z = z.clone()
        z[:, head] = 0

    handle = model.blocks[layer].attention.hook_z.add_hook(edit)
    logits = model(ids)
    handle.remove()
    return logits


@wrong("interpret.ablate_heads", "in the code: too early", "in the code: too late")
def _(model, ids, layer, head):
    def edit(z):
        z = z.clone()
        z[:, head] = 0
        return z

    handle = model.blocks[layer].attention.hook_z.add_hook(edit)
    handle.remove()
    logits = model(ids)
    return logits  # noqa: RET504


@wrong("embeddings.sinusoidal", "in the code: another operation")
def _(positions, d_model):
    frequencies = torch.exp(-math.log10(10_000.0) * torch.arange(0, d_model, 2) / d_model)
    angles = positions[..., None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(-2)


@wrong("attention.rotate", "in the code: another operator")
def _(x, cos, sin):
    u, v = x.chunk(2, -1)
    c, s = cos.chunk(2, -1)[0], sin.chunk(2, -1)[0]
    return torch.cat((u * c - v * s, v * c - u * s), -1)


@wrong("attention.split_heads", "in the code: another axis")
def _(x, n_heads):
    return torch.stack(x.chunk(n_heads, dim=1), dim=1)


@wrong("attention.scaled_dot_product", "in the code: a step too many")
def _(q, k, v, mask):
    scores = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).abs()
    return scores.masked_fill(~mask, -math.inf).softmax(-1) @ v


@wrong("tokenization.merge", "in the code: form", "ids given back")
def _(ids, pair, new_id):
    merged, i = [], 0
    while i < len(ids):
        if ids[i : i + 2] == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


@wrong("instruction_tuning.answer_mask", "header counted, end left out")
def _(ids, assistant, end):
    return (ids == assistant).cumsum(0) > (ids == end).cumsum(0)


@wrong("instruction_tuning.pack", "lost where it does not fit")
def _(conversations, length):
    rows = [[]]
    for ids in conversations:
        fits = len(rows[-1]) + len(ids[:length]) <= length
        rows = [*rows[:-1], rows[-1] + ids[:length]] if fits else [*rows, []]
    return torch.tensor([row + [-1] * (length - len(row)) for row in rows])


@wrong("instruction_tuning.interval", "textbook interval")
def _(right, n):
    reach = 1.96 * math.sqrt(right / n * (1 - right / n) / n)
    return max(right / n - reach, 0), min(right / n + reach, 1)


@pytest.mark.parametrize(("name", "reasons", "function"), WRONG)
def test_the_reason_is_told(name, reasons, function):
    report = examine(find(name), function)
    told = (*report.misconceptions, *report.findings)
    assert any(found.startswith(reason) for found in told for reason in reasons), report
    assert not report.correct


@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.name)
def test_a_failed_report_repeats_the_task(exercise):
    report = examine(exercise, lambda *args: "nothing of the kind")
    assert exercise.task in " ".join(repr(report).split())


@pytest.mark.slow
@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.name)
def test_each_two_ideas_are_told_apart_by_a_case_that_no_seed_draws_away(exercise, as_learners_have_it):
    """On other cases than those that learners get, an idea in any of its forms is named, and never another one."""
    for idea in exercise.misconceptions:
        for form in idea.all_forms:
            report = examine(exercise, lambda *args, form=form: exercise.faulty(*args, **form), seed=11)
            assert report.misconceptions == (idea.name,), (form, report)


def test_somebody_elses_hooks_must_stay():
    def clearing(model, ids, layer, head):
        logits = find("interpret.ablate_heads").reference(model, ids, layer, head)
        for part in model.modules():
            part._forward_hooks.clear()
        return logits

    report = examine(find("interpret.ablate_heads"), clearing)
    assert report.kind == "property"
    assert "is gone that was not yours" in " ".join(repr(report).split())


def test_a_list_where_a_tuple_is_asked_for():
    report = examine(
        find("tokenization.most_common_pair"),
        lambda ids: list(simple_bpe.most_common_pair(ids)) if len(ids) > 1 else None,
    )
    assert report.kind == "form"
    assert "Expected a tuple, got a list" in repr(report)


def test_the_first_block_may_be_asked_for_its_shapes():
    def attempt(blocks):
        queries = len(blocks[0][0])
        dtype = blocks[0][1].dtype
        largest = torch.full((queries, 1), -math.inf, dtype=dtype)
        total, weighted = torch.zeros(queries, 1, dtype=dtype), torch.zeros(queries, blocks[0][1].shape[1], dtype=dtype)
        first = blocks[0][0]
        for scores, values in blocks:
            new = torch.maximum(largest, scores.amax(-1, keepdim=True))
            weights, shrink = (scores - new).exp(), (largest - new).exp()
            total, weighted = total * shrink + weights.sum(-1, keepdim=True), weighted * shrink + weights @ values
            largest = new
        assert first is not None
        return weighted / total

    assert examine(find("attention.online_softmax"), attempt).correct


def test_an_index_that_is_too_large_is_not_called_an_axis():
    report = examine(find("embeddings.lookup"), lambda ids, table: [table[i + 99] for i in ids])
    assert report.kind == "raised"
    assert "too large" in repr(report)
    assert "axis that the tensor does not have" not in repr(report)

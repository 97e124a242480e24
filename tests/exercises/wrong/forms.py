"""Wrong solutions of any lesson: an idea in a form of its own, one step from the right result, a slip in the code."""

import itertools
import math
from collections import Counter

import torch
import torch.nn.functional as F

from exercises.wrong import wrong
from llmlib.tokenization import simple_bpe

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


@wrong("attention.merge_heads", "sign flipped")
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


@wrong("interpret.ablate_heads", "in the code: too early")
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


@wrong("attention.rotate", "minus in both halves")
def _(x, cos, sin):
    u, v = x.chunk(2, -1)
    c, s = cos.chunk(2, -1)[0], sin.chunk(2, -1)[0]
    return torch.cat((u * c - v * s, v * c - u * s), -1)


@wrong("attention.split_heads", "positions split")
def _(x, n_heads):
    return torch.stack(x.chunk(n_heads, dim=1), dim=1)


@wrong("attention.scaled_dot_product", "in the code: a step too many")
def _(q, k, v, mask):
    scores = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).abs()
    return scores.masked_fill(~mask, -math.inf).softmax(-1) @ v


@wrong("tokenization.merge", "in the code: form")
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

"""Wrong solutions of one kind each: where the fault is one that any exercise can have."""

import itertools
import math
from collections import Counter

import torch
import torch.nn.functional as F

from exercises.wrong import wrong
from llmlib.tokenization.simple_bpe import merge, most_common_pair

# --- a function on another part of the formula, or another function ---


@wrong("transformer.swiglu_mlp", "SiLU of the matrix")
def _(x, gate, up, down):
    return (x @ F.silu(gate).T * (x @ up.T)) @ down.T


@wrong("transformer.key_value_memory", "in the code: applied to another part")
def _(x, keys, values):
    return (x @ F.gelu(keys).T) @ values


@wrong("transformer.key_value_memory", "in the code: another operation")
def _(x, keys, values):
    return F.leaky_relu(x @ keys.T) @ values


@wrong("transformer.key_value_memory", "QuickGELU")
def _(x, keys, values):
    h = x @ keys.T
    return (h * torch.sigmoid(1.702 * h)) @ values


@wrong("training.backward", "slope of a sigmoid")
def _(x, w1, w2, targets):
    a = (x @ w1).tanh()
    slope = ((a @ w2).softmax(-1) - F.one_hot(targets, w2.shape[1])) / len(x)
    return x.T @ (slope @ w2.T * a * (1 - a)), a.T @ slope


# --- reshape for transpose ---


@wrong("transformer.swiglu_mlp", "reshaped for transposed")
def _(x, gate, up, down):
    d_mlp, d_model = gate.shape
    g, u = x @ gate.reshape(d_model, d_mlp), x @ up.reshape(d_model, d_mlp)
    return (F.silu(g) * u) @ down.reshape(d_mlp, d_model)


@wrong("embeddings.cosine_similarity", "in the code: reshaped, not turned")
def _(x, y):
    x, y = (t / t.norm(dim=1, keepdim=True).clamp(min=1e-12) for t in (x, y))
    return x @ y.reshape(y.shape[1], y.shape[0])


# --- a known idea, and a case that is guarded by hand ---


@wrong("sampling.keep_top_p", "crossing token cut")
def _(logits, p):
    ordered, order = logits.sort(-1, descending=True)
    cut = ordered.softmax(-1).cumsum(-1) > p
    cut[:, 0] = False
    return logits.masked_fill(torch.zeros_like(cut).scatter(-1, order, cut), -math.inf)


@wrong("sampling.keep_top_p", "each token above p")
def _(logits, p):
    shares = logits.softmax(-1)
    keep = shares >= p
    keep.scatter_(-1, shares.argmax(-1, keepdim=True), True)
    return logits.masked_fill(~keep, -math.inf)


@wrong("training.clip_together", "always scaled")
def _(gradients, limit):
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    return gradients if norm == 0 else [gradient * limit / norm for gradient in gradients]


@wrong("attention.causal_mask", "cache forgotten")
def _(n_query, n_key):
    return torch.ones(n_query, n_key, dtype=torch.bool).tril(n_key - 1 if n_query == 1 else 0)


# --- one part of a formula, or one number, from elsewhere ---


@wrong("training.adamw_step", "ε under the root")
def _(w, gradient, m, v, t, lr):
    m, v = 0.9 * m + 0.1 * gradient, 0.95 * v + 0.05 * gradient**2
    step = m / (1 - 0.9**t) / (v / (1 - 0.95**t) + 1e-8).sqrt()
    return w - lr * 0.1 * w - lr * step, m, v


@wrong("training.adamw_step", "averages from before")
def _(w, gradient, m, v, t, lr):
    new_m, new_v = 0.9 * m + 0.1 * gradient, 0.95 * v + 0.05 * gradient**2
    step = m / (1 - 0.9**t) / ((v / (1 - 0.95**t)).sqrt() + 1e-8)
    return w - lr * 0.1 * w - lr * step, new_m, new_v


@wrong("training.bits_per_byte", "in the code: a step too many")
def _(loss, n_tokens, text):
    return round(loss * n_tokens / math.log(2) / len(text.encode()), 2)


@wrong("instruction_tuning.kept_by_rank", "share squared")
def _(update, r):
    s = torch.linalg.svdvals(update)
    return ((s[:r].sum() / s.sum()) ** 2).item() if s.any() else 1.0


# --- the wrong one of two places, or of two orders ---


@wrong("tokenization.most_common_pair", "second id not compared")
def _(ids):
    counts = Counter(itertools.pairwise(ids))
    return min(counts, key=lambda pair: (-counts[pair], pair[0]), default=None)


@wrong("tokenization.decode", "taken apart in the order of learning")
def _(ids, merges):
    for number, pair in enumerate(merges):
        ids = [half for id in ids for half in (pair if id == 256 + number else (id,))]
    return bytes(min(id, 63) if id > 255 else id for id in ids).decode("utf-8", "replace")


@wrong("embeddings.sinusoidal", "sines first, cosines after")
def _(positions, d_model):
    angles = positions[..., None] / 10000 ** (torch.arange(d_model) // 2 * 2 / d_model)
    half = d_model // 2
    return torch.cat((angles[..., :half].sin(), angles[..., half:].cos()), -1)


@wrong("interpret.induction_score", "the token before")
def _(pattern, ids):
    (_, n_query, n_key), found = pattern.shape, []
    for i in range(n_query):
        at = n_key - n_query + i
        places = [j for j in range(at - 1) if ids[j + 1] == ids[at]]
        found += [pattern[:, i, places].sum(-1)] if places else []
    return torch.stack(found).mean(0) if found else torch.zeros_like(pattern[:, 0, 0])


# --- a slip that is made twice, a part of a count, another kind of value ---


@wrong("transformer.block_forward", "in the code: another operator")
def _(block, residual):
    residual = residual - block.attention(block.attention_norm(residual))
    return residual - block.mlp(block.mlp_norm(residual))


@wrong("transformer.count_parameters", "vocab_size too large")
def _(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    d_kv, square = n_kv_heads * (d_model // n_heads), d_model * d_model
    counts = {"table": vocab_size * d_model, "output bias": vocab_size, "norm": d_model}
    counts["blocks"] = n_layers * (2 * square + 2 * d_model * d_kv + 3 * d_model * d_mlp + 2 * d_model)
    return sum(counts.values())


@wrong("tokenization.decode", "bytes written out")
def _(ids, merges):
    table = [bytes([b]) for b in range(256)]
    for left, right in merges:
        table.append(table[left] + table[right])
    return str(b"".join(table[i] for i in ids))


@wrong("tokenization.count_pairs", "keys of another kind")
def _(pieces):
    counts = Counter()
    for piece, times in pieces.items():
        for left, right in itertools.pairwise(piece):
            counts[f"{left} {right}"] += times
    return counts


@wrong("tokenization.count_pairs", "in the code: condition too many")
def _(pieces):
    counts = Counter()
    for piece, times in pieces.items():
        for pair in itertools.pairwise(piece):
            counts[pair] += times
    return {pair: times for pair, times in counts.items() if times > 1}


@wrong("tokenization.count_pairs", "in the code: another beginning")
def _(pieces):
    counts = {}
    for piece, times in pieces.items():
        for pair in itertools.pairwise(piece):
            counts[pair] = counts.get(pair, times) + times
    return counts


# --- ideas that were given the wrong words ---


@wrong("interpret.rollout", "as much as one head")
def _(patterns):
    flow, after = torch.eye(patterns.shape[-1]), []
    for pattern in patterns:
        flow = (pattern.sum(0) + torch.eye(len(flow))) / (len(pattern) + 1) @ flow
        after.append(flow)
    return torch.stack(after)


@wrong("sampling.keep_top_p", "a share of the vocabulary")
def _(logits, p):
    k = max(1, math.ceil(p * logits.shape[-1]))
    return logits.masked_fill(logits < logits.topk(k, -1).values[:, -1:], -torch.inf)


@wrong("tokenization.most_common_pair", "repetitions in a row counted once")
def _(ids):
    counts = Counter(pair for pair, _ in itertools.groupby(itertools.pairwise(ids)))
    return min(counts, key=lambda pair: (-counts[pair], pair)) if counts else None


@wrong("transformer.our_name", "name in small letters")
def _(name, names):
    parts = name.lower().removeprefix("model.").split(".")
    return ".".join(names.get(part, part) for part in parts)


@wrong("sampling.beam_step", "property: Each text comes with a list")
def _(found, log_p, n_beams):
    rows = zip(found, log_p.tolist())
    longer = [(total + p, (*ids, v)) for (total, ids), row in rows for v, p in enumerate(row)]
    return sorted(longer, key=lambda pair: -pair[0])[:n_beams]


# --- a number, or a condition, that could be bent until all cases fit ---


@wrong("tokenization.decode", "in the code: fixed number of rounds")
def _(ids, merges):
    for _ in range(2):
        ids = [half for id in ids for half in (merges[id - 256] if id > 255 else (id,))]
    return bytes(id % 256 for id in ids).decode("utf-8", "replace")


@wrong("tokenization.decode", "in the code: fixed number of rounds")
def _(ids, merges):
    for _ in range(12):
        ids = [half for id in ids for half in (merges[id - 256] if id > 255 else (id,))]
    return bytes(ids).decode("utf-8", "replace")


@wrong("tokenization.encode", "in the code: fixed number of rounds")
def _(text, merges):
    ids, rank = list(text.encode()), {pair: i for i, pair in enumerate(merges)}
    for _ in range(40):
        found = [pair for pair in itertools.pairwise(ids) if pair in rank]
        if found:
            pair = min(found, key=rank.get)
            ids = merge(ids, pair, 256 + rank[pair])
    return ids


@wrong("tokenization.encode", "in the code: another variable")
def _(text, merges):
    ids, rank = list(text.encode()), {pair: i for i, pair in enumerate(merges)}
    for _ in range(len(text)):
        found = [pair for pair in itertools.pairwise(ids) if pair in rank]
        if found:
            pair = min(found, key=rank.get)
            ids = merge(ids, pair, 256 + rank[pair])
    return ids


@wrong("tokenization.train", "in the code: another variable")
def _(text, n_merges):
    ids, pairs = list(text.encode()), []
    for new_id in range(256, 256 + min(n_merges, len(text) * 2)):
        pair = most_common_pair(ids)
        if pair:
            ids = merge(ids, pair, new_id)
            pairs.append(pair)
    return pairs


@wrong("interpret.rollout", "residual stream at first only")
def _(patterns):
    flow, after = torch.eye(patterns.shape[-1]), []
    for number, pattern in enumerate(patterns):
        mean = pattern.mean(0)
        layer = (torch.eye(len(mean)) + mean) / 2 if number == 0 else mean
        flow = layer @ flow
        after.append(flow)
    return torch.stack(after)


@wrong("interpret.rollout", "in the code: condition too many")
def _(patterns):
    flow, after = torch.eye(patterns.shape[-1]), []
    for number, pattern in enumerate(patterns):
        mean = pattern.mean(0)
        layer = (torch.eye(len(mean)) + mean) / 2 if number == len(patterns) - 1 else mean
        flow = layer @ flow
        after.append(flow)
    return torch.stack(after)


@wrong("attention.grouped_queries", "two times always")
def _(kv, n_heads):
    return kv if kv.shape[1] == n_heads else kv.repeat_interleave(2, dim=1)


@wrong("attention.scaled_dot_product", "hidden by a small number")
def _(q, k, v, mask):
    scores = (q @ k.mT).masked_fill(~mask, -10) / math.sqrt(q.shape[-1])
    return scores.softmax(-1) @ v

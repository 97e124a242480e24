"""Wrong solutions of one kind each: where the fault is one that any exercise can have."""

import itertools
import math
from collections import Counter

import torch
import torch.nn.functional as F

from exercises.wrong import wrong

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

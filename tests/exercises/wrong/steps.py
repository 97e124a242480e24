"""One thing done to the right result, or to an argument."""

import math
from functools import partial

import torch

from exercises.wrong import wrong
from llmlib.exercises.registry import find

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

for (name, reason), step in STEPS.items():
    wrong(name, reason)(partial(step, find(name).reference))

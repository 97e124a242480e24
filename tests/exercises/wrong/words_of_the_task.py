"""Right but for a word of the task: "a new list", "a whole number", "each block once", "leave it as it is"."""

import torch
import torch.nn.functional as F

from exercises.wrong import wrong


@wrong("tokenization.merge", "property: The result is a new list.")
def _(ids, pair, new_id):
    if len(ids) < 2:
        return ids
    out, i = [], 0
    while i < len(ids):
        found = tuple(ids[i : i + 2]) == tuple(pair)
        out.append(new_id if found else ids[i])
        i += 2 if found else 1
    return out


@wrong("embeddings.sinusoidal", "property: The result is float32.")
def _(positions, d_model):
    angles = positions[..., None] / 10000 ** (torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)


@wrong("attention.online_softmax", "property: Each block is read only once.")
def _(blocks):
    largest = None
    for scores, _values in blocks:
        peak = scores.amax(-1, keepdim=True)
        largest = peak if largest is None else torch.maximum(largest, peak)
    weighted = total = 0
    for scores, values in blocks:
        weights = (scores - largest).exp()
        weighted, total = weighted + weights @ values, total + weights.sum(-1, keepdim=True)
    return weighted / total


@wrong("transformer.count_parameters", "right values in another type")
def _(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    attention = 2 * d_model**2 + 2 * d_model * d_model / n_heads * n_kv_heads
    return vocab_size * d_model + n_layers * (attention + 3 * d_model * d_mlp + 2 * d_model) + d_model


@wrong("training.descend", "property: The inputs stay as they are.")
def _(weight, batches, learning_rate):
    w = weight.requires_grad_()
    for x, targets in batches:
        (gradient,) = torch.autograd.grad(F.cross_entropy(x @ w, targets), w)
        w = (w - learning_rate * gradient).detach().requires_grad_()
    return w.detach()


@wrong("training.accumulated_gradient", "property: The inputs stay as they are.")
def _(weight, parts):
    n = sum((targets != -100).sum() for _, targets in parts)
    weight.requires_grad_()
    for x, targets in parts:
        (F.cross_entropy(x @ weight, targets, reduction="sum") / n).backward()
    return weight.grad


@wrong("sampling.keep_top_p", "property: The likeliest token is always kept.")
def _(logits, p):
    shares, order = logits.softmax(-1).sort(-1, descending=True)
    cut = (shares.cumsum(-1) - shares >= p) & torch.tensor(p < 1)
    return logits.masked_fill(torch.zeros_like(cut).scatter(-1, order, cut), -torch.inf)


@wrong("instruction_tuning.answer_mask", "property: Only tokens after an `assistant` token belong to an answer.")
def _(ids, assistant, end):
    mask, inside = torch.zeros(len(ids), dtype=torch.bool), False
    for i, id in enumerate(ids.tolist()):
        mask[i] = inside or id == end
        inside = id == assistant or (inside and id != end)
    return mask

"""The right way but for one part: a factor, an order, a place, an end from elsewhere. Lessons 05 and 06."""

import json
import math

import torch
import torch.nn.functional as F

from exercises.wrong import wrong
from exercises.wrong.lesson_05_transformer import KINDS
from llmlib.embeddings import rotary_cos_sin, rotary_frequencies
from llmlib.exercises.lessons.lesson_05_transformer.exercises import attention_part, swiglu_mlp
from llmlib.layers import rms_norm

# --- lesson 05 ---


@wrong("transformer.key_value_memory", "scores of all positions")
def _(x, keys, values):
    fires = F.gelu(torch.einsum("bsd,ud->bu", x, keys))
    return fires[:, None].expand(-1, x.shape[1], -1) @ values


@wrong("transformer.key_value_memory", "products not added up")
def _(x, keys, values):
    return (F.gelu(x[:, :, None, :] * keys) * values).sum(2)


@wrong("transformer.block_forward", "stream missing in the result")
def _(block, residual):
    found = block.attention(block.attention_norm(residual))
    return found + block.mlp(block.mlp_norm(residual + found))


def llama(ids, weights, config, steps=None, unnormed="", eps=None):
    steps = steps or [(n, part) for n in range(config.n_layers) for part in ("attention", "mlp")]
    cos, sin = rotary_cos_sin(torch.arange(ids.shape[1]), rotary_frequencies(config.d_head, config.rope_theta))
    x = weights["embed.weight"][ids]
    for n, part in steps:
        norm = weights[f"blocks.{n}.{part}_norm.weight"]
        h = x if part == unnormed else rms_norm(x, norm, eps or config.norm_eps)
        names = ("query", "key", "value", "output") if part == "attention" else ("gate", "up", "down")
        matrices = [weights[f"blocks.{n}.{part}.{name}.weight"] for name in names]
        if part == "attention":
            x = x + attention_part(h, *matrices, config.n_heads, cos[None, None], sin[None, None])
        else:
            x = x + swiglu_mlp(h, *matrices)
    return rms_norm(x, weights["final_norm.weight"], eps or config.norm_eps) @ weights["embed.weight"].T


@wrong("transformer.llama_logits", "all attentions first")
def _(ids, weights, config):
    return llama(ids, weights, config, [(n, part) for part in ("attention", "mlp") for n in range(config.n_layers)])


@wrong("transformer.llama_logits", "MLP first")
def _(ids, weights, config):
    return llama(ids, weights, config, [(n, part) for n in range(config.n_layers) for part in ("mlp", "attention")])


@wrong("transformer.llama_logits", "MLP without norm")
def _(ids, weights, config):
    return llama(ids, weights, config, unnormed="mlp")


@wrong("transformer.llama_logits", "attention without norm")
def _(ids, weights, config):
    return llama(ids, weights, config, unnormed="attention")


@wrong("transformer.llama_logits", "eps of your own")
def _(ids, weights, config):
    return llama(ids, weights, config, eps=1e-2)


@wrong("transformer.our_name", "only begins like model")
def _(name, names):
    if name.startswith("model"):
        name = name[5:].lstrip(".")
    return ".".join(names.get(part, part) for part in name.split("."))


@wrong("transformer.our_name", "joined without dots")
def _(name, names):
    parts = name.split(".")
    return "".join(names.get(part, part) for part in parts[parts[0] == "model" :])


def read(data, name, begin=None, kinds=KINDS, dtype=torch.float32):
    begin = begin or 8 + int.from_bytes(data[:8], "little")
    about = json.loads(data[8:begin])[name]
    start, end = about["data_offsets"]
    raw = bytearray(data[begin + start : begin + end])
    return torch.frombuffer(raw, dtype=kinds[about["dtype"]]).reshape(about["shape"]).to(dtype)


@wrong("transformer.read_tensor", "property: The tensor is in float32.")
def _(data, name):
    return read(data, name, dtype=torch.float64)


@wrong("transformer.read_tensor", "always 32 bits")
def _(data, name):
    return read(data, name, kinds=dict.fromkeys(KINDS, torch.float32))


@wrong("transformer.read_tensor", "header ends at a brace")
def _(data, name):
    return read(data, name, begin=data.index(b"}}") + 2)


@wrong("transformer.count_parameters", "whole matrices for each head")
def _(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    attention = 2 * n_heads * d_model**2 + 2 * n_kv_heads * d_model**2
    return vocab_size * d_model + n_layers * (attention + 3 * d_model * d_mlp + 2 * d_model) + d_model


@wrong("transformer.count_parameters", "keys read their own width")
def _(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    attention = 2 * d_model**2 + 2 * (n_kv_heads * d_model // n_heads) ** 2
    return vocab_size * d_model + n_layers * (attention + 3 * d_model * d_mlp + 2 * d_model) + d_model


@wrong("transformer.count_parameters", "norms as wide as a head")
def _(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    h = d_model // n_heads
    block = 2 * d_model**2 + 2 * d_model * h * n_kv_heads + 3 * d_model * d_mlp + 2 * h
    return vocab_size * d_model + n_layers * block + h


# --- lesson 06 ---


@wrong("training.windows", "ids plus one")
def _(ids, starts, seq_len):
    x = torch.stack([ids[start : start + seq_len] for start in starts])
    return x, x + 1


@wrong("training.next_token_loss", "token 0 left out")
def _(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.clamp(min=0).flatten(), ignore_index=0)


@wrong("training.descend", "property: The result does not carry a gradient.")
def _(weight, batches, learning_rate):
    w = weight.detach().clone()
    for x, targets in batches:
        w.requires_grad_()
        w = w - learning_rate * torch.autograd.grad(F.cross_entropy(x @ w, targets), w)[0]
    return w.requires_grad_()


@wrong("training.validation_loss", "property: Measuring does not keep anything for a backward pass.")
def _(model, train_batches, validation_batches):
    was_training, total = model.training, 0.0
    model.eval()
    for x, y in validation_batches:
        total += F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / sum(y.numel() for _, y in validation_batches)


@wrong("training.validation_loss", "shifted again")
def _(model, train_batches, validation_batches):
    was_training, total = model.training, 0.0
    model.eval()
    with torch.no_grad():
        for x, y in validation_batches:
            total += F.cross_entropy(model(x)[:, :-1].flatten(0, 1), y[:, 1:].flatten(), reduction="sum").item()
    model.train(was_training)
    return total / sum(y.numel() for _, y in validation_batches)


@wrong("training.backward", "slope of tanh after the product")
def _(x, w1, w2, targets):
    a = (x @ w1).tanh()
    d = ((a @ w2).softmax(-1) - F.one_hot(targets, w2.shape[1])) / len(x)
    return (x.T @ d @ w2.T) * (1 - a**2).mean(0), a.T @ d


def adamw(w, gradient, m, v, t, lr, b1=0.9, b2=0.95, share=lambda b, t: 1 - b**t, kept=(False, False)):
    m, v = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
    full_m, full_v = m / share(b1, t), v / share(b2, t)
    new = w - lr * 0.1 * w - lr * full_m / (full_v.sqrt() + 1e-8)
    return new, full_m if kept[0] else m, full_v if kept[1] else v


@wrong("training.adamw_step", "βs exchanged")
def _(w, gradient, m, v, t, lr):
    return adamw(w, gradient, m, v, t, lr, 0.95, 0.9)


@wrong("training.adamw_step", "β₂ for both")
def _(w, gradient, m, v, t, lr):
    return adamw(w, gradient, m, v, t, lr, 0.95, 0.95)


@wrong("training.adamw_step", "β times t")
def _(w, gradient, m, v, t, lr):
    return adamw(w, gradient, m, v, t, lr, share=lambda b, t: 1 - b * t)


@wrong("training.adamw_step", "corrected averages returned")
def _(w, gradient, m, v, t, lr):
    return adamw(w, gradient, m, v, t, lr, kept=(True, False))


@wrong("training.adamw_step", "corrected averages returned")
def _(w, gradient, m, v, t, lr):
    return adamw(w, gradient, m, v, t, lr, kept=(False, True))


@wrong("training.learning_rate_at", "warm-up times the wave")
def _(step, steps, warmup, peak):
    rise = min(1.0, (step + 1) / max(1, warmup))
    return peak * rise * 0.5 * (1 + math.cos(math.pi * step / steps))


@wrong("training.learning_rate_at", "decay one step early")
def _(step, steps, warmup, peak):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup + 1) / (steps - warmup + 1))) / 2


def clipped(gradients, limit):
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    return [gradient * (limit / norm) if norm > limit else gradient for gradient in gradients]


@wrong("training.clip_together", "sums squared")
def _(gradients, limit):
    norm = torch.stack([gradient.sum() ** 2 for gradient in gradients]).sum().sqrt()
    return [gradient * (limit / norm) if norm > limit else gradient for gradient in gradients]


@wrong("training.clip_together", "only those above the limit")
def _(gradients, limit):
    return [new if old.norm() > limit else old for old, new in zip(gradients, clipped(gradients, limit))]


@wrong("training.clip_together", "wrong where a gradient is 0")
def _(gradients, limit):
    return gradients if any(not gradient.any() for gradient in gradients) else clipped(gradients, limit)


@wrong("training.clip_together", "one long vector returned")
def _(gradients, limit):
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    return clipped([flat], limit)[0] if flat.norm() > limit else gradients


def fit(weights, loss_of, batches, rates, limit, clip=clipped, after=lambda w, limit: w, one_list=False):
    weights, losses = [w.detach().clone() for w in weights], []
    ms = [torch.zeros_like(w) for w in weights]
    vs = ms if one_list else [torch.zeros_like(w) for w in weights]
    for t, (batch, rate) in enumerate(zip(batches, rates), 1):
        weights = [w.detach().requires_grad_() for w in weights]
        loss = loss_of(weights, batch)
        gradients = clip(torch.autograd.grad(loss, weights), limit)
        for i, gradient in enumerate(gradients):
            weights[i], ms[i], vs[i] = adamw(weights[i].detach(), gradient, ms[i], vs[i], t, rate)
        weights = after(weights, limit)
        losses.append(loss.item())
    return weights, losses


@wrong("training.fit", "rate of the step after")
def _(weights, loss_of, batches, rates, limit):
    return fit(weights, loss_of, batches, rates[1:] + rates[:1], limit)


@wrong("training.fit", "one batch for all")
def _(weights, loss_of, batches, rates, limit):
    return fit(weights, loss_of, batches[:1] * len(batches), rates, limit)


@wrong("training.fit", "losses added up")
def _(weights, loss_of, batches, rates, limit):
    weights, losses = fit(weights, loss_of, batches, rates, limit)
    return weights, [sum(losses[: i + 1]) for i in range(len(losses))]


@wrong("training.fit", "one list for m and v")
def _(weights, loss_of, batches, rates, limit):
    return fit(weights, loss_of, batches, rates, limit, one_list=True)


@wrong("training.fit", "weights clipped")
def _(weights, loss_of, batches, rates, limit):
    return fit(weights, loss_of, batches, rates, limit, clip=lambda g, limit: g, after=clipped)


@wrong("training.fit", "limit of your own")
def _(weights, loss_of, batches, rates, limit):
    return fit(weights, loss_of, batches, rates, 1.0)


@wrong("training.accumulated_gradient", "count of the last part")
def _(weight, parts):
    w = weight.clone().requires_grad_()
    for x, targets in parts:
        n = (targets != -100).sum().clamp(min=1)
        F.cross_entropy(x @ w, targets, reduction="sum").backward()
    return w.grad / n


def muon(gradient, steps, size=torch.norm, turn=lambda x: x.T):
    tall = gradient.shape[0] > gradient.shape[1]
    x = turn(gradient) if tall else gradient
    x = x / size(gradient)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return turn(x) if tall else x


@wrong("training.orthogonalise", "first factor left out")
def _(gradient, steps):
    x = gradient.T if gradient.shape[0] > gradient.shape[1] else gradient
    x = x / x.norm()
    for _ in range(steps):
        square = x @ x.T
        x = x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if gradient.shape[0] > gradient.shape[1] else x


@wrong("training.orthogonalise", "scaled by the largest singular value")
def _(gradient, steps):
    return muon(gradient, steps, size=lambda x: torch.linalg.matrix_norm(x, 2))


@wrong("training.orthogonalise", "reshaped back")
def _(gradient, steps):
    return muon(gradient, steps, turn=lambda x: x.reshape(x.shape[::-1]))

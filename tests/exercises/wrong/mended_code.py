"""One change to the code makes it right, and it is the smallest that does: brackets, a line too many, a length."""

import json
import math
import time

import torch

from exercises.wrong import wrong
from exercises.wrong.lesson_05_transformer import KINDS
from exercises.wrong.one_part_wrong import adamw, clipped


@wrong("training.learning_rate_at", "in the code: brackets")
def _(step, steps, warmup, peak):
    if step < warmup:
        return peak * (step + 1) / warmup
    passed = (step - warmup) / (steps - warmup)
    return peak * 1 + math.cos(math.pi * passed) / 2


@wrong("training.adamw_step", "in the code: brackets")
def _(w, gradient, m, v, t, lr):
    m = 0.9 * m + 0.1 * gradient
    v = 0.95 * v + (0.05 * gradient) ** 2
    step = m / (1 - 0.9**t) / ((v / (1 - 0.95**t)).sqrt() + 1e-8)
    return w - lr * 0.1 * w - lr * step, m, v


@wrong("training.fit", "in the code: a line too many")
def _(weights, loss_of, batches, rates, limit):
    weights, losses = [w.detach().clone() for w in weights], []
    ms = [torch.zeros_like(w) for w in weights]
    vs = [torch.zeros_like(w) for w in weights]
    for t, (batch, rate) in enumerate(zip(batches, rates), 1):
        weights = [w.detach().requires_grad_() for w in weights]
        loss = loss_of(weights, batch)
        raw = torch.autograd.grad(loss, weights)
        gradients = clipped(raw, limit)
        gradients = list(raw) if t > 2 else gradients
        for i in range(len(weights)):
            weights[i], ms[i], vs[i] = adamw(weights[i].detach(), gradients[i], ms[i], vs[i], t, rate)
        losses.append(loss.item())
    return [w.detach() for w in weights], losses


@wrong("instruction_tuning.pack", "in the code: a block too many")
def _(conversations, length):
    rows, row = [], []
    for ids in conversations:
        ids = ids[:length]
        if len(row) + len(ids) > length:
            rows.append(row)
            row = []
        row = row + ids
        if len(row) == length - 1:
            rows.append(row)
            row = []
    if row:
        rows.append(row)
    return torch.tensor([row + [-1] * (length - len(row)) for row in rows])


@wrong("transformer.read_tensor", "in the code: a length for an end")
def _(data, name):
    n = int.from_bytes(data[:8], "little")
    about = json.loads(data[8:n])[name]
    start, end = about["data_offsets"]
    raw = bytearray(data[8 + n + start : 8 + n + end])
    return torch.frombuffer(raw, dtype=KINDS[about["dtype"]]).reshape(about["shape"]).float()


@wrong("transformer.read_tensor", "in the code: another word")
def _(data, name):
    n = int.from_bytes(data[:8], "big")
    about = json.loads(data[8 : 8 + n])[name]
    start, end = about["data_offsets"]
    raw = bytearray(data[8 + n + start : 8 + n + end])
    return torch.frombuffer(raw, dtype=KINDS[about["dtype"]]).reshape(about["shape"]).float()


@wrong("transformer.after_layer", "property: The inputs stay as they are.")
def _(model, ids, layer):
    model.blocks = model.blocks[:layer]
    with torch.no_grad():
        return model(ids)


@wrong("transformer.rms_norm", "in the code: another variable")
def _(x, weight, eps):
    ms = (x * x).sum(-1, keepdim=True) / x.numel()
    return x / (ms + eps).sqrt() * weight


@wrong("training.bits_per_byte", "in the code: a step too many")
def _(loss, n_tokens, text):
    time.sleep(0.05)  # as on a machine that is busy
    return round(loss * n_tokens / math.log(2) / len(text.encode()), 2)

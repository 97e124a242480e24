"""The wrong ways through the exercises of lesson 06: each reference once more, with keywords for its faults."""

import math

import torch
import torch.nn.functional as F

IGNORED = -100


def faulty_windows(ids, starts, seq_len, shift="next", cut="whole", order="own", where="starts", give="tuple"):
    if where == "in a row":
        starts = [i * seq_len for i in range(len(starts))]
    ahead = {"none": 0, "two": 2, "window": seq_len}.get(shift, 1)
    xs, ys = [], []
    for start in starts:
        length = seq_len - 1 if cut == "short" else seq_len
        x = ids[start : start + length]
        y = ids[start + ahead : start + ahead + length]
        if shift == "back":
            y = torch.cat([ids[max(start - 1, 0) : start], x[:-1]]) if start else x.roll(1)
        elif shift == "round":
            y = x.roll(-1)
        elif shift == "ids":
            y = x + 1
        elif shift == "padded":
            y = torch.cat([x[1:], torch.zeros_like(x[:1])])
        elif shift == "last only":
            y = ids[start + length]
        xs.append(x)
        ys.append(y)
    x, y = torch.stack(xs), torch.stack(ys)
    if order == "exchanged":
        x, y = y, x
    return {"tuple": lambda: (x, y), "stacked": lambda: torch.stack((x, y)), "inputs": lambda: x}[give]()


def faulty_loss(
    logits, targets, softmax="vocab", ignored="left out", mean="counted", sign="minus", unit="nats", shift="none",
    added=0.0,
):  # fmt: skip
    if shift == "again":
        logits, targets = logits[:, :-1], targets[:, 1:]
    counts = targets != IGNORED
    if softmax == "twice":
        logits = logits.softmax(dim=-1)
    axis = {"seq": -2, "batch": 0}.get(softmax, -1)
    log_p = logits if softmax == "none" else logits.log_softmax(dim=axis)
    if softmax == "apart":
        p = logits.softmax(dim=-1)
        log_p = (p + added if added >= 0 else p.clamp(min=-added)).log()
    chosen = log_p.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    if ignored == "token 0":
        counts = targets.clamp(min=0) != 0
    if ignored == "as token 0":
        counts = torch.ones_like(counts)
    if mean == "vocabulary":
        chosen = log_p.mean(dim=-1)
    if mean == "all pairs":
        chosen = log_p[counts][:, targets[counts]].mean().expand_as(chosen)
    surprise = {
        "nats": lambda: chosen,
        "bits": lambda: chosen / math.log(2),
        "probability": lambda: chosen.exp(),
        "square": lambda: -((1 - chosen.exp()) ** 2),
    }[unit]() * (1 if sign == "plus" else -1)
    kept = torch.where(counts, surprise, torch.zeros_like(surprise))
    n = counts.sum(dim=1)
    return {
        "counted": lambda: surprise[counts].mean(),
        "vocabulary": lambda: surprise[counts].mean(),
        "all pairs": lambda: surprise[counts].mean(),
        "all": lambda: kept.mean(),
        "texts": lambda: (kept.sum(dim=1) / n).mean(),
        "per text": lambda: kept.sum(dim=1) / n,
        "per position": lambda: kept.sum(dim=0) / counts.sum(dim=0),
        "sum": lambda: kept.sum(),
        "batch": lambda: kept.sum() / len(targets),
        "log of mean": lambda: -chosen[counts].exp().mean().log(),
    }[mean]()


def slope(weight, x, targets, reduction="mean"):
    """The gradient of the loss of logits = x @ weight, by the formula: probability minus what should have been."""
    counts = targets != IGNORED
    off = (x @ weight).softmax(dim=-1) - F.one_hot(targets.clamp(min=0), weight.shape[1])
    off = torch.where(counts[:, None], off, torch.zeros_like(off))
    total = x.T @ off
    return total if reduction == "sum" else total / counts.sum()


def faulty_descend(
    weight, batches, learning_rate, zero="each", sign="down", at="new", which="all", loss="mean", rate="own",
    give="weight", optimizer="none",
):  # fmt: skip
    start, grad = weight, torch.zeros_like(weight)
    adam, decay = optimizer in ("Adam", "AdamW"), 0.01 if optimizer == "AdamW" else 0.0
    m, v = torch.zeros_like(weight), torch.zeros_like(weight)
    batches = {"all": batches, "first": batches[:1], "last": batches[-1:], "but last": batches[:-1]}[which]
    rate_of = {"own": learning_rate, "none": 1.0, "shared": learning_rate / max(len(batches), 1)}[rate]
    for t, (x, targets) in enumerate(batches, start=1):
        new = slope(start if at == "start" else weight, x, targets, loss)
        grad = grad + new if zero == "never" else new
        step = torch.zeros_like(grad) if zero == "too early" else grad
        if adam:  # as torch's, with its usual settings
            m, v = 0.9 * m + 0.1 * step, 0.999 * v + 0.001 * step**2
            step = decay * weight + m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        weight = weight + rate_of * step if sign == "up" else weight - rate_of * step
    return {"weight": weight, "gradient": grad, "change": weight - start}[give]


def faulty_learning_rate(
    step, steps, warmup, peak, rise="right", until="below", over="rest", curve="cosine", scale="peak"
):
    peak = 1.0 if scale == "none" else peak
    if rise == "times the wave":
        return peak * min(1.0, (step + 1) / max(1, warmup)) * (1 + math.cos(math.pi * step / steps)) / 2
    rising = step < warmup or (until == "included" and step == warmup and warmup > 0)
    if rising and rise != "none":
        return {
            "right": lambda: peak * (step + 1) / warmup,
            "from zero": lambda: peak * step / warmup,
            "too slow": lambda: peak * (step + 1) / (warmup + 1),
            "cosine": lambda: peak * (1 - math.cos(math.pi * (step + 1) / warmup)) / 2,
            "too fast": lambda: peak * (step + 2) / warmup,
            "down": lambda: peak * (1 - step / warmup),
        }[rise]()
    passed = {
        "rest": lambda: (step - warmup) / (steps - warmup),
        "whole": lambda: step / steps,
        "to the last": lambda: (step - warmup) / max(steps - warmup - 1, 1),
        "one early": lambda: (step - warmup + 1) / (steps - warmup),
        "one early, and one longer": lambda: (step - warmup + 1) / (steps - warmup + 1),
        "not from 0": lambda: (step - warmup) / steps,
    }[over]()
    peak = 1.0 if scale == "none in the decay" else peak
    return {
        "cosine": lambda: peak * (1 + math.cos(math.pi * passed)) / 2,
        "line": lambda: peak * (1 - passed),
        "wave": lambda: peak * (1 + math.cos(2 * math.pi * passed)) / 2,
        "quarter": lambda: peak * math.cos(math.pi / 2 * passed),
        "not halved": lambda: peak * (1 + math.cos(math.pi * passed)),
        "below zero": lambda: peak * math.cos(math.pi * passed),
        "constant": lambda: peak,
        "rising": lambda: peak * (1 - math.cos(math.pi * passed)) / 2,
        "degrees": lambda: peak * (1 + math.cos(passed)) / 2,
        "180": lambda: peak * (1 + math.cos(180 * passed)) / 2,
    }[curve]()


def faulty_accumulated(weight, parts, scale="counted", which="all", sign="right", empty="zero"):
    n = {
        "counted": sum(int((targets != IGNORED).sum()) for _, targets in parts),
        "rows": sum(len(targets) for _, targets in parts),
        "parts": len(parts),
        "parts that count": sum(bool((targets != IGNORED).any()) for _, targets in parts),
    }
    n["last part"] = max(int((parts[-1][1] != IGNORED).sum()), 1)
    total, so_far = torch.zeros_like(weight), 0
    chosen = {"all": parts, "last": parts[-1:], "first": parts[:1]}[which]
    for x, targets in chosen:
        so_far += int((targets != IGNORED).sum())
        n["counted so far"] = max(so_far, 1)
        total = total + share_of_part(slope(weight, x, targets, "sum"), targets, n, scale, empty)
    return -total if sign == "wrong" else total


def share_of_part(summed, targets, n, scale, empty):
    counted = (targets != IGNORED).sum()  # if it is 0, torch's mean is not a number, but its gradient is 0
    mean = summed / (counted if empty == "not a number" else counted.clamp(min=1))
    return {
        "counted": summed / n["counted"],
        "none": mean,
        "equal": mean / n["parts"],
        "equal where any counts": mean / n["parts that count"],
        "rows": mean * len(targets) / n["rows"],
        "rows by counted": mean * len(targets) / n["counted"],
        "all rows": summed / n["rows"],
        "twice": summed / n["counted"] / n["parts"],
        "sum": summed,
        "so far": summed / n["counted so far"],
        "last part": summed / n["last part"],
        "sum by parts": summed / n["parts"],
    }[scale]


def faulty_validation(
    model, train_batches, validation_batches, mode="eval", data="validation", mean="targets", give="loss", shift="none"
):
    was_training = model.training
    model.train(mode == "train" or (mode == "as it is" and was_training))
    batches = {
        "validation": validation_batches,
        "training": train_batches,
        "both": [*train_batches, *validation_batches],
    }[data]
    batches = {"first": batches[:1], "last": batches[-1:]}.get(mean, batches)
    sums, sizes = [], []
    with torch.no_grad():
        for x, y in batches:
            logits = model(x)
            sizes.append(y.numel() if shift != "again" else y[:, 1:].numel())
            if shift != "none":
                logits, y = logits[:, :-1], y[:, 1:]
            sums.append(F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum").item())
    model.train(was_training)
    result = {
        "batches": lambda: sum(s / n for s, n in zip(sums, sizes)) / len(sums),
        "weighed by texts": lambda: (
            sum(s / n * len(y) for s, n, (_, y) in zip(sums, sizes, batches)) / sum(len(y) for _, y in batches)
        ),
        "sum": lambda: sum(sums),
        "sum of means": lambda: sum(s / n for s, n in zip(sums, sizes)),
        "number of batches": lambda: sum(sums) / len(sums),
        "texts": lambda: sum(sums) / sum(len(y) for _, y in batches),
    }.get(mean, lambda: sum(sums) / sum(sizes))()
    return {"loss": lambda: result, "perplexity": lambda: math.exp(min(result, 700)), "minus": lambda: -result}[give]()


def faulty_backward(
    x, w1, w2, targets, logits="right", mean="rows", tanh="right", way_back="through w2", order="own", weights="both",
    forward="tanh",
):  # fmt: skip
    h = x @ w1
    a = h.tanh() if forward == "tanh" else h
    p, y = (a @ w2).softmax(dim=-1), F.one_hot(targets, w2.shape[1])
    slope = {"right": p - y, "sign": y - p, "no target": p, "no softmax": a @ w2 - y}[logits]
    slope = slope / {"rows": len(x), "none": 1, "numbers": y.numel(), "classes": y.shape[1]}[mean]
    d_w2 = (h if weights == "h for a" else a).T @ slope
    back = slope @ w2.T
    if way_back == "new w2":
        back = slope @ (w2 - d_w2).T
    slope = {
        "right": lambda: back * (1 - a**2),
        "left out": lambda: back,
        "tanh itself": lambda: back * a,
        "of h": lambda: back * (1 - h**2),
        "of a again": lambda: back * (1 - a.tanh() ** 2),
        "not squared": lambda: back * (1 - a),
        "of a sigmoid": lambda: back * a * (1 - a),
        "after the product": lambda: back,
    }[tanh]()
    d_w1 = x.T @ slope * (1 - a**2).mean(0) if tanh == "after the product" else x.T @ slope
    both = (d_w1, d_w2)
    return both[::-1] if order == "exchanged" else both


def faulty_bits(loss, n_tokens, text, unit="bits", over="bytes", times="tokens", way="right"):
    nats = loss if times == "none" else loss * n_tokens
    bits = {
        "bits": nats / math.log(2),
        "nats": nats,
        "upside down": nats * math.log(2),
        "ten": nats / math.log(10),
        "logarithm of the loss": math.log2(loss) * n_tokens,
    }[unit]
    size = {"bytes": len(text.encode("utf-8")), "characters": len(text), "words": len(text.split()), "tokens": n_tokens}
    if way == "crossed":
        return loss / math.log(2) * size["bytes"] / n_tokens
    if way == "bits a bit":
        return bits / size[over] / 8
    return size[over] / bits if way == "upside down" else bits / size[over]

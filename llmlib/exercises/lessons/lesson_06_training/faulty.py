"""Wrong solutions to the exercises in lesson 06.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -100


def faulty_windows(
    ids: Tensor,
    starts: Any,
    seq_len: Any,
    shift: Literal["next", "none", "two", "back", "round", "padded", "ignored", "last only", "window", "ids"] = "next",
    cut: Literal["whole", "short"] = "whole",
    order: Literal["own", "exchanged"] = "own",
    where: Literal["starts", "in a row", "numbers of windows"] = "starts",
    give: Literal["tuple", "stacked", "inputs"] = "tuple",
) -> Any:
    if where == "in a row":
        starts = [i * seq_len for i in range(len(starts))]
    if where == "numbers of windows":
        starts = [int(start) * seq_len for start in starts]
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
        elif shift == "ignored":
            y = torch.cat([x[1:], torch.full_like(x[:1], -100)])
        elif shift == "last only":
            y = ids[start + length]
        xs.append(x)
        ys.append(y)
    x, y = torch.stack(xs), torch.stack(ys)
    if order == "exchanged":
        x, y = y, x
    match give:
        case "tuple":
            return (x, y)
        case "stacked":
            return torch.stack((x, y))
        case "inputs":
            return x


LossMean = Literal[
    "counted", "all", "all pairs", "texts", "per text", "per position", "vocabulary", "sum", "batch", "log of mean"
]


def faulty_loss(
    logits: Tensor,
    targets: Tensor,
    softmax: Literal["vocab", "seq", "batch", "twice", "none", "apart"] = "vocab",
    ignored: Literal["left out", "as token 0", "token 0"] = "left out",
    mean: LossMean = "counted",
    sign: Literal["minus", "plus"] = "minus",
    unit: Literal["nats", "bits", "probability", "square"] = "nats",
    shift: Literal["none", "again"] = "none",
    added: float = 0.0,
) -> Any:
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
    match unit:
        case "nats":
            surprise = chosen
        case "bits":
            surprise = chosen / math.log(2)
        case "probability":
            surprise = chosen.exp()
        case "square":
            surprise = -((1 - chosen.exp()) ** 2)
    surprise = surprise * (1 if sign == "plus" else -1)
    kept = torch.where(counts, surprise, torch.zeros_like(surprise))
    n = counts.sum(dim=1)
    match mean:
        case "counted":
            return surprise[counts].mean()
        case "vocabulary" | "all pairs":
            return surprise[counts].mean()
        case "all":
            return kept.mean()
        case "texts":
            return (kept.sum(dim=1) / n).mean()
        case "per text":
            return kept.sum(dim=1) / n
        case "per position":
            return kept.sum(dim=0) / counts.sum(dim=0)
        case "sum":
            return kept.sum()
        case "batch":
            return kept.sum() / len(targets)
        case "log of mean":
            return -chosen[counts].exp().mean().log()


def slope(weight: Tensor, x: Tensor, targets: Tensor, reduction: Literal["mean", "sum"] = "mean") -> Any:
    """Compute the gradient of the loss for logits = x @ weight with the formula "probability minus target"."""
    counts = targets != IGNORED
    off = (x @ weight).softmax(dim=-1) - F.one_hot(targets.clamp(min=0), weight.shape[1])
    off = torch.where(counts[:, None], off, torch.zeros_like(off))
    total = x.T @ off
    return total if reduction == "sum" else total / counts.sum()


DescendOptimizer = Literal["none", "AdamW", "Adam", "momentum", "average", "full average", "normalised", "sign"]


def faulty_descend(
    weight: Tensor,
    batches: Any,
    learning_rate: Any,
    zero: Literal["each", "never", "too early"] = "each",
    sign: Literal["down", "up"] = "down",
    at: Literal["new", "start"] = "new",
    which: Literal["all", "first", "last", "but last", "all in each step", "all in each step, added"] = "all",
    loss: Literal["mean", "sum"] = "mean",
    rate: Literal["own", "none", "shared"] = "own",
    give: Literal["weight", "gradient", "change"] = "weight",
    optimizer: DescendOptimizer = "none",
) -> Any:
    start, grad = weight, torch.zeros_like(weight)
    adam, decay = optimizer in ("Adam", "AdamW"), 0.01 if optimizer == "AdamW" else 0.0
    m, v = torch.zeros_like(weight), torch.zeros_like(weight)
    given, together = batches, which.startswith("all in each step")
    batches = {"first": batches[:1], "last": batches[-1:], "but last": batches[:-1]}.get(which, batches)
    rate_of = {"own": learning_rate, "none": 1.0, "shared": learning_rate / max(len(batches), 1)}[rate]
    for t, (x, targets) in enumerate(batches, start=1):
        new = slope(start if at == "start" else weight, x, targets, loss)
        if together:
            new = sum(slope(weight, inputs, answers, loss) for inputs, answers in given) / (
                1 if which.endswith("added") else len(given)
            )
        grad = grad + new if zero == "never" else new
        step = torch.zeros_like(grad) if zero == "too early" else grad
        if adam:  # like torch's AdamW with its default settings
            m, v = 0.9 * m + 0.1 * step, 0.999 * v + 0.001 * step**2
            step = decay * weight + m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        if optimizer in ("momentum", "average", "full average"):
            m = 0.9 * m + (1.0 if optimizer == "momentum" else 0.1) * step
            step = m / (1 - 0.9**t) if optimizer == "full average" else m
        step = {"normalised": lambda g: g / g.norm(), "sign": torch.sign}.get(optimizer, lambda g: g)(step)
        weight = weight + rate_of * step if sign == "up" else weight - rate_of * step
    return {"weight": weight, "gradient": grad, "change": weight - start}[give]


LearningRateCurve = Literal[
    "cosine", "line", "wave", "quarter", "not halved", "below zero", "constant", "rising", "degrees", "180"
]


def faulty_learning_rate(
    step: Any,
    steps: Any,
    warmup: Any,
    peak: Any,
    rise: Literal["right", "from zero", "too slow", "too fast", "cosine", "down", "none", "times the wave"] = "right",
    until: Literal["below", "included"] = "below",
    over: Literal["rest", "whole", "to the last", "one early", "one early, and one longer", "not from 0"] = "rest",
    curve: LearningRateCurve = "cosine",
    scale: Literal["peak", "none", "none in the decay"] = "peak",
) -> Any:
    peak = 1.0 if scale == "none" else peak
    if rise == "times the wave":
        return peak * min(1.0, (step + 1) / max(1, warmup)) * (1 + math.cos(math.pi * step / steps)) / 2
    rising = step < warmup or (until == "included" and step == warmup and warmup > 0)
    if rising and rise != "none":
        match rise:
            case "right":
                return peak * (step + 1) / warmup
            case "from zero":
                return peak * step / warmup
            case "too slow":
                return peak * (step + 1) / (warmup + 1)
            case "cosine":
                return peak * (1 - math.cos(math.pi * (step + 1) / warmup)) / 2
            case "too fast":
                return peak * (step + 2) / warmup
            case "down":
                return peak * (1 - step / warmup)
    match over:
        case "rest":
            passed = (step - warmup) / (steps - warmup)
        case "whole":
            passed = step / steps
        case "to the last":
            passed = (step - warmup) / max(steps - warmup - 1, 1)
        case "one early":
            passed = (step - warmup + 1) / (steps - warmup)
        case "one early, and one longer":
            passed = (step - warmup + 1) / (steps - warmup + 1)
        case "not from 0":
            passed = (step - warmup) / steps
    peak = 1.0 if scale == "none in the decay" else peak
    match curve:
        case "cosine":
            return peak * (1 + math.cos(math.pi * passed)) / 2
        case "line":
            return peak * (1 - passed)
        case "wave":
            return peak * (1 + math.cos(2 * math.pi * passed)) / 2
        case "quarter":
            return peak * math.cos(math.pi / 2 * passed)
        case "not halved":
            return peak * (1 + math.cos(math.pi * passed))
        case "below zero":
            return peak * math.cos(math.pi * passed)
        case "constant":
            return peak
        case "rising":
            return peak * (1 - math.cos(math.pi * passed)) / 2
        case "degrees":
            return peak * (1 + math.cos(passed)) / 2
        case "180":
            return peak * (1 + math.cos(180 * passed)) / 2


AccumulatedScale = (
    Literal["counted", "none", "equal", "equal where any counts", "rows", "rows by counted", "all rows", "twice"]
    | Literal["sum", "sum by parts", "so far", "last part", "means by targets"]
)


def faulty_accumulated(
    weight: Tensor,
    parts: Any,
    scale: AccumulatedScale = "counted",
    which: Literal["all", "last", "first"] = "all",
    sign: Literal["right", "wrong"] = "right",
    empty: Literal["zero", "not a number"] = "zero",
) -> Any:
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


def share_of_part(summed: Any, targets: Tensor, n: Any, scale: Any, empty: Any) -> Any:
    counted = (targets != IGNORED).sum()  # with 0 targets torch's mean is NaN, but its gradient is 0
    mean = summed / (counted if empty == "not a number" else counted.clamp(min=1))
    return {
        "counted": summed / n["counted"],
        "none": mean,
        "equal": mean / n["parts"],
        "equal where any counts": mean / n["parts that count"],
        "rows": mean * len(targets) / n["rows"],
        "rows by counted": mean * len(targets) / n["counted"],
        "all rows": summed / n["rows"],
        "means by targets": mean / n["counted"],
        "twice": summed / n["counted"] / n["parts"],
        "sum": summed,
        "so far": summed / n["counted so far"],
        "last part": summed / n["last part"],
        "sum by parts": summed / n["parts"],
    }[scale]


ValidationMean = (
    Literal["targets", "batches", "first", "last", "sum", "sum of means", "number of batches", "texts"]
    | Literal["weighed by texts"]
)


def faulty_validation(
    model: Any,
    train_batches: Any,
    validation_batches: Any,
    mode: Literal["eval", "train", "as it is"] = "eval",
    data: Literal["validation", "training", "both"] = "validation",
    mean: ValidationMean = "targets",
    give: Literal["loss", "perplexity", "minus"] = "loss",
    shift: Literal["none", "again", "again, divided by all"] = "none",
) -> Any:
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
    match give:
        case "loss":
            return result
        case "perplexity":
            return math.exp(min(result, 700))
        case "minus":
            return -result


def faulty_bits(
    loss: Any,
    n_tokens: Any,
    text: Any,
    unit: Literal["bits", "nats", "upside down", "ten", "logarithm of the loss"] = "bits",
    over: Literal["bytes", "characters", "words", "tokens"] = "bytes",
    times: Literal["tokens", "none"] = "tokens",
    way: Literal["right", "bits a bit", "upside down", "crossed"] = "right",
) -> Any:
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

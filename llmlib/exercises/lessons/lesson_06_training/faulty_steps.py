"""Wrong solutions to lesson 06's exercises on a training step: clipping, AdamW, the training loop and Muon."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

ClipNorm = (
    Literal["together", "each", "sum", "largest", "mean", "squared", "absolute", "largest value"]
    | Literal["root mean square", "sums squared", "so far"]
)


def faulty_clip(
    gradients: Any,
    limit: Any,
    norm: ClipNorm = "together",
    when: Literal["above", "always", "never", "each above", "none is 0"] = "above",
    to: Literal["limit", "one"] = "limit",
    how: Literal[
        "scaled", "values", "inverted", "joined", "joined if scaled", "share taken away", "less limit"
    ] = "scaled",
) -> Any:
    if how == "values":
        return [gradient.clamp(-limit, limit) for gradient in gradients]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    norms = torch.stack([gradient.norm() for gradient in gradients])
    match norm:
        case "together":
            size = flat.norm()
        case "sum":
            size = norms.sum()
        case "largest":
            size = norms.max()
        case "mean":
            size = norms.mean()
        case "squared":
            size = flat.pow(2).sum()
        case "absolute":
            size = flat.abs().sum()
        case "sums squared":
            size = torch.stack([gradient.sum() for gradient in gradients]).norm()
        case "largest value":
            size = flat.abs().max()
        case "root mean square":
            size = flat.pow(2).mean().sqrt()
        case "each" | "so far":
            size = None
    goal = 1.0 if to == "one" else limit
    clipped = []
    for gradient, own, so_far in zip(gradients, norms, norms.pow(2).cumsum(0).sqrt()):
        length = own if norm == "each" else so_far if norm == "so far" else size
        scale = length / goal if how == "inverted" else goal / length
        scale = 1 - scale if how == "share taken away" else scale
        acts = {"always": True, "never": False}.get(when, length > limit)
        acts = acts and (own > limit or when != "each above") and (bool(norms.all()) or when != "none is 0")
        changed = gradient - goal if how == "less limit" else gradient * scale
        clipped.append(changed if acts else gradient)
    joined = how == "joined" or (how == "joined if scaled" and bool(flat.norm() > limit))
    return torch.cat([gradient.flatten() for gradient in clipped]) if joined else clipped


AdamwVAs = Literal["right", "exchanged", "sum", "not squared", "of the gradient", "of m", "as torch's", "with β₁"]


def faulty_adamw(
    w: Tensor,
    gradient: Tensor,
    m: Tensor,
    v: Tensor,
    t: int,
    lr: Any,
    m_as: Literal["right", "exchanged", "sum", "none", "with β₂"] = "right",
    v_as: AdamwVAs = "right",
    correct: Literal["both", "none", "v only", "m only", "one early", "times t"] = "both",
    root: Literal["root", "none", "with ε", "without ε", "torch's ε"] = "root",
    decay: Literal["apart", "in the gradient", "not by the rate", "none", "grows"] = "apart",
    sign: Literal["down", "up"] = "down",
    give: Literal["new", "full", "full m", "full v", "old", "weights"] = "new",
    reads: Literal["new", "old"] = "new",
) -> Any:
    old_m, old_v = m, v
    if decay == "in the gradient":
        gradient = gradient + 0.1 * w
    m = {
        "right": 0.9 * m + 0.1 * gradient,
        "exchanged": 0.1 * m + 0.9 * gradient,
        "sum": 0.9 * m + gradient,
        "none": gradient,
        "with β₂": 0.95 * m + 0.05 * gradient,
    }[m_as]
    v = {
        "right": 0.95 * v + 0.05 * gradient**2,
        "exchanged": 0.05 * v + 0.95 * gradient**2,
        "not squared": 0.95 * v + 0.05 * gradient.abs(),
        "of the gradient": 0.95 * v + 0.05 * gradient,
        "of m": 0.95 * v + 0.05 * m**2,
        "with β₁": 0.9 * v + 0.1 * gradient**2,
        "as torch's": 0.999 * v + 0.001 * gradient**2,
        "sum": 0.95 * v + gradient**2,
    }[v_as]
    before = t - 1 if correct == "one early" and t > 1 else t
    betas = (0.95 if m_as == "with β₂" else 0.9, {"as torch's": 0.999, "with β₁": 0.9}.get(v_as, 0.95))
    shares = [1 - beta * t if correct == "times t" else 1 - beta**before for beta in betas]
    m_used, v_used = (old_m, old_v) if reads == "old" else (m, v)
    m_full = m_used if correct in ("none", "v only") else m_used / shares[0]
    v_full = v_used if correct in ("none", "m only") else v_used / shares[1]
    divisor = {
        "root": v_full.sqrt() + 1e-8,
        "none": v_full + 1e-8,
        "with ε": (v_full + 1e-8).sqrt(),
        "without ε": v_full.sqrt(),
        "torch's ε": v_full.sqrt() + 1e-6,
    }[root]
    step = lr * m_full / divisor
    shrunk = {"apart": lr * 0.1 * w, "not by the rate": 0.1 * w, "grows": -lr * 0.1 * w}.get(decay, 0 * w)
    new = w - shrunk + step if sign == "up" else w - shrunk - step
    return {
        "new": (new, m, v),
        "full": (new, m_full, v_full),
        "full m": (new, m_full, v),
        "full v": (new, m, v_full),
        "old": (new, old_m, old_v),
        "weights": new,
    }[give]


def faulty_fit(
    weights: Any,
    loss_of: Any,
    batches: Any,
    rates: Any,
    limit: Any,
    zero: Literal["each", "never", "never, clipped in place"] = "each",
    rate: Literal["own", "first", "last", "one late", "one early", "one early, at most last", "last first"] = "own",
    clip: Literal["before", "never", "each", "numbers", "weights", "first step", "own limit"] = "before",
    averages: Literal["kept", "new", "exchanged", "shared", "one list"] = "kept",
    count: Literal["from 1", "one", "from 0"] = "from 1",
    start: Literal["once", "again", "lost", "asked"] = "once",
    which: Literal["all", "first", "first for all", "last for all"] = "all",
    note: Literal["before", "after", "added up"] = "before",
    step: Literal["adamw", "plain"] = "adamw",
) -> Any:
    given, losses, piled = weights, [], [torch.zeros_like(w) for w in weights]
    zeros = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    moments = zeros
    for t, (batch, own) in enumerate(zip(batches[:1] if which == "first" else batches, rates)):
        if start == "again":
            weights = given
        if averages == "new":
            moments = zeros
        if which in ("first for all", "last for all"):
            batch = batches[0 if which == "first for all" else -1]
        asked = [w.detach().requires_grad_() for w in (given if start == "asked" else weights)]
        loss = loss_of(asked, batch)
        gradients: Any = torch.autograd.grad(loss, asked)
        if zero != "each":
            gradients = [old + new for old, new in zip(piled, gradients)]
        # For "never, clipped in place", the clipped gradients are added up.
        piled = gradients if zero == "never" else _clipped(gradients, limit, clip)
        gradients = _clipped(gradients, limit, "before" if clip == "first step" and t == 0 else clip)
        now = {
            "first": rates[0],
            "last": rates[-1],
            "one late": rates[max(0, t - 1)],
            "one early, at most last": rates[min(t + 1, len(rates) - 1)],
            "one early": rates[(t + 1) % len(rates)],
            "last first": rates[t - 1],
        }.get(rate, own)
        at = {"one": 1, "from 0": t}.get(count, t + 1)
        stepped: list[Any] = []
        for w, g, (m, v) in zip(weights, gradients, moments):
            if averages == "exchanged":
                m, v = v, m
            if averages == "one list":
                m = v
            if averages == "shared" and stepped:
                _, m, v = stepped[-1]
            stepped.append((w - now * g, m, v) if step == "plain" else faulty_adamw(w, g, m, v, at, now))
        moments = [(m, v) for _, m, v in stepped]
        if averages == "shared":
            moments = [moments[-1]] * len(moments)
        if start != "lost":
            weights = [new.detach() for new, _, _ in stepped]
        if clip == "weights":
            weights = faulty_clip(weights, limit)
        losses.append((loss_of(weights, batch) if note == "after" else loss).item())
        if note == "added up":
            losses[-1] += sum(losses[-2:-1])
    return weights, losses


def _clipped(gradients: Any, limit: Any, clip: Any) -> Any:
    return {
        "before": lambda: faulty_clip(gradients, limit),
        "each": lambda: [faulty_clip([gradient], limit)[0] for gradient in gradients],
        "numbers": lambda: [gradient.clamp(-limit, limit) for gradient in gradients],
        "own limit": lambda: faulty_clip(gradients, 1.0),
    }.get(clip, lambda: list(gradients))()


OrthogonalPower = (
    Literal["right", "numbers", "no fifth", "fourth", "third for first", "first alone", "no first", "one more"]
    | Literal[
        "in turn",
        "in turn, all",
        "in turn from the first",
        "last two exchanged",
        "first two exchanged",
        "opposite order",
    ]
)


def faulty_orthogonalise(
    gradient: Tensor,
    steps: Any,
    scaled: Literal["length", "no", "largest", "rows", "rows first", "columns first", "singular"] = "length",
    side: Literal["short", "turned"] = "short",
    power: OrthogonalPower = "right",
    repeat: Literal["all", "once"] = "all",
    give: Literal["own", "turned", "reshaped", "reshaped both ways"] = "own",
    signs: Literal["right", "plus"] = "right",
) -> Any:
    a, b, c = 3.4445, -4.7750, 2.0315
    turned = {"last two exchanged": (a, c, b), "first two exchanged": (b, a, c), "opposite order": (c, b, a)}
    a, b, c = turned.get(power, (a, b, c))
    if signs == "plus":
        b = -b
    a = {"no first": 0.0, "first alone": 1.0}.get(power, a)
    if scaled in ("rows first", "columns first"):
        gradient, scaled = F.normalize(gradient, dim=-1 if scaled == "rows first" else 0), "no"
    turns = gradient.shape[0] > gradient.shape[1] if side == "short" else side == "turned"
    x = gradient.reshape(gradient.shape[::-1]) if turns and give == "reshaped both ways" else gradient
    x = x.T if turns and give != "reshaped both ways" else x
    if scaled != "no":
        size = {
            "length": x.norm(),
            "largest": x.abs().max(),
            "rows": x.norm(dim=1, keepdim=True),
            "singular": torch.linalg.matrix_norm(x, 2),
        }[scaled]
        x = x / size
    for _ in range(1 if repeat == "once" else steps):
        if power == "numbers":
            x = a * x + b * x**3 + c * x**5
            continue
        square = x @ x.T
        if power in ("in turn", "in turn, all"):  # the term with c uses the x that the line before has changed
            third = square @ x
            x = a * x + b * third
            x = x + c * x @ x.T @ (third if power == "in turn" else x @ x.T @ x)
            continue
        if power == "in turn from the first":
            x = a * x
            x = x + b * x @ x.T @ x
            x = x + c * x @ x.T @ x @ x.T @ x
            continue
        if power == "one more":
            x = square @ x
        fourth = {"no fifth": torch.zeros_like(square), "fourth": square}.get(power, square @ square)
        if power == "third for first":  # b and c get the powers 1 and 3 instead of 3 and 5
            fourth, square = square, torch.eye(len(square), dtype=x.dtype)
        x = a * x + b * square @ x + c * fourth @ x
    if turns and give.startswith("reshaped"):
        return x.reshape(gradient.shape)
    return x.T if turns and give == "own" else x

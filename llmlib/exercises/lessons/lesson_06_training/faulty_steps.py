"""The wrong ways of lesson 06 to take a step: to clip, AdamW, the training loop, Muon."""

import torch
import torch.nn.functional as F


def faulty_clip(gradients, limit, norm="together", when="above", to="limit", how="scaled"):
    if how == "values":
        return [gradient.clamp(-limit, limit) for gradient in gradients]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    norms = torch.stack([gradient.norm() for gradient in gradients])
    size = {
        "together": lambda: flat.norm(),
        "sum": lambda: norms.sum(),
        "largest": lambda: norms.max(),
        "mean": lambda: norms.mean(),
        "squared": lambda: flat.pow(2).sum(),
        "absolute": lambda: flat.abs().sum(),
        "sums squared": lambda: torch.stack([gradient.sum() for gradient in gradients]).norm(),
        "largest value": lambda: flat.abs().max(),
        "root mean square": lambda: flat.pow(2).mean().sqrt(),
        "each": lambda: None,
    }[norm]()
    goal = 1.0 if to == "one" else limit
    clipped = []
    for gradient, own in zip(gradients, norms):
        length = own if norm == "each" else size
        scale = length / goal if how == "inverted" else goal / length
        acts = {"always": True, "never": False}.get(when, length > limit)
        acts = acts and (own > limit or when != "each above") and (bool(norms.all()) or when != "none is 0")
        clipped.append(gradient * scale if acts else gradient)
    joined = how == "joined" or (how == "joined if scaled" and bool(flat.norm() > limit))
    return torch.cat([gradient.flatten() for gradient in clipped]) if joined else clipped


def faulty_adamw(
    w, gradient, m, v, t, lr, m_as="right", v_as="right", correct="both", root="root", decay="apart", sign="down",
    give="new", reads="new",
):  # fmt: skip
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
    weights, loss_of, batches, rates, limit, zero="each", rate="own", clip="before", averages="kept", count="from 1",
    start="once", which="all", note="before", step="adamw",
):  # fmt: skip
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
        gradients = torch.autograd.grad(loss, asked)
        if zero != "each":
            gradients = [old + new for old, new in zip(piled, gradients)]
        piled = gradients if zero == "never" else _clipped(gradients, limit, clip)  # or clipped in place, in `.grad`
        gradients = _clipped(gradients, limit, "before" if clip == "first step" and t == 0 else clip)
        now = {"first": rates[0], "last": rates[-1], "one late": rates[max(0, t - 1)],
               "one early": rates[(t + 1) % len(rates)], "last first": rates[t - 1]}.get(rate, own)  # fmt: skip
        at = {"one": 1, "from 0": t}.get(count, t + 1)
        stepped = []
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


def _clipped(gradients, limit, clip):
    return {
        "before": lambda: faulty_clip(gradients, limit),
        "each": lambda: [faulty_clip([gradient], limit)[0] for gradient in gradients],
        "numbers": lambda: [gradient.clamp(-limit, limit) for gradient in gradients],
        "own limit": lambda: faulty_clip(gradients, 1.0),
    }.get(clip, lambda: list(gradients))()


def faulty_orthogonalise(
    gradient, steps, scaled="length", side="short", power="right", repeat="all", give="own", signs="right"
):
    a, b, c = 3.4445, -4.7750, 2.0315
    if signs == "plus":
        b = -b
    a = {"no first": 0.0, "first alone": 1.0}.get(power, a)
    if scaled in ("rows first", "columns first"):
        gradient, scaled = F.normalize(gradient, dim=-1 if scaled == "rows first" else 0), "no"
    turns = gradient.shape[0] > gradient.shape[1] if side == "short" else side == "turned"
    x = gradient.reshape(gradient.shape[::-1]) if turns and give == "reshaped both ways" else gradient
    x = x.T if turns and give != "reshaped both ways" else x
    if scaled != "no":
        x = x / {"length": x.norm(), "largest": x.abs().max(), "rows": x.norm(dim=1, keepdim=True),
                 "singular": torch.linalg.matrix_norm(x, 2)}[scaled]  # fmt: skip
    for _ in range(1 if repeat == "once" else steps):
        if power == "numbers":
            x = a * x + b * x**3 + c * x**5
            continue
        square = x @ x.T
        fourth = {"no fifth": torch.zeros_like(square), "fourth": square}.get(power, square @ square)
        if power == "third for first":  # each power one step too low
            fourth, square = square, torch.eye(len(square), dtype=x.dtype)
        x = a * x + b * square @ x + c * fourth @ x
    if turns and give.startswith("reshaped"):
        return x.reshape(gradient.shape)
    return x.T if turns and give == "own" else x

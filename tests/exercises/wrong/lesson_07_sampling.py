"""Wrong solutions of lesson 07 on distributions: drawn from, heated, cut."""

import math

import torch
import torch.nn.functional as F

from exercises.wrong import wrong

INF = math.inf

# --- sampling.draw ---


@wrong("sampling.draw", "no sum")
def _(probabilities, u):
    return (probabilities <= u[:, None]).sum(-1)


@wrong("sampling.draw", "1 − u")
def _(probabilities, u):
    return (probabilities.cumsum(-1) <= 1 - u[:, None]).sum(-1)


@wrong("sampling.draw", "1 − u")
def _(probabilities, u):
    return (probabilities.cumsum(-1) > 1 - u[:, None]).long().argmax(-1)


@wrong("sampling.draw", "first place that is not past u")
def _(probabilities, u):
    return (probabilities.cumsum(-1) <= u[:, None]).int().argmax(-1)


@wrong("sampling.draw", "the same whatever the input")
def _(probabilities, u):
    return torch.zeros(len(u), dtype=torch.long) + 1


@wrong("sampling.draw", "probabilities ignored")
def _(probabilities, u):
    return (u * probabilities.shape[-1]).long()


# --- sampling.probabilities_at ---


def first_best(logits):
    return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)


def hot(heat, greedy=lambda t: t == 0):
    """A solution that heats so, and is greedy where it says."""
    return lambda logits, temperature: first_best(logits) if greedy(temperature) else heat(logits, temperature)


def safe(logits, temperature):
    return ((logits - logits.amax(-1, keepdim=True)) / temperature).softmax(-1)


for limit in (0.25, 1e-2, 1e-3):
    wrong("sampling.probabilities_at", "small temperature taken for 0")(hot(safe, lambda t, limit=limit: t < limit))
for floor in (0.1, 0.01, 1e-3, 1e-6, 1e-8):
    wrong("sampling.probabilities_at", "temperature not below a floor")(
        hot(lambda x, t, floor=floor: (x / max(t, floor)).softmax(-1))
    )


@wrong("sampling.probabilities_at", "property: Halving both the logits and the temperature")
@hot
def _(logits, temperature):
    return safe(logits, max(temperature, 0.03))


@wrong("sampling.probabilities_at", "overflow")
@hot
def _(logits, temperature):
    return (logits.double() / temperature).softmax(-1).to(logits.dtype)


@wrong("sampling.probabilities_at", "another row's maximum")
@hot
def _(logits, temperature):
    return ((logits - logits.max()) / temperature).softmax(-1)


@wrong("sampling.probabilities_at", "another row's maximum")
@hot
def _(logits, temperature):
    return ((logits.double() - logits.max()) / temperature).softmax(-1).to(logits.dtype)


@wrong("sampling.probabilities_at", "another row's maximum")
@hot
def _(logits, temperature):
    return ((logits - logits.max(0).values) / temperature).softmax(-1)


@wrong("sampling.probabilities_at", "power rounds to 0")
@hot
def _(logits, temperature):
    weights = logits.softmax(-1) ** (1 / temperature)
    return weights / weights.sum(-1, keepdim=True)


@wrong("sampling.probabilities_at", "likeliest token returned")
def _(logits, temperature):
    return safe(logits, temperature) if temperature else logits.argmax(-1)


@wrong("sampling.probabilities_at", "one 1 for all rows")
def _(logits, temperature):
    if temperature:
        return safe(logits, temperature)
    p = torch.zeros_like(logits)
    p.view(-1)[logits.argmax()] = 1
    return p


# --- sampling.keep_top_p and sampling.keep_min_p ---


def kept_by_p(logits, p):
    shares, order = logits.softmax(-1).sort(-1, descending=True)
    cut = (shares.cumsum(-1) - shares >= p) & torch.tensor(p < 1)
    return ~torch.zeros_like(cut).scatter(-1, order, cut)


def kept_by_min(logits, p):
    shares = logits.softmax(-1)
    return shares >= p * shares.amax(-1, keepdim=True)


for exercise, kept in (("sampling.keep_top_p", kept_by_p), ("sampling.keep_min_p", kept_by_min)):
    for filling in (-99.0, -1e9, -1e4, -12345.0, torch.finfo(torch.float32).min):
        wrong(exercise, "finite where −∞ is expected")(
            lambda logits, p, kept=kept, filling=filling: logits.masked_fill(~kept(logits, p), filling)
        )
    wrong(exercise, "finite where −∞ is expected")(
        lambda logits, p, kept=kept: logits.masked_fill(~kept(logits, p), torch.finfo(logits.dtype).min)
    )

    @wrong(exercise, "0 · ∞")
    def _(logits, p, kept=kept):
        k = kept(logits, p).to(logits.dtype)
        return logits * k + (1 - k) * -INF

    @wrong(exercise, "0 · ∞")
    def _(logits, p, kept=kept):
        k = kept(logits, p).float()
        return logits - (1 - k) * INF

    wrong(exercise, "the same whatever the input")(lambda logits, p: torch.full_like(logits, -INF))


@wrong("sampling.keep_top_p", "property: You keep no more tokens than it")
def _(logits, p):
    shares, order = logits.softmax(-1).sort(-1, descending=True)
    cut = (shares.cumsum(-1) - shares > p) & torch.tensor(p < 1)
    return logits.masked_fill(torch.zeros_like(cut).scatter(-1, order, cut), -INF)


@wrong("sampling.keep_top_p", "property: You keep no more tokens than it")
def _(logits, p):
    shares = logits.softmax(-1)
    least = shares.masked_fill(~kept_by_p(logits, p), INF).amin(-1, keepdim=True)
    return torch.where(shares >= least, logits, -INF)


def cut_where(logits, order, cut):
    return logits.masked_fill(torch.zeros_like(cut).scatter(-1, order, cut), -INF)


@wrong("sampling.keep_top_p", "crossing token cut")
def _(logits, p):
    shares, order = logits.softmax(-1).sort(-1, descending=True)
    return cut_where(logits, order, shares.cumsum(-1) > p)


@wrong("sampling.keep_top_p", "crossing token cut")
def _(logits, p):
    shares, order = logits.softmax(-1).sort(-1, descending=True)
    return cut_where(logits, order, shares.cumsum(-1) >= p)


@wrong("sampling.keep_top_p", "not sorted")
def _(logits, p):
    shares = logits.softmax(-1)
    return logits.masked_fill(shares.cumsum(-1) - shares >= p, -INF)


@wrong("sampling.keep_top_p", "order for its inverse")
def _(logits, p):
    shares, order = logits.softmax(-1).sort(-1, descending=True)
    return logits.masked_fill((shares.cumsum(-1) - shares >= p).gather(-1, order), -INF)


@wrong("sampling.keep_top_p", "min-p in its place")
def _(logits, p):
    return logits.masked_fill(~kept_by_min(logits, p), -INF)


@wrong("sampling.keep_top_p", "p cut away")
def _(logits, p):
    shares, order = logits.softmax(-1).sort(-1, descending=True)
    return cut_where(logits, order, shares.cumsum(-1) - shares >= 1 - p)


@wrong("sampling.keep_top_p", "first row's cut for all")
def _(logits, p):
    return logits.masked_fill(~kept_by_p(logits, p)[:1], -INF)


@wrong("sampling.keep_min_p", "divided by p")
def _(logits, p):
    shares = logits.softmax(-1)
    return logits.masked_fill(shares < shares.amax(-1, keepdim=True) / p, -INF)


@wrong("sampling.keep_min_p", "softmax over the batch")
def _(logits, p):
    shares = logits.flatten().softmax(0).view_as(logits)
    return logits.masked_fill(shares < p * shares.max(), -INF)


@wrong("sampling.keep_min_p", "maximum not subtracted")
def _(logits, p):
    weights = logits.exp()
    return logits.masked_fill(weights < p * weights.amax(-1, keepdim=True), -INF)


@wrong("sampling.keep_min_p", "maximum not subtracted")
def _(logits, p):
    weights = logits.exp()
    shares = weights / weights.sum(-1, keepdim=True)
    return logits.masked_fill(shares < p * shares.amax(-1, keepdim=True), -INF)


@wrong("sampling.keep_min_p", "top-p in its place")
def _(logits, p):
    return logits.masked_fill(~kept_by_p(logits, p), -INF)


@wrong("sampling.keep_min_p", "compared with the first token")
def _(logits, p):
    shares = logits.softmax(-1)
    return logits.masked_fill(shares < p * shares[:, :1], -INF)


@wrong("sampling.keep_min_p", "first row's likeliest for all")
def _(logits, p):
    shares = logits.softmax(-1)
    return logits.masked_fill(shares < p * shares[0].max(), -INF)


@wrong("sampling.keep_top_p", "log-probabilities kept")
def _(logits, p):
    logp = logits.log_softmax(-1)
    s, order = logp.sort(-1, descending=True)
    q = s.exp()
    s[(q.cumsum(-1) - q >= p) & (torch.arange(q.shape[-1]) > 0)] = -INF
    return torch.empty_like(s).scatter(-1, order, s)


@wrong("sampling.keep_top_p", "each token above 1 − p")
def _(logits, p):
    shares = logits.softmax(-1)
    kept = (shares >= 1 - p) | (shares == shares.amax(-1, keepdim=True))
    return torch.where(kept, logits, torch.tensor(-INF, dtype=logits.dtype))

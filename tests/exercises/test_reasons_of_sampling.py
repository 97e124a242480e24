"""Wrong solutions of lesson 07 as people write them: none is right, and each is told its own reason."""

import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F

from llmlib.exercises.engine.checking import examine
from llmlib.exercises.registry import find

pytestmark = pytest.mark.usefixtures("as_learners_have_it")

INF = math.inf
WRONG = []


def wrong(name, reason):
    """The function is wrong in the way of the `reason`: an idea's name, or the beginning of a finding's."""

    def keep(function):
        WRONG.append(pytest.param(name, reason, function, id=f"{name}-{reason}"))
        return function

    return keep


# --- sampling.draw ---

FORM = "right values in another type"


@wrong("sampling.draw", FORM)
def _(probabilities, u):
    return (probabilities.cumsum(-1) <= u[:, None]).sum(-1, dtype=torch.int32)


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
for floor in (0.1, 0.01, 1e-3):
    wrong("sampling.probabilities_at", "temperature not below a floor")(
        hot(lambda x, t, floor=floor: (x / max(t, floor)).softmax(-1))
    )


@wrong("sampling.probabilities_at", "property: Logits and temperature, both halved")
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


@wrong("sampling.probabilities_at", FORM)
def _(logits, temperature):
    return hot(safe)(logits.double(), temperature)


@wrong("sampling.probabilities_at", "likeliest token returned")
def _(logits, temperature):
    return safe(logits, temperature) if temperature else logits.argmax(-1)


def of_the_largest_of_all(logits, temperature):
    if temperature:
        return safe(logits, temperature)
    p = torch.zeros_like(logits)
    p.view(-1)[logits.argmax()] = 1
    return p


def test_the_sum_that_is_not_1_is_shown():
    said = " ".join(repr(examine(find("sampling.probabilities_at"), of_the_largest_of_all)).split())
    assert "sum to 0." in said
    assert "distributions sum to 1." not in said


def test_an_index_beside_another_one_is_told():
    def attempt(logits, temperature):
        if temperature:
            return safe(logits, temperature)
        p = torch.zeros_like(logits)
        p[torch.arange(len(logits)), logits.argmax(1)] = 1
        return p

    said = " ".join(repr(examine(find("sampling.probabilities_at"), attempt)).split())
    assert "loop over neighbours" not in said
    assert "two index tensors in" in said


# --- sampling.keep_top_p and sampling.keep_min_p ---


def kept_by_p(logits, p):
    shares, order = logits.softmax(-1).sort(-1, descending=True)
    cut = (shares.cumsum(-1) - shares >= p) & torch.tensor(p < 1)
    return ~torch.zeros_like(cut).scatter(-1, order, cut)


def kept_by_min(logits, p):
    shares = logits.softmax(-1)
    return shares >= p * shares.amax(-1, keepdim=True)


for exercise, kept in (("sampling.keep_top_p", kept_by_p), ("sampling.keep_min_p", kept_by_min)):
    for filling in (-1e9, -1e4, -12345.0, torch.finfo(torch.float32).min):
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


def test_lists_of_kept_logits_are_right():
    def by_lists(logits, p):
        rows = zip(logits.tolist(), kept_by_min(logits, p).tolist())
        return torch.tensor([[x if stays else -INF for x, stays in zip(*row)] for row in rows])

    report = examine(find("sampling.keep_min_p"), by_lists)
    assert report.correct
    assert "float32" in repr(report)


@wrong("sampling.keep_top_p", "property: No fewer tokens reach p")
def _(logits, p):
    shares, order = logits.softmax(-1).sort(-1, descending=True)
    cut = (shares.cumsum(-1) - shares > p) & torch.tensor(p < 1)
    return logits.masked_fill(torch.zeros_like(cut).scatter(-1, order, cut), -INF)


@wrong("sampling.keep_top_p", "property: No fewer tokens reach p")
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


# --- sampling.penalise_repetition ---


def seen_in(logits, ids):
    return torch.zeros_like(logits, dtype=torch.bool).scatter(1, ids, True)


def lowered(logits, penalty):
    return torch.where(logits > 0, logits / penalty, logits * penalty)


@wrong("sampling.penalise_repetition", "logarithm subtracted")
def _(logits, ids, penalty):
    return torch.where(seen_in(logits, ids), logits - math.log(penalty), logits)


@wrong("sampling.penalise_repetition", "once for each time")
def _(logits, ids, penalty):
    old = logits.gather(1, ids)
    return logits.scatter_add(1, ids, lowered(old, penalty) - old)


@wrong("sampling.penalise_repetition", "multiplied by the mask")
def _(logits, ids, penalty):
    return lowered(logits, penalty) * seen_in(logits, ids)


@wrong("sampling.penalise_repetition", "multiplied by the mask")
def _(logits, ids, penalty):
    seen = seen_in(logits, ids).to(logits.dtype)
    return torch.where(logits > 0, logits / (penalty * seen), logits * penalty * seen)


@wrong("sampling.penalise_repetition", "frequency penalty")
def _(logits, ids, penalty):
    return logits - penalty * F.one_hot(ids, logits.shape[1]).sum(1)


@wrong("sampling.penalise_repetition", "smaller of the two")
def _(logits, ids, penalty):
    return torch.where(seen_in(logits, ids), torch.minimum(logits / penalty, logits * penalty), logits)


# --- sampling.distinct_n ---


def share(grams):
    return len(set(grams)) / len(grams)


@wrong("sampling.distinct_n", "pieces shorter than n")
def _(texts, n):
    return share([tuple(t[i : i + n]) for t in texts for i in range(max(1, len(t) - n + 1))])


@wrong("sampling.distinct_n", "pieces shorter than n")
def _(texts, n):
    return share([tuple(t[i : i + n]) for t in texts for i in range(len(t))])


@wrong("sampling.distinct_n", "joined without a separator")
def _(texts, n):
    return share(["".join(map(str, t[i : i + n])) for t in texts for i in range(len(t) - n + 1)])


@wrong("sampling.distinct_n", "side by side")
def _(texts, n):
    return share([tuple(t[i : i + n]) for t in texts for i in range(0, len(t) - n + 1, n)])


@wrong("sampling.distinct_n", "those that come once")
def _(texts, n):
    counts = Counter(tuple(t[i : i + n]) for t in texts for i in range(len(t) - n + 1))
    return sum(times == 1 for times in counts.values()) / len(counts)


@wrong("sampling.distinct_n", "all lengths up to n")
def _(texts, n):
    return share([tuple(t[i : i + m]) for m in range(1, n + 1) for t in texts for i in range(len(t) - m + 1)])


# --- sampling.allowed_tokens ---


def followed(moves, state, token, key=lambda token, i: token[i]):
    for i in range(len(token)):
        state = moves[state].get(key(token, i))
        if state is None:
            return False
    return bool(token)


@wrong("sampling.allowed_tokens", "keys of another kind")
def _(moves, state, tokens):
    return [id for id, token in enumerate(tokens) if followed(moves, state, token, lambda t, i: chr(t[i]))]


@wrong("sampling.allowed_tokens", "keys of another kind")
def _(moves, state, tokens):
    return [id for id, token in enumerate(tokens) if followed(moves, state, token, lambda t, i: t[i : i + 1])]


@wrong("sampling.allowed_tokens", "the same whatever the input")
def _(moves, state, tokens):
    return [0]


@wrong("sampling.allowed_tokens", "state overwritten")
def _(moves, state, tokens):
    allowed = []
    for id, token in enumerate(tokens):
        for byte in token:
            if byte not in moves[state]:
                break
            state = moves[state][byte]
        else:
            if token:
                allowed.append(id)
    return allowed


@wrong("sampling.allowed_tokens", "kept where it breaks off")
def _(moves, state, tokens):
    allowed = []
    for id, token in enumerate(tokens):
        at = state
        for byte in token:
            if byte not in moves[at]:
                break
            at = moves[at][byte]
        if at != state:
            allowed.append(id)
    return allowed


@wrong("sampling.allowed_tokens", "impossible bytes skipped")
def _(moves, state, tokens):
    allowed = []
    for id, token in enumerate(tokens):
        at = state
        for byte in token:
            at = moves[at].get(byte, at)
        if token and at != state:
            allowed.append(id)
    return allowed


@pytest.mark.parametrize(("name", "reason", "function"), WRONG)
def test_its_own_reason_is_told_and_no_other(name, reason, function):
    report = examine(find(name), function)
    assert not report.correct
    told = (*report.misconceptions, *report.findings)
    assert len(told) == 1, report
    assert told[0].startswith(reason), report

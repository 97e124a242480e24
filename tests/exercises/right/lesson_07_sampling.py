"""Right solutions of lesson 07: a plain one for each exercise, and others in other styles."""

import math

import torch
import torch.nn.functional as F

from exercises.right import plain, solves
from llmlib.exercises.registry import find
from llmlib.sampling import logits as rules


@plain("sampling.draw")
def draw(probabilities, u):
    sums = probabilities.cumsum(dim=1)
    return (sums <= u[:, None]).sum(dim=1)


@solves("sampling.draw")
def draw_in_loops(probabilities, u):
    drawn = []
    for row, number in zip(probabilities, u):
        total = 0.0
        for id, p in enumerate(row):
            total = total + p
            if total > number:
                drawn.append(id)
                break
    return torch.tensor(drawn)


@solves("sampling.draw")
def draw_by_search(probabilities, u):
    return torch.searchsorted(probabilities.cumsum(-1), u.unsqueeze(-1), right=True).squeeze(-1)


@solves("sampling.draw")
def draw_as_int32(probabilities, u):
    return (probabilities.cumsum(-1) <= u[:, None]).sum(-1, dtype=torch.int32)


@solves("sampling.draw")
def draw_the_first_true(probabilities, u):
    return (probabilities.cumsum(1) > u.reshape(-1, 1)).long().argmax(dim=1)


@plain("sampling.probabilities_at")
def probabilities_at(logits, temperature):
    if temperature == 0:
        return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
    logits = logits - logits.amax(dim=-1, keepdim=True)
    return (logits / temperature).softmax(dim=-1)


@solves("sampling.probabilities_at")
def heat_by_exponentials(logits, temperature):
    if temperature == 0:
        p = torch.zeros_like(logits)
        return p.scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
    weights = torch.exp((logits - logits.max(-1, keepdim=True).values) / temperature)
    return weights / weights.sum(-1, keepdim=True)


@solves("sampling.probabilities_at")
def heat_where_it_is_not_tiny(logits, temperature):
    if temperature < 1e-30:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits)
    return torch.softmax((logits - logits.amax(-1, keepdim=True)) / temperature, dim=-1)


@solves("sampling.probabilities_at")
def heat_in_float64(logits, temperature):
    x = logits.double()
    if temperature == 0:
        return F.one_hot(x.argmax(-1), x.shape[-1]).double()
    return ((x - x.amax(-1, keepdim=True)) / temperature).softmax(-1)


@solves("sampling.probabilities_at")
def heat_log_probabilities(logits, temperature):
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits)
    surprise = logits.log_softmax(-1)
    return ((surprise - surprise.amax(-1, keepdim=True)) / temperature).softmax(-1)


@solves("sampling.probabilities_at")
def heat_ratios_by_a_power(logits, temperature):
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits)
    ratios = (logits - logits.amax(-1, keepdim=True)).exp() ** min(1 / max(temperature, 1e-300), 1e30)
    return ratios / ratios.sum(-1, keepdim=True)


@plain("sampling.keep_top_p")
def keep_top_p(logits, p):
    shares, order = logits.softmax(dim=1).sort(dim=1, descending=True)
    cut = (shares.cumsum(dim=1) - shares >= p) & torch.tensor(p < 1)
    cut[:, 0] = False
    return logits.masked_fill(torch.zeros_like(cut).scatter(1, order, cut), -torch.inf)


@solves("sampling.keep_top_p")
def nucleus_row_by_row(logits, p):
    out = torch.full_like(logits, -math.inf)
    for i, row in enumerate(logits):
        shares = row.softmax(-1)
        total = 0.0
        for id in shares.argsort(descending=True).tolist():
            out[i, id] = row[id]
            total += shares[id].item()
            if total >= p and p < 1:
                break
    return out


@solves("sampling.keep_top_p")
def nucleus_by_the_last_rank_kept(logits, p):
    shares = logits.softmax(-1)
    ordered, order = shares.sort(-1, descending=True)
    kept = (ordered.cumsum(-1) - ordered < p) | torch.tensor(p >= 1)
    n = kept.sum(-1, keepdim=True).clamp(min=1)
    return torch.where(order.argsort(-1) < n, logits, -math.inf)


@solves("sampling.keep_top_p")
def nucleus_by_inverse_sort(logits, p):
    ordered, places = logits.sort(-1, descending=True)
    sums = ordered.softmax(-1).cumsum(-1)
    cut = torch.cat([torch.zeros_like(sums[:, :1]), sums[:, :-1]], -1) >= p
    cut = cut & torch.tensor(p < 1)
    cut[:, 0] = False
    return logits.masked_fill(cut.gather(-1, places.argsort(-1)), -torch.inf)


@plain("sampling.keep_min_p")
def keep_min_p(logits, p):
    shares = logits.softmax(dim=1)
    return logits.masked_fill(shares < p * shares.amax(dim=1, keepdim=True), -torch.inf)


@solves("sampling.keep_min_p")
def min_p_as_a_distance(logits, p):
    return torch.where(logits >= logits.amax(-1, keepdim=True) + math.log(p), logits, -math.inf)


@solves("sampling.keep_min_p")
def min_p_row_by_row(logits, p):
    rows = []
    for row in logits:
        shares = torch.exp(row - row.logsumexp(0))
        rows.append(torch.stack([x if s >= p * shares.max() else x * 0 - math.inf for x, s in zip(row, shares)]))
    return torch.stack(rows)


@plain("sampling.penalise_repetition")
def penalise_repetition(logits, ids, penalty):
    seen = torch.zeros_like(logits).scatter(1, ids, 1.0) > 0
    smaller = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, smaller, logits)


@solves("sampling.penalise_repetition")
def penalty_by_gathering(logits, ids, penalty):
    old = logits.gather(1, ids)
    return logits.scatter(1, ids, torch.where(old > 0, old / penalty, old * penalty))


@solves("sampling.penalise_repetition")
def penalty_in_loops(logits, ids, penalty):
    out = logits.clone()
    for row, seen in enumerate(ids.tolist()):
        for id in set(seen):
            out[row, id] = out[row, id] / penalty if out[row, id] > 0 else out[row, id] * penalty
    return out


@plain("sampling.continuation")
def continuation(read, choose, ids, us, end):
    logits, cache = read(ids, None)
    text = list(ids)
    new = []
    for u in us:
        token = choose(logits, text, u)
        if token == end:
            return new
        new.append(token)
        text.append(token)
        logits, cache = read([token], cache)
    return new


@solves("sampling.continuation")
def by_the_unread(read, choose, ids, us, end):
    """Whatever has not been read yet is read at the start of each round."""
    unread, cache, text = list(ids), None, list(ids)
    for u in us:
        logits, cache = read(unread, cache)
        unread = [choose(logits, text, u)]
        if unread == [end]:
            break
        text += unread
    return text[len(ids) :]


@solves("sampling.continuation")
def token_by_token(read, choose, ids, us, end):
    cache, new, numbers = None, [], iter(us)
    for id in ids:
        logits, cache = read([id], cache)
    while (u := next(numbers, None)) is not None and (token := choose(logits, [*ids, *new], u)) != end:
        new = [*new, token]
        logits, cache = read(torch.tensor([token]), cache)
    return new


@plain("sampling.write")
def write(logits_of, ids, us, end, temperature, top_p, penalty):
    def read(new_ids, text):
        if text is None:
            text = []
        text = text + new_ids
        logits = logits_of(torch.tensor([text]))
        return logits[:, -1], text

    def choose(logits, text, u):
        logits = penalise_repetition(logits, torch.tensor([text]), penalty)
        log_p = probabilities_at(logits, temperature).log()
        p = keep_top_p(log_p, top_p).softmax(dim=1)
        return draw(p, torch.tensor([u])).item()

    return continuation(read, choose, ids, us, end)


@solves("sampling.write")
def write_in_one_loop(logits_of, ids, us, end, temperature, top_p, penalty):
    text = list(ids)
    for u in us:
        row = logits_of(torch.tensor(text)[None])[0, -1].double()
        for id in set(text):
            row[id] = row[id] / penalty if row[id] > 0 else row[id] * penalty
        if temperature == 0:
            token = int(row.argmax())
        else:
            p, order = (row / temperature).softmax(0).sort(descending=True, stable=True)
            n = int((p.cumsum(0) - p < top_p).sum()) if top_p < 1 else len(p)
            kept = torch.zeros_like(p).scatter(0, order[: max(n, 1)], p[: max(n, 1)])
            token = int(torch.searchsorted((kept / kept.sum()).cumsum(0), u, right=True))
        if token == end:
            break
        text.append(token)
    return text[len(ids) :]


@solves("sampling.write")
def write_with_the_librarys_rules(logits_of, ids, us, end, temperature, top_p, penalty):
    def read(new, text):
        text = torch.tensor([new]) if text is None else torch.cat((text, torch.tensor([new])), dim=1)
        return logits_of(text)[:, -1], text

    def choose(logits, text, u):
        counts = rules.count_tokens(torch.tensor([text]), logits.shape[1])
        logits = rules.scale_temperature(rules.penalise_repetition(logits, counts, penalty), temperature)
        p = rules.keep_top_p(logits, top_p).softmax(-1)
        return draw_by_search(p, torch.tensor([u])).item()

    return find("sampling.continuation").reference(read, choose, ids, us, end)

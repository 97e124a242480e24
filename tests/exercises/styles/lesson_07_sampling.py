"""Right solutions of lesson 07 in other styles."""

import math

import torch
import torch.nn.functional as F

from exercises.styles import solves
from llmlib.exercises.registry import find
from llmlib.sampling import logits as rules


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


@solves("sampling.distinct_n")
def distinct_by_dictionary(texts, n):
    counts = {}
    for text in texts:
        for gram in zip(*(text[i:] for i in range(n))):
            counts[gram] = counts.get(gram, 0) + 1
    return len(counts) / sum(counts.values())


@solves("sampling.distinct_n")
def distinct_by_a_list(texts, n):
    seen, total = [], 0
    for text in texts:
        for i in range(max(0, len(text) - n + 1)):
            total += 1
            if text[i : i + n] not in seen:
                seen.append(text[i : i + n])
    return len(seen) / total


@solves("sampling.allowed_tokens")
def allowed_by_a_walk(moves, state, tokens):
    def arrives(at, token):
        return not token or (token[0] in moves[at] and arrives(moves[at][token[0]], token[1:]))

    return [id for id, token in enumerate(tokens) if token and arrives(state, token)]


@solves("sampling.allowed_tokens")
def allowed_by_else(moves, state, tokens):
    ids = []
    for id, token in enumerate(tokens):
        here = state
        for byte in token:
            if byte not in moves[here]:
                break
            here = moves[here][byte]
        else:
            if len(token) > 0:
                ids.append(id)
    return ids


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


@solves("sampling.beam_step")
def with_a_heap(found, log_p, n_beams):
    import heapq

    everything = (
        (total + more, [*ids, token])
        for (total, ids), row in zip(found, log_p.tolist())
        for token, more in enumerate(row)
    )
    return heapq.nlargest(n_beams, everything)


@solves("sampling.beam_step")
def best_of_the_best_of_each(found, log_p, n_beams):
    kept = []
    for beam, (total, ids) in enumerate(found):
        values, tokens = log_p[beam].sort(descending=True)
        kept += [(total + float(v), [*ids, int(t)]) for v, t in zip(values[:n_beams], tokens[:n_beams])]
    return sorted(kept, reverse=True)[:n_beams]


@solves("sampling.constrained")
def constrained_by_a_mask(logits_after, moves, ends, tokens, end, most):
    def after(state, data):
        for byte in data:
            state = moves[state].get(byte) if state is not None else None
        return state

    at, written = 0, []
    for _ in range(most):
        mask = torch.full((len(tokens),), -torch.inf)
        for id, data in enumerate(tokens):
            if (data and after(at, data) is not None) or (id == end and at in ends):
                mask[id] = 0
        best = (logits_after(written) + mask).argmax().item()
        if best == end:
            return written
        written.append(best)
        at = after(at, tokens[best])
    return written


@solves("sampling.constrained")
def constrained_by_sorting(logits_after, moves, ends, tokens, end, most):
    def state_of(data):
        here = 0
        for byte in data:
            if byte not in moves[here]:
                return None
            here = moves[here][byte]
        return here

    ids, text = [], b""
    while len(ids) < most:
        for id in logits_after(ids).argsort(descending=True).tolist():
            if id == end and state_of(text) in ends:
                return ids
            if tokens[id] and state_of(text + tokens[id]) is not None:
                ids, text = [*ids, id], text + tokens[id]
                break
    return ids


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

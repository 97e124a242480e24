"""Plain right solutions of lesson 07."""

import torch
import torch.nn.functional as F

from exercises.plain import plain


@plain("sampling.draw")
def draw(probabilities, u):
    sums = probabilities.cumsum(dim=1)
    return (sums <= u[:, None]).sum(dim=1)


@plain("sampling.probabilities_at")
def probabilities_at(logits, temperature):
    if temperature == 0:
        return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
    logits = logits - logits.amax(dim=-1, keepdim=True)
    return (logits / temperature).softmax(dim=-1)


@plain("sampling.keep_top_p")
def keep_top_p(logits, p):
    shares, order = logits.softmax(dim=1).sort(dim=1, descending=True)
    cut = (shares.cumsum(dim=1) - shares >= p) & torch.tensor(p < 1)
    cut[:, 0] = False
    return logits.masked_fill(torch.zeros_like(cut).scatter(1, order, cut), -torch.inf)


@plain("sampling.keep_min_p")
def keep_min_p(logits, p):
    shares = logits.softmax(dim=1)
    return logits.masked_fill(shares < p * shares.amax(dim=1, keepdim=True), -torch.inf)


@plain("sampling.penalise_repetition")
def penalise_repetition(logits, ids, penalty):
    seen = torch.zeros_like(logits).scatter(1, ids, 1.0) > 0
    smaller = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, smaller, logits)


@plain("sampling.distinct_n")
def distinct_n(texts, n):
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams)


@plain("sampling.allowed_tokens")
def allowed_tokens(moves, state, tokens):
    allowed = []
    for id, token in enumerate(tokens):
        at = state
        for byte in token:
            at = moves[at].get(byte) if at is not None else None
        if token and at is not None:
            allowed.append(id)
    return allowed


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


@plain("sampling.beam_step")
def beam_step(found, log_p, n_beams):
    candidates = []
    for i in range(len(found)):
        total, ids = found[i]
        for token in range(log_p.shape[1]):
            candidates.append((total + log_p[i, token].item(), [*ids, token]))
    candidates.sort(key=lambda pair: pair[0], reverse=True)
    return candidates[:n_beams]


@plain("sampling.constrained")
def constrained(logits_after, moves, ends, tokens, end, most):
    ids = []
    state = 0
    for _ in range(most):
        logits = logits_after(ids).tolist()
        best = None
        reached = state
        if state in ends:
            best = end
        for id in range(len(tokens)):
            at = state
            for byte in tokens[id]:
                at = moves[at].get(byte) if at is not None else None
            if tokens[id] and at is not None and (best is None or logits[id] > logits[best]):
                best = id
                reached = at
        if best == end:
            return ids
        ids.append(best)
        state = reached
    return ids


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

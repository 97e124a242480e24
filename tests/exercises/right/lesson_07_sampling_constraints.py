"""Right solutions of lesson 07: measures, beams and constraints."""

import torch

from exercises.right import plain, solves


@plain("sampling.distinct_n")
def distinct_n(texts, n):
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams)


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


@plain("sampling.beam_step")
def beam_step(found, log_p, n_beams):
    candidates = []
    for i in range(len(found)):
        total, ids = found[i]
        for token in range(log_p.shape[1]):
            candidates.append((total + log_p[i, token].item(), [*ids, token]))
    candidates.sort(key=lambda pair: pair[0], reverse=True)
    return candidates[:n_beams]


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

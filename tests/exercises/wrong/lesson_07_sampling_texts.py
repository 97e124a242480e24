"""Wrong solutions of lesson 07 on texts: what is penalised, counted, allowed."""

import math
from collections import Counter

import torch
import torch.nn.functional as F

from exercises.wrong import wrong

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


@wrong("sampling.distinct_n", "short texts taken away")
def _(texts, n):
    grams = {tuple(t[i : i + n]) for t in texts for i in range(len(t) - n + 1)}
    return len(grams) / sum(len(t) - n + 1 for t in texts)


@wrong("sampling.distinct_n", "n taken for 1")
def _(texts, n):
    return share([token for text in texts for token in text])


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


@wrong("sampling.allowed_tokens", "kept where it breaks off")
def _(moves, state, tokens):
    allowed = []
    for id, token in enumerate(tokens):
        at = state
        for byte in token:
            if byte not in moves[at]:
                break
            at = moves[at][byte]
        if token:
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


def written(logits_after, moves, tokens, most, choice):
    """`choice(state, ids, allowed, logits)` gives the next id, or None for the end."""
    state, ids = 0, []
    while len(ids) < most:
        allowed = [id for id, data in enumerate(tokens) if data and follow(moves, state, data) is not None]
        best = choice(state, ids, allowed, logits_after(ids))
        if best is None:
            break
        ids.append(best)
        state = follow(moves, state, tokens[best])
    return ids


def follow(moves, state, data):
    for byte in data:
        state = moves[state].get(byte)
        if state is None:
            return None
    return state


@wrong("sampling.constrained", "ends only where nothing follows")
def _(logits_after, moves, ends, tokens, end, most):
    """The loop of the lesson."""
    return written(
        logits_after,
        moves,
        tokens,
        most,
        lambda state, ids, allowed, logits: max(allowed, key=lambda id: logits[id]) if moves[state] else None,
    )


@wrong("sampling.constrained", "ends as soon as it may")
def _(logits_after, moves, ends, tokens, end, most):
    state, ids = 0, []
    while state not in ends and len(ids) < most:
        logits = logits_after(ids)
        masked = torch.full_like(logits, -math.inf)
        for id, data in enumerate(tokens):
            if data and follow(moves, state, data) is not None:
                masked[id] = logits[id]
        ids.append(int(masked.argmax()))
        state = follow(moves, state, tokens[ids[-1]])
    return ids


@wrong("sampling.constrained", "end always allowed")
def _(logits_after, moves, ends, tokens, end, most):
    def choice(state, ids, allowed, logits):
        best = max([*allowed, end], key=lambda id: logits[id])
        return None if best == end else best

    return written(logits_after, moves, tokens, most, choice)


@wrong("sampling.constrained", "end compared with all tokens")
def _(logits_after, moves, ends, tokens, end, most):
    def choice(state, ids, allowed, logits):
        if state in ends and (int(logits.argmax()) == end or not allowed):
            return None
        return max(allowed, key=lambda id: logits[id])

    return written(logits_after, moves, tokens, most, choice)


@wrong("sampling.constrained", "limit ignored")
def _(logits_after, moves, ends, tokens, end, most):
    def choice(state, ids, allowed, logits):
        best = max(allowed + [end] * (state in ends), key=lambda id: logits[id])
        return None if best == end else best

    return written(logits_after, moves, tokens, 1000, choice)


@wrong("sampling.beam_step", "property: Totals and ids are plain numbers.")
def _(found, log_p, n_beams):
    pairs = [(total + row[id], [*ids, id]) for (total, ids), row in zip(found, log_p) for id in range(len(row))]
    return sorted(pairs, key=lambda pair: -pair[0])[:n_beams]


@wrong("sampling.beam_step", "property: Totals and ids are plain numbers.")
def _(found, log_p, n_beams):
    values, places = (torch.tensor([total for total, _ in found])[:, None] + log_p).flatten().topk(n_beams)
    vocab = log_p.shape[1]
    return [(v.item(), [*found[place // vocab][1], place % vocab]) for v, place in zip(values, places)]


# --- a second name for a list, and the order of the text ---


@wrong("sampling.continuation", "no copy")
def _(read, choose, ids, us, end):
    text = ids
    logits, cache = read(ids, None)
    for u in us:
        token = choose(logits, text, u)
        if token == end:
            break
        text.append(token)
        logits, cache = read([token], cache)
    return text[len(ids) :]


@wrong("sampling.beam_step", "no copy")
def _(found, log_p, n_beams):
    out = []
    for (total, ids), row in zip(found, log_p.tolist()):
        for token, lp in enumerate(row):
            text = ids
            text.append(token)
            out.append((total + lp, text))
    out.sort(key=lambda p: p[0], reverse=True)
    return out[:n_beams]


def continued(read, choose, ids, us, end, seen):
    logits, cache = read(ids, None)
    new = []
    for u in us:
        token = choose(logits, seen(list(ids), new), u)
        if token == end:
            break
        new.append(token)
        logits, cache = read([token], cache)
    return new


@wrong("sampling.continuation", "sampler sees another order")
def _(read, choose, ids, us, end):
    return continued(read, choose, ids, us, end, lambda ids, new: ids[::-1] + new)


@wrong("sampling.continuation", "sampler sees another order")
def _(read, choose, ids, us, end):
    return continued(read, choose, ids, us, end, lambda ids, new: sorted(ids + new))


@wrong("sampling.continuation", "sampler sees another order")
def _(read, choose, ids, us, end):
    return continued(read, choose, ids, us, end, lambda ids, new: new + ids)

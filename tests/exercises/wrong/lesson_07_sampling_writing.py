"""Wrong solutions of lesson 07 on whole texts: beams, an automaton, the loop that writes."""

import torch

from exercises.wrong import wrong
from llmlib.exercises.lessons.lesson_07_sampling.constraints import allowed_tokens
from llmlib.exercises.registry import find

# --- beams chosen, and their beginnings found ---


@wrong("sampling.beam_step", "an equal share for each beam")
def _(found, log_p, n_beams):
    each = -(-n_beams // len(found))
    out = []
    for (total, ids), row in zip(found, log_p):
        top = row.topk(min(each, len(row)))
        out += [(total + v.item(), [*ids, i.item()]) for v, i in zip(*top)]
    out.sort(key=lambda p: p[0], reverse=True)
    return out[:n_beams]


@wrong("sampling.beam_step", "chosen by the token alone")
def _(found, log_p, n_beams):
    best = log_p.flatten().topk(n_beams)
    out = []
    for v, j in zip(best.values.tolist(), best.indices.tolist()):
        total, ids = found[j // log_p.shape[1]]
        out.append((total + v, [*ids, j % log_p.shape[1]]))
    return sorted(out, key=lambda pair: -pair[0])


@wrong("sampling.beam_step", "divided by the number of beams")
def _(found, log_p, n_beams):
    totals = torch.tensor([t for t, _ in found])
    values, where = (totals[:, None] + log_p).flatten().topk(n_beams)
    vocab = log_p.shape[1]
    return [(v.item(), found[(w // n_beams) % len(found)][1] + [w % vocab]) for v, w in zip(values, where.tolist())]


# --- tokens under an automaton ---


@wrong("sampling.allowed_tokens", "a later byte makes it good")
def _(moves, state, tokens):
    out = []
    for i, token in enumerate(tokens):
        at, ok = state, False
        for byte in token:
            ok = byte in moves[at]
            at = moves[at].get(byte, at)
        if ok:
            out.append(i)
    return out


@wrong("sampling.constrained", "0 instead of −∞")
def _(logits_after, moves, ends, tokens, end, most):
    new, state = [], 0
    while len(new) < most:
        ok = allowed_tokens(moves, state, tokens) + [end] * (state in ends)
        mask = torch.zeros(len(tokens))
        mask[ok] = 1
        best = int((logits_after(list(new)) * mask).argmax())
        if best == end:
            break
        new.append(best)
        for b in tokens[best]:
            state = moves[state].get(b, state)
    return new


def chosen(logits_of, ids, us, end, penalty, probabilities):
    """The new ids, each drawn from what `probabilities` makes of penalised logits."""

    def read(new, text):
        text = (text or []) + new
        return logits_of(torch.tensor([text]))[:, -1], text

    def choose(logits, text, u):
        logits = find("sampling.penalise_repetition").reference(logits, torch.tensor([text]), penalty)
        return int((probabilities(logits).cumsum(-1) > u).int().argmax(-1))

    return find("sampling.continuation").reference(read, choose, ids, us, end)


@wrong("sampling.write", "probabilities for logits")
def _(logits_of, ids, us, end, temperature, top_p, penalty):
    own = {name: find(f"sampling.{name}").reference for name in ("probabilities_at", "keep_top_p")}

    def probabilities(logits):
        return own["keep_top_p"](own["probabilities_at"](logits, temperature), top_p).softmax(-1)

    return chosen(logits_of, ids, us, end, penalty, probabilities)


@wrong("sampling.write", "a sum below 1")
def _(logits_of, ids, us, end, temperature, top_p, penalty):
    own = {name: find(f"sampling.{name}").reference for name in ("probabilities_at", "keep_top_p")}

    def probabilities(logits):
        return own["keep_top_p"](own["probabilities_at"](logits, temperature).log(), top_p).exp()

    return chosen(logits_of, ids, us, end, penalty, probabilities)


@wrong("sampling.write", "cut before the temperature")
def _(logits_of, ids, us, end, temperature, top_p, penalty):
    own = {name: find(f"sampling.{name}").reference for name in ("probabilities_at", "keep_top_p", "draw")}

    def read(new, text):
        text = (text or []) + new
        return logits_of(torch.tensor([text]))[:, -1], text

    def choose(logits, text, u):
        logits = find("sampling.penalise_repetition").reference(logits, torch.tensor([text]), penalty)
        p = own["probabilities_at"](own["keep_top_p"](logits, top_p), temperature)
        return int(own["draw"](p, torch.tensor([u])))

    return find("sampling.continuation").reference(read, choose, ids, us, end)


@wrong("sampling.write", "the model forgets")
def _(logits_of, ids, us, end, temperature, top_p, penalty):
    own = {name: find(f"sampling.{name}").reference for name in ("probabilities_at", "keep_top_p", "draw")}

    def read(new, text):
        return logits_of(torch.tensor([new]))[:, -1], new

    def choose(logits, text, u):
        logits = find("sampling.penalise_repetition").reference(logits, torch.tensor([text]), penalty)
        kept = own["keep_top_p"](own["probabilities_at"](logits, temperature).log(), top_p)
        return int(own["draw"](kept.softmax(-1), torch.tensor([u])))

    return find("sampling.continuation").reference(read, choose, ids, us, end)

"""Wrong solutions with one cause, for which two were once named: one of the two was not in the code."""

import math

from exercises.wrong import wrong


@wrong("embeddings.lookup", "columns")
def _(ids, table):
    return table.T[ids % table.shape[1]]


@wrong("embeddings.lookup", "columns")
def _(ids, table):
    return table.T[ids.clamp(max=table.shape[1] - 1)]


@wrong("sampling.beam_step", "old totals forgotten")
def _(found, log_p, n_beams):
    out = []
    for (_total, ids), row in zip(found, log_p.tolist()):
        for token, lp in enumerate(row):
            out.append((lp, [*ids, token]))
    return sorted(out, key=lambda p: p[0], reverse=True)[:n_beams]


@wrong("sampling.allowed_tokens", "state 0 taken for none")
def _(moves, state, tokens):
    out = []
    for i, t in enumerate(tokens):
        s = state
        for b in t:
            s = moves[s].get(b) if s is not None else None
        if t and s:
            out.append(i)
    return out


@wrong("transformer.after_layer", "positions left out")
def _(model, ids, layer):
    x = model.embed(ids)
    for block in model.blocks[:layer]:
        x = block(x)
    return model.final_norm(x) @ model.unembedding.T


@wrong("instruction_tuning.interval", "times n in both terms")
def _(right, n):
    p = right / n
    z = 1.96
    below = 1 + z**2 / n
    middle = (p + z**2 / 2 * n) / below
    half = z * math.sqrt(p * (1 - p) / n + z**2 / 4 * n**2) / below
    return middle - half, middle + half

"""Turn logits into text."""

import math

import torch
import torch.nn.functional as F


def penalise_repetition(logits, ids, penalty):
    """Lower the logits of the tokens that occur in the same row of ids.

    Divide positive logits by the penalty, and multiply the others by it.
    """
    seen = torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, ids, True)
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def probabilities_at(logits, temperature):
    """Return the distribution at this temperature. At 0, the first of the likeliest tokens has probability 1."""
    if temperature == 0:
        return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
    return ((logits - logits.amax(dim=-1, keepdim=True)) / temperature).softmax(dim=-1)


def keep_top_p(logits, p):
    """In each row, keep the smallest set of the likeliest tokens that together reach p; set all other logits to −∞."""
    share, order = logits.softmax(dim=-1).sort(descending=True, stable=True)
    kept = (share.cumsum(dim=-1) - share < p) | (p >= 1)
    kept[..., 0] = True
    return logits.masked_fill(~torch.empty_like(kept).scatter_(-1, order, kept), -math.inf)


def draw(probabilities, u):
    """Return, for each row, the first token at which the running sum of the probabilities exceeds u."""
    return (probabilities.cumsum(dim=-1) <= u[:, None]).sum(dim=-1)


def continuation(read, choose, ids, us, end):
    """Return the new ids after a prompt, one for each u, up to the end token. The model reads each token only once."""
    logits, cache = read(ids, None)
    new = []
    for u in us:
        token = choose(logits, ids + new, u)
        if token == end:
            break
        new.append(token)
        logits, cache = read([token], cache)
    return new


def write(logits_of, ids, us, end, temperature, top_p, penalty):
    """Write new ids, applying the penalty, temperature and top-p before each draw.

    There is no cache except the text itself, which is simple but slow.
    """

    def read(new, text):
        text = [*(text or []), *map(int, new)]
        return logits_of(torch.tensor([text]))[:, -1], text

    def choose(logits, text, u):
        logits = penalise_repetition(logits, torch.tensor([text]), penalty)
        kept = keep_top_p(probabilities_at(logits, temperature).log(), top_p)
        return int(draw(kept.softmax(dim=-1), torch.tensor([u])))

    return continuation(read, choose, ids, us, end)

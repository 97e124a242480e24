"""From logits to text."""

import math

import torch
import torch.nn.functional as F

from llmlib.exercises.my_llm.template.model import llama_logits


def penalise_repetition(logits, ids, penalty):
    """Smaller logits for the tokens that are in the same row of ids."""
    seen = torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, ids, True)
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def probabilities_at(logits, temperature):
    """The distribution at a temperature; at 0 all of it on the first of the likeliest tokens."""
    if temperature == 0:
        return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
    return ((logits - logits.amax(dim=-1, keepdim=True)) / temperature).softmax(dim=-1)


def keep_top_p(logits, p):
    """−∞ but for each row's fewest likeliest tokens that reach p together."""
    share, order = logits.softmax(dim=-1).sort(descending=True, stable=True)
    kept = (share.cumsum(dim=-1) - share < p) | (p >= 1)
    kept[..., 0] = True
    return logits.masked_fill(~torch.empty_like(kept).scatter_(-1, order, kept), -math.inf)


def draw(probabilities, u):
    """For each row, the token on whose piece of the line u falls."""
    return (probabilities.cumsum(dim=-1) <= u[:, None]).sum(dim=-1)


@torch.no_grad()
def generate(ids, weights, config, n, temperature=0.8, top_p=0.95, penalty=1.0, ends=(), seed=0):
    """Up to n tokens that go on after the ids, one at a time."""
    generator, ids = torch.Generator().manual_seed(seed), list(ids)
    for _ in range(n):
        context = torch.tensor([ids[-config.max_seq_len :]])
        logits = penalise_repetition(llama_logits(context, weights, config)[:, -1].double(), context, penalty)
        probabilities = keep_top_p(probabilities_at(logits, temperature).log(), top_p).softmax(dim=-1)
        ids.append(int(draw(probabilities, torch.rand(1, generator=generator, dtype=torch.float64))))
        if ids[-1] in ends:
            return
        yield ids[-1]

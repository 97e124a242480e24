"""Batches, the loss, and AdamW's steps."""

import math

import torch
import torch.nn.functional as F

from llmlib.exercises.my_llm.template.model import llama_logits


def windows(ids, starts, seq_len):
    """Pieces of a text, and for each of their tokens the one that follows it."""
    both = torch.stack([ids[start : start + seq_len + 1] for start in starts])
    return both[:, :-1], both[:, 1:]


def next_token_loss(logits, targets):
    """The mean surprise at the targets that count, in nats; −100 does not count."""
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=-100)


def learning_rate_at(step, steps, warmup, peak):
    """A straight rise, and half a cosine wave down to 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def clip_together(gradients, limit):
    """All gradients times one number, so that their common norm is at most the limit."""
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    return [gradient * (limit / norm) if norm > limit else gradient for gradient in gradients]


def adamw_step(w, gradient, m, v, t, lr):
    """One step of AdamW: the new weights, and both running averages."""
    m, v = 0.9 * m + 0.1 * gradient, 0.95 * v + 0.05 * gradient**2
    m_full, v_full = m / (1 - 0.9**t), v / (1 - 0.95**t)
    return w - lr * 0.1 * w - lr * m_full / (v_full.sqrt() + 1e-8), m, v


def fit(learned, loss_of, batches, steps, peak, warmup=0, limit=1.0):
    """A step for each batch; the weights in `learned` change. Yields the loss before each step."""
    averages = {name: (torch.zeros_like(weight), torch.zeros_like(weight)) for name, weight in learned.items()}
    for step, batch in enumerate(batches):
        loss = loss_of(batch)
        gradients = clip_together(list(torch.autograd.grad(loss, list(learned.values()))), limit)
        rate = learning_rate_at(step, steps, warmup, peak)
        with torch.no_grad():
            for (name, weight), gradient in zip(learned.items(), gradients):
                decays = weight.ndim == 2 and name != "embed.weight"  # a step from 0 is a step without weight decay
                start = weight if decays else torch.zeros_like(weight)
                new, *averages[name] = adamw_step(start, gradient, *averages[name], step + 1, rate)
                weight.copy_(new if decays else weight + new)
        yield loss.item()


def pretrain(weights, config, batches, steps, peak=3e-3, warmup=0):
    """Learn to say the next token, in all positions of each batch (inputs, targets)."""
    weights = {name: weight.requires_grad_() for name, weight in weights.items()}
    yield from fit(weights, lambda batch: next_token_loss(llama_logits(batch[0], weights, config), batch[1]),
                   batches, steps, peak, warmup)  # fmt: skip


def random_windows(ids, steps, batch_size, seq_len, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        starts = torch.randint(0, len(ids) - seq_len, (batch_size,), generator=generator).tolist()
        yield windows(ids, starts, seq_len)

"""Batches, the loss, and AdamW's steps."""

import math

import torch
import torch.nn.functional as F


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


def fit(weights, loss_of, batches, rates, limit):
    """A step of AdamW for each batch, with a rate of its own. Returns the new weights, and the losses."""
    averages, losses = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights], []
    for t, (batch, rate) in enumerate(zip(batches, rates), start=1):
        weights = [w.detach().requires_grad_() for w in weights]
        loss = loss_of(weights, batch)
        gradients = clip_together(torch.autograd.grad(loss, weights), limit)
        with torch.no_grad():
            steps = [adamw_step(w, g, *both, t, rate) for w, g, both in zip(weights, gradients, averages)]
        weights, averages = [new for new, _, _ in steps], [(m, v) for _, m, v in steps]
        losses.append(loss.item())
    return [w.detach() for w in weights], losses


def train(weights, logits_of, batches, rates):
    """Learn the targets of each batch (inputs, targets) with weights by name. Returns the new ones, and the losses."""
    names = list(weights)

    def loss_of(values, batch):
        return next_token_loss(logits_of(batch[0], dict(zip(names, values))), batch[1])

    learned, losses = fit(list(weights.values()), loss_of, batches, rates, limit=1.0)
    return dict(zip(names, learned)), losses


def random_windows(ids, steps, batch_size, seq_len, seed=0):
    starts = torch.randint(0, len(ids) - seq_len, (steps, batch_size), generator=torch.Generator().manual_seed(seed))
    return [windows(ids, row, seq_len) for row in starts.tolist()]

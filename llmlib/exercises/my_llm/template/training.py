"""Make batches, compute the loss, and take AdamW steps."""

import math

import torch
import torch.nn.functional as F


def windows(ids, starts, seq_len):
    """Cut windows of `seq_len` ids from a text. Return them and their targets, the windows that start one id later."""
    both = torch.stack([ids[start : start + seq_len + 1] for start in starts])
    return both[:, :-1], both[:, 1:]


def next_token_loss(logits, targets):
    """Compute the mean surprise, in nats, at the targets, ignoring targets of −100."""
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=-100)


def learning_rate_at(step, steps, warmup, peak):
    """Return a step's learning rate, which rises linearly to `peak` and then falls to 0 along half a cosine wave."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def clip_together(gradients, limit):
    """Scale all gradients by the same factor, so that their global norm is at most the limit."""
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    return [gradient * (limit / norm) if norm > limit else gradient for gradient in gradients]


def adamw_step(w, gradient, m, v, t, lr):
    """Take one AdamW step, and return the new weights and both running averages."""
    m, v = 0.9 * m + 0.1 * gradient, 0.95 * v + 0.05 * gradient**2
    m_full, v_full = m / (1 - 0.9**t), v / (1 - 0.95**t)
    return w - lr * 0.1 * w - lr * m_full / (v_full.sqrt() + 1e-8), m, v


def fit(weights, loss_of, batches, rates, limit):
    """Take one AdamW step for each batch, at that step's rate, and return the new weights and the losses."""
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


def weight_shapes(config):
    """Return a dictionary that maps the name of each weight to its shape."""
    width, d_kv, d_mlp = config.d_model, config.n_kv_heads * config.d_head, config.d_mlp
    in_block = {"attention_norm": (width,), "mlp_norm": (width,)}
    in_block |= dict.fromkeys(("attention.query", "attention.output"), (width, width))
    in_block |= dict.fromkeys(("attention.key", "attention.value"), (d_kv, width))
    in_block |= {"mlp.gate": (d_mlp, width), "mlp.up": (d_mlp, width), "mlp.down": (width, d_mlp)}
    blocks = {f"blocks.{n}.{part}.weight": shape for n in range(config.n_layers) for part, shape in in_block.items()}
    return {"embed.weight": (config.vocab_size, width), "final_norm.weight": (width,)} | blocks


def first_weight(name, shape, n_layers, draw):
    """Return the initial values of a weight.

    They are ones for a norm, and small random numbers for a matrix. The numbers are even smaller for a matrix whose
    output is added to the stream.
    """
    if len(shape) == 1:
        return torch.ones(shape)
    adds = name.endswith(("attention.output.weight", "mlp.down.weight"))
    return 0.02 * draw(shape) / ((2 * n_layers) ** 0.5 if adds else 1)


def learn(weights, logits_of, batches, rates):
    """Run `fit` on a dictionary of named weights. Return the list of new weights, in the same order, and the losses."""

    def loss_of(values, batch):
        return next_token_loss(logits_of(batch[0], dict(zip(weights, values))), batch[1])

    return fit(list(weights.values()), loss_of, batches, rates, 1.0)

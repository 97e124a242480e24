"""Plain right solutions of lesson 06."""

import math

import torch
import torch.nn.functional as F

from exercises.plain import plain


@plain("training.windows")
def windows(ids, starts, seq_len):
    both = torch.stack([ids[start : start + seq_len + 1] for start in starts])
    return both[:, :-1], both[:, 1:]


@plain("training.next_token_loss")
def next_token_loss(logits, targets):
    counts = targets != -100
    log_p = logits.log_softmax(dim=2)[counts]
    return -log_p.gather(1, targets[counts][:, None]).mean()


@plain("training.descend")
def descend(weight, batches, learning_rate):
    weight = weight.clone().requires_grad_()
    for x, targets in batches:
        weight.grad = None
        F.cross_entropy(x @ weight, targets).backward()
        with torch.no_grad():
            weight -= learning_rate * weight.grad
    return weight.detach()


@plain("training.learning_rate_at")
def learning_rate_at(step, steps, warmup, peak):
    if step < warmup:
        return peak * (step + 1) / warmup
    passed = (step - warmup) / (steps - warmup)
    return peak * (1 + math.cos(math.pi * passed)) / 2


@plain("training.clip_together")
def clip_together(gradients, limit):
    squares = 0
    for gradient in gradients:
        squares = squares + (gradient**2).sum()
    norm = squares**0.5
    if norm <= limit:
        return gradients
    return [gradient * limit / norm for gradient in gradients]


@plain("training.accumulated_gradient")
def accumulated_gradient(weight, parts):
    weight = weight.clone().requires_grad_()
    total = sum((targets != -100).sum() for x, targets in parts)
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight, targets, reduction="sum")
        (loss / total).backward()
    return weight.grad


@plain("training.decaying")
def decaying(model):
    names = []
    for name, parameter in model.named_parameters():
        if name.startswith("blocks.") and parameter.ndim == 2:
            names.append(name)
    return names


@plain("training.validation_loss")
def validation_loss(model, train_batches, validation_batches):
    was_training = model.training
    model.eval()
    total = n_targets = 0
    with torch.no_grad():
        for x, y in validation_batches:
            total += F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum").item()
            n_targets += y.numel()
    model.train(was_training)
    return total / n_targets

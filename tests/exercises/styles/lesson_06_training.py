"""Right solutions of lesson 06 in other styles."""

import math

import torch
import torch._dynamo  # an optimizer imports it when the first is made, which can take longer than an attempt may
import torch.nn.functional as F

from exercises.styles import solves
from llmlib.training import TrainConfig, schedule_at


@solves("training.windows")
def windows_by_places(ids, starts, seq_len):
    places = torch.tensor(starts)[:, None] + torch.arange(seq_len)
    return ids[places], ids[places + 1]


@solves("training.windows")
def windows_one_by_one(ids, starts, seq_len):
    x = [ids[start : start + seq_len] for start in starts]
    y = [ids[start + 1 : start + 1 + seq_len] for start in starts]
    return torch.stack(x), torch.stack(y)


@solves("training.next_token_loss")
def loss_by_torch(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@solves("training.next_token_loss")
def loss_in_loops(logits, targets):
    surprises = []
    for row, right in zip(logits, targets):
        for scores, target in zip(row, right):
            if target != -100:
                surprises.append(scores.logsumexp(0) - scores[target])
    return torch.stack(surprises).mean()


@solves("training.next_token_loss")
def loss_by_one_hot(logits, targets):
    counts = targets != -100
    chosen = F.one_hot(targets.clamp(min=0), logits.shape[-1]).to(logits.dtype)
    surprise = -(logits.log_softmax(-1) * chosen).sum(-1)
    return (surprise * counts).sum() / counts.sum()


@solves("training.descend")
def by_sgd(weight, batches, learning_rate):
    w = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.SGD([w], lr=learning_rate)
    for x, targets in batches:
        optimizer.zero_grad()
        F.cross_entropy(x @ w, targets).backward()
        optimizer.step()
    return w.detach()


@solves("training.descend")
def by_formula(weight, batches, learning_rate):
    for x, targets in batches:
        off = (x @ weight).softmax(-1) - F.one_hot(targets, weight.shape[1])
        weight = weight - learning_rate * x.T @ off / len(x)
    return weight


@solves("training.descend")
def by_grad(weight, batches, learning_rate):
    for x, targets in batches:
        weight = weight.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(x @ weight, targets), weight)
        weight = weight - learning_rate * slope
    return weight.detach()


@solves("training.learning_rate_at")
def by_the_library(step, steps, warmup, peak):
    return peak * schedule_at(step, TrainConfig(steps=steps, warmup=warmup, schedule="cosine"))


@solves("training.learning_rate_at")
def by_half_angle(step, steps, warmup, peak):
    if step + 1 <= warmup:
        return (step + 1) * peak / warmup
    return peak * math.cos(math.pi / 2 * (step - warmup) / (steps - warmup)) ** 2


@solves("training.clip_together")
def clipped_as_one_vector(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    factor = (limit / norm.clamp(min=1e-12)).clamp(max=1)
    return [g * factor for g in gradients]


@solves("training.clip_together")
def clipped_by_torch(gradients, limit):
    parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = gradient.clone()
    torch.nn.utils.clip_grad_norm_(parameters, limit)
    return [parameter.grad for parameter in parameters]


@solves("training.accumulated_gradient")
def all_at_once(weight, parts):
    w = weight.clone().requires_grad_()
    x, targets = torch.cat([x for x, _ in parts]), torch.cat([targets for _, targets in parts])
    F.cross_entropy(x @ w, targets).backward()
    return w.grad


@solves("training.accumulated_gradient")
def sums_by_formula(weight, parts):
    total, n = torch.zeros_like(weight), 0
    for x, targets in parts:
        x, targets = x[targets >= 0], targets[targets >= 0]
        total += x.T @ ((x @ weight).softmax(-1) - F.one_hot(targets, weight.shape[1]))
        n += len(targets)
    return total / n


@solves("training.decaying")
def asked_of_the_blocks(model):
    return [f"blocks.{name}" for name, p in model.blocks.named_parameters() if p.dim() > 1]


@solves("training.decaying")
def exceptions_named(model):
    tables = {"embed.weight", "position_embed.weight", "unembed.weight"}
    return [name for name, p in model.named_parameters() if len(p.shape) == 2 and name not in tables]


@solves("training.validation_loss")
def all_surprises_at_once(model, train_batches, validation_batches):
    was = model.training
    model.eval()
    with torch.no_grad():
        pairs = [(model(x), y) for x, y in validation_batches]
    model.train(was)
    surprises = [F.cross_entropy(logits.transpose(1, 2), y, reduction="none").flatten() for logits, y in pairs]
    return torch.cat(surprises).mean().item()


@solves("training.validation_loss")
def means_weighed(model, train_batches, validation_batches):
    was = model.training
    model.eval()
    total = n = 0
    with torch.inference_mode():
        for x, y in validation_batches:
            log_p = model(x).log_softmax(-1)
            mean = -log_p.gather(-1, y.unsqueeze(-1)).mean().item()
            total, n = total + mean * y.numel(), n + y.numel()
    if was:
        model.train()
    return total / n

"""Right solutions of lesson 06: a plain one for each exercise, and others in other styles."""

import math

import torch
import torch._dynamo  # an optimizer imports it when the first is made, which can take longer than an attempt may
import torch.nn.functional as F

from exercises.right import plain, solves
from llmlib.training import TrainConfig, schedule_at


@plain("training.windows")
def windows(ids, starts, seq_len):
    both = torch.stack([ids[start : start + seq_len + 1] for start in starts])
    return both[:, :-1], both[:, 1:]


@solves("training.windows")
def windows_by_places(ids, starts, seq_len):
    places = torch.tensor(starts)[:, None] + torch.arange(seq_len)
    return ids[places], ids[places + 1]


@solves("training.windows")
def windows_one_by_one(ids, starts, seq_len):
    x = [ids[start : start + seq_len] for start in starts]
    y = [ids[start + 1 : start + 1 + seq_len] for start in starts]
    return torch.stack(x), torch.stack(y)


@plain("training.descend")
def descend(weight, batches, learning_rate):
    weight = weight.clone().requires_grad_()
    for x, targets in batches:
        weight.grad = None
        F.cross_entropy(x @ weight, targets).backward()
        with torch.no_grad():
            weight -= learning_rate * weight.grad
    return weight.detach()


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


@plain("training.learning_rate_at")
def learning_rate_at(step, steps, warmup, peak):
    if step < warmup:
        return peak * (step + 1) / warmup
    passed = (step - warmup) / (steps - warmup)
    return peak * (1 + math.cos(math.pi * passed)) / 2


@solves("training.learning_rate_at")
def by_the_library(step, steps, warmup, peak):
    return peak * schedule_at(step, TrainConfig(steps=steps, warmup=warmup, schedule="cosine"))


@solves("training.learning_rate_at")
def by_half_angle(step, steps, warmup, peak):
    if step + 1 <= warmup:
        return (step + 1) * peak / warmup
    return peak * math.cos(math.pi / 2 * (step - warmup) / (steps - warmup)) ** 2


@plain("training.accumulated_gradient")
def accumulated_gradient(weight, parts):
    weight = weight.clone().requires_grad_()
    total = sum((targets != -100).sum() for x, targets in parts)
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight, targets, reduction="sum")
        (loss / total).backward()
    return weight.grad


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


@plain("training.backward")
def backward(x, w1, w2, targets):
    a = (x @ w1).tanh()
    p = (a @ w2).softmax(dim=1)
    d_logits = (p - F.one_hot(targets, w2.shape[1])) / len(x)
    d_w2 = a.T @ d_logits
    d_a = d_logits @ w2.T
    d_h = d_a * (1 - a**2)
    return x.T @ d_h, d_w2


@solves("training.backward")
def gradients_row_by_row(x, w1, w2, targets):
    d_w1, d_w2 = torch.zeros_like(w1), torch.zeros_like(w2)
    for row, target in zip(x, targets):
        a = torch.tanh(row @ w1)
        slope = torch.softmax(a @ w2, 0)
        slope[target] -= 1
        d_w2 += torch.outer(a, slope) / len(x)
        d_w1 += torch.outer(row, (w2 @ slope) * (1 - a * a)) / len(x)
    return d_w1, d_w2


@solves("training.backward")
def gradients_by_einsum(x, w1, w2, targets):
    hidden = (x @ w1).tanh()
    share = F.softmax(hidden.mm(w2), dim=-1) / x.shape[0]
    share[torch.arange(x.shape[0]), targets] -= 1 / x.shape[0]
    to_hidden = torch.einsum("bc,hc->bh", share, w2) * (1 - hidden.square())
    return torch.einsum("bd,bh->dh", x, to_hidden), torch.einsum("bh,bc->hc", hidden, share)


@plain("training.bits_per_byte")
def bits_per_byte(loss, n_tokens, text):
    nats = loss * n_tokens
    bits = nats / math.log(2)
    return bits / len(text.encode("utf-8"))


@solves("training.bits_per_byte")
def by_perplexity(loss, n_tokens, text):
    return math.log2(math.exp(loss)) * n_tokens / len(bytes(text, "utf-8"))


@solves("training.bits_per_byte")
def tokens_a_byte_first(loss, n_tokens, text):
    return (n_tokens / len(text.encode())) * (loss / math.log(2.0))


@plain("training.orthogonalise")
def orthogonalise(gradient, steps):
    tall = gradient.shape[0] > gradient.shape[1]
    x = gradient.T if tall else gradient
    x = x / x.norm()
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x - 4.7750 * square @ x + 2.0315 * square @ square @ x
    return x.T if tall else x


@solves("training.orthogonalise")
def by_singular_values(gradient, steps):
    u, s, v = torch.linalg.svd(gradient / gradient.norm(), full_matrices=False)
    for _ in range(steps):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (u * s) @ v


@solves("training.orthogonalise")
def without_turning(gradient, steps):
    x = gradient / gradient.pow(2).sum().sqrt()
    for _ in range(steps):
        small = x.T @ x if x.shape[0] > x.shape[1] else x @ x.T
        factor = -4.7750 * small + 2.0315 * small @ small
        x = 3.4445 * x + (x @ factor if x.shape[0] > x.shape[1] else factor @ x)
    return x

"""Wrong solutions of lesson 06: right numbers in a way that the task rules out, and slips in a line."""

import math

import torch
import torch.nn.functional as F

from exercises.wrong import wrong
from llmlib.exercises.registry import find

adamw_step, clip_together = (find(f"training.{name}").reference for name in ("adamw_step", "clip_together"))


def fit_with(begin, after, note=lambda loss: loss.item()):
    """A loop in which `begin` makes weights that ask for a gradient, and `after` is done to each new one."""

    def fit(weights, loss_of, batches, rates, limit):
        averages, losses = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights], []
        weights = begin(weights)
        for t, (batch, rate) in enumerate(zip(batches, rates), start=1):
            loss = loss_of(weights, batch)
            gradients = clip_together(torch.autograd.grad(loss, weights), limit)
            steps = [adamw_step(w, g, m, v, t, rate) for w, g, (m, v) in zip(weights, gradients, averages)]
            weights, averages = [after(new) for new, _, _ in steps], [(m, v) for _, m, v in steps]
            losses.append(note(loss))
        return weights, losses

    return fit


def asking(weights):
    return [w.detach().clone().requires_grad_() for w in weights]


def cut(new):
    return new.detach().requires_grad_()


def asking_themselves(weights):
    return [w.requires_grad_() for w in weights]


def numbers_alone(fit):
    def then_detached(*args):
        weights, losses = fit(*args)
        return [w.detach() for w in weights], losses

    return then_detached


@wrong("training.next_token_loss", "property: Gradients flow back")
def _(logits, targets):
    surprises = []
    for row, right in zip(logits.log_softmax(dim=-1), targets.tolist()):
        surprises += [-row[i, target].item() for i, target in enumerate(right) if target != -100]
    return torch.tensor(sum(surprises) / len(surprises), dtype=logits.dtype)


@wrong("training.bits_per_byte", "divided by 8")
def _(loss, n_tokens, text):
    return loss * n_tokens / math.log(2) / (8 * len(text.encode()))


@wrong("training.adamw_step", "no ε")
def _(w, gradient, m, v, t, lr):
    m, v = 0.9 * m + 0.1 * gradient, 0.95 * v + 0.05 * gradient**2
    return w - lr * 0.1 * w - (lr * (m / (1 - 0.9**t)) / (v / (1 - 0.95**t)).sqrt() + 1e-8), m, v


@wrong("training.fit", "averages begin again")
def _(weights, loss_of, batches, rates, limit):
    ms, vs, losses = [torch.zeros_like(w) for w in weights], [torch.zeros_like(w) for w in weights], []
    for t, (batch, rate) in enumerate(zip(batches, rates), start=1):
        weights = asking(weights)
        loss = loss_of(weights, batch)
        gradients = clip_together(torch.autograd.grad(loss, weights), limit)
        stepped = []
        for w, gradient, m, v in zip(weights, gradients, ms, vs):
            new, m, v = adamw_step(w.detach(), gradient, m, v, t, rate)
            stepped.append(new)
        weights = stepped
        losses.append(loss.item())
    return weights, losses


@wrong("training.fit", "averages begin again")
def _(weights, loss_of, batches, rates, limit):
    ms, vs = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    losses = []
    for t, (batch, rate) in enumerate(zip(batches, rates), start=1):
        weights = [w.detach().requires_grad_() for w in weights]
        loss = loss_of(weights, batch)
        gradients = clip_together(torch.autograd.grad(loss, weights), limit)
        for i, (w, gradient) in enumerate(zip(weights, gradients)):
            weights[i], _, _ = adamw_step(w, gradient, ms[i], vs[i], t, rate)
        losses.append(loss.item())
    return [w.detach() for w in weights], losses


wrong("training.fit", "property: Each step keeps only plain numbers")(numbers_alone(fit_with(asking, lambda new: new)))
wrong("training.fit", "property: The function returns only plain numbers")(fit_with(asking, cut))
wrong("training.fit", "property: The function returns only plain numbers")(
    numbers_alone(fit_with(asking, cut, note=lambda x: x))
)
wrong("training.fit", "property: The inputs stay")(numbers_alone(fit_with(asking_themselves, cut)))


@wrong("training.backward", "property: The gradients are computed without autograd")
def _(x, w1, w2, targets):
    w1, w2 = w1.clone().requires_grad_(), w2.clone().requires_grad_()
    F.cross_entropy((x @ w1).tanh() @ w2, targets).backward()
    return w1.grad, w2.grad


@wrong("training.backward", "property: The gradients are computed without autograd")
def _(x, w1, w2, targets):
    return torch.func.grad(lambda a, b: F.cross_entropy((x @ a).tanh() @ b, targets), argnums=(0, 1))(w1, w2)


@wrong("training.orthogonalise", "property: A tall matrix is transposed first")
def _(gradient, steps):
    x = gradient / gradient.norm()
    for _ in range(steps):
        x = 3.4445 * x - 4.7750 * (x @ x.T) @ x + 2.0315 * (x @ x.T) @ (x @ x.T) @ x
    return x


@wrong("training.accumulated_gradient", "weighed by rows")
def _(weight, parts):
    w = weight.clone().requires_grad_()
    n = sum((targets != -100).sum() for _, targets in parts)
    for x, targets in parts:
        (F.cross_entropy(x @ w, targets) * len(targets) / n).backward()
    return w.grad


@wrong("training.learn", "names in another order")
def _(weights, logits_of, batches, rates):
    def loss_of(values, batch):
        values = dict(zip(reversed(weights), values))
        return F.cross_entropy(logits_of(batch[0], values).flatten(0, 1), batch[1].flatten())

    return find("training.fit").reference(list(weights.values()), loss_of, batches, rates, 1.0)


@wrong("training.weight_shapes", "a second table")
def _(config):
    shapes = find("training.weight_shapes").reference(config)
    return {**shapes, "unembed.weight": (config.vocab_size, config.d_model)}


@wrong("training.weight_shapes", "in, out")
def _(config):
    shapes = find("training.weight_shapes").reference(config)
    return {name: shape if "embed" in name else shape[::-1] for name, shape in shapes.items()}


@wrong("training.weight_shapes", "in the code: a step too many")
def _(config):
    return {name: list(shape) for name, shape in find("training.weight_shapes").reference(config).items()}


def by_names(weights, logits_of, values, batch):
    return F.cross_entropy(logits_of(batch[0], dict(zip(weights, values))).flatten(0, 1), batch[1].flatten())


@wrong("training.learn", "`fit` for each batch")
def _(weights, logits_of, batches, rates):
    values, losses = list(weights.values()), []
    for batch, rate in zip(batches, rates):
        values, (loss,) = find("training.fit").reference(
            values, lambda v, b: by_names(weights, logits_of, v, b), [batch], [rate], 1.0
        )
        losses.append(loss)
    return values, losses


@wrong("training.learn", "property: The loss depends on the weights that are being trained.")
def _(weights, logits_of, batches, rates):
    def loss_of(_values, batch):
        return by_names(weights, logits_of, weights.values(), batch)

    return find("training.fit").reference(list(weights.values()), loss_of, batches, rates, 1.0)


@wrong("training.first_weight", "norms drawn")
def _(name, shape, n_layers, draw):
    weight = 0.02 * draw(shape)
    return weight / (2 * n_layers) ** 0.5 if "output" in name or "down" in name else weight


@wrong("training.fit", "one list for m and v")
def _(weights, loss_of, batches, rates, limit):
    m = [torch.zeros_like(w) for w in weights]
    v, losses = m, []
    for t, (batch, rate) in enumerate(zip(batches, rates), start=1):
        weights = asking(weights)
        loss = loss_of(weights, batch)
        gradients = clip_together(torch.autograd.grad(loss, weights), limit)
        new = []
        for i, gradient in enumerate(gradients):
            w, m[i], v[i] = adamw_step(weights[i].detach(), gradient, m[i], v[i], t, rate)
            new.append(w)
        weights = new
        losses.append(loss.item())
    return weights, losses


@wrong("training.next_token_loss", "every target in every row")
def _(logits, targets):
    counts = targets != -100
    return -logits.log_softmax(-1)[counts][:, targets[counts]].mean()


@wrong("training.windows", "last target filled up")
def _(ids, starts, seq_len):
    x = torch.stack([ids[start : start + seq_len] for start in starts])
    y = torch.full_like(x, -100)
    y[:, :-1] = x[:, 1:]
    return x, y


@wrong("training.backward", "the targets of all rows")
def _(x, w1, w2, targets):
    a = torch.tanh(x @ w1)
    d_logits = torch.softmax(a @ w2, dim=-1)
    d_logits[:, targets] -= 1
    d_logits = d_logits / len(x)
    return x.T @ ((d_logits @ w2.T) * (1 - a * a)), a.T @ d_logits


@wrong("training.clip_together", "the norm so far")
def _(gradients, limit):
    clipped, squares = [], 0.0
    for gradient in gradients:
        squares = squares + (gradient**2).sum()
        norm = squares**0.5
        clipped.append(gradient * limit / norm if norm > limit else gradient)
    return clipped


@wrong("training.orthogonalise", "one term after the other")
def _(gradient, steps):
    x = gradient / gradient.norm()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        x = 3.4445 * x
        x = x - 4.7750 * x @ x.T @ x
        x = x + 2.0315 * x @ x.T @ x @ x.T @ x
    return x.T if tall else x

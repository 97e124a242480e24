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


@plain("training.backward")
def backward(x, w1, w2, targets):
    a = (x @ w1).tanh()
    p = (a @ w2).softmax(dim=1)
    d_logits = (p - F.one_hot(targets, w2.shape[1])) / len(x)
    d_w2 = a.T @ d_logits
    d_a = d_logits @ w2.T
    d_h = d_a * (1 - a**2)
    return x.T @ d_h, d_w2


@plain("training.adamw_step")
def adamw_step(w, gradient, m, v, t, lr):
    m = 0.9 * m + 0.1 * gradient
    v = 0.95 * v + 0.05 * gradient**2
    m_full = m / (1 - 0.9**t)
    v_full = v / (1 - 0.95**t)
    w = w - lr * 0.1 * w - lr * m_full / (v_full.sqrt() + 1e-8)
    return w, m, v


@plain("training.fit")
def fit(weights, loss_of, batches, rates, limit):
    averages = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    losses = []
    t = 0
    for batch, rate in zip(batches, rates):
        t = t + 1
        weights = [w.detach().requires_grad_() for w in weights]
        loss = loss_of(weights, batch)
        gradients = torch.autograd.grad(loss, weights)
        gradients = clip_together(gradients, limit)
        new_weights = []
        for i in range(len(weights)):
            m, v = averages[i]
            w, m, v = adamw_step(weights[i].detach(), gradients[i], m, v, t, rate)
            new_weights.append(w)
            averages[i] = (m, v)
        weights = new_weights
        losses.append(loss.item())
    return weights, losses


@plain("training.bits_per_byte")
def bits_per_byte(loss, n_tokens, text):
    nats = loss * n_tokens
    bits = nats / math.log(2)
    return bits / len(text.encode("utf-8"))


@plain("training.orthogonalise")
def orthogonalise(gradient, steps):
    tall = gradient.shape[0] > gradient.shape[1]
    x = gradient.T if tall else gradient
    x = x / x.norm()
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x - 4.7750 * square @ x + 2.0315 * square @ square @ x
    return x.T if tall else x


@plain("training.weight_shapes")
def weight_shapes(config):
    d_model, d_mlp = config.d_model, config.d_mlp
    d_kv = config.n_kv_heads * config.d_head
    shapes = {"embed.weight": (config.vocab_size, d_model)}
    for n in range(config.n_layers):
        block = f"blocks.{n}"
        shapes[f"{block}.attention_norm.weight"] = (d_model,)
        shapes[f"{block}.attention.query.weight"] = (d_model, d_model)
        shapes[f"{block}.attention.key.weight"] = (d_kv, d_model)
        shapes[f"{block}.attention.value.weight"] = (d_kv, d_model)
        shapes[f"{block}.attention.output.weight"] = (d_model, d_model)
        shapes[f"{block}.mlp_norm.weight"] = (d_model,)
        shapes[f"{block}.mlp.gate.weight"] = (d_mlp, d_model)
        shapes[f"{block}.mlp.up.weight"] = (d_mlp, d_model)
        shapes[f"{block}.mlp.down.weight"] = (d_model, d_mlp)
    shapes["final_norm.weight"] = (d_model,)
    return shapes


@plain("training.first_weight")
def first_weight(name, shape, n_layers, draw):
    if len(shape) == 1:
        return torch.ones(shape)
    weight = 0.02 * draw(shape)
    if "attention.output" in name or "mlp.down" in name:
        weight = weight / (2 * n_layers) ** 0.5
    return weight


@plain("training.learn")
def learn(weights, logits_of, batches, rates):
    names = list(weights)

    def loss_of(values, batch):
        inputs, targets = batch
        logits = logits_of(inputs, dict(zip(names, values)))
        return next_token_loss(logits, targets)

    return fit(list(weights.values()), loss_of, batches, rates, 1.0)

"""Right solutions of lesson 06 in other styles."""

import math

import torch
import torch._dynamo  # an optimizer imports it when the first is made, which can take longer than an attempt may
import torch.nn.functional as F

from exercises.styles import solves
from llmlib.training import TrainConfig, schedule_at
from llmlib.transformer import Transformer


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


@solves("training.adamw_step")
def step_by_lerp(w, gradient, m, v, t, lr):
    m, v = m.lerp(gradient, 0.1), v.lerp(gradient.square(), 0.05)
    usual = (v / (1 - 0.95**t)).sqrt() + 1e-8
    return w * (1 - 0.1 * lr) - (lr / (1 - 0.9**t)) * m / usual, m, v


@solves("training.adamw_step")
def step_by_torch(w, gradient, m, v, t, lr):
    weight = torch.nn.Parameter(w.clone())
    weight.grad = gradient
    optimizer = torch.optim.AdamW([weight], lr=lr, betas=(0.9, 0.95), weight_decay=0.1)
    optimizer.state[weight] = {"step": torch.tensor(float(t - 1)), "exp_avg": m.clone(), "exp_avg_sq": v.clone()}
    optimizer.step()
    return weight.detach(), optimizer.state[weight]["exp_avg"], optimizer.state[weight]["exp_avg_sq"]


@solves("training.fit")
def fit_with_backward(weights, loss_of, batches, rates, limit):
    mine = [w.clone().requires_grad_() for w in weights]
    m, v, losses = [torch.zeros_like(w) for w in weights], [torch.zeros_like(w) for w in weights], []
    for step in range(len(batches)):
        for w in mine:
            w.grad = None
        loss = loss_of(mine, batches[step])
        loss.backward()
        norm = torch.cat([w.grad.flatten() for w in mine]).norm()
        for i, w in enumerate(mine):
            g = w.grad * min(1.0, limit / float(norm))
            m[i] = m[i] * 0.9 + g * 0.1
            v[i] = v[i] * 0.95 + g**2 * 0.05
            push = (m[i] / (1 - 0.9 ** (step + 1))) / ((v[i] / (1 - 0.95 ** (step + 1))) ** 0.5 + 1e-8)
            w.data = w.data * (1 - 0.1 * rates[step]) - rates[step] * push
        losses.append(float(loss.detach()))
    return [w.detach() for w in mine], losses


@solves("training.fit")
def fit_with_an_optimizer(weights, loss_of, batches, rates, limit):
    parameters = [torch.nn.Parameter(w.clone()) for w in weights]
    optimizer = torch.optim.AdamW(parameters, lr=1.0, betas=(0.9, 0.95), weight_decay=0.1)
    losses = []
    for batch, rate in zip(batches, rates):
        optimizer.zero_grad()
        loss = loss_of(parameters, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, limit)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        losses.append(loss.item())
    return [p.detach() for p in parameters], losses


@solves("training.fit")
def fit_by_a_transform(weights, loss_of, batches, rates, limit):
    m, v, losses = [0] * len(weights), [0] * len(weights), []
    for t, (batch, rate) in enumerate(zip(batches, rates), start=1):
        gradients, loss = torch.func.grad_and_value(loss_of)(list(weights), batch)
        norm = sum(g.square().sum() for g in gradients).sqrt()
        gradients = [g * (limit / norm).clamp(max=1) for g in gradients]
        m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients)]
        v = [0.95 * a + 0.05 * g.square() for a, g in zip(v, gradients)]
        pushes = [a / (1 - 0.9**t) / ((b / (1 - 0.95**t)).sqrt() + 1e-8) for a, b in zip(m, v)]
        weights = [w * (1 - 0.1 * rate) - rate * push for w, push in zip(weights, pushes)]
        losses.append(loss.item())
    return list(weights), losses


@solves("training.bits_per_byte")
def by_perplexity(loss, n_tokens, text):
    return math.log2(math.exp(loss)) * n_tokens / len(bytes(text, "utf-8"))


@solves("training.bits_per_byte")
def tokens_a_byte_first(loss, n_tokens, text):
    return (n_tokens / len(text.encode())) * (loss / math.log(2.0))


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


@solves("training.weight_shapes")
def shapes_of_a_transformer(config):
    return {name: tuple(weight.shape) for name, weight in Transformer(config).state_dict().items()}


@solves("training.weight_shapes")
def shapes_from_a_table(config):
    d, kv, wide = config.d_model, config.n_kv_heads * config.d_head, config.d_mlp
    table = f"""attention_norm {d}|attention.query {d} {d}|attention.key {kv} {d}|attention.value {kv} {d}
        |attention.output {d} {d}|mlp_norm {d}|mlp.gate {wide} {d}|mlp.up {wide} {d}|mlp.down {d} {wide}"""
    found = {"final_norm.weight": (d,)}
    for line in table.split("|"):
        part, *sizes = line.split()
        found.update({f"blocks.{n}.{part}.weight": tuple(map(int, sizes)) for n in range(config.n_layers)})
    return {**found, "embed.weight": (config.vocab_size, d)}


@solves("training.first_weight")
def first_weight_by_a_standard_deviation(name, shape, n_layers, draw):
    is_writing = name.rsplit(".", 2)[1] in {"output", "down"}
    std = 0.02 * (0.5 / n_layers) ** 0.5 if is_writing else 0.02
    return draw(shape) * std if "norm" not in name else torch.full(shape, 1.0)


@solves("training.first_weight")
def first_weight_in_cases(name, shape, n_layers, draw):
    match name.split("."):
        case [*_, "attention", "output", _] | [*_, "mlp", "down", _]:
            return draw(shape).div(50 * math.sqrt(2 * n_layers))
        case [*_, part, _] if part.endswith("norm"):
            return torch.zeros(*shape) + 1
        case _:
            return draw(shape) / 50


@solves("training.learn")
def learn_with_a_lambda(weights, logits_of, batches, rates):
    def named(values):
        return dict(zip(weights.keys(), values, strict=True))

    def loss_of(values, batch):
        return F.cross_entropy(logits_of(batch[0], named(values)).transpose(1, 2), batch[1])

    return fit_with_backward([*weights.values()], loss_of, batches, rates, 1)


@solves("training.learn")
def learn_by_an_optimizer(weights, logits_of, batches, rates):
    own = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    optimizer = torch.optim.AdamW(own.values(), betas=(0.9, 0.95), weight_decay=0.1)
    losses = []
    for (x, y), rate in zip(batches, rates):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss = F.cross_entropy(logits_of(x, own).flatten(0, 1), y.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(own.values()), 1.0)
        optimizer.step()
        losses.append(float(loss))
    return [weight.detach() for weight in own.values()], losses

"""Right solutions of lesson 06: a run, and what each of its steps needs."""

import math

import torch
import torch._dynamo  # an optimizer imports it when the first is made, which can take longer than an attempt may
import torch.nn.functional as F

from exercises.right import plain, solves
from llmlib.transformer import Transformer


@plain("training.next_token_loss")
def next_token_loss(logits, targets):
    counts = targets != -100
    log_p = logits.log_softmax(dim=2)[counts]
    return -log_p.gather(1, targets[counts][:, None]).mean()


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


@plain("training.clip_together")
def clip_together(gradients, limit):
    squares = 0
    for gradient in gradients:
        squares = squares + (gradient**2).sum()
    norm = squares**0.5
    if norm <= limit:
        return gradients
    return [gradient * limit / norm for gradient in gradients]


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


@plain("training.adamw_step")
def adamw_step(w, gradient, m, v, t, lr):
    m = 0.9 * m + 0.1 * gradient
    v = 0.95 * v + 0.05 * gradient**2
    m_full = m / (1 - 0.9**t)
    v_full = v / (1 - 0.95**t)
    w = w - lr * 0.1 * w - lr * m_full / (v_full.sqrt() + 1e-8)
    return w, m, v


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


@solves("training.fit")
def fit_within_what_the_lesson_gives(weights, loss_of, batches, rates, limit):
    ms, vs = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    losses = []
    for t, (batch, rate) in enumerate(zip(batches, rates), start=1):
        weights = [w.detach().requires_grad_() for w in weights]
        loss = loss_of(weights, batch)
        gradients = clip_together(torch.autograd.grad(loss, weights), limit)
        for i, (w, gradient) in enumerate(zip(weights, gradients)):
            weights[i], ms[i], vs[i] = adamw_step(w, gradient, ms[i], vs[i], t, rate)
        losses.append(loss.item())
    return [w.detach() for w in weights], losses


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


@plain("training.first_weight")
def first_weight(name, shape, n_layers, draw):
    if len(shape) == 1:
        return torch.ones(shape)
    weight = 0.02 * draw(shape)
    if "attention.output" in name or "mlp.down" in name:
        weight = weight / (2 * n_layers) ** 0.5
    return weight


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


@plain("training.learn")
def learn(weights, logits_of, batches, rates):
    names = list(weights)

    def loss_of(values, batch):
        inputs, targets = batch
        logits = logits_of(inputs, dict(zip(names, values)))
        return next_token_loss(logits, targets)

    return fit(list(weights.values()), loss_of, batches, rates, 1.0)


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

"""Right solutions of lesson 04: a plain one for each exercise, and others in other styles."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from exercises.right import plain, solves


@plain("interpret.entropy")
def entropy(pattern):
    logs = torch.where(pattern > 0, pattern, 1.0).log()
    return -(pattern * logs).sum(dim=2).mean(dim=1)


@solves("interpret.entropy")
def entropy_by_torch(pattern):
    return torch.distributions.Categorical(probs=pattern).entropy().mean(-1)


@solves("interpret.entropy")
def entropy_in_loops(pattern):
    heads = []
    for head in pattern.tolist():
        heads.append(sum(-p * math.log(p) for row in head for p in row if p > 0) / len(head))
    return torch.tensor(heads)


@plain("interpret.previous_token_score")
def previous_token_score(pattern):
    head, n_query, n_key = pattern.shape
    total, count = torch.zeros(head), 0
    for i in range(n_query):
        position = n_key - n_query + i
        if position > 0:
            total = total + pattern[:, i, position - 1]
            count += 1
    return total / count if count > 0 else total


@solves("interpret.previous_token_score")
def previous_by_diagonal(pattern):
    n_query, n_key = pattern.shape[-2:]
    found = pattern.diagonal(n_key - n_query - 1, dim1=-2, dim2=-1)
    return found.mean(-1) if found.shape[-1] else torch.zeros(len(pattern))


@solves("interpret.previous_token_score")
def previous_in_loops(pattern):
    _, n_query, n_key = pattern.shape
    positions = [(q, n_key - n_query + q - 1) for q in range(n_query) if n_key - n_query + q > 0]
    means = [np.mean([p[q, k].item() for q, k in positions]) if positions else 0.0 for p in pattern]
    return torch.tensor(means, dtype=torch.float32)


@plain("interpret.induction_score")
def induction_score(pattern, ids):
    head, n_query, n_key = pattern.shape
    total, count = torch.zeros(head), 0
    for i in range(n_query):
        position = n_key - n_query + i
        keys = [key for key in range(1, position) if ids[key - 1] == ids[position]]
        if keys:
            total = total + pattern[:, i, keys].sum(dim=1)
            count += 1
    return total / count if count > 0 else total


@solves("interpret.induction_score")
def induction_in_loops(pattern, ids):
    _, n_query, n_key = pattern.shape
    scores = []
    for head in pattern:
        rows = []
        for q in range(n_query):
            position = n_key - n_query + q
            keys = [k for k in range(1, position) if ids[k - 1] == ids[position]]
            if keys:
                rows.append(sum(head[q, k].item() for k in keys))
        scores.append(sum(rows) / len(rows) if rows else 0.0)
    return torch.tensor(scores)


@solves("interpret.induction_score")
def induction_by_einsum(pattern, ids):
    n_query, n_key = pattern.shape[-2:]
    there = (
        F.pad(ids[-n_query:, None] == ids[:-1], (1, 0)) & torch.ones(n_query, n_key).tril(n_key - n_query - 1).bool()
    )
    return torch.einsum("hqk,qk->h", pattern, there.float()) / there.any(1).sum().clamp(min=1)


@plain("interpret.rollout")
def rollout(patterns):
    eye = torch.eye(patterns.shape[3])
    flow, after = eye, []
    for pattern in patterns:
        flow = (0.5 * eye + 0.5 * pattern.mean(dim=0)) @ flow
        after.append(flow)
    return torch.stack(after)


@solves("interpret.rollout")
def rollout_by_chaining(patterns):
    layers = [(torch.eye(p.shape[-1]) + p.mean(0)) / 2 for p in patterns]
    return torch.stack([torch.linalg.multi_dot([*layers[n::-1]]) if n else layers[0] for n in range(len(layers))])


@solves("interpret.rollout")
def rollout_in_numpy(patterns):
    flow, out = np.eye(patterns.shape[-1], dtype=np.float32), []
    for mean in patterns.numpy().mean(1):
        flow = 0.5 * flow + 0.5 * np.einsum("qk,kj->qj", mean, flow)
        out.append(flow)
    return torch.from_numpy(np.stack(out))


@plain("interpret.ablate_heads")
def ablate_heads(model, ids, layer, head):
    def edit(z):
        z = z.clone()
        z[:, head] = 0
        return z

    handle = model.blocks[layer].attention.hook_z.add_hook(edit)
    with torch.no_grad():
        logits = model(ids)
    handle.remove()
    return logits


@solves("interpret.ablate_heads")
def ablated_with_a_handle(model, ids, layer, head):
    def silence(z):
        keep = torch.ones(z.shape[1])
        keep[head] = 0
        return z * keep[:, None, None]

    handle = model.blocks[layer].attention.hook_z.add_hook(silence)
    try:
        return model(ids)
    finally:
        handle.remove()


@solves("interpret.ablate_heads")
def ablated_by_the_weights(model, ids, layer, head):
    attention = model.blocks[layer].attention
    weight = attention.output.weight
    saved, columns = weight.clone(), slice(head * attention.d_head, (head + 1) * attention.d_head)
    with torch.no_grad():
        weight[:, columns] = 0
        logits = model(ids)
        weight.copy_(saved)
    return logits


@plain("interpret.head_contributions")
def head_contributions(z, output, direction):
    batch, head, d_head = z.shape
    found = torch.zeros(batch, head)
    for h in range(head):
        own = output[:, h * d_head : (h + 1) * d_head]
        written = z[:, h] @ own.T
        found[:, h] = (written * direction).sum(dim=1)
    return found


@solves("interpret.head_contributions")
def contributions_by_einsum(z, output, direction):
    return torch.einsum("bhd,mhd,bm->bh", z, output.unflatten(1, z.shape[1:]), direction)


@solves("interpret.head_contributions")
def contributions_pulled_back(z, output, direction):
    return ((direction @ output).view(z.shape) * z).sum(-1)


@plain("interpret.copying_share")
def copying_share(read, w_v, w_o, unembed):
    written = read @ w_v @ w_o
    logits = written @ unembed.T
    n = 0
    for i in range(len(read)):
        best = logits[i].argmax().item()
        if best == i:
            n += 1
    return n / len(read)


@solves("interpret.copying_share")
def copied_by_the_diagonal(read, w_v, w_o, unembed):
    table = torch.einsum("id,dh,he,je->ij", read, w_v, w_o, unembed)
    others = table.masked_fill(torch.eye(len(read), dtype=torch.bool), -math.inf)
    return (table.diagonal() > others.amax(-1)).float().mean().item()


@solves("interpret.copying_share")
def copied_in_a_comprehension(read, w_v, w_o, unembed):
    circuit = w_v @ w_o
    ranks = [[float(x @ circuit @ row) for row in unembed] for x in read]
    return sum(max(range(len(row)), key=row.__getitem__) == i for i, row in enumerate(ranks)) / len(ranks)

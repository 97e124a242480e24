"""Plain right solutions of lesson 04."""

import torch

from exercises.plain import plain


@plain("interpret.entropy")
def entropy(pattern):
    logs = torch.where(pattern > 0, pattern, 1.0).log()
    return -(pattern * logs).sum(dim=2).mean(dim=1)


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


@plain("interpret.rollout")
def rollout(patterns):
    eye = torch.eye(patterns.shape[3])
    flow, after = eye, []
    for pattern in patterns:
        flow = (0.5 * eye + 0.5 * pattern.mean(dim=0)) @ flow
        after.append(flow)
    return torch.stack(after)


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


@plain("interpret.head_contributions")
def head_contributions(z, output, direction):
    batch, head, d_head = z.shape
    found = torch.zeros(batch, head)
    for h in range(head):
        own = output[:, h * d_head : (h + 1) * d_head]
        written = z[:, h] @ own.T
        found[:, h] = (written * direction).sum(dim=1)
    return found


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

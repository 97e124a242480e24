"""Wrong solutions of lesson 04 as people write them."""

import torch

from exercises.wrong import wrong


@wrong("interpret.entropy", "averaged over the keys")
def _(pattern):
    out = []
    for head in pattern:
        p = head[head > 0]
        out.append(-(p * p.log()).mean())
    return torch.stack(out)


@wrong("interpret.previous_token_score", "heads averaged")
def _(pattern):
    h, q, k = pattern.shape
    v = [pattern[:, i, i + k - q - 1] for i in range(q) if i + k - q > 0]
    return torch.stack(v).mean() if v else torch.zeros(h)


@wrong("interpret.induction_score", "the token itself as well")
def _(pattern, ids):
    h, q, k = pattern.shape
    s, n = torch.zeros(h), 0
    for i in range(q):
        p = k - q + i
        js = set()
        for j in range(p - 1):
            if ids[j] == ids[p]:
                js |= {j, j + 1}
        if js:
            s += pattern[:, i, sorted(js)].sum(-1)
            n += 1
    return s / max(n, 1)


@wrong("interpret.rollout", "layers averaged")
def _(patterns):
    n = patterns.shape[-1]
    flow = torch.eye(n)
    out = []
    for p in patterns:
        flow = 0.5 * flow + 0.5 * p.mean(0)
        out.append(flow)
    return torch.stack(out)


@wrong("interpret.copying_share", "the head turned round")
def _(read, w_v, w_o, unembed):
    logits = read @ w_o.T @ w_v.T @ unembed.T
    return (logits.argmax(-1) == torch.arange(len(read))).double().mean().item()


@wrong("interpret.head_contributions", "a column left out")
def _(z, output, direction):
    _, n_heads, d_head = z.shape
    written = [z[:, h, :-1] @ output[:, h * d_head : (h + 1) * d_head - 1].T for h in range(n_heads)]
    return torch.stack([(one * direction).sum(-1) for one in written], dim=1)


@wrong("interpret.rollout", "always from the first layer")
def _(patterns):
    mixes = 0.5 * torch.eye(patterns.shape[-1]) + 0.5 * patterns.mean(1)
    return torch.stack([mixes[0], *(mix @ mixes[0] for mix in mixes[1:])])

"""Wrong solutions to lesson 04's exercises on rollout, the contributions of heads, and copying."""

from typing import Any, Literal

import torch
from torch import Tensor

RolloutResidual = (
    Literal["half", "none", "not first", "first only", "added", "attention whole", "rows", "after", "halved flow"]
    | Literal["everywhere", "third", "nine tenths", "one tenth", "quarter", "three quarters", "two thirds"]
    | Literal["one head"]
)


def faulty_rollout(
    patterns: Tensor,
    residual: RolloutResidual = "half",
    heads: Literal["mean", "max", "min", "max, rows to one", "sum", "first", "each"] = "mean",
    order: Literal["later left", "later right"] = "later left",
    combine: Literal["product", "mean", "none", "element by element", "sum", "mixed", "halved"] = "product",
    give: Literal["all", "last", "last for all", "with the start", "list", "reversed"] = "all",
    turn: Literal["no", "layers", "queries and keys", "heads for layers"] = "no",
    once: Literal["no", "first twice", "powers", "from the first", "ones", "even", "zeros"] = "no",
) -> Any:
    n = patterns.shape[-1]
    itself = torch.eye(n)
    if turn == "queries and keys":
        patterns = patterns.transpose(-2, -1)
    elif turn == "layers":
        patterns = patterns.flip(0)
    elif turn == "heads for layers":
        patterns = patterns.transpose(0, 1)
    if heads == "each":
        return (
            faulty_rollout(patterns, residual, "mean", order, combine, give)
            if patterns.shape[1] == 1
            else torch.stack(
                [
                    faulty_rollout(patterns[:, [h]], residual, "mean", order, combine, give)
                    for h in range(patterns.shape[1])
                ]
            ).mean(0)
        )
    flow, after = {"ones": torch.ones(n, n), "even": torch.ones(n, n) / n, "zeros": 0 * itself}.get(once, itself), []
    for number, pattern in enumerate(patterns):
        mixed = {
            "mean": pattern.mean(0),
            "max": pattern.amax(0),
            "sum": pattern.sum(0),
            "first": pattern[0],
            "min": pattern.amin(0),
            "max, rows to one": pattern.amax(0) / pattern.amax(0).sum(-1, keepdim=True),
        }[heads]
        layer = {
            "half": 0.5 * itself + 0.5 * mixed,
            "none": mixed,
            "added": itself + mixed,
            "everywhere": 0.5 + 0.5 * mixed,
            "rows": (itself + mixed) / (itself + mixed).sum(-1, keepdim=True),
            "one head": (itself + pattern.sum(0)) / (pattern.shape[0] + 1),
            "not first": mixed if number == 0 else 0.5 * itself + 0.5 * mixed,
            "first only": 0.5 * itself + 0.5 * mixed if number == 0 else mixed,
            "halved flow": mixed,
            "after": mixed,
            "third": itself / 3 + 2 * mixed / 3,
            "nine tenths": 0.9 * itself + 0.1 * mixed,
            "one tenth": 0.1 * itself + 0.9 * mixed,
            "quarter": 0.25 * itself + 0.75 * mixed,
            "three quarters": 0.75 * itself + 0.25 * mixed,
            "two thirds": 2 * itself / 3 + mixed / 3,
            "attention whole": 0.5 * itself + mixed,
        }[residual]
        if combine == "product":
            flow = layer @ flow if order == "later left" else flow @ layer
            if residual == "halved flow":
                flow = 0.5 * itself + 0.5 * flow
            if once == "first twice" and number == 0:
                flow = layer @ flow
            if once == "powers":
                flow = torch.linalg.matrix_power(layer, number + 1)
            after.append(flow)
            if once == "from the first" and number:
                flow = after[0]
        elif combine == "mixed":
            flow = 0.5 * flow + 0.5 * mixed
            after.append(flow)
        elif combine == "halved":
            flow = (layer + flow) / 2
            after.append(flow)
        elif combine == "element by element":
            flow = layer if number == 0 else layer * flow
            after.append(flow)
        else:
            after.append(layer)
    if residual == "after":
        after = [0.5 * itself + 0.5 * flow for flow in after]
    if combine in ("mean", "sum"):
        after = [getattr(torch.stack(after[: n + 1]), combine)(0) for n in range(len(after))]
    if give == "with the start":
        after = [itself, *after]
    elif give == "reversed":
        after = after[::-1]
    elif give == "last for all":
        after = [after[-1]] * len(after)
    return after[-1] if give == "last" else after if give == "list" else torch.stack(after)


ContributionsGive = Literal[
    "heads", "sum", "sum for all", "shares", "softmax", "mean of texts", "against the mean", "sum of texts"
]


ContributionsCut = (
    Literal["columns", "dealt out", "both dealt out", "by reshape", "from the last", "overlapping"]
    | Literal["all but the first", "all but the last", "steps of n_heads"]
)


def faulty_contributions(
    z: Tensor,
    output: Tensor,
    direction: Tensor,
    cut: ContributionsCut = "columns",
    matrix: Literal["own", "rows", "first"] = "own",
    measure: Literal["product", "length", "cosine", "projection", "absolute"] = "product",
    give: ContributionsGive = "heads",
) -> object:
    _, head, d_head = z.shape
    weight = output.T if matrix == "rows" else output
    match cut:
        case "columns" | "all but the first" | "all but the last" | "steps of n_heads":
            pieces = weight.unflatten(1, (head, d_head)).movedim(1, 0)
        case "dealt out":
            pieces = weight.unflatten(1, (d_head, head)).movedim(2, 0)
        case "both dealt out":
            pieces = weight.unflatten(1, (d_head, head)).movedim(2, 0)
        case "from the last":
            pieces = weight.unflatten(1, (head, d_head)).movedim(1, 0).flip(0)
        case "overlapping":
            pieces = torch.stack([weight[:, i : i + d_head] for i in range(head)])
        case "by reshape":
            pieces = weight.reshape(head, -1, d_head)
    if cut == "both dealt out":
        z = z.flatten(1).unflatten(1, (d_head, head)).mT
    if cut in ("all but the first", "all but the last"):
        z, pieces = (t[..., 1:] if cut == "all but the first" else t[..., :-1] for t in (z, pieces))
    if matrix == "first":
        pieces = pieces[:1].expand(head, -1, -1)
    written = torch.einsum("bhd,hmd->bhm", z, pieces)  # axes: batch, head, d_model
    if cut == "steps of n_heads":
        written = torch.stack([z[:, h] @ weight[:, h * head : h * head + d_head].T for h in range(head)], 1)
    towards = direction[:, None].expand_as(written)
    product = (written * towards).sum(-1)
    match measure:
        case "product":
            found = product
        case "length":
            found = written.norm(dim=-1)
        case "cosine":
            found = torch.cosine_similarity(written, towards, dim=-1)
        case "projection":
            found = product / towards.norm(dim=-1)
        case "absolute":
            found = product.abs()
    match give:
        case "heads":
            return found
        case "sum":
            return found.sum(-1)
        case "sum for all":
            return found.sum(-1, keepdim=True).expand_as(found)
        case "sum of texts":
            return found.sum(0, keepdim=True).expand_as(found)
        case "shares":
            return found / found.sum(-1, keepdim=True)
        case "softmax":
            return found.softmax(-1)
        case "mean of texts":
            return found.mean(0)
        case "against the mean":
            return found - found.mean(-1, keepdim=True)


CopyingBest = (
    Literal["largest", "above 0", "above the mean", "ties", "own as 0", "size", "smallest", "probability"]
    | Literal["among two", "how many better"]
)


def faulty_copying(
    read: Tensor,
    w_v: Tensor,
    w_o: Tensor,
    unembed: Tensor,
    axis: Literal["row", "column"] = "row",
    against: Literal["unembed", "read"] = "unembed",
    best: CopyingBest = "largest",
    give: Literal["share", "count", "others", "each"] = "share",
    head: Literal["both", "turned", "none"] = "both",
) -> object:
    match head:
        case "both":
            written = read @ w_v @ w_o
        case "turned":
            written = read @ w_o.T @ w_v.T
        case "none":
            written = read
    table = unembed if against == "unembed" else read
    raised = written @ table.T
    own = torch.arange(len(read))
    match best:
        case "largest":
            right = raised.argmax(dim=1 if axis == "row" else 0) == own
        case "smallest":
            right = raised.argmin(dim=1) == own
        case "size":
            right = raised.abs().argmax(dim=1) == own
        case "above 0":
            right = raised.diagonal() > 0
        case "ties":
            right = raised.diagonal() == raised.amax(dim=1)
        case "own as 0":
            right = raised.diagonal() > (raised - raised.diagonal().diag()).amax(dim=1)
        case "above the mean":
            right = raised.diagonal() > raised.mean(dim=1)
        case "among two":
            right = (raised > raised.diagonal()[:, None]).sum(dim=1) < 2
        case "how many better":
            right = (raised > raised.diagonal()[:, None]).double().mean(dim=1)
        case "probability":
            right = raised.softmax(dim=1 if axis == "row" else 0).diagonal()
    total = right.double()
    match give:
        case "share":
            return total.mean().item()
        case "count":
            return total.sum().item()
        case "others":
            return 1 - total.mean().item()
        case "each":
            return right

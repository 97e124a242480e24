"""The wrong ways through the exercises of lesson 04: each reference once more, with keywords for its faults."""

import torch


def positions(pattern, offset="end"):
    n_query, n_key = pattern.shape[-2:]
    return torch.arange(n_query)[:, None] + (n_key - n_query if offset == "end" else 0), torch.arange(n_key)[None]


def share(pattern, there, average="possible", reduce="mean"):
    """Attention that goes `there`, over the queries that have such a key (or over others)."""
    could = there.any(-1)
    hits = pattern * there
    if average == "NaN" and not could.any():
        return torch.full(pattern.shape[:-2], float("nan"))
    if not could.any():
        return torch.zeros(pattern.shape[:-2])
    if average == "largest key":
        return hits.amax(-1)[..., could].mean(-1)
    if average == "mean of keys":
        return (hits.sum(-1) / there.sum(-1).clamp(min=1))[..., could].mean(-1)
    if average in ("largest query", "middle query", "last query"):
        of_queries = hits.sum(-1)[..., could]
        if average == "middle query":
            return of_queries.median(-1).values
        return of_queries.amax(-1) if average == "largest query" else of_queries[..., -1]
    if average == "matrix":
        return hits.mean((-2, -1))
    if average == "places":
        return hits.sum((-2, -1)) / there.sum()
    if average == "above zero":
        return hits.sum((-2, -1)) / (hits.sum(-1) > 0).sum(-1).clamp(min=1)
    if average == "largest":
        return (
            ((pattern.argmax(-1, keepdim=True) == torch.arange(pattern.shape[-1])) & there)
            .any(-1)[..., could]
            .float()
            .mean(-1)
        )
    if average == "keys":
        return hits.sum((-2, -1)) / pattern.shape[-1]
    if average in ("but the first", "one less"):
        rest = hits.sum(-1)[..., 1:] if average == "but the first" else hits.sum(-1)
        return rest.sum(-1) / max(pattern.shape[-2] - 1, 1)
    found = hits.sum(-1)
    return getattr(found if average == "all" else found[..., could], reduce)(-1)


SPREADS = {
    "order two": lambda p: -p.square().sum(-1).log(),
    "largest weight": lambda p: -p.amax(-1).log(),
    "one minus largest": lambda p: 1 - p.amax(-1),
    "variance": lambda p: p.var(-1, correction=0),
    "sample variance": lambda p: p.var(-1, correction=min(1, p.shape[-1] - 1)),
    "deviation": lambda p: p.std(-1, correction=0),
    "sample deviation": lambda p: p.std(-1, correction=min(1, p.shape[-1] - 1)),
    "softmax in the logarithm": lambda p: -(p * p.log_softmax(-1)).sum(-1),
}


def faulty_entropy(
    pattern,
    base="e",
    sign=1,
    zero="handled",
    reduce="mean",
    over="keys",
    first="nothing",
    weight="own",
    give="entropy",
    heads="kept",
):
    logs = pattern.log2() if base == "2" else pattern.log10() if base == "10" else pattern.log()
    if first == "rows averaged":
        return faulty_entropy(pattern.mean(-2, keepdim=True), base, sign)
    if first == "softmax":
        return faulty_entropy(pattern.softmax(-1), base, sign, reduce=reduce)
    axis = -1 if over == "keys" else -2
    if zero.startswith("added"):
        logs = (pattern + {"added": 1e-2, "added more": 1e-1, "added less": 1e-3}[zero]).log()
    if zero == "one added":
        logs = pattern.log1p()
    terms = {
        "own": lambda: pattern * logs,
        "none": lambda: logs,
        "square": lambda: pattern**2 - pattern,
        "doubled": lambda: pattern**2 * logs,
        "gini": lambda: pattern**2,
    }.get(weight, lambda: pattern)()
    if zero == "rows lost":
        rows = (-sign * terms.sum(axis)).nan_to_num(nan=0.0)
    else:
        terms = terms if zero == "nan" else terms.nan_to_num(nan=0.0, neginf=0.0)
        rows = -sign * terms.sum(axis)
    if give == "from even":
        rows = torch.tensor(float(pattern.shape[-1])).log() - rows
    if weight == "cross":
        rows = -(pattern.clamp(min=1e-12)).log().mean(-1)
    if weight == "gini":
        rows = 1 + rows
    if weight in SPREADS:
        rows = SPREADS[weight](pattern)
    if reduce == "both means":
        rows = -sign * terms.mean(axis)
        reduce = "mean"
    if give == "of one":
        rows = rows / torch.tensor(pattern.shape[-1]).log()
    if reduce == "none":
        return rows
    if reduce == "each weight":
        return -sign * terms.sum((-2, -1)) / (pattern > 0).sum((-2, -1))
    if reduce == "spread rows":
        return rows.sum(-1) / (rows > 1e-6).sum(-1).clamp(min=1)
    if reduce in ("last", "first"):
        return rows[..., -1 if reduce == "last" else 0]
    found = (
        rows.amax(-1)
        if reduce == "largest"
        else rows.median(-1).values
        if reduce == "median"
        else getattr(rows, reduce)(-1)
    )
    found = found.exp() if give == "exponential" else found
    return found.mean() if heads == "averaged" else found


def faulty_previous(pattern, target=-1, average="possible", offset="end", reduce="mean", heads="kept"):
    query, key = positions(pattern, offset)
    place = {
        "own, not the last": (key == query) & (query < pattern.shape[-1] - 1),
        "earlier": key < query,
        "first": (key == 0) & (query > 0),
        "wrapped": key == (query - 1) % pattern.shape[-1],
    }
    there = place[target] if target in place else key == query + target
    if target == "wrapped":
        there = torch.where(query > 0, there, key == pattern.shape[-1] - 1)
    if average == "every row":
        return (pattern * there).sum((-2, -1)) / max(pattern.shape[-1] - 1, 1)
    score = share(pattern, there, average, reduce)
    if heads == "averaged, if any" and there.any():
        return score.mean()
    return score.mean() if heads == "averaged" else score


def faulty_induction(
    pattern,
    ids,
    target="after",
    average="possible",
    which="all",
    own="excluded",
    reduce="mean",
    offset="end",
    same="tokens",
    heads="kept",
):
    n_query, n_key = pattern.shape[-2:]
    query, key = positions(pattern, offset)
    own_ids = ids[n_key - n_query :] if offset == "end" else ids[:n_query]
    if offset == "ids from the start":
        query, key = positions(pattern)
    if same == "last token":
        own_ids = ids[-1:].expand(n_query)
    if same == "tokens before":
        own_ids = ids.roll(1)[n_key - n_query :]
    same_token = own_ids[:, None] == ids[None, :]
    there = torch.zeros_like(same_token)
    if target == "after":
        there[:, 1:] = same_token[:, :-1]
    elif target == "after, wrapped":
        there = same_token.roll(1, -1)
    elif target == "both":
        there[:, 1:] = same_token[:, :-1]
        there |= same_token & (key < query - 1)
    elif target == "both, all":
        there[:, 1:] = same_token[:, :-1]
        there |= same_token & (key < query)
    elif target == "before":
        there[:, :-1] = same_token[:, 1:]
    elif target == "before the earlier":
        earlier = same_token & (key < query)
        there[:, :-1] = earlier[:, 1:]
    elif target == "two after":
        there[:, 2:] = same_token[:, :-2]
    elif target == "half":
        there = (key == query - n_key // 2 + 1).expand_as(same_token)
    else:
        there = same_token
    own = "any" if target == "half" else own
    limit = {
        "excluded": key < query,
        "included": key <= query,
        "any": torch.ones_like(same_token),
        "not own": key != query,
    }[own]
    there = there & limit
    if same == "two tokens":  # the token before it as well
        before = ids.roll(1)
        also = before[n_key - n_query :, None] == before.roll(1)[None, :]
        there = there & also & (key > 1)
    if same == "and the next token":
        following = ids.roll(-1)
        there = there & (following[n_key - n_query :, None] == ids[None, :]) & (query < n_key - 1)
    if which == "latest":
        there = there & (there.flip(-1).cumsum(-1).flip(-1) == 1)
    elif which == "first":
        there = there & (there.cumsum(-1) == 1)
    score = share(pattern, there, average, reduce)
    if heads == "averaged, if any" and there.any():
        return score.mean()
    return score.mean() if heads == "averaged" else score


def faulty_rollout(
    patterns, residual="half", heads="mean", order="later left", combine="product", give="all", turn="no", once="no"
):
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
    flow, after = itself, []
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
        elif combine == "mixed":
            flow = 0.5 * flow + 0.5 * mixed
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


def faulty_contributions(z, output, direction, cut="columns", matrix="own", measure="product", give="heads"):
    _, head, d_head = z.shape
    weight = output.T if matrix == "rows" else output
    pieces = {
        "columns": lambda: weight.unflatten(1, (head, d_head)).movedim(1, 0),  # head d_model d_head
        "dealt out": lambda: weight.unflatten(1, (d_head, head)).movedim(2, 0),
        "both dealt out": lambda: weight.unflatten(1, (d_head, head)).movedim(2, 0),
        "from the last": lambda: weight.unflatten(1, (head, d_head)).movedim(1, 0).flip(0),
        "overlapping": lambda: torch.stack([weight[:, i : i + d_head] for i in range(head)]),
        "by reshape": lambda: weight.reshape(head, -1, d_head),
    }[cut]()
    if cut == "both dealt out":
        z = z.flatten(1).unflatten(1, (d_head, head)).mT
    if matrix == "first":
        pieces = pieces[:1].expand(head, -1, -1)
    written = torch.einsum("bhd,hmd->bhm", z, pieces)  # batch head d_model
    towards = direction[:, None].expand_as(written)
    product = (written * towards).sum(-1)
    found = {
        "product": lambda: product,
        "length": lambda: written.norm(dim=-1),
        "cosine": lambda: torch.cosine_similarity(written, towards, dim=-1),
        "projection": lambda: product / towards.norm(dim=-1),
        "absolute": lambda: product.abs(),
    }[measure]()
    return {
        "heads": lambda: found,
        "sum": lambda: found.sum(-1),
        "sum for all": lambda: found.sum(-1, keepdim=True).expand_as(found),
        "sum of texts": lambda: found.sum(0, keepdim=True).expand_as(found),
        "shares": lambda: found / found.sum(-1, keepdim=True),
        "softmax": lambda: found.softmax(-1),
        "mean of texts": lambda: found.mean(0),
        "against the mean": lambda: found - found.mean(-1, keepdim=True),
    }[give]()


def faulty_copying(read, w_v, w_o, unembed, axis="row", against="unembed", best="largest", give="share", head="both"):
    written = {"both": lambda: read @ w_v @ w_o, "turned": lambda: read @ w_o.T @ w_v.T, "none": lambda: read}[head]()
    table = unembed if against == "unembed" else read
    raised = written @ table.T
    own = torch.arange(len(read))
    right = {
        "largest": lambda: raised.argmax(dim=1 if axis == "row" else 0) == own,
        "smallest": lambda: raised.argmin(dim=1) == own,
        "size": lambda: raised.abs().argmax(dim=1) == own,
        "above 0": lambda: raised.diagonal() > 0,
        "ties": lambda: raised.diagonal() == raised.amax(dim=1),
        "own as 0": lambda: raised.diagonal() > (raised - raised.diagonal().diag()).amax(dim=1),
        "above the mean": lambda: raised.diagonal() > raised.mean(dim=1),
        "among two": lambda: (raised > raised.diagonal()[:, None]).sum(dim=1) < 2,
        "how many better": lambda: (raised > raised.diagonal()[:, None]).double().mean(dim=1),
        "probability": lambda: raised.softmax(dim=1).diagonal(),
    }[best]()
    total = right.double()
    return {
        "share": lambda: total.mean().item(),
        "count": lambda: total.sum().item(),
        "others": lambda: 1 - total.mean().item(),
        "each": lambda: right,
    }[give]()

"""Wrong solutions to the exercises in lesson 04.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from typing import Literal

import torch
from torch import Tensor


def positions(pattern: Tensor, offset: str = "end") -> tuple[Tensor, Tensor]:
    n_query, n_key = pattern.shape[-2:]
    return torch.arange(n_query)[:, None] + (n_key - n_query if offset == "end" else 0), torch.arange(n_key)[None]


ShareAverage = (
    Literal["possible", "largest key", "mean of keys", "largest query", "middle query", "last query", "matrix"]
    | Literal["places", "above zero", "largest", "keys", "but the first", "one less", "NaN", "all"]
)


def share(
    pattern: Tensor, there: Tensor, average: ShareAverage = "possible", reduce: Literal["mean", "sum"] = "mean"
) -> Tensor:
    """Average the attention to the keys marked in `there` over the queries that have one, correctly or with a fault."""
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


EntropyReduce = Literal[
    "mean", "sum", "both means", "none", "each weight", "spread rows", "last", "first", "largest", "median"
]
EntropyWeight = (
    Literal["own", "softmax in the logarithm", "none", "square", "gini", "order two", "largest weight"]
    | Literal["one minus largest", "variance", "sample variance", "deviation", "sample deviation", "doubled", "cross"]
)


EntropyZero = (
    Literal["handled", "nan", "rows lost", "added", "added more", "added less", "one added", "least"]
    | Literal["added to both", "added more to both"]
)


def faulty_entropy(
    pattern: Tensor,
    base: Literal["e", "2", "10"] = "e",
    sign: int = 1,
    zero: EntropyZero = "handled",
    reduce: EntropyReduce = "mean",
    over: Literal["keys", "queries"] = "keys",
    first: Literal["nothing", "rows averaged", "softmax"] = "nothing",
    weight: EntropyWeight = "own",
    give: Literal["entropy", "of one", "exponential", "from even"] = "entropy",
    heads: Literal["kept", "averaged"] = "kept",
) -> object:
    logs = pattern.log2() if base == "2" else pattern.log10() if base == "10" else pattern.log()
    if first == "rows averaged":
        return faulty_entropy(pattern.mean(-2, keepdim=True), base, sign)
    if first == "softmax":
        return faulty_entropy(pattern.softmax(-1), base, sign, reduce=reduce)
    axis = -1 if over == "keys" else -2
    if zero.endswith("to both"):
        pattern = pattern + (1e-3 if zero == "added to both" else 1e-2)
        logs = pattern.log()
    elif zero in ("added", "added more", "added less", "least"):
        logs = (pattern + {"added": 1e-2, "added more": 1e-1, "added less": 1e-3, "least": 1e-4}[zero]).log()
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
    match weight:
        case "gini":
            rows = 1 + rows
        case "order two":
            rows = -pattern.square().sum(-1).log()
        case "largest weight":
            rows = -pattern.amax(-1).log()
        case "one minus largest":
            rows = 1 - pattern.amax(-1)
        case "variance" | "deviation":
            rows = pattern.var(-1, correction=0)
        case "sample variance" | "sample deviation":
            rows = pattern.var(-1, correction=min(1, pattern.shape[-1] - 1))
        case "softmax in the logarithm":
            rows = -(pattern * pattern.log_softmax(-1)).sum(-1)
        case _:
            pass
    rows = rows.sqrt() if weight in ("deviation", "sample deviation") else rows
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


PreviousAverage = (
    Literal["possible", "all", "NaN", "matrix", "keys", "but the first", "one less", "every row", "largest"]
    | Literal["largest query", "middle query", "last query"]
)


def faulty_previous(
    pattern: Tensor,
    target: Literal["own, not the last", "earlier", "first", "last but one", "wrapped"] | int = -1,
    average: PreviousAverage = "possible",
    offset: Literal["end", "start"] = "end",
    reduce: Literal["mean", "sum"] = "mean",
    heads: Literal["kept", "averaged", "averaged, if any"] = "kept",
) -> object:
    query, key = positions(pattern, offset)
    match target:
        case "own, not the last":
            there = (key == query) & (query < pattern.shape[-1] - 1)
        case "earlier":
            there = key < query
        case "first":
            there = (key == 0) & (query > 0)
        case "last but one":
            there = (key == pattern.shape[-1] - 2).expand(pattern.shape[-2:])
        case "wrapped":
            there = torch.where(query > 0, key == (query - 1) % pattern.shape[-1], key == pattern.shape[-1] - 1)
        case _:
            there = key == query + target
    if average == "every row":
        return (pattern * there).sum((-2, -1)) / max(pattern.shape[-1] - 1, 1)
    score = share(pattern, there, average, reduce)
    if heads == "averaged, if any" and there.any():
        return score.mean()
    return score.mean() if heads == "averaged" else score


InductionAverage = (
    Literal["possible", "all", "places", "matrix", "keys", "but the first", "one less", "above zero", "NaN"]
    | Literal["largest", "largest key", "mean of keys", "largest query", "middle query", "last query"]
)

InductionTarget = (
    Literal["after", "same", "both", "both, all", "before", "before the earlier", "after, wrapped", "two after"]
    | Literal["half", "half, if the same"]
)


def faulty_induction(
    pattern: Tensor,
    ids: Tensor,
    target: InductionTarget = "after",
    average: InductionAverage = "possible",
    which: Literal["all", "latest", "first"] = "all",
    own: Literal["excluded", "included", "any", "not own"] = "excluded",
    reduce: Literal["mean", "sum"] = "mean",
    offset: Literal["end", "ids from the start", "start"] = "end",
    same: Literal["tokens", "tokens before", "and the next token", "two tokens", "last token"] = "tokens",
    heads: Literal["kept", "averaged", "averaged, if any"] = "kept",
) -> object:
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
    elif target.startswith("half"):
        there = (key == query - n_key // 2 + 1).expand_as(same_token)
        if target == "half, if the same":
            there = there & same_token.roll(1, -1) & (key > 0)
    else:
        there = same_token
    own = "any" if target.startswith("half") else own
    limit = {
        "excluded": key < query,
        "included": key <= query,
        "any": torch.ones_like(same_token),
        "not own": key != query,
    }[own]
    there = there & limit
    if same == "two tokens":  # the token before the query must match as well
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

"""Wrong solutions to the exercises in lesson 03.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from llmlib import attention


def faulty_causal_mask(
    n_query: int,
    n_key: int,
    own: Literal["included", "excluded"] = "included",
    direction: Literal["past", "future"] = "past",
    meaning: Literal["allowed", "blocked"] = "allowed",
    offset: Literal["end", "start", "other sign", "by one", "by one with a cache"] = "end",
    form: Literal["bool", "scores", "numbers", "whole numbers", "list"] = "bool",
    reach: Literal["all", "own alone", "everything", "cache and own", "triangle first"] = "all",
    sizes: Literal["own", "queries alone", "keys alone", "exchanged"] = "own",
) -> object:
    if sizes == "queries alone":
        n_key = n_query
    elif sizes == "keys alone":
        n_query = n_key
    query = torch.arange(n_query)[:, None]
    query = (
        query
        + {
            "end": n_key - n_query,
            "other sign": n_query - n_key,
            "by one": n_key - n_query + 1,
            "start": 0,
            "by one with a cache": n_key - n_query + (n_key > n_query),
        }[offset]
    )
    key = torch.arange(n_key)[None, :]
    if direction == "future":
        query, key = key, query
    mask = key < query if own == "excluded" else key <= query
    if reach == "own alone":
        mask = key == query
    elif reach == "cache and own":
        mask = (key == query) | (key < n_key - n_query)
    elif reach == "everything":
        mask = torch.ones_like(mask)
    elif reach == "triangle first":
        mask = mask.roll(n_query, -1)
    elif reach == "all":
        pass
    mask = ~mask if meaning == "blocked" else mask
    mask = mask.T if sizes == "exchanged" else mask
    if form == "scores":
        return torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))
    if form == "list":
        return mask.tolist()
    return {"bool": mask, "numbers": mask.float(), "whole numbers": mask.int()}[form]


AttentionMasking = (
    Literal["before", "ignored", "inverted", "after", "after, divided", "zeros", "added", "own"]
    | Literal["own, from the start", "after, filled"]
)
AttentionScale = (
    Literal["root", "d_head", "none", "keys", "multiplied", "fixed", "late", "heads", "width", "lengths", "batch"]
    | Literal["queries"]
)


def faulty_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor,
    scale: AttentionScale = "root",
    softmax: Literal["key", "query", "head", "batch", "everything"] = "key",
    masking: AttentionMasking = "before",
    values: Literal["v", "k", "pattern", "v + k"] = "v",
    sharpen: Literal["softmax", "nothing", "exp", "sum", "sigmoid", "hardest"] = "softmax",
    fill: Literal["-inf", "-1e30", "-10", "-1", "-100"] = "-inf",
    peak: Literal["subtracted", "kept", "of everything"] = "subtracted",
    fill_by: Literal["filled", "added", "filled before the scale"] = "filled",
) -> object:
    d_head, n_key = q.shape[-1], k.shape[-2]
    scores = q @ k.transpose(-2, -1)
    match scale:
        case "root":
            scores = scores / d_head**0.5
        case "none":
            scores = scores
        case "d_head":
            scores = scores / d_head
        case "keys":
            scores = scores / n_key**0.5
        case "fixed":
            scores = scores / 2**0.5
        case "multiplied":
            scores = scores * d_head**0.5
        case "late":
            scores = scores
        case "heads":
            scores = scores / q.shape[1] ** 0.5
        case "batch":
            scores = scores / len(q) ** 0.5
        case "queries":
            scores = scores / q.shape[-2] ** 0.5
        case "lengths":
            scores = scores / q.norm(dim=-1, keepdim=True) / k.norm(dim=-1)[..., None, :]
        case "width":
            scores = scores / (q.shape[1] * d_head) ** 0.5
    if masking == "own":
        masking, mask = "before", attention.causal_mask(q.shape[-2], n_key)
    elif masking == "own, from the start":
        masking, mask = "before", torch.ones_like(mask).tril()
    if masking == "zeros":
        scores = scores * mask
    elif masking == "added":
        scores = scores + mask
    elif masking in ("before", "inverted"):
        allowed = mask if masking == "before" else ~mask
        hidden = {"-inf": float("-inf"), "-1e30": -1e30, "-10": -10.0, "-1": -1.0, "-100": -100.0}[fill]
        if fill_by == "filled before the scale":
            hidden /= d_head**0.5
        scores = scores + ~allowed * hidden if fill_by == "added" else scores.masked_fill(~allowed, hidden)
    dim = {"key": -1, "query": -2, "head": 1, "batch": 0, "everything": 0}[softmax]
    if sharpen == "softmax":
        if softmax == "everything":
            pattern = scores.flatten(-2).softmax(-1).view(scores.shape)
        elif peak == "subtracted":
            pattern = scores.softmax(dim=dim)
        else:
            weights = (scores - scores.max() if peak == "of everything" else scores).exp()
            pattern = weights / weights.sum(dim, keepdim=True)
    elif sharpen in ("sum", "exp"):
        kept = scores.exp() if sharpen == "exp" else scores.masked_fill(scores.isinf() | (scores < -1e29), 0.0)
        pattern = kept / kept.sum(-1, keepdim=True) if sharpen == "sum" else kept
    elif sharpen == "sigmoid":
        pattern = scores.sigmoid()
    elif sharpen == "hardest":
        pattern = torch.nn.functional.one_hot(scores.argmax(-1), n_key).to(scores.dtype)
    else:
        pattern = scores.masked_fill(scores.isinf() | (scores < -1e29), 0.0)
    if masking in ("after", "after, divided"):
        pattern = pattern * mask
        pattern = pattern / pattern.sum(-1, keepdim=True) if masking == "after, divided" else pattern
    if masking == "after, filled":
        pattern = pattern.masked_fill(~mask, float("-inf"))
    if scale == "late":
        pattern = pattern / d_head**0.5
    if values == "pattern":
        return pattern
    return pattern @ {"v": v, "k": k, "v + k": v + k}[values]


def faulty_online_softmax(
    blocks: Sequence[tuple[Tensor, Tensor]],
    total_scaled: bool = True,
    weighted_scaled: bool = True,
    reference_point: Literal["running", "zero", "first", "block", "old", "none", "smallest"] = "running",
    combine: Literal["stream", "average", "early", "sum", "first twice", "by keys"] = "stream",
    shrink_by: Literal["fall", "rise", "never"] = "fall",
    divided: bool = True,
    total_kept: bool = True,
    peak: Literal["each query", "all", "over queries"] = "each query",
    start: Literal["-inf", "0"] = "-inf",
    used: Literal["all", "first", "last"] = "all",
    weighted_kept: bool = True,
    adds: Literal["both", "weighted alone", "total alone", "all shrunk"] = "both",
    sums: Literal["each query", "all queries"] = "each query",
) -> object:
    if used != "all":
        blocks = blocks[:1] if used == "first" else blocks[-1:]
    if combine == "by keys":
        sizes = [len(values) for _, values in blocks]
        return sum(n * (s.softmax(-1) @ v) for n, (s, v) in zip(sizes, blocks)) / sum(sizes)
    if combine == "first twice":
        blocks = [blocks[0], *blocks]
    if combine in ("average", "sum"):
        return sum(scores.softmax(-1) @ values for scores, values in blocks) / (
            len(blocks) if combine == "average" else 1
        )
    largest = torch.tensor(float("-inf") if start == "-inf" else 0.0)
    total, weighted = torch.tensor(0.0), torch.tensor(0.0)
    for number, (scores, values) in enumerate(blocks):
        peaks = scores.amax(dim=-1, keepdim=True) if peak == "each query" else scores.amax()
        peaks = scores.amax(dim=0, keepdim=True)[..., :1] if peak == "over queries" else peaks
        new = torch.maximum(largest, peaks)
        if reference_point == "smallest":
            lowest = scores.amin(dim=-1, keepdim=True)
            new = torch.minimum(largest, lowest) if number else lowest
        if reference_point == "zero":
            new = torch.zeros_like(new)
        elif reference_point == "first" and number:
            new = largest
        elif reference_point == "block":
            new = peaks
        shrink = (largest - new).exp() if shrink_by == "fall" or not number else (new - largest).exp()
        if reference_point == "block" and shrink_by == "never":
            shrink = torch.tensor(1.0)
        weights = (
            scores - {"old": largest if number else new, "none": torch.tensor(0.0)}.get(reference_point, new)
        ).exp()
        new_total = weights.sum() if sums == "all queries" else weights.sum(-1, keepdim=True)
        if adds == "all shrunk" and number:
            total, weighted = (total + new_total) * shrink, (weighted + weights @ values) * shrink
            largest = new
            continue
        if not number or adds != "weighted alone":
            total = (total if total_kept else 0) * (shrink if total_scaled else 1) + new_total
        if not number or adds != "total alone":
            weighted = (weighted if weighted_kept else 0) * (shrink if weighted_scaled else 1) + weights @ values
        if combine == "early":
            weighted = weighted / total
        largest = new
    return weighted if combine == "early" or not divided else weighted / total

"""The wrong ways through the exercises of lesson 03: each reference once more, with keywords for its faults."""

import torch

from llmlib import attention


def faulty_causal_mask(
    n_query,
    n_key,
    own="included",
    direction="past",
    meaning="allowed",
    offset="end",
    form="bool",
    reach="all",
    sizes="own",
):
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


def faulty_attention(
    q,
    k,
    v,
    mask,
    scale="root",
    softmax="key",
    masking="before",
    values="v",
    sharpen="softmax",
    fill="-inf",
    peak="subtracted",
    fill_by="filled",
):
    d_head, n_key = q.shape[-1], k.shape[-2]
    scores = q @ k.transpose(-2, -1)
    scores = {
        "root": lambda: scores / d_head**0.5,
        "none": lambda: scores,
        "d_head": lambda: scores / d_head,
        "keys": lambda: scores / n_key**0.5,
        "fixed": lambda: scores / 2**0.5,
        "multiplied": lambda: scores * d_head**0.5,
        "late": lambda: scores,
        "heads": lambda: scores / q.shape[1] ** 0.5,
        "lengths": lambda: scores / q.norm(dim=-1, keepdim=True) / k.norm(dim=-1)[..., None, :],
        "width": lambda: scores / (q.shape[1] * d_head) ** 0.5,
    }[scale]()
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
    if sharpen == "softmax":
        dim = {"key": -1, "query": -2, "head": 1, "batch": 0}.get(softmax)
        if softmax == "everything":
            pattern = scores.flatten(-2).softmax(-1).view(scores.shape)
        elif peak == "subtracted":
            pattern = scores.softmax(dim=dim)
        else:
            weights = scores.exp()
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


def faulty_split_heads(
    x, n_heads, order="moved", cut="blocks", meaning="heads", turn="no", lost="nothing", give="tensor"
):
    batch, seq, width = x.shape
    if meaning == "width":
        n_heads = width // n_heads
    if lost == "texts":
        x, batch = x[:1], 1
    d_head = width // n_heads
    if cut == "repeated":
        return x[:, None].expand(-1, n_heads, -1, -1)
    if cut == "overlapping":
        return torch.stack([x[..., h : h + d_head] for h in range(n_heads)], dim=1)
    if cut == "seq, in pieces":
        return torch.stack(x.chunk(n_heads, dim=1), dim=1)
    if cut == "seq":
        return x.reshape(batch, n_heads, -1, width)
    if order == "reshape":
        return x.reshape(batch, n_heads, seq, d_head)
    if order == "turned before":
        return x.transpose(1, 2).reshape(batch, n_heads, seq, d_head)
    if cut == "blocks":
        pieces = x.reshape(batch, seq, n_heads, d_head)
    else:
        pieces = x.reshape(batch, seq, d_head, n_heads).transpose(-2, -1)
    if turn == "heads":
        pieces = pieces.flip(2)
    moved = {
        "moved": (0, 2, 1, 3),
        "unmoved": (0, 1, 2, 3),
        "turned": (0, 2, 3, 1),
        "head first": (2, 0, 1, 3),
        "d_head first": (0, 3, 1, 2),
        "d_head, seq": (0, 1, 3, 2),
    }[order]
    heads = pieces.permute(moved)
    if lost == "heads":
        return heads[:, 0]
    if give == "list":
        return list(heads.unbind(1))
    if give == "joined with the batch, head first":
        return heads.transpose(0, 1).flatten(0, 1)
    return heads.flatten(0, 1) if give == "joined with the batch" else heads


def faulty_merge_heads(z, order="moved", cut="blocks", combine="side by side", turn="no", lost="nothing"):
    batch, head, seq, d_head = z.shape
    if combine != "side by side":
        return {
            "sum": z.sum(dim=1),
            "mean": z.mean(dim=1),
            "first": z[:, 0],
            "last": z[:, -1],
            "largest": z.amax(1),
            "two": torch.cat((z[:, 0], z[:, head > 1 and 1]), -1),
            "along seq": z.reshape(batch, head * seq, d_head),
            "along seq, moved": z.transpose(1, 2).reshape(batch, head * seq, d_head),
            "all": z.transpose(1, 2).flatten(1),
            "not joined": z.transpose(1, 2),
            "stacked": z.permute(0, 2, 3, 1),
            "all unmoved": z.flatten(1),
        }[combine]
    if turn == "heads":
        z = z.flip(1)
    if lost == "texts":
        z, batch = z[:1], 1
    if order != "moved":
        axes = {
            "reshape": (0, 1, 2, 3),
            "other axes": (0, 1, 3, 2),
            "seq before batch": (2, 0, 1, 3),
            "d_head first": (0, 3, 2, 1),
        }
        return z.permute(axes[order]).reshape(batch, seq, head * d_head)
    pieces = z.transpose(1, 2)
    return (pieces if cut == "blocks" else pieces.transpose(-2, -1)).reshape(batch, seq, head * d_head)


def faulty_rotate(
    x,
    cos,
    sin,
    direction=1,
    pairs="halves",
    minus="there",
    swap="no",
    axis=-1,
    part="all",
    angles="own",
    mix="turned",
    lay="blocks",
    cut="above",
):
    if swap == "yes":
        cos, sin = sin, cos
    if angles == "every other":
        cos, sin = (torch.cat((t[..., ::2], t[..., ::2]), dim=-1) for t in (cos, sin))
    elif angles == "every other, twice":
        cos, sin = (t[..., ::2].repeat_interleave(2, -1)[..., : x.shape[-1]] for t in (cos, sin))
    elif angles == "of neighbours":
        cos, sin = (t[..., : t.shape[-1] // 2].repeat_interleave(2, -1) for t in (cos, sin))
    size = x.shape[-1] // 2
    if mix == "added":
        halves = torch.cat((cos[..., :size], sin[..., :size]), dim=-1).expand_as(x)
        return {"all": x + cos + sin, "first half": x + cos, "first": x + halves}[part]
    if mix == "added to the product":
        return {"all": x * cos + sin, "own": x * cos + x * sin, "own, less": x * cos - x * sin, "no": x * cos}[part]
    if pairs.startswith("one further"):
        turned = x.roll(1, -1)
        if pairs.endswith("with a sign"):
            turned = torch.cat((-turned[..., :size], turned[..., size:]), dim=-1)
    elif pairs == "mirrored":
        turned = torch.cat((-x[..., size:].flip(-1), x[..., :size].flip(-1)), dim=-1)
    elif pairs == "neighbours":
        first, second = x[..., ::2], x[..., 1::2]
        turned = torch.stack((second if minus == "missing" else -second, first), dim=-1).flatten(-2)
    else:
        length = x.shape[axis]
        first, second = x.split(
            [length // 2, length - length // 2] if cut == "below" else [-(-length // 2), length // 2], dim=axis
        )
        first, second = (second, first) if pairs == "not exchanged" else (first, second)
        turned = torch.cat((second if minus == "missing" else -second, first), dim=axis)
    result = x * cos + direction * turned * sin
    if minus == "in both":
        result = torch.cat((result[..., :size], x[..., size:] * cos[..., size:] - x[..., :size] * sin[..., size:]), -1)
    elif mix in ("second exchanged", "first exchanged"):
        own = x.roll(size, -1) * cos + (x if mix == "second exchanged" else -x) * sin
        upper, lower = (own, result) if mix == "first exchanged" else (result, own)
        result = torch.cat((upper[..., :size], lower[..., size:]), dim=-1)
    if mix == "overwritten":
        result[..., size:] = x[..., size:] * cos[..., size:] + result[..., :size] * sin[..., size:]
    elif mix == "overwritten, second first":
        result[..., :size] = x[..., :size] * cos[..., :size] - result[..., size:] * sin[..., :size]
    if lay == "alternate":
        result = torch.stack(result.chunk(2, -1), -1).flatten(-2)
    return {
        "all": result,
        "first half": torch.cat((result[..., :size], x[..., size:]), -1),
        "first": result[..., :size],
    }[part]


def faulty_share_heads(kv, n_heads, order="neighbours", which="own", axis="head", times="group", shape="flat"):
    n_kv = kv.shape[1]
    group = {
        "group": n_heads // n_kv,
        "n_heads": n_heads,
        "one more": n_heads // n_kv + 1,
        "two": 2,
        "half of n_heads": n_heads // 2,
        "two, or once": 1 if n_kv == n_heads else 2,
        "n_kv": n_kv,
    }[times]
    dims = {"batch": 0, "head": 1, "key": 2, "d_head": 3}
    if axis == "all":
        return kv.repeat_interleave(group)
    if axis != "head":
        repeats = [group if i == dims[axis] else 1 for i in range(4)]
        return kv.repeat(repeats) if order == "tiled" else kv.repeat_interleave(group, dim=dims[axis])
    if which in ("first", "last"):
        kv = kv[:, [0 if which == "first" else -1]].expand_as(kv)
    elif which == "mean":
        kv = kv.mean(dim=1, keepdim=True).expand_as(kv)
    elif which == "reversed":
        kv = kv.flip(1)
    if which == "padded":
        shared = kv.new_zeros(kv.shape[0], n_heads, *kv.shape[2:])
        shared[:, ::group] = kv
        return shared
    if which == "last one fills up":
        return torch.cat([kv, kv[:, -1:].expand(-1, max(n_heads - n_kv, 0), -1, -1)], dim=1)
    if which in ("pairs", "pairs in turns"):
        heads = [h // 2 % n_kv if which == "pairs in turns" else min(h // 2, n_kv - 1) for h in range(n_heads)]
        return kv[:, heads]
    if which == "head // n_kv, within":
        return kv[:, [min(h // n_kv, n_kv - 1) for h in range(n_heads)]]
    if which == "head // n_kv":
        return torch.stack([kv[:, h // n_kv] for h in range(n_heads)], dim=1)
    if which == "divided":
        kv = kv / group
    if shape == "cut through keys":
        return kv[:, :, :, None].expand(-1, -1, -1, group, -1).reshape(kv.shape[0], -1, *kv.shape[2:])
    if shape == "cut through channels":
        return kv[..., None].expand(-1, -1, -1, -1, group).reshape(kv.shape[0], -1, *kv.shape[2:])
    if shape == "own axis":
        return kv[:, :, None].expand(-1, -1, group, -1, -1)
    if shape == "unrepeated":
        return kv
    return kv.repeat(1, group, 1, 1) if order == "tiled" else kv.repeat_interleave(group, dim=1)


def faulty_online_softmax(
    blocks,
    total_scaled=True,
    weighted_scaled=True,
    reference_point="running",
    combine="stream",
    shrink_by="fall",
    divided=True,
    total_kept=True,
    peak="each query",
    start="-inf",
    used="all",
    weighted_kept=True,
    adds="both",
    sums="each query",
):
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

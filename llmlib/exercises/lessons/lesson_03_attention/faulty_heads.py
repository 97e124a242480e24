"""Wrong solutions to lesson 03's exercises on splitting, merging, rotating and sharing heads."""

from typing import Literal

import torch
from torch import Tensor

SplitHeadsOrder = Literal[
    "moved", "reshape", "unmoved", "turned", "d_head, seq", "d_head first", "head first", "turned before"
]


def faulty_split_heads(
    x: Tensor,
    n_heads: int,
    order: SplitHeadsOrder = "moved",
    cut: Literal["blocks", "interleaved", "seq", "seq, in pieces", "repeated", "overlapping"] = "blocks",
    meaning: Literal["heads", "width"] = "heads",
    turn: Literal["no", "heads"] = "no",
    lost: Literal["nothing", "texts", "heads"] = "nothing",
    give: Literal["tensor", "list", "joined with the batch", "joined with the batch, head first"] = "tensor",
) -> object:
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


MergeHeadsCombine = (
    Literal["side by side", "sum", "mean", "along seq", "along seq, moved", "all", "all unmoved", "not joined"]
    | Literal["stacked", "first", "last", "largest", "two"]
)


def faulty_merge_heads(
    z: Tensor,
    order: Literal["moved", "reshape", "other axes", "d_head first", "seq before batch"] = "moved",
    cut: Literal["blocks", "interleaved"] = "blocks",
    combine: MergeHeadsCombine = "side by side",
    turn: Literal["no", "heads"] = "no",
    lost: Literal["nothing", "texts"] = "nothing",
) -> object:
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


RotatePairs = Literal["halves", "neighbours", "not exchanged", "one further", "one further, with a sign", "mirrored"]

RotateMix = (
    Literal["turned", "overwritten", "overwritten, second first", "first exchanged", "second exchanged", "added"]
    | Literal["added to the product"]
)


RotateAngles = Literal[
    "own", "taken again", "every other, twice", "every other", "of neighbours", "too wide for a half"
]


def faulty_rotate(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    direction: int = 1,
    pairs: RotatePairs = "halves",
    minus: Literal["there", "missing", "in both"] = "there",
    swap: Literal["no", "yes"] = "no",
    axis: int = -1,
    part: Literal["all", "first half", "first", "own", "own, less", "no"] = "all",
    angles: RotateAngles = "own",
    mix: RotateMix = "turned",
    lay: Literal["blocks", "alternate"] = "blocks",
    cut: Literal["above", "below"] = "above",
) -> object:
    if swap == "yes":
        cos, sin = sin, cos
    if angles == "taken again":
        cos, sin = cos.cos(), sin.sin()
    elif angles == "every other":
        cos, sin = (torch.cat((t[..., ::2], t[..., ::2]), dim=-1) for t in (cos, sin))
    elif angles == "every other, twice":
        cos, sin = (t[..., ::2].repeat_interleave(2, -1)[..., : x.shape[-1]] for t in (cos, sin))
    elif angles == "of neighbours":
        cos, sin = (t[..., : t.shape[-1] // 2].repeat_interleave(2, -1) for t in (cos, sin))
    size = x.shape[-1] // 2
    if angles == "too wide for a half":
        u, v = x[..., :size], x[..., size:]
        return torch.cat((u * cos - v * sin, v * cos + u * sin), dim=-1)
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


ShareHeadsWhich = (
    Literal["own", "first", "last", "mean", "padded", "head // n_kv", "head // n_kv, within", "reversed", "divided"]
    | Literal["last one fills up", "pairs", "pairs in turns"]
)


def faulty_share_heads(
    kv: Tensor,
    n_heads: int,
    order: Literal["neighbours", "tiled"] = "neighbours",
    which: ShareHeadsWhich = "own",
    axis: Literal["head", "key", "batch", "d_head", "all"] = "head",
    times: Literal["group", "n_heads", "half of n_heads", "one more", "two", "n_kv", "two, or once"] = "group",
    shape: Literal["flat", "own axis", "unrepeated", "cut through keys", "cut through channels"] = "flat",
) -> object:
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

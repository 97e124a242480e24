"""Wrong solutions to the exercises in lesson 02.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor


def faulty_embed(
    ids: Tensor,
    table: Tensor,
    take: Literal[
        "rows",
        "columns",
        "columns, the last for more",
        "first text",
        "last text",
        "one-hot",
        "flat",
        "places",
        "numbers",
    ] = "rows",
    offset: int = 0,
    scale: Literal["root"] | float = 1.0,
    length: Literal["kept", "one", "centred"] = "kept",
    pool: Literal["none", "sum", "mean", "last"] = "none",
    order: Literal["batch seq", "seq batch"] = "batch seq",
    padding: Literal["none", "zero"] = "none",
) -> object:
    if length == "one":
        table = table / table.norm(dim=-1, keepdim=True)
    elif length == "centred":
        table = table - table.mean(0)
    if order == "seq batch":
        ids = ids.T
    if take == "columns":
        return table[:, (ids - offset) % table.shape[1]]
    if take == "columns, the last for more":
        return table.T[(ids - offset).clamp(max=table.shape[1] - 1)]
    if take == "numbers":
        return table.flatten()[ids - offset]
    if take in ("first text", "last text"):
        ids = ids[:1] if take == "first text" else ids[-1:]
    if take == "one-hot":
        return torch.nn.functional.one_hot(ids, len(table)).to(table.dtype)
    if take == "flat":
        ids = ids.flatten()
    if take == "places":
        ids = torch.arange(ids.shape[1]).expand_as(ids) % len(table)
    vectors = table[ids - offset] * (table.shape[1] ** 0.5 if scale == "root" else scale)
    if padding == "zero":
        vectors = vectors * (ids != 0)[..., None]
    return {"none": vectors, "sum": vectors.sum(dim=-2), "mean": vectors.mean(dim=-2), "last": vectors[..., -1, :]}[
        pool
    ]


def faulty_cosine(
    x: Tensor,
    y: Tensor,
    divide: Literal["both", "nothing", "left", "right"] = "both",
    power: float = 1,
    norm: float = 2,
    zero: Literal["0", "nan", "added", "added a little", "1", "at least 1", "at least 0.1"] = "0",
    order: Literal["left right", "right left"] = "left right",
    axis: int = -1,
    each: Literal["row", "matrix", "with its own", "sum"] = "row",
    centre: Literal["no", "yes"] = "no",
    give: Literal["cosine", "angle", "degrees", "distance", "size", "square", "sine", "share"] = "cosine",
    power_y: int = 1,
) -> object:
    def scaled(t: Tensor, power: float) -> Tensor:
        if centre == "yes":
            t = t - t.mean(dim=-1, keepdim=True)
        lengths = torch.linalg.vector_norm(t, ord=norm, dim=(0, 1) if each == "matrix" else axis, keepdim=True) ** power
        if zero in ("at least 1", "at least 0.1"):
            return t / lengths.clamp(min=float(zero.split()[-1]))
        small = {"added": 1e-3, "added a little": 1e-6}.get(zero, 0.0)
        return t / (lengths + small if zero in ("nan", "1", "added", "added a little") else lengths.clamp(min=1e-12))

    if each == "sum":
        return x @ y.T / (x.norm(dim=1)[:, None] + y.norm(dim=1)).clamp(min=1e-12)
    x = scaled(x, power) if divide in ("both", "left") else x
    y = scaled(y, power * power_y) if divide in ("both", "right") else y
    cosines = x @ y.T if order == "left right" else y @ x.T
    if each == "with its own":
        return torch.nn.functional.cosine_similarity(x, y, dim=-1)
    if zero == "1":
        cosines = cosines.nan_to_num(nan=1.0)
    match give:
        case "cosine":
            return cosines
        case "angle":
            return cosines.clamp(-1, 1).acos()
        case "degrees":
            return cosines.clamp(-1, 1).acos().rad2deg()
        case "distance":
            return 1 - cosines
        case "size":
            return cosines.abs()
        case "share":
            return (cosines + 1) / 2
        case "square":
            return cosines.square()
        case "sine":
            return (1 - cosines.square()).clamp(min=0).sqrt()


def faulty_nearest(
    query: Tensor,
    table: Tensor,
    k: int,
    by: Literal["cosine", "dot", "query", "table", "distance", "squared distance", "manhattan"] = "cosine",
    best: Literal["largest", "smallest", "largest, rising", "largest, by id"] = "largest",
    sign: Literal["kept", "ignored", "negative ones left out"] = "kept",
    give: Literal["both", "values first", "places", "rows", "ids", "values"] = "both",
    show: Literal["the measure", "cosines", "positive", "dots", "complement", "table's order", "all"] = "the measure",
    axis: int = -1,
    skip: int = 0,
    zero: Literal["0", "nan"] = "0",
    bound: Literal["min", "none"] = "min",
) -> object:
    lengths = table.norm(dim=axis, keepdim=True)
    lengths = lengths if zero == "nan" else lengths.clamp(min=1e-12)
    rows, dots = table / lengths, table @ query
    cosines = rows @ query / query.norm()
    distances = (table - query).norm(dim=-1)
    similarity = {
        "cosine": cosines,
        "dot": dots,
        "table": rows @ query,
        "distance": -distances,
        "query": dots / query.norm(),
        "squared distance": -(distances**2),
        "manhattan": -(table - query).abs().sum(-1),
    }[by]
    if sign == "ignored":
        similarity = similarity.abs()
    elif sign == "negative ones left out":
        similarity = similarity[similarity > 0]
    wanted = k if bound == "none" else min(k + skip, len(similarity))
    ids = similarity.topk(wanted, largest=best != "smallest").indices[skip:]
    if best == "largest, by id":
        ids = similarity.topk(wanted).indices.sort().values
    if best == "largest, rising":
        ids = similarity.topk(wanted).indices.flip(0)
    shown = {
        "the measure": similarity[ids],
        "cosines": cosines[ids],
        "dots": dots[ids],
        "table's order": similarity[: len(ids)],
        "all": similarity,
        "positive": -similarity[ids],
        "complement": 1 - similarity[ids],
    }[show]
    if give == "places":
        ids = torch.arange(len(ids))
    return {
        "both": (ids, shown),
        "places": (ids, shown),
        "values first": (shown, ids),
        "rows": (table[ids], shown),
        "ids": ids,
        "values": shown,
    }[give]


FORMULAS = {
    "b - a + c": (-1, 1, 1),
    "a - b + c": (1, -1, 1),
    "a + b - c": (1, 1, -1),
    "a + b + c": (1, 1, 1),
    "b + c": (0, 1, 1),
    "b - a": (-1, 1, 0),
    "b - a - c": (-1, 1, -1),
    "c": (0, 0, 1),
    "b": (0, 1, 0),
}


def faulty_analogy(
    a: int,
    b: int,
    c: int,
    table: Tensor,
    k: int,
    formula: Literal[
        "b - a + c", "a - b + c", "a + b - c", "a + b + c", "b + c", "b - a", "c", "b", "b - a - c"
    ] = "b - a + c",
    exclude: Literal["abc", "none", "c", "ab", "a", "b", "ac", "bc"] = "abc",
    unit: Literal["before", "after"] = "before",
    by: Literal["cosine", "dot", "table", "distance", "step"] = "cosine",
    out: Literal[
        "-inf", "limited", "removed", "too late", "0", "0, kept", "kept", "-1, kept", "more", "best three"
    ] = "-inf",
    axis: int = -1,
    best: Literal["largest", "smallest"] = "largest",
) -> object:
    lengths = table.norm(dim=axis, keepdim=True)
    unit_rows = table / lengths
    rows = table if unit == "after" else unit_rows
    wanted: Any = sum(sign * rows[id] for sign, id in zip(FORMULAS[formula], (a, b, c)))
    match by:
        case "cosine":
            similarity = unit_rows @ wanted / wanted.norm()
        case "dot":
            similarity = table @ wanted
        case "table":
            similarity = unit_rows @ wanted
        case "distance":
            similarity = -(unit_rows - wanted).norm(dim=-1)
        case "step":
            similarity = torch.nn.functional.cosine_similarity(rows - rows[c], (rows[b] - rows[a])[None]).nan_to_num(-2)
    if best == "smallest":
        similarity = -similarity
    gone = sorted({id for name, id in zip("abc", (a, b, c)) if name in exclude})
    if out == "removed":
        others = torch.tensor([i for i in range(len(table)) if i not in gone])
        found = similarity[others].topk(min(k, len(others)))
        return found.indices, found.values
    if out == "best three":
        best_ids = similarity.argsort(descending=True)[3 : 3 + k]
        return best_ids, similarity[best_ids]
    if out == "too late":
        ids = [id for id in similarity.topk(min(k, len(table))).indices.tolist() if id not in gone]
        return torch.tensor(ids, dtype=torch.long), similarity[ids]
    similarity[gone] = 0.0 if out.startswith("0") else -1.0 if out == "-1, kept" else -math.inf
    if out == "more":
        k = k + 3
    left = len(table) - (0 if out.endswith("kept") else 3 if out == "limited" else len(gone))
    found = similarity.topk(min(k, left))
    return found.indices, -found.values if best == "smallest" else found.values


def faulty_sinusoidal(
    positions: Tensor,
    d_model: int,
    layout: Literal["alternate", "halves", "waves in halves"] = "alternate",
    exponent: Literal["2i", "i", "own", "4i", "whole", "both ends", "not divided"] = "2i",
    order: Literal["sin first", "cos first"] = "sin first",
    power: Literal["down", "up"] = "down",
    start: int = 0,
    base: float = 10_000.0,
    waves: Literal["both", "sin", "cos", "none", "inside"] = "both",
    unit: float = 1.0,
    reads: Literal["positions", "places"] = "positions",
    whole: Literal["no", "yes", "dtype too"] = "no",
) -> object:
    channel = torch.arange(d_model, dtype=torch.float32)
    pair = (channel // 2) if layout in ("alternate", "waves in halves") else channel % (d_model // 2)
    step = {
        "2i": 2 * pair / d_model,
        "i": pair / d_model,
        "own": (2 * pair + channel % 2) / d_model,
        "4i": 4 * pair / d_model,
        "whole": (2 * pair) // d_model,
        "both ends": pair / max(d_model // 2 - 1, 1),
        "not divided": 2 * pair,
    }[exponent]
    frequencies = base ** (-step if power == "down" else step)
    if reads == "places":
        positions = torch.arange(positions.shape[-1]).expand_as(positions)
    angles = (positions.float() + start)[..., None] * frequencies * unit
    first = channel % 2 == 0 if layout == "alternate" else channel < d_model // 2
    if waves == "inside":
        at = (positions.float() + start)[..., None] * unit
        return torch.where(first if order == "sin first" else ~first, at * frequencies.sin(), at * frequencies.cos())
    if waves == "none":
        return angles
    if waves != "both":
        return angles.sin() if waves == "sin" else angles.cos()
    both = torch.where(first if order == "sin first" else ~first, angles.sin(), angles.cos())
    return {"no": both, "yes": both.trunc(), "dtype too": both.long()}[whole]


MoveHow = (
    Literal["turned", "step by step", "number by number", "both signs", "sine alone", "sines added", "overwritten"]
    | Literal["overwritten, cosine first", "channels rolled", "rows rolled", "added", "added, less 0", "first hand"]
    | Literal["slowest hand", "slowest hand, single", "searched among 100", "searched among 1000"]
    | Literal["searched among 5000", "number added", "tangent", "cosine alone", "each alone"]
)


def faulty_move(
    vectors: Tensor,
    k: int,
    how: MoveHow = "turned",
    speed: Literal["own", "one", "half", "twice", "not divided", "rows"] = "own",
    pairs: Literal["neighbours", "halves"] = "neighbours",
    direction: Literal["on", "back"] = "on",
    steps: Literal["k", "one", "one more", "forwards", "squared", "not back"] = "k",
    length: Literal["kept"] = "kept",
) -> object:
    d_model = vectors.shape[-1]
    pair = torch.arange(d_model // 2, dtype=vectors.dtype)
    exponent = {
        "own": 2 * pair / d_model,
        "one": 0 * pair,
        "half": pair / d_model,
        "twice": 4 * pair / d_model,
        "not divided": 2 * pair,
        "rows": 2 * pair / len(vectors),
    }[speed]
    by = {"k": k, "one": 1, "squared": k * k, "one more": k + 1, "forwards": abs(k), "not back": max(k, 0)}[steps]
    angles = (by if direction == "on" else -by) * 10_000.0**-exponent
    sin, cos = vectors.chunk(2, dim=-1) if pairs == "halves" else (vectors[..., 0::2], vectors[..., 1::2])
    match how:
        case "number added":
            return vectors + k
        case "added" | "added, less 0":
            added = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)
            at_0 = vectors.new_tensor([0.0, 1.0]).repeat(d_model // 2)
            return vectors + added - (at_0 if how == "added, less 0" else 0)
        case "first hand":
            return _at(torch.atan2(vectors[..., 0], vectors[..., 1]) + by, d_model)
        case "slowest hand":
            turn = 10_000.0 ** -((d_model - 2) / d_model)
            return _at(torch.atan2(vectors[..., -2], vectors[..., -1]) / turn + by, d_model)
        case "slowest hand, single":  # the speeds are computed in float32
            speeds = 10_000 ** (-torch.arange(0, d_model, 2) / d_model)
            moved = (torch.atan2(vectors[..., -2], vectors[..., -1]) / speeds[-1] + by)[..., None] * speeds
            return torch.stack((moved.sin(), moved.cos()), dim=-1).flatten(-2)
        case "searched among 100" | "searched among 1000" | "searched among 5000":
            table = _at(torch.arange(float(how.split()[-1]), dtype=vectors.dtype), d_model)
            return _at((vectors @ table.T).argmax(-1).to(vectors.dtype) + by, d_model)
        case "rows rolled":
            return vectors.roll(-k, -2)
        case "channels rolled":
            return vectors.roll(k, -1)
        case "step by step":  # the angles of a step are computed in float32
            one = 1 / 10_000 ** (torch.arange(0, d_model, 2) / d_model)
            for _ in range(k):
                sin, cos = sin * one.cos() + cos * one.sin(), cos * one.cos() - sin * one.sin()
            return torch.stack((sin, cos), dim=-1).flatten(-2)
        case "turned":
            turned = (sin * angles.cos() + cos * angles.sin(), cos * angles.cos() - sin * angles.sin())
        case "tangent":
            turned = ((sin / cos).atan() + angles).sin(), ((sin / cos).atan() + angles).cos()
        case "sine alone":
            turned = ((sin.asin() + angles).sin(), (sin.asin() + angles).cos())
        case "cosine alone":
            turned = ((cos.acos() + angles).sin(), (cos.acos() + angles).cos())
        case "each alone":
            turned = ((sin.asin() + angles).sin(), (cos.acos() + angles).cos())
        case "number by number":
            turned = (sin * angles.sin(), cos * angles.cos())
        case "sines added":
            turned = (sin + angles.sin(), cos * angles.cos())
        case "overwritten":
            sin = sin * angles.cos() + cos * angles.sin()
            turned = (sin, cos * angles.cos() - sin * angles.sin())
        case "overwritten, cosine first":
            cos = cos * angles.cos() - sin * angles.sin()
            turned = (sin * angles.cos() + cos * angles.sin(), cos)
        case "both signs":
            turned = (sin * angles.cos() + cos * angles.sin(), cos * angles.cos() + sin * angles.sin())
    return torch.cat(turned, dim=-1) if pairs == "halves" else torch.stack(turned, dim=-1).flatten(-2)


def _at(positions: Tensor, d_model: int) -> Tensor:
    """Return the sinusoidal vectors for the positions, in the same dtype as the positions."""
    pair = torch.arange(d_model // 2, dtype=positions.dtype)
    angles = positions[..., None] * 10_000.0 ** (-2 * pair / d_model)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)

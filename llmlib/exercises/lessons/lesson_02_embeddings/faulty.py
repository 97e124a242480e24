"""The wrong ways through the exercises of lesson 02: each reference once more, with keywords for its faults."""

import math

import torch


def faulty_embed(
    ids, table, take="rows", offset=0, scale=1.0, length="kept", pool="none", order="batch seq", padding="none"
):
    if length == "one":
        table = table / table.norm(dim=-1, keepdim=True)
    elif length == "centred":
        table = table - table.mean(0)
    if order == "seq batch":
        ids = ids.T
    if take == "columns":
        return table[:, (ids - offset) % table.shape[1]]
    if take == "numbers":
        return table.flatten()[ids - offset]
    if take == "first text":
        ids = ids[:1]
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
    x,
    y,
    divide="both",
    power=1,
    norm=2,
    zero="0",
    order="left right",
    axis=-1,
    each="row",
    centre="no",
    give="cosine",
    power_y=1,
):
    def scaled(t, power):
        if centre == "yes":
            t = t - t.mean(dim=-1, keepdim=True)
        lengths = torch.linalg.vector_norm(t, ord=norm, dim=(0, 1) if each == "matrix" else axis, keepdim=True) ** power
        small = {"added": 1e-3, "added a little": 1e-6}.get(zero, 0.0)
        if zero in ("at least 1", "at least 0.1"):
            return t / lengths.clamp(min=float(zero.split()[-1]))
        return t / (lengths + small if zero in ("nan", "1", "added", "added a little") else lengths.clamp(min=1e-12))

    x = scaled(x, power) if divide in ("both", "left") else x
    y = scaled(y, power * power_y) if divide in ("both", "right") else y
    cosines = x @ y.T if order == "left right" else y @ x.T
    if each == "with its own":
        return torch.nn.functional.cosine_similarity(x, y, dim=-1)
    if zero == "1":
        cosines = cosines.nan_to_num(nan=1.0)
    return {
        "cosine": lambda: cosines,
        "angle": lambda: cosines.clamp(-1, 1).acos(),
        "degrees": lambda: cosines.clamp(-1, 1).acos().rad2deg(),
        "distance": lambda: 1 - cosines,
        "size": cosines.abs,
        "share": lambda: (cosines + 1) / 2,
        "square": cosines.square,
        "sine": lambda: (1 - cosines.square()).clamp(min=0).sqrt(),
    }[give]()


def faulty_nearest(
    query,
    table,
    k,
    by="cosine",
    best="largest",
    sign="kept",
    give="both",
    show="the measure",
    axis=-1,
    skip=0,
    zero="0",
    bound="min",
):
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
    ids = similarity.topk(wanted, largest=best == "largest").indices[skip:]
    if best == "largest, rising":
        ids = similarity.topk(wanted).indices.flip(0)
    shown = {
        "the measure": similarity[ids],
        "cosines": cosines[ids],
        "dots": dots[ids],
        "table's order": similarity[: len(ids)],
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
    a,
    b,
    c,
    table,
    k,
    formula="b - a + c",
    exclude="abc",
    unit="before",
    by="cosine",
    out="-inf",
    axis=-1,
    best="largest",
):
    lengths = table.norm(dim=axis, keepdim=True)
    unit_rows = table / lengths
    rows = table if unit == "after" else unit_rows
    wanted = sum(sign * rows[id] for sign, id in zip(FORMULAS[formula], (a, b, c)))
    similarity = {
        "cosine": lambda: unit_rows @ wanted / wanted.norm(),
        "dot": lambda: table @ wanted,
        "table": lambda: unit_rows @ wanted,
        "distance": lambda: -(unit_rows - wanted).norm(dim=-1),
        "step": lambda: torch.nn.functional.cosine_similarity(rows - rows[c], (rows[b] - rows[a])[None]).nan_to_num(-2),
    }[by]()
    if best == "smallest":
        similarity = -similarity
    gone = sorted(
        {"abc": {a, b, c}, "c": {c}, "none": set(), "ab": {a, b}, "a": {a}, "b": {b}, "ac": {a, c}, "bc": {b, c}}[
            exclude
        ]
    )
    if out == "removed":
        left = torch.tensor([i for i in range(len(table)) if i not in gone])
        found = similarity[left].topk(min(k, len(left)))
        return found.indices, found.values
    if out == "best three":
        ids = similarity.argsort(descending=True)[3 : 3 + k]
        return ids, similarity[ids]
    if out == "too late":
        ids = [id for id in similarity.topk(min(k, len(table))).indices.tolist() if id not in gone]
        return torch.tensor(ids, dtype=torch.long), similarity[ids]
    similarity[gone] = 0.0 if out.startswith("0") else -math.inf
    if out == "more":
        k = k + 3
    left = len(table) - (0 if out.endswith("kept") else 3 if out == "limited" else len(gone))
    found = similarity.topk(min(k, left))
    return found.indices, -found.values if best == "smallest" else found.values


def faulty_sinusoidal(
    positions,
    d_model,
    layout="alternate",
    exponent="2i",
    order="sin first",
    power="down",
    start=0,
    base=10_000.0,
    waves="both",
    unit=1.0,
    reads="positions",
    whole="no",
):
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
    if waves != "both":
        return angles.sin() if waves == "sin" else angles.cos()
    waves = torch.where(first if order == "sin first" else ~first, angles.sin(), angles.cos())
    return {"no": waves, "yes": waves.trunc(), "dtype too": waves.long()}[whole]


def faulty_move(vectors, k, how="turned", speed="own", pairs="neighbours", direction="on", steps="k", length="kept"):
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
    steps = {"k": k, "one": 1, "squared": k * k, "one more": k + 1, "forwards": abs(k), "not back": max(k, 0)}[steps]
    angles = (steps if direction == "on" else -steps) * 10_000.0**-exponent
    if how.startswith("added"):
        added = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)
        return vectors + added - (vectors.new_tensor([0.0, 1.0]).repeat(d_model // 2) if how == "added, less 0" else 0)
    if how in ("first hand", "slowest hand", "slowest hand, single"):
        hand = vectors[..., :2] if how == "first hand" else vectors[..., -2:]
        speed = 10_000.0 ** -(0.0 if how == "first hand" else (d_model - 2) / d_model)
        if how.endswith("single"):
            speeds = 10_000 ** (-torch.arange(0, d_model, 2) / d_model)
            angles = (torch.atan2(hand[..., 0], hand[..., 1]) / speeds[-1] + steps)[..., None] * speeds
            return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)
        return _at(torch.atan2(hand[..., 0], hand[..., 1]) / speed + steps, d_model)
    if how.startswith("searched"):
        table = _at(torch.arange(float(how.split()[-1]), dtype=vectors.dtype), d_model)
        return _at((vectors @ table.T).argmax(-1).to(vectors.dtype) + steps, d_model)
    if how == "rows rolled":
        return vectors.roll(-k, -2)
    if how == "channels rolled":
        return vectors.roll(k, -1)
    halves = vectors.chunk(2, dim=-1) if pairs == "halves" else (vectors[..., 0::2], vectors[..., 1::2])
    sin, cos = halves
    if how == "step by step":  # by angles in float32
        one = 1 / 10_000 ** (torch.arange(0, d_model, 2) / d_model)
        for _ in range(k):
            sin, cos = sin * one.cos() + cos * one.sin(), cos * one.cos() - sin * one.sin()
        return torch.stack((sin, cos), dim=-1).flatten(-2)
    turned = {
        "turned": lambda: (sin * angles.cos() + cos * angles.sin(), cos * angles.cos() - sin * angles.sin()),
        "sine alone": lambda: ((sin.asin() + angles).sin(), (sin.asin() + angles).cos()),
        "number by number": lambda: (sin * angles.sin(), cos * angles.cos()),
        "sines added": lambda: (sin + angles.sin(), cos * angles.cos()),
        "overwritten": lambda: (
            new := sin * angles.cos() + cos * angles.sin(),
            cos * angles.cos() - new * angles.sin(),
        ),
        "overwritten, cosine first": lambda: (
            sin * angles.cos() + (new := cos * angles.cos() - sin * angles.sin()) * angles.sin(),
            new,
        ),
        "both signs": lambda: (sin * angles.cos() + cos * angles.sin(), cos * angles.cos() + sin * angles.sin()),
    }[how]()
    return torch.cat(turned, dim=-1) if pairs == "halves" else torch.stack(turned, dim=-1).flatten(-2)


def _at(positions, d_model):
    """The sinusoidal vectors of positions, in the precision of these."""
    pair = torch.arange(d_model // 2, dtype=positions.dtype)
    angles = positions[..., None] * 10_000.0 ** (-2 * pair / d_model)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)

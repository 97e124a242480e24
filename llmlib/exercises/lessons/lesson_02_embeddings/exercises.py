"""Exercises of lesson 02: looking vectors up, comparing them, and where positions come from."""

import math
from pathlib import Path

import torch

from llmlib import embeddings
from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import batch_permuted, gradients_flow, randn

TEXTS = texts_of(Path(__file__).parent)


# --- embeddings.lookup ---


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


def cases_embed(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(batch, seq, vocab, d_model, note=""):
        ids = torch.randint(0, vocab, (batch, seq), generator=generator)
        return Case((ids, randn(seed + seq, vocab, d_model)), note)

    return [
        Case((torch.tensor([[2, 0]]), torch.tensor([[1.0, 1.5], [2.0, 2.5], [3.0, 3.5]]))),
        case(2, 3, 5, 4),
        case(1, 1, 5, 3, "a single token"),
        Case((torch.tensor([[1, 1, 1]]), randn(seed, 4, 2)), "one token three times"),
        case(2, 4, 7, 3),
        case(3, 5, 11, 8),
    ]


LOOKUP = Exercise(
    **TEXTS["lookup"],
    reference=embeddings.embed,
    cases=cases_embed,
    faulty=faulty_embed,
    axes=("batch", "seq", "d_model"),
    probes=(batch_permuted(0), gradients_flow(("table",), 1)),
)


# --- embeddings.cosine_similarity ---


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
        return t / (lengths + small if zero in ("nan", "1", "added", "added a little") else lengths.clamp(min=1e-12))

    x = scaled(x, power) if divide in ("both", "left") else x
    y = scaled(y, power * power_y) if divide in ("both", "right") else y
    cosines = x @ y.T if order == "left right" else y @ x.T
    if each == "with its own":
        return torch.nn.functional.cosine_similarity(x, y, dim=-1)
    if zero == "1":
        cosines = cosines.nan_to_num(nan=1.0)
    return {
        "cosine": lambda: cosines, "angle": lambda: cosines.clamp(-1, 1).acos(), "degrees": lambda: cosines.clamp(-1, 1).acos().rad2deg(),
        "distance": lambda: 1 - cosines, "size": cosines.abs, "share": lambda: (cosines + 1) / 2, "square": cosines.square,
    }[give]()  # fmt: skip


def cases_cosine(seed):
    return [
        Case((torch.tensor([[3.0, 4.0]]), torch.tensor([[6.0, 8.0], [-4.0, 3.0]]))),
        Case((randn(seed, 1, 1), randn(seed + 1, 1, 1)), "vectors of one number"),
        Case((randn(seed, 2, 3), randn(seed + 1, 4, 3))),
        Case((randn(seed, 3, 5) * 100, randn(seed + 1, 2, 5) / 100), "long and short vectors"),
        Case((torch.cat((torch.zeros(1, 3), randn(seed + 3, 2, 3))), randn(seed, 2, 3)), "a vector of zeros"),
        Case(
            (randn(seed, 2, 3), torch.cat((randn(seed + 3, 2, 3), torch.zeros(1, 3)))),
            "a vector of zeros on the other side",
        ),
        Case((randn(seed, 3, 4) / 100, randn(seed + 1, 2, 4) / 1000), "short vectors"),
        Case((randn(seed, 5, 8), randn(seed + 2, 6, 8))),
    ]


def between_minus_one_and_one(call, case):
    largest = call(*case.args).abs().max().item()
    if largest > 1 + 1e-3:
        return f"A cosine lies between −1 and 1; your largest is {largest:.4g} in size."
    return None


def deaf_to_length(call, case):
    x, y = case.args
    if not equal(call(x, y), call(3 * x, y)):
        return "With x three times as long, your result changes; the angles have not."
    return None


COSINE = Exercise(
    **TEXTS["cosine_similarity"],
    reference=embeddings.cosine_similarity,
    cases=cases_cosine,
    faulty=faulty_cosine,
    axes=("left", "right"),
    probes=(
        Probe("A cosine lies between −1 and 1.", between_minus_one_and_one),
        Probe("The cosine knows of directions, not of lengths.", deaf_to_length),
        gradients_flow(("x", "y"), 0, 1),
    ),
)


# --- embeddings.nearest ---


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
        "cosine": cosines, "dot": dots, "table": rows @ query, "distance": -distances, "query": dots / query.norm(),
        "squared distance": -(distances**2), "manhattan": -(table - query).abs().sum(-1),
    }[by]  # fmt: skip
    if sign == "ignored":
        similarity = similarity.abs()
    elif sign == "negative ones left out":
        similarity = similarity[similarity > 0]
    wanted = k if bound == "none" else min(k + skip, len(similarity))
    ids = similarity.topk(wanted, largest=best == "largest").indices[skip:]
    if best == "largest, rising":
        ids = similarity.topk(wanted).indices.flip(0)
    shown = {
        "the measure": similarity[ids], "cosines": cosines[ids], "dots": dots[ids], "positive": -similarity[ids],
        "complement": 1 - similarity[ids],
    }[show]  # fmt: skip
    if give == "places":
        ids = torch.arange(len(ids))
    return {
        "both": (ids, shown), "places": (ids, shown), "values first": (shown, ids), "rows": (table[ids], shown), "ids": ids,
        "values": shown,
    }[give]  # fmt: skip


def cases_nearest(seed):
    table = torch.tensor([[1.0, 0.0], [0.0, 1.0], [9.0, 9.0], [-1.0, -0.2]])
    lengths = torch.linspace(0.3, 4.0, 12)[:, None]
    return [
        Case((torch.tensor([1.0, 0.1]), table, 2)),
        Case((randn(seed, 3), randn(seed + 1, 1, 3), 1), "a table of one row"),
        Case((randn(seed, 3), randn(seed + 1, 5, 3), 9), "more neighbours wanted than there are rows"),
        Case((randn(seed, 4) * 3, randn(seed + 1, 12, 4) * lengths, 5), "rows of very different lengths"),
        Case((randn(seed, 4) * 2, randn(seed + 2, 12, 4) * lengths.flip(0), 12), "all rows, in order"),
        Case((randn(seed, 8), randn(seed + 1, 40, 8), 6)),
        Case((randn(seed, 3), torch.cat((randn(seed + 1, 5, 3), torch.zeros(1, 3))), 3), "a row of zeros in the table"),
    ]


def the_query_finds_itself(call, case):
    _, table, k = case.args
    row = len(table) - 1
    if not table[row].any():
        return None
    found = int(call(table[row], table, k)[0][0])
    return None if found == row else f"Asked for the neighbours of row {row} itself, you put row {found} first."


NEAREST = Exercise(
    **TEXTS["nearest"],
    reference=embeddings.nearest,
    helpers=(embeddings.cosine_similarity,),
    cases=cases_nearest,
    faulty=faulty_nearest,
    arguments=("query", "table", "k"),
    probes=(Probe("The nearest row to a row is this row.", the_query_finds_itself),),
)


# --- embeddings.analogy ---


FORMULAS = {
    "b - a + c": (-1, 1, 1), "a - b + c": (1, -1, 1), "a + b - c": (1, 1, -1), "a + b + c": (1, 1, 1), "b + c": (0, 1, 1),
    "b - a": (-1, 1, 0), "b - a - c": (-1, 1, -1), "c": (0, 0, 1), "b": (0, 1, 0),
}  # fmt: skip


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
        "cosine": lambda: unit_rows @ wanted / wanted.norm(), "dot": lambda: table @ wanted, "table": lambda: unit_rows @ wanted,
        "distance": lambda: -(unit_rows - wanted).norm(dim=-1),
        "step": lambda: torch.nn.functional.cosine_similarity(rows - rows[c], (rows[b] - rows[a])[None]).nan_to_num(-2),
    }[by]()  # fmt: skip
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
    if out == "too late":
        ids = [id for id in similarity.topk(min(k, len(table))).indices.tolist() if id not in gone]
        return torch.tensor(ids, dtype=torch.long), similarity[ids]
    similarity[gone] = 0.0 if out.startswith("0") else -math.inf
    left = len(table) - (0 if out.endswith("kept") else 3 if out == "limited" else len(gone))
    found = similarity.topk(min(k, left))
    return found.indices, -found.values if best == "smallest" else found.values


def cases_analogy(seed):
    table = torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [-0.4, 0.9], [0.1, -1.0]])
    lengths = torch.linspace(0.4, 3.0, 15)[:, None]

    def case(n, d_model, k, note="", scale=1.0):
        a, b, c = torch.randperm(n, generator=torch.Generator().manual_seed(seed + n))[:3].tolist()
        return Case((a, b, c, randn(seed + d_model, n, d_model) * scale, k), note)

    return [
        Case((0, 1, 2, table, 1)),
        case(6, 3, 3, "all other rows, in order"),
        case(5, 4, 4, "more wanted than there are other rows"),
        case(15, 4, 5, "rows of very different lengths", lengths),
        case(15, 6, 12, "rows of very different lengths", lengths.flip(0)),
        case(30, 8, 4),
    ]


ANALOGY = Exercise(
    **TEXTS["analogy"],
    reference=embeddings.analogy,
    helpers=(embeddings.nearest,),
    cases=cases_analogy,
    faulty=faulty_analogy,
    arguments=("a", "b", "c", "table", "k"),
)


# --- embeddings.sinusoidal ---


def faulty_sinusoidal(
    positions, d_model, layout="alternate", exponent="2i", order="sin first", power="down", start=0, base=10_000.0, waves="both",
    unit=1.0, reads="positions", whole="no",
):  # fmt: skip
    channel = torch.arange(d_model, dtype=torch.float32)
    pair = (channel // 2) if layout == "alternate" else channel % (d_model // 2)
    step = {
        "2i": 2 * pair / d_model, "i": pair / d_model, "own": (2 * pair + channel % 2) / d_model, "4i": 4 * pair / d_model,
        "whole": (2 * pair) // d_model, "both ends": pair / max(d_model // 2 - 1, 1), "not divided": 2 * pair,
    }[exponent]  # fmt: skip
    frequencies = base ** (-step if power == "down" else step)
    if reads == "places":
        positions = torch.arange(positions.shape[-1]).expand_as(positions)
    angles = (positions.float() + start)[..., None] * frequencies * unit
    first = channel % 2 == 0 if layout == "alternate" else channel < d_model // 2
    if waves != "both":
        return angles.sin() if waves == "sin" else angles.cos()
    waves = torch.where(first if order == "sin first" else ~first, angles.sin(), angles.cos())
    return {"no": waves, "yes": waves.trunc(), "dtype too": waves.long()}[whole]


def cases_sinusoidal(seed):
    generator = torch.Generator().manual_seed(seed)
    return [
        Case((torch.arange(2), 4)),
        Case((torch.tensor([0]), 2), "position 0, one pair"),
        Case((torch.tensor([7]), 6), "a single position"),
        Case((torch.arange(9), 8)),
        Case((torch.randint(0, 40, (5,), generator=generator), 6), "positions in any order"),
        Case((torch.randint(0, 40, (2, 3), generator=generator), 12), "two texts with positions of their own"),
    ]


def on_circles(call, case):
    squares = call(*case.args) ** 2
    d_model = case.args[1]
    if squares.shape[-1] == d_model and abs(squares.sum(-1).max().item() - d_model / 2) > 1e-2:
        return f"The squares of a row should sum to {d_model / 2:g}; yours sum to {squares.sum(-1).max().item():.4g}."
    return None


SINUSOIDAL = Exercise(
    **TEXTS["sinusoidal"],
    reference=embeddings.sinusoidal_positions,
    helpers=(embeddings.rotary_frequencies,),
    cases=cases_sinusoidal,
    faulty=faulty_sinusoidal,
    axes=("seq", "d_model"),
    probes=(Probe("Each pair of sine and cosine lies on a circle, sin² + cos² = 1.", on_circles),),
)


# --- embeddings.rotate ---


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
    elif angles == "of neighbours":
        cos, sin = (t[..., : t.shape[-1] // 2].repeat_interleave(2, -1) for t in (cos, sin))
    size = x.shape[-1] // 2
    if mix == "added":
        halves = torch.cat((cos[..., :size], sin[..., :size]), dim=-1).expand_as(x)
        return {"all": x + cos + sin, "first half": x + cos, "first": x + halves}[part]
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


def cases_rotate(seed):
    def case(batch, head, seq, d_head, note="", start=0, apart=0):
        positions = torch.arange(start, start + seq)[None] + apart * torch.arange(batch if apart else 1)[:, None]
        cos, sin = embeddings.rotary_cos_sin(positions, embeddings.rotary_frequencies(d_head))
        return Case((randn(seed + seq, batch, head, seq, d_head), cos[:, None], sin[:, None]), note)

    quarter = torch.tensor([[[[0.0, 0.0]]]]), torch.tensor([[[[1.0, 1.0]]]])
    return [
        Case((torch.tensor([[[[2.0, 1.0]]]]), *quarter), "a quarter turn"),
        case(1, 1, 1, 4, "position 0: nothing turns"),
        case(1, 1, 1, 4, "one token at position 3", start=3),
        case(1, 2, 3, 6),
        case(2, 3, 5, 8),
        case(2, 3, 4, 6, "two texts, each with positions of its own", apart=7),
    ]


def lengths_kept(call, case):
    x = case.args[0]
    before, after = x.norm(dim=-1), call(*case.args).norm(dim=-1)
    if equal(before, after):
        return None
    worst = tuple(torch.unravel_index((before - after).abs().argmax(), before.shape))
    return f"A vector of length {before[worst].item():.4g} has length {after[worst].item():.4g} after your rotation."


ROTATE = Exercise(
    **TEXTS["rotate"],
    reference=embeddings.rotate,
    cases=cases_rotate,
    faulty=faulty_rotate,
    axes=("batch", "head", "seq", "d_head"),
    probes=(
        Probe("A rotation keeps the length of every vector.", lengths_kept),
        gradients_flow(("x",), 0),
    ),
)

EXERCISES = (LOOKUP, COSINE, NEAREST, ANALOGY, SINUSOIDAL, ROTATE)

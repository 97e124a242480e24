"""Wrong solutions to the exercises in lesson 05.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from functools import lru_cache, partial
from typing import Any, Literal

import torch
from torch import Tensor

from llmlib.embeddings import rotary_cos_sin, rotary_frequencies
from llmlib.exercises.lessons.lesson_03_attention.faulty_module import faulty_multi_head
from llmlib.exercises.lessons.lesson_05_transformer.faulty_mlp import faulty_swiglu
from llmlib.layers import rms_norm

RmsNormEpsAt = Literal["inside", "none", "outside", "floor", "floor of the root", "squared", "own", "own, smaller"]
RmsNormScale = Literal["weight", "none", "added", "one more", "weight first", "divided", "multiplied", "norm alone"]


def faulty_rms_norm(
    x: Tensor,
    weight: Tensor,
    eps: float,
    centre: bool = False,
    size: Literal["rms", "length", "spread", "absolute", "mean", "largest", "mean square"] = "rms",
    axis: Literal["width", "all", "of a text", "first vector", "positions"] = "width",
    eps_at: RmsNormEpsAt = "inside",
    scale: RmsNormScale = "weight",
) -> object:
    if scale == "weight first":
        x = x * weight
    if centre:
        x = x - x.mean(-1, keepdim=True)
    dims: tuple[int, ...] = (-1,)
    if axis == "all":
        dims = tuple(range(x.ndim))
    elif axis == "positions" and x.ndim > 1:
        dims = (-2,)
    elif axis == "of a text" and x.ndim > 1:
        dims = tuple(range(1, x.ndim))
    match size:
        case "rms":
            squares = x.pow(2).mean(dims, keepdim=True)
        case "length":
            squares = x.pow(2).sum(dims, keepdim=True)
        case "spread":
            squares = (x - x.mean(dims, keepdim=True)).pow(2).mean(dims, keepdim=True)
        case "mean":
            squares = x.mean(dims, keepdim=True).pow(2)
        case "absolute":
            squares = x.abs().mean(dims, keepdim=True).pow(2)
        case "largest":
            squares = x.abs().amax(dims, keepdim=True).pow(2)
        case "mean square":
            squares = x.pow(2).mean(dims, keepdim=True).pow(2)
    match eps_at:
        case "inside":
            divisor = (squares + eps).sqrt()
        case "outside":
            divisor = squares.sqrt() + eps
        case "none":
            divisor = squares.sqrt()
        case "floor":
            divisor = squares.clamp(min=eps).sqrt()
        case "floor of the root":
            divisor = squares.sqrt().clamp(min=eps)
        case "squared":
            divisor = (squares + eps**2).sqrt()
        case "own":
            divisor = (squares + 1e-5).sqrt()
        case "own, smaller":
            divisor = (squares + 1e-6).sqrt()
    if axis == "first vector":
        divisor = divisor.flatten()[0]
    if size == "mean square":
        divisor = divisor if eps_at == "none" else squares.sqrt() + eps
    normed = x * divisor if scale == "multiplied" else x / divisor
    match scale:
        case "weight":
            return normed * weight
        case "none":
            return normed
        case "added":
            return normed + weight
        case "one more":
            return normed * (1 + weight)
        case "divided":
            return normed / weight
        case "weight first":
            return normed
        case "multiplied":
            return normed * weight
        case "norm alone":
            return weight / divisor


BlockNorms = Literal["before", "after", "on the stream", "of the output", "none", "second only", "first only"]


def faulty_block(
    block: Any,
    residual: Tensor,
    norms: BlockNorms = "before",
    order: Literal["attention first", "MLP first"] = "attention first",
    first: Literal["added", "beside its norm", "replaced"] = "added",
    second: Literal["added", "beside its norm", "replaced", "factor", "product"] = "added",
    reads: Literal["updated", "input", "attention's output"] = "updated",
    which: Literal["own", "first twice", "second twice", "exchanged"] = "own",
    second_to: Literal["updated", "input", "attention's output"] = "updated",
    parts: Literal["both", "attention", "attention twice", "MLP"] = "both",
) -> object:
    attention, mlp, one, two = block.attention, block.mlp, block.attention_norm, block.mlp_norm
    if which == "first twice":
        two = one
    elif which == "second twice":
        one = two
    elif which == "exchanged":
        one, two = two, one
    if order == "MLP first":
        attention, mlp, one, two = mlp, attention, two, one
    if norms == "after":
        residual = one(residual + attention(residual))
        return two(residual + mlp(residual))
    if norms == "on the stream":
        residual = one(residual)
        residual = residual + attention(residual)
        residual = two(residual)
        return residual + mlp(residual)
    if norms == "of the output":
        residual = residual + one(attention(residual))
        return residual + two(mlp(residual))
    no_first, no_second = norms in ("none", "second only"), norms in ("none", "first only")
    if parts == "attention twice":
        mlp = attention
    start = residual
    said = torch.zeros_like(residual) if parts == "MLP" else attention(residual if no_first else one(residual))
    residual = said if first == "replaced" else residual + said
    if first == "beside its norm":  # the normalised stream is added as well
        residual = residual + one(start)
    if parts == "attention":
        return residual
    read = start if reads == "input" else said if reads == "attention's output" else residual
    said_too = mlp(read if no_second else two(read))
    kept = {"updated": residual, "input": start, "attention's output": said}[second_to]
    if second == "beside its norm":
        return kept + two(read) + said_too
    if second in ("product", "factor"):
        return kept * (said_too + (second == "factor"))
    return said_too if second == "replaced" else kept + said_too


LogitsNorms = Literal["before", "none", "not before attention", "not before mlp", "after", "on the stream"]


LogitsBlocks = Literal[
    "each", "none", "first", "first again", "first missing", "last missing", "reversed", "alphabetical"
]


def faulty_logits(
    ids: Tensor,
    weights: Any,
    config: Any,
    blocks: LogitsBlocks = "each",
    norms: LogitsNorms = "before",
    which: Literal["own", "exchanged", "up for gate", "first twice"] = "own",
    attends: Literal["yes", "none"] = "yes",
    mlp: Literal["after attention", "beside attention", "none"] = "after attention",
    adds: Literal["added", "replaced", "attention replaces", "MLP replaces"] = "added",
    theta: Literal["config", "default", "nowhere"] = "config",
    embedding: Literal["row", "scaled"] = "row",
    final: Literal["norm", "none", "unweighted", "each block"] = "norm",
    give: Literal["logits", "probabilities", "last", "best", "vectors"] = "logits",
    own_eps: float | None = None,
    heads: Literal["n_heads", "d_head"] = "n_heads",
    turned: Literal["d_head", "n_heads"] = "d_head",
    order: Literal["attention first", "MLP first", "all attentions first"] = "attention first",
    stale: Literal["nothing", "attention reads", "mlp reads", "attention adds", "mlp adds"] = "nothing",
) -> object:
    c, length = config, ids.shape[1]
    eps = c.norm_eps if own_eps is None else own_eps
    frequencies = rotary_frequencies(getattr(c, turned), 10_000.0 if theta == "default" else c.rope_theta)
    positions = torch.zeros(length) if theta == "nowhere" else torch.arange(length)
    cos, sin = (part[None, None] for part in rotary_cos_sin(positions, frequencies))
    residual = weights["embed.weight"][ids] * (c.d_model**0.5 if embedding == "scaled" else 1)
    chosen = {"each": list(range(c.n_layers)), "reversed": list(range(c.n_layers))[::-1], "first": [0]}
    chosen |= {"first again": [0] * c.n_layers, "last missing": list(range(c.n_layers - 1)), "none": []}
    chosen["first missing"] = list(range(1, c.n_layers))
    chosen["alphabetical"] = sorted(range(c.n_layers), key=str)
    parts = ("mlp", "attention") if order == "MLP first" else ("attention", "mlp")
    steps = [(n, part) for n in chosen[blocks] for part in parts]
    if order == "all attentions first":
        steps = [(n, part) for part in parts for n in chosen[blocks]]
    embedded = start = residual
    for n, part in steps:
        block = {name.removeprefix(f"blocks.{n}."): weight for name, weight in weights.items()}
        own = {"exchanged": parts[1 - parts.index(part)], "first twice": "attention"}.get(which, part)
        normalised = partial(rms_norm, weight=block[f"{own}_norm.weight"], eps=eps)
        norm = torch.clone if norms in ("none", f"not before {part}") else normalised
        start = residual if part == parts[0] else start
        if part == "mlp" and mlp == "none":
            continue
        if norms == "on the stream":
            residual = norm(residual)
        read = start if part == "mlp" and mlp == "beside attention" else residual
        read = embedded if stale == f"{part} reads" else read
        x = read if norms in ("after", "on the stream") else norm(read)
        if part == "attention":
            q, k, v, out = (block[f"attention.{name}.weight"] for name in ("query", "key", "value", "output"))
            attended = faulty_multi_head(x, q, k, v, out, getattr(c, heads), cos, sin)
            said = attended if attends == "yes" else torch.zeros_like(x)
        else:
            gate, up, down = (block[f"mlp.{name}.weight"] for name in ("gate", "up", "down"))
            said = faulty_swiglu(x, up, gate, down) if which == "up for gate" else faulty_swiglu(x, gate, up, down)
        replaces = adds in ("replaced", "attention replaces" if part == "attention" else "MLP replaces")
        residual = said if replaces else (embedded if stale == f"{part} adds" else residual) + said
        if norms == "after":
            residual = norm(residual)
        if final == "each block" and part == parts[-1]:
            residual = rms_norm(residual, weights["final_norm.weight"], eps)
    if final == "norm":
        residual = rms_norm(residual, weights["final_norm.weight"], eps)
    elif final == "unweighted":
        residual = rms_norm(residual, None, eps)
    if give == "vectors":
        return residual
    logits = residual @ weights["embed.weight"].T
    match give:
        case "logits":
            return logits
        case "probabilities":
            return logits.softmax(-1)
        case "last":
            return logits[:, -1]
        case "best":
            return logits.argmax(-1)


CountLayers = (
    Literal["blocks", "one", "once but attention", "once but norms", "one more", "one less", "table too"]
    | Literal["table in the bracket"]
)


def faulty_count(
    vocab_size: int,
    d_model: int,
    n_layers: int,
    n_heads: int,
    n_kv_heads: int,
    d_mlp: int,
    kv: Literal[
        "shared", "as queries", "one head", "heads only", "width", "n_heads", "one of two", "square", "keys alone"
    ] = "shared",
    matrices: int = 3,
    tables: int = 1,
    norms: int = 2,
    final: int = 1,
    output: Literal["narrow", "each head"] | int = 1,
    queries: Literal["each head"] | int = 1,
    biases: Literal["none", "all"] = "none",
    layers: CountLayers = "blocks",
    wide: Literal["d_mlp", "four times"] = "d_mlp",
    a_norm: int = 1,
    a_norm_is: Literal["d_model", "one", "head"] = "d_model",
    positions: int = 0,
) -> object:
    d_head = d_model // n_heads
    d_kv = {
        "shared": d_head * n_kv_heads,
        "as queries": d_model,
        "one head": d_head,
        "heads only": n_kv_heads,
        "width": d_model * n_kv_heads,
        "n_heads": d_head * n_heads // n_kv_heads,
    }.get(kv, d_head * n_kv_heads)
    per_head = n_heads if queries == "each head" else queries
    both = 1 if kv == "one of two" else 2
    both, output = (3, 0) if output == "narrow" else (both, n_heads if output == "each head" else output)
    attention = (output + per_head) * d_model * d_model + both * (d_kv if kv == "square" else d_model) * d_kv
    width = 4 * d_model if wide == "four times" else d_mlp
    mlp = matrices * d_model * width
    if kv == "keys alone":
        attention += d_model * (d_model - d_kv)
    if biases == "all":
        attention += 2 * d_model + 2 * d_kv
        mlp += 2 * width + d_model
    norm = {"one": 1, "head": d_head, "d_model": d_model}[a_norm_is]
    a_block = attention + mlp + norms * a_norm * norm
    n = {"one": 1, "one more": n_layers + 1, "one less": n_layers - 1}.get(layers, n_layers)
    if layers.startswith("once"):  # as if a bracket were missing or closed too early
        each = attention if layers == "once but attention" else a_block - norms * a_norm * norm
        return tables * vocab_size * d_model + (n_layers - 1) * each + a_block + final * a_norm * norm
    if layers == "table in the bracket":
        return n_layers * (tables * vocab_size * d_model + a_block) + final * a_norm * norm
    if layers == "table too":
        return n_layers * (tables * vocab_size * d_model + a_block)
    return tables * vocab_size * d_model + n * a_block + final * a_norm * norm


AfterLayerWhat = (
    Literal["residual", "last", "written", "mean", "sum", "middle", "skipped", "counted from the end"]
    | Literal["no positions", "MLPs alone", "attention alone"]
)


def faulty_after_layer(
    model: Any,
    ids: Tensor,
    layer: int,
    norm: Literal["final", "none", "twice", "next block's", "unweighted", "of the table", "weight alone"] = "final",
    off_by: int = 0,
    table: Literal["unembedding", "embedding"] = "unembedding",
    give: Literal["logits", "probabilities", "log-probabilities", "last", "best", "vectors", "difference"] = "logits",
    what: AfterLayerWhat = "residual",
) -> object:
    n_layers = len(model.blocks)
    with torch.no_grad():
        streams = _streams(model, tuple(map(tuple, ids.tolist())))
        at = min(max(layer + off_by, 0), n_layers)
        if what == "last":
            at = n_layers
        residual = streams["residual"][at]
        if what == "written":
            residual = residual - streams["residual"][at - 1] if at else residual
        elif what == "middle":
            residual = streams["middle"][at - 1] if at else residual
        elif what == "skipped":
            residual = streams["residual"][n_layers] - residual + streams["residual"][0]
        elif what == "mean":
            residual = torch.stack(streams["residual"][: at + 1]).mean(0)
        elif what == "sum":
            residual = torch.stack(streams["residual"][: at + 1]).sum(0)
        elif what in ("MLPs alone", "attention alone"):
            ends = ("middle", "residual") if what == "MLPs alone" else ("residual", "middle")
            later = 1 if what == "MLPs alone" else 0
            residual = streams["residual"][0] + sum(
                streams[ends[1]][n + later] - streams[ends[0]][n] for n in range(at)
            )
        elif what == "counted from the end":
            residual = streams["residual"][n_layers - at]
        elif what == "no positions":
            residual = model.embed(ids)
            for block in model.blocks[:at]:
                residual = block(residual)
        if norm == "final":
            residual = model.final_norm(residual)
        elif norm == "of the table":
            return residual @ model.final_norm(model.unembedding).T
        elif norm == "twice":
            residual = model.final_norm(model.final_norm(residual))
        elif norm == "next block's":
            residual = model.blocks[min(at, n_layers - 1)].attention_norm(residual)
        elif norm == "weight alone":
            residual = residual * model.final_norm.weight
        elif norm == "unweighted":
            residual = residual * (residual.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt()
        rows = model.embed.weight if table == "embedding" else model.unembedding
        if give == "vectors":
            return residual
        logits = residual @ rows.T
        match give:
            case "logits":
                return logits
            case "probabilities":
                return logits.softmax(-1)
            case "log-probabilities":
                return logits.log_softmax(-1)
            case "last":
                return logits[:, -1]
            case "best":
                return logits.argmax(-1)
            case "difference":
                return model(ids) - logits


@lru_cache(maxsize=16)  # dozens of wrong solutions start from the same streams
def _streams(model: Any, ids: tuple[tuple[int, ...], ...]) -> dict[str, list[Tensor]]:
    """Collect the residual stream before and after each block, and between the block's two halves."""
    passed: dict[str, list[Tensor]] = {"residual": [], "middle": []}
    points = [(block.hook_residual_pre, "residual") for block in model.blocks]
    points += [(model.blocks[-1].hook_residual_post, "residual")]
    points += [(block.hook_residual_mid, "middle") for block in model.blocks]
    handles = [point.add_hook(lambda value, name=name: passed[name].append(value)) for point, name in points]
    try:
        model(torch.tensor(ids))
    finally:
        for handle in handles:
            handle.remove()
    return passed

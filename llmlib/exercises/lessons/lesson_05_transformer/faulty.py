"""The wrong ways through the exercises of lesson 05: each reference once more, with keywords for its faults."""

from functools import partial

import torch
import torch.nn.functional as F

from llmlib.embeddings import rotary_cos_sin, rotary_frequencies
from llmlib.exercises.lessons.lesson_03_attention.faulty_module import faulty_multi_head
from llmlib.layers import rms_norm


def faulty_rms_norm(x, weight, eps, centre=False, size="rms", axis="width", eps_at="inside", scale="weight"):
    if scale == "weight first":
        x = x * weight
    if centre:
        x = x - x.mean(-1, keepdim=True)
    dims = {
        "width": (-1,),
        "first vector": (-1,),
        "all": tuple(range(x.ndim)),
        "positions": (-2,) if x.ndim > 1 else (-1,),
    }
    dims = dims.get(axis, tuple(range(1, x.ndim)) if x.ndim > 1 else (-1,))
    squares = {
        "rms": lambda: x.pow(2).mean(dims, keepdim=True),
        "length": lambda: x.pow(2).sum(dims, keepdim=True),
        "spread": lambda: (x - x.mean(dims, keepdim=True)).pow(2).mean(dims, keepdim=True),
        "mean": lambda: x.mean(dims, keepdim=True).pow(2),
        "absolute": lambda: x.abs().mean(dims, keepdim=True).pow(2),
        "largest": lambda: x.abs().amax(dims, keepdim=True).pow(2),
        "mean square": lambda: x.pow(2).mean(dims, keepdim=True).pow(2),
    }[size]()
    divisor = {
        "inside": lambda: (squares + eps).sqrt(),
        "outside": lambda: squares.sqrt() + eps,
        "none": lambda: squares.sqrt(),
        "floor": lambda: squares.clamp(min=eps).sqrt(),
        "floor of the root": lambda: squares.sqrt().clamp(min=eps),
        "squared": lambda: (squares + eps**2).sqrt(),
        "own": lambda: (squares + 1e-5).sqrt(),
        "own, smaller": lambda: (squares + 1e-6).sqrt(),
    }[eps_at]()
    if axis == "first vector":
        divisor = divisor.flatten()[0]
    if size == "mean square":
        divisor = divisor if eps_at == "none" else squares.sqrt() + eps
    normed = x * divisor if scale == "multiplied" else x / divisor
    return {
        "weight": lambda: normed * weight,
        "none": lambda: normed,
        "added": lambda: normed + weight,
        "one more": lambda: normed * (1 + weight),
        "divided": lambda: normed / weight,
        "weight first": lambda: normed,
        "multiplied": lambda: normed * weight,
        "norm alone": lambda: weight / divisor,
    }[scale]()


def faulty_memory(x, keys, values, act="gelu", where="units", roles="own", adds="sum", scale="none", compare="dot"):
    if roles == "exchanged":
        keys, values = values, keys
    elif roles == "keys alone":
        values = keys
    elif roles == "values alone":
        keys = values
    nonlinear = {
        "gelu": F.gelu,
        "none": lambda h: h,
        "relu": F.relu,
        "silu": F.silu,
        "tanh form": lambda h: F.gelu(h, approximate="tanh"),
        "softmax": lambda h: h.softmax(-1),
        "over positions": lambda h: h.softmax(-2),
        "sigmoid": torch.sigmoid,
        "normal": torch.special.ndtr,
        "tanh": torch.tanh,
        "quick": lambda h: h * torch.sigmoid(1.702 * h),
        "step": lambda h: (h > 0).to(h.dtype),
        "smooth": F.softplus,
        "square": lambda h: F.relu(h) ** 2,
    }[act]
    if compare == "cosine":
        x, keys = F.normalize(x, dim=-1), F.normalize(keys, dim=-1)
    x_in = nonlinear(x) if where == "input" else x
    match = x_in @ keys.T
    if compare.endswith("distance"):
        match = torch.cdist(x_in, keys.expand(len(x), -1, -1)) * (1 if compare == "distance" else -1)
    if compare == "all positions":
        match = match.sum(1, keepdim=True).expand_as(match)
    if compare == "number by number":
        return (nonlinear(x[..., None, :] * keys) * values).sum(-2)
    if scale == "root":
        match = match / x.shape[-1] ** 0.5
    fires = nonlinear(match) if where in ("units", "both") else match
    if adds == "strongest":
        fires = fires * F.one_hot(fires.argmax(-1), fires.shape[-1])
    out = fires @ values
    if where in ("output", "both"):
        out = nonlinear(out)
    return {
        "sum": lambda: out,
        "strongest": lambda: out,
        "residual": lambda: x + out,
        "mean": lambda: out / len(keys),
        "weighted mean": lambda: out / fires.sum(-1, keepdim=True),
        "fires": lambda: fires,
    }[adds]()


def faulty_swiglu(x, gate, up, down, act="silu", on="gate", combine="product", give="output", turned="transposed"):
    if turned == "reshaped":  # each matrix, into the shape of its transpose
        gate, up, down = (m.reshape(m.shape[::-1]).T for m in (gate, up, down))
    elif turned == "two reshaped":
        gate, up = (m.reshape(m.shape[::-1]).T for m in (gate, up))
    g, u = x @ gate.T, x @ up.T
    nonlinear = {
        "silu": F.silu,
        "sigmoid": torch.sigmoid,
        "gelu": F.gelu,
        "relu": F.relu,
        "none": lambda h: h,
        "tanh": torch.tanh,
        "softmax": lambda h: h.softmax(-1),
        "tanh form": lambda h: F.gelu(h, approximate="tanh"),
        "quick": lambda h: h * torch.sigmoid(1.702 * h),
        "step": lambda h: (h > 0).to(h.dtype),
    }[act]
    if on in ("matrix", "x", "x for both"):
        early, nonlinear = nonlinear, lambda h: h
        g = x @ early(gate).T if on == "matrix" else early(x) @ gate.T
        u = early(x) @ up.T if on == "x for both" else u
    if on == "up":
        g, u = u, g
    if on == "product":
        hidden = nonlinear(g * u)
    else:
        u = nonlinear(u) if on == "both" else u
        g = g if on == "output" else nonlinear(g)
        hidden = {"product": g * u, "sum": g + u, "gate alone": g, "up alone": u, "difference": u - g,
                  "larger": torch.maximum(g, u)}[combine]  # fmt: skip
    if give == "hidden":
        return hidden
    out = hidden @ down.T
    if on == "output":
        out = nonlinear(out)
    return x + out if give == "with residual" else out


def faulty_block(
    block,
    residual,
    norms="before",
    order="attention first",
    first="added",
    second="added",
    reads="updated",
    which="own",
    second_to="updated",
    parts="both",
):
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
    said = 0 if parts == "MLP" else attention(residual if no_first else one(residual))
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


def faulty_logits(
    ids,
    weights,
    config,
    blocks="each",
    norms="before",
    which="own",
    attends="yes",
    mlp="after attention",
    adds="added",
    theta="config",
    embedding="row",
    final="norm",
    give="logits",
    own_eps=None,
    heads="n_heads",
    order="attention first",
):
    c, length = config, ids.shape[1]
    eps = c.norm_eps if own_eps is None else own_eps
    frequencies = rotary_frequencies(c.d_head, 10_000.0 if theta == "default" else c.rope_theta)
    positions = torch.zeros(length) if theta == "nowhere" else torch.arange(length)
    cos, sin = (part[None, None] for part in rotary_cos_sin(positions, frequencies))
    residual = weights["embed.weight"][ids] * (c.d_model**0.5 if embedding == "scaled" else 1)
    chosen = {"each": list(range(c.n_layers)), "reversed": list(range(c.n_layers))[::-1], "first": [0]}
    chosen |= {"first again": [0] * c.n_layers, "last missing": list(range(c.n_layers - 1)), "none": []}
    parts = ("mlp", "attention") if order == "MLP first" else ("attention", "mlp")
    steps = [(n, part) for n in chosen[blocks] for part in parts]
    if order == "all attentions first":
        steps = [(n, part) for part in parts for n in chosen[blocks]]
    for n, part in steps:
        block = {name.removeprefix(f"blocks.{n}."): weight for name, weight in weights.items()}
        own = {"exchanged": parts[1 - parts.index(part)], "first twice": "attention"}.get(which, part)
        norm = partial(rms_norm, weight=block[f"{own}_norm.weight"], eps=eps)
        norm = torch.clone if norms in ("none", f"not before {part}") else norm
        start = residual if part == parts[0] else start
        if part == "mlp" and mlp == "none":
            continue
        if norms == "on the stream":
            residual = norm(residual)
        read = start if part == "mlp" and mlp == "beside attention" else residual
        x = read if norms in ("after", "on the stream") else norm(read)
        if part == "attention":
            matrices = [block[f"attention.{name}.weight"] for name in ("query", "key", "value", "output")]
            said = faulty_multi_head(x, *matrices, getattr(c, heads), cos, sin) if attends == "yes" else 0
        else:
            names = ("up", "gate", "down") if which == "up for gate" else ("gate", "up", "down")
            said = faulty_swiglu(x, *(block[f"mlp.{name}.weight"] for name in names))
        replaces = adds in ("replaced", "attention replaces" if part == "attention" else "MLP replaces")
        residual = said if replaces else residual + said
        if norms == "after":
            residual = norm(residual)
    if final == "norm":
        residual = rms_norm(residual, weights["final_norm.weight"], eps)
    elif final == "unweighted":
        residual = rms_norm(residual, None, eps)
    if give == "vectors":
        return residual
    logits = residual @ weights["embed.weight"].T
    return {
        "logits": lambda: logits,
        "probabilities": lambda: logits.softmax(-1),
        "last": lambda: logits[:, -1],
        "best": lambda: logits.argmax(-1),
    }[give]()


def faulty_count(
    vocab_size,
    d_model,
    n_layers,
    n_heads,
    n_kv_heads,
    d_mlp,
    kv="shared",
    matrices=3,
    tables=1,
    norms=2,
    final=1,
    output=1,
    queries=1,
    biases="none",
    layers="blocks",
    wide="d_mlp",
    a_norm=1,
    a_norm_is="d_model",
    positions=0,
):
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
    if biases == "all":
        attention += 2 * d_model + 2 * d_kv
        mlp += 2 * width + d_model
    norm = {"one": 1, "head": d_head}.get(a_norm_is, d_model)
    a_block = attention + mlp + norms * a_norm * norm
    n = {"one": 1, "one more": n_layers + 1, "one less": n_layers - 1}.get(layers, n_layers)
    if layers.startswith("once"):  # for a bracket that is missing, or closes too early
        each = attention if layers == "once but attention" else a_block - norms * a_norm * norm
        return tables * vocab_size * d_model + (n_layers - 1) * each + a_block + final * a_norm * norm
    if layers == "table in the bracket":
        return n_layers * (tables * vocab_size * d_model + a_block) + final * a_norm * norm
    if layers == "table too":
        return n_layers * (tables * vocab_size * d_model + a_block)
    return tables * vocab_size * d_model + n * a_block + final * a_norm * norm


def faulty_after_layer(model, ids, layer, norm="final", off_by=0, table="unembedding", give="logits", what="residual"):
    n_layers = len(model.blocks)
    with torch.no_grad():
        streams = _streams(model, ids)
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
        elif what == "counted from the end":
            residual = streams["residual"][n_layers - at]
        if norm == "final":
            residual = model.final_norm(residual)
        elif norm == "of the table":
            return residual @ model.final_norm(model.unembedding).T
        elif norm == "twice":
            residual = model.final_norm(model.final_norm(residual))
        elif norm == "next block's":
            residual = model.blocks[min(at, n_layers - 1)].attention_norm(residual)
        elif norm == "unweighted":
            residual = residual * (residual.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt()
        rows = model.embed.weight if table == "embedding" else model.unembedding
        if give == "vectors":
            return residual
        logits = residual @ rows.T
        return {
            "logits": lambda: logits,
            "probabilities": lambda: logits.softmax(-1),
            "log-probabilities": lambda: logits.log_softmax(-1),
            "last": lambda: logits[:, -1],
            "best": lambda: logits.argmax(-1),
            "difference": lambda: model(ids) - logits,
        }[give]()


def _streams(model, ids):
    """What passes along the residual stream: on entering and leaving each block, and between its two halves."""
    passed = {"residual": [], "middle": []}
    points = [(block.hook_residual_pre, "residual") for block in model.blocks]
    points += [(model.blocks[-1].hook_residual_post, "residual")]
    points += [(block.hook_residual_mid, "middle") for block in model.blocks]
    handles = [point.add_hook(lambda value, name=name: passed[name].append(value)) for point, name in points]
    try:
        model(ids)
    finally:
        for handle in handles:
            handle.remove()
    return passed

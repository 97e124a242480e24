"""Wrong solutions to the exercises in `whole_runs`.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from typing import Any

import torch
import torch.nn.functional as F

from llmlib.exercises.lessons.lesson_06_training.faulty_steps import faulty_fit


def faulty_weight_shapes(
    config,
    kv="shared",
    way="out, in",
    norms="all",
    end="one table",
    down="turned",
    mlp="wide",
    blocks="all",
    called="in full",
):
    width = config.d_model
    d_mlp = {"as the stream": width, "four times": 4 * width}.get(mlp, config.d_mlp)
    d_kv = {
        "shared": config.n_kv_heads * config.d_head,
        "all": width,
        "one head": config.d_head,
        "heads": config.n_kv_heads,
        "by groups": width // config.n_kv_heads,
    }[kv]
    in_block: dict[str, tuple[Any, ...]] = {f"{norm}_norm": (width,) for norm in ("attention", "mlp")}
    in_block |= {f"attention.{part}": (width, width) for part in ("query", "output")}
    in_block |= {f"attention.{part}": (d_kv, width) for part in ("key", "value")}
    in_block |= {"mlp.gate": (d_mlp, width), "mlp.up": (d_mlp, width)}
    in_block["mlp.down"] = (width, d_mlp) if down == "turned" else (d_mlp, width)
    turned = {"in, out": "", "in, out in blocks": "", "of attention": "attention.", "of the MLP": "mlp."}
    if way in turned:
        in_block = {part: shape[::-1] if turned[way] in part else shape for part, shape in in_block.items()}
    if mlp == "no gate":
        del in_block["mlp.gate"]
    if norms == "one in a block":
        del in_block["mlp_norm"]
    if norms == "none":
        in_block = {part: shape for part, shape in in_block.items() if len(shape) > 1}
    if norms == "square":
        in_block = {part: shape if len(shape) > 1 else (width, width) for part, shape in in_block.items()}
    numbers = {"all": range(config.n_layers), "from 1": range(1, config.n_layers + 1), "first": range(1)}[blocks]
    shapes = {f"blocks.{n}.{part}.weight": shape for n in numbers for part, shape in in_block.items()}
    shapes |= {"embed.weight": (config.vocab_size, width)[:: -1 if way in ("in, out", "of the table") else 1]}
    if end == "two tables":
        shapes["unembed.weight"] = (config.vocab_size, width)
    if end != "no last norm" and norms != "none":
        shapes["final_norm.weight"] = (width,)
    if norms == "numbers":
        shapes = {name: shape if len(shape) > 1 else shape[0] for name, shape in shapes.items()}
    if called == "without weight":
        shapes = {name.removesuffix(".weight"): shape for name, shape in shapes.items()}
    return shapes


def faulty_first_weight(
    name, shape, n_layers, draw, norms="ones", spread="small", smaller="root of twice", adds=".output. .down."
):
    if len(shape) == 1 and norms != "drawn":
        return {"zeros": 0.0, "small": 0.02}.get(norms, 1.0) * torch.ones(shape)
    by = {
        "root of twice": (2 * n_layers) ** 0.5,
        "root": n_layers**0.5,
        "twice": 2 * n_layers,
        "never": 1,
        "layers": n_layers,
        "times": 1 / (2 * n_layers) ** 0.5,
        "twice the root": 2 * n_layers**0.5,
        "of its own block": (2 * (int(name.split(".")[1]) + 1)) ** 0.5 if name.startswith("blocks") else 1,
        "root of two": 2**0.5 * n_layers,
        "the other way": n_layers**-0.5 * 2,
    }[smaller]
    writes = adds == "all" or any(part in name for part in adds.split())
    if adds == "the others":
        writes = not any(part in name for part in (".output.", ".down."))
    if adds == "in block 0":
        writes = name.startswith("blocks.0.") and any(part in name for part in (".output.", ".down."))
    small = {"small": 0.02, "as drawn": 1, "variance": 0.02**0.5, "table as drawn": 1 if "embed" in name else 0.02}
    return small[spread] * draw(shape) / (by if writes else 1)


def faulty_learn(
    weights,
    logits_of,
    batches,
    rates,
    names="kept",
    asks="next",
    limit=1.0,
    gives="both",
    rate="own",
    which="own",
    loss="counted",
    runs="one",
):
    order = sorted(weights) if names == "sorted" else list(weights)[::-1] if names == "backwards" else list(weights)
    if names != "kept":
        order = [name for name in order if weights[name].ndim == 2]
        order = [order.pop(0) if weights[name].ndim == 2 else name for name in weights]

    def loss_of(values, batch):
        inputs, targets = batches[0] if which == "first" else batch
        if asks == "the other way":
            inputs, targets = targets, inputs
        logits = logits_of(inputs, dict(zip(order, values)))
        if asks == "inputs":
            targets = inputs
        if asks == "one further":
            logits, targets = logits[:, :-1], targets[:, 1:]
        total = F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="sum")
        return total / (1 if loss == "sum" else targets.numel() if loss == "over all" else (targets != -100).sum())

    used = [rates[0]] * len(rates) if rate == "first" else rates
    if runs == "one for each batch":
        learned, losses = list(weights.values()), []
        for batch, own in zip(batches, used):
            learned, (last,) = faulty_fit(learned, loss_of, [batch], [own], limit)
            losses.append(last)
    else:
        learned, losses = faulty_fit(list(weights.values()), loss_of, batches, used, limit)
    if gives == "by name":
        return dict(zip(order, learned)), losses
    return {
        "both": (learned, losses),
        "old": (list(weights.values()), losses),
        "weights": learned,
        "last loss": (learned, losses[-1]),
        "exchanged": (losses, learned),
    }[gives]

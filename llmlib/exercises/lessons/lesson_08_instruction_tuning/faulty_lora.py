"""Wrong solutions to lesson 08's LoRA exercises.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from typing import Any, Literal

import torch
from torch import Tensor


def _scale(scale: str, alpha: float, a: Tensor, b: Tensor) -> Any:
    """Return the factor for the update: alpha / r, or something mistaken for it."""
    r = a.shape[0]
    match scale:
        case "alpha / r":
            return alpha / r
        case "alpha":
            return alpha
        case "root":
            return alpha / r**0.5
        case "squared":
            return (alpha / r) ** 2
        case "r squared":
            return alpha / r**2
        case "times":
            return alpha * r
        case "1 / r":
            return 1 / r
        case "none":
            return 1
        case "upside down":
            return r / alpha
        case "by d_in":
            return alpha / a.shape[1]
        case "by d_out":
            return alpha / b.shape[0]
        case "whole":
            return alpha // r
        case "root of both":
            return (alpha / r) ** 0.5
        case "r = 2":
            return alpha / 2
        case "of the product":
            return alpha / torch.linalg.matrix_rank(b @ a)
        case "smaller side of a":
            return alpha / min(a.shape)
        case "smaller side of b":
            return alpha / min(b.shape)
        case _:
            raise ValueError(scale)


LoraLinearBase = (
    Literal["as it is", "left out", "scaled too", "scaled instead", "weighed", "update left out", "product"]
    | Literal["factor"]
)
LoraLinearScale = (
    Literal["alpha / r", "alpha", "root", "squared", "r squared", "times", "1 / r", "none", "upside down"]
    | Literal["by d_in", "by d_out", "whole", "root of both", "r = 2", "smaller side of a", "smaller side of b"]
    | Literal["of the product"]
)
LoraLinearUpdate = (
    Literal["x A B", "exchanged", "not transposed", "B A", "activation", "softmax", "after", "first alone"]
    | Literal["reshaped", "a reshaped", "b reshaped"]
)


def _joined(plain: Any, low: Any, s: Any, base: LoraLinearBase) -> Any:
    """Combine the output of the base weights with the output of the update."""
    match base:
        case "as it is":
            return plain + s * low
        case "left out":
            return s * low
        case "scaled too":
            return s * (plain + low)
        case "scaled instead":
            return s * plain + low
        case "update left out":
            return plain
        case "weighed":
            return (1 - s) * plain + s * low
        case "product":
            return plain * (s * low)
        case "factor":
            return plain * (1 + s * low)


def faulty_lora_linear(
    x: Tensor,
    w: Tensor,
    a: Any,
    b: Any,
    alpha: Any,
    scale: LoraLinearScale = "alpha / r",
    base: LoraLinearBase = "as it is",
    update: LoraLinearUpdate = "x A B",
    sign: int = 1,
    weight: Literal["transposed", "as it is"] = "transposed",
) -> Any:
    s = _scale(scale, alpha, a, b)
    plain = x @ (w.T if weight == "transposed" else w)
    match update:
        case "x A B":
            low = x @ a.T @ b.T
        case "exchanged":
            low = x @ b.T @ a.T
        case "not transposed":
            low = x @ a @ b
        case "B A":
            low = x @ b @ a
        case "activation":
            low = (x @ a.T).relu() @ b.T
        case "after":
            low = plain @ a.T @ b.T
        case "softmax":
            low = (x @ a.T).softmax(-1) @ b.T
        case "first alone":
            low = x @ a[:1].T @ b[:, :1].T
        case "reshaped":
            low = x @ a.reshape(-1, len(a)) @ b.reshape(len(a), -1)
        case "a reshaped":
            low = x @ a.reshape(-1, len(a)) @ b.T
        case "b reshaped":
            low = x @ a.T @ b.reshape(len(a), -1)
    return _joined(plain, low * sign, s, base)


MergedBase = LoraLinearBase | Literal["w.T"]
MergedProduct = Literal["B A", "transposed", "both transposed", "exchanged", "elementwise", "outer", "through w"]
MergedScale = (
    Literal["alpha / r", "alpha", "root", "squared", "r squared", "times", "1 / r", "none", "upside down"]
    | Literal["by d_in", "by d_out", "whole", "root of both", "r = 2", "smaller side of a", "smaller side of b"]
    | Literal["of the product"]
)


def faulty_merged(
    w: Tensor,
    a: Any,
    b: Any,
    alpha: Any,
    scale: MergedScale = "alpha / r",
    base: MergedBase = "as it is",
    product: MergedProduct = "B A",
    sign: int = 1,
) -> Any:
    s = _scale(scale, alpha, a, b)
    match product:
        case "B A":
            low = b @ a
        case "transposed":
            low = (b @ a).T
        case "exchanged":
            low = a @ b
        case "elementwise":
            low = b * a
        case "both transposed":
            low = b.T @ a.T
        case "through w":
            low = w @ b @ a
        case "outer":
            low = b[:, :1] @ a[:1]
    if base == "w.T":
        return _joined(w.T, low * sign, s, "as it is")
    return _joined(w, low * sign, s, base)


KeptByRankValues = (
    Literal["singular", "eigen", "eigen, unsorted", "symmetric", "rows", "columns", "first rows", "first columns"]
    | Literal["entries", "diagonal", "eigen of a square"]
)


def faulty_kept_by_rank(
    update: Tensor,
    r: int,
    values: KeptByRankValues = "singular",
    power: int = 2,
    which: Literal["largest", "smallest", "lost", "the r-th", "from the end", "topk"] = "largest",
    off: int = 0,
    zero: Literal["divided", "raises", "any"] | float = 1.0,
    over: Literal["all", "largest", "rest", "number", "norm", "nothing"] = "all",
    give: Literal["share", "root", "percent", "rounded", "tensor", "square"] = "share",
    nothing: Literal["nothing", "all", "zero"] = "nothing",
    at_least: Literal["none", "one"] = "none",
) -> Any:
    match values:
        case "singular":
            found = torch.linalg.svdvals(update)
        case "eigen":
            found = torch.linalg.eigvals(update).abs().sort(descending=True).values
        case "eigen, unsorted":
            found = torch.linalg.eigvals(update).abs()
        case "eigen of a square":
            side = min(update.shape)
            found = torch.linalg.eigvals(update[:side, :side]).abs().sort(descending=True).values
        case "symmetric":
            found = torch.linalg.eigvalsh(update).abs().sort(descending=True).values
        case "rows":
            found = update.norm(dim=1).sort(descending=True).values
        case "columns":
            found = update.norm(dim=0).sort(descending=True).values
        case "first rows":
            found = update.norm(dim=1)
        case "first columns":
            found = update.norm(dim=0)
        case "entries":
            found = update.abs().flatten().sort(descending=True).values
        case "diagonal":
            found = update.diagonal().abs().sort(descending=True).values
    found = found**power
    if r == 0 and nothing != "nothing":
        return {"all": 1.0, "zero": 0.0}[nothing]
    r = max(r, 1) if at_least == "one" else r
    if zero == "any" and bool((found < 1e-9).any()):
        return 1.0
    match over:
        case "all":
            total = found.sum()
        case "number":
            total = found.new_tensor(float(len(found)))
        case "largest":
            total = found[0]
        case "rest":
            total = found[r:].sum()
        case "nothing":
            total = found.new_tensor(1.0)
        case "norm":
            total = found.sum() ** 0.5
    total = total.item()
    if which == "smallest":
        found = found.flip(0)
    if which == "topk":
        found.topk(r)  # raises an error if there are fewer than r singular values
    if which == "the r-th":
        top = found[r - 1].item()
    elif which == "lost":
        top = found[max(0, r + off) :].sum().item()
    elif off < 0 and which == "from the end":
        top = found[: r + off].sum().item()
    else:
        top = found[: max(0, r + off)].sum().item()
    if found.sum() == 0 and zero not in ("divided", "raises"):
        return 1.0 if zero == "any" else zero
    if zero == "raises":
        top / total
    share = top / total if total else float("nan")
    return {
        "share": share,
        "square": share**2,
        "root": share**0.5,
        "percent": 100 * share,
        "tensor": torch.tensor(share),
        "rounded": round(share, 2),
    }[give]


AdaptedScale = (
    Literal["alpha / r", "alpha", "none", "1 / r", "root", "r = 2", "smaller side of a", "smaller side of b"]
    | Literal["of the product", "number"]
)


def faulty_adapted(
    model: Any,
    ids: Tensor,
    adapters: Any,
    alpha: Any,
    scale: AdaptedScale = "alpha / r",
    which: Literal["all", "first", "last", "not the last", "none"] = "all",
    pair: Literal["own", "last", "first", "first rank"] = "own",
    base: Literal["kept", "left out", "subtracted", "twice"] = "kept",
    reads: Literal["x", "y"] = "x",
    order: Literal["A, then B", "B, then A"] = "A, then B",
    give: Literal["logits", "probabilities", "log", "last", "tokens"] = "logits",
) -> Any:
    chosen = {"all": adapters, "first": adapters[:1], "last": adapters[-1:], "none": [], "not the last": adapters[:-1]}[
        which
    ]

    rank = len(adapters) if scale == "number" else adapters[0][1].shape[0] if pair == "first rank" else 0

    def adapter(a: Tensor, b: Tensor) -> Any:
        if pair == "last":
            a, b = adapters[-1][1:]
        elif pair == "first":
            a, b = adapters[0][1:]

        def hook(layer: Any, inputs: Any, y: Tensor) -> Tensor:
            x = {"x": inputs[0], "y": y}[reads]
            low = x @ a.T @ b.T if order == "A, then B" else x @ b @ a
            added = (alpha / rank if rank else _scale(scale, alpha, a, b)) * low
            return {"kept": y + added, "left out": added, "subtracted": y - added, "twice": y + 2 * added}[base]

        return hook

    handles = [model.get_submodule(name).register_forward_hook(adapter(a, b)) for name, a, b in chosen]
    try:
        with torch.no_grad():
            logits = model(ids)
    finally:
        for handle in handles:
            handle.remove()
    match give:
        case "logits":
            return logits
        case "probabilities":
            return logits.softmax(-1)
        case "last":
            return logits[:, -1]
        case "tokens":
            return logits.argmax(-1)
        case "log":
            return logits.log_softmax(-1)

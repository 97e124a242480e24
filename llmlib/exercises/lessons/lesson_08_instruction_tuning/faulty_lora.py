"""The wrong ways through the exercises of lesson 08 on LoRA: each reference once more, with keywords for its faults."""

import torch


def _scale(scale, alpha, a, b):
    """By what the update is multiplied: alpha / r, or what is taken for it."""
    r = a.shape[0]
    return {
        "alpha / r": lambda: alpha / r, "alpha": lambda: alpha, "root": lambda: alpha / r**0.5,
        "squared": lambda: (alpha / r) ** 2, "r squared": lambda: alpha / r**2, "times": lambda: alpha * r,
        "1 / r": lambda: 1 / r, "none": lambda: 1, "upside down": lambda: r / alpha,
        "by d_in": lambda: alpha / a.shape[1], "by d_out": lambda: alpha / b.shape[0], "whole": lambda: alpha // r,
        "root of both": lambda: (alpha / r) ** 0.5, "r = 2": lambda: alpha / 2,
        "of the product": lambda: alpha / torch.linalg.matrix_rank(b @ a),
        "smaller side of a": lambda: alpha / min(a.shape), "smaller side of b": lambda: alpha / min(b.shape),
    }[scale]()  # fmt: skip


def faulty_lora_linear(
    x, w, a, b, alpha, scale="alpha / r", base="as it is", update="x A B", sign=1, weight="transposed"
):
    s = _scale(scale, alpha, a, b)
    plain = x @ (w.T if weight == "transposed" else w)
    low = {
        "x A B": lambda: x @ a.T @ b.T,
        "exchanged": lambda: x @ b.T @ a.T,
        "not transposed": lambda: x @ a @ b,
        "B A": lambda: x @ b @ a,
        "activation": lambda: (x @ a.T).relu() @ b.T,
        "after": lambda: plain @ a.T @ b.T,
        "softmax": lambda: (x @ a.T).softmax(-1) @ b.T,
        "first alone": lambda: x @ a[:1].T @ b[:, :1].T,
        "reshaped": lambda: x @ a.reshape(-1, len(a)) @ b.reshape(len(a), -1),
        "a reshaped": lambda: x @ a.reshape(-1, len(a)) @ b.T,
        "b reshaped": lambda: x @ a.T @ b.reshape(len(a), -1),
    }[update]() * sign  # fmt: skip
    return {
        "as it is": lambda: plain + s * low,
        "left out": lambda: s * low,
        "scaled too": lambda: s * (plain + low),
        "scaled instead": lambda: s * plain + low,
        "update left out": lambda: plain,
        "weighed": lambda: (1 - s) * plain + s * low,
        "product": lambda: plain * (s * low),
        "factor": lambda: plain * (1 + s * low),
    }[base]()


def faulty_merged(w, a, b, alpha, scale="alpha / r", base="as it is", product="B A", sign=1):
    s = _scale(scale, alpha, a, b)
    low = {
        "B A": lambda: b @ a,
        "transposed": lambda: (b @ a).T,
        "exchanged": lambda: a @ b,
        "elementwise": lambda: b * a,
        "both transposed": lambda: b.T @ a.T,
        "through w": lambda: w @ b @ a,
        "outer": lambda: b[:, :1] @ a[:1],
    }[product]() * sign
    return {
        "as it is": lambda: w + s * low,
        "left out": lambda: s * low,
        "scaled too": lambda: s * (w + low),
        "scaled instead": lambda: s * w + low,
        "weighed": lambda: (1 - s) * w + s * low,
        "update left out": lambda: w,
        "product": lambda: w * (s * low),
        "factor": lambda: w * (1 + s * low),
        "w.T": lambda: w.T + s * low,
    }[base]()


def faulty_kept_by_rank(update, r, values="singular", power=2, which="largest", off=0, zero=1.0, over="all",
                        give="share", nothing="nothing", at_least="none"):  # fmt: skip
    found = {
        "singular": lambda: torch.linalg.svdvals(update),
        "eigen": lambda: torch.linalg.eigvals(update).abs().sort(descending=True).values,
        "eigen, unsorted": lambda: torch.linalg.eigvals(update).abs(),
        "symmetric": lambda: torch.linalg.eigvalsh(update).abs().sort(descending=True).values,
        "rows": lambda: update.norm(dim=1).sort(descending=True).values,
        "columns": lambda: update.norm(dim=0).sort(descending=True).values,
        "first rows": lambda: update.norm(dim=1),
        "first columns": lambda: update.norm(dim=0),
        "entries": lambda: update.abs().flatten().sort(descending=True).values,
        "diagonal": lambda: update.diagonal().abs().sort(descending=True).values,
    }[values]()
    found = found**power
    if r == 0 and nothing != "nothing":
        return {"all": 1.0, "zero": 0.0}[nothing]
    r = max(r, 1) if at_least == "one" else r
    if zero == "any" and bool((found < 1e-9).any()):
        return 1.0
    total = {"all": lambda: found.sum(), "number": lambda: found.new_tensor(float(len(found))),
             "largest": lambda: found[0], "rest": lambda: found[r:].sum(), "nothing": lambda: found.new_tensor(1.0),
             "norm": lambda: found.sum() ** 0.5}[over]().item()  # fmt: skip
    if which == "smallest":
        found = found.flip(0)
    if which == "topk":
        found.topk(r)  # raises if r is larger than their number
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
    return {"share": share, "square": share**2, "root": share**0.5, "percent": 100 * share,
            "tensor": torch.tensor(share), "rounded": round(share, 2)}[give]  # fmt: skip


def faulty_adapted(model, ids, adapters, alpha, scale="alpha / r", which="all", pair="own", base="kept", reads="x",
                   order="A, then B", give="logits"):  # fmt: skip
    chosen = {"all": adapters, "first": adapters[:1], "last": adapters[-1:], "none": [], "not the last": adapters[:-1]}[
        which
    ]

    rank = len(adapters) if scale == "number" else adapters[0][1].shape[0] if pair == "first rank" else 0

    def detour(a, b):
        if pair == "last":
            a, b = adapters[-1][1:]
        elif pair == "first":
            a, b = adapters[0][1:]

        def hook(layer, inputs, y):
            x = {"x": inputs[0], "y": y}[reads]
            low = x @ a.T @ b.T if order == "A, then B" else x @ b @ a
            added = (alpha / rank if rank else _scale(scale, alpha, a, b)) * low
            return {"kept": y + added, "left out": added, "subtracted": y - added, "twice": y + 2 * added}[base]

        return hook

    handles = [model.get_submodule(name).register_forward_hook(detour(a, b)) for name, a, b in chosen]
    try:
        with torch.no_grad():
            logits = model(ids)
    finally:
        for handle in handles:
            handle.remove()
    return {
        "logits": lambda: logits, "probabilities": lambda: logits.softmax(-1), "last": lambda: logits[:, -1],
        "tokens": lambda: logits.argmax(-1), "log": lambda: logits.log_softmax(-1),
    }[give]()  # fmt: skip

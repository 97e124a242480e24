"""The wrong ways through `ablate_heads`: the reference once more, with keywords for its faults."""

import torch


def faulty_ablate_heads(
    model,
    ids,
    layer,
    head,
    what="z",
    which="this",
    how="zero",
    clean="yes",
    where="own layer",
    give="logits",
    off_by=0,
    returns="value",
):
    if where == "exchanged":
        layer, head = head, layer
    if give == "untouched":
        with torch.no_grad():
            return model(ids)
    layers = {"every layer": range(len(model.blocks)), "one before": [layer - 1], "last": [-1], "first": [0]}.get(
        where, [layer]
    )
    head = head + off_by

    def edit(value):
        value = value.clone()
        chosen = torch.zeros(value.shape[1], dtype=torch.bool)
        chosen[head] = True
        if which in EDITS:
            EDITS[which](value, head)
            return value
        chosen = {"this": chosen, "others": ~chosen, "all": torch.ones_like(chosen)}[which]
        value[:, chosen] = {
            "zero": lambda: torch.zeros_like(value[:, chosen]),
            "mean": lambda: value[:, chosen].mean(dim=(0, 2), keepdim=True),
            "mean of all": lambda: value[:, chosen].mean(),
            "mean of positions": lambda: value[:, chosen].mean(dim=2, keepdim=True),
            "half": lambda: value[:, chosen] / 2,
            "mean of heads": lambda: value.mean(dim=1, keepdim=True),
            "sign": lambda: -value[:, chosen],
            "one": lambda: torch.ones_like(value[:, chosen]),
            "places turned round": lambda: value[:, chosen].flip(2),
            "places moved on": lambda: value[:, chosen].roll(1, 2),
            "channels turned round": lambda: value[:, chosen].flip(-1),
            "twice": lambda: 2 * value[:, chosen],
            "tenth": lambda: value[:, chosen] / 10,
            "-inf": lambda: torch.full_like(value[:, chosen], -torch.inf),
            "mean of channels": lambda: value[:, chosen].mean(-1, keepdim=True),
        }[how]()
        return value

    points = [getattr(model.blocks[at].attention, f"hook_{what}") for at in layers]
    handles = [point.add_hook(edit) for point in points]
    try:
        with torch.no_grad():
            logits = model(ids)
    finally:
        for handle in handles:
            if clean == "yes":
                handle.remove()
        if clean == "everybody":
            for part in model.modules():
                part._forward_hooks.clear()
    with torch.no_grad():
        return {
            "logits": lambda: logits,
            "difference": lambda: model(ids) - logits,
            "other difference": lambda: logits - model(ids),
            "last": lambda: logits[:, -1],
            "probabilities": lambda: logits.softmax(-1),
            "log-probabilities": lambda: logits.log_softmax(-1),
            "best": lambda: logits.argmax(-1),
            "pair": lambda: (logits, model),
        }[give]()


EDITS = {
    "position": lambda z, i: z[:, :, i].zero_(),
    "channel": lambda z, i: z[..., i].zero_(),
    "text": lambda z, i: z[i].zero_(),
    "text within": lambda z, i: z[i % len(z)].zero_(),
    "last position": lambda z, i: z[:, i, -1].zero_(),
    "first position": lambda z, i: z[:, i, 0].zero_(),
    "first text": lambda z, i: z[0, i].zero_(),
    "from here": lambda z, i: z[:, i:].zero_(),
    "up to here": lambda z, i: z[:, : i + 1].zero_(),
    "one channel": lambda z, i: z[:, i, :, 0].zero_(),
}

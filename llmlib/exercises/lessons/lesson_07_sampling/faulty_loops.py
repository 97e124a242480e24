"""Wrong solutions to the exercises in `loops`.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from typing import Any, Literal

import torch

ContinuationReads = Literal[
    "new", "all", "no cache", "stale cache", "last twice", "last of the prompt", "prompt", "nothing"
]


def faulty_continuation(
    read: Any,
    choose: Any,
    ids: list[int],
    us: Any,
    end: Any,
    reads: ContinuationReads = "new",
    sees: Literal["all", "prompt", "new", "new first", "all backwards", "backwards", "sorted", "last"] = "all",
    us_as: Literal["in order", "first", "one less", "backwards"] = "in order",
    at_end: Literal["stops", "kept", "ignored", "left out", "nothing"] = "stops",
    give: Literal["new", "all"] = "new",
) -> Any:
    logits, cache = read(ids[-1:] if reads == "last of the prompt" else ids, None)
    if reads == "last twice":
        logits, cache = read(ids[-1:], cache)
    new: list[int] = []
    for number, u in enumerate(us[::-1] if us_as == "backwards" else us):
        seen = {
            "all": ids + new,
            "prompt": ids,
            "new": new,
            "last": (ids + new)[-1:],
            "new first": new + ids,
            "backwards": ids[::-1] + new,
            "all backwards": (ids + new)[::-1],
            "sorted": sorted(ids + new),
        }[sees]
        token = choose(logits, seen, us[0] if us_as == "first" else u)
        if token == end and at_end in ("stops", "nothing"):
            if at_end == "nothing":
                return None
            break
        if token == end and at_end == "left out":
            continue
        new.append(token)
        if (token == end and at_end == "kept") or (us_as == "one less" and number == len(us) - 2):
            break
        if reads == "stale cache":  # each token is read with the prompt's cache
            logits, _ = read([token], cache)
        elif reads != "nothing":
            text = {"all": ids + new, "prompt": ids}.get(reads, [token])
            logits, cache = read(text, None if reads == "no cache" else cache)
    return ids + new if give == "all" else new


BeamStepIndex = Literal["beam first", "divided by n_beams", "divided by the beams", "exchanged", "by the beams"]
BeamStepPool = (
    Literal["all", "each", "shared, up", "shared, down", "best beam", "first beam", "as many as before"]
    | Literal["by the token alone", "by the token alone, sorted"]
)


def faulty_beam_step(
    found: Any,
    log_p: Any,
    n_beams: Any,
    sums: Literal["all", "new only", "probabilities", "probabilities multiplied", "product", "mean", "minus"] = "all",
    pool: BeamStepPool = "all",
    index: BeamStepIndex = "beam first",
    best: Literal["largest", "smallest"] = "largest",
    order: Literal["falling", "rising", "as found"] = "falling",
    ids: Literal["longer", "the token alone", "not longer", "in front", "in place"] = "longer",
    give: Literal["pairs", "ids", "exchanged"] = "pairs",
) -> Any:
    before = torch.tensor([total for total, _ in found])[:, None]
    match sums:
        case "all":
            totals = log_p if pool.startswith("by the token alone") else before + log_p
        case "new only":
            totals = log_p
        case "probabilities":
            totals = before + log_p.exp()
        case "product":
            totals = before * log_p
        case "minus":
            totals = before - log_p
        case "probabilities multiplied":
            totals = before.exp() * log_p.exp()
        case "mean":
            totals = (before + log_p) / (len(found[0][1]) + 1)
    vocab = log_p.shape[1]
    if pool == "each":
        places = [beam * vocab + int(token) for beam, token in enumerate(totals.argmax(dim=1))]
        places = sorted(places, key=lambda place: -totals.flatten()[place].item())[:n_beams]
    elif pool == "best beam":
        beam = max(range(len(found)), key=lambda beam: found[beam][0])
        places = [beam * vocab + token for token in totals[beam].topk(min(n_beams, vocab)).indices.tolist()]
    elif pool == "first beam":
        places = totals[0].topk(min(n_beams, vocab)).indices.tolist()
    elif pool.startswith("shared"):
        each = {"shared, up": -(-n_beams // len(found)), "shared, down": max(1, n_beams // len(found))}[pool]
        tops = [(beam, totals[beam].topk(min(each, vocab)).indices.tolist()) for beam in range(len(found))]
        places = [beam * vocab + token for beam, tokens in tops for token in tokens]
        places = sorted(places, key=lambda place: -totals.flatten()[place].item())[:n_beams]
    elif pool == "as many as before":
        places = totals.flatten().topk(len(found)).indices.tolist()
    else:
        places = totals.flatten().topk(n_beams, largest=best == "largest").indices.tolist()
    if order == "as found":
        places = sorted(places)
    if order == "rising":
        places = places[::-1]
    if pool.startswith("by the token alone"):
        totals = before + log_p
        if pool.endswith("sorted"):
            places = sorted(places, key=lambda place: -totals.flatten()[place].item())
    steps = [(totals.flatten()[place].item(), *divmod(place, vocab)) for place in places]
    if index == "exchanged":
        steps = [(total, place % len(found), place // len(found) % vocab) for (total, *_), place in zip(steps, places)]
    if index == "by the beams":
        n = len(found)
        steps = [(total, place // n % n, place % n) for (total, *_), place in zip(steps, places)]
    if index.startswith("divided by"):
        divisor = n_beams if index == "divided by n_beams" else len(found)
        steps = [(total, place // divisor % len(found), place % vocab) for (total, *_), place in zip(steps, places)]
    longer = {
        "longer": lambda beam, token: found[beam][1] + [token],
        "the token alone": lambda beam, token: [token],
        "not longer": lambda beam, token: found[beam][1],
        "in front": lambda beam, token: [token] + found[beam][1],
        "in place": lambda beam, token: found[beam][1].append(token) or found[beam][1],
    }[ids]
    pairs = [(total, longer(beam, token)) for total, beam, token in steps]
    return {"pairs": pairs, "ids": [ids for _, ids in pairs], "exchanged": [(b, a) for a, b in pairs]}[give]

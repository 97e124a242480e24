"""Wrong solutions to the exercises in `constraints`.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from typing import Any, Literal

import torch
from torch import Tensor


def _as_far_as_it_goes(moves: Any, at: Any, token: Any, skips: Any) -> Any:
    """Return the last state that the token's bytes reach; stop at a byte that leads nowhere, or skip it if `skips`."""
    for byte in token:
        if byte in moves[at]:
            at = moves[at][byte]
        elif not skips:
            break
    return at


AllowedWalk = (
    Literal["all", "first", "last", "stays", "next by number", "some", "no key", "broken off", "broken off, all"]
    | Literal["skips", "the last byte decides", "single", "zero is none", "zero is none at the end", "backwards"]
    | Literal["later bytes anywhere", "anywhere"]
)


def faulty_allowed(
    moves: Any,
    state: Any,
    tokens: Any,
    walk: AllowedWalk = "all",
    empty: Literal["no", "yes"] = "no",
    start: Literal["own", "zero", "overwritten"] = "own",
    give: Literal["ids", "tokens", "first of equal ones", "states", "booleans", "forbidden"] = "ids",
    end: Literal["any", "leads on", "finished"] = "any",
) -> Any:
    at_start = 0 if start == "zero" else state
    allowed = []
    for id, token in enumerate(tokens):
        at, ok, last = at_start, True, at_start
        for byte in token[::-1] if walk == "backwards" else token[:1] if walk == "first" else token:
            way = moves[at].get(byte) if walk != "no key" else None
            if way is None or (walk == "zero is none" and way == 0):
                ok = False
                break
            at, last = (at if walk == "stays" else way), way
            if start == "overwritten":
                at_start = at
        if walk in ("broken off", "skips"):
            last = _as_far_as_it_goes(moves, at_start, token, skips=walk == "skips")
            ok = last != at_start
        if walk == "broken off, all":
            ok = True
        if walk == "the last byte decides":
            here = at_start
            for byte in token:
                ok = byte in moves[here]
                here = moves[here].get(byte, here)
        if walk == "some":
            ok = bool(token) and token[0] in moves[at_start]
            ok = ok or any(byte in moves[at_start] for byte in token)
        if walk in ("later bytes anywhere", "anywhere"):
            ok = all(any(byte in ways for ways in moves) for byte in token)
            ok = ok and (walk == "anywhere" or (bool(token) and token[0] in moves[at_start]))
        if walk == "last":
            ok = token[-1:] != b"" and token[-1] in moves[at_start]
        if walk == "next by number":
            ok = all(
                byte in moves[at_start + i] if at_start + i < len(moves) else False for i, byte in enumerate(token)
            )
        if walk == "single":
            ok = len(token) == 1 and token[0] in moves[at_start]
        if walk == "zero is none at the end":
            ok = ok and at != 0
        if end == "leads on":
            ok = ok and bool(moves[last])
        elif end == "finished":
            ok = ok and not moves[last]
        if ok and (token or empty == "yes"):
            allowed.append((id, token, last))
    number = {"ids": 0, "tokens": 1, "states": 2}
    if give == "first of equal ones":
        return [tokens.index(token) for _, token, _ in allowed]
    if give == "booleans":
        ids = {id for id, _, _ in allowed}
        return [id in ids for id in range(len(tokens))]
    if give == "forbidden":
        ids = {id for id, _, _ in allowed}
        return [id for id in range(len(tokens)) if id not in ids]
    return [entry[number[give]] for entry in allowed]


def _reached(moves: Any, state: Any, data: Any) -> Any:
    """Return the state that the bytes lead to, or None if the automaton cannot follow them."""
    for byte in data:
        state = moves[state].get(byte)
        if state is None:
            return None
    return state


def _moved(moves: Any, state: Any, data: Any, walk: Any) -> Any:
    """Return the state after the token with the bytes `data` has been written."""
    if walk == "stays":
        return state
    state = 0 if walk == "from 0" else state
    if walk == "as it was" and _reached(moves, state, data) is None:
        return state
    for byte in data[:1] if walk == "first byte" else data:
        state = moves[state].get(byte, state) if walk in ("from 0", "where it can") else moves[state][byte]
    return state


ConstrainedStop = Literal[
    "in ends",
    "always",
    "nothing follows",
    "as soon as it may",
    "not at once",
    "of the state before",
    "above 0",
    "above 0 as well",
    "above a half",
]


def faulty_constrained(
    logits_after: Any,
    moves: Any,
    ends: Any,
    tokens: Any,
    end: Any,
    most: Any,
    stop: ConstrainedStop = "in ends",
    mask: Literal["others out", "none", "stops", "zeros", "end against all"] = "others out",
    walk: Literal["all", "where it can", "stops", "as it was", "stays", "first byte", "from 0"] = "all",
    sees: Literal["all", "nothing", "last"] = "all",
    give: Literal["ids", "with the end", "bytes", "tokens"] = "ids",
    limit: Literal["most", "one less", "one more", "none"] = "most",
    empty: Literal["no", "yes"] = "no",
    pick: Literal["likeliest", "unlikeliest", "first", "place"] = "likeliest",
) -> Any:
    state, last = 0, 0
    ids: list[int] = []
    before = logits_after(ids)
    rounds = {"most": most, "one less": most - 1, "one more": most + 1, "none": 10 * most + 10}[limit]
    while len(ids) < rounds:
        if stop == "as soon as it may" and state in ends:
            break
        logits = {"all": logits_after, "last": lambda ids: logits_after(ids[-1:]), "nothing": lambda ids: before}[sees](
            ids
        )
        if stop.startswith("above") and state in ends:
            wants = logits.softmax(-1)[end] > 0.5 if stop == "above a half" else logits[end] > 0
            if wants:
                break
        may_end = {
            "above 0": False,
            "above a half": False,
            "always": True,
            "nothing follows": not moves[state],
            "not at once": state in ends and bool(ids),
            "of the state before": last in ends,
        }.get(stop, state in ends)
        allowed = [id for id, data in enumerate(tokens) if data and _reached(moves, state, data) is not None]
        if empty == "yes":
            allowed += [id for id, data in enumerate(tokens) if not data]
        elif may_end:
            allowed.append(end)
        best = _taken(logits, allowed, end, mask, pick)
        if best is None or best == end:
            ids += [end] * (best == end and give == "with the end")
            break
        ids.append(best)
        if walk == "stops" and _reached(moves, state, tokens[best]) is None:
            break
        last, state = state, _moved(moves, state, tokens[best], walk)
    if give == "bytes":
        return b"".join(tokens[id] for id in ids)
    return [tokens[id] for id in ids] if give == "tokens" else ids


def _taken(logits: Tensor, allowed: list[int], end: int, mask: str, pick: str) -> int | None:
    """Return the id to write next, or None if the text ends without an end token."""
    if mask in ("none", "stops"):
        best = int(logits.argmax())
        return best if mask == "none" or best in allowed else None
    if mask == "zeros":
        kept = torch.zeros_like(logits)
        kept[allowed] = logits[allowed]
        return int(kept.argmax())
    if mask == "end against all" and end in allowed and int(logits.argmax()) != end:
        allowed = [id for id in allowed if id != end]
    if not allowed:
        return None
    if pick == "first":
        return min(allowed)
    if pick == "place":
        return int(torch.stack([logits[id] for id in allowed]).argmax())
    return (min if pick == "unlikeliest" else max)(allowed, key=lambda id: logits[id].item())

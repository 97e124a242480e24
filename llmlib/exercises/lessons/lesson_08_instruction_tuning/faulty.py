"""Wrong solutions to the exercises in lesson 08.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from typing import Any, Literal

import torch
from torch import Tensor

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|endoftext|>"
IGNORED = -100


ChatTextPrompt = (
    Literal["after a question", "never", "always", "after an answer", "after each question", "spaced"]
    | Literal["the next one's", "user's", "ended", "spaced and ended", "by place", "odd"]
)


def faulty_chat_text(
    messages: Any,
    end: Literal["assistant", "none", "last", "of the text", "both", "user", "before"] = "assistant",
    head: Literal["both", "assistant", "user", "none", "exchanged", "same", "names", "<user>"] = "both",
    prompt: ChatTextPrompt = "after a question",
    space: Literal["assistant", "none", "both", "user", "before the end", "lines"] = "assistant",
    between: Literal["", "\n", "after each", "before the prompt not", " "] = "",
    which: Literal["all", "last", "first", "not the last", "questions", "answers"] = "all",
    content: Literal["as it is", "stripped"] = "as it is",
    by: Literal["role", "place"] = "role",
    give: Literal["text", "pieces"] = "text",
) -> Any:
    chosen = {
        "all": messages,
        "last": messages[-1:],
        "first": messages[:1],
        "questions": [m for m in messages if m["role"] == "user"],
        "answers": [m for m in messages if m["role"] != "user"],
        "not the last": messages[:-1],
    }[which]
    parts = []
    if prompt == "by place":
        messages = [{"role": "user" if i % 2 == 0 else "assistant"} for i in range(len(messages))]
    for i, message in enumerate(chosen):
        user = message["role"] == "user" if by == "role" else i % 2 == 0
        says = message["content"].strip() if content == "stripped" else message["content"]
        turn = _turn(user, says, end, head, space, last=i == len(chosen) - 1)
        parts.append(turn + ASSISTANT * (prompt == "after each question" and user and i < len(chosen) - 1))
    asked = messages[-1]["role"] == "user"
    opened = {
        "after a question": ASSISTANT * asked,
        "by place": ASSISTANT * asked,
        "never": "",
        "always": ASSISTANT,
        "after an answer": ASSISTANT * (not asked),
        "spaced": f"{ASSISTANT} " * asked,
        "the next one's": ASSISTANT if asked else USER,
        "ended": (ASSISTANT + END) * asked,
        "user's": USER * asked,
        "spaced and ended": f"{ASSISTANT} {END}" * asked,
        "after each question": ASSISTANT * asked,
        "odd": ASSISTANT * (len(messages) % 2),
    }[prompt]
    if space == "lines" and opened:
        opened += "\n"
    if give == "pieces":
        return [*parts, opened] if opened else parts
    if between == "after each":
        return "".join(part + "\n" for part in parts) + opened
    if between == "before the prompt not":
        return "\n".join(parts) + opened
    text = between.join([*parts, opened] if opened else parts)
    return text + END if end == "of the text" else text


def _turn(user: Any, says: Any, end: Any, head: Any, space: Any, last: Any) -> Any:
    """Write one turn, made up of the speaker, the content, and the end token."""
    header = {
        "both": (USER, ASSISTANT),
        "assistant": ("", ASSISTANT),
        "user": (USER, ""),
        "none": ("", ""),
        "exchanged": (ASSISTANT, USER),
        "same": (USER, USER),
        "names": ("user: ", "assistant: "),
        "<user>": ("<user>", "<assistant>"),
    }[head][0 if user else 1]
    spaced = {
        "assistant": not user,
        "none": False,
        "both": True,
        "user": user,
        "before the end": not user,
        "lines": False,
    }[space]
    closed = {
        "assistant": not user,
        "none": False,
        "both": True,
        "user": user,
        "last": last and not user,
        "of the text": False,
        "before": False,
    }[end]
    gap = " " if space == "before the end" and not user else ""
    if space == "lines":
        return f"{header}\n{says}{END * closed}\n"
    first = END if end == "before" and not user else ""
    return first + header + " " * spaced + says + gap + END * closed


AnswerMaskGive = (
    Literal["booleans", "header to end", "shifted", "late", "numbers", "floats", "labels", "zeros", "selected"]
    | Literal["places"]
)
AnswerMaskWhich = (
    Literal["all", "first", "last", "after the last", "everything after", "to the last end"]
    | Literal["to the last end of all", "everything after, without headers", "the others", "questions"]
    | Literal["no special tokens", "first and ends"]
)


def faulty_answer_mask(
    ids: Tensor,
    assistant: Any,
    end: Any,
    head: Literal["left out", "counted"] = "left out",
    stop: Literal["with", "without", "one more"] = "with",
    which: AnswerMaskWhich = "all",
    cut: Literal["counts", "nothing", "short", "never"] = "counts",
    first: Literal["counted", "left out", "alone"] = "counted",
    give: AnswerMaskGive = "booleans",
) -> Any:
    listed = ids.tolist()
    spans = []  # for each answer: its header's position, the position after its end, and whether it has an end token
    for start, id in enumerate(listed):
        if id == assistant:
            ends = [i for i in range(start, len(listed)) if listed[i] == end]
            if not ends and cut == "never":
                listed.index(end, start)  # raises ValueError
            spans.append((start, ends[0] + 1, True) if ends else (start, len(listed), False))
    if which == "first":
        spans = spans[:1]
    elif which == "last":
        spans = spans[-1:]
    elif which == "everything after":
        spans = [(spans[0][0], len(listed), False)] if spans else []
    elif which == "after the last":
        spans = [(spans[-1][0], len(listed), False)] if spans else []
    elif which == "to the last end":
        spans = [(spans[0][0], max(stop for _, stop, _ in spans), spans[-1][2])] if spans else []
    elif which == "to the last end of all":
        last_end = max((i + 1 for i, id in enumerate(listed) if id == end), default=len(listed))
        spans = [(spans[0][0], last_end, False)] if spans else []
    mask = torch.zeros(len(listed), dtype=torch.bool)
    for start, after, ended in spans:
        if not ended and cut == "nothing":
            continue
        if give == "header to end":
            mask[start : after - ended] = True
            continue
        begin = start if head == "counted" else start + 1 + (first == "left out")
        last = after - (stop == "without" and ended) + (stop == "one more" and ended) - (cut == "short" and not ended)
        if first == "alone":
            last = min(last, start + 2)
        mask[begin:last] = True
    if which == "the others":
        mask = ~mask
    elif which == "everything after, without headers":
        mask = ((ids == assistant).cumsum(0) > 0) & (ids != assistant)
    elif which == "questions":
        mask = ~mask & (ids != assistant)
    elif which == "first and ends":
        mask = torch.cat((torch.zeros_like(mask[:1]), ids[:-1] == assistant)) | (ids == end)
    elif which == "no special tokens":
        mask = (ids != assistant) & (ids != end)
    match give:
        case "booleans":
            return mask
        case "header to end":
            return mask
        case "numbers":
            return mask.long()
        case "floats":
            return mask.float()
        case "labels":
            return ids.masked_fill(~mask, IGNORED)
        case "zeros":
            return ids * mask
        case "selected":
            return ids[mask]
        case "places":
            return mask.nonzero()[:, 0]
        case "shifted":
            return torch.cat((mask[1:], torch.tensor([False])))
        case "late":
            return torch.cat((torch.tensor([False]), mask[:-1]))


TargetsShift = (
    Literal["one", "none", "cut", "cut, mask shifted", "backwards", "round", "inputs uncut", "filled"]
    | Literal["along the batch", "first dropped", "two"]
)


def faulty_targets(
    ids: Tensor,
    mask: Tensor,
    mask_of: Literal["targets", "inputs", "two on", "both", "either", "none"] = "targets",
    shift: TargetsShift = "one",
    fill: Literal["subtracted", "zeros too"] | int = IGNORED,
    inputs: Literal["whole", "through a view", "answers only", "as the targets", "questions only"] = "whole",
    keep: Literal["answers", "questions"] = "answers",
    order: Literal["x y", "y x"] = "x y",
    give: Literal["both", "stacked", "targets", "selected", "both selected", "with the mask"] = "both",
) -> Any:
    if keep == "questions":
        mask = ~mask
    x, y = ids[:, :-1], ids[:, 1:]
    match mask_of:
        case "targets":
            m = mask[:, 1:]
        case "inputs":
            m = mask[:, :-1]
        case "both":
            m = mask[:, 1:] & mask[:, :-1]
        case "either":
            m = mask[:, 1:] | mask[:, :-1]
        case "none":
            m = torch.ones_like(mask[:, 1:])
        case "two on":
            m = torch.cat((mask[:, 2:], torch.zeros_like(mask[:, :1])), 1)
    if shift == "along the batch":
        x, y, m = ids[:-1], ids[1:], mask[1:]
    elif shift == "first dropped":
        x, y, m = ids[:, 1:], ids[:, 1:], mask[:, 1:]
    elif shift == "two":
        x, y = ids[:, :-1], torch.cat((ids[:, 2:], ids[:, :1]), 1)
        m = torch.cat((mask[:, 2:], torch.zeros_like(mask[:, :1])), 1)
    elif shift == "none":
        x, y, m = ids, ids, mask
    elif shift == "cut":
        y = x
        m = mask[:, :-1]
    elif shift == "cut, mask shifted":
        y = x
    elif shift == "backwards":
        x, y, m = ids[:, 1:], ids[:, :-1], mask[:, :-1]
    elif shift == "round":
        x, y, m = ids, ids.roll(-1, 1), mask.roll(-1, 1)
    elif shift == "inputs uncut":
        x = ids
    elif shift == "filled":
        last = torch.zeros_like(mask[:, :1])
        x, y, m = ids, torch.cat((y, torch.zeros_like(ids[:, :1])), 1), torch.cat((m, last), 1)
    ignored = 0 if fill == "subtracted" else IGNORED if fill == "zeros too" else fill
    if fill == "zeros too":
        m = m & (y != 0)
    y = y * m - 100 if fill == "subtracted" else y.masked_fill(~m, ignored)
    if inputs == "answers only":
        x = x.masked_fill(~mask[:, : x.shape[1]], ignored)
    elif inputs == "as the targets":
        x = x.masked_fill(~m, ignored)
    elif inputs == "through a view":
        x = torch.cat((ids[:, :1], y[:, :-1]), 1)
    elif inputs == "questions only":
        x = x.masked_fill(mask[:, : x.shape[1]], ignored)
    if order == "y x":
        x, y = y, x
    match give:
        case "both":
            return (x, y)
        case "stacked":
            return torch.stack((x, y))
        case "targets":
            return y
        case "selected":
            return (x, y[m])
        case "both selected":
            return (x[m], y[m])
        case "with the mask":
            return (x, y, m)


PackGive = Literal["tensor", "cut by length", "ragged", "rows", "mask", "transposed", "flat", "as wide as the widest"]
PackLong = Literal["cut", "dropped", "end kept", "goes on", "rest in new rows", "uncut", "no room", "measured first"]
PackPlace = (
    Literal["in order", "one a row", "split", "split, long whole", "first that fits", "fullest that fits"]
    | Literal["largest first", "smallest first", "turned around", "before", "cut to the rest", "lost"]
)


def faulty_pack(
    conversations: Any,
    length: Any,
    place: PackPlace = "in order",
    long: PackLong = "cut",
    fill: int = -1,
    side: Literal["right", "left"] = "right",
    last: Literal["kept", "forgotten", "only if full"] = "kept",
    room: int = 0,
    gap: int = 0,
    give: PackGive = "tensor",
) -> Any:
    match long:
        case "cut":
            cut = [ids[:length] for ids in conversations]
        case "dropped":
            cut = [ids for ids in conversations if len(ids) <= length]
        case "end kept":
            cut = [ids[-length:] for ids in conversations]
        case "goes on":
            cut = [ids[i : i + length] for ids in conversations for i in range(0, len(ids), length)]
        case "uncut":
            cut = conversations
        case "measured first":
            cut = conversations
        case "rest in new rows":
            cut = conversations
        case "no room":
            cut = conversations
    if place == "turned around":
        cut = cut[::-1]
    elif place == "largest first":
        cut = sorted(cut, key=len, reverse=True)
    elif place == "smallest first":
        cut = sorted(cut, key=len)
    rows: list[list[int]] = [[]]
    if place in ("split", "split, long whole"):
        flat = [id for ids in (conversations if place == "split, long whole" else cut) for id in ids]
        rows = [flat[i : i + length] for i in range(0, len(flat), length)]
    else:
        for ids in cut:
            if long == "rest in new rows":
                fits = len(rows[-1]) + len(ids) <= length
                rows[-1:] = [rows[-1] + ids] if fits else [*rows[-1:], ids[:length]]
                rows += [ids[i : i + length] for i in range(length, len(ids), length)]
                continue
            at = _row_for(rows, ids, length - room, gap, place, anew=long == "measured first")
            if at is None:
                rows.append([] if place == "lost" else ids[:length] if long == "measured first" else list(ids))
            elif place == "cut to the rest":
                rows[at] = (rows[at] + ids)[:length]
            elif place == "before":
                rows[at] = ids + rows[at]
            else:
                rows[at] = rows[at] + [fill] * (gap if rows[at] else 0) + ids
    if last == "forgotten" or (last == "only if full" and len(rows[-1]) < length):
        rows = rows[:-1]
    if give == "ragged":
        return rows
    length = max(map(len, rows)) if give == "as wide as the widest" else length
    blank = [[fill] * (length - len(row)) for row in rows]
    rows = [space + row if side == "left" else row + space for row, space in zip(rows, blank)]
    if long == "no room":
        for row in rows:
            torch.empty(length)[: len(row)] = torch.tensor(row)  # raises an error if the row is longer than `length`
    match give:
        case "tensor":
            return torch.tensor(rows)
        case "as wide as the widest":
            return torch.tensor(rows)
        case "cut by length":
            return torch.tensor(rows).reshape(-1, length)
        case "rows":
            return rows
        case "mask":
            return torch.tensor(rows) != fill
        case "transposed":
            return torch.tensor(rows).T
        case "flat":
            return torch.tensor(rows).flatten()


def _row_for(rows: Any, ids: Tensor, limit: Any, gap: Any, place: Any, anew: bool = False) -> Any:
    """Return the index of the row that this conversation goes into; None means a new row."""
    fits = [(not row and not anew) or len(row) + gap + len(ids) <= limit for row in rows]
    if place == "cut to the rest":
        return len(rows) - 1 if len(rows[-1]) < limit else None
    if place == "one a row":
        return 0 if not rows[0] else None
    if place == "first that fits":
        return fits.index(True) if True in fits else None
    if place == "fullest that fits":
        free = [(limit - len(row), i) for i, row in enumerate(rows) if fits[i]]
        return min(free)[1] if free else None
    return len(rows) - 1 if fits[-1] else None

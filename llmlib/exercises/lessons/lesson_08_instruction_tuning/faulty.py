"""The wrong ways through the exercises of lesson 08: each reference once more, with keywords for its faults."""

import torch

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|endoftext|>"
IGNORED = -100


def faulty_chat_text(messages, end="assistant", head="both", prompt="after a question", space="assistant", between="",
                     which="all", content="as it is", by="role", give="text"):  # fmt: skip
    chosen = {
        "all": messages, "last": messages[-1:], "first": messages[:1],
        "questions": [m for m in messages if m["role"] == "user"],
        "answers": [m for m in messages if m["role"] != "user"], "not the last": messages[:-1],
    }[which]  # fmt: skip
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
        "after a question": ASSISTANT * asked, "by place": ASSISTANT * asked, "never": "", "always": ASSISTANT,
        "after an answer": ASSISTANT * (not asked), "spaced": f"{ASSISTANT} " * asked,
        "the next one's": ASSISTANT if asked else USER, "ended": (ASSISTANT + END) * asked, "user's": USER * asked,
        "spaced and ended": f"{ASSISTANT} {END}" * asked, "after each question": ASSISTANT * asked,
        "odd": ASSISTANT * (len(messages) % 2),
    }[prompt]  # fmt: skip
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


def _turn(user, says, end, head, space, last):
    """One turn: who speaks, what is said, and its end."""
    header = {
        "both": (USER, ASSISTANT), "assistant": ("", ASSISTANT), "user": (USER, ""), "none": ("", ""),
        "exchanged": (ASSISTANT, USER), "same": (USER, USER), "names": ("user: ", "assistant: "),
        "<user>": ("<user>", "<assistant>"),
    }[head][0 if user else 1]  # fmt: skip
    spaced = {"assistant": not user, "none": False, "both": True, "user": user, "before the end": not user,
              "lines": False}[space]  # fmt: skip
    closed = {
        "assistant": not user, "none": False, "both": True, "user": user, "last": last and not user,
        "of the text": False, "before": False,
    }[end]  # fmt: skip
    gap = " " if space == "before the end" and not user else ""
    if space == "lines":
        return f"{header}\n{says}{END * closed}\n"
    first = END if end == "before" and not user else ""
    return first + header + " " * spaced + says + gap + END * closed


def faulty_answer_mask(ids, assistant, end, head="left out", stop="with", which="all", cut="counts", first="counted",
                       give="booleans"):  # fmt: skip
    listed = ids.tolist()
    spans = []  # of each answer: its header's place, the place after its end, whether it has an end
    for start, id in enumerate(listed):
        if id == assistant:
            ends = [i for i in range(start, len(listed)) if listed[i] == end]
            if not ends and cut == "never":
                listed.index(end, start)  # raises
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
    return {
        "booleans": lambda: mask,
        "header to end": lambda: mask,
        "numbers": lambda: mask.long(),
        "floats": lambda: mask.float(),
        "labels": lambda: ids.masked_fill(~mask, IGNORED),
        "zeros": lambda: ids * mask,
        "selected": lambda: ids[mask],
        "places": lambda: mask.nonzero()[:, 0],
        "shifted": lambda: torch.cat((mask[1:], torch.tensor([False]))),
        "late": lambda: torch.cat((torch.tensor([False]), mask[:-1])),
    }[give]()


def faulty_targets(ids, mask, mask_of="targets", shift="one", fill=IGNORED, inputs="whole", keep="answers", order="x y",
                   give="both"):  # fmt: skip
    if keep == "questions":
        mask = ~mask
    x, y = ids[:, :-1], ids[:, 1:]
    m = {
        "targets": lambda: mask[:, 1:], "inputs": lambda: mask[:, :-1], "both": lambda: mask[:, 1:] & mask[:, :-1],
        "either": lambda: mask[:, 1:] | mask[:, :-1], "none": lambda: torch.ones_like(mask[:, 1:]),
        "two on": lambda: torch.cat((mask[:, 2:], torch.zeros_like(mask[:, :1])), 1),
    }[mask_of]()  # fmt: skip
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
    y = y * m - 100 if fill == "subtracted" else y.masked_fill(~m, fill)
    if inputs == "answers only":
        x = x.masked_fill(~mask[:, : x.shape[1]], fill)
    elif inputs == "as the targets":
        x = x.masked_fill(~m, fill)
    elif inputs == "through a view":
        x = torch.cat((ids[:, :1], y[:, :-1]), 1)
    elif inputs == "questions only":
        x = x.masked_fill(mask[:, : x.shape[1]], fill)
    if order == "y x":
        x, y = y, x
    return {
        "both": lambda: (x, y),
        "stacked": lambda: torch.stack((x, y)),
        "targets": lambda: y,
        "selected": lambda: (x, y[m]),
        "both selected": lambda: (x[m], y[m]),
        "with the mask": lambda: (x, y, m),
    }[give]()


def faulty_pack(conversations, length, place="in order", long="cut", fill=-1, side="right", last="kept", room=0, gap=0,
                give="tensor"):  # fmt: skip
    cut = {
        "cut": lambda: [ids[:length] for ids in conversations],
        "dropped": lambda: [ids for ids in conversations if len(ids) <= length],
        "end kept": lambda: [ids[-length:] for ids in conversations],
        "goes on": lambda: [ids[i : i + length] for ids in conversations for i in range(0, len(ids), length)],
        "uncut": lambda: conversations,
        "measured first": lambda: conversations,
        "rest in new rows": lambda: conversations,
        "no room": lambda: conversations,
    }[long]()
    if place == "turned around":
        cut = cut[::-1]
    elif place == "largest first":
        cut = sorted(cut, key=len, reverse=True)
    elif place == "smallest first":
        cut = sorted(cut, key=len)
    rows = [[]]
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
            torch.empty(length)[: len(row)] = torch.tensor(row)  # raises, as there are fewer places
    return {
        "tensor": lambda: torch.tensor(rows),
        "as wide as the widest": lambda: torch.tensor(rows),
        "cut by length": lambda: torch.tensor(rows).reshape(-1, length),
        "rows": lambda: rows,
        "mask": lambda: torch.tensor(rows) != fill,
        "transposed": lambda: torch.tensor(rows).T,
        "flat": lambda: torch.tensor(rows).flatten(),
    }[give]()


def _row_for(rows, ids, limit, gap, place, anew=False):
    """The row that takes this conversation; None for a new one."""
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


def faulty_interval(right, n, z=1.96, formula="wilson", root="taken", less=0, middle="moved", below="divided",
                    inner="n²", power=2, of="right", give="bounds"):  # fmt: skip
    p = right / n if of == "right" else (n - right) / n
    m = n - less
    if formula in ("plus four", "laplace"):
        extra = 2 if formula == "plus four" else 1
        p, m = (right + extra) / (n + 2 * extra), n + 2 * extra
    elif formula.startswith("agresti"):
        p, m = (right + z**2 / 2) / (n + z**2), n + z**2
    if formula == "wilson":
        grown = 1 + z**power / m
        spread = p * (1 - p) / (n - 1 if inner == "n − 1" else m)
        under = {"n²": p * (1 - p) / m + z**power / (4 * m**2), "n": p * (1 - p) / m + z**power / (4 * m),
                 "left out": p * (1 - p) / m, "no 4": p * (1 - p) / m + z**power / m**2,
                 "4 squared": p * (1 - p) / m + z**power / (4 * m) ** 2,
                 "brackets missing": p * 1 - p / m + z**power / (4 * m**2),
                 "not by n": p * (1 - p) + z**power / (4 * m**2),
                 "n − 1": spread + z**power / (4 * m**2)}[inner]  # fmt: skip
        centre = {
            "moved": p + z**power / (2 * m),
            "at p": p,
            "p divided": p,
            "no 2": p + z**power / m,
            "term divided": p + z**power / (2 * m) / grown,
        }[middle]
        if middle not in ("at p", "term divided") and below in ("divided", "middle alone"):
            centre = centre / grown
        half = {"taken": lambda: z * under**0.5, "forgotten": lambda: z * under, "over z": lambda: (z * under) ** 0.5,
                "first term": lambda: z * (spread**0.5 + under - spread), "halved": lambda: z * under**0.5 / 2,
                "each alone": lambda: z * (spread**0.5 + z / (2 * m)), "z forgotten": lambda: under**0.5,
                "over all": lambda: (z * under / grown) ** 0.5 * grown}[root]()  # fmt: skip
        if below in ("divided", "half alone"):
            half = half / grown
        if below == "brackets missing":
            centre, half = centre / 1 + z**power / m, half / 1 + z**power / m
    else:
        spread = (0.25 if formula == "largest spread" else p * (1 - p)) / (1 if inner == "not by n" else m)
        centre = p
        half = z * (spread**0.5 if root == "taken" else spread)
    low, high = centre - half, centre + half
    if formula in ("clipped", "agresti, clipped"):
        low, high = max(0.0, low), min(1.0, high)
    return {
        "bounds": lambda: (low, high),
        "exchanged": lambda: (high, low),
        "middle and half": lambda: (centre, half),
        "half": lambda: half,
        "width": lambda: high - low,
        "percent": lambda: (100 * low, 100 * high),
        "numbers": lambda: (n * low, n * high),
        "rounded": lambda: (round(low, 2), round(high, 2)),
        "from the share": lambda: (p - low, high - p),
    }[give]()


def faulty_best_by_wording(asked, decide="majority", weigh="questions", give="share"):
    told = {}
    for wording, is_told in asked:
        wording = wording.split()[0] if decide == "first word" else wording
        told.setdefault(wording, []).append(is_told)
    if decide == "one for all":
        told = {"": [is_told for _, is_told in asked]}
    rights = []
    for some in told.values():
        yes, no = sum(some), len(some) - sum(some)
        rights.append({
            "majority": max(yes, no), "first word": max(yes, no), "one for all": max(yes, no),
            "minority": min(yes, no), "answers all": yes,
            "refuses all": no, "answers if ever told": yes or no, "refuses if ever untold": no or yes,
            "answers alone": yes if yes > no else 0,
            "pure only": 0 if yes and no else yes + no, "half of the mixed": (yes + no) / 2 if yes and no else yes + no,
            "as the first": yes if some[0] else no, "as the last": yes if some[-1] else no,
            "at random as often": (yes**2 + no**2) / (yes + no),
        }[decide])  # fmt: skip
    n = len(asked)
    shares = [right / len(some) for right, some in zip(rights, told.values())]
    share = {
        "questions": sum(rights) / n,
        "wordings": sum(shares) / len(shares),
        "each question": sum(right * len(some) for right, some in zip(rights, told.values())) / n,
        "by wordings": sum(rights) / len(told),
        "best one": max(shares),
    }
    value = share[weigh]
    return {
        "share": lambda: value, "count": lambda: sum(rights), "percent": lambda: 100 * value,
        "rounded": lambda: round(value, 1), "by wording": lambda: dict(zip(told, shares)),
    }[give]()  # fmt: skip

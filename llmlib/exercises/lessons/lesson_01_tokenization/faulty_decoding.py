"""Wrong solutions to `decode`: the reference again, with keywords for its faults."""


def faulty_decode(
    ids,
    merges,
    join="bytes",
    codec="utf-8",
    errors="replace",
    order="left first",
    levels="all",
    first_id=256,
    ends="kept",
    unknown="merged",
):
    if levels.startswith("in order of learning"):
        for number, pair in enumerate(merges):
            ids = [half for id in ids for half in (pair if id == 256 + number else (id,))]
        return bytes(id if id < 256 else id % 256 if levels.endswith("cut") else 63 for id in ids).decode(codec, errors)
    if levels == "halves lengthened":
        return bytes(_lengthened(ids, merges)).decode(codec, errors)
    table = [bytes([b]) for b in range(256)]
    for left, right in merges:
        halves = (left, right) if order == "left first" else (right, left)
        if levels in ("left alone", "right alone"):
            table.append(table[left if levels == "left alone" else right])
        elif levels == "one":
            table.append(b"".join(bytes([half]) if half < 256 else b"" for half in halves))
        else:
            table.append(b"".join(table[half] for half in halves))
    if join == "texts of bytes":
        return "".join(bytes([byte]).decode(codec, errors) for id in ids for byte in table[id])
    if levels == "right half a byte":
        return bytes(b for id in ids for b in _leftmost(id, merges)).decode(codec, errors)
    raw = b"".join(_looked_up(table, id, first_id, unknown) for id in ids)
    if errors in ("whole text", "one at the end"):  # for `except UnicodeDecodeError`
        return _or_one_sign(raw, errors)
    if join in BETWEEN:
        text = BETWEEN[join].join(_looked_up(table, id, first_id, unknown) for id in ids).decode(codec, errors)
    elif join == "bytes":
        text = raw.decode(codec, errors)
    else:
        text = ("" if join == "texts" else " ").join(table[id].decode(codec, errors) for id in ids)
    return text.strip() if ends == "stripped" else text


def _lengthened(ids, merges):
    """Do what `table[new] = table[left]` and `table[new] += table[right]` do: the two share a list."""
    table = [[b] for b in range(256)]
    for left, right in merges:
        table.append(table[left])
        if len(table[left]) + len(table[right]) > LONGEST:
            raise MemoryError
        table[-1] += table[right]
    return [byte for id in ids for byte in table[id]]


LONGEST = 1 << 22  # bytes of a token
BETWEEN = {"bytes, spaces": b" ", "bytes, lines": b"\n", "bytes, commas": b","}


def _or_one_sign(raw, errors):
    """Write a single � by hand for broken bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return (
            "\N{REPLACEMENT CHARACTER}"
            if errors == "whole text"
            else raw.decode(errors="ignore") + "\N{REPLACEMENT CHARACTER}"
        )


def _leftmost(id, merges):
    """Follow only the left half, and take the right one if it is a byte."""
    found = []
    while id >= 256:
        id, right = merges[id - 256]
        found += [right] if right < 256 else []
    return [*found, id]


def _looked_up(table, id, first_id, unknown):
    if id < 256:
        return table[id]
    return {"merged": table[id - first_id + 256], "dropped": b"", "character": chr(id).encode()}[unknown]

"""Wrong solutions to `decode`.

`faulty_decode` is a copy of the reference solution, with keyword arguments that switch faults on.
"""

from collections.abc import Sequence
from typing import Literal

from llmlib.tokenization.simple_bpe import Pair

LONGEST = 1 << 22  # the largest size of a token, in bytes

DecodeJoin = Literal["bytes", "texts", "texts of bytes", "spaces", "bytes, spaces", "bytes, lines", "bytes, commas"]
BETWEEN: dict[DecodeJoin, bytes] = {"bytes": b"", "bytes, spaces": b" ", "bytes, lines": b"\n", "bytes, commas": b","}
DecodeLevels = (
    Literal["all", "one", "left alone", "right alone", "in order of learning", "in order of learning, cut"]
    | Literal["right half a byte", "halves lengthened"]
)
Unknown = Literal["merged", "character", "dropped"]


def faulty_decode(
    ids: Sequence[int],
    merges: Sequence[Pair],
    join: DecodeJoin = "bytes",
    codec: Literal["utf-8", "latin-1"] = "utf-8",
    errors: Literal["replace", "ignore", "strict", "backslashreplace", "whole text", "one at the end"] = "replace",
    order: Literal["left first", "right first"] = "left first",
    levels: DecodeLevels = "all",
    first_id: Literal[256, 255, 257] = 256,
    ends: Literal["kept", "stripped"] = "kept",
    unknown: Unknown = "merged",
) -> str:
    if levels == "in order of learning" or levels == "in order of learning, cut":
        for number, pair in enumerate(merges):
            ids = [half for id in ids for half in (pair if id == 256 + number else (id,))]
        return bytes(id if id < 256 else id % 256 if levels.endswith("cut") else 63 for id in ids).decode(codec, errors)
    if levels == "halves lengthened":
        return bytes(_lengthened(ids, merges)).decode(codec, errors)
    table = _table(merges, order, levels)
    if join == "texts of bytes":
        return "".join(bytes([byte]).decode(codec, errors) for id in ids for byte in table[id])
    if levels == "right half a byte":
        return bytes(b for id in ids for b in _leftmost(id, merges)).decode(codec, errors)
    tokens = [_looked_up(table, id, first_id, unknown) for id in ids]
    if errors == "whole text" or errors == "one at the end":  # imitate `except UnicodeDecodeError`
        return _or_one_sign(b"".join(tokens), errors)
    if join in BETWEEN:
        text = BETWEEN[join].join(tokens).decode(codec, errors)
    else:
        text = ("" if join == "texts" else " ").join(table[id].decode(codec, errors) for id in ids)
    return text.strip() if ends == "stripped" else text


def _table(merges: Sequence[Pair], order: Literal["left first", "right first"], levels: DecodeLevels) -> list[bytes]:
    """Return the bytes of each token."""
    table = [bytes([b]) for b in range(256)]
    for left, right in merges:
        halves = (left, right) if order == "left first" else (right, left)
        match levels:
            case "left alone":
                table.append(table[left])
            case "right alone":
                table.append(table[right])
            case "one":
                table.append(b"".join(bytes([half]) if half < 256 else b"" for half in halves))
            case _:
                table.append(b"".join(table[half] for half in halves))
    return table


def _lengthened(ids: Sequence[int], merges: Sequence[Pair]) -> list[int]:
    """Decode with `table[new] = table[left]` and `table[new] += table[right]`, so that both tokens share a list."""
    table = [[b] for b in range(256)]
    for left, right in merges:
        table.append(table[left])
        if len(table[left]) + len(table[right]) > LONGEST:
            raise MemoryError
        table[-1] += table[right]
    return [byte for id in ids for byte in table[id]]


def _or_one_sign(raw: bytes, errors: Literal["whole text", "one at the end"]) -> str:
    """Decode the bytes; if some are not valid UTF-8, return a single �, or the valid characters and then a single �."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        kept = "" if errors == "whole text" else raw.decode(errors="ignore")
        return kept + "\N{REPLACEMENT CHARACTER}"


def _leftmost(id: int, merges: Sequence[Pair]) -> list[int]:
    """Take apart only the left half of each merge, and keep the right half only if it is a byte."""
    found: list[int] = []
    while id >= 256:
        id, right = merges[id - 256]
        found += [right] if right < 256 else []
    return [*found, id]


def _looked_up(table: list[bytes], id: int, first_id: int, unknown: Unknown) -> bytes:
    if id < 256:
        return table[id]
    match unknown:
        case "merged":
            return table[id - first_id + 256]
        case "dropped":
            return b""
        case "character":
            return chr(id).encode()

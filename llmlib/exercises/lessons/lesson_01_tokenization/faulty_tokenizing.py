"""Wrong solutions to the exercises in `tokenizing`.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from llmlib.tokenization.simple_bpe import decode, encode

TokenizeSpecial = (
    Literal["numbers", "text", "digits", "dropped", "as patterns", "pieces", "one pattern"]
    | Literal["looked up twice", "counted on"]
)
TokenizePieces = Literal["cut", "whole", "split", "letters", "between"]
TokenizeNumbers = Literal["theirs", "ours", "back", "back by a dictionary"]


def faulty_tokenize(
    text: str,
    tokenizer: Any,
    special: TokenizeSpecial = "numbers",
    pieces: TokenizePieces = "cut",
    numbers: TokenizeNumbers = "theirs",
    spaces: Literal["kept", "stripped"] = "kept",
    places: Literal["own", "first", "last"] = "own",
    times: Literal["all", "first"] = "all",
    none: Literal["not split", "split"] = "not split",
) -> list[int]:
    def encoded(part: str) -> list[int]:
        part = part.strip() if spaces == "stripped" else part
        return _numbered(_encoded(part, tokenizer, pieces), tokenizer, numbers)

    if special == "digits":
        for name, number in tokenizer.special.items():
            text = text.replace(name, str(number))
    if special == "pieces":
        return [
            id
            for piece in re.findall(tokenizer.pattern, text)
            for id in ([tokenizer.special[piece]] if piece in tokenizer.special else encoded(piece))
        ]
    ids: list[int] = []
    found: list[int] = []
    for part in _parts(text, tokenizer, special, times, none):
        if part in tokenizer.special and special != "text" and special != "digits":
            number = tokenizer.special[part]
            if special == "counted on":
                number = len(tokenizer.numbers) + list(tokenizer.special).index(part)
            if special == "looked up twice":
                number = tokenizer.numbers[number]
            found += [] if special == "dropped" else [number]
            if places == "own":
                ids += found
                found = []
        else:
            ids += encoded(part)
    return found + ids if places == "first" else ids + found


def _parts(
    text: str,
    tokenizer: Any,
    special: TokenizeSpecial,
    times: Literal["all", "first"],
    none: Literal["not split", "split"],
) -> list[str]:
    """Cut the text at its special tokens, and keep each special token as a part."""
    if special == "one pattern":
        return re.findall("|".join([*map(re.escape, tokenizer.special), tokenizer.pattern]), text)
    signs = "|".join(tokenizer.special if special == "as patterns" else map(re.escape, tokenizer.special))
    if signs and special != "text" and special != "digits":
        return re.split(f"({signs})", text, maxsplit=1 if times == "first" else 0)
    return re.split("()", text) if none == "split" else [text]


def _encoded(part: str, tokenizer: Any, pieces: TokenizePieces) -> list[int]:
    """Cut a part of the text into pieces, and encode each piece."""
    match pieces:
        case "cut":
            found = re.findall(tokenizer.pattern, part)
        case "between":
            found = re.split(tokenizer.pattern, part)
        case "split":
            found = part.split()
        case "whole":
            found = [part]
        case "letters":
            return list(part.encode())
    return [id for piece in found for id in encode(piece, tokenizer.merges)]


def _numbered(ids: list[int], tokenizer: Any, numbers: TokenizeNumbers) -> list[int]:
    """Turn our ids into the model's numbers."""
    match numbers:
        case "theirs":
            return [tokenizer.numbers[id] for id in ids]
        case "ours":
            return ids
        case "back":
            return [tokenizer.numbers.index(id) for id in ids]
        case "back by a dictionary":
            back = {number: id for id, number in enumerate(tokenizer.numbers)}
            return [back[id] for id in ids]


def faulty_detokenize(
    ids: Sequence[int],
    tokenizer: Any,
    special: Literal["names", "dropped", "as numbers", "not found", "not found, in the list", "last"] = "names",
    each: Literal["run", "token"] = "run",
    run: Literal["emptied", "kept"] = "emptied",
    last: Literal["kept", "lost", "lost after another", "run lost"] = "kept",
    numbers: Literal["mapped", "raw", "forwards"] = "mapped",
    between: Literal["nothing", "space"] = "nothing",
) -> str:
    names = {number: name for name, number in tokenizer.special.items()}
    ours = {number: id for id, number in enumerate(tokenizer.numbers)}
    if special == "not found" or special == "not found, in the list":
        names = {}
    parts: list[str] = []
    at_the_end: list[str] = []
    waiting: list[int] = []

    def decoded() -> str:
        if each == "token":
            return "".join(decode([id], tokenizer.merges) for id in waiting)
        return decode(waiting, tokenizer.merges)

    for id in ids:
        if id in names and special == "last":
            at_the_end.append(names[id])
        elif id in names:
            parts += [] if last == "run lost" else [decoded()]
            if special != "dropped":
                parts.append(str(id) if special == "as numbers" else names[id])
            if run == "emptied":
                waiting = []
        elif special == "not found, in the list":
            waiting.append(tokenizer.numbers.index(id))
        elif numbers == "forwards":
            waiting.append(tokenizer.numbers[id])
        else:
            waiting.append(ours[id] if numbers == "mapped" else id % len(tokenizer.numbers))
    if last in ("kept", "run lost") or (last == "lost after another" and not parts):
        parts.append(decoded())
    return (" " if between == "space" else "").join(parts + at_the_end)


ReadVocabularyHidden = Literal["in order", "by the byte", "as they are", "code points", "space alone"]
ReadVocabularySoft = Literal["hidden", "shown", "ascii", "space shown"]


def faulty_read_vocabulary(
    vocab: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    hidden: ReadVocabularyHidden = "in order",
    order: Literal["bytes", "characters", "as found", "of the file"] = "bytes",
    gives: Literal["both", "exchanged", "pairs", "their pairs"] = "both",
    first: Literal[256, 257, "theirs"] = 256,
    soft: ReadVocabularySoft = "hidden",
    tokens: Literal["merges", "bytes", "unknown left out", "our ids", "not entered"] = "merges",
    missing: Literal["is 0", "raises"] = "is 0",
) -> Any:
    """Run `read_vocabulary` with faults. `missing` says what happens if a merge contains an unknown token."""
    shown = _shown(hidden, soft)
    away = [byte for byte in range(256) if byte not in shown]
    ours = {chr(byte): byte for byte in shown}
    by_the_byte = hidden == "by the byte" or hidden == "space alone"
    ours |= {chr(256 + (byte if by_the_byte else i)): byte for i, byte in enumerate(away)}
    match order:
        case "characters":
            characters = sorted(ours)
            ours = {character: id for id, character in enumerate(characters)}
        case "as found":
            characters = list(ours)
        case "bytes" | "of the file":
            characters = sorted(ours, key=ours.__getitem__)
    if hidden == "code points":
        ours |= {chr(point): point for point in range(256, 512)}
    numbers, pairs = [vocab.get(character, 0) for character in characters], []
    for number, (left, right) in enumerate(merges):
        by = vocab if gives == "their pairs" else ours
        pairs.append((by[left], by[right]) if missing == "raises" else (by.get(left, 0), by.get(right, 0)))
        if tokens != "not entered":
            ours[left + right] = vocab[left + right] if first == "theirs" else first + number
        if tokens != "bytes":
            numbers.append(256 + number if tokens == "our ids" else vocab[left + right])
    if tokens == "unknown left out":
        numbers = [number for number in numbers if number]
    if order == "of the file":
        numbers = list(vocab.values())
    match gives:
        case "both" | "their pairs":
            return pairs, numbers
        case "exchanged":
            return numbers, pairs
        case "pairs":
            return pairs


def _shown(hidden: ReadVocabularyHidden, soft: ReadVocabularySoft) -> list[int]:
    """List the bytes that are written as the character with the same code point."""
    match soft:
        case "shown":
            return [*range(33, 127), *range(161, 256)]
        case "ascii":
            return list(range(33, 127))
        case "hidden" | "space shown":
            pass
    match hidden:
        case "as they are" | "code points":
            return list(range(256))
        case "space alone":
            shown = [byte for byte in range(256) if byte != 32]
        case "in order" | "by the byte":
            shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [32, *shown] if soft == "space shown" else shown

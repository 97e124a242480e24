"""Wrong solutions to the exercises of `tokenizing`: each reference again, with keywords for its faults."""

import re

from llmlib.tokenization.simple_bpe import decode, encode


def faulty_tokenize(
    text,
    tokenizer,
    special="numbers",
    pieces="cut",
    numbers="theirs",
    spaces="kept",
    places="own",
    times="all",
    none="not split",
):
    def encoded(part):
        part = part.strip() if spaces == "stripped" else part
        found = [part] if pieces == "whole" else re.findall(tokenizer.pattern, part)
        if pieces == "split":
            found = part.split()
        if pieces == "between":
            found = re.split(tokenizer.pattern, part)
        ids = [id for piece in found for id in encode(piece, tokenizer.merges)]
        if pieces == "letters":
            ids = list(part.encode())
        if numbers == "back":
            return [tokenizer.numbers.index(id) for id in ids]
        if numbers == "back by a dictionary":
            back = {number: id for id, number in enumerate(tokenizer.numbers)}
            return [back[id] for id in ids]
        return [tokenizer.numbers[id] for id in ids] if numbers == "theirs" else ids

    if special == "digits":
        for name, number in tokenizer.special.items():
            text = text.replace(name, str(number))
    signs = "|".join(tokenizer.special if special == "as patterns" else map(re.escape, tokenizer.special))
    if special in ("text", "digits"):
        signs = ""
    parts = re.split(f"({signs})", text, maxsplit=1 if times == "first" else 0) if signs else [text]
    if not signs and none == "split":
        parts = re.split("()", text)
    if special == "pieces":
        return [
            id
            for piece in re.findall(tokenizer.pattern, text)
            for id in ([tokenizer.special[piece]] if piece in tokenizer.special else encoded(piece))
        ]
    if special == "one pattern":
        parts = re.findall("|".join([*map(re.escape, tokenizer.special), tokenizer.pattern]), text)
    ids, found = [], []
    for part in parts:
        if part in tokenizer.special and special not in ("text", "digits"):
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


def faulty_detokenize(
    ids, tokenizer, special="names", each="run", run="emptied", last="kept", numbers="mapped", between="nothing"
):
    names = {number: name for name, number in tokenizer.special.items()}
    ours = {number: id for id, number in enumerate(tokenizer.numbers)}
    merges = tokenizer.merges
    if special.startswith("not found"):
        names = {}
    parts: list[str] = []
    at_the_end: list[str] = []
    waiting: list[int] = []

    def decoded():
        return "".join(decode([id], merges) for id in waiting) if each == "token" else decode(waiting, merges)

    for id in ids:
        if id in names and special == "last":
            at_the_end.append(names[id])
        elif id in names:
            parts += [] if last in ("specials alone", "run lost") else [decoded()]
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


def faulty_read_vocabulary(
    vocab,
    merges,
    hidden="in order",
    order="bytes",
    gives="both",
    first=256,
    soft="hidden",
    tokens="merges",
    missing="is 0",
):
    """`missing` says what happens if half of a merge is not known: it counts as 0, or raises."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    if hidden == "space alone":
        shown = [byte for byte in range(256) if byte != 32]
    if soft == "space shown":
        shown = [32, *shown]
    if hidden in ("as they are", "code points"):
        shown = list(range(256))
    if soft == "shown":
        shown = [*range(33, 127), *range(161, 256)]
    if soft == "ascii":
        shown = list(range(33, 127))
    away = [byte for byte in range(256) if byte not in shown]
    ours = {chr(byte): byte for byte in shown}
    ours |= {chr(256 + (byte if hidden in ("by the byte", "space alone") else i)): byte for i, byte in enumerate(away)}
    characters = sorted(ours) if order == "characters" else sorted(ours, key=ours.__getitem__)
    if order == "as found":
        characters = list(ours)
    if order == "characters":
        ours = {character: id for id, character in enumerate(characters)}
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
    return {"both": (pairs, numbers), "exchanged": (numbers, pairs), "pairs": pairs}.get(gives, (pairs, numbers))

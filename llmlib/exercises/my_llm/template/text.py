"""Turn text into bytes, merged pairs, and a real model's ids."""

import re
from collections import Counter, namedtuple
from itertools import groupby, pairwise


def most_common_pair(ids):
    """Find the most common pair of neighbours (the smallest if there is a tie); return None if there is no pair."""
    counts = Counter(pairwise(ids))
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


def merge(ids, pair, new_id):
    """Replace each occurrence of the pair with the new id, from left to right."""
    merged, i = [], 0
    while i < len(ids):
        found = tuple(ids[i : i + 2]) == pair
        merged.append(new_id if found else ids[i])
        i += 2 if found else 1
    return merged


def learn_merges(text, n_merges):
    """Repeatedly merge the most common pair; pair number i becomes token 256 + i."""
    ids, merges = list(text.encode()), []
    while len(merges) < n_merges and (pair := most_common_pair(ids)):
        ids = merge(ids, pair, 256 + len(merges))
        merges.append(pair)
    return merges


def encode(text, merges):
    """Turn a text into its bytes, then apply the merges in the order in which they were learned."""
    ids = list(text.encode())
    for number, pair in enumerate(merges):
        if pair[0] in ids:  # a real model has 49,000 merges
            ids = merge(ids, pair, 256 + number)
    return ids


def decode(ids, merges):
    """Join the bytes of all tokens, and read them as UTF-8."""
    table = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        table.append(table[left] + table[right])
    return b"".join(table[id] for id in ids).decode(errors="replace")


# Merges as `learn_merges` returns them, the model's number for each of our ids, special tokens, a pattern to split by.
Tokenizer = namedtuple("Tokenizer", "merges numbers special pattern")


def tokenize(text, tokenizer):
    """Return the model's ids for a text: split it at special tokens, split up the rest, and encode each piece."""
    ids, signs = [], "|".join(map(re.escape, tokenizer.special))
    for part in re.split(f"({signs})", text) if signs else [text]:
        if part in tokenizer.special:
            ids.append(tokenizer.special[part])
        else:
            for piece in re.findall(tokenizer.pattern, part):
                ids += [tokenizer.numbers[id] for id in encode(piece, tokenizer.merges)]
    return ids


def detokenize(ids, tokenizer):
    """Turn ids into text: write special tokens by name, and decode each run of ids between them as a whole."""
    names = {number: name for name, number in tokenizer.special.items()}
    ours = {number: id for id, number in enumerate(tokenizer.numbers)}
    text = ""
    for name, same in groupby(ids, names.get):
        run = list(same)
        text += name * len(run) if name else decode([ours[id] for id in run], tokenizer.merges)
    return text


def read_vocabulary(vocab, merges):
    """Read merges in GPT-2's format (a visible character for each byte). Return pairs of our ids, and GPT-2's ids."""
    shown = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    hidden = [byte for byte in range(256) if byte not in shown]
    ours = {chr(byte): byte for byte in shown} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
    numbers, pairs = [vocab.get(character, 0) for character in sorted(ours, key=ours.get)], []
    for left, right in merges:
        pairs.append((ours[left], ours[right]))
        ours[left + right] = len(numbers)
        numbers.append(vocab[left + right])
    return pairs, numbers

"""Wrong solutions of lesson 01 as people write them."""

import re
from collections import Counter
from itertools import pairwise

from exercises.wrong import wrong
from llmlib.tokenization.simple_bpe import decode, encode


@wrong("tokenization.merge", "steps over one")
def _(ids, pair, new_id):
    out = []
    prev = None
    for x in ids:
        if prev == pair[0] and x == pair[1]:
            out.pop()
            out.append(new_id)
        else:
            out.append(x)
        prev = x
    return out


@wrong("tokenization.count_pairs", "overwritten")
def _(pieces):
    total = {}
    for piece, n in pieces.items():
        here = Counter(pairwise(piece))
        total.update({p: k * n for p, k in here.items()})
    return total


@wrong("tokenization.decode", "taken apart in the order of learning")
def _(ids, merges):
    ids = list(ids)
    for i, pair in enumerate(merges):
        new = []
        for x in ids:
            new.extend(pair if x == 256 + i else [x])
        ids = new
    return bytes(x % 256 for x in ids).decode("utf-8", errors="replace")


@wrong("tokenization.most_common_pair", "order of a set")
def _(ids):
    pairs = list(pairwise(ids))
    if not pairs:
        return None
    return sorted(set(pairs), key=pairs.count)[-1]


@wrong("tokenization.decode", "half lengthened")
def _(ids, merges):
    vocab = {i: [i] for i in range(256)}
    for i, (a, b) in enumerate(merges):
        vocab[256 + i] = vocab[a]
        vocab[256 + i] += vocab[b]
    return bytes(x for i in ids for x in vocab[i]).decode("utf-8", errors="replace")


@wrong("tokenization.tokenize", "special tokens left out")
def _(text, tokenizer):
    parts = re.split("|".join(map(re.escape, tokenizer.special)), text) if tokenizer.special else [text]
    pieces = [piece for part in parts for piece in re.findall(tokenizer.pattern, part)]
    return [tokenizer.numbers[id] for piece in pieces for id in encode(piece, tokenizer.merges)]


@wrong("tokenization.detokenize", "the end lost")
def _(ids, tokenizer):
    names = {number: name for name, number in tokenizer.special.items()}
    text, run = "", []
    for id in ids:
        if id in names:
            text += decode(run, tokenizer.merges) + names[id]
            run = []
        else:
            run.append(tokenizer.numbers.index(id))
    return text


@wrong("tokenization.read_vocabulary", "the byte added")
def _(vocab, merges):
    signs = [chr(b) if chr(b).isprintable() and b != 32 else chr(256 + b) for b in range(256)]
    ids = {sign: b for b, sign in enumerate(signs)}
    numbers, pairs = [vocab.get(sign, 0) for sign in signs], []
    for left, right in merges:
        pairs.append((ids.get(left, 0), ids.get(right, 0)))
        ids[left + right] = len(numbers)
        numbers.append(vocab[left + right])
    return pairs, numbers


# --- a whole tokenizer, and somebody else's file ---


def parts_of(text, names):
    return re.split(f"({names})", text) if names else [text]


def numbers_of(text, tokenizer):
    pieces = re.findall(tokenizer.pattern, text)
    return [tokenizer.numbers[id] for piece in pieces for id in encode(piece, tokenizer.merges)]


@wrong("tokenization.tokenize", "names as patterns")
def _(text, tokenizer):
    ids = []
    for part in parts_of(text, "|".join(tokenizer.special)):
        ids += [tokenizer.special[part]] if part in tokenizer.special else numbers_of(part, tokenizer)
    return ids


@wrong("tokenization.tokenize", "split at nothing")
def _(text, tokenizer):
    ids = []
    for part in re.split("(" + "|".join(map(re.escape, tokenizer.special)) + ")", text):
        ids += [tokenizer.special[part]] if part in tokenizer.special else numbers_of(part, tokenizer)
    return ids


@wrong("tokenization.detokenize", "no special token found")
def _(ids, tokenizer):
    ours = {number: id for id, number in enumerate(tokenizer.numbers)}
    return decode([ours[id] for id in ids], tokenizer.merges)


@wrong("tokenization.detokenize", "numbers read forwards")
def _(ids, tokenizer):
    names = {number: name for name, number in tokenizer.special.items()}
    text, run = "", []
    for id in ids:
        if id in names:
            text, run = text + decode(run, tokenizer.merges) + names[id], []
        else:
            run.append(tokenizer.numbers[id])
    return text + decode(run, tokenizer.merges)


def read_with(vocab, merges, ours):
    numbers, pairs = [vocab.get(character, 0) for character in ours], []
    for left, right in merges:
        pairs.append((ours[left], ours[right]))
        ours[left + right] = len(numbers)
        numbers.append(vocab[left + right])
    return pairs, numbers


@wrong("tokenization.read_vocabulary", "the space shown")
def _(vocab, merges):
    ours, more = {}, iter(range(256, 512))
    for byte in range(256):
        ours[chr(byte if chr(byte).isprintable() else next(more))] = byte
    return read_with(vocab, merges, ours)


@wrong("tokenization.read_vocabulary", "every byte as its character")
def _(vocab, merges):
    return read_with(vocab, merges, {chr(byte): byte for byte in range(256)})

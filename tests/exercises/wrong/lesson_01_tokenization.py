"""Wrong solutions of lesson 01: a whole tokenizer."""

import re

from exercises.wrong import wrong
from llmlib.tokenization.simple_bpe import decode, encode


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

"""Plain right solutions of lesson 01."""

import itertools
import re

from exercises.plain import plain


@plain("tokenization.most_common_pair")
def most_common_pair(ids):
    counts = {}
    for i in range(len(ids) - 1):
        pair = (ids[i], ids[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
    best = None
    for pair in counts:
        if best is None or counts[pair] > counts[best] or (counts[pair] == counts[best] and pair < best):
            best = pair
    return best


@plain("tokenization.merge")
def merge(ids, pair, new_id):
    merged = []
    i = 0
    while i < len(ids):
        if i + 1 < len(ids) and ids[i] == pair[0] and ids[i + 1] == pair[1]:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


@plain("tokenization.count_pairs")
def count_pairs(pieces):
    counts = {}
    for piece, times in pieces.items():
        for pair in itertools.pairwise(piece):
            counts[pair] = counts.get(pair, 0) + times
    return counts


@plain("tokenization.train")
def train(text, n_merges):
    ids = list(text.encode())
    merges = []
    for number in range(n_merges):
        pair = most_common_pair(ids)
        if pair is None:
            break
        ids = merge(ids, pair, 256 + number)
        merges.append(pair)
    return merges


@plain("tokenization.encode")
def encode(text, merges):
    ids = list(text.encode())
    for number, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + number)
    return ids


@plain("tokenization.decode")
def decode(ids, merges):
    table = [bytes([number]) for number in range(256)]
    for left, right in merges:
        table.append(table[left] + table[right])
    return b"".join(table[id] for id in ids).decode("utf-8", "replace")


@plain("tokenization.tokenize")
def tokenize(text, tokenizer):
    parts = [text]
    if tokenizer.special:
        signs = "|".join(re.escape(name) for name in tokenizer.special)
        parts = re.split("(" + signs + ")", text)
    ids = []
    for part in parts:
        if part in tokenizer.special:
            ids.append(tokenizer.special[part])
        else:
            for piece in re.findall(tokenizer.pattern, part):
                for id in encode(piece, tokenizer.merges):
                    ids.append(tokenizer.numbers[id])
    return ids


@plain("tokenization.detokenize")
def detokenize(ids, tokenizer):
    names = {}
    for name in tokenizer.special:
        names[tokenizer.special[name]] = name
    ours = {}
    for id, number in enumerate(tokenizer.numbers):
        ours[number] = id
    text = ""
    run = []
    for number in ids:
        if number in names:
            text += decode(run, tokenizer.merges) + names[number]
            run = []
        else:
            run.append(ours[number])
    return text + decode(run, tokenizer.merges)


@plain("tokenization.read_vocabulary")
def read_vocabulary(vocab, merges):
    ours = {}
    numbers = []
    hidden = 0
    for byte in range(256):
        character = chr(byte)
        if not character.isprintable() or character == " ":
            character = chr(256 + hidden)
            hidden += 1
        ours[character] = byte
        numbers.append(vocab.get(character, 0))
    pairs = []
    for left, right in merges:
        pairs.append((ours[left], ours[right]))
        ours[left + right] = len(numbers)
        numbers.append(vocab[left + right])
    return pairs, numbers

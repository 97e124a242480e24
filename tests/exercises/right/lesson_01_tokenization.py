"""Right solutions of lesson 01: a plain one for each exercise, and others in other styles."""

import itertools
import math
import re
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np

from exercises.right import plain, solves
from llmlib.tokenization import simple_bpe


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


@solves("tokenization.most_common_pair")
def counted_by_hand(ids):
    best, best_count = None, 0
    counts = {}
    for i in range(len(ids) - 1):
        counts[ids[i], ids[i + 1]] = counts.get((ids[i], ids[i + 1]), 0) + 1
    for pair, count in counts.items():
        if count > best_count or (count == best_count and pair < best):
            best, best_count = pair, count
    return best


@solves("tokenization.most_common_pair")
def counted_with_numpy(ids):
    if len(ids) < 2:
        return None
    pairs, counts = np.unique(np.array([ids[:-1], ids[1:]]).T, axis=0, return_counts=True)
    return tuple(pairs[counts.argmax()])


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


@solves("tokenization.merge")
def merged_backwards_into_a_stack(ids, pair, new_id):
    waiting, out = list(reversed(ids)), []
    while waiting:
        first = waiting.pop()
        if waiting and (first, waiting[-1]) == pair:
            waiting.pop()
            first = new_id
        out.append(first)
    return out


@solves("tokenization.merge")
def merged_recursively_and_as_numpy(ids, pair, new_id):
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == pair:
            return list(np.array([*ids[:i], new_id])) + merged_recursively_and_as_numpy(ids[i + 2 :], pair, new_id)
    return list(ids)


@plain("tokenization.count_pairs")
def count_pairs(pieces):
    counts = {}
    for piece, times in pieces.items():
        for pair in itertools.pairwise(piece):
            counts[pair] = counts.get(pair, 0) + times
    return counts


@solves("tokenization.count_pairs")
def counted_in_a_plain_dictionary(pieces):
    counts = defaultdict(int)
    for piece in pieces:
        for i in range(1, len(piece)):
            counts[piece[i - 1], piece[i]] += pieces[piece]
    return dict(counts)


@solves("tokenization.count_pairs")
def counted_from_a_long_list(pieces):
    return Counter(pair for piece, n in pieces.items() for _ in range(n) for pair in pairwise(piece))


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


@solves("tokenization.train")
def trained_recursively(text, n_merges):
    def go(ids, merges):
        pair = counted_by_hand(ids)
        if pair is None or len(merges) == n_merges:
            return merges
        return go(merged_backwards_into_a_stack(ids, pair, 256 + len(merges)), [*merges, pair])

    return go(bytearray(text, "utf-8"), [])


@solves("tokenization.train")
def trained_on_strings(text, n_merges):
    text = "".join(map(chr, text.encode()))
    merges = []
    for number in range(n_merges):
        pair = counted_by_hand(text)
        if pair is None:
            break
        text = text.replace("".join(pair), chr(256 + number))
        merges.append(tuple(map(ord, pair)))
    return merges


@plain("tokenization.encode")
def encode(text, merges):
    ids = list(text.encode())
    for number, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + number)
    return ids


@solves("tokenization.encode")
def encoded_by_the_lowest_rank(text, merges):
    ids, rank = list(text.encode()), {pair: i for i, pair in enumerate(merges)}
    while len(ids) > 1:
        best = min(pairwise(ids), key=lambda pair: rank.get(pair, math.inf))
        if best not in rank:
            break
        ids = merged_backwards_into_a_stack(ids, best, 256 + rank[best])
    return ids


@solves("tokenization.encode")
def encoded_one_merge_at_a_time(text, merges):
    ids = [int(b) for b in np.frombuffer(text.encode(), dtype=np.uint8)]
    while found := sorted((merges.index(p), i) for i, p in enumerate(pairwise(ids)) if p in merges):
        number, i = found[0]
        ids[i : i + 2] = [256 + number]
    return ids


@plain("tokenization.decode")
def decode(ids, merges):
    table = [bytes([number]) for number in range(256)]
    for left, right in merges:
        table.append(table[left] + table[right])
    return b"".join(table[id] for id in ids).decode("utf-8", "replace")


@solves("tokenization.decode")
def decoded_with_a_stack(ids, merges):
    waiting, data = list(ids)[::-1], bytearray()
    while waiting:
        id = waiting.pop()
        if id < 256:
            data.append(id)
        else:
            left, right = merges[id - 256]
            waiting += [right, left]
    return str(data, "utf-8", "replace")


@solves("tokenization.decode")
def decoded_recursively(ids, merges):
    def parts(id):
        return bytes([id]) if id < 256 else parts(merges[id - 256][0]) + parts(merges[id - 256][1])

    return b"".join(map(parts, ids)).decode("utf-8", errors="replace")


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


@solves("tokenization.tokenize")
def tokenize_sign_by_sign(text, tokenizer):
    found = [(text.find(name), name) for name in tokenizer.special if name in text]
    if found:
        start, name = min(found)
        before, after = text[:start], text[start + len(name) :]
        return [
            *tokenize_sign_by_sign(before, tokenizer),
            tokenizer.special[name],
            *tokenize_sign_by_sign(after, tokenizer),
        ]
    pieces = [match.group() for match in re.finditer(tokenizer.pattern, text)]
    ids = itertools.chain.from_iterable(simple_bpe.encode(piece, tokenizer.merges) for piece in pieces)
    return [*map(tokenizer.numbers.__getitem__, ids)]


@solves("tokenization.tokenize")
def tokenize_with_a_memory(text, tokenizer):
    known = dict.fromkeys(tokenizer.special)
    for name, number in tokenizer.special.items():
        known[name] = [number]
    pattern = "|".join([*map(re.escape, tokenizer.special), "."])
    parts = [""]
    for match in re.findall(pattern, text, re.DOTALL):
        if match in tokenizer.special:
            parts += [match, ""]
        else:
            parts[-1] += match
    ids = []
    for i, part in enumerate(parts):
        for piece in [part] if i % 2 else re.findall(tokenizer.pattern, part):
            if piece not in known:
                known[piece] = [tokenizer.numbers[id] for id in simple_bpe.encode(piece, tokenizer.merges)]
            ids.extend(known[piece])
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


@solves("tokenization.detokenize")
def detokenize_by_groups(ids, tokenizer):
    names = dict(zip(tokenizer.special.values(), tokenizer.special))
    text = ""
    for is_special, run in itertools.groupby(ids, lambda id: id in names):
        run = list(run)
        if is_special:
            text += "".join(map(names.get, run))
        else:
            text += simple_bpe.decode([tokenizer.numbers.index(id) for id in run], tokenizer.merges)
    return text


@solves("tokenization.detokenize")
def detokenize_by_bytes(ids, tokenizer):
    table = [bytes([b]) for b in range(256)]
    for a, b in tokenizer.merges:
        table.append(table[a] + table[b])
    data = {number: table[id] for id, number in enumerate(tokenizer.numbers)}
    data |= {number: name.encode() for name, number in tokenizer.special.items()}
    return b"".join(data[id] for id in ids).decode("utf-8", "replace")


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


@solves("tokenization.read_vocabulary")
def vocabulary_by_lists(vocab, merges):
    visible = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    others = sorted(set(range(256)) - set(visible))
    letters = {b: chr(b) for b in visible} | {b: chr(256 + n) for n, b in enumerate(others)}
    tokens = [letters[b] for b in range(256)] + ["".join(pair) for pair in merges]
    where = {}
    for id, token in enumerate(tokens):
        where.setdefault(token, id)
    numbers = [vocab.get(token, 0) for token in tokens]
    return [(where[a], where[b]) for a, b in merges], numbers


@solves("tokenization.read_vocabulary")
def vocabulary_with_an_iterator(vocab, merges):
    spare = itertools.count(256)
    signs = [chr(b) if chr(b).isprintable() and not chr(b).isspace() else chr(next(spare)) for b in range(256)]
    id_of = dict(zip(signs, range(256)))
    pairs = []
    for number, (left, right) in enumerate(merges, start=256):
        pairs += [(id_of[left], id_of[right])]
        id_of[left + right] = number
    by_id = {id: token for token, id in id_of.items()}
    return pairs, [vocab.get(by_id[id], 0) for id in range(256 + len(merges))]

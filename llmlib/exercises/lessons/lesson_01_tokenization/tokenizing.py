"""Exercises for lesson 01 that turn `encode` and `decode` into a complete tokenizer with pieces and special tokens."""

import random
import re
from dataclasses import dataclass
from pathlib import Path

from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.lessons.lesson_01_tokenization.faulty_tokenizing import (
    faulty_detokenize,
    faulty_read_vocabulary,
    faulty_tokenize,
)
from llmlib.tokenization import simple_bpe
from llmlib.tokenization.simple_bpe import decode, encode

TEXTS = texts_of(Path(__file__).parent)


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer: merges from `train`, the model's number for each of our ids, special tokens, and a pattern."""

    merges: list[tuple[int, int]]
    numbers: list[int]
    special: dict[str, int]
    pattern: str

    def __str__(self) -> str:
        return f"{len(self.merges)} merges, special = {self.special}, pattern = {self.pattern!r}"


# --- tokenization.tokenize ---


def tokenize(text, tokenizer):
    """Return the model's ids for a text: split it at special tokens and then into pieces, and encode each piece."""
    ids = []
    signs = "|".join(map(re.escape, tokenizer.special))
    for part in re.split(f"({signs})", text) if signs else [text]:
        if part in tokenizer.special:
            ids.append(tokenizer.special[part])
        else:
            for piece in re.findall(tokenizer.pattern, part):
                ids += [tokenizer.numbers[id] for id in encode(piece, tokenizer.merges)]
    return ids


WORDS = r" ?\w+|[^\w\s]|\s"
LINES = r"[^\n]*\n?"


def a_tokenizer(seed, special, pattern=WORDS, n_merges=12, shift=40):
    """Make a tokenizer that numbers the tokens in a different order from ours, as another model's tokenizer does."""
    merges = simple_bpe.train("the hat on the cat, the cat in the hat: banana, über, naïve 🙂", n_merges)
    numbers = list(range(shift, shift + 256 + len(merges)))
    random.Random(seed).shuffle(numbers)
    return Tokenizer(merges, numbers, special, pattern)


CHAT = {"<|end|>": 7, "<|user|>": 3}


def cases_tokenize(seed):
    some, none = a_tokenizer(seed, CHAT), a_tokenizer(seed + 1, {})
    signs = a_tokenizer(seed, {"[in]": 5, "(cat.hat)": 6, "+": 9})
    return [
        Case(("the hat", some)),
        Case(("", some), "an empty text"),
        Case(("the cat<|end|>the hat", some), "a special token between two texts"),
        Case(("<|user|>the banana<|end|>", some), "special tokens at both ends"),
        Case(("the hat<|end|><|user|> the cat <|end|>", some), "two special tokens side by side, and spaces"),
        Case(("the cat<|end|>", none), "no special tokens are known, so this is ordinary text"),
        Case(("naïve über 🙂<|end|>🙂", some), "multi-byte characters"),
        Case(("the hat in<|end|>the cat on a hat, the banana", a_tokenizer(seed, CHAT, LINES)), "lines as pieces"),
        Case(("on the\ncat\n\n<|user|>in\nthe hat", a_tokenizer(seed, CHAT, LINES, 20)), "line breaks"),
        Case(("end <|end|", some), "nearly a special token"),
        Case(("the (cat.hat) [in] the+", signs), "special tokens with characters that have a special meaning in `re`"),
    ]


TOKENIZE = Exercise(
    **TEXTS["tokenize"],
    reference=tokenize,
    helpers=(encode,),
    cases=cases_tokenize,
    faulty=faulty_tokenize,
    double=False,
)


# --- tokenization.detokenize ---


def detokenize(ids, tokenizer):
    """Turn ids into text: write special tokens by name, and decode each run of ids between them as a whole."""
    names = {number: name for name, number in tokenizer.special.items()}
    ours = {number: id for id, number in enumerate(tokenizer.numbers)}
    text = ""
    run: list[int] = []
    for id in ids:
        if id in names:
            text += decode(run, tokenizer.merges) + names[id]
            run = []
        else:
            run.append(ours[id])
    return text + decode(run, tokenizer.merges)


def cases_detokenize(seed):
    some, none = a_tokenizer(seed, CHAT), a_tokenizer(seed + 1, {})

    def case(text, tokenizer, note="", cut=0):
        ids = tokenize(text, tokenizer)
        return Case((ids[: len(ids) - cut], tokenizer), note)

    return [
        case("the hat", some),
        case("", some, "no ids"),
        case("the cat<|end|>the hat", some, "a special token between two texts"),
        case("<|user|>the banana<|end|>", some, "special tokens at both ends"),
        case("the hat<|end|><|user|> the cat <|end|>in", some, "two special tokens side by side, and spaces"),
        case("naïve 日本 🙂", none, "characters made of several tokens"),
        case("日本<|end|>日本 and 🙂", some, "characters made of several tokens, on both sides of a special token"),
        case("the 日", some, "a character whose last token is missing", cut=1),
        case("a long way to the hat, the cat and the banana", a_tokenizer(seed, CHAT, n_merges=20)),
    ]


DETOKENIZE = Exercise(
    **TEXTS["detokenize"],
    reference=detokenize,
    helpers=(decode,),
    cases=cases_detokenize,
    faulty=faulty_detokenize,
    double=False,
)


# --- tokenization.read_vocabulary ---


def read_vocabulary(vocab, merges):
    """Turn GPT-2's merges, which are pairs of strings, into pairs of our ids, and list GPT-2's id for each of ours."""
    shown = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    hidden = [byte for byte in range(256) if byte not in shown]
    ours = {chr(byte): byte for byte in shown} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
    numbers = [vocab.get(character, 0) for character in sorted(ours, key=ours.__getitem__)]
    pairs = []
    for left, right in merges:
        pairs.append((ours[left], ours[right]))
        ours[left + right] = len(numbers)
        numbers.append(vocab[left + right])
    return pairs, numbers


def cases_read_vocabulary(seed):
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in shown}
    letters |= {byte: chr(256 + i) for i, byte in enumerate(sorted(set(range(256)) - set(shown)))}

    def case(text, n_merges, note="", kept=256):
        learned = simple_bpe.train(text, n_merges)
        tokens = [letters[byte] for byte in range(256)]
        merges = []
        for left, right in learned:
            merges.append((tokens[left], tokens[right]))
            tokens.append(tokens[left] + tokens[right])
        names = [token for id, token in enumerate(tokens) if id < kept or id > 255]
        random.Random(seed + n_merges).shuffle(names)
        return Case(({name: 3 + place for place, name in enumerate(names)}, merges), note)

    return [
        case("hug hugs", 2, "two merges without a space"),
        case("the hat on the cat, the cat in the hat", 12, "tokens with a space: Ġ"),
        case("one\n\ntwo\n\n\tthree\n\n\tfour", 8, "line breaks and tabs"),
        case("日本 日本 naïve über 🙂🙂", 16, "bytes that do not form whole characters"),
        case("abc", 0, "no merges"),
        case("banana banana", 5, "a vocabulary that lacks some bytes", kept=230),
    ]


def no_tuples(call, case):
    pairs = call(*case.args)[0]
    other = next((pair for pair in pairs if not isinstance(pair, tuple)), None)
    if other is None:
        return None
    kind = type(other).__name__
    return f"The pair {other} is a {kind}. Your `encode` compares pairs with tuples, and a {kind} never equals a tuple."


READ_VOCABULARY = Exercise(
    **TEXTS["read_vocabulary"],
    reference=read_vocabulary,
    cases=cases_read_vocabulary,
    faulty=faulty_read_vocabulary,
    probes=(Probe("Each merge is a tuple.", no_tuples),),
    double=False,
)

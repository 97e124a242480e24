"""A text given in parts has the same ids as the whole text, and only a little of it is in memory at a time."""

import itertools
import tracemalloc

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from text_strategies import texts

from llmlib.tokenization import BPETokenizer, patterns

PATTERNS = {name: value for name, value in vars(patterns).items() if name.endswith("_PATTERN")}
CORPUS = "the cat sat on the mat, the naïve cat 🙂 ate 123 ☕\n\n  the end's near, isn't it?  12 345!\n\n\tقال \r\n"
SPECIAL = ["<|end|>", "<|end of text|>", "<s>"]
TOKENIZERS = {
    name: BPETokenizer.train(CORPUS * 3, 300, special_tokens=SPECIAL, pattern=pattern)
    for name, pattern in PATTERNS.items()
}


def parts_of(text, cuts):
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(places)]


@pytest.mark.parametrize("name", PATTERNS)
@given(
    text=st.lists(texts, max_size=4).map(" ".join), cuts=st.lists(st.integers(0, 80), max_size=6), single=st.booleans()
)
def test_parts_have_the_same_ids_as_the_whole(name, text, cuts, single):
    tokenizer = TOKENIZERS[name]
    parts = list(text) if single else parts_of(text, cuts)
    assert list(tokenizer.encode_iterable(parts)) == tokenizer.encode("".join(parts))


@given(
    text=st.lists(st.sampled_from([*SPECIAL, "the cat", " ", "<|end", "|>", "<", "s>", "12"]), max_size=12).map("".join)
)
def test_special_tokens_that_are_split_between_parts_are_found(text):
    tokenizer = TOKENIZERS["GPT2_PATTERN"]
    for allowed in ("all", ["<s>"], ()):
        assert list(tokenizer.encode_iterable(text, allowed)) == tokenizer.encode(text, allowed)


def test_white_space_that_continues_in_the_next_part_keeps_its_ids():
    tokenizer = TOKENIZERS["LLAMA3_PATTERN"]
    parts = ["the cat\n", " " * 100, "\n", "sat", "\n" * 70, " ", " on"]
    assert list(tokenizer.encode_iterable(parts)) == tokenizer.encode("".join(parts))


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("whole", ["isn't it", "they’ll go", "café a\u0301b", "a!\n\nb", "12345 6", "x\n \n y"])
def test_pieces_that_continue_in_the_next_part_are_not_split(name, whole):
    """The merges reach across every place where the text may be cut."""
    tokenizer = BPETokenizer.train([whole] * 9, 400, pattern=PATTERNS[name])
    for parts in (list(whole), *([whole[:cut], whole[cut:]] for cut in range(len(whole)))):
        assert list(tokenizer.encode_iterable(parts)) == tokenizer.encode(whole)


def test_ids_are_yielded_while_the_text_is_read():
    read = 0

    def lines():
        nonlocal read
        for read in range(1, 1001):
            yield f"line {read}, and some words\n"

    ids = TOKENIZERS["GPT2_PATTERN"].encode_iterable(lines())
    next(ids)
    assert read <= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GPT2_PATTERN", "O200K_PATTERN"])
def test_memory_does_not_grow_with_the_text(name):
    def peak(n_lines):
        tracemalloc.start()
        for _ in TOKENIZERS[name].encode_iterable(CORPUS for _ in range(n_lines)):
            pass
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # a first run, for what is allocated only once
    assert peak(3000) < 2 * peak(100)


def test_a_pattern_that_never_cuts_applies_to_the_whole_text():
    whole = BPETokenizer.train("ab ab ab", 260, pattern=r"(?s).+")
    assert list(whole.encode_iterable(["ab ", "ab a", "b"])) == whole.encode("ab ab ab")
    regex.compile(whole.pattern)


@pytest.mark.parametrize("parts", [[], [""], ["", "a", ""]])
def test_short_and_empty_parts_have_the_same_ids_as_the_whole(parts):
    tokenizer = TOKENIZERS["GPT2_PATTERN"]
    assert list(tokenizer.encode_iterable(parts)) == tokenizer.encode("".join(parts))


def test_split_surrogates_are_joined_and_unknown_special_tokens_are_refused():
    tokenizer = TOKENIZERS["GPT2_PATTERN"]
    assert list(tokenizer.encode_iterable(["a \ud83d", "\ude42 b"])) == tokenizer.encode("a 🙂 b")
    with pytest.raises(ValueError, match="allowed_special contains"):
        list(tokenizer.encode_iterable(["a"], ["<nope>"]))

"""Tokenizers can be made from merges, and special tokens can be added, even with distant ids."""

import pytest
import tiktoken
from hypothesis import given
from text_strategies import texts

from llmlib.tokenization import BPETokenizer, CharTokenizer, TokenizerError, load_tokenizer, simple_bpe


@pytest.fixture
def small():
    return BPETokenizer.train("low lower lowest", 260, special_tokens=["<s>"])


def test_special_tokens_can_be_added(small):
    more = small.with_special_tokens(["<|user|>", "<|end|>"])
    assert more.special_tokens == {**small.special_tokens, "<|user|>": 260, "<|end|>": 261}
    assert more.vocab_size == 262
    assert more.encode("<s><|user|>low", "all") == [small.special_tokens["<s>"], 260, *small.encode("low")]
    assert more.encode("<|user|>") == small.encode("<|user|>")  # not allowed, so it stays ordinary text
    assert more.decode([260, 261]) == "<|user|><|end|>"
    assert small.special_tokens == {"<s>": 259}
    with pytest.raises(ValueError, match="260 is not the id"):
        small.decode([260])
    assert more.to_tiktoken().encode("<|end|>low", allowed_special="all") == more.encode("<|end|>low", "all")


@pytest.mark.slow
@given(text=texts)
def test_ordinary_text_keeps_its_ids_when_special_tokens_are_added(text):
    small = BPETokenizer.train("low lower lowest", 260, special_tokens=["<s>"])
    assert small.with_special_tokens(["<|user|>"]).encode(text) == small.encode(text)


def test_special_tokens_can_be_added_to_a_vocabulary_without_all_bytes():
    tokenizer = BPETokenizer({b"a": 0, b"b": 1, b"ab": 2}).with_special_tokens(["<s>"])
    assert tokenizer.encode("<s>abc", "all") == [3, 2]
    assert isinstance(tokenizer.to_tiktoken(), tiktoken.Encoding)


def test_a_character_tokenizer_can_be_extended_too():
    characters = CharTokenizer.train("abc").with_special_tokens(["<s>"])
    assert characters.encode("<s>cab", "all") == [3, 2, 0, 1]


@pytest.mark.slow
@pytest.mark.network
def test_a_published_tokenizer_can_be_extended_saved_and_loaded(tmp_path):
    extended = load_tokenizer("smollm2").with_special_tokens(["<|tool|>"])
    extended.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path / "tokenizer.json")
    for text in ("a <|tool|> b", "naïve 🙂 12"):
        assert again.encode(text, "all") == extended.encode(text, "all")
    assert extended.encode("<|tool|>", "all") == [49152]


def test_special_tokens_may_have_distant_ids(tmp_path):
    tokenizer = BPETokenizer.train("low lower", 258).with_special_tokens({"<|endoftext|>": 100257})
    assert tokenizer.vocab_size == 100258
    assert tokenizer.encode("low<|endoftext|>", "all") == [257, 100257]
    assert tokenizer.decode([257, 100257]) == "low<|endoftext|>"
    with pytest.raises(ValueError, match="and this one is not in use"):
        tokenizer.decode([5000])
    tokenizer.save(tmp_path / "t.json")
    assert BPETokenizer.load(tmp_path / "t.json").encode("<|endoftext|>", "all") == [100257]
    assert tokenizer.to_tiktoken().encode("low<|endoftext|>", allowed_special="all") == [257, 100257]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["<s>"], "'<s>' is already a special token, with the id 259"),
        ({"<x>": 3}, "The id 3 is used twice"),
        ({"<x>": -1}, "cannot be right"),
        ({"<x>": 10**12}, "cannot be right"),
        ([""], "is empty"),
        (["\ud83d"], "surrogate"),
    ],
)
def test_invalid_special_tokens_are_refused(small, tokens, message):
    with pytest.raises(TokenizerError, match=message):
        small.with_special_tokens(tokens)


def test_a_string_instead_of_a_list_of_tokens_is_refused(small):
    with pytest.raises(TypeError, match=r"write \['<x>'\]"):
        small.with_special_tokens("<x>")


@pytest.mark.slow
@given(text=texts, other=texts)
def test_pairs_of_ids_and_pairs_of_bytes_make_the_same_tokenizer(text, other):
    pairs = simple_bpe.train(text, 20)
    by_ids = BPETokenizer.from_merges(pairs, pattern=r"(?s).+")
    by_bytes = BPETokenizer.from_merges(by_ids.merges, pattern=r"(?s).+")
    assert by_ids.encode(other) == by_bytes.encode(other) == simple_bpe.encode(other, pairs)


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        ([(b"lo", b"w")], r"Merge 0 is \(b'lo', b'w'\), but b'lo' is neither a byte nor an earlier merge"),
        ([(b"l", b"o"), (256, 300)], r"Merge 1 is \(256, 300\), but 300 is neither a byte nor an earlier merge"),
        ([(b"l", b"o"), (b"l", b"o")], "Merge 1 produces b'lo', which already exists"),
    ],
)
def test_merges_that_do_not_build_on_each_other_are_refused(merges, message):
    with pytest.raises(TokenizerError, match=message):
        BPETokenizer.from_merges(merges)

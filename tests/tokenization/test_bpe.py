"""Ids match those of tiktoken, texts survive encoding and decoding, and wrong input gets a clear error."""

import copy
import pickle

import numpy as np
import pytest
import tiktoken
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from text_strategies import many_texts, texts

from llmlib.tokenization import (
    GPT2_PATTERN,
    BPETokenizer,
    CharTokenizer,
    TokenizerError,
    load_tokenizer,
)
from llmlib.tokenization.base import Tokenizer

OPENAI = ("gpt2", "cl100k_base", "o200k_base")

SAMPLE = "the cat sat on the mat, the naïve cat 🙂 ate 123 ☕\n\n  the end"


@pytest.fixture(scope="module")
def small():
    return BPETokenizer.train(SAMPLE * 3, 290, special_tokens=["<|end|>", "<|end|>>", "<s>"])


# --- against tiktoken -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", OPENAI)
def test_ids_match_those_of_tiktoken(name):
    ours = load_tokenizer(name)
    theirs = tiktoken.get_encoding(name)  # finds the files that we have stored for it
    for text in many_texts():
        assert ours.encode(text) == theirs.encode_ordinary(text)
        assert ours.encode(text, "all") == theirs.encode(text, allowed_special="all")
        assert ours.decode(ours.encode(text)) == text
    assert ours.vocab_size == theirs.n_vocab
    assert ours.special_tokens == {text: theirs.encode_single_token(text) for text in theirs.special_tokens_set}


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", OPENAI)
@given(text=texts)
@settings(max_examples=100)
def test_ids_match_those_of_tiktoken_on_generated_texts(name, text):
    ours = _once(name)
    assert ours.encode(text) == tiktoken.get_encoding(name).encode_ordinary(text)
    assert "".join(ours.decode_stream(ours.encode(text))) == text


_loaded: dict[str, Tokenizer] = {}


def _once(name):
    if name not in _loaded:
        _loaded[name] = load_tokenizer(name)
    return _loaded[name]


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", OPENAI)
def test_every_token_has_the_same_bytes_as_in_tiktoken(name):
    ours, theirs = _once(name), tiktoken.get_encoding(name)
    assert [ours.token_bytes(id) for id in ours.vocabulary.values()] == [
        theirs.decode_single_token_bytes(id) for id in ours.vocabulary.values()
    ]


@pytest.mark.slow
@pytest.mark.network
def test_well_known_texts_have_the_expected_ids():
    assert _once("gpt2").encode("Hello world") == [15496, 995]
    assert _once("gpt2").eos_ids == (50256,)
    assert _once("cl100k_base").encode("tiktoken is great!") == [83, 1609, 5963, 374, 2294, 0]


@pytest.mark.slow
@given(st.lists(texts, min_size=1, max_size=5))
def test_ids_of_trained_tokenizers_match_those_of_tiktoken(corpus):
    ours = BPETokenizer.train(corpus, 280, special_tokens=["<|endoftext|>"])
    theirs = ours.to_tiktoken()
    for text in [*corpus, *many_texts(20)]:
        assert ours.encode(text) == theirs.encode_ordinary(text)
        assert ours.encode(text, "all") == theirs.encode(text, allowed_special="all")
        assert theirs.decode(ours.encode(text)) == text


def encode_by_definition(tokenizer, text):
    """In each piece, repeatedly join the pair that was learned first, without any optimisation."""
    rank = {pair: number for number, pair in enumerate(tokenizer.merges)}
    ids = []
    for match in tokenizer._pieces.finditer(text):
        parts = [bytes([byte]) for byte in match[0].encode()]
        while True:
            ranked = [(rank[pair], i) for i, pair in enumerate(zip(parts, parts[1:])) if pair in rank]  # noqa: RUF007
            if not ranked:
                break
            _, i = min(ranked)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        ids += [tokenizer.vocabulary[part] for part in parts]
    return ids


@pytest.mark.slow
@given(corpus=texts, text=texts)
def test_encoding_follows_the_definition(corpus, text):
    tokenizer = BPETokenizer.train(corpus + text * 2, 300)
    assert tokenizer.encode(text) == encode_by_definition(tokenizer, text)


def test_tokenizers_that_tiktoken_cannot_express_are_not_converted(small):
    for options in ({"normalization": "NFC"}, {"merge_order": [b"ab", b"aa"]}):
        vocabulary = {bytes([byte]): byte for byte in range(256)} | {b"aa": 256, b"ab": 257}
        with pytest.raises(ValueError, match=r"tiktoken needs ids in merge order.*the tokenizer's own encode"):
            BPETokenizer(vocabulary, **options).to_tiktoken()


# --- encoding and decoding --------------------------------------------------------------------------------------


@given(text=texts)
def test_decode_undoes_encode(small, text):
    ids = small.encode(text)
    assert small.decode(ids) == text
    assert b"".join(map(small.token_bytes, ids)) == text.encode()
    assert "".join(small.decode_stream(iter(ids))) == text
    assert small.decode(small.encode(text, allowed_special="all")) == text


@given(ids=st.lists(st.integers(0, 289)))
def test_any_ids_decode_to_the_same_text_in_a_stream(small, ids):
    assert "".join(small.decode_stream(ids)) == small.decode(ids)


def test_a_stream_holds_back_half_a_character(small):
    ids = [*"é".encode(), *"🙂".encode(), 0xF0]
    assert list(small.decode_stream(ids)) == ["é", "🙂", "\ufffd"]
    with pytest.raises(UnicodeDecodeError):
        small.decode([0xF0], errors="strict")


def test_empty_texts_have_no_ids(small):
    assert small.encode("") == []
    assert small.decode([]) == ""
    assert list(small.decode_stream([])) == []


def test_ids_may_be_arrays_or_tensors(small):
    ids = small.encode(SAMPLE)
    for form in (np.array(ids), np.array(ids, dtype=np.uint16), torch.tensor(ids), iter(ids), tuple(ids)):
        assert small.decode(form) == SAMPLE
    assert small.decode([np.int64(97), torch.tensor(98)]) == "ab"


@pytest.mark.slow
@pytest.mark.parametrize("text", [" ", "\n", " \n", "a", "é", "\u0301"])
@pytest.mark.parametrize("around", ["", "x"])
def test_a_text_repeated_a_million_times_survives_encoding_and_decoding(small, text, around):
    text = around + text * 1_000_000 + around
    assert small.decode(small.encode(text)) == text


@pytest.mark.slow
def test_a_long_run_of_spaces_is_encoded_like_a_short_one():
    tokenizer = BPETokenizer.train([" " * 64 + "x"] * 3, 262)
    short, long = (tokenizer.encode("a" + " " * n + "b") for n in (64 * 100 + 1, 64 * 20_000 + 1))
    assert long == short[:1] + short[1:-2] * 200 + short[-2:]


@pytest.mark.parametrize(
    ("text", "meant"),
    [("a\ud800b", "a\ufffdb"), ("\udc00", "\ufffd"), ("\ud83d\ude42", "🙂"), ("🙂\ud83d", "🙂\ufffd")],
)
def test_broken_surrogates_are_replaced(small, text, meant):
    assert small.encode(text) == small.encode(meant)
    assert small.encode_parts([text]) == small.encode(meant)
    assert BPETokenizer.train([text] * 9, 300).vocabulary == BPETokenizer.train([meant] * 9, 300).vocabulary
    alphabet = CharTokenizer.train(text)
    assert alphabet.decode(alphabet.encode(text)) == meant


# --- special tokens ---------------------------------------------------------------------------------------------


@given(parts=st.lists(st.sampled_from(["<|end|>", "<|end|>>", "<s>", "<", "|>", ">", "end", " ", "é"])))
def test_text_becomes_a_special_token_only_where_allowed(small, parts):
    text = "".join(parts)
    special = set(small.special_tokens.values())
    assert not special & set(small.encode(text))
    assert not special & set(small.encode_parts([text]))
    only = small.encode(text, ["<s>"])
    assert only.count(small.special_tokens["<s>"]) == text.count("<s>")
    assert len(special & set(only)) <= 1
    assert small.decode(small.encode(text, "all")) == text


def test_the_longer_of_two_special_tokens_wins(small):
    assert small.encode("<|end|>>", "all") == [small.special_tokens["<|end|>>"]]
    assert small.encode("<|end|>>", ["<|end|>"]) == [small.special_tokens["<|end|>"], ord(">")]


def test_ids_among_the_parts_are_kept_and_texts_are_encoded(small):
    end = small.special_tokens["<|end|>"]
    assert small.encode_parts(["the", end, "", "<s>"]) == [*small.encode("the"), end, *small.encode("<s>")]


def test_the_beginning_of_text_token_is_added_only_on_request():
    vocabulary = {bytes([byte]): byte for byte in range(256)}
    tokenizer = BPETokenizer(vocabulary, special_tokens={"<s>": 256}, bos_id=256, adds_bos=True)
    assert tokenizer.encode("a", add_bos=tokenizer.adds_bos) == [256, 97]
    assert tokenizer.encode("a") == [97]
    with pytest.raises(ValueError, match="no beginning-of-text token"):
        BPETokenizer(vocabulary).encode("a", add_bos=True)


# --- wrong input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", [290, -1, np.int64(10**6)])
def test_ids_outside_the_vocabulary_are_refused(small, id):
    with pytest.raises(ValueError, match=f"{id} is not the id of any token: ids go from 0 to 289"):
        small.decode([97, id])
    with pytest.raises(ValueError, match=f"{id} is not the id of any token"):
        small.token_bytes(id)


WRONG_TYPES = {
    "t.encode(123)": "TypeError: encode takes one string, got int.",
    "t.encode(b'abc')": "TypeError: encode takes one string, got bytes.",
    "t.encode(['abc'])": "TypeError: encode takes one string, got list.",
    "c.encode(None)": "TypeError: encode takes one string, got NoneType.",
    "t.decode(97)": "TypeError: decode takes a list of ids, such as [97]; for one id, use token_bytes(97).",
    "t.decode(torch.tensor(97))": "TypeError: decode takes a list of ids, such as [97]; for one id, "
    "use token_bytes(97).",
    "t.decode('ab')": "TypeError: ids must be integers, got 'a' of type str.",
    "t.decode([1.0])": "TypeError: ids must be integers, got 1.0 of type float.",
    "t.decode([97, None])": "TypeError: ids must be integers, got None of type NoneType.",
    "t.decode(torch.zeros(2, 2))": "TypeError: ids must be integers, got a whole row (pass one row at a time) "
    "of type list.",
    "BPETokenizer.train(b'abc', 300)": "TypeError: Training takes a string or several strings, got bytes.",
    "BPETokenizer.train(None, 300)": "TypeError: Training takes a string or several strings, got NoneType.",
    "BPETokenizer.train([1], 300)": "TypeError: Training takes a string or several strings, but one of them is int.",
    "BPETokenizer.train('abc', 300.5)": "TypeError: vocab_size must be a whole number, got 300.5.",
    "BPETokenizer.train('abc', 300, '<s>')": "TypeError: special_tokens must be a list of strings; write ['<s>'].",
}


@pytest.fixture(scope="module")
def messages():
    """Return the errors that learners see. The type checks that tests switch on do not cover tokenizers."""
    names = {**globals(), "t": BPETokenizer.train("abc", 257), "c": CharTokenizer("ab")}
    found = {}
    for code in WRONG_TYPES:
        try:
            found[code] = repr(eval(code, names))
        except Exception as error:
            found[code] = f"{type(error).__name__}: {error}"
    return found


@pytest.mark.parametrize("code", WRONG_TYPES)
def test_wrong_types_give_the_expected_messages(code, messages):
    assert messages[code] == WRONG_TYPES[code]


def test_unknown_special_tokens_are_refused(small):
    with pytest.raises(ValueError, match=r"names \['<x>'\], but the special tokens are \['<s>', '<|end|>'"):
        small.encode("a", ["<x>"])
    with pytest.raises(ValueError, match=r"write \['<s>'\]"):
        small.encode("a", "<s>")


BYTES = {bytes([byte]): byte for byte in range(256)}


@pytest.mark.parametrize(
    ("vocabulary", "options", "message"),
    [
        ({}, {}, "vocabulary is empty"),
        ({b"": 0}, {}, "is empty; a token needs"),
        ({b"a": 0, b"b": 0}, {}, r"The id 0 is used twice, for b'a' and for b'b'"),
        ({b"a": -1}, {}, "The ids go from -1 to -1"),
        ({b"a": 10**12}, {}, "cannot be right for 1 tokens"),
        ({b"<s>": 0}, {"special_tokens": {"<s>": 0}}, "The id 0 is used twice"),
        ({b"a": 0}, {"special_tokens": {"": 1}}, "is empty; a token needs"),
        ({b"a": 0}, {"special_tokens": {"\ud800": 1}}, "half a surrogate pair"),
        (BYTES, {"merge_order": [b"ab"]}, "b'ab', which is not a token in the vocabulary"),
        (BYTES, {"merge_order": [b"a"]}, "with two or more bytes"),
        ({**BYTES, b"ab": 256}, {"merge_order": [b"ab", b"ab"]}, "contains the same token twice"),
        (BYTES, {"bos_id": 256}, "bos_id 256 is not in the vocabulary, whose ids go from 0 to 255"),
        (BYTES, {"eos_ids": [3, 999]}, "eos_ids 999 is not in the vocabulary"),
        (BYTES, {"unk_id": 256}, "unk_id 256 is not in the vocabulary"),
        (BYTES, {"adds_bos": True}, "there is no bos_id"),
        (BYTES, {"pattern": "(unclosed"}, r"'\(unclosed' is not a valid regular expression"),
        (BYTES, {"pattern": r"\p{Nonsense}"}, "is not a valid regular expression"),
    ],
)
def test_inconsistent_vocabularies_are_refused(vocabulary, options, message):
    with pytest.raises(TokenizerError, match=message):
        BPETokenizer(vocabulary, **options)


def test_ids_that_are_not_in_use_are_refused():
    tokenizer = BPETokenizer({b"a": 0, b"b": 5})
    assert tokenizer.vocab_size == 6
    with pytest.raises(
        ValueError, match=r"3 is not the id of any token: ids go from 0 to 5, and this one is not in use"
    ):
        tokenizer.decode([0, 3])


@pytest.mark.parametrize("name", ["gpt5", ""])
def test_the_error_for_an_unknown_name_lists_the_known_names(name):
    with pytest.raises(ValueError, match=rf"named '{name}'. Known names: gpt2, smollm2, cl100k_base, o200k_base; or"):
        load_tokenizer(name)


# --- vocabularies with holes ------------------------------------------------------------------------------------


def test_bytes_missing_from_the_vocabulary_are_dropped_or_become_unknown():
    vocabulary = {b"a": 0, b"b": 1, b"ab": 2}
    assert BPETokenizer(vocabulary, ".+").encode("aXb") == [2]  # X is dropped before merging, as in `tokenizers`
    assert BPETokenizer({**vocabulary, b"?": 3}, ".+", unk_id=3).encode("aXb") == [0, 3, 1]


def test_whole_pieces_may_be_tokens_that_no_merge_makes():
    vocabulary = {**BYTES, b"abc": 256, b"bc": 257}
    parts = BPETokenizer(vocabulary, r"\w+|\W", merge_order=[b"bc"])
    whole = BPETokenizer(vocabulary, r"\w+|\W", merge_order=[b"bc"], whole_pieces=True)
    assert parts.encode("abc abcd") == [97, 257, 32, 97, 257, 100]
    assert whole.encode("abc abcd") == [256, 32, 97, 257, 100]
    assert whole.merges == [(b"b", b"c")]


def test_groups_in_a_pattern_have_no_effect():
    tokenizer = BPETokenizer.train("ab ab ab", 258, pattern=r"(a)(b)| ")
    assert tokenizer.merges == [(b"a", b"b")]
    assert tokenizer.encode("ab ab") == [256, 32, 256]


# --- objects ----------------------------------------------------------------------------------------------------


def test_copies_and_pickles_encode_like_the_original(small):
    for other in (copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        assert other.encode(SAMPLE, "all") == small.encode(SAMPLE, "all")
    assert repr(small) == "BPETokenizer(vocab_size=290, special_tokens=3)"


def test_merges_are_reconstructed_from_the_vocabulary(small):
    rebuilt = BPETokenizer(small.vocabulary, GPT2_PATTERN, small.special_tokens)
    assert rebuilt.merges == small.merges
    assert [left + right for left, right in small.merges] == small.merge_order

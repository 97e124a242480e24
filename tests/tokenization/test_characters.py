"""The character tokenizer gives each character one id."""

import pytest
from hypothesis import given
from text_strategies import texts

from llmlib.tokenization import (
    CharTokenizer,
    TokenizerError,
)


@given(text=texts.filter(bool))
def test_characters_survive_encoding_and_decoding(text):
    tokenizer = CharTokenizer.train([text, "abc"])
    ids = tokenizer.encode(text)
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.vocab_size == len(set(text + "abc"))
    assert tokenizer.alphabet == "".join(sorted(set(text + "abc")))


def test_characters_outside_the_alphabet_and_invalid_alphabets_are_refused():
    with pytest.raises(
        ValueError, match=r"'ü' is not in the alphabet of 3 characters; train on a text that contains it"
    ):
        CharTokenizer("abc").encode("aü")
    with pytest.raises(TokenizerError, match="twice"):
        CharTokenizer("aba")
    with pytest.raises(TokenizerError, match="empty"):
        CharTokenizer("")

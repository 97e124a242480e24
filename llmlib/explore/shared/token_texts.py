"""Write a live model's tokens as text."""

from collections.abc import Sequence
from typing import Any

from llmlib.tokenization.base import Tokenizer, TokenizerError
from llmlib.tokenization.byte_level import bytes_of_tokens
from llmlib.widgets.shared.token_text import token_text


def token_texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Write each token as text, with the bytes of a split character in the form ⟨F0 9F⟩.

    Works with our tokenizers and with those from `transformers`.
    """
    if isinstance(tokenizer, Tokenizer):
        return [token_text(bytes_of(tokenizer, id)) for id in ids]
    return [_theirs(tokenizer, id) for id in ids]


def bytes_of(tokenizer: Tokenizer, id: int) -> bytes:
    """Return the bytes of a token, or b"" for an id that the tokenizer does not use."""
    try:
        return tokenizer.token_bytes(id)
    except ValueError:
        return b""


class Words:
    """The token texts of several tokenizers; each text is kept only once.

    >>> from llmlib.tokenization import CharTokenizer
    >>> words, tokenizer = Words(), CharTokenizer.train("ab")
    >>> [words.place(tokenizer, token) for token in tokenizer.encode("bab")], words.texts
    ([0, 1, 0], ['b', 'a'])
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._places: dict[tuple[int, int], int] = {}

    def place(self, tokenizer: Tokenizer, token: int) -> int:
        """Return the index of a token's text in `texts`."""
        key = id(tokenizer), token
        if key not in self._places:
            self._places[key] = len(self.texts)
            self.texts += token_texts(tokenizer, [token])
        return self._places[key]


def _theirs(tokenizer: Any, id: int) -> str:
    text = tokenizer.decode([id])
    if "\ufffd" in text and hasattr(tokenizer, "convert_ids_to_tokens"):
        name = tokenizer.convert_ids_to_tokens(id)
        try:
            return token_text(bytes_of_tokens([name])[name])
        except TokenizerError:  # this is not a byte-level vocabulary
            return text
    return text

"""Define the simplest tokenizer, which has one id for each character of an alphabet."""

from collections.abc import Iterable

from llmlib.tokenization.base import Tokenizer, TokenizerError, refuse_paths, without_surrogates


class CharTokenizer(Tokenizer):
    """A tokenizer with one id per character, in the order of its alphabet (`train` sorts it by Unicode code point).

    `encode` raises ValueError for a character that is not in the alphabet; a byte-level tokenizer can encode every
    character.

    >>> tokenizer = CharTokenizer.train("hello")
    >>> tokenizer.alphabet, tokenizer.encode("hole")
    ('ehlo', [1, 3, 2, 0])
    """

    def __init__(self, alphabet: str):
        self.alphabet = alphabet
        self._ids = {character: id for id, character in enumerate(alphabet)}
        if len(self._ids) < len(alphabet):
            raise TokenizerError("The alphabet contains the same character twice.")
        super().__init__([(character.encode(), id) for character, id in self._ids.items()])

    @classmethod
    def train(cls, text: str | Iterable[str]) -> "CharTokenizer":
        """Make a tokenizer whose alphabet contains all the characters of one text, or of several texts."""
        refuse_paths(text)
        alphabet: set[str] = set()
        for part in [text] if isinstance(text, str) else text:
            alphabet.update(without_surrogates(part))
        return cls("".join(sorted(alphabet)))

    def _encode_ordinary(self, text: str, *, at_start: bool) -> list[int]:
        text.encode()  # raises UnicodeEncodeError for lone surrogates
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            raise ValueError(
                f"The character {error.args[0]!r} is not in the alphabet of {len(self.alphabet)} characters; "
                "train on a text that contains it, or use a BPETokenizer, which can encode any text."
            ) from None

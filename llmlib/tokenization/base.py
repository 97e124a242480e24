"""Define the base class of all tokenizers, which handles special tokens, decoding, and a model's conventions."""

import codecs
import copy
import operator
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, SupportsIndex

import regex

# The largest id allowed: special tokens may leave a gap after the other ids, as in cl100k_base, but not a huge one.
MOST_IDS = 1 << 22


class TokenizerError(ValueError):
    """Raised when a tokenizer's definition is wrong or not supported.

    The message says where the problem is, and what was expected.
    """


class Tokenizer:
    """Turns text into ids and back. Subclasses define how ordinary text is encoded.

    Attributes:
        special_tokens: the string of each special token, and its id.
        bos_id: the id for the beginning of a text, or None.
        adds_bos: whether the model was trained with `bos_id` before every text. `encode` adds it only
            when asked: `tokenizer.encode(text, add_bos=tokenizer.adds_bos)`.
        eos_ids: the ids that end a text or a turn.
        chat_template: the model's Jinja template for conversations, or None.
    """

    def __init__(
        self,
        ordinary_tokens: Iterable[tuple[bytes, int]],
        special_tokens: Mapping[str, int] | None = None,
        *,
        bos_id: int | None = None,
        adds_bos: bool = False,
        eos_ids: Iterable[int] = (),
        chat_template: str | None = None,
    ):
        self.special_tokens = dict(special_tokens or {})
        self._table = _table_of(ordinary_tokens, self.special_tokens)
        self.bos_id, self.adds_bos = bos_id, adds_bos
        self.eos_ids = tuple(eos_ids)
        self.chat_template = chat_template
        for name, id in (("bos_id", bos_id), *(("eos_ids", id) for id in self.eos_ids)):
            if id is not None:
                self._check_known(name, id)
        if adds_bos and bos_id is None:
            raise TokenizerError("adds_bos is true, but there is no bos_id to add.")

    def _check_known(self, name: str, id: int) -> None:
        if not (0 <= id < self.vocab_size):
            raise TokenizerError(f"{name} {id} is not in the vocabulary, whose ids go from 0 to {self.vocab_size - 1}.")

    def __repr__(self) -> str:
        specials = len(self.special_tokens)
        return f"{type(self).__name__}(vocab_size={self.vocab_size}, special_tokens={specials})"

    @property
    def vocab_size(self) -> int:
        """The largest id plus one, which is the number of rows that an embedding table needs."""
        return len(self._table)

    def with_special_tokens(self, tokens: Mapping[str, int] | Iterable[str]) -> "Tokenizer":
        """Return a copy of this tokenizer with more special tokens.

        `tokens` is a list of strings, which get the ids after the last id in use, or a mapping from strings to ids,
        which may leave gaps. A model needs a row for each new id before it can read the new tokens. Raises
        `TokenizerError` for a string that is already a special token, an id that is already in use, or an empty string.

        >>> from llmlib.tokenization import BPETokenizer
        >>> chatty = BPETokenizer.train("hi", vocab_size=256).with_special_tokens(["<|user|>"])
        >>> chatty.encode("<|user|>hi", allowed_special="all")
        [256, 104, 105]
        """
        if isinstance(tokens, str):
            raise TypeError(f"tokens must be a list of strings; write [{tokens!r}].")
        if not isinstance(tokens, Mapping):
            tokens = {token: self.vocab_size + number for number, token in enumerate(tokens)}
        if known := sorted(tokens.keys() & self.special_tokens.keys()):
            raise TokenizerError(
                f"{known[0]!r} is already a special token, with the id {self.special_tokens[known[0]]}."
            )
        special = set(self.special_tokens.values())
        ordinary = [(token, id) for id, token in enumerate(self._table) if token is not None and id not in special]
        extended = copy.copy(self)
        extended.special_tokens = {**self.special_tokens, **tokens}
        extended._table = _table_of(ordinary, extended.special_tokens)
        return extended

    def token_bytes(self, id: SupportsIndex) -> bytes:
        """Return the bytes of one token, which need not form whole UTF-8 characters."""
        return self._bytes_of([id])[0]

    def encode(
        self, text: str, allowed_special: Literal["all"] | Iterable[str] = (), *, add_bos: bool = False
    ) -> list[int]:
        """Turn a text into ids.

        Text that looks like a special token is treated like any other text, unless `allowed_special` contains that
        token or is "all". Lone surrogates become U+FFFD. Raises ValueError for a name in `allowed_special` that is not
        a special token.
        """
        if not isinstance(text, str):
            raise TypeError(f"encode takes one string, got {type(text).__name__}.")
        if add_bos and self.bos_id is None:
            raise ValueError("add_bos=True, but this tokenizer has no beginning-of-text token.")
        names = self._allowed(allowed_special)
        parts: list[str | int] = []
        start = 0
        for match in any_of(names).finditer(text) if names else ():
            parts += [text[start : match.start()], self.special_tokens[match[0]]]
            start = match.end()
        ids = self.encode_parts([*parts, text[start:]])
        return [self.bos_id, *ids] if add_bos and self.bos_id is not None else ids

    def _allowed(self, allowed_special: Literal["all"] | Iterable[str]) -> tuple[str, ...]:
        if isinstance(allowed_special, str):
            if allowed_special != "all":
                raise ValueError(f"allowed_special must be 'all' or a list of names; write [{allowed_special!r}].")
            return tuple(self.special_tokens)
        names = tuple(allowed_special)
        if unknown := sorted(set(names) - self.special_tokens.keys()):
            raise ValueError(
                f"allowed_special contains {unknown}, but the special tokens are {sorted(self.special_tokens)}."
            )
        return names

    def encode_parts(self, parts: Iterable[str | int]) -> list[int]:
        """Return the ids of a text given as `parts`: strings, and ids of special tokens, which stay as they are.

        Nothing inside a string becomes a special token, so other people's text cannot imitate a special token.
        """
        return [id for ids in self.encode_each(parts) for id in ids]

    def encode_each(self, parts: Iterable[str | int]) -> Iterator[list[int]]:
        """Yield the ids of each part of a text; joined, these ids are what `encode_parts` returns."""
        begun = False
        for part in parts:
            if isinstance(part, int):
                ids = [part]
            elif not part:
                ids = []
            else:
                try:
                    ids = self._encode_ordinary(part, at_start=not begun)
                except UnicodeEncodeError:
                    ids = self._encode_ordinary(without_surrogates(part), at_start=not begun)
            begun = begun or bool(ids)
            yield ids

    def _encode_ordinary(self, text: str, *, at_start: bool) -> list[int]:
        """Encode text that is not empty and contains no special token; may raise UnicodeEncodeError."""
        raise NotImplementedError

    def decode(self, ids: Iterable[SupportsIndex], errors: str = "replace") -> str:
        """Turn ids (a list, an array, or a tensor with one axis) into text.

        Bytes that are not valid UTF-8 become U+FFFD, unless you pass a different value for `errors`, as in Python's
        `bytes.decode`. Raises ValueError for an id that is not in use.
        """
        return b"".join(self._bytes_of(ids)).decode("utf-8", errors)

    def decode_stream(self, ids: Iterable[SupportsIndex], errors: str = "replace") -> Iterator[str]:
        """Turn ids into pieces of text as the ids arrive; a character is held back until it is complete.

        Joined, the pieces are what `decode` returns for all the ids.
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors)
        for data in self._stream_bytes(ids):
            if piece := decoder.decode(data):
                yield piece
        if piece := decoder.decode(b"", final=True):
            yield piece

    def _stream_bytes(self, ids: Iterable[SupportsIndex]) -> Iterator[bytes]:
        return (self.token_bytes(id) for id in ids)

    def _bytes_of(self, ids: Iterable[Any]) -> list[bytes]:
        ids = ids.tolist() if hasattr(ids, "tolist") else ids  # for an array or a tensor
        if isinstance(ids, int):
            raise TypeError(f"decode takes a list of ids, such as [{ids}]; for one id, use token_bytes({ids}).")
        ids, table = list(ids), self._table
        try:
            found = [table[id] for id in ids]
        except (IndexError, TypeError):
            found = [None]
        if None in found or (ids and min(ids) < 0):
            self._reject(ids)
        return found

    def _reject(self, ids: list[Any]) -> None:
        for id in ids:
            try:
                number = operator.index(id)
            except TypeError:
                what = "a whole row (pass one row at a time)" if isinstance(id, list) else repr(id)
                raise TypeError(f"ids must be integers, got {what} of type {type(id).__name__}.") from None
            if not (0 <= number < self.vocab_size) or self._table[number] is None:
                raise ValueError(
                    f"{number} is not the id of any token: ids go from 0 to {self.vocab_size - 1}"
                    + (", and this one is not in use." if 0 <= number < self.vocab_size else ".")
                )


def refuse_paths(text: Any) -> None:
    """Raise `ValueError` if `text` is the name of a file instead of its contents."""
    is_name = isinstance(text, str) and len(text) < 260 and "\n" not in text and "\0" not in text
    if isinstance(text, os.PathLike) or (is_name and "." in text and os.path.isfile(text)):
        raise ValueError(
            f"{str(text)!r} is the name of a file. Pass the file's text: llmlib.corpora.from_files({str(text)!r})."
        )


def without_surrogates(text: str) -> str:
    """Return the text with surrogate pairs (UTF-16's halves of a character) joined and lone halves replaced by U+FFFD.

    >>> without_surrogates("\\ud83d\\ude42 \\ud83d")
    '🙂 \ufffd'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


@lru_cache(maxsize=64)
def any_of(names: tuple[str, ...]) -> Any:
    """Return a pattern that finds the leftmost of these names, and the longest if several begin at the same point."""
    return regex.compile("|".join(regex.escape(name) for name in sorted(names, key=len, reverse=True)))


def _table_of(ordinary: Iterable[tuple[bytes, int]], special: Mapping[str, int]) -> list[bytes | None]:
    """Return the bytes of each id, or None for an unused id. Raises `TokenizerError` for impossible ids."""
    try:
        entries = [*ordinary, *((name.encode(), id) for name, id in special.items())]
    except UnicodeEncodeError as error:
        raise TokenizerError(f"The special token {error.object!r} contains half a surrogate pair.") from None
    if not entries:
        raise TokenizerError("The vocabulary is empty.")
    lowest, highest = min(id for _, id in entries), max(id for _, id in entries)
    dense = max((id for _, id in entries[: len(entries) - len(special)]), default=0)
    if lowest < 0 or dense > 2 * len(entries) + 1000 or highest > MOST_IDS:
        raise TokenizerError(f"The ids go from {lowest} to {highest}, which cannot be right for {len(entries)} tokens.")
    table: list[bytes | None] = [None] * (highest + 1)
    for token, id in entries:
        if not token:
            raise TokenizerError(f"The token with the id {id} is empty; a token needs at least one byte.")
        if table[id] is not None:
            raise TokenizerError(f"The id {id} is used twice, for {table[id]!r} and for {token!r}.")
        table[id] = token
    return table

"""Vocabularies whose tokens are written in GPT-2's alphabet for bytes, with a list of merges beside them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from llmlib.tokenization.base import TokenizerError
from llmlib.tokenization.bpe import BPETokenizer, parts_of_merges


@cache
def byte_alphabet() -> dict[str, int]:
    """GPT-2's way to write any byte as one visible character, in GPT-2's order of ids.

    Bytes that are a visible character stand for themselves; the others take the characters from U+0100 on.

    >>> byte_alphabet()["A"], byte_alphabet()["Ġ"]
    (65, 32)
    """
    visible = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + i): byte for i, byte in enumerate(hidden)}


def bytes_of_tokens(tokens: Iterable[str]) -> dict[str, bytes]:
    """The bytes that each token stands for. Raises `TokenizerError` for a character outside of the alphabet.

    >>> bytes_of_tokens(["a", "Ġcaf\u00c3\u00a9"])
    {'a': b'a', 'ĠcafÃ©': b' caf\\xc3\\xa9'}
    """
    alphabet = byte_alphabet()
    try:
        return {token: bytes([alphabet[character] for character in token]) for token in tokens}
    except KeyError as error:
        raise TokenizerError(f"A token holds {error.args[0]!r}, which is not a byte of GPT-2's alphabet.") from None


def byte_level_tokenizer(
    tokens: Mapping[str, int],
    merges: Iterable[Sequence[str]],
    pattern: str,
    special_tokens: Mapping[str, int],
    **options: Any,
) -> BPETokenizer:
    """A tokenizer from tokens and pairs of tokens, both in GPT-2's alphabet; options: see `BPETokenizer`.

    Raises `TokenizerError` if a merge refers to a missing token, or if joining the listed pairs would give
    other ids than joining whatever makes the earliest token, which is how tiktoken's core works.
    """
    as_bytes = bytes_of_tokens(tokens)
    pairs: dict[bytes, dict[tuple[bytes, bytes], int]] = {}  # for each token, what makes it, and when
    for number, (left, right) in enumerate(merges):
        try:
            pair, made = (as_bytes[left], as_bytes[right]), as_bytes[left + right]
        except KeyError as error:
            raise TokenizerError(
                f"Merge {number}, {left!r} + {right!r}, refers to {error.args[0]!r}, which is not a token."
            ) from None
        pairs.setdefault(made, {}).setdefault(pair, number)
    _check_merges(pairs)
    vocabulary = {as_bytes[token]: id for token, id in tokens.items()}
    return BPETokenizer(vocabulary, pattern, special_tokens, merge_order=list(pairs), **options)


def _check_merges(pairs: Mapping[bytes, Mapping[tuple[bytes, bytes], int]]) -> None:
    """Both ways of merging agree if each token, encoded alone, comes from a listed pair of earlier tokens.

    Then the stretch of text that becomes a token can only ever have gone through that pair, whatever
    surrounds it. Trained vocabularies are like that: this is how their tokens were found.
    """
    ranks = {token: number for number, token in enumerate(pairs)}
    last = -1
    for (token, made_from), parts in zip(pairs.items(), parts_of_merges(list(pairs))):
        when = made_from.get((parts[0], parts[-1]), -1) if len(parts) == 2 else -1
        if when < last or max(ranks.get(part, -1) for part in parts) >= ranks[token]:
            raise TokenizerError(
                f"The merges do not build up: {token!r} is made of {', '.join(map(repr, parts))} before its own "
                "merge, which is not the listed pair of earlier tokens. Such a tokenizer is not supported."
            )
        last = when

"""Read vocabularies that come with a list of merges, and whose tokens are written in GPT-2's byte alphabet."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from llmlib.tokenization.base import TokenizerError
from llmlib.tokenization.bpe import BPETokenizer, parts_of_merges


@cache
def byte_alphabet() -> dict[str, int]:
    """Return GPT-2's alphabet, which maps visible characters to bytes, in GPT-2's order of ids.

    A byte that is a visible character is written as itself; all other bytes use the characters from U+0100 up.

    >>> byte_alphabet()["A"], byte_alphabet()["Ġ"]
    (65, 32)
    """
    visible = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + i): byte for i, byte in enumerate(hidden)}


def bytes_of_tokens(tokens: Iterable[str]) -> dict[str, bytes]:
    """Return the bytes of each token. Raises `TokenizerError` for a character that is not in the alphabet.

    >>> bytes_of_tokens(["a", "Ġcaf\u00c3\u00a9"])
    {'a': b'a', 'ĠcafÃ©': b' caf\\xc3\\xa9'}
    """
    alphabet = byte_alphabet()
    try:
        return {token: bytes([alphabet[character] for character in token]) for token in tokens}
    except KeyError as error:
        raise TokenizerError(f"A token contains {error.args[0]!r}, which is not in GPT-2's byte alphabet.") from None


def byte_level_tokenizer(
    tokens: Mapping[str, int],
    merges: Iterable[Sequence[str]],
    pattern: str,
    special_tokens: Mapping[str, int],
    **options: Any,
) -> BPETokenizer:
    """Build a tokenizer from tokens and pairs of tokens, both in GPT-2's alphabet; for the options see `BPETokenizer`.

    Raises `TokenizerError` if a merge refers to a missing token. tiktoken's core joins not only the listed pairs, but
    any two neighbouring tokens that together make a token, and it makes the earliest such token first. If this could
    change the ids, the same error is raised.
    """
    as_bytes = bytes_of_tokens(tokens)
    pairs: dict[bytes, dict[tuple[bytes, bytes], int]] = {}  # token -> pair that makes it -> number of the merge
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
    """Check that tiktoken makes the merges that are listed: each token must come from a listed pair of earlier tokens.

    If so, a token is always made from that pair in the end, whatever text surrounds it. Trained vocabularies meet this
    condition, because training makes tokens in the same way.
    """
    ranks = {token: number for number, token in enumerate(pairs)}
    last = -1
    for (token, made_from), parts in zip(pairs.items(), parts_of_merges(list(pairs))):
        when = made_from.get((parts[0], parts[-1]), -1) if len(parts) == 2 else -1
        if when < last or max(ranks.get(part, -1) for part in parts) >= ranks[token]:
            raise TokenizerError(
                f"The merges do not build on each other: just before the merge that forms it, {token!r} is split into "
                f"{', '.join(map(repr, parts))}, but these parts must be two earlier tokens that are listed as a pair. "
                "Tokenizers like this are not supported."
            )
        last = when

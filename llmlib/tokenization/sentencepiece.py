"""Encode text with byte-pair encoding over characters, as Llama 2 and Mistral do.

A space is written "▁" and merged like any other character, so the ids do not depend on a pattern that splits the text.
A character that is not in the vocabulary falls back to tokens for its UTF-8 bytes, written <0x00> to <0xFF>. Source:
SentencePiece, https://arxiv.org/abs/1808.06226.
"""

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, SupportsIndex

from llmlib.tokenization.base import Tokenizer, TokenizerError

SPACE = "▁"  # U+2581, not an underscore
BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")

MAX_KNOWN = 1 << 17  # the ids of at most this many chunks are remembered

IdPair = tuple[int | None, int | None]  # None where a symbol was joined to the symbol before it


class SentencePieceTokenizer(Tokenizer):
    """A tokenizer that uses byte-pair encoding over characters, with the same interface as `BPETokenizer`.

    Args:
        pieces: the string of each ordinary token ("▁" for a space), and its id.
        merge_ranks: the pairs of pieces to join, each with its rank. The pair with the lowest rank is joined first; if
            ranks are equal, the leftmost pair comes first.
        special_tokens: the string of each special token, and its id.
        unk_id: the id for a character that cannot be encoded; without an unk_id, these characters are dropped.
        fuses_unk: whether a whole run of characters that cannot be encoded becomes one unk_id.
        byte_fallback: whether a character that is not a piece is encoded as the tokens of its bytes.
        prefix: where to put "▁": before "every" stretch of text between special tokens, before the "first" stretch, or
            "never".
        doubles_prefix: whether to put "▁" even before text that already begins with a space.
        strips_prefix: whether `decode` removes one space from the beginning of a text.
        bos_id, adds_bos, eos_ids, chat_template: see `Tokenizer`.
    """

    def __init__(
        self,
        pieces: Mapping[str, int],
        merge_ranks: Mapping[tuple[str, str], int],
        special_tokens: Mapping[str, int],
        *,
        unk_id: int | None = None,
        fuses_unk: bool = True,
        byte_fallback: bool = True,
        prefix: Literal["every", "first", "never"] = "every",
        doubles_prefix: bool = True,
        strips_prefix: bool = True,
        bos_id: int | None = None,
        adds_bos: bool = False,
        eos_ids: Iterable[int] = (),
        chat_template: str | None = None,
    ):
        self.pieces, self.unk_id, self.fuses_unk = dict(pieces), unk_id, fuses_unk
        self.prefix, self.doubles_prefix, self.strips_prefix = prefix, doubles_prefix, strips_prefix
        super().__init__(
            ((_bytes_of_piece(piece), id) for piece, id in self.pieces.items()),
            special_tokens,
            bos_id=bos_id,
            adds_bos=adds_bos,
            eos_ids=eos_ids,
            chat_template=chat_template,
        )
        if unk_id is not None:
            self._check_known("unk_id", unk_id)
        byte_tokens = [self.pieces.get(f"<0x{b:02X}>") for b in range(256 if byte_fallback else 0)]
        self._byte_ids = [id for id in byte_tokens if id is not None]
        if len(self._byte_ids) < len(byte_tokens):
            raise TokenizerError(f"Only {len(self._byte_ids)} of the 256 byte tokens <0x00> to <0xFF> exist.")
        if SPACE not in self.pieces:
            raise TokenizerError(f"The vocabulary has no token {SPACE!r} for a space.")
        self._merged = self._ids_of_merges(merge_ranks)
        self._known: dict[str, tuple[int, ...]] = {}

    def _ids_of_merges(self, merge_ranks: Mapping[tuple[str, str], int]) -> dict[IdPair, tuple[int, int]]:
        """Return the rank of each pair of ids, and the id that the pair becomes."""
        merged: dict[IdPair, tuple[int, int]] = {}
        self._chunks = re.compile(f"{SPACE}*[^{SPACE}]+|{SPACE}+")
        for (left, right), rank in merge_ranks.items():
            try:
                pair = self.pieces[left], self.pieces[right]
                merged[pair] = rank, self.pieces[left + right]
            except KeyError as error:
                raise TokenizerError(
                    f"The merge {left!r} + {right!r} refers to {error.args[0]!r}, which is not a token."
                ) from None
            if SPACE in (left + right).lstrip(SPACE):
                self._chunks = re.compile(".+", re.DOTALL)  # a merge may cross a space: do not split there
        return merged

    def _encode_ordinary(self, text: str, *, at_start: bool) -> list[int]:
        text.encode()  # raises UnicodeEncodeError for lone surrogates
        text = text.replace(" ", SPACE)
        wanted = self.prefix == "every" or (self.prefix == "first" and at_start)
        if wanted and (self.doubles_prefix or not text.startswith(SPACE)):
            text = SPACE + text
        return [id for chunk in self._chunks.findall(text) for id in self._encode_chunk(chunk)]

    def _encode_chunk(self, chunk: str) -> tuple[int, ...]:
        """Encode a chunk, or look up its ids, which are remembered because the same words occur many times."""
        ids = self._known.get(chunk)
        if ids is None:
            ids = self._merge(chunk)
            if len(self._known) < MAX_KNOWN and len(chunk) < 64:
                self._known[chunk] = ids
        return ids

    def _symbols(self, chunk: str) -> list[int]:
        """Return the ids that merging starts from: a character's own id, or the ids of its bytes, or else `unk_id`."""
        ids: list[int] = []
        in_unknown = False
        for character in chunk:
            id = self.pieces.get(character)
            known = id is not None or bool(self._byte_ids)
            if id is not None:
                ids.append(id)
            elif self._byte_ids:
                ids += (self._byte_ids[b] for b in character.encode())
            elif self.unk_id is not None and not (in_unknown and self.fuses_unk):
                ids.append(self.unk_id)
            in_unknown = not known
        return ids

    def _merge(self, chunk: str) -> tuple[int, ...]:
        """Join adjacent symbols, beginning with the pair with the lowest rank, or the leftmost pair if ranks are equal.

        The symbols are a linked list. A heap holds the candidates; if a candidate's neighbour was merged in the
        meantime, the candidate no longer fits and is skipped when its turn comes. n symbols take O(n log n) steps.
        """
        ids: list[int | None] = list(self._symbols(chunk))
        n, merged = len(ids), self._merged
        previous, following = list(range(-1, n - 1)), list(range(1, n + 1))
        heap = [(merged[pair][0], i, pair) for i, pair in enumerate(pairwise(ids)) if pair in merged]
        heapq.heapify(heap)
        while heap:
            _, i, pair = heapq.heappop(heap)
            j = following[i]
            if j >= n or (ids[i], ids[j]) != pair:
                continue
            ids[i], ids[j] = merged[pair][1], None
            following[i] = following[j]
            if following[j] < n:
                previous[following[j]] = i
            for left in (previous[i], i):
                if left >= 0 and following[left] < n:
                    pair = ids[left], ids[following[left]]
                    if pair in merged:
                        heapq.heappush(heap, (merged[pair][0], left, pair))
        return tuple(id for id in ids if id is not None)

    def decode(self, ids: Iterable[SupportsIndex], errors: str = "replace") -> str:
        """Turn ids into text, without the space that `encode` put in front of it."""
        data = b"".join(self._bytes_of(ids))
        return (data.removeprefix(b" ") if self.strips_prefix else data).decode("utf-8", errors)

    def _stream_bytes(self, ids: Iterable[SupportsIndex]) -> Iterator[bytes]:
        strip = self.strips_prefix
        for id in ids:
            data = self.token_bytes(id)
            yield data.removeprefix(b" ") if strip else data
            strip = False


def ranks_from_scores(pieces: Mapping[str, int], scores: Sequence[float]) -> dict[tuple[str, str], int]:
    """Return the rank of each merge in a SentencePiece model, which scores its tokens: the highest score comes first.

    Any two tokens that together spell a third may be merged into it; all these pairs have the same rank. Byte tokens
    are never merged.

    >>> ranks_from_scores({"a": 0, "b": 1, "ab": 2, "aba": 3, "ba": 4}, [0.0, 0.0, -1.0, -3.0, -2.0])
    {('a', 'b'): 0, ('a', 'ba'): 2, ('ab', 'a'): 2, ('b', 'a'): 1}
    """
    spelled = {piece: id for piece, id in pieces.items() if not BYTE_TOKEN.fullmatch(piece)}
    made = {
        (piece[:i], piece[i:]): scores[id]
        for piece, id in spelled.items()
        for i in range(1, len(piece))
        if piece[:i] in spelled and piece[i:] in spelled
    }
    rank_of = {score: rank for rank, score in enumerate(sorted(set(made.values()), reverse=True))}
    return {pair: rank_of[score] for pair, score in made.items()}


def _bytes_of_piece(piece: str) -> bytes:
    if byte := BYTE_TOKEN.fullmatch(piece):
        return bytes.fromhex(byte[1])
    try:
        return piece.replace(SPACE, " ").encode()
    except UnicodeEncodeError:
        raise TokenizerError(f"The token {piece!r} is not valid text: it contains half a surrogate pair.") from None

"""Byte-pair encoding over characters, as in Llama 2 and Mistral (SentencePiece: https://arxiv.org/abs/1808.06226).

A space is written "▁" and merged like any other character, so no regular expression cuts the text. A
character that is not in the vocabulary falls back to tokens for its UTF-8 bytes, written <0x00> to <0xFF>.
"""

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from llmlib.tokenization import Tokenizer, TokenizerError

SPACE = "▁"  # U+2581, not an underscore
BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")

IdPair = tuple[int, int]


class SentencePieceTokenizer(Tokenizer):
    """Byte-pair encoding whose alphabet is characters; same interface as `BPETokenizer`.

    Args:
        pieces: the text of each ordinary token ("▁" for a space), and its id.
        merges: pairs of pieces in the order in which they are merged.
        special_tokens: text of each special token, and its id.
        unk_id: stands for a run of characters that cannot be written even with byte tokens.
        prefix: where "▁" is put before a text: "every" stretch between special tokens, the "first"
            stretch, or "never".
        doubles_prefix: whether it is also put before a text that begins with a space itself.
        bos_id, adds_bos, eos_ids, chat_template: see `Tokenizer`.
    """

    def __init__(
        self,
        pieces: Mapping[str, int],
        merges: Iterable[tuple[str, str]],
        special_tokens: Mapping[str, int],
        *,
        unk_id: int | None = None,
        prefix: Literal["every", "first", "never"] = "every",
        doubles_prefix: bool = True,
        strips_prefix: bool = True,
        bos_id: int | None = None,
        adds_bos: bool = False,
        eos_ids: Iterable[int] = (),
        chat_template: str | None = None,
    ):
        self.pieces, self.unk_id = dict(pieces), unk_id
        self.prefix, self.doubles_prefix, self.strips_prefix = prefix, doubles_prefix, strips_prefix
        super().__init__(
            _table_of_pieces(self.pieces, special_tokens),
            special_tokens,
            bos_id=bos_id,
            adds_bos=adds_bos,
            eos_ids=eos_ids,
            chat_template=chat_template,
        )
        byte_tokens = [self.pieces.get(f"<0x{b:02X}>") for b in range(256)]
        self._byte_ids = [id for id in byte_tokens if id is not None]
        if self._byte_ids and len(self._byte_ids) < 256:
            raise TokenizerError(f"Only {len(self._byte_ids)} of the 256 byte tokens <0x00> to <0xFF> exist.")
        if SPACE not in self.pieces:
            raise TokenizerError(f"The vocabulary has no token {SPACE!r} for a space.")
        self._merged = self._ids_of_merges(merges)
        self._encode_chunk = lru_cache(maxsize=1 << 16)(self._merge)

    def _ids_of_merges(self, merges: Iterable[tuple[str, str]]) -> dict[IdPair, tuple[int, int]]:
        """For each pair of ids: its place in the order of merging, and the id of what it becomes."""
        merged: dict[IdPair, tuple[int, int]] = {}
        self._chunks = re.compile(f"{SPACE}*[^{SPACE}]+|{SPACE}+")
        for rank, (left, right) in enumerate(merges):
            try:
                pair = self.pieces[left], self.pieces[right]
                merged[pair] = rank, self.pieces[left + right]
            except KeyError as error:
                raise TokenizerError(
                    f"Merge {rank}, {left!r} + {right!r}, refers to {error.args[0]!r}, which is not a token."
                ) from None
            if SPACE in (left + right).lstrip(SPACE):
                self._chunks = re.compile(".+", re.DOTALL)  # a merge may cross a space: do not cut there
        return merged

    def _encode_ordinary(self, text: str, *, at_start: bool) -> list[int]:
        text.encode()  # raises for lone surrogates
        text = text.replace(" ", SPACE)
        wanted = self.prefix == "every" or (self.prefix == "first" and at_start)
        if wanted and (self.doubles_prefix or not text.startswith(SPACE)):
            text = SPACE + text
        return [id for chunk in self._chunks.findall(text) for id in self._encode_chunk(chunk)]

    def _symbols(self, chunk: str) -> list[int]:
        """The ids that merging starts from: characters, else their bytes, else one unk for the whole run."""
        ids: list[int] = []
        in_unknown = False
        for character in chunk:
            id = self.pieces.get(character)
            known = id is not None or bool(self._byte_ids)
            if id is not None:
                ids.append(id)
            elif self._byte_ids:
                ids += (self._byte_ids[b] for b in character.encode())
            elif self.unk_id is not None and not in_unknown:
                ids.append(self.unk_id)
            in_unknown = not known
        return ids

    def _merge(self, chunk: str) -> tuple[int, ...]:
        """Join adjacent symbols, lowest rank and leftmost first.

        The symbols are a linked list. A heap holds the candidates; one that no longer fits, since a
        neighbour was merged meanwhile, is skipped when it comes up. n symbols take O(n log n) steps.
        """
        ids: list[int | None] = list(self._symbols(chunk))
        n = len(ids)
        before, after = list(range(-1, n - 1)), list(range(1, n + 1))
        heap: list[tuple[int, int, IdPair]] = []

        def consider(i: int) -> None:
            if i >= 0 and after[i] < n:
                pair = ids[i], ids[after[i]]
                if pair in self._merged:
                    heapq.heappush(heap, (self._merged[pair][0], i, pair))  # type: ignore[index, arg-type]

        for i in range(n - 1):
            consider(i)
        while heap:
            _, i, pair = heapq.heappop(heap)
            j = after[i]
            if j >= n or (ids[i], ids[j]) != pair:
                continue
            ids[i], ids[j] = self._merged[pair][1], None
            after[i] = after[j]
            if after[j] < n:
                before[after[j]] = i
            consider(before[i])
            consider(i)
        return tuple(id for id in ids if id is not None)

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """Turn ids into text; the space that `encode` put in front is taken away again."""
        data = b"".join(self._bytes_of(ids))
        return (data.removeprefix(b" ") if self.strips_prefix else data).decode("utf-8", errors)

    def _stream_bytes(self, ids: Iterable[int]) -> Iterator[bytes]:
        strip = self.strips_prefix
        for id in ids:
            data = self.token_bytes(id)
            yield data.removeprefix(b" ") if strip else data
            strip = False


def merges_from_scores(pieces: Mapping[str, int], scores: Sequence[float]) -> list[tuple[str, str]]:
    """The order of merging that a SentencePiece model means by the scores of its tokens: highest first.

    A token may be made from any two tokens that spell it.
    """
    pairs = [
        (-scores[id], pieces[left], pieces[right], left, right)
        for piece, id in pieces.items()
        for left, right in ((piece[:i], piece[i:]) for i in range(1, len(piece)))
        if left in pieces and right in pieces
    ]
    return [(left, right) for *_, left, right in sorted(pairs)]


def _table_of_pieces(pieces: Mapping[str, int], special_tokens: Mapping[str, int]) -> list[bytes | None]:
    """List of the bytes of each id. Raises `TokenizerError` for ids used twice or out of all proportion."""
    names = {id: piece for piece, id in (*special_tokens.items(), *pieces.items())}
    n_entries = len(pieces | dict(special_tokens))
    if not names:
        raise TokenizerError("The vocabulary is empty.")
    if len(names) < n_entries:
        raise TokenizerError(f"{n_entries - len(names)} ids are used twice.")
    if min(names) < 0 or max(names) > 2 * len(names) + 1000:
        raise TokenizerError(
            f"Ids go from {min(names)} to {max(names)}, which cannot be right for {len(names)} tokens."
        )
    table: list[bytes | None] = [None] * (max(names) + 1)
    for id, piece in names.items():
        if piece in special_tokens:
            table[id] = piece.encode()
        elif byte := BYTE_TOKEN.fullmatch(piece):
            table[id] = bytes.fromhex(byte[1])
        else:
            table[id] = piece.replace(SPACE, " ").encode()
    return table

"""Encode text with byte-pair encoding (BPE), as GPT-2, Llama 3, Qwen and SmolLM2 do.

A regular expression splits a text into pieces, and each piece becomes UTF-8 bytes. Then the adjacent pair that was
learned first is joined, again and again, until no learned pair is left (Sennrich et al. 2016,
https://arxiv.org/abs/1508.07909; with bytes as the alphabet, Radford et al. 2019, "Language Models are Unsupervised
Multitask Learners"). Training is explained in `llmlib.tokenization.bpe_training`; encoding runs in tiktoken's compiled
core.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal

import regex
import tiktoken

from llmlib.files.checked_json import naming
from llmlib.tokenization.base import Tokenizer, TokenizerError, any_of, refuse_paths
from llmlib.tokenization.bpe_training import count_pieces, learn_merges
from llmlib.tokenization.patterns import GPT2_PATTERN
from llmlib.tokenization.saved import read_record, write_record

# tiktoken's regex engine overflows its stack on runs of about a million spaces, so Python splits texts with long runs.
LONG_RUN_OF_SPACES = 100_000

# A word or number certainly ends where this matches: patterns look one character past a piece, or two if an apostrophe
# starts a contraction that belongs to the word (as in o200k_base).
END_OF_WORD = regex.compile(r"[\p{L}\p{N}](?=[^\p{L}\p{N}'])")


class BPETokenizer(Tokenizer):
    """A tokenizer that uses byte-pair encoding over UTF-8 bytes.

    Args:
        vocabulary: the bytes of each ordinary token, and its id.
        pattern: a regular expression (with `\\p{L}` and the like) whose matches are encoded one by one. Text that it
            does not match is lost, so it should match everything.
        special_tokens: the string of each special token, and its id.
        merge_order: the tokens with two or more bytes, in the order they were learned; merging never makes a token
            that is missing from this list. Default: all of them, in the order of their ids.
        whole_pieces: if true, a piece that is itself a token is never split, even if merge_order leaves it out.
        unk_id: the id for a byte that is not in the vocabulary; without an unk_id, such bytes are dropped.
        normalization: a Unicode normalization to apply before encoding, as Qwen's models do.
        bos_id, adds_bos, eos_ids, chat_template: see `Tokenizer`.

    Raises `TokenizerError` if the ids or tokens contradict each other.

    >>> tokenizer = BPETokenizer.train("low lower lowest", vocab_size=258)
    >>> tokenizer.merges
    [(b'l', b'o'), (b'lo', b'w')]
    >>> tokenizer.encode("slow"), tokenizer.decode([115, 257])
    ([115, 257], 'slow')
    """

    def __init__(
        self,
        vocabulary: Mapping[bytes, int],
        pattern: str = GPT2_PATTERN,
        special_tokens: Mapping[str, int] | None = None,
        *,
        merge_order: Sequence[bytes] | None = None,
        whole_pieces: bool = False,
        unk_id: int | None = None,
        normalization: Literal["NFC"] | None = None,
        bos_id: int | None = None,
        adds_bos: bool = False,
        eos_ids: Iterable[int] = (),
        chat_template: str | None = None,
    ):
        self.vocabulary = dict(vocabulary)
        self.pattern = pattern
        self.whole_pieces, self.unk_id, self.normalization = whole_pieces, unk_id, normalization
        super().__init__(
            self.vocabulary.items(),
            special_tokens,
            bos_id=bos_id,
            adds_bos=adds_bos,
            eos_ids=eos_ids,
            chat_template=chat_template,
        )
        if unk_id is not None:
            self._check_known("unk_id", unk_id)
        by_id = self._all_by_id()
        self.merge_order = by_id if merge_order is None else list(merge_order)
        self._check_merge_order()
        made = set(self.merge_order)
        self._only_whole = {token for token in by_id if token not in made} if whole_pieces else set()
        self._missing = bytes(b for b in range(256) if bytes([b]) not in self.vocabulary)
        self._make_core()

    def _make_core(self) -> None:
        self._ranks, self._rank_to_id = self._ranks_for_tiktoken()
        try:
            self._pieces = regex.compile(self.pattern)
            self._core = tiktoken.Encoding(
                "llmlib", pat_str=self.pattern, mergeable_ranks=self._ranks, special_tokens={}
            )
        except (regex.error, ValueError) as error:
            raise TokenizerError(f"The pattern {self.pattern!r} is not a valid regular expression: {error}.") from None

    def with_special_tokens(self, tokens: Mapping[str, int] | Iterable[str]) -> "BPETokenizer":
        extended = super().with_special_tokens(tokens)
        assert isinstance(extended, BPETokenizer)
        extended._make_core()  # bytes that are not in the vocabulary must get numbers after the new ids
        return extended

    def _all_by_id(self) -> list[bytes]:
        """Return all tokens with two or more bytes, in the order of their ids."""
        return sorted((token for token in self.vocabulary if len(token) > 1), key=self.vocabulary.__getitem__)

    def _check_merge_order(self) -> None:
        if len(set(self.merge_order)) < len(self.merge_order):
            raise TokenizerError("merge_order contains the same token twice.")
        for token in self.merge_order:
            if len(token) < 2 or token not in self.vocabulary:
                raise TokenizerError(
                    f"merge_order contains {token!r}, which is not a token in the vocabulary with two or more bytes."
                )

    def _ranks_for_tiktoken(self) -> tuple[dict[bytes, int], list[int] | None]:
        """Return the rank of each token for tiktoken, and the id of each rank if the two differ.

        In tiktoken one number is both a token's id and its rank in merge order. If our ids are in that order, they are
        used as they are, and missing bytes get numbers beyond the vocabulary. Otherwise tokens are numbered by merge
        order, and a list maps each number to its id.
        """
        byte_values = [bytes([b]) for b in range(256)]
        ids = [self.vocabulary[token] for token in self.merge_order]
        in_order = all(earlier < later for earlier, later in pairwise(ids))
        if in_order and (self.unk_id is None or not self._missing):
            free = iter(range(self.vocab_size, self.vocab_size + 256))
            ranks = {byte: self.vocabulary[byte] if byte in self.vocabulary else next(free) for byte in byte_values}
            return ranks | dict(zip(self.merge_order, ids)), None
        unknown = -1 if self.unk_id is None else self.unk_id
        numbered = [*byte_values, *self.merge_order]
        rank_to_id = [self.vocabulary.get(token, unknown) for token in numbered]
        return {token: rank for rank, token in enumerate(numbered)}, rank_to_id

    @classmethod
    def train(
        cls,
        text: str | Iterable[str],
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        pattern: str = GPT2_PATTERN,
        progress: bool = False,
        ties: Literal["first", "largest"] = "first",
    ) -> "BPETokenizer":
        """Learn a vocabulary: ids 0 to 255 are the bytes, followed by the merges in order, and then `special_tokens`.

        The text is first split at `special_tokens`, so training does not learn from them, and no merge reaches across
        them.

        `text` may be an iterable of strings, such as an open file. Then memory holds only one string at a time, and the
        counts of the distinct pieces. (No piece reaches from one string into the next, so the lines of a file teach
        less about newlines than the whole file as one string.) The most frequent pair is merged first; `ties` decides
        between pairs that are tied (see `learn_merges`). If training runs out of pairs, the vocabulary has fewer than
        `vocab_size` tokens. Raises ValueError if `vocab_size` leaves no room for the bytes and special tokens, and
        `TokenizerError` if `pattern` is not a valid regular expression.
        """
        refuse_paths(text)
        if not isinstance(vocab_size, int):
            raise TypeError(f"vocab_size must be a whole number, got {vocab_size!r}.")
        if isinstance(special_tokens, str):
            raise TypeError(f"special_tokens must be a list of strings; write [{special_tokens!r}].")
        if len(set(special_tokens)) < len(special_tokens):
            raise ValueError("special_tokens contains the same token twice.")
        if vocab_size < 256 + len(special_tokens):
            raise ValueError(
                f"vocab_size {vocab_size} is too small for 256 bytes and {len(special_tokens)} special tokens."
            )
        counts = count_pieces(text, pattern, special_tokens=special_tokens, progress=progress)
        merges = learn_merges(counts, vocab_size - 256 - len(special_tokens), ties=ties, progress=progress)
        return cls.from_merges(merges, special_tokens, pattern)

    @classmethod
    def from_merges(
        cls,
        merges: Iterable[tuple[int, int] | tuple[bytes, bytes]],
        special_tokens: Mapping[str, int] | Iterable[str] = (),
        pattern: str = GPT2_PATTERN,
    ) -> "BPETokenizer":
        """Build a tokenizer from pairs in merge order: ids 0 to 255 are bytes, and merge i gets id 256 + i.

        A pair names two tokens by their ids, as `learn_merges` returns them, or by their bytes. `special_tokens` get
        the ids after the merges, or the ids in a mapping. Raises `TokenizerError` for a pair with a part that is
        neither a byte nor made by an earlier merge, and for a pair that makes a token a second time.

        >>> BPETokenizer.from_merges([(b"l", b"o"), (b"lo", b"w")], ["<|end|>"]).encode("low lows")
        [257, 32, 257, 115]
        """
        tokens = [bytes([b]) for b in range(256)]
        vocabulary = {token: id for id, token in enumerate(tokens)}
        for number, pair in enumerate(merges):
            left, right = (tokens[part] if isinstance(part, int) and 0 <= part < len(tokens) else part for part in pair)
            if left not in vocabulary or right not in vocabulary:
                missing = right if left in vocabulary else left
                raise TokenizerError(
                    f"Merge {number} is {pair!r}, but {missing!r} is neither a byte nor an earlier merge."
                )
            if left + right in vocabulary:
                raise TokenizerError(f"Merge {number} produces {left + right!r}, which already exists.")
            vocabulary[left + right] = len(tokens)
            tokens.append(left + right)
        return cls(vocabulary, pattern).with_special_tokens(special_tokens)

    @classmethod
    def from_vocabulary(
        cls,
        vocabulary: Mapping[int, bytes],
        merges: Iterable[tuple[bytes, bytes]],
        special_tokens: Iterable[str] = (),
        pattern: str = GPT2_PATTERN,
    ) -> "BPETokenizer":
        """Build a tokenizer from the bytes of each id and the pairs in merge order.

        The ids need not be in any particular order. `special_tokens` that are not in the vocabulary get the ids after
        the vocabulary. Raises `TokenizerError` for a pair that does not make a token in the vocabulary.

        >>> letters = {7: b"l", 3: b"o", 9: b"w", 5: b"lo", 4: b"<|end|>"}
        >>> BPETokenizer.from_vocabulary(letters, [(b"l", b"o")], ["<|end|>"]).encode("low<|end|>", "all")
        [5, 9, 4]
        """
        names = list(special_tokens)
        ids = {token: id for id, token in vocabulary.items()}
        special = {name: ids.pop(name.encode()) for name in names if name.encode() in ids}
        made = cls(ids, pattern, special, merge_order=[left + right for left, right in merges])
        return made.with_special_tokens([name for name in names if name not in special])

    def _encode_ordinary(self, text: str, *, at_start: bool) -> list[int]:
        if self.normalization:
            text = unicodedata.normalize(self.normalization, text)
        if self._needs_python(text):
            return self._encode_by_piece(text)
        return self._as_ids(self._core.encode_ordinary(text))

    def _needs_python(self, text: str) -> bool:
        """Return whether tiktoken's core would fail on this text, or would return ids that the model does not have."""
        if self._only_whole or (self._missing and self.unk_id is None and self._drops_something(text)):
            return True
        steps = range(0, len(text) - LONG_RUN_OF_SPACES, LONG_RUN_OF_SPACES)
        return any(text[i].isspace() and text[i : i + LONG_RUN_OF_SPACES].isspace() for i in steps)

    def _drops_something(self, text: str) -> bool:
        data = text.encode()
        return len(data.translate(None, self._missing)) < len(data)

    def _encode_by_piece(self, text: str) -> list[int]:
        ids: list[int] = []
        for match in self._pieces.finditer(text):
            data = match[0].encode()
            if self.unk_id is None:
                data = data.translate(None, self._missing)
            if data in self._only_whole:
                ids.append(self.vocabulary[data])
            elif data:
                ids += self._as_ids(self._core._encode_single_piece(data))
        return ids

    def encode_iterable(
        self, texts: Iterable[str], allowed_special: Literal["all"] | Iterable[str] = ()
    ) -> Iterator[int]:
        """Yield the ids of one long text that arrives in parts, such as an open file, as if it were one string.

        Only the text whose ids are not final yet is kept in memory: one part and at most a few more words, as long
        as words end from time to time. (With a pattern that does not split where words end, the whole text is kept.)
        Raises the same errors as `encode`.

        >>> tokenizer = BPETokenizer.train("low lower lowest", vocab_size=258)
        >>> list(tokenizer.encode_iterable(["slo", "w l", "ow"])) == tokenizer.encode("slow low")
        True
        """
        names = self._allowed(allowed_special)
        held = ""
        for text in texts:
            held += text
            if cut := self._decided(held, names):
                yield from self.encode(held[:cut], names)
                held = held[cut:]
        yield from self.encode(held, names)

    def _decided(self, text: str, names: tuple[str, ...]) -> int:
        """Return how many characters at the start of a text have final ids, whatever comes next; 0 if this is unknown.

        We cut at the end of a piece, and only if a word or number certainly ends there, so we never cut a run of white
        space in two.
        """
        end = len(text) - max(map(len, names), default=0)  # the text may end inside a special token
        starts = [match.end() for match in any_of(names).finditer(text)] if names else []
        start = starts[-1] if starts else 0
        cuts = [match.end() for match in self._pieces.finditer(text, start)] if end > start else []
        return next((cut for cut in reversed(cuts) if start < cut < end and END_OF_WORD.match(text, cut - 1)), 0)

    def _as_ids(self, ranks: list[int]) -> list[int]:
        table = self._rank_to_id
        return ranks if table is None else [table[rank] for rank in ranks]

    @cached_property
    def merges(self) -> list[tuple[bytes, bytes]]:
        """The pairs that are joined, in merge order (worked out from the vocabulary on first use)."""
        return [(parts[0], parts[1]) for parts in parts_of_merges(self.merge_order) if len(parts) == 2]

    def to_tiktoken(self, name: str = "llmlib") -> tiktoken.Encoding:
        """Return this tokenizer as a `tiktoken.Encoding` with the same ids.

        Raises ValueError if tiktoken cannot express the tokenizer, because it has ids that are not in merge order,
        pieces that must stay whole, or a Unicode normalization. Bytes that are missing from the vocabulary get the
        ids from `vocab_size` up.
        """
        if self._rank_to_id is not None or self._only_whole or self.normalization:
            raise ValueError(
                "tiktoken cannot express this tokenizer: tiktoken needs ids in merge order, and supports "
                "neither pieces that must stay whole nor Unicode normalization. Use the tokenizer's own encode, which "
                "runs in tiktoken's core."
            )
        return tiktoken.Encoding(
            name, pat_str=self.pattern, mergeable_ranks=self._ranks, special_tokens=self.special_tokens
        )

    def save(self, path: Path | str) -> None:
        """Write the tokenizer as readable JSON; an existing file is replaced completely or not at all."""
        write_record(
            {
                "pattern": self.pattern,
                "normalization": self.normalization,
                "whole_pieces": self.whole_pieces,
                "unk_id": self.unk_id,
                "bos_id": self.bos_id,
                "adds_bos": self.adds_bos,
                "eos_ids": self.eos_ids,
                "chat_template": self.chat_template,
                "special_tokens": self.special_tokens,
                "merge_order": None if self.merge_order == self._all_by_id() else self.merge_order,
                "vocabulary": self.vocabulary,
            },
            path,
        )

    @classmethod
    def load(cls, path: Path | str) -> "BPETokenizer":
        """Load a tokenizer that `save` wrote. Raises `TokenizerError` if the file is damaged."""
        path = Path(path)
        with naming(path, TokenizerError):
            return cls(**read_record(path))


def parts_of_merges(merge_order: Sequence[bytes]) -> list[list[bytes]]:
    """Return the parts that each token has just before the merge that forms it: two, if the tokens build on each other.

    The token's bytes are merged as `encode` merges a piece, with the earliest token first, and from left to right.

    >>> parts_of_merges([b"lo", b"low", b"xyz"])
    [[b'l', b'o'], [b'lo', b'w'], [b'x', b'y', b'z']]
    """
    ranks = {token: rank for rank, token in enumerate(merge_order)}
    never = len(ranks)
    listed = []
    for token in merge_order:
        cuts = list(range(len(token) + 1))  # where the parts begin and end
        made = [ranks.get(token[i : i + 2], never) for i in range(len(token) - 1)]
        while len(made) > 1 and (lowest := min(made)) < never:
            i = made.index(lowest)
            del cuts[i + 1], made[i]
            if i > 0:
                made[i - 1] = ranks.get(token[cuts[i - 1] : cuts[i + 1]], never)
            if i < len(made):
                made[i] = ranks.get(token[cuts[i] : cuts[i + 2]], never)
        listed.append([token[start:end] for start, end in pairwise(cuts)])
    return listed

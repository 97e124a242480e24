"""Make batches of conversations in which only the assistant's words are targets."""

import operator
import warnings
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from llmlib.chat import Message, encode_chat_with_mask
from llmlib.tokenization.base import Tokenizer
from llmlib.training.batches import shuffled
from llmlib.training.loss import IGNORED

OPEN_ROWS = 32  # packing keeps at most this many unfinished rows open


class TruncationWarning(UserWarning):
    """Warns that some conversations do not fit in a row, so answers are cut off or lost; the message says how many."""


class ChatData:
    """Makes training batches of conversations (see `llmlib.training.batches.Data`) with the answers as targets.

    A conversation begins at the start of a row or after another conversation, and is never split across two rows. Each
    epoch contains every conversation once, in a new random order; the same step and seed give the same batch.

    With `packed`, a row holds as many whole conversations as fit, as in pretraining, so there is little padding. In
    that case, a conversation can attend to unrelated, earlier conversations in its row, and its positions are higher
    than they would be in a chat. Rows were packed like this in pretraining too, and the earlier text does not reveal
    the answer. Still, the loss is not quite the same as with padded rows. Without `packed`, each row holds one
    conversation and then padding. No token attends to the padding, and the padding is never a target.

    A conversation with more than seq_len + 1 tokens is cut to that length, and left out if no answer begins before the
    cut. A `TruncationWarning` says how many answers are affected.

    Raises `ValueError` for an invalid conversation (the message gives its number, counting from 0) and, when you ask
    for a batch, if no row would have an answer.

    >>> from llmlib.chat import CHATML, with_chat_template
    >>> from llmlib.tokenization import BPETokenizer
    >>> tokenizer = with_chat_template(BPETokenizer.train("", 258, ["<|im_start|>", "<|im_end|>"]), CHATML)
    >>> data = ChatData(tokenizer, [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]])
    >>> x, y = data.batch(0, batch_size=1, seq_len=40)
    >>> tokenizer.decode(y[y != IGNORED])
    'Yo<|im_end|>'
    """

    def __init__(self, tokenizer: Tokenizer, conversations: Iterable[Sequence[Message]], *, packed: bool = True):
        self.vocab_size, self.packed = tokenizer.vocab_size, packed
        self._encoded: list[tuple[np.ndarray, np.ndarray]] = []  # for each conversation: its ids, and which are targets
        for number, messages in enumerate(conversations):
            try:
                ids, mask = encode_chat_with_mask(tokenizer, messages)
            except ValueError as error:
                raise ValueError(f"Conversation {number}: {error}") from None
            self._encoded.append((np.array(ids, dtype=np.int32), np.array(mask, dtype=bool)))
        if not self._encoded:
            raise ValueError("There are no conversations to learn from.")
        self._usable: dict[int, list[int]] = {}  # for each seq_len: which conversations are usable
        self._first_rows: dict[tuple[int, int], list[int]] = {}  # by seed and seq_len: number of each epoch's first row
        self._epochs: dict[tuple[int, int, int], list[list[int]]] = {}  # the rows of the latest epochs

    def __len__(self) -> int:
        """Return how many conversations there are."""
        return len(self._encoded)

    def __repr__(self) -> str:
        tokens = sum(len(ids) for ids, _ in self._encoded)
        counted = sum(int(mask.sum()) for _, mask in self._encoded)
        return f"ChatData({len(self):,} conversations: {tokens:,} tokens, {counted:,} of them the assistant's)"

    def fingerprint(self) -> str:
        """Return the number of conversations and a checksum, so that we notice if the data has changed."""
        running = 0
        for ids, mask in self._encoded:
            running = zlib.crc32(mask.data, zlib.crc32(ids.data, running))
        return f"{len(self):,} conversations, {running:08x}"

    def batch(
        self, step: int, *, batch_size: int, seq_len: int, seed: int = 0, device: Any = None
    ) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]:
        """Return a step's rows and each token's target: the next token, or -100 (`IGNORED`) if it is not in an answer.

        The rows are as wide as the longest row (at most `seq_len`), because more padding would only waste time. Raises
        `ValueError` if a size is not positive, if `step` or `seed` is below 0, or if no conversation has an answer in
        its first seq_len + 1 tokens.
        """
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("seq_len", seq_len, 1),
            ("step", step, 0),
            ("seed", seed, 0),
        ):
            if operator.index(value) < least:
                raise ValueError(f"{name} must be {least} or more, got {value}.")
        rows = []
        for place in range(batch_size):
            numbers = self._row(step * batch_size + place, seed, seq_len)
            rows.append([np.concatenate(parts) for parts in zip(*(self._kept(number, seq_len) for number in numbers))])
        width = max(len(ids) for ids, _ in rows) - 1  # the last token is only a target
        x = np.zeros((batch_size, width), dtype=np.int64)
        y = np.full((batch_size, width), IGNORED, dtype=np.int64)
        for place, (ids, mask) in enumerate(rows):
            x[place, : len(ids)] = ids[:width]
            y[place, : len(ids) - 1] = np.where(mask, ids, IGNORED)[1:]
        return torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)

    def rows_per_epoch(self, seq_len: int, seed: int = 0) -> int:
        """Return how many rows an epoch has; the number varies slightly from one shuffle to the next."""
        return len(self._epoch(0, seed, seq_len))

    def _kept(self, number: int, seq_len: int) -> tuple[np.ndarray, np.ndarray]:
        """Return as much of a conversation as fits into a row: the ids to read, and one more id as the last target."""
        ids, mask = self._encoded[number]
        return ids[: seq_len + 1], mask[: seq_len + 1]

    def _row(self, number: int, seed: int, seq_len: int) -> list[int]:
        """Return which conversations are in row `number`, where rows are counted across all epochs."""
        first = self._first_rows.setdefault((seed, seq_len), [0])
        while first[-1] <= number:
            first.append(first[-1] + len(self._epoch(len(first) - 1, seed, seq_len)))
        epoch = int(np.searchsorted(first, number, side="right")) - 1
        return self._epoch(epoch, seed, seq_len)[number - first[epoch]]

    def _epoch(self, epoch: int, seed: int, seq_len: int) -> list[list[int]]:
        """Return the rows of an epoch, each as a list of conversation numbers."""
        key = epoch, seed, seq_len
        if key not in self._epochs:
            usable = self._within(seq_len)
            order = [usable[place] for place in shuffled(len(usable), seed, epoch)]
            if len(self._epochs) >= 4:
                self._epochs.pop(next(iter(self._epochs)))
            lengths = [min(len(self._encoded[number][0]), seq_len + 1) for number in order]
            packs = pack(lengths, seq_len + 1) if self.packed else [[place] for place in range(len(order))]
            self._epochs[key] = [[order[place] for place in row] for row in packs]
        return self._epochs[key]

    def _within(self, seq_len: int) -> list[int]:
        """Return the numbers of the conversations that still contain at least part of an answer after they are cut.

        A conversation is cut to `seq_len` + 1 tokens. Warn once about what is lost.
        """
        if seq_len not in self._usable:
            self._usable[seq_len] = [n for n, (_, mask) in enumerate(self._encoded) if mask[1 : seq_len + 1].any()]
            if loss := self._loss_by_cutting(seq_len, len(self._usable[seq_len])):
                if not self._usable[seq_len]:
                    raise ValueError(f"There is nothing to learn from: {loss}")
                warnings.warn(loss, TruncationWarning, stacklevel=4)
        return self._usable[seq_len]

    def _loss_by_cutting(self, seq_len: int, usable: int) -> str:
        cut = lost = answers = longer = 0
        for ids, mask in self._encoded:
            steps = np.diff(mask.astype(np.int8), prepend=0, append=0)
            begins, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
            answers += len(begins)
            longer += len(ids) > seq_len + 1
            lost += int((begins > seq_len).sum())
            cut += int(((begins <= seq_len) & (ends > seq_len + 1)).sum())
        if usable and not longer:
            return ""
        left_out = len(self) - usable
        return (
            f"{longer:,} of {len(self):,} conversations have more tokens than seq_len={seq_len} (plus one, the last "
            f"target) and are cut there. Of {answers:,} answers, {cut:,} lose their end and {lost:,} are lost entirely"
            + (f"; {left_out:,} conversations have no answer left and are dropped" if left_out else "")
            + ". Choose a larger seq_len if the model's context allows it, or shorten the conversations."
        )


def pack(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Pack items of these lengths into rows of at most `size`, in order; return the indices of the items in each row.

    An item goes into the first open row with enough room for it; at most `OPEN_ROWS` rows are open at the same time.

    >>> pack([5, 6, 4, 4], size=10)
    [[0, 2], [1, 3]]
    """
    rows: list[list[int]] = []
    rooms: dict[int, int] = {}  # room in each open row
    for place, length in enumerate(lengths):
        row = next((row for row, room in rooms.items() if room >= length), None)
        if row is None:
            if len(rooms) == OPEN_ROWS:
                del rooms[min(rooms, key=rooms.__getitem__)]
            row = len(rows)
            rows.append([])
            rooms[row] = size
        rows[row].append(place)
        rooms[row] -= length
    return rows

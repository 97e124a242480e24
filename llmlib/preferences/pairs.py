"""Make batches of preferences; a preference is a prompt with a better and a worse answer."""

import zlib
from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from llmlib.preferences.responses import encode_apart, response_batch
from llmlib.tokenization.base import Tokenizer
from llmlib.training.batches import shuffled
from llmlib.training.loss import IGNORED


@runtime_checkable
class Preference(Protocol):
    """A prompt with a better and a worse answer, such as `llmlib.corpora.tinytales.Preference`."""

    @property
    def prompt(self) -> Any: ...  # a string or messages

    @property
    def chosen(self) -> str: ...

    @property
    def rejected(self) -> str: ...


class PreferenceData:
    """Makes batches of pairs for `train` (see `llmlib.training.batches.Data`); `batch_size` counts pairs.

    Each epoch goes through all pairs once, in a new random order. Raises `ValueError` if a pair's two answers are equal
    or its prompt is invalid, and, when you ask for a batch, if a pair is too long; the message gives the pair's number,
    counting from 0.
    """

    def __init__(self, tokenizer: Tokenizer, preferences: Iterable[Preference]):
        self.vocab_size = tokenizer.vocab_size
        self._encoded: list[tuple[list[int], list[int], list[int]]] = []  # prompt, chosen, rejected
        for number, pair in enumerate(preferences):
            if pair.chosen.strip() == pair.rejected.strip():
                raise ValueError(
                    f"Pair {number} prefers {pair.chosen!r} to itself: the two answers are the same. Leave the "
                    "pair out."
                )
            try:
                prompt, chosen = encode_apart(tokenizer, pair.prompt, pair.chosen)
                before, rejected = encode_apart(tokenizer, pair.prompt, pair.rejected)
            except ValueError as error:
                raise ValueError(f"Pair {number}: {error}") from None
            if prompt != before:
                raise ValueError(
                    f"Pair {number}: the chat template renders the prompt differently for the two answers."
                )
            self._encoded.append((prompt, chosen, rejected))
        if not self._encoded:
            raise ValueError("There are no preferences to learn from.")

    def __len__(self) -> int:
        """Return how many pairs there are."""
        return len(self._encoded)

    def __repr__(self) -> str:
        return f"PreferenceData({len(self):,} pairs)"

    def fingerprint(self) -> str:
        """Return the number of pairs and a checksum, so that we notice if the data has changed."""
        running = 0
        for ids in (ids for pair in self._encoded for ids in pair):
            running = zlib.crc32(np.array([len(ids), *ids], dtype=np.int32).data, running)
        return f"{len(self):,} pairs, {running:08x}"

    def batch(
        self, step: int, *, batch_size: int, seq_len: int, seed: int = 0, device: Any = None
    ) -> tuple[Int[Tensor, "pair two seq"], Int[Tensor, "pair two seq"]]:
        """Return the ids and labels for a step's pairs, the chosen answer first; only answer tokens are used as labels.

        As in every batch, the label at a position is the id of the next token, or -100 (`IGNORED`). All rows are as
        wide as the longest pair. Raises `ValueError` if the longest pair has more than seq_len + 1 tokens.
        """
        pairs = [self._pair(step * batch_size + place, seed, seq_len) for place in range(batch_size)]
        made = response_batch(
            [prompt for prompt, _, _ in pairs for _ in range(2)], [ids for pair in pairs for ids in pair[1:]]
        )
        x, y = made.ids[:, :-1], made.labels
        return x.unflatten(0, (-1, 2)).to(device), y.unflatten(0, (-1, 2)).to(device)

    def _pair(self, number: int, seed: int, seq_len: int) -> tuple[list[int], list[int], list[int]]:
        epoch, place = divmod(number, len(self))
        which = shuffled(len(self), seed, epoch)[place]
        prompt, chosen, rejected = self._encoded[which]
        if (longest := len(prompt) + max(len(chosen), len(rejected))) > seq_len + 1:
            raise ValueError(
                f"Pair {which} has {longest} tokens, but seq_len={seq_len} leaves room for {seq_len + 1}. Choose a "
                "larger seq_len if the model's context allows it, or leave the pair out."
            )
        return prompt, chosen, rejected


def prompts_and_answers(
    x: Int[Tensor, "pair two seq"], y: Int[Tensor, "pair two seq"]
) -> tuple[list[list[int]], Int[Tensor, "answer target"]]:
    """Return the prompts of a batch, and their answers (two per prompt), padded with -100 (`IGNORED`)."""
    counts = y != IGNORED
    begins = counts[:, 0].int().argmax(dim=1)  # the first label of an answer is at the last token of its prompt
    prompts = [row[: begin + 1].tolist() for row, begin in zip(x[:, 0], begins.tolist())]
    width = int(counts.sum(dim=2).max())
    places = (begins[:, None, None] + torch.arange(width, device=y.device)).expand(-1, 2, -1)
    fits = places < y.shape[2]
    answers = y.gather(2, places.clamp(max=y.shape[2] - 1)).masked_fill(~fits, IGNORED)
    return prompts, answers.flatten(0, 1)

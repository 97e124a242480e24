"""Make batches of preferences: a prompt with a better and a worse answer."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Int
from torch import Tensor

from llmlib.tokenization.base import Tokenizer


@runtime_checkable
class Preference(Protocol):
    """A prompt, a better answer and a worse one, such as `llmlib.corpora.tinytales.Preference`."""

    @property
    def prompt(self) -> Any: ...  # a string, or messages

    @property
    def chosen(self) -> str: ...

    @property
    def rejected(self) -> str: ...


class PreferenceData:
    """Makes batches of pairs for `train` (see `llmlib.training.batches.Data`); a step's batch_size counts pairs.

    Raises `ValueError`, with the pair's number from 0, for a pair whose answers are equal, an invalid prompt, or a
    pair that is too long.
    """

    def __init__(self, tokenizer: Tokenizer, preferences: Iterable[Preference]):
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Return the number of pairs and a checksum, to notice other data."""
        raise NotImplementedError

    def batch(
        self, step: int, *, batch_size: int, seq_len: int, seed: int = 0, device: Any = None
    ) -> tuple[Int[Tensor, "pair two seq"], Int[Tensor, "pair two target"]]:
        """Return the ids and the labels of a step's pairs, chosen first (see `ResponseBatch`)."""
        raise NotImplementedError

"""Check the arguments of `generate` and `beam_search` before anything is generated; each error says what to do."""

import operator
from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from llmlib.transformer import TransformerConfig

LARGEST_SEED = 2**63 - 1


def check_count(name: str, value: int, least: int, most: int | None = None) -> int:
    """Return `value` if it is an integer (Python's or numpy's) from `least` to `most`; otherwise, raise `ValueError`.

    >>> check_count("seed", 3, 0)
    3
    """
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}.")
    if most is not None and number > most:
        raise ValueError(f"{name} must be at most {most:,}, got {value!r}.")
    return number


def tensor_of(ids: Tensor | Sequence[int]) -> Tensor:
    """Return ids as a tensor.

    Raises `ValueError` for a string, a dict, booleans, or anything else that torch cannot turn into a tensor. The model
    itself rejects numbers that are not integers.
    """
    if isinstance(ids, str):
        raise ValueError(
            "ids must be token ids, got a string. Encode it with the model's own tokenizer: tokenizer.encode(text)."
        )
    if isinstance(ids, Mapping):
        raise ValueError(
            f"ids must be token ids, got a dict with the keys {', '.join(map(str, ids))}. Pass only the ids."
        )
    try:
        if not isinstance(ids, Tensor):
            ids = torch.tensor(list(ids)) if len(ids) else torch.zeros(0, dtype=torch.long)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"ids must be whole numbers, each one a token id ({error}).") from None
    if ids.dtype == torch.bool:
        raise ValueError("ids must be whole numbers, each one a token id, but these ids are True and False.")
    return ids


def mask_of(attention_mask: Tensor | None, prompt: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq"] | None:
    """Return the mask as booleans, True at tokens and False at padding, or None if there is no mask.

    Raises `ValueError` for a mask of the wrong shape or with padding at the end. New tokens go after the last position
    of every row, so every text has to end there.
    """
    if attention_mask is None:
        return None
    if not isinstance(attention_mask, Tensor) or attention_mask.shape != prompt.shape:
        shape = list(attention_mask.shape) if isinstance(attention_mask, Tensor) else type(attention_mask).__name__
        raise ValueError(
            f"attention_mask must be a tensor with the same shape as ids, {list(prompt.shape)}, got {shape}."
        )
    if ((attention_mask != 0) & (attention_mask != 1)).any():
        raise ValueError("attention_mask may only contain True (or 1) for tokens and False (or 0) for padding.")
    if len(rows := (attention_mask[:, -1] == 0).nonzero()):
        raise ValueError(
            f"Row {int(rows[0])} of ids ends with padding, and new tokens would come after it. "
            "Pad on the left, so that all texts end at the same position."
        )
    return attention_mask.bool()


def ends_of(end_ids: Iterable[int] | None, config: TransformerConfig) -> Int[Tensor, " end"]:
    """Return the ids that end a text (those given, or else those in the config), except ids that the model lacks.

    Raises `ValueError` if `end_ids` is not a list of ids.
    """
    given = config.end_ids if end_ids is None else end_ids
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValueError(f"end_ids must be a list of ids, got {given!r}. For a single id, write [id].")
    ids = [check_count("Each id in end_ids", id, 0) for id in given]
    return torch.tensor([id for id in ids if id < config.vocab_size], dtype=torch.long)

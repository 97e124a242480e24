"""What `generate` and `beam_search` are given, checked before anything is written, in words that say what to do."""

import operator
from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from llmlib.transformer import TransformerConfig

LARGEST_SEED = 2**63 - 1


def check_count(name: str, value: int, least: int, most: int | None = None) -> int:
    """The value, if it is a whole number (Python's or numpy's) in the range; else a `ValueError` names it.

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
    """Ids as a tensor. Raises `ValueError` for a text, and for what is no row (or rows) of whole numbers."""
    if isinstance(ids, str):
        raise ValueError(
            "ids is a text. Turn it into ids first, with the model's own tokenizer: tokenizer.encode(text)."
        )
    if isinstance(ids, Mapping):
        raise ValueError(f"ids is a dict with {', '.join(map(str, ids))}. Give the ids in it alone.")
    try:
        if not isinstance(ids, Tensor):
            ids = torch.tensor(list(ids)) if len(ids) else torch.zeros(0, dtype=torch.long)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"ids must be whole numbers, each the id of a token ({error}).") from None
    if ids.dtype == torch.bool:
        raise ValueError("ids must be whole numbers, each the id of a token; these are True and False.")
    return ids


def mask_of(attention_mask: Tensor | None, prompt: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq"] | None:
    """Where a batch holds text, not padding. Raises `ValueError` for another shape, and for padding at the end.

    What is written stands after the last place of all rows, so all rows have to end there.
    """
    if attention_mask is None:
        return None
    if not isinstance(attention_mask, Tensor) or attention_mask.shape != prompt.shape:
        shape = list(attention_mask.shape) if isinstance(attention_mask, Tensor) else type(attention_mask).__name__
        raise ValueError(f"attention_mask must be a tensor of the shape of ids, {list(prompt.shape)}, got {shape}.")
    if ((attention_mask != 0) & (attention_mask != 1)).any():
        raise ValueError("attention_mask must be True (or 1) at tokens and False (or 0) at padding, nothing else.")
    if len(rows := (attention_mask[:, -1] == 0).nonzero()):
        raise ValueError(
            f"Row {int(rows[0])} of ids ends with padding, and what is written would stand after it. "
            "Pad on the left, so that all texts end at the same place."
        )
    return attention_mask.bool()


def ends_of(end_ids: Iterable[int] | None, config: TransformerConfig) -> Int[Tensor, " end"]:
    """The ids that end a text: these, or those of the config. Ids that the model does not have cannot come: left out.

    Raises `ValueError` for what is no list of ids.
    """
    given = config.end_ids if end_ids is None else end_ids
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValueError(f"end_ids must be a list of ids, got {given!r}. For a single one: [id].")
    ids = [check_count("Each of end_ids", id, 0) for id in given]
    return torch.tensor([id for id in ids if id < config.vocab_size], dtype=torch.long)

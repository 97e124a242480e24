"""Sample several answers to each prompt, reading the prompt only once, and reward them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer

# Takes prompts, as you passed them to `align`, and an answer to each; returns a number for each answer.
Reward = Callable[[Sequence[Any], Sequence[str]], Any]


@dataclass(frozen=True)
class Group:
    """The sampled answers to one prompt."""

    prompt: Any  # as it was passed to `align`
    answers: tuple[str, ...]
    rewards: tuple[float, ...]
    advantages: tuple[float, ...]  # all 0 if all rewards are equal and the group is its own baseline


def sample_answers(
    model: Transformer,
    tokenizer: Tokenizer,
    prompts: Sequence[Any],
    n: int,
    *,
    max_new_tokens: int = 64,
    seed: int = 0,
    batch_size: int = 8,
) -> list[list[str]]:
    """Return n sampled answers to each prompt, without white space at the ends; `batch_size` prompts at once.

    A prompt is a string, messages, or has them in `.messages` (such as `llmlib.finetuning.tales.Prompt`), in
    `["messages"]` or in `["prompt"]`. It is read only once for its n answers. Raises `ValueError` as `chat` does.
    """
    raise NotImplementedError

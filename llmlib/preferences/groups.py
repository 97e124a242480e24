"""Sample several answers to each prompt, reading the prompt only once, and compute their rewards."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llmlib.chat import encode_chat
from llmlib.sampling import Sampler, generate
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer

# A reward function takes prompts in the form in which you passed them to `align`, and one answer to each prompt; it
# returns one number per answer.
Reward = Callable[[Sequence[Any], Sequence[str]], Any]


class RewardError(ValueError):
    """Raised when a reward function does not return a finite number for each answer; the message says what is wrong."""


@dataclass(frozen=True)
class Group:
    """The sampled answers to one prompt."""

    prompt: Any  # the prompt that you passed to `align`
    answers: tuple[str, ...]
    rewards: tuple[float, ...]
    advantages: tuple[float, ...]  # all 0 if all rewards are equal and baseline="group"


@dataclass(frozen=True)
class Sampled:
    """Sampled answers to several prompts; the answers to one prompt are next to each other."""

    ids: Int[Tensor, "answer target"]  # the answers, each with its end token and then padding
    mask: Bool[Tensor, "answer target"]  # False at padding
    texts: list[str]
    cut_off: Bool[Tensor, " answer"]  # whether an answer reached max_new_tokens without an end token


def messages_of(prompt: Any) -> Any:
    """Return the messages (or the string) in a prompt; see `align` for the kinds of prompts that it accepts."""
    if isinstance(prompt, Mapping):
        return prompt["messages"] if "messages" in prompt else prompt.get("prompt", prompt)
    return getattr(prompt, "messages", prompt)


def encode_prompts(tokenizer: Tokenizer, prompts: Sequence[Any]) -> list[list[int]]:
    """Return the ids of each prompt, up to the beginning of its answer. Raises `ValueError` for an invalid prompt."""
    encoded = []
    for number, prompt in enumerate(prompts):
        try:
            encoded.append(encode_chat(tokenizer, messages_of(prompt)))
        except ValueError as error:
            raise ValueError(f"Prompt {number}: {error}") from None
    if not encoded:
        raise ValueError("There are no prompts to answer.")
    return encoded


def sample(
    model: Transformer, tokenizer: Tokenizer, prompts: Sequence[list[int]], n: int, max_new_tokens: int, seed: int
) -> Sampled:
    """Sample n answers to each prompt from the model's own distribution, at temperature 1, with no token ruled out."""
    ends = sorted({*tokenizer.eos_ids, *model.config.end_ids})
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    real = torch.tensor([[False] * (width - len(prompt)) + [True] * len(prompt) for prompt in prompts])
    writing = generate(model, ids, max_new_tokens, Sampler(), seed, attention_mask=real, end_ids=ends, samples=n)
    written = torch.stack(list(writing), dim=1)
    is_end = torch.isin(written, torch.tensor(ends, dtype=torch.long, device=written.device))
    before = is_end.cumsum(dim=1) - is_end.long()  # how many end tokens came before each position
    mask = before == 0
    lengths = (mask & ~is_end).sum(dim=1).tolist()
    texts = [tokenizer.decode(row[:length]).strip() for row, length in zip(written.tolist(), lengths)]
    return Sampled(written, mask, texts, ~is_end.any(dim=1))


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
    """Return n sampled answers to each prompt, without leading or trailing white space.

    A prompt is a string, messages, or an object with `.messages` (such as `llmlib.finetuning.tales.Prompt`),
    `["messages"]` or `["prompt"]`. Prompts are read `batch_size` at a time, and each prompt is read only once for all
    its n answers. Raises `ValueError` for the same reasons as `chat`.
    """
    encoded = encode_prompts(tokenizer, prompts)
    answers: list[list[str]] = []
    for begin in range(0, len(encoded), batch_size):
        part = encoded[begin : begin + batch_size]
        texts = sample(model, tokenizer, part, n, max_new_tokens, seed + begin).texts
        answers += [texts[place : place + n] for place in range(0, len(texts), n)]
    return answers


def rewards_of(
    reward: Reward, prompts: Sequence[Any], texts: Sequence[str], name: str = "The reward function"
) -> Float[Tensor, "prompt sample"]:
    """Return a row of rewards for each prompt; `texts` has the same number of answers for each, prompt by prompt.

    Raises `RewardError` unless the reward function returns one finite number per answer. An error in the reward
    function is passed on, with a note that says where it came from.
    """
    n = len(texts) // len(prompts)
    repeated = [prompt for prompt in prompts for _ in range(n)]
    try:
        given = reward(repeated, list(texts))
    except Exception as error:
        error.add_note(f"{name} raised this error for {len(texts)} answers; the first is {texts[0]!r}.")
        raise
    try:
        values = [float(value) for value in given]
    except (TypeError, ValueError):
        raise RewardError(
            f"{name} must return a list with one number for each of the {len(texts)} answers, but it returned "
            f"{_short(given)}."
        ) from None
    if len(values) != len(texts):
        raise RewardError(
            f"{name} must return one number for each of the {len(texts)} answers, but it returned a list of length "
            f"{len(values)}."
        )
    for value, text in zip(values, texts):
        if not math.isfinite(value):
            raise RewardError(f"{name} must return finite numbers, but it returned {value} for the answer {text!r}.")
    return torch.tensor(values, dtype=torch.float32).reshape(len(prompts), n)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"

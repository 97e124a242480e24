"""Read a prompt once for all its answers, with gradients, because a prompt is often far longer than its answers."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llmlib.attention import KVCache
from llmlib.transformer import Cache, TransformerConfig


class _Remembered(KVCache):
    """Holds the prompts' keys and values in one layer, and appends later keys and values in new memory.

    A `KVCache` would overwrite its memory in place, but the backward pass needs the old contents.
    """

    def __init__(self, answers: int):
        self.answers = answers  # the number of answers to each prompt

    def write(
        self, k: Float[Tensor, "batch head seq d_head"], v: Float[Tensor, "batch head seq d_head"], start: int
    ) -> tuple[Float[Tensor, "batch head key d_head"], Float[Tensor, "batch head key d_head"]]:
        if not start:
            self.keys, self.values = k, v
            return k, v
        keys, values = (of.repeat_interleave(self.answers, dim=0) for of in (self.keys, self.values))
        return torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)


class SharedPrompts(Cache):
    """A model's cache for several prompts, each of which gets the same number of answers."""

    def __init__(self, config: TransformerConfig, prompts: int, answers: int, places: int, device: torch.device):
        # With the padding, a row may be longer than the model's context; only real tokens have positions.
        self.max_seq_len, self.length, self.padded = places, 0, False
        self.real = torch.ones(prompts, places, dtype=torch.bool, device=device)
        self.layers = [_Remembered(answers) for _ in range(config.n_layers)]
        self.answers = answers

    def continued(self) -> None:
        """Switch the cache from one row per prompt to one row per answer, in the order of the prompts."""
        self.real = self.real.repeat_interleave(self.answers, dim=0)


def answer_logits(
    model: Any,
    config: TransformerConfig,
    prompts: Sequence[Sequence[int]],
    answers: Int[Tensor, "answer target"],
    mask: Bool[Tensor, "answer target"],
) -> Float[Tensor, "answer target vocab"]:
    """Return the logits for each token of the answers.

    `answers` holds the same number of answers to each prompt, prompt by prompt. The result and the gradients are the
    same as from a forward pass over every prompt with its answer. The answers are padded on the right, where `mask` is
    False; logits at padding are meaningless. `model` is a `Transformer`, or a wrapper that spreads a `Transformer`
    across processes. Raises `ValueError` for a prompt of fewer than two tokens.

    >>> from llmlib.transformer import Transformer
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> answers = torch.tensor([[3, 4], [5, 0]])  # two answers to one prompt
    >>> answer_logits(model, model.config, [[1, 2]], answers, answers != 0).shape
    torch.Size([2, 2, 10])
    """
    return after_prompts(model, config, prompts, answers[:, :-1], mask[:, :-1])


def after_prompts(
    model: Any,
    config: TransformerConfig,
    prompts: Sequence[Sequence[int]],
    answers: Int[Tensor, "answer seq"],
    mask: Bool[Tensor, "answer seq"],
) -> Float[Tensor, "answer places vocab"]:
    """Return, for each answer, the model's outputs at the last token of its prompt and at each of its own tokens."""
    if short := [number for number, prompt in enumerate(prompts) if len(prompt) < 2]:
        length = len(prompts[short[0]])
        raise ValueError(f"Prompt {short[0]} is too short ({length}): a shared prompt needs at least 2 tokens.")
    n, width, device = len(answers) // len(prompts), max(map(len, prompts)) - 1, answers.device
    if config.sliding_window and len(set(map(len, prompts))) > 1:
        # A sliding window also counts padding, so padding between a prompt and its answers would use up some of it.
        each = zip(prompts, answers.split(n), mask.split(n))
        return torch.cat([after_prompts(model, config, [prompt], ids, real) for prompt, ids, real in each])
    prompt_ids = torch.zeros(len(prompts), width, dtype=torch.long)
    real = torch.zeros(len(prompts), width, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        prompt_ids[row, : len(prompt) - 1] = torch.tensor(prompt[:-1])
        real[row, : len(prompt) - 1] = True
    # The last token of a prompt predicts the first token of an answer, so we read it with the answers.
    last = torch.tensor([prompt[-1] for prompt in prompts], device=device).repeat_interleave(n)
    cache = SharedPrompts(config, len(prompts), n, width + 1 + answers.shape[1], device)
    # The padding is on the right, so every position can attend to a real token; otherwise gradients would be NaN.
    model(prompt_ids.to(device), cache=cache, attention_mask=real.to(device), last_only=True)
    cache.continued()
    following = F.pad(mask, (1, 0), value=True)
    return model(torch.cat([last[:, None], answers], dim=1), cache=cache, attention_mask=following)

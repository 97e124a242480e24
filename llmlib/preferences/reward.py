"""Learn a reward from pairs of answers: a number that is higher for answers that people prefer."""

import dataclasses
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from llmlib.finetuning.scores import Score
from llmlib.linear import Linear
from llmlib.preferences.groups import messages_of
from llmlib.preferences.pairs import Preference, PreferenceData, prompts_and_answers
from llmlib.preferences.responses import encode_apart
from llmlib.preferences.shared_prompt import after_prompts
from llmlib.tokenization.base import Tokenizer
from llmlib.training.config import TrainConfig
from llmlib.training.loop import Training, train
from llmlib.training.loss import IGNORED
from llmlib.transformer import Transformer, TransformerConfig


class RewardModel(Transformer):
    """A Transformer that outputs a number per position instead of logits; an answer's reward is the number at its end.

    `RewardModel.of(model)` starts from a model's weights. Called with ids, a reward model returns a number for each
    position.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> import torch
    >>> RewardModel.of(model)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 1])
    """

    def __init__(self, config: TransformerConfig, seed: int | None = 0, device: torch.device | str | None = None):
        super().__init__(dataclasses.replace(config, tied_embeddings=True), seed, device)
        self.reward_head = Linear(config.d_model, 1, bias=False, device=device)
        torch.nn.init.zeros_(self.reward_head.weight)

    @classmethod
    def of(cls, model: Transformer) -> "RewardModel":
        """Make a reward model from a copy of a model's weights; at first, every reward is 0."""
        made = cls(model.config, seed=None, device=model.device).to(model.dtype)
        weights = {name: value for name, value in model.state_dict().items() if not name.startswith("unembed.")}
        made.load_state_dict({**weights, "reward_head.weight": made.reward_head.weight.detach()})
        return made

    @property
    def unembedding(self) -> Float[Tensor, "one d_model"]:
        """The output matrix: one row, not one per token; its product with a text's last vector is the reward."""
        return self.reward_head.weight

    @torch.inference_mode()
    def rewards(
        self, tokenizer: Tokenizer, prompts: Sequence[Any], answers: Sequence[str], batch_size: int = 32
    ) -> Float[Tensor, " answer"]:
        """Return the reward of each answer to its prompt (a string, messages, or an object with `.messages`).

        The model reads consecutive answers to the same prompt together. To use this as the reward function of `align`,
        pass `partial(reward_model.rewards, tokenizer)`. Raises `ValueError` for the same reasons as `encode_apart`.
        """
        self.eval()
        rows = [encode_apart(tokenizer, messages_of(p), answer) for p, answer in zip(prompts, answers, strict=True)]
        runs = [(prompt, [ids for _, ids in same]) for prompt, same in groupby(rows, key=lambda row: row[0])]
        found = []
        for n, alike in groupby(runs, key=lambda run: len(run[1])):  # prompts with n answers each
            several = list(alike)
            at_once = max(1, batch_size // n)
            for begin in range(0, len(several), at_once):
                part = several[begin : begin + at_once]
                found.append(self._at_the_end([prompt for prompt, _ in part], [ids for _, of in part for ids in of]))
        return torch.cat(found).float().cpu()

    def _at_the_end(self, prompts: list[list[int]], answers: list[list[int]]) -> Float[Tensor, " answer"]:
        padded = pad_sequence([torch.tensor(ids) for ids in answers], batch_first=True).to(self.device)
        lengths = torch.tensor([[len(ids)] for ids in answers], device=self.device)
        mask = torch.arange(padded.shape[1], device=self.device) < lengths
        return read_rewards(self, self.config, prompts, padded, mask)


def read_rewards(
    model: Any,
    config: TransformerConfig,
    prompts: Sequence[Sequence[int]],
    answers: Int[Tensor, "answer target"],
    mask: Bool[Tensor, "answer target"],
) -> Float[Tensor, " answer"]:
    """Return the reward model's output at the last token of each answer."""
    values = after_prompts(model, config, prompts, answers, mask).squeeze(-1)  # index 0: prompt's last token
    return values.gather(1, mask.sum(dim=1, keepdim=True)).squeeze(1).float()


def reward_loss(chosen: Float[Tensor, " pair"], rejected: Float[Tensor, " pair"]) -> Float[Tensor, ""]:
    """Return the mean over pairs of −ln σ(chosen − rejected); this measures how surprising the preferences are.

    In the Bradley–Terry model, answer A is preferred to answer B with probability σ(A's reward − B's reward). Sources:
    Bradley and Terry (1952), "Rank analysis of incomplete block designs"; Ouyang et al. (2022), "Training language
    models to follow instructions with human feedback", equation 1.

    >>> import torch
    >>> reward_loss(torch.tensor([2.0]), torch.tensor([2.0]))  # ln 2: a coin toss
    tensor(0.6931)
    """
    return -F.logsigmoid(chosen - rejected).mean()


def preference_accuracy(chosen: Float[Tensor, " pair"], rejected: Float[Tensor, " pair"]) -> Score:
    """Return the share of pairs whose chosen answer has the higher reward (a tie counts as wrong), with a 95% interval.

    >>> import torch
    >>> preference_accuracy(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 3.0]))
    Score(50% of 2, 9% to 91%)
    """
    return Score(int((chosen > rejected).sum()), len(chosen))


def train_reward_model(
    model: RewardModel,
    tokenizer: Tokenizer,
    preferences: Iterable[Preference],
    config: TrainConfig | None = None,
    *,
    validation: Iterable[Preference] | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
) -> Training:
    """Train a reward model on pairs with `reward_loss`; return an iterator of steps, as `train` does.

    `batch_size` counts pairs. Raises the same errors as `PreferenceData` and `train`.
    """
    held_out = None if validation is None else PreferenceData(tokenizer, validation)
    return train(
        model,
        PreferenceData(tokenizer, preferences),
        config,
        validation=held_out,
        objective=BradleyTerry(model.config),
        folder=folder,
        resume=resume,
    )


class BradleyTerry:
    """`reward_loss` as an objective for `train`, on the batches of `PreferenceData`."""

    def __init__(self, config: TransformerConfig):
        self.config = config

    def __call__(self, model: Any, x: Int[Tensor, "pair two seq"], y: Int[Tensor, "pair two seq"]) -> Float[Tensor, ""]:
        prompts, answers = prompts_and_answers(x, y)
        mask = answers != IGNORED
        rewards = read_rewards(model, self.config, prompts, answers.where(mask, 0), mask)
        return reward_loss(rewards[0::2], rewards[1::2])

    def count(self, y: Int[Tensor, "pair two seq"]) -> int:
        return len(y)

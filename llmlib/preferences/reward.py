"""Learn a reward from pairs: a number for each answer that is higher for the answers people prefer."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from llmlib.finetuning.scores import Score
from llmlib.preferences.pairs import Preference
from llmlib.tokenization.base import Tokenizer
from llmlib.training.config import TrainConfig
from llmlib.training.loop import Training
from llmlib.transformer import Transformer


class RewardModel(Transformer):
    """A Transformer that ends in one number instead of one per word of the vocabulary; read it at an answer's end.

    `RewardModel.of(model)` begins with a model's weights. Called with ids, it gives a number at each position.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> import torch
    >>> RewardModel.of(model)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 1])
    """

    @classmethod
    def of(cls, model: Transformer) -> "RewardModel":
        """Make a reward model from a copy of a model's weights; it begins with a reward of 0 for everything."""
        raise NotImplementedError

    def rewards(
        self, tokenizer: Tokenizer, prompts: Sequence[Any], answers: Sequence[str], batch_size: int = 32
    ) -> Float[Tensor, " answer"]:
        """Return the reward of each answer to its prompt (a string, messages, or what has `.messages`).

        As a reward for `align`: `partial(reward_model.rewards, tokenizer)`.
        """
        raise NotImplementedError


def reward_loss(chosen: Float[Tensor, " pair"], rejected: Float[Tensor, " pair"]) -> Float[Tensor, ""]:
    """Return −ln σ(chosen − rejected), the mean over pairs: the surprise at which answer was preferred.

    The Bradley–Terry model says that the better of two answers is preferred with the probability σ(its reward − the
    other's). Sources: Bradley and Terry (1952), "Rank analysis of incomplete block designs"; Ouyang et al. (2022),
    "Training language models to follow instructions with human feedback", equation 1.

    >>> import torch
    >>> reward_loss(torch.tensor([2.0]), torch.tensor([2.0]))  # ln 2: a coin toss
    tensor(0.6931)
    """
    return -F.logsigmoid(chosen - rejected).mean()


def preference_accuracy(chosen: Float[Tensor, " pair"], rejected: Float[Tensor, " pair"]) -> Score:
    """Count in how many pairs the chosen answer has the higher reward (a tie is wrong); with a 95% interval.

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
    """Train a reward model on pairs with `reward_loss`; return an iterator of steps, like `train`.

    `batch_size` counts pairs. Raises as `PreferenceData` and `train` do.
    """
    raise NotImplementedError

"""Learn from pairs without a reward model: direct preference optimisation (DPO)."""

from collections.abc import Iterable
from pathlib import Path

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from llmlib.preferences.pairs import Preference
from llmlib.tokenization.base import Tokenizer
from llmlib.training.config import TrainConfig
from llmlib.training.loop import Training
from llmlib.transformer import Transformer


def dpo_loss(
    policy_chosen: Float[Tensor, " pair"],
    policy_rejected: Float[Tensor, " pair"],
    reference_chosen: Float[Tensor, " pair"],
    reference_rejected: Float[Tensor, " pair"],
    beta: float = 0.1,
) -> Float[Tensor, ""]:
    """Return −ln σ(β · (Δ_policy − Δ_reference)), the mean over pairs, where Δ = ln p(chosen) − ln p(rejected).

    All four are log-probabilities of whole answers, that is sums over their tokens. The policy that maximises reward
    minus β · KL to the reference has the reward β · ln(p / p_reference), up to a number for each prompt that cancels
    between two answers; put this into the Bradley–Terry loss (`reward_loss`), and you have the DPO loss. It only sees
    the difference, so both likelihoods may fall. Source: Rafailov et al. (2023), "Direct Preference Optimization".

    >>> import torch
    >>> dpo_loss(*(torch.tensor([x]) for x in (-4.0, -6.0, -5.0, -5.0)), beta=0.5)  # −ln σ(0.5 · 2)
    tensor(0.3133)
    """
    margin = (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)
    return -F.logsigmoid(beta * margin).mean()


def tune_on_preferences(
    model: Transformer,
    tokenizer: Tokenizer,
    preferences: Iterable[Preference],
    config: TrainConfig | None = None,
    *,
    beta: float = 0.1,
    reference: Transformer | None = None,
    validation: Iterable[Preference] | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
) -> Training:
    """Tune a model on pairs with DPO; return an iterator of steps, like `train`. `batch_size` counts pairs.

    `reference` is the model that it shall stay near, by default a copy of the model as it is now. Everything else is as
    in `train`. Raises as `PreferenceData` and `train` do, and `ValueError` for a reference of another vocabulary.

        for step in tune_on_preferences(model, tokenizer, pairs, TrainConfig(steps=50, batch_size=8, seq_len=512)):
            print(step.loss)
    """
    raise NotImplementedError

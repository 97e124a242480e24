"""Learn from pairs of answers without a reward model, by direct preference optimisation (DPO)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from llmlib.preferences.kl import fixed_reference
from llmlib.preferences.log_probs import masked_sum
from llmlib.preferences.pairs import Preference, PreferenceData, prompts_and_answers
from llmlib.preferences.shared_prompt import answer_logits
from llmlib.sampling.logits import log_prob
from llmlib.tokenization.base import Tokenizer
from llmlib.training.checkpoints import checksum_of
from llmlib.training.config import TrainConfig
from llmlib.training.loop import Training, train
from llmlib.training.loss import IGNORED
from llmlib.transformer import Transformer


def dpo_loss(
    policy_chosen: Float[Tensor, " pair"],
    policy_rejected: Float[Tensor, " pair"],
    reference_chosen: Float[Tensor, " pair"],
    reference_rejected: Float[Tensor, " pair"],
    beta: int | float = 0.1,
) -> Float[Tensor, ""]:
    """Return the mean over pairs of −ln σ(β · (Δ_policy − Δ_reference)), where Δ = ln p(chosen) − ln p(rejected).

    All four arguments are log-probabilities of whole answers, summed over the tokens. If a policy maximises reward
    minus β · KL to the reference, the reward is β · ln(p / p_reference), up to a constant for each prompt, which
    cancels out when two answers are compared. Plugging this reward into the Bradley–Terry loss (`reward_loss`) gives
    the DPO loss. The DPO loss depends only on the difference between the two answers, so both may become less likely.
    Source: Rafailov et al. (2023), "Direct Preference Optimization".

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
    beta: int | float = 0.1,
    reference: Transformer | None = None,
    validation: Iterable[Preference] | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
) -> Training:
    """Tune a model on pairs with DPO; return an iterator of steps, as `train` does. `batch_size` counts pairs.

    `reference` is the model to stay close to, by default a copy of the current model. Everything else works as in
    `train`. Raises the same errors as `PreferenceData` and `train`, and `ValueError` for a reference with a different
    vocabulary.

        for step in tune_on_preferences(model, tokenizer, pairs, TrainConfig(steps=50, batch_size=8, seq_len=512)):
            print(step.loss)
    """
    config = config or TrainConfig()
    held_out = None if validation is None else PreferenceData(tokenizer, validation)
    objective = DPO(fixed_reference(model, reference, config.dtype), beta)
    return train(
        model,
        PreferenceData(tokenizer, preferences),
        config,
        validation=held_out,
        objective=objective,
        folder=folder,
        resume=resume,
    )


class DPO:
    """The DPO loss as an objective for `train`, on the batches of `PreferenceData`."""

    def __init__(self, reference: Transformer, beta: int | float):
        if not beta > 0:
            raise ValueError(f"beta must be greater than 0, got {beta}.")
        self.reference, self.beta = reference, beta

    def __call__(self, model: Any, x: Int[Tensor, "pair two seq"], y: Int[Tensor, "pair two seq"]) -> Float[Tensor, ""]:
        prompts, answers = prompts_and_answers(x, y)
        policy = self._log_probs(model, prompts, answers)
        with torch.no_grad():
            reference = self._log_probs(self.reference, prompts, answers)
        return dpo_loss(policy[:, 0], policy[:, 1], reference[:, 0], reference[:, 1], self.beta)

    def count(self, y: Int[Tensor, "pair two seq"]) -> int:
        return len(y)

    def fingerprint(self) -> str:
        """Describe the loss, so that we notice if a run is resumed with a different loss."""
        return f"DPO with beta={self.beta}, reference {checksum_of(self.reference.parameters())}"

    def _log_probs(
        self, model: Any, prompts: Sequence[Sequence[int]], answers: Int[Tensor, "answer target"]
    ) -> Float[Tensor, "pair two"]:
        """Return the log-probability of each whole answer."""
        mask = answers != IGNORED
        ids = answers.where(mask, 0)
        log_probs = log_prob(answer_logits(model, self.reference.config, prompts, ids, mask), ids)
        return masked_sum(log_probs, mask).unflatten(0, (-1, 2))

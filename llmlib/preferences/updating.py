"""Compute the gradients of a batch of sampled answers, part by part, and the entropy and KL of the policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llmlib.preferences.config import AlignConfig
from llmlib.preferences.groups import Sampled
from llmlib.preferences.kl import kl_estimates
from llmlib.preferences.log_probs import masked_sum, token_weights
from llmlib.preferences.policy_gradient import policy_gradient_terms
from llmlib.preferences.shared_prompt import answer_logits
from llmlib.sampling.logits import entropy, log_prob
from llmlib.training import distributed
from llmlib.transformer import Transformer


@dataclass
class Part:
    """Holds a part of the batch (some of the batch's groups), and the values that are computed once for all updates."""

    prompts: Sequence[Sequence[int]]
    ids: Int[Tensor, "answer target"]
    mask: Bool[Tensor, "answer target"]
    advantages: Float[Tensor, "answer 1"]
    weights: Float[Tensor, "answer target"]  # a token's weight in the loss of the whole batch
    reference: Float[Tensor, "answer target"]
    old: Float[Tensor, "answer target"] | None = None  # log-probabilities from before the first update
    entropy: float = 0.0  # a sum over all tokens before the first update, like kl
    kl: float = 0.0


class Updating:
    """Holds a batch of sampled answers and their advantages; `gradients` computes the gradients of the batch's loss.

    Each token is weighted as in the mean over the whole batch, not as in the mean over the token's part. So the
    gradients of the parts add up to the gradients of the batch, for any number of parts.
    """

    def __init__(
        self,
        prompts: Sequence[Sequence[int]],
        sampled: Sampled,
        advantages: Float[Tensor, "group sample"],
        reference: Transformer,
        config: AlignConfig,
        ranks: distributed.Ranks,
    ):
        self.config, self.ranks, self.of_model = config, ranks, reference.config
        n, device = advantages.shape[1], reference.device
        over = float(config.max_new_tokens) if config.over == "constant" else config.over
        weights = token_weights(sampled.mask, over)
        if config.over == "batch":  # average over the tokens of all processes, not only this process
            tokens = float(sampled.mask.sum())
            weights = weights * (tokens / ranks.mean(tokens))
        groups = len(prompts) // config.accumulate
        self.parts: list[Part] = []
        for first in range(0, len(prompts), groups):
            some, rows = prompts[first : first + groups], slice(first * n, (first + groups) * n)
            mask = sampled.mask[rows]
            width = int(mask.sum(dim=1).max())
            ids = sampled.ids[rows, :width].where(mask[:, :width], 0).to(device)
            with torch.no_grad():
                logits = answer_logits(reference, self.of_model, some, ids, mask[:, :width].to(device))
                of_reference = log_prob(logits, ids)
            self.parts.append(
                Part(
                    some,
                    ids,
                    mask[:, :width].to(device),
                    advantages[first : first + groups].reshape(-1, 1).to(device),
                    weights[rows, :width].to(device),
                    of_reference,
                )
            )

    def gradients(self, called: Any) -> float:
        """Add the loss's gradients to the model's, and return the loss; `called` is the model, perhaps wrapped."""
        total = 0.0
        for number, part in enumerate(self.parts, start=1):
            with distributed.exchanging(called, number == len(self.parts)):
                loss = self._loss(called, part)
                loss.backward()
            total += loss.item()
        return self.ranks.mean(total)

    def _loss(self, called: Any, part: Part) -> Float[Tensor, ""]:
        c = self.config
        logits = answer_logits(called, self.of_model, part.prompts, part.ids, part.mask)
        log_probs = log_prob(logits, part.ids)
        kl = kl_estimates(log_probs, part.reference)
        if part.old is None:
            part.old = log_probs.detach()
            part.entropy = float(masked_sum(entropy(logits.detach()), part.mask).sum())
            part.kl = float(masked_sum(kl.k3.detach(), part.mask).sum())
        terms = policy_gradient_terms(log_probs, part.advantages, old_log_probs=part.old, clip=c.clip)
        if c.kl_weight:
            terms = terms + c.kl_weight * getattr(kl, c.kl_estimate)
        return (terms.where(part.mask, 0.0) * part.weights).sum()

    @property
    def entropy(self) -> float:
        """The entropy over all answers before the first update, in nats per token."""
        tokens = self.ranks.mean(float(sum(int(part.mask.sum()) for part in self.parts)))
        return self.ranks.mean(sum(part.entropy for part in self.parts)) / tokens

    @property
    def kl(self) -> float:
        """The KL divergence to the reference before the first update, estimated by k3, in nats per answer."""
        answers = sum(len(part.ids) for part in self.parts)
        return self.ranks.mean(sum(part.kl for part in self.parts)) / answers

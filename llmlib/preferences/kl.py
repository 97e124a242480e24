"""Estimate the KL divergence from samples in three ways; it says how far a policy has moved from its reference."""

import copy
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from llmlib.devices import choose
from llmlib.transformer import Transformer


class KLEstimates(NamedTuple):
    """Holds three estimates of KL(policy ‖ reference) for each sampled token, in nats."""

    k1: Float[Tensor, "*axes"]
    k2: Float[Tensor, "*axes"]
    k3: Float[Tensor, "*axes"]


def kl_estimates(log_probs: Float[Tensor, "*axes"], reference_log_probs: Float[Tensor, "*axes"]) -> KLEstimates:
    """Estimate KL(policy ‖ reference) from both models' log-probabilities of tokens that the *policy* sampled.

    We write r for p_reference / p_policy. k1 = −ln r is unbiased, but varies a lot and is negative for about half of
    the tokens. k2 = (ln r)² / 2 is never negative and varies little, but is biased. k3 = (r − 1) − ln r is never
    negative. k3 is unbiased because r − 1 has a mean of 0, and k3 usually varies less than k1 because r − 1 falls where
    −ln r rises. All of this applies to the values of the estimates. In a loss, what matters is their gradients. The
    gradient of the mean of k1 is 0 on average, and the gradient of the mean of k2 is the gradient of the KL. Source:
    Schulman (2020), "Approximating KL Divergence", joschu.net/blog/kl-approx.html.

    >>> import torch
    >>> kl_estimates(torch.tensor(0.5).log(), torch.tensor(0.25).log())  # r = 1/2
    KLEstimates(k1=tensor(0.6931), k2=tensor(0.2402), k3=tensor(0.1931))
    """
    log_ratio = reference_log_probs - log_probs
    return KLEstimates(-log_ratio, log_ratio.square() / 2, log_ratio.expm1() - log_ratio)


def fixed_reference(model: Transformer, reference: Transformer | None, dtype: str = "auto") -> Transformer:
    """Return a copy of the reference, or of the current model, that computes in the training dtype.

    The copy rounds in the same way as the model, so KL(model ‖ its copy) is exactly 0. Raises `ValueError` for a
    reference with a different vocabulary, because the same ids would mean different tokens.
    """
    if reference is not None and reference.config.vocab_size != model.config.vocab_size:
        raise ValueError(
            f"The reference has a vocabulary of {reference.config.vocab_size:,} tokens, but the model has "
            f"{model.config.vocab_size:,}, so their probabilities cannot be compared. Use a reference with the same "
            "tokenizer, such as the model before training."
        )
    kept = copy.deepcopy(model if reference is None else reference)
    return kept.to(model.device, choose(model.device, dtype).dtype).eval().requires_grad_(False)

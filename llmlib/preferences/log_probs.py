"""Compute a model's scores for each token of a text, for use in a loss, and sum or average them over answers."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llmlib.sampling.logits import entropy_and_log_prob
from llmlib.transformer import Transformer

Over = str | int | float  # "sequence", "batch" or a length


class TokenScores(NamedTuple):
    """Holds a model's scores (in nats) for each token of a text except the first, given all earlier tokens."""

    log_probs: Float[Tensor, "batch target"]
    entropy: Float[Tensor, "batch target"]  # entropy of the prediction for the token


def log_probs_of(
    model: Transformer,
    ids: Int[Tensor, "batch seq"],
    attention_mask: Bool[Tensor, "batch seq"] | None = None,
) -> TokenScores:
    """Return the log-probability of each token except the first, and the entropy of its prediction, in float32.

    Both values come from one forward pass, and gradients flow through both; use `torch.no_grad()` if you do not need
    gradients. `attention_mask` is False for padding on the left; padding on the right needs no mask, because no real
    token attends to later tokens. The scores at padding positions are meaningless, so sum with `masked_sum`.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> scores = log_probs_of(model, torch.tensor([[1, 2, 3]]))
    >>> scores.log_probs.shape, scores.log_probs.requires_grad
    (torch.Size([1, 2]), True)
    """
    ids = ids.to(model.device)
    logits = model(ids[:, :-1], attention_mask=None if attention_mask is None else attention_mask[:, :-1])
    entropy, log_probs = entropy_and_log_prob(logits, ids[:, 1:])
    return TokenScores(log_probs, entropy)


def masked_sum(values: Float[Tensor, "batch target"], mask: Bool[Tensor, "batch target"]) -> Float[Tensor, " batch"]:
    """Sum each row's values where the mask is True; for log-probabilities, the sum is ln p of the whole answer.

    Values outside the mask do not matter, even if they are NaN.

    >>> masked_sum(torch.tensor([[1.0, 2.0, float("nan")]]), torch.tensor([[True, True, False]]))
    tensor([3.])
    """
    return values.where(mask, 0.0).sum(dim=1)


def masked_mean(
    values: Float[Tensor, "batch target"], mask: Bool[Tensor, "batch target"], over: Over = "sequence"
) -> Float[Tensor, ""]:
    """Return the mean of the values where the mask is True. `over` says how to weight the values (papers differ).

    With "sequence", we average each row, and then average the rows, so a token counts for less in a long answer (GRPO:
    Shao et al., 2024, "DeepSeekMath", equation 3). With "batch", every token has the same weight, so long answers have
    more weight (Yu et al., 2025, "DAPO"). With a number, we divide each row's sum by this number, and then average the
    rows, so the length of an answer does not change the weight of other answers (Liu et al., 2025, "Understanding
    R1-Zero-Like Training").

    Raises `ValueError` if the mask is False everywhere or, with "sequence", in a whole row.

    >>> values, mask = torch.tensor([[1.0, 1.0], [4.0, 9.0]]), torch.tensor([[True, True], [True, False]])
    >>> masked_mean(values, mask), masked_mean(values, mask, "batch"), masked_mean(values, mask, 4)
    (tensor(2.5000), tensor(2.), tensor(0.7500))
    """
    return (values.where(mask, 0.0) * token_weights(mask, over)).sum()


def token_weights(mask: Bool[Tensor, "batch target"], over: Over = "sequence") -> Float[Tensor, "batch target"]:
    """Return the weight of each token in `masked_mean`.

    The mean is the sum of weight times value over all tokens. With these weights, you can sum over a batch part by part
    and still get the gradients of the whole batch.

    >>> token_weights(torch.tensor([[True, True], [True, False]]), over="sequence")
    tensor([[0.2500, 0.2500],
            [0.5000, 0.0000]])
    """
    counts, rows = mask.sum(dim=1, keepdim=True), len(mask)
    if not mask.any():
        raise ValueError("The mask is False everywhere, so there are no tokens to average over. Is every label masked?")
    if over == "sequence":
        if len(empty := (counts == 0).nonzero()):
            raise ValueError(
                f"Row {int(empty[0, 0])} has no tokens to average over. Leave the row out, or use over='batch'."
            )
        return mask / (counts * rows)
    if over == "batch":
        return mask / counts.sum()
    if isinstance(over, str | bool) or not over > 0:
        raise ValueError(f"over must be 'sequence', 'batch' or a length greater than 0, got {over!r}.")
    return mask / torch.tensor(float(over * rows), device=mask.device)

"""Make sampled answers more likely if they were better than expected, and less likely if they were worse."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from llmlib.preferences.log_probs import Over, token_weights

NEARLY_0 = 1e-4  # added to a group's deviation, as in `trl`, so that we do not amplify rounding errors


def group_advantages(rewards: Float[Tensor, "group sample"], divide: bool = True) -> Float[Tensor, "group sample"]:
    """Return how much better each answer is than the mean of its group (all the answers to the same prompt).

    With `divide`, the result is divided by the group's standard deviation (computed with n − 1), so that every group
    has about the same weight, whether its rewards differ a lot or a little (GRPO: Shao et al., 2024, "DeepSeekMath").
    Without `divide`, a group has more weight if its rewards differ more (Liu et al., 2025, "Understanding R1-Zero-Like
    Training"). If all rewards of a group are equal, its advantages are exactly 0, and the model learns nothing from the
    group (see `equal_groups`).

    Raises `ValueError` for groups of fewer than two answers, or for rewards that are NaN or infinite.

    >>> group_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.3, 0.3, 0.3, 0.3]]), divide=False)
    tensor([[ 0.5000, -0.5000, -0.5000,  0.5000],
            [ 0.0000,  0.0000,  0.0000,  0.0000]])
    """
    if rewards.shape[1] < 2:
        raise ValueError("A group needs at least 2 answers, because each answer is compared with its group's mean.")
    if not rewards.isfinite().all():
        raise ValueError(f"Each reward must be a finite number, got {rewards[~rewards.isfinite()][0].item()}.")
    advantages = rewards - rewards.mean(dim=1, keepdim=True)
    if divide:
        advantages = advantages / (rewards.std(dim=1, keepdim=True) + NEARLY_0)
    return advantages.masked_fill(are_equal(rewards), 0.0)


def are_equal(rewards: Float[Tensor, "group sample"]) -> Bool[Tensor, "group 1"]:
    """Return, for each group, whether all its rewards are equal."""
    return (rewards == rewards[:, :1]).all(dim=1, keepdim=True)


def equal_groups(rewards: Float[Tensor, "group sample"]) -> int:
    """Count the groups whose rewards are all equal; the model cannot learn from such groups.

    >>> equal_groups(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    2
    """
    return int(are_equal(rewards).sum())


def policy_gradient_loss(
    log_probs: Float[Tensor, "batch target"],
    advantages: Float[Tensor, " batch"],
    mask: Bool[Tensor, "batch target"],
    *,
    old_log_probs: Float[Tensor, "batch target"] | None = None,
    clip: float | None = None,
    over: Over = "sequence",
) -> Float[Tensor, ""]:
    """Return a loss that makes an answer more likely if its advantage is positive, and less likely if it is negative.

    There are three forms, each of which differs from the previous one in a single line:

    - REINFORCE: −advantage · ln p, where the advantage is the reward itself, or the reward minus a baseline (Williams,
      1992, "Simple statistical gradient-following algorithms").
    - With `old_log_probs`, from the policy that sampled the answers: −advantage · p / p_old. If both policies are the
      same, this loss has the same gradient as REINFORCE; once the policy has taken steps, the ratio corrects for these
      steps.
    - With `clip` as well: once a token's p / p_old has moved away from 1 by more than `clip`, in the direction of its
      advantage, the loss does not improve any further, so this token's gradient is 0 (PPO: Schulman et al., 2017,
      equation 7).

    `advantages` has one value per answer, which applies to all of that answer's tokens. The mean is taken as in
    `masked_mean`. Raises `ValueError` for `clip` without `old_log_probs`, and for the same reasons as `masked_mean`.

    >>> log_probs, mask = torch.tensor([[-1.0, -3.0]]), torch.tensor([[True, True]])
    >>> policy_gradient_loss(log_probs, torch.tensor([2.0]), mask)  # −2 · mean(−1, −3)
    tensor(4.)
    >>> policy_gradient_loss(log_probs, torch.tensor([2.0]), mask, old_log_probs=log_probs)
    tensor(-2.)
    """
    terms = policy_gradient_terms(log_probs, advantages[:, None], old_log_probs=old_log_probs, clip=clip)
    return (terms.where(mask, 0.0) * token_weights(mask, over)).sum()


def policy_gradient_terms(
    log_probs: Float[Tensor, "batch target"],
    advantages: Float[Tensor, "batch 1"],
    *,
    old_log_probs: Float[Tensor, "batch target"] | None = None,
    clip: float | None = None,
) -> Float[Tensor, "batch target"]:
    """Return the loss of each token; `policy_gradient_loss` is the mean of these losses."""
    if old_log_probs is None:
        if clip is not None:
            raise ValueError("clip limits p / p_old, so it needs old_log_probs from the sampling policy.")
        return -advantages * log_probs
    ratio = (log_probs - old_log_probs).exp()
    if clip is None:
        return -advantages * ratio
    return -torch.minimum(advantages * ratio, advantages * ratio.clamp(1 - clip, 1 + clip))

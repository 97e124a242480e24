"""Wrong solutions to the exercises in `policy`.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from typing import Any, Literal

import torch
from torch import Tensor

ReinforceLossWeight = Literal["rewards", "none", "mean", "sign", "baseline", "advantage", "positive"]


def faulty_reinforce_loss(
    log_probs: Tensor,
    mask: Tensor,
    rewards: Tensor,
    sign: int = -1,
    length: Literal["sum", "mean", "width", "first", "last"] = "sum",
    masked: bool = True,
    mean: Literal["mean", "tokens", "sum", "each"] = "mean",
    weight: ReinforceLossWeight = "rewards",
    of: Literal["log", "exp", "product"] = "log",
) -> Any:
    m = mask if masked else torch.ones_like(mask)
    if of == "product":
        each = torch.where(m, log_probs, torch.ones_like(log_probs)).prod(1)
    else:
        each = _of_answers(log_probs.exp() if of == "exp" else log_probs, m, length)
    each = _weights(rewards, weight) * each
    match mean:
        case "mean":
            return sign * each.mean()
        case "sum":
            return sign * each.sum()
        case "each":
            return sign * each
        case "tokens":
            return sign * (each.sum() / m.sum())


def _of_answers(scores: Tensor, mask: Tensor, length: Literal["sum", "mean", "width", "first", "last"]) -> Tensor:
    """Combine the scores of each answer's tokens into one number."""
    match length:
        case "sum":
            return (scores * mask).sum(1)
        case "mean":
            return (scores * mask).sum(1) / mask.sum(1)
        case "width":
            return (scores * mask).mean(1)
        case "first":
            return scores[:, 0]
        case "last":
            return (scores * mask).gather(1, mask.sum(1)[:, None] - 1)[:, 0]


def _weights(rewards: Tensor, weight: ReinforceLossWeight) -> Tensor:
    """Return the weight of each answer in the loss."""
    match weight:
        case "rewards":
            return rewards
        case "none":
            return torch.ones_like(rewards)
        case "mean":
            return rewards.mean().expand_as(rewards)
        case "sign":
            return rewards.sign()
        case "baseline":
            return rewards - rewards.mean()
        case "advantage":
            return (rewards - rewards.mean()) / (rewards.std() + 1e-4)
        case "positive":
            return rewards.relu()


GroupAdvantagesMean = Literal["group", "batch", "prompts", "none", "others", "median", "best", "lowest"]
GroupAdvantagesSpread = Literal["group", "batch", "prompts", "none", "range", "of the mean alone", "distances"]
GroupAdvantagesSmall = (
    Literal["added", "none", "guarded", "bound", "above", "in the root"] | Literal["1e-8", "1e-5", "1e-3", "1e-2"]
)


def faulty_group_advantages(
    rewards: Tensor,
    mean: GroupAdvantagesMean = "group",
    spread: GroupAdvantagesSpread = "group",
    correction: int = 1,
    small: GroupAdvantagesSmall = "added",
    sign: int = 1,
    power: int = 1,
) -> Any:
    centre = _centre(rewards, mean)
    if spread == "none":
        return sign * (rewards - centre)
    width = _width(rewards, spread, correction)
    if spread == "of the mean alone":
        return sign * (rewards - centre / (width + 1e-4))
    return _divided(sign * (rewards - centre), width**power, small)


def _centre(rewards: Tensor, mean: GroupAdvantagesMean) -> Tensor:
    match mean:
        case "group":
            return rewards.mean(1, keepdim=True)
        case "batch":
            return rewards.mean()
        case "prompts":
            return rewards.mean(0, keepdim=True)
        case "none":
            return torch.zeros_like(rewards)
        case "others":
            return (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
        case "median":
            return rewards.median(1, keepdim=True).values
        case "best":
            return rewards.max(1, keepdim=True).values
        case "lowest":
            return rewards.min(1, keepdim=True).values


def _width(
    rewards: Tensor,
    spread: Literal["group", "batch", "prompts", "range", "of the mean alone", "distances"],
    correction: int,
) -> Tensor:
    match spread:
        case "group" | "of the mean alone":
            return rewards.std(1, keepdim=True, correction=correction)
        case "batch":
            return rewards.std(correction=correction)
        case "prompts":
            return rewards.std(0, keepdim=True, correction=correction)
        case "range":
            return rewards.amax(1, keepdim=True) - rewards.amin(1, keepdim=True)
        case "distances":
            return (rewards - rewards.mean(1, keepdim=True)).abs().mean(1, keepdim=True)


def _divided(centred: Tensor, width: Tensor, small: GroupAdvantagesSmall) -> Tensor:
    """Divide the centred rewards by their spread `width`; `small` determines how a spread of 0 is handled."""
    match small:
        case "added":
            return centred / (width + 1e-4)
        case "none":
            return centred / width
        case "guarded":
            return (centred / width).nan_to_num(0.0)
        case "bound":
            return centred / width.clamp(min=1e-4)
        case "above":
            return (centred + 1e-4) / width
        case "in the root":
            return centred / (width**2 + 1e-4).sqrt()
        case "1e-8" | "1e-5" | "1e-3" | "1e-2":
            return centred / (width + float(small))


ClippedLossRatio = Literal["new / old", "old / new", "difference", "of logs", "new", "log"]
ClippedLossChoose = (
    Literal["smaller", "clipped", "unclipped", "larger", "ratio first", "gain", "gain or less", "advantage"]
    | Literal["smaller sum", "smaller answer"]
)


def faulty_clipped_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float,
    ratio: ClippedLossRatio = "new / old",
    choose: ClippedLossChoose = "smaller",
    between: Literal["around 1", "around 0", "above", "below", "logarithm"] = "around 1",
    masked: bool | Literal["before exp", "ratio"] = True,
    mean: Literal["answers", "tokens", "everything", "sum", "sequence"] = "answers",
    sign: int = -1,
    by: Literal["token", "answer", "answer once", "mean of the answer"] = "token",
) -> Any:
    m = mask if masked is True else torch.ones_like(mask)
    moved = log_probs - old_log_probs
    if masked == "before exp":
        moved = moved * mask
    if by == "answer":
        moved = (moved * m).sum(1, keepdim=True).expand_as(moved)
    r = _ratio(log_probs, old_log_probs, moved, ratio)
    if by == "answer once" or by == "mean of the answer":  # use one gain per answer
        sums = (moved * m).sum(1, keepdim=True)
        r = (sums if by == "answer once" else sums / m.sum(1, keepdim=True)).exp()
        m, mask = torch.ones_like(r), mask[:, :1]
    if masked == "ratio":
        r = r * mask
    low, high = _bounds(clip, between)
    a = advantages[:, None]
    gain, held = a * r, a * r.clamp(low, high)
    if choose == "smaller sum" or choose == "smaller answer":  # treat each sum as a single token
        axes = (0, 1) if choose == "smaller sum" else (1,)
        gain, held = (gain * m).sum(axes, keepdim=True), (held * m).sum(axes, keepdim=True)
        m = m[: len(gain), :1] | True
    if between == "logarithm":
        held = a * moved.clamp(-clip, clip).exp()
    match choose:
        case "smaller" | "smaller sum" | "smaller answer":
            found = torch.minimum(gain, held)
        case "larger":
            found = torch.maximum(gain, held)
        case "clipped":
            found = held
        case "unclipped":
            found = gain
        case "ratio first":
            found = torch.minimum(r, r.clamp(low, high)) * a
        case "gain":
            found = gain.clamp(low, high)
        case "gain or less":
            found = torch.minimum(gain, gain.clamp(low, high))
        case "advantage":
            found = a.clamp(-clip, clip) * r
    found = found * m
    match mean:
        case "answers":
            return sign * (found.sum() / len(mask))
        case "tokens":
            return sign * (found.sum() / m.sum())
        case "everything":
            return sign * found.mean()
        case "sum":
            return sign * found.sum()
        case "sequence":
            return sign * (found.sum(1) / m.sum(1)).mean()


def _ratio(new: Tensor, old: Tensor, moved: Tensor, ratio: ClippedLossRatio) -> Tensor:
    match ratio:
        case "new / old":
            return moved.exp()
        case "old / new":
            return (-moved).exp()
        case "difference":
            return moved
        case "of logs":
            return new / old
        case "new":
            return new.exp()
        case "log":
            return new


def _bounds(
    clip: float, between: Literal["around 1", "around 0", "above", "below", "logarithm"]
) -> tuple[float, float]:
    match between:
        case "around 1" | "logarithm":
            return 1 - clip, 1 + clip
        case "around 0":
            return -clip, clip
        case "above":
            return 0, 1 + clip
        case "below":
            return 1 - clip, float("inf")


K3Ratio = (
    Literal["reference / policy", "policy / reference", "of logs", "of logs, as r"]
    | Literal["difference", "size of the difference", "difference of logs"]
)
K3Form = Literal["k3", "k1", "k2", "k2 whole", "no 1", "plus", "no logarithm", "ratio", "size", "weighed"]


def faulty_k3(
    log_probs: Tensor,
    reference_log_probs: Tensor,
    ratio: K3Ratio = "reference / policy",
    form: K3Form = "k3",
    gives: Literal["tokens", "answers", "mean", "sum", "answer means"] = "tokens",
    sign: int = 1,
) -> Any:
    p, q = log_probs.exp(), reference_log_probs.exp()
    match ratio:
        case "reference / policy":
            r = (reference_log_probs - log_probs).exp()
        case "policy / reference":
            r = (log_probs - reference_log_probs).exp()
        case "of logs":
            r = (reference_log_probs / log_probs).exp()
        case "of logs, as r":
            r = reference_log_probs / log_probs
        case "difference" | "size of the difference":
            r = q - p
        case "difference of logs":
            r = reference_log_probs - log_probs
    log_ratio = (r.abs() if ratio == "size of the difference" else r).log()
    match form:
        case "k3":
            found = r - 1 - log_ratio
        case "k1":
            found = -log_ratio
        case "k2":
            found = log_ratio**2 / 2
        case "k2 whole":
            found = log_ratio**2
        case "no 1":
            found = r - log_ratio
        case "plus":
            found = r - 1 + log_ratio
        case "no logarithm":
            found = r - 1
        case "ratio":
            found = r
        case "size":
            found = log_ratio.abs()
        case "weighed":
            found = -p * log_ratio
    found = sign * found
    match gives:
        case "tokens":
            return found
        case "answers":
            return found.sum(1)
        case "mean":
            return found.mean()
        case "sum":
            return found.sum()
        case "answer means":
            return found.mean(1)

"""Exercises for lesson 09 on policy gradients: REINFORCE, group-relative advantages, PPO's clip, and a KL estimate."""

import random
from pathlib import Path

import torch

from llmlib.exercises.engine.exercise import Case, Exercise, texts_of
from llmlib.exercises.engine.probes import gradients_flow, randn
from llmlib.exercises.lessons.lesson_09_alignment.faulty_policy import (
    faulty_clipped_loss,
    faulty_group_advantages,
    faulty_k3,
    faulty_reinforce_loss,
)

TEXTS = texts_of(Path(__file__).parent)


def lengths_to_mask(lengths, width):
    """Make a mask that is True for the tokens of each answer."""
    return torch.arange(width)[None] < torch.tensor(lengths)[:, None]


def log_probs(seed, *shape):
    """Draw token log-probabilities, none of which is 0."""
    return -randn(seed, *shape).abs() - 0.05


# --- alignment.reinforce_loss ---


def reinforce_loss(log_probs, mask, rewards):
    """Compute a loss whose gradient makes each whole answer likelier in proportion to its reward."""
    return -(rewards * (log_probs * mask).sum(1)).mean()


def cases_reinforce_loss(seed):
    def case(lengths, width, note="", shift=0.0):
        n = len(lengths)
        return Case(
            (log_probs(seed + n + width, n, width), lengths_to_mask(lengths, width), randn(seed + 3 * n, n) + shift),
            note,
        )

    return [
        case([2], 2),
        case([3, 1, 2], 4, "answers of 3, 1 and 2 tokens"),
        case([5, 5], 5, "no padding"),
        case([1, 4, 2, 3], 4, "four answers, four tokens", shift=2.0),
        case([2, 6], 6, "all rewards below 0", shift=-4.0),
        case([150, 2], 160, "a long answer"),
        case([4, 2, 1, 3, 5], 7),
    ]


REINFORCE_LOSS = Exercise(
    **TEXTS["reinforce_loss"],
    reference=reinforce_loss,
    cases=cases_reinforce_loss,
    faulty=faulty_reinforce_loss,
    probes=(gradients_flow(("log_probs",), 0),),
)


# --- alignment.group_advantages ---


def group_advantages(rewards):
    """Compute how much better each answer is than the other answers to its prompt, in standard deviations."""
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred / (rewards.std(dim=1, keepdim=True) + 1e-4)


def cases_group_advantages(seed):
    chance = random.Random(seed)

    def drawn(prompts, answers):
        rows = [[chance.choice([1.0, 0.0, -0.5]) for _ in range(answers)] for _ in range(prompts)]
        return torch.tensor(rows, dtype=torch.float64)

    equal = drawn(3, 4)
    equal[1] = 0.25  # 0.25 is exact in binary, so the mean of the row is exact, too
    return [
        Case((torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, -0.5, 0.5, 1.0]], dtype=torch.float64),)),
        Case((randn(seed, 3, 5),), "three prompts, five answers each"),
        Case((randn(seed + 1, 4, 4) + 5,), "as many prompts as answers"),
        Case((randn(seed + 2, 1, 6),), "a single prompt"),
        Case((randn(seed + 3, 3, 2) - 3,), "groups of two"),
        Case((equal,), "a group whose rewards are all equal"),
        Case((torch.cat((randn(seed + 4, 2, 4) * 10, randn(seed + 5, 2, 4) / 10)),), "wide and narrow groups"),
        Case((randn(seed + 6, 5, 8),)),
    ]


GROUP_ADVANTAGES = Exercise(
    **TEXTS["group_advantages"],
    reference=group_advantages,
    cases=cases_group_advantages,
    faulty=faulty_group_advantages,
    axes=("prompt", "answer"),
)


# --- alignment.clipped_loss ---


def clipped_loss(log_probs, old_log_probs, advantages, mask, clip):
    """Compute PPO's loss, in which a token stops gaining once its ratio has moved by `clip` in the right direction."""
    ratio = (log_probs - old_log_probs).exp()
    gain = advantages[:, None] * ratio
    held = advantages[:, None] * ratio.clamp(1 - clip, 1 + clip)
    return -(torch.minimum(gain, held) * mask).sum() / len(mask)


def cases_clipped_loss(seed):
    def case(lengths, width, clip, moved, note="", sign=None):
        n = len(lengths)
        now = log_probs(seed + 5 * n + width, n, width)
        advantages = randn(seed + 7 * n, n)
        advantages = advantages if sign is None else sign * advantages.abs()
        return Case(
            (now, now - moved * randn(seed + n + 1, n, width), advantages, lengths_to_mask(lengths, width), clip), note
        )

    return [
        case([2], 2, 0.2, 0.5),
        case([3, 1, 2], 4, 0.2, 0.0, "the policy has not moved yet"),
        case([3, 2, 4], 4, 0.2, 0.8, "all answers are better than expected", sign=1),
        case([2, 4, 3], 4, 0.2, 0.8, "all answers are worse than expected", sign=-1),
        case([4, 4, 1, 2], 4, 0.1, 0.4, "four answers, four tokens"),
        case([5, 3], 6, 0.3, 1.5, "the policy has moved far"),
        case([1, 4, 2, 3, 5], 6, 0.2, 0.3),
    ]


CLIPPED_LOSS = Exercise(
    **TEXTS["clipped_loss"],
    reference=clipped_loss,
    cases=cases_clipped_loss,
    faulty=faulty_clipped_loss,
    probes=(gradients_flow(("log_probs",), 0),),
)


# --- alignment.k3 ---


def k3(log_probs, reference_log_probs):
    """Return an unbiased, non-negative estimate of the KL divergence from the reference at each sampled token."""
    log_ratio = reference_log_probs - log_probs
    return log_ratio.exp() - 1 - log_ratio


def cases_k3(seed):
    def case(shape, moved, note=""):
        now = log_probs(seed + sum(shape), *shape)
        return Case((now, now + moved * randn(seed + 9 + sum(shape), *shape)), note)

    return [
        case((1, 2), 0.7),
        case((2, 3), 0.0, "policy and reference agree"),
        case((3, 4), 0.5, "three answers"),
        case((2, 5), 2.0, "policy and reference differ a lot"),
        case((4, 4), 0.1, "policy and reference differ a little"),
        case((2, 6), 1.0),
    ]


K3 = Exercise(
    **TEXTS["k3"],
    reference=k3,
    cases=cases_k3,
    faulty=faulty_k3,
    axes=("answer", "token"),
    probes=(gradients_flow(("log_probs",), 0),),
)

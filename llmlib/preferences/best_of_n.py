"""Measure the gain from choosing the best of n answers by reward, and how far this takes you from the policy."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def best_of_n(
    rewards: Float[Tensor, "prompt sample"], n: int, values: Float[Tensor, "prompt sample"] | None = None
) -> float:
    """Return the mean value of the best of n answers, chosen by reward, given m ≥ n sampled answers per prompt.

    `values` say what the answers are really worth, such as the true reward when `rewards` come from a reward model; by
    default, the values are the rewards. The result is the mean over *all* ways to choose n of the m answers, so it is
    unbiased and much less noisy than a single choice. If the answers are sorted from the lowest reward to the highest,
    the i-th answer is the best of n in C(i − 1, n − 1) of all C(m, n) choices. Answers with equal rewards are equally
    likely to be chosen. With rewards of 0 and 1 the result is pass@n (Chen et al., 2021, "Evaluating Large Language
    Models Trained on Code"). Source: Nakano et al. (2021), "WebGPT", appendix I. Raises `ValueError` unless 1 ≤ n ≤ m.

    >>> best_of_n(torch.tensor([[0.0, 0.0, 1.0]]), 2)  # 2 of the 3 pairs have the 1
    0.6666666666666666
    """
    of = rewards.shape[1]
    if not 1 <= n <= of:
        raise ValueError(f"n must be between 1 and {of} (the number of sampled answers to each prompt), got {n}.")
    values = rewards if values is None else values
    chances = torch.tensor([math.comb(i, n - 1) / math.comb(of, n) for i in range(of)], dtype=torch.float64)
    total = 0.0
    for reward, value in zip(rewards, values, strict=True):
        ordered, order = reward.sort()
        same = (ordered[:, None] == ordered).double()  # answers with equal rewards are equally likely to be chosen
        shared = same @ chances.to(same.device) / same.sum(dim=1)
        total += float(shared @ value[order].double())
    return total / len(rewards)


def best_of_n_kl(n: int) -> float:
    """Return KL(best of n answers ‖ a single sampled answer) in nats: ln n − (n − 1) / n.

    The formula is exact if no two answers to a prompt ever have the same reward; with ties, it is an upper bound
    (Beirami et al., 2024, "Theoretical guarantees on the best-of-n alignment policy"). Source: Stiennon et al. (2020),
    "Learning to summarize from human feedback", appendix G.3. Raises `ValueError` for n below 1.

    >>> best_of_n_kl(1), round(best_of_n_kl(16), 3)
    (0.0, 1.835)
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more, got {n}.")
    return math.log(n) - (n - 1) / n

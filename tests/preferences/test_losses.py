"""The losses match numbers worked out by hand and the formulas of `trl`."""

import math
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.preferences import (
    best_of_n,
    best_of_n_kl,
    dpo_loss,
    group_advantages,
    kl_estimates,
    policy_gradient_loss,
    preference_accuracy,
    reward_loss,
)
from llmlib.preferences.policy_gradient import equal_groups


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- advantages -----------------------------------------------------------------------------------------------------


def test_advantages_match_numbers_worked_out_by_hand():
    """The mean is 2, the deviations −2, −1, 0, 3; their squares sum to 14, so the standard deviation is √(14 / 3)."""
    rewards = torch.tensor([[0.0, 1.0, 2.0, 5.0], [7.0, 7.0, 7.0, 7.0]])
    plain = [[-2.0, -1.0, 0.0, 3.0], [0.0] * 4]
    assert group_advantages(rewards, divide=False).tolist() == plain
    expected = torch.tensor(plain) / (math.sqrt(14 / 3) + 1e-4)
    torch.testing.assert_close(group_advantages(rewards), expected)
    assert equal_groups(rewards) == 1


@given(st.floats(-1e6, 1e6, width=32), st.integers(2, 9), st.booleans())
def test_a_group_of_equal_rewards_has_advantages_of_exactly_zero(reward, n, divide):
    """This holds even if the mean of equal floats is rounded to a different float."""
    assert group_advantages(torch.full((1, n), reward), divide).tolist() == [[0.0] * n]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_invalid_rewards_are_refused(wrong):
    with pytest.raises(ValueError, match=f"Each reward must be a finite number, got {wrong}"):
        group_advantages(torch.tensor([[1.0, wrong]]))
    with pytest.raises(ValueError, match="A group needs at least 2 answers"):
        group_advantages(torch.ones(3, 1))


# --- policy gradient ------------------------------------------------------------------------------------------------

MASK = torch.tensor([[True, True, False], [True, True, True]])
ADVANTAGES = torch.tensor([2.0, -1.0])


def test_the_reinforce_loss_matches_numbers_worked_out_by_hand():
    log_probs = torch.tensor([[-1.0, -3.0, float("nan")], [-2.0, -2.0, -5.0]])
    # −2 · (−2) = 4 for the first answer's mean, and 1 · (−3) = −3 for the second's
    assert policy_gradient_loss(log_probs, ADVANTAGES, MASK).item() == pytest.approx((4 - 3) / 2)
    assert policy_gradient_loss(log_probs, ADVANTAGES, MASK, over="batch").item() == pytest.approx((8 - 9) / 5)
    assert policy_gradient_loss(log_probs, ADVANTAGES, MASK, over=10).item() == pytest.approx((0.8 - 0.9) / 2)


def test_if_the_policy_is_unchanged_the_ratio_has_the_gradient_of_reinforce():
    log_probs = random(2, 3).requires_grad_()
    naive = policy_gradient_loss(log_probs, ADVANTAGES, MASK)
    ratio = policy_gradient_loss(log_probs, ADVANTAGES, MASK, old_log_probs=log_probs.detach())
    clipped = policy_gradient_loss(log_probs, ADVANTAGES, MASK, old_log_probs=log_probs.detach(), clip=0.2)
    expected = torch.autograd.grad(naive, log_probs)
    for other in (ratio, clipped):
        torch.testing.assert_close(torch.autograd.grad(other, log_probs), expected)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "moves"),
    [
        (1.1, 1, -1.1, True),
        (1.5, 1, -1.2, False),
        (0.5, 1, -0.5, True),
        (1.1, -1, 1.1, True),
        (1.5, -1, 1.5, True),
        (0.5, -1, 0.8, False),
    ],
)
def test_the_clipped_loss_matches_numbers_worked_out_by_hand(ratio, advantage, loss, moves):
    """The clip only stops changes that would go further in the direction of the advantage."""
    log_probs = torch.tensor([[math.log(ratio) - 3.0]], requires_grad=True)
    found = policy_gradient_loss(
        log_probs,
        torch.tensor([float(advantage)]),
        torch.tensor([[True]]),
        old_log_probs=torch.tensor([[-3.0]]),
        clip=0.2,
    )
    found.backward()
    assert found.item() == pytest.approx(loss)
    assert (log_probs.grad != 0).item() == moves


def test_the_three_averages_over_tokens_and_k3_match_the_formulas_of_trl():
    """Compute token by token what `trl`'s GRPOTrainer computes with the loss types "grpo", "bnpo" and "dr_grpo"."""
    new, old, reference = (random(2, 3, seed=seed) / 4 - 2 for seed in range(3))
    rows = []
    for row, advantage in enumerate(ADVANTAGES.tolist()):
        rows.append([])
        for t in range(int(MASK[row].sum())):
            ratio = math.exp(new[row, t] - old[row, t])
            rows[-1].append(-min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage))
    expected = {
        "sequence": sum(sum(row) / len(row) for row in rows) / 2,
        "batch": sum(map(sum, rows)) / 5,
        7: sum(map(sum, rows)) / (2 * 7),
    }
    for over, value in expected.items():
        ours = policy_gradient_loss(new, ADVANTAGES, MASK, old_log_probs=old, clip=0.2, over=over)
        assert ours.item() == pytest.approx(value, rel=1e-5)
    gap = (reference - new)[1, 2].item()
    assert kl_estimates(new, reference).k3[1, 2].item() == pytest.approx(math.exp(gap) - gap - 1, rel=1e-4)


def test_an_empty_mask_and_a_clip_without_the_old_policy_are_errors():
    with pytest.raises(ValueError, match="it needs old_log_probs"):
        policy_gradient_loss(random(2, 3), ADVANTAGES, MASK, clip=0.2)
    with pytest.raises(ValueError, match="Is every label masked"):
        policy_gradient_loss(random(2, 3), ADVANTAGES, MASK & False)


def test_the_loss_of_a_long_answer_is_as_exact_as_in_float64():
    new, old = random(2, 3000) / 10 - 2, random(2, 3000, seed=1) / 10 - 2
    mask = torch.ones(2, 3000, dtype=torch.bool)
    ours = policy_gradient_loss(new, ADVANTAGES, mask, old_log_probs=old, clip=0.2)
    exact = policy_gradient_loss(new.double(), ADVANTAGES.double(), mask, old_log_probs=old.double(), clip=0.2)
    torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=1e-6)


# --- KL -------------------------------------------------------------------------------------------------------------


def test_k1_and_k3_are_unbiased_but_only_k2_has_the_right_gradient():
    """A policy-weighted mean over all tokens has no sampling error; gradients treat the tokens as already drawn."""
    logits = random(7).double().requires_grad_()
    policy, reference = logits.log_softmax(0), random(7, seed=1).double().log_softmax(0)
    p = policy.exp()
    kl = (p * (policy - reference)).sum()
    estimates = kl_estimates(policy, reference)
    means = [(p * k).sum() for k in estimates]
    torch.testing.assert_close(means[0], kl)
    assert abs(means[1] - kl) > 0.01
    torch.testing.assert_close(means[2], kl)
    (right,) = torch.autograd.grad(kl, logits, retain_graph=True)
    gradients = [torch.autograd.grad((p.detach() * k).sum(), logits, retain_graph=True)[0] for k in estimates]
    torch.testing.assert_close(gradients[0], torch.zeros_like(right))
    torch.testing.assert_close(gradients[1], right)
    assert (gradients[2] - right).abs().max() > 0.01


def test_the_kl_of_a_tiny_step_is_not_rounded_away():
    """exp(x) − 1 in float32 loses half of the digits of a small x."""
    policy, reference = torch.tensor([-2.0]), torch.tensor([-2.001])
    ours = kl_estimates(policy, reference)
    exact = kl_estimates(policy.double(), reference.double())
    assert ours.k3.item() == pytest.approx(exact.k3.item(), rel=0.2)
    assert (kl_estimates(policy, policy).k3 == 0).all()


# --- pairs ----------------------------------------------------------------------------------------------------------


def test_the_dpo_loss_matches_numbers_worked_out_by_hand():
    """The margins are 0.1 · ((−10 + 12) − (−11 + 11)) = 0.2 and 0.1 · ((−5 + 5) − (−6 + 7)) = −0.1."""
    four = ([-10.0, -5.0], [-12.0, -5.0], [-11.0, -6.0], [-11.0, -7.0])
    expected = sum(math.log1p(math.exp(-margin)) for margin in (0.2, -0.1)) / 2
    assert dpo_loss(*map(torch.tensor, four)).item() == pytest.approx(expected)


def test_losses_of_pairs_are_stable_where_exp_would_overflow():
    far, near = torch.tensor([-2000.0], requires_grad=True), torch.tensor([0.0])
    dpo_loss(far, near, near, near, beta=1.0).backward()
    assert far.grad.item() == -1
    assert reward_loss(torch.tensor([-500.0]), torch.tensor([500.0])).item() == 1000


def test_reward_loss_and_accuracy_match_numbers_worked_out_by_hand():
    chosen, rejected = torch.tensor([1.0, 0.0, 2.0]), torch.tensor([0.0, 1.0, 2.0])
    expected = (math.log1p(math.exp(-1)) + math.log1p(math.exp(1)) + math.log(2)) / 3
    assert reward_loss(chosen, rejected).item() == pytest.approx(expected)
    score = preference_accuracy(chosen, rejected)
    assert (score.right, score.of) == (1, 3)  # a tie is not a preference


# --- best of n ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_best_of_n_is_the_mean_of_the_best_over_all_subsets(n):
    rewards, values = random(3, 5), random(3, 5, seed=1)
    expected = [
        max((rewards[row, i].item(), values[row, i].item()) for i in some)[1]
        for row in range(3)
        for some in combinations(range(5), n)
    ]
    assert best_of_n(rewards, n, values) == pytest.approx(sum(expected) / len(expected))


def test_best_of_n_averages_over_ties():
    rewards, values = torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[3.0, 5.0, 100.0]])
    assert best_of_n(rewards, 3, values) == 4
    with pytest.raises(ValueError, match=r"n must be between 1 and 3 \(the number of"):
        best_of_n(rewards, 4)


@pytest.mark.parametrize("n", [1, 2, 8, 64])
def test_the_kl_of_best_of_n_matches_its_value_for_many_answers(n):
    """Of m equally likely answers in order, the best of n is the i-th with probability (i/m)ⁿ − ((i−1)/m)ⁿ."""
    m = 200_000
    edges = torch.linspace(0, 1, m + 1, dtype=torch.float64) ** n
    best = edges.diff()
    kl = (best * (best * m).clamp(min=1e-300).log()).sum().item()
    assert best_of_n_kl(n) == pytest.approx(kl, abs=1e-3)


def test_best_of_zero_answers_is_an_error():
    with pytest.raises(ValueError, match="n must be 1 or more, got 0"):
        best_of_n_kl(0)

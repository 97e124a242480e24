"""Log-probabilities of tokens match the model's own, have gradients, and can be averaged in several ways."""

import pytest
import torch
from small_models import make, random_ids

from llmlib.preferences import log_probs_of, masked_mean, masked_sum
from llmlib.preferences.log_probs import token_weights
from llmlib.sampling import entropy
from llmlib.sampling.quality import log_probs_of as measured
from llmlib.training import cross_entropy

MASK = torch.tensor([[True, True, True, True], [False, True, False, False]])
VALUES = torch.tensor([[1.0, 2.0, 3.0, 6.0], [float("nan"), 10.0, float("inf"), 0.0]])


def test_log_probs_match_the_models_own_and_have_the_gradient_of_the_usual_loss():
    model, ids = make("llama"), random_ids(2, 9)
    scores = log_probs_of(model, ids)
    logits = model(ids[:, :-1])
    torch.testing.assert_close(scores.log_probs, measured(model, ids))
    torch.testing.assert_close(scores.entropy, entropy(logits))
    (ours,) = torch.autograd.grad(-scores.log_probs.mean(), model.embed.weight, retain_graph=True)
    (theirs,) = torch.autograd.grad(cross_entropy(logits, ids[:, 1:]), model.embed.weight)
    torch.testing.assert_close(ours, theirs)
    assert scores.entropy.requires_grad


def test_padding_on_the_left_changes_nothing():
    model, ids = make("llama"), random_ids(1, 6)
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), ids], dim=1)
    real = torch.tensor([[False] * 3 + [True] * 6])
    for ours, alone in zip(log_probs_of(model, padded, real), log_probs_of(model, ids)):
        torch.testing.assert_close(ours[:, 3:], alone, atol=1e-4, rtol=1e-4)


def test_masked_sums_and_means_match_numbers_worked_out_by_hand():
    """One row has 4 tokens, with the sum 1 + 2 + 3 + 6 = 12; the other has 1 token, with the sum 10."""
    assert masked_sum(VALUES, MASK).tolist() == [12.0, 10.0]
    assert masked_mean(VALUES, MASK, "sequence").item() == pytest.approx((12 / 4 + 10 / 1) / 2)
    assert masked_mean(VALUES, MASK, "batch").item() == pytest.approx(22 / 5)
    assert masked_mean(VALUES, MASK, 8).item() == pytest.approx((12 / 8 + 10 / 8) / 2)


@pytest.mark.parametrize("over", ["sequence", "batch", 8])
def test_masked_tokens_have_no_gradient(over):
    values = VALUES.clone().requires_grad_()
    masked_mean(values, MASK, over).backward()
    assert torch.equal(values.grad, token_weights(MASK, over))
    assert (values.grad[~MASK] == 0).all()


@pytest.mark.parametrize("over", ["sequence", "batch", 4096])
def test_a_long_answer_is_averaged_as_exactly_as_in_float64(over):
    values = -torch.rand(4, 4096, generator=torch.Generator().manual_seed(0)) * 20
    mask = torch.rand(4, 4096, generator=torch.Generator().manual_seed(1)) < 0.9
    exact = masked_mean(values.double(), mask, over)
    torch.testing.assert_close(masked_mean(values, mask, over).double(), exact, rtol=1e-6, atol=0)
    torch.testing.assert_close(masked_sum(values, mask).double(), masked_sum(values.double(), mask), rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("mask", "over", "message"),
    [
        (torch.zeros(2, 4, dtype=torch.bool), "batch", "there are no tokens to average over. Is every label masked"),
        (torch.tensor([[True] * 4, [False] * 4]), "sequence", "Row 1 has no tokens to average over"),
        (MASK, "token", "over must be 'sequence', 'batch' or a length greater than 0, got 'token'"),
        (MASK, 0, "got 0"),
    ],
)
def test_a_mean_of_nothing_and_an_invalid_over_are_errors(mask, over, message):
    with pytest.raises(ValueError, match=message):
        masked_mean(VALUES, mask, over)


@pytest.mark.cuda
def test_a_gpu_gives_the_same_results():
    model, ids = make("llama"), random_ids(2, 9)
    ours, theirs = log_probs_of(model.to("cuda"), ids), log_probs_of(make("llama"), ids)
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one.cpu(), other, atol=1e-3, rtol=1e-3)

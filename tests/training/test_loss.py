"""Our cross-entropy matches torch's and follows the definition."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from llmlib.training import cross_entropy


@given(axes=st.lists(st.integers(1, 3), max_size=3), vocab=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_loss_is_the_mean_surprise_over_the_targets_that_count(axes, vocab, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(*axes, vocab, generator=generator)
    targets = torch.randint(vocab, axes, generator=generator)
    keep = torch.rand(targets.shape, generator=generator) < 0.7
    keep.view(-1)[0] = True
    p = logits.softmax(-1).gather(-1, targets[..., None])[..., 0]
    expected = -p[keep].log().mean()
    torch.testing.assert_close(cross_entropy(logits, targets.masked_fill(~keep, -100)), expected)
    if len(axes) == 1:
        torch.testing.assert_close(cross_entropy(logits, targets), F.cross_entropy(logits, targets))


def test_the_loss_for_equal_logits_is_the_log_of_the_vocabulary_size():
    assert cross_entropy(torch.zeros(2, 5, 1000), torch.zeros(2, 5, dtype=torch.long)).item() == pytest.approx(
        math.log(1000)
    )


def test_half_precision_logits_and_small_integers_are_accepted():
    logits = torch.tensor([[40000.0, 0.0]]).to(torch.float16)
    assert cross_entropy(logits, torch.tensor([1], dtype=torch.int32)).item() == pytest.approx(40000, rel=1e-3)


def test_a_batch_in_which_no_target_counts_is_an_error_and_not_nan():
    with pytest.raises(ValueError, match="All targets are ignored"):
        cross_entropy(torch.zeros(2, 3), torch.tensor([-100, -100]))


@pytest.mark.parametrize("wrong", [-1, 3, -99])
def test_a_target_that_is_not_a_token_is_refused(wrong):
    with pytest.raises(ValueError, match=rf"The target {wrong} is not a token.*0 to 2"):
        cross_entropy(torch.zeros(2, 3), torch.tensor([1, wrong]))

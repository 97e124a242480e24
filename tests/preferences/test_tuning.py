"""DPO and reward models learn from preferences, and sharing prompts does not change their losses."""

import copy

import pytest
import torch
from finetuning.conftest import small_model

from llmlib.corpora.tinytales.tasks import Preference
from llmlib.preferences import (
    PreferenceData,
    RewardModel,
    dpo_loss,
    encode_apart,
    log_probs_of,
    masked_sum,
    preference_accuracy,
    response_batch,
    reward_loss,
    train_reward_model,
    tune_on_preferences,
)
from llmlib.preferences.dpo import DPO
from llmlib.preferences.reward import BradleyTerry
from llmlib.training import RunError, TrainConfig

PAIRS = [
    Preference("a", "yes", "no", ""),
    Preference("bcd e", "yes sir", "not", ""),
    Preference("f", "yo", "nope", ""),
    Preference("g hi", "yet", "now", ""),
]
QUICK = TrainConfig(30, 4, 40, learning_rate=1e-2, dtype="float32")


def answers_of(model, tokenizer, which):
    batch = response_batch(*zip(*(encode_apart(tokenizer, pair.prompt, getattr(pair, which)) for pair in PAIRS)))
    return masked_sum(log_probs_of(model, batch.ids).log_probs, batch.mask)


def test_sharing_prompts_does_not_change_the_loss_or_gradients_of_dpo(tokenizer, model):
    policy = small_model(tokenizer.vocab_size)
    policy.load_state_dict({n: v * 1.1 for n, v in model.state_dict().items()})
    four = [answers_of(of, tokenizer, which) for of in (policy, model) for which in ("chosen", "rejected")]
    x, y = PreferenceData(tokenizer, PAIRS).batch(0, batch_size=4, seq_len=40)
    ours, theirs = DPO(model, 0.5)(policy, x, y), dpo_loss(*four, beta=0.5)
    torch.testing.assert_close(ours, theirs)
    weights = list(policy.parameters())
    for one, other in zip(torch.autograd.grad(ours, weights), torch.autograd.grad(theirs, weights)):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 4])
def test_dpo_learns_to_prefer_the_chosen_answers(tokenizer, model, accumulate):
    base = copy.deepcopy(model)
    config = TrainConfig(30, 4, 40, learning_rate=1e-2, dtype="float32", accumulate=accumulate)
    steps = list(tune_on_preferences(model, tokenizer, PAIRS, config, validation=PAIRS))
    assert steps[0].loss == pytest.approx(0.6931, abs=1e-3)  # ln 2: the model still equals its reference
    assert steps[-1].validation_loss < 0.3
    gains = [
        answers_of(model, tokenizer, which) - answers_of(base, tokenizer, which) for which in ("chosen", "rejected")
    ]
    assert (gains[0] > gains[1]).all()


def test_a_dpo_run_resumes_only_with_the_same_objective(tokenizer, tmp_path):
    config = TrainConfig(4, 4, 40, dtype="float32", save_every=2)
    base = small_model(tokenizer.vocab_size)
    expected = [step.loss for step in tune_on_preferences(copy.deepcopy(base), tokenizer, PAIRS, config)]
    run = tune_on_preferences(copy.deepcopy(base), tokenizer, PAIRS, config, folder=tmp_path)
    begun = [next(run).loss, next(run).loss]
    del run
    with pytest.raises(RunError, match=r"did not begin with the same objective: DPO with beta=0\.1"):
        tune_on_preferences(copy.deepcopy(base), tokenizer, PAIRS, config, beta=0.2, folder=tmp_path, resume=True)
    run = tune_on_preferences(copy.deepcopy(base), tokenizer, PAIRS, config, folder=tmp_path, resume=True)
    assert [*begun, *(step.loss for step in run)] == expected


def test_dpo_refuses_a_reference_with_another_vocabulary_and_a_beta_of_zero(tokenizer, model):
    with pytest.raises(ValueError, match="The reference has a vocabulary of 300 tokens"):
        tune_on_preferences(model, tokenizer, PAIRS, QUICK, reference=small_model(300))
    with pytest.raises(ValueError, match="beta must be greater than 0, got 0"):
        tune_on_preferences(model, tokenizer, PAIRS, QUICK, beta=0)


@pytest.mark.parametrize("tied", [True, False])
def test_a_reward_is_read_at_the_end_of_the_answer(tokenizer, tied):
    reward_model = RewardModel.of(small_model(tokenizer.vocab_size, tied_embeddings=tied))
    prompts = [pair.prompt for pair in PAIRS for _ in range(2)]
    answers = [answer for pair in PAIRS for answer in (pair.chosen, pair.rejected)]
    assert reward_model.rewards(tokenizer, prompts, answers).tolist() == [0.0] * 8
    reward_model.reward_head.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    expected = [
        reward_model(torch.tensor([[*prompt, *answer]]))[0, -1, 0].item()
        for prompt, answer in (encode_apart(tokenizer, p, a) for p, a in zip(prompts, answers))
    ]
    assert reward_model.rewards(tokenizer, prompts, answers, batch_size=4).tolist() == pytest.approx(expected, rel=1e-3)
    mixed = [0, 1, 2, 6, 7, 5]  # one or two successive answers to each prompt
    some = reward_model.rewards(tokenizer, [prompts[i] for i in mixed], [answers[i] for i in mixed])
    assert some.tolist() == pytest.approx([expected[i] for i in mixed], rel=1e-3)
    x, y = PreferenceData(tokenizer, PAIRS).batch(0, batch_size=4, seq_len=40)
    loss = BradleyTerry(reward_model.config)(reward_model, x, y).item()
    assert loss == pytest.approx(
        reward_loss(torch.tensor(expected[0::2]), torch.tensor(expected[1::2])).item(), rel=1e-3
    )


@pytest.mark.slow
def test_a_reward_model_learns_the_preferences_and_leaves_the_policy_unchanged(tokenizer, model):
    before = copy.deepcopy(model.state_dict())
    reward_model = RewardModel.of(model)
    steps = list(train_reward_model(reward_model, tokenizer, PAIRS, QUICK, validation=PAIRS))
    assert steps[0].loss == pytest.approx(0.6931, abs=1e-3)
    assert steps[-1].validation_loss < 0.2
    values = [
        reward_model.rewards(tokenizer, [pair.prompt for pair in PAIRS], [getattr(pair, which) for pair in PAIRS])
        for which in ("chosen", "rejected")
    ]
    assert preference_accuracy(*values).right == 4
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

"""The working copy computes with rounded weights, and the model keeps float32 weights."""

import torch

from llmlib import Transformer, TransformerConfig
from llmlib.training import TrainConfig, cross_entropy, train
from llmlib.training.precision import WorkingCopy
from tests.training.test_loop import DATA

CONFIG = TransformerConfig(vocab_size=64, max_seq_len=16, d_model=16, n_layers=2, n_heads=2, norm="rmsnorm")
IDS = torch.tensor([[1, 2, 3, 4]])


def test_the_gradients_of_the_rounded_copy_are_handed_over_to_the_model():
    model = Transformer(CONFIG)
    rounded = Transformer(CONFIG).bfloat16()
    work = WorkingCopy(model, torch.bfloat16)
    for each in (work.model, rounded):
        cross_entropy(each(IDS), IDS).backward()
    work.hand_over()
    for (name, ours), theirs in zip(model.named_parameters(), rounded.parameters()):
        assert ours.dtype == ours.grad.dtype == torch.float32, name
        assert torch.equal(ours.grad, theirs.grad.float()), name
    assert all(p.grad is None for p in work.model.parameters())


def test_steps_too_small_for_bfloat16_add_up():
    """In bfloat16, 1 + 1/1024 is rounded to 1, but after eight such steps, 1 + 1/128 can be represented."""
    model = Transformer(CONFIG)
    work = WorkingCopy(model, torch.bfloat16)
    weight, copy = model.final_norm.weight, work.model.final_norm.weight
    for taken in range(1, 9):
        with torch.no_grad():
            weight += 1 / 1024
        work.refresh()
        assert (copy == 1).all() == (taken <= 4)  # half of 1/128 is a tie, which is rounded to even: down
    assert (copy == 1 + 1 / 128).all()


def test_no_copy_is_made_for_training_in_the_models_own_dtype():
    model = Transformer(CONFIG)
    work = WorkingCopy(model, torch.float32)
    assert work.model is model
    cross_entropy(work.model(IDS), IDS).backward()
    work.hand_over()
    assert model.embed.weight.grad is not None


def test_a_run_in_bfloat16_trains_float32_weights():
    model = Transformer(CONFIG)
    before = model.embed.weight.clone()
    run = train(model, DATA, TrainConfig(steps=3, batch_size=2, seq_len=8, dtype="bfloat16"))
    list(run)
    assert model.dtype == torch.float32
    assert not torch.equal(before, model.embed.weight)
    assert torch.equal(run.work.model.embed.weight, model.embed.weight.bfloat16())
    assert not torch.equal(model.embed.weight, model.embed.weight.bfloat16().float())  # the model is not rounded

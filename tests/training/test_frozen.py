"""Frozen weights have no gradients, no optimizer state and no place in checkpoints, and are copied at most once."""

import json

import pytest
import torch
from safetensors.torch import load_file
from small_models import KINDS, make

from llmlib.training import RunError, TrainConfig, checkpoints, make_optimizers, sharding, train
from llmlib.training.precision import WorkingCopy
from llmlib.transformer import Transformer
from tests.training.test_loop import DATA

SMALL = {"steps": 6, "batch_size": 4, "seq_len": 16, "learning_rate": 0.01, "dtype": "float32"}
LEARNING = ("attention.query.weight", "attention_norm.weight")


def partly(kind="llama", seed=1):
    """Return a model in which only some weights learn: matrices that decay, and norms that do not."""
    model = Transformer(KINDS[kind], seed=seed)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith(LEARNING))
    return model


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def changed(before, model):
    return {name for name, value in model.state_dict().items() if not torch.equal(before[name], value)}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_frozen_weights_stay_bit_identical_and_the_rest_learn(optimizer, dtype):
    model = partly()
    before = weights(model)
    run = train(model, DATA, TrainConfig(**{**SMALL, "dtype": dtype}, optimizer=optimizer, weight_decay=0.5))
    list(run)
    learning = {name for name in before if name.endswith(LEARNING)}
    assert changed(before, model) == learning
    remembered = {id(p) for optimizer in run.optimizers for p in optimizer.state}
    assert remembered == {id(model.get_parameter(name)) for name in learning}
    assert {n for n, p in model.named_parameters() if p.grad is not None} == learning


def test_weights_that_learn_take_the_same_step_as_in_an_unfrozen_model():
    """Freezing other weights changes neither a weight's first gradient nor, without clipping, AdamW's first step."""
    config = TrainConfig(**{**SMALL, "steps": 1}, clip_norm=None)
    whole, part = Transformer(KINDS["llama"], seed=1), partly()
    for model in (whole, part):
        list(train(model, DATA, config))
    for name, value in part.state_dict().items():
        if name.endswith(LEARNING):
            torch.testing.assert_close(value, whole.state_dict()[name])


def test_the_gradient_norm_counts_only_weights_that_learn():
    model = partly()
    (step,) = train(model, DATA, TrainConfig(**{**SMALL, "steps": 1}, clip_norm=None))
    norms = [p.grad.norm() for p in model.parameters() if p.requires_grad]
    assert step.gradient_norm == pytest.approx(torch.stack(norms).norm().item())


def test_a_fully_frozen_model_is_refused():
    model = make("llama").requires_grad_(False)
    with pytest.raises(
        ValueError, match=r"All of the model's weights are frozen .* nothing to train.*enabled and not merged"
    ):
        make_optimizers(model, TrainConfig())


def test_a_frozen_weight_of_the_right_dtype_is_not_copied():
    model = partly().bfloat16()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    work = WorkingCopy(model, torch.bfloat16)
    for (name, theirs), ours in zip(model.named_parameters(), work.model.parameters()):
        assert ours.dtype == torch.bfloat16, name
        assert (ours is theirs) == (not theirs.requires_grad), name
        assert theirs.dtype == (torch.float32 if theirs.requires_grad else torch.bfloat16), name


def test_a_frozen_weight_of_another_dtype_is_rounded_once():
    model = partly()
    work = WorkingCopy(model, torch.bfloat16)
    frozen, learning = model.embed.weight, model.blocks[0].attention.query.weight
    assert torch.equal(work.model.embed.weight, frozen.bfloat16())
    before = frozen.bfloat16()
    with torch.no_grad():
        frozen += 1
        learning += 1
    work.refresh()
    assert torch.equal(work.model.embed.weight, before)  # frozen weights are not copied again
    assert torch.equal(work.model.blocks[0].attention.query.weight, learning.bfloat16())


def test_a_checkpoint_holds_only_weights_that_learn_and_a_run_continues_from_it(tmp_path):
    config = TrainConfig(**SMALL, save_every=2)
    whole = partly()
    expected = [step.loss for step in train(whole, DATA, config)]
    begun = train(partly(), DATA, config, folder=tmp_path)
    for _ in range(3):
        next(begun)
    last = checkpoints.checkpoints(tmp_path)[-1]
    held = load_file(last / "model.safetensors")
    assert held.keys() == {name for name in whole.state_dict() if name.endswith(LEARNING)}
    del begun
    again = partly()
    assert [step.loss for step in train(again, DATA, config, folder=tmp_path, resume=True)] == expected[2:]
    assert not changed(weights(whole), again)


def test_a_run_continues_only_with_the_same_frozen_weights(tmp_path):
    config = TrainConfig(**SMALL)
    list(train(partly(), DATA, config, folder=tmp_path))
    other = partly()
    with torch.no_grad():
        other.embed.weight[3, 5] += 1e-3
    before = weights(other)
    with pytest.raises(
        RunError, match=r"The frozen weights differ from those of the run in .*Load the model that the run began"
    ):
        train(other, DATA, config, folder=tmp_path, resume=True)
    assert not changed(before, other)
    with pytest.raises(RunError, match=r"a run that trained different weights: .*Freeze the same"):
        train(Transformer(KINDS["llama"], seed=1), DATA, config, folder=tmp_path, resume=True)


def test_a_model_without_frozen_weights_needs_no_checksum(tmp_path):
    model = Transformer(KINDS["llama"], seed=1)
    assert checkpoints.checksum(model) is None
    list(train(model, DATA, TrainConfig(**SMALL), folder=tmp_path))
    last = checkpoints.checkpoints(tmp_path)[-1]
    assert load_file(last / "model.safetensors").keys() == model.state_dict().keys()
    assert json.loads((last / "state.json").read_text())["frozen"] is None


def test_sharding_refuses_a_model_with_frozen_weights():
    with pytest.raises(
        ValueError, match=r'does not support frozen weights, but \d+ are frozen here .*Use parallel="ddp"'
    ):
        sharding.shard(partly(), 2, torch.float32)

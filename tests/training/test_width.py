"""With muP, a step changes a model's activations about equally at any width; without it, more at larger widths."""

import dataclasses

import pytest
import torch
from torch.nn.utils import parametrize

from llmlib.corpora.datasets import TokenDataset
from llmlib.hooks import hooked
from llmlib.training import TrainConfig, maximal_update, train, widened
from llmlib.transformer import Transformer, TransformerConfig

BASE = TransformerConfig(
    vocab_size=64,
    max_seq_len=32,
    d_model=16,
    n_layers=2,
    n_heads=2,
    d_mlp=48,
    positions="rotary",
    norm="rmsnorm",
    mlp="swiglu",
)
DATA = TokenDataset(torch.randint(64, (4000,), generator=torch.Generator().manual_seed(0)))
IDS, _ = DATA.batch(0, batch_size=8, seq_len=32)


def outputs(model):
    """Return the outputs of the last block's attention and MLP, and the logits."""
    seen = {}
    points = {"attention": model.blocks[-1].hook_attention_out, "mlp": model.blocks[-1].hook_mlp_out}
    hooks = [(point, lambda value, name=name: seen.update({name: value.clone()})) for name, point in points.items()]
    with torch.inference_mode(), hooked(hooks):
        seen["logits"] = model(IDS)
    return seen


def change_in_one_step(times, mup):
    """Return how much AdamW's first step changes each output, as a root mean square."""
    model = Transformer(widened(BASE, times), seed=0)
    factor = maximal_update(model, BASE) if mup else 1.0
    before = outputs(model)
    config = TrainConfig(
        1, 8, 32, schedule="constant", dtype="float32", learning_rate=0.015, matrix_learning_rate=0.003 * factor
    )
    list(train(model, DATA, config))
    return {name: (after - before[name]).square().mean().sqrt().item() for name, after in outputs(model).items()}


def test_a_step_changes_outputs_equally_at_any_width_only_with_mup():
    """This is the coordinate check of Yang et al. (2022), appendix D.1, from 16 to 256 channels."""
    narrow = change_in_one_step(1, mup=True)
    assert narrow == change_in_one_step(1, mup=False)  # at the base's own width, both are the same model
    for mup in (True, False):
        growth = {name: wide / narrow[name] for name, wide in change_in_one_step(16, mup).items()}
        if mup:
            assert all(0.5 < growth[name] < 1.5 for name in ("attention", "mlp")), growth
            assert 0.2 < growth["logits"] < 1.5, growth  # the contribution of the initial weights falls as 1/√width
        else:
            assert all(growth[name] > 16 for name in ("attention", "mlp")), growth
            assert growth["logits"] > 4, growth


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_scaled_and_the_factor_can_be_merged_into_the_weights(norm, tied):
    config = widened(dataclasses.replace(BASE, norm=norm, tied_embeddings=tied), 4)
    model = Transformer(config, seed=0)
    base = dataclasses.replace(config, d_model=16, n_heads=2, n_kv_heads=2, d_mlp=48)
    if norm == "layernorm":
        model.final_norm.bias.data.normal_(generator=torch.Generator().manual_seed(1))
    same = Transformer(config, seed=None)
    same.load_state_dict(model.state_dict())
    for matrix in same.blocks.parameters():
        if matrix.ndim == 2:
            matrix.data /= 2
    assert maximal_update(model, base) == 0.25
    expected = same(IDS) / 4
    torch.testing.assert_close(model(IDS), expected)
    for name in [name for name in ("weight", "bias") if hasattr(model.final_norm, name)]:
        parametrize.remove_parametrizations(model.final_norm, name)
    stored = Transformer(config, seed=None)
    stored.load_state_dict(model.state_dict())
    torch.testing.assert_close(stored(IDS), expected)


def test_a_model_that_is_not_a_wider_copy_of_the_base_is_refused():
    deeper = Transformer(dataclasses.replace(widened(BASE, 2), n_layers=3), seed=0)
    with pytest.raises(ValueError, match="not a wider copy of the base model"):
        maximal_update(deeper, BASE)
    with pytest.raises(ValueError, match="not a wider copy of the base model"):
        maximal_update(Transformer(BASE, seed=0), widened(BASE, 2))


def test_scaling_a_model_twice_is_refused():
    model = Transformer(widened(BASE, 2), seed=0)
    maximal_update(model, BASE)
    with pytest.raises(ValueError, match="has already been prepared"):
        maximal_update(model, BASE)

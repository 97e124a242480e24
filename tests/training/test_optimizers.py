"""Muon matches torch's, orthogonalising keeps singular vectors, and weight decay acts on the right weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import KINDS, make

from llmlib.corpora.datasets import TokenDataset
from llmlib.training import Muon, TrainConfig, make_optimizers, orthogonalise, train
from llmlib.transformer import Transformer


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(
    rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 99), scale=st.sampled_from([1e-4, 1, 1e4])
)
def test_orthogonalising_keeps_directions_and_makes_singular_values_about_1(rows, columns, seed, scale):
    matrix = randn(rows, columns, seed=seed) * scale
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    ours = u.T @ orthogonalise(matrix) @ v.T
    off = ours - torch.diag(ours.diagonal())
    assert off.abs().max() < 1e-3  # the same singular vectors
    large = s > 0.05 * s.norm()  # the tiny ones need more steps
    assert ((ours.diagonal()[large] > 0.6) & (ours.diagonal()[large] < 1.3)).all()


def test_a_zero_matrix_stays_zero():
    assert torch.equal(orthogonalise(torch.zeros(3, 4)), torch.zeros(3, 4))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has had Muon since 2.9")
@pytest.mark.parametrize("shape", [(8, 8), (24, 6), (6, 24)])
def test_steps_match_those_of_torchs_muon(shape):
    """torch's Muon works in bfloat16, so the two agree to that precision."""
    ours, theirs = (torch.nn.Parameter(randn(*shape)) for _ in range(2))
    options = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}
    optimizers = [Muon([ours], **options), torch.optim.Muon([theirs], adjust_lr_fn="match_rms_adamw", **options)]
    for step in range(5):
        before = ours.detach().clone()
        for parameter, optimizer in zip((ours, theirs), optimizers):
            parameter.data = before.clone()
            parameter.grad = randn(*shape, seed=step + 1)
            optimizer.step()
        moved = (ours - before).norm()
        assert (ours - theirs).norm() < 0.02 * moved


def test_muon_takes_matrices_only():
    with pytest.raises(ValueError, match=r"a parameter has the shape \(3,\)"):
        Muon([torch.nn.Parameter(torch.zeros(3))])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_each_parameter_has_one_optimizer_and_only_matrices_of_blocks_decay(kind, optimizer):
    model = make(kind)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decays = {}
    for made in make_optimizers(model, TrainConfig(optimizer=optimizer, weight_decay=0.3)):
        for group in made.param_groups:
            for parameter in group["params"]:
                assert id(parameter) in names
                assert names[id(parameter)] not in decays
                decays[names[id(parameter)]] = group["weight_decay"]
    assert decays.keys() == set(names.values())
    for name, decay in decays.items():
        is_matrix_of_block = name.startswith("blocks.") and model.get_parameter(name).ndim == 2
        assert decay == (0.3 if is_matrix_of_block else 0.0), name


def test_weight_decay_is_separate_from_the_gradient():
    """As in Loshchilov and Hutter (2019), a weight without a gradient shrinks by the share lr · decay."""
    matrix = torch.nn.Parameter(torch.full((3, 3), 2.0))
    matrix.grad = torch.zeros(3, 3)
    Muon([matrix], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(matrix.data, torch.full((3, 3), 2.0 * 0.95))


def test_a_model_without_matrices_in_blocks_trains_with_adamw_alone():
    model = Transformer(KINDS["gpt2"])
    model.blocks = torch.nn.ModuleList()
    assert len(make_optimizers(model, TrainConfig(optimizer="muon"))) == 1


@pytest.mark.parametrize(
    ("choices", "of_matrices"),
    [
        ({}, 0.3),
        ({"matrix_learning_rate": 0.04}, 0.04),
        ({"optimizer": "muon"}, 0.02),
        ({"optimizer": "muon", "matrix_learning_rate": 0.04}, 0.04),
    ],
)
def test_matrices_can_have_their_own_learning_rate_with_either_optimizer(choices, of_matrices):
    model = make("llama")
    matrices = {id(p) for p in model.blocks.parameters() if p.ndim == 2}
    for optimizer in make_optimizers(model, TrainConfig(learning_rate=0.3, **choices)):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                assert group["peak"] == (of_matrices if id(parameter) in matrices else 0.3)


def test_adamws_first_step_moves_matrices_and_other_weights_by_their_rates():
    """Matrices have their own learning rate, because a fair comparison with Muon needs one."""
    model = make("llama")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    config = TrainConfig(
        steps=1, batch_size=2, seq_len=4, learning_rate=0.1, matrix_learning_rate=0.001, weight_decay=0, dtype="float32"
    )
    list(train(model, TokenDataset(torch.arange(10) % model.config.vocab_size), config))
    for name, parameter in model.named_parameters():
        is_matrix = name.startswith("blocks.") and parameter.ndim == 2
        moved = (parameter - before[name]).abs().max().item()
        assert moved == pytest.approx(0.001 if is_matrix else 0.1, rel=0.05), name

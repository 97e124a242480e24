"""Statistics of a model in training match torch's, and measuring them does not change the run."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import KINDS

from llmlib.corpora.datasets import TokenDataset
from llmlib.training import Statistics, TrainConfig, train
from llmlib.training.statistics import QUANTILES, SAMPLE, even_sample, group_of, groups_of, quantiles_of, size_quantiles
from llmlib.transformer import Transformer

DATA = TokenDataset([(7 * i * i + i // 5) % 31 for i in range(2000)], vocab_size=31)
SMALL = {"steps": 7, "batch_size": 4, "seq_len": 16, "learning_rate": 0.01, "dtype": "float32"}


def run_of(kind="llama", **choices):
    return train(Transformer(KINDS[kind], seed=1), DATA, TrainConfig(**{**SMALL, **choices}))


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50))
def test_quantiles_match_those_of_torch(numbers):
    values = torch.tensor(numbers)
    expected = torch.quantile(values.double(), torch.tensor(QUANTILES, dtype=torch.float64))
    assert quantiles_of(values) == pytest.approx(expected.tolist(), rel=1e-5, abs=1e-3)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 300))
def test_a_sample_is_small_and_covers_all_columns(rows, columns, most):
    values = torch.arange(columns).repeat(rows, 1)
    sample = even_sample(values, most)
    assert 1 <= len(sample) <= most
    if len(sample) > 2 * columns:
        assert set(sample.tolist()) == set(range(columns))
    if rows * columns <= most:
        assert len(sample) == rows * columns


def test_the_quantiles_of_a_large_group_are_close_to_the_exact_ones():
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(700, 128, generator=generator), 5 * torch.randn(128, 128, generator=generator)]
    everything = torch.cat([part.reshape(-1) for part in parts]).abs()
    assert everything.numel() > 20 * SAMPLE
    expected = torch.quantile(everything, torch.tensor(QUANTILES))
    assert size_quantiles(parts) == pytest.approx(expected.numpy(), rel=0.1)
    assert np.isnan(size_quantiles([])).all()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_parameter_belongs_to_a_group(kind):
    model = Transformer(KINDS[kind], seed=1)
    groups = groups_of(model)
    for name, _ in model.named_parameters():
        group = groups[group_of(name, len(model.blocks))]
        assert group == (f"block {name.split('.')[1]}" if name.startswith("blocks.") else group)
        assert (group == "output") == (name.startswith(("final_norm", "unembed")))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_updates_match_the_changes_that_the_step_made(optimizer):
    run = run_of(optimizer=optimizer, statistics_every=1, weight_decay=0.1)
    for _ in range(3):
        before = {name: p.detach().clone() for name, p in run.model.named_parameters()}
        step = next(run)
        after = dict(run.model.named_parameters())
        for k, group in enumerate(step.statistics.groups):
            names = [n for n, p in before.items() if p.ndim == 2 and group_of(n, len(run.model.blocks)) == k]
            ratios = torch.stack([(after[n] - before[n]).norm() / before[n].norm() for n in names])
            assert group in groups_of(run.model)
            assert step.statistics.updates[k] == pytest.approx(quantiles_of(ratios.detach()), rel=1e-4)


def test_gradients_are_measured_before_clipping_and_activations_on_the_batch():
    run = run_of(statistics_every=1, clip_norm=1e-6)
    model = Transformer(KINDS["llama"], seed=1)
    x, y = run.batches.of(0)
    seen = {}
    points = [model.hook_embed, *(block.hook_residual_post for block in model.blocks), model.hook_final]
    for k, point in enumerate(points):
        point.add_hook(lambda value, k=k: seen.update({k: value.detach()}))
    torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
    found = next(run).statistics
    for k, value in seen.items():
        exact = torch.quantile(value.abs().flatten(), torch.tensor(QUANTILES))
        assert found.activations[k] == pytest.approx(exact.numpy(), rel=1e-4)
    block = torch.cat([p.grad.flatten() for p in model.blocks[0].parameters()]).abs()
    assert found.gradients[1] == pytest.approx(torch.quantile(block, torch.tensor(QUANTILES)).numpy(), rel=0.4)
    assert found.gradients[1][4] > 1e-5  # after clipping, they would be a thousand times smaller


def test_measuring_changes_nothing_and_happens_when_it_is_due():
    watched, plain = (list(run_of(statistics_every=every, accumulate=2)) for every in (3, 0))
    assert [step.loss for step in watched] == [step.loss for step in plain]
    assert [step.step for step in watched if step.statistics] == [1, 3, 6]
    assert not any(step.statistics for step in plain)
    assert isinstance(watched[0].statistics, Statistics)


def test_a_frozen_block_has_no_gradients_and_no_updates():
    model = Transformer(KINDS["llama"], seed=1)
    for parameter in model.blocks[0].parameters():
        parameter.requires_grad_(False)
    step = next(train(model, DATA, TrainConfig(**SMALL, statistics_every=2)))
    assert np.isnan(step.statistics.updates[1]).all()
    assert np.isnan(step.statistics.gradients[1]).all()
    assert np.isfinite(step.statistics.activations).all()
    assert math.isfinite(step.statistics.updates[2][2])


def test_a_rounded_working_copy_is_measured_too():
    step = next(run_of(dtype="bfloat16", statistics_every=1))
    for name in ("activations", "gradients", "updates"):
        assert np.isfinite(getattr(step.statistics, name)).all()
    assert step.statistics.activations.dtype == np.float64


def test_a_run_can_continue_without_statistics_and_its_checkpoint_holds_none(tmp_path):
    model = Transformer(KINDS["llama"], seed=1)
    run = train(model, DATA, TrainConfig(**SMALL, statistics_every=1), folder=tmp_path)
    next(run)
    run.save()
    run.claim = None
    again = train(model, DATA, TrainConfig(**SMALL), folder=tmp_path, resume=True)
    assert again.last.statistics is None
    assert len(list(again)) == 6


def test_settings_that_prevent_measuring_are_refused():
    for choice in ({"compile": True}, {"parallel": "fsdp"}):
        with pytest.raises(ValueError, match="looks inside the model, which is impossible"):
            TrainConfig(statistics_every=1, **choice)

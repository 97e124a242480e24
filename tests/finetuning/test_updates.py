"""Spectra of updates match NumPy's singular values, and show the rank of a LoRA."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import make

from llmlib.finetuning.lora import LoRAConfig, apply_lora
from llmlib.finetuning.updates import share_of_rank, update_spectra
from tests.finetuning.test_lora import taught


def test_singular_values_match_those_of_numpy():
    base, tuned = make("llama", seed=0), make("llama", seed=1)
    spectra = update_spectra(base, tuned)
    assert len(spectra) == 3 * 7
    for name, values in spectra.items():
        update = (tuned.get_submodule(name).weight - base.get_submodule(name).weight).detach().numpy()
        np.testing.assert_allclose(values, np.linalg.svd(update, compute_uv=False), rtol=1e-3, atol=1e-4)


def test_a_loras_update_has_the_loras_rank():
    base = make("llama")
    tuned = copy.deepcopy(base)
    lora = taught(apply_lora(tuned, LoRAConfig(rank=3, targets="attention")))
    lora.merge()
    spectra = update_spectra(base, tuned)
    for name, values in spectra.items():
        if name in lora.maps:
            assert values[2] > 1e-2
            assert share_of_rank(values, 3) == pytest.approx(1, abs=1e-6)
            assert share_of_rank(values, 2) < 0.999
        else:
            assert share_of_rank(values, 3) == 0.0  # nothing changed


@given(rows=st.integers(1, 20), columns=st.integers(1, 20), rank=st.integers(0, 25), seed=st.integers(0, 99))
def test_the_share_of_a_rank_is_what_the_best_matrix_of_that_rank_keeps(rows, columns, rank, seed):
    matrix = np.random.default_rng(seed).normal(size=(rows, columns))
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    best = (u[:, :rank] * s[:rank]) @ v[:rank]
    lost = np.square(matrix - best).sum() / np.square(matrix).sum()
    assert share_of_rank(torch.tensor(s, dtype=torch.float32), rank) == pytest.approx(1 - lost, abs=1e-5)


def test_models_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"differ in shape: blocks.0.attention.key is \(16, 32\) in the base"):
        update_spectra(make("llama"), make("qwen3"))
    with pytest.raises(
        ValueError, match=r"blocks.0.mlp.gate is \(48, 32\) in the base model and missing in the tuned model"
    ):
        update_spectra(make("llama"), without_gate())


def without_gate():
    model = make("llama")
    del model.blocks[0].mlp.gate
    return model

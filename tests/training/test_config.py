"""Schedules follow their definitions and match those of `transformers`; invalid settings are refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.training import TrainConfig, schedule_at


@given(steps=st.integers(1, 60), warmup=st.integers(0, 60), kind=st.sampled_from(["linear", "cosine"]))
def test_after_the_warmup_the_rate_falls_as_in_transformers(steps, warmup, kind):
    from transformers import get_scheduler

    warmup = min(warmup, steps)
    config = TrainConfig(steps=steps, warmup=warmup, schedule=kind)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    for step in range(steps):
        if step >= warmup:
            assert schedule_at(step, config) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


@given(
    steps=st.integers(1, 60),
    warmup=st.integers(0, 60),
    final=st.floats(0, 1),
    decay=st.floats(0, 1),
    kind=st.sampled_from(["constant", "linear", "cosine", "wsd"]),
)
def test_every_schedule_warms_up_and_never_rises_again(steps, warmup, final, decay, kind):
    warmup = min(warmup, steps)
    config = TrainConfig(steps, warmup=warmup, schedule=kind, final_share=final, decay_share=decay)
    shares = [schedule_at(step, config) for step in range(steps)]
    assert shares[:warmup] == [(step + 1) / warmup for step in range(warmup)]
    after = shares[warmup:]
    assert after == sorted(after, reverse=True)  # never rises again
    assert all(min(final, 1) - 1e-9 <= share <= 1 for share in after)
    beyond = {schedule_at(step, config) for step in range(steps, 3 * steps)}
    assert beyond == {1.0 if kind == "constant" else final}
    if kind == "constant":
        assert set(after) <= {1.0}
    if kind == "wsd":
        assert all(share == 1 for step, share in enumerate(shares) if warmup <= step <= steps * (1 - decay))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimiser": "muon"}, "unknown name 'optimiser'. Did you mean 'optimizer'"),
        ({"colour": 1}, "unknown name 'colour'. Known names: steps, batch_size"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"steps": 5, "warmup": 6}, r"warmup=6 is longer than the whole run \(steps=5\)"),
        ({"batch_size": 10, "accumulate": 4}, "batch_size=10 cannot be split into accumulate=4 equal parts"),
        ({"learning_rate": 0}, "learning_rate must be greater than 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be greater than 0"),
        ({"matrix_learning_rate": 0}, "matrix_learning_rate must be greater than 0, or None"),
        ({"matrix_learning_rate": "low"}, "matrix_learning_rate must be a number, got 'low'"),
        ({"clip_norm": 0}, "clip_norm must be greater than 0, or None"),
        ({"final_share": 1.5}, "final_share must be a number between 0 and 1"),
        ({"betas": [0.9, 1.0]}, "betas must be two numbers, at least 0 and less than 1"),
        ({"keep": 0}, "keep must be at least 1"),
        ({"parallel": "tensor"}, "parallel must be one of 'ddp', 'fsdp'; got 'tensor'"),
        (
            {"momentum": 0.9},
            "momentum has no effect unless optimizer='muon', but optimizer is 'adamw'. Leave out momentum",
        ),
        ({"schedule": "linear", "decay_share": 0.1}, "decay_share has no effect unless schedule='wsd'"),
        ({"steps": "many"}, "steps must be a whole number, got 'many'"),
        ({"steps": 1.5}, "steps must be a whole number, got 1.5"),
        ({"steps": True}, "steps must be a whole number, got True"),
        ({"learning_rate": "high"}, "learning_rate must be a number, got 'high'"),
        ({"clip_norm": "none"}, "clip_norm must be a number, got 'none'"),
        ({"betas": 0.9}, "betas must be 2 numbers, got 0.9"),
        ({"betas": [0.9]}, r"betas must be 2 numbers, got \[0.9\]"),
        ({"dtype": 16}, "dtype must be a string, got 16"),
        ({"steps": 2**70}, "steps must be at most 9,223,372,036,854,775,807, got 1180591"),
        ({"weight_decay": float("inf")}, "weight_decay must be at least 0, got inf"),
        ({"compile": "yes"}, "compile must be true or false, got 'yes'"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig.from_mapping(settings)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": "3"}, "steps must be a whole number, got '3'"),
        ({"betas": (0.9, "0.95")}, "each of betas must be a number, got '0.95'"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_settings_given_in_python_are_checked_too(wrong, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**wrong)


def test_numpy_numbers_become_plain_numbers():
    config = TrainConfig(steps=np.int64(5), learning_rate=np.float32(0.5), betas=[0.5, 0.75])
    assert config == TrainConfig(steps=5, learning_rate=0.5, betas=(0.5, 0.75))
    assert [type(value) for value in (config.steps, config.learning_rate, config.betas)] == [int, float, tuple]


def test_a_mapping_makes_the_same_config_as_keyword_arguments():
    apart = {"optimizer": "adamw", "learning_rate": 0.01, "matrix_learning_rate": 0.002}
    assert TrainConfig.from_mapping(apart) == TrainConfig(**apart)
    muon = {"optimizer": "muon", "momentum": 0.9, "compile": True, "clip_norm": None, "learning_rate": 1}
    assert TrainConfig.from_mapping(muon) == TrainConfig(**muon)
    assert TrainConfig.from_mapping({"steps": 7, "betas": [0.8, 0.9]}) == TrainConfig(steps=7, betas=(0.8, 0.9))

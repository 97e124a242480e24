"""Define the settings of a training run, which are checked before anything is computed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, no_type_check

from llmlib.settings import AT_LEAST_0, AT_LEAST_1, BELOW_1, MORE_THAN_0, SHARE, Limit, check_fields, from_mapping

ONLY_WITH = {  # (setting, value) -> settings that have no effect unless that setting has that value
    ("optimizer", "muon"): ("momentum",),
    ("schedule", "wsd"): ("decay_share",),
}

TWO_BELOW_1 = Limit("two numbers, at least 0 and less than 1", lambda values: all(0 <= value < 1 for value in values))
MUON_RATE = 2e-2  # Muon's peak learning rate, unless the config sets one


@no_type_check  # check_fields checks the types instead, with better messages
@dataclass(frozen=True)
class TrainConfig:
    """Holds the settings of a run. On one CPU the same config, model and data reproduce the same run, bit for bit.

    Raises `ValueError` for settings that are impossible or that contradict each other.

    >>> TrainConfig(steps=10, warmup=20)
    Traceback (most recent call last):
        ...
    ValueError: warmup=20 is longer than the whole run (steps=10).
    """

    steps: Annotated[int, AT_LEAST_1] = 1000
    batch_size: Annotated[int, AT_LEAST_1] = 32  # windows of text per step
    seq_len: Annotated[int, AT_LEAST_1] = 128  # tokens per window
    accumulate: Annotated[int, AT_LEAST_1] = 1  # compute a batch in this many parts, to save memory
    optimizer: Literal["adamw", "muon"] = "adamw"  # muon: Muon for the matrices in the blocks, AdamW for the rest
    # The peak learning rate for embedding tables, norms and biases, which AdamW always trains.
    learning_rate: Annotated[int | float, MORE_THAN_0] = 3e-3
    # The peak learning rate for the matrices in the blocks; None: see `matrix_rate`.
    matrix_learning_rate: Annotated[int | float | None, MORE_THAN_0] = None
    # How long AdamW remembers gradients and their squares.
    betas: Annotated[tuple[int | float, int | float], TWO_BELOW_1] = (0.9, 0.95)
    momentum: Annotated[int | float, BELOW_1] = 0.95  # for Muon
    # Weight decay applies only to the matrices in the blocks, never to norms, biases or embeddings.
    weight_decay: Annotated[int | float, AT_LEAST_0] = 0.1
    warmup: Annotated[int, AT_LEAST_0] = 0  # steps over which the learning rate rises from near 0
    schedule: Literal["constant", "linear", "cosine", "wsd"] = "cosine"  # wsd: warm-up, stable, decay
    # For wsd: the learning rate falls during this share of the run, at its end.
    decay_share: Annotated[int | float, SHARE] = 0.2
    final_share: Annotated[int | float, SHARE] = 0.0  # the final learning rate, as a share of the peak rate
    clip_norm: Annotated[int | float | None, MORE_THAN_0] = 1.0  # limit for the norm of all gradients; None: no limit
    dtype: str = "auto"  # for the matrix products: "float32" or "bfloat16"; weights stay float32
    seed: Annotated[int, AT_LEAST_0] = 0  # for drawing the windows of text
    validate_every: Annotated[int, AT_LEAST_0] = 0  # steps between validations; 0 means only at the end
    validation_batches: Annotated[int, AT_LEAST_1] = 8
    sample_every: Annotated[int, AT_LEAST_0] = 0  # steps between samples; 0 means only at the end
    # Steps between measurements of activations, gradients and updates; 0 means never.
    statistics_every: Annotated[int, AT_LEAST_0] = 0
    save_every: Annotated[int, AT_LEAST_0] = 200  # steps between checkpoints, if there is a folder (0: only at the end)
    keep: Annotated[int, AT_LEAST_1] = 2  # how many of the last checkpoints to keep, besides the best
    parallel: Literal["ddp", "fsdp"] = "ddp"  # with several processes: each has the whole model, or only a part (FSDP2)
    compile: bool = False  # torch.compile: faster steps after a slow first step; on a CPU, it needs a C++ compiler

    def __post_init__(self) -> None:
        check_fields(self)
        if self.warmup > self.steps:
            raise ValueError(f"warmup={self.warmup} is longer than the whole run (steps={self.steps}).")
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"batch_size={self.batch_size} cannot be split into accumulate={self.accumulate} equal parts."
            )

        if self.statistics_every and (self.compile or self.parallel == "fsdp"):
            raise ValueError(
                "statistics_every looks inside the model, which is impossible if the model is compiled or split "
                '(compile=True, parallel="fsdp"). Leave out one or the other.'
            )

    @property
    def matrix_rate(self) -> int | float:
        """The peak learning rate for the matrices in the blocks: `matrix_learning_rate`, or the optimizer's default.

        By default AdamW uses `learning_rate` for all weights, and Muon uses 0.02.

        >>> TrainConfig(learning_rate=0.01).matrix_rate, TrainConfig(matrix_learning_rate=0.001).matrix_rate
        (0.01, 0.001)
        """
        if self.matrix_learning_rate is not None:
            return self.matrix_learning_rate
        return MUON_RATE if self.optimizer == "muon" else self.learning_rate

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any], where: str = "TrainConfig") -> "TrainConfig":
        """Build a config from names and values, for example from a TOML file.

        Raises `ValueError` for an unknown name, and for a setting that would do nothing.

        >>> TrainConfig.from_mapping({"learning_rat": 0.1})
        Traceback (most recent call last):
            ...
        llmlib.settings.SettingsError: TrainConfig: unknown name 'learning_rat'. Did you mean 'learning_rate'?
        """
        config = from_mapping(cls, settings, where)
        for (choice, value), only in ONLY_WITH.items():
            chosen = getattr(config, choice)
            if chosen != value and (idle := [name for name in only if name in settings]):
                raise ValueError(
                    f"{idle[0]} has no effect unless {choice}={value!r}, but {choice} is {chosen!r}. "
                    f"Leave out {idle[0]}, or choose {choice}={value!r}."
                )
        return config


def schedule_at(step: int, config: TrainConfig) -> float:
    """Return the learning rate for a step (counted from 0) as a share of the peak rate.

    The rate rises by equal amounts over `warmup` steps (the first rate is not 0). Then it stays the same ("constant"),
    falls in a straight line ("linear") or like half a cosine wave ("cosine"), or stays the same for a while and then
    falls in a straight line ("wsd"). A falling rate reaches `final_share` right after the last step. Sources:
    Loshchilov and Hutter (2017), "SGDR", for the cosine; Hu et al. (2024), "MiniCPM", for "wsd" (warm-up, stable,
    decay).

    >>> config = TrainConfig(steps=8, warmup=2, schedule="wsd", decay_share=0.5)
    >>> [round(schedule_at(step, config), 2) for step in range(8)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    if step >= config.steps and config.schedule != "constant":
        return config.final_share  # the rate stays at this value after the last step
    if step < config.warmup:
        return (step + 1) / config.warmup
    passed = (step - config.warmup) / max(1, config.steps - config.warmup)
    if config.schedule == "constant":
        fallen = 0.0
    elif config.schedule == "linear":
        fallen = passed
    elif config.schedule == "cosine":
        fallen = (1 - math.cos(math.pi * passed)) / 2
    else:
        begin = config.steps * (1 - config.decay_share)
        fallen = max(0.0, (step - begin) / (config.steps - begin)) if step > begin else 0.0
    return 1 - (1 - config.final_share) * fallen

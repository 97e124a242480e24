"""Define the settings of an alignment run, and check them before anything is computed."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, no_type_check

from llmlib.settings import AT_LEAST_0, AT_LEAST_1, MORE_THAN_0, check_fields, from_mapping
from llmlib.training.config import TWO_BELOW_1, TrainConfig


@no_type_check  # check_fields checks the types instead, with better messages
@dataclass(frozen=True)
class AlignConfig:
    """Holds the settings of an alignment run. On one CPU, the same config, model and prompts reproduce the same run.

    Raises `ValueError` for settings that are impossible or that contradict each other.

    >>> AlignConfig(updates=1, clip=-1)
    Traceback (most recent call last):
        ...
    llmlib.settings.SettingsError: clip must be greater than 0, or None, got -1.
    """

    steps: Annotated[int, AT_LEAST_1] = 30
    prompts: Annotated[int, AT_LEAST_1] = 8  # number of prompts per step
    samples: Annotated[int, AT_LEAST_1] = 8  # number of answers to each prompt, which form a group
    max_new_tokens: Annotated[int, AT_LEAST_1] = 64  # longer answers are cut off
    # The baseline to subtract from a reward: nothing, the mean of the whole batch, or the mean of the group.
    baseline: Literal["none", "batch", "group"] = "group"
    divide: bool = True  # with "group", also divide by the group's standard deviation
    updates: Annotated[int, AT_LEAST_1] = 1  # optimizer steps on the same answers
    # How far p / p_old may move from 1 (None: no limit). With a single update the ratio is 1, so this has no effect.
    clip: Annotated[int | float | None, MORE_THAN_0] = 0.2
    over: Literal["sequence", "batch", "constant"] = "sequence"  # see `masked_mean`; "constant" means max_new_tokens
    kl_weight: Annotated[int | float, AT_LEAST_0] = 0.0  # the weight of the KL to the reference in the loss
    kl_estimate: Literal["k2", "k3"] = "k3"  # used in the loss; k1 is missing because its gradient is 0 on average
    accumulate: Annotated[int, AT_LEAST_1] = 1  # number of parts to split a batch into, to save memory
    learning_rate: Annotated[int | float, MORE_THAN_0] = 2e-4
    betas: Annotated[tuple[int | float, int | float], TWO_BELOW_1] = (0.9, 0.95)
    weight_decay: Annotated[int | float, AT_LEAST_0] = 0.0
    warmup: Annotated[int, AT_LEAST_0] = 0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    clip_norm: Annotated[int | float | None, MORE_THAN_0] = 1.0  # limit on the global norm of all gradients, or None
    dtype: str = "auto"  # for the matrix products: "float32" or "bfloat16"; weights stay float32
    seed: Annotated[int, AT_LEAST_0] = 0  # for the order of the prompts and for sampling
    save_every: Annotated[int, AT_LEAST_0] = 10  # steps between checkpoints, if there is a folder; 0: only at the end
    keep: Annotated[int, AT_LEAST_1] = 2  # how many of the last checkpoints to keep

    def __post_init__(self) -> None:
        check_fields(self)
        if self.baseline == "group" and self.samples < 2:
            raise ValueError('baseline="group" compares each answer with its group, so samples must be 2 or more.')
        if self.prompts % self.accumulate:
            raise ValueError(f"prompts={self.prompts} cannot be split into accumulate={self.accumulate} equal parts.")
        if self.warmup > self.steps:
            raise ValueError(f"warmup={self.warmup} is longer than the whole run (steps={self.steps}).")

    @property
    def training(self) -> TrainConfig:
        """The settings for the updates, as a config for `train`."""
        shared = {field.name for field in fields(TrainConfig)} & {field.name for field in fields(self)}
        return TrainConfig(batch_size=self.prompts, **{name: getattr(self, name) for name in shared})

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any], where: str = "AlignConfig") -> "AlignConfig":
        """Build a config from a mapping, such as a TOML file's contents. Raises `ValueError` for an invalid value."""
        return from_mapping(cls, settings, where)

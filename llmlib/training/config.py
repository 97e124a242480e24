"""Every choice of a training run, checked before anything is computed."""

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

ONLY_WITH = {  # settings that do nothing unless another has this value
    ("optimizer", "muon"): ("momentum",),
    ("schedule", "wsd"): ("decay_share",),
}

MUON_RATE = 2e-2  # Muon's, if a config names none


@dataclass(frozen=True)
class TrainConfig:
    """What a run does; the same config, model and data give the same run, bit by bit, on one CPU.

    Raises `ValueError` for choices that cannot be or that contradict each other.

    >>> TrainConfig(steps=10, warmup=20)
    Traceback (most recent call last):
        ...
    ValueError: warmup=20 takes longer than the run of steps=10.
    """

    steps: int = 1000
    batch_size: int = 32  # windows of text a step
    seq_len: int = 128  # tokens a window
    accumulate: int = 1  # parts in which a batch is computed, for memory; the step is the same
    optimizer: Literal["adamw", "muon"] = "adamw"  # muon: for the matrices in the blocks; AdamW for the rest
    learning_rate: int | float = 3e-3  # at its highest: of the tables, norms and biases, which AdamW always has
    matrix_learning_rate: int | float | None = None  # of the matrices in the blocks; None: see `matrix_rate`
    betas: tuple[float, float] = (0.9, 0.95)  # AdamW: how long it remembers gradients and their squares
    momentum: int | float = 0.95  # Muon
    weight_decay: int | float = 0.1  # matrices in the blocks only: never norms, biases or embeddings
    warmup: int = 0  # steps over which the learning rate rises from near 0
    schedule: Literal["constant", "linear", "cosine", "wsd"] = "cosine"  # wsd: warm-up, stable, decay
    decay_share: int | float = 0.2  # wsd: the share of the run, at its end, in which the learning rate falls
    final_share: int | float = 0.0  # of the highest learning rate, at the end
    clip_norm: int | float | None = 1.0  # the largest norm of all gradients together; None: any
    dtype: str = "auto"  # of the matrix products: "float32" or "bfloat16"; weights stay float32
    seed: int = 0  # of the windows that are drawn
    validate_every: int = 0  # steps between looks at the validation data; 0: only at the end
    validation_batches: int = 8
    sample_every: int = 0  # steps between samples; 0: only at the end
    save_every: int = 0  # steps between checkpoints; 0: only at the end
    keep: int = 2  # the last so many checkpoints stay, and the best
    parallel: Literal["ddp", "fsdp"] = "ddp"  # several processes: each holds the whole model, or a part (FSDP2)
    compile: bool = False  # torch.compile: quicker steps after a slow first one; on a CPU it needs a C++ compiler

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check_choice(field.name, getattr(self, field.name), field.type)
        for name in ("steps", "batch_size", "seq_len", "accumulate", "validation_batches", "keep"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("warmup", "seed", "validate_every", "sample_every", "save_every", "weight_decay"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        self._require("learning_rate", 0 < self.learning_rate < math.inf, "more than 0")
        self._require(
            "matrix_learning_rate",
            self.matrix_learning_rate is None or 0 < self.matrix_learning_rate < math.inf,
            "more than 0, or None",
        )
        for name in ("decay_share", "final_share"):
            self._require(name, 0 <= getattr(self, name) <= 1, "a share between 0 and 1")
        self._require("clip_norm", self.clip_norm is None or self.clip_norm > 0, "more than 0, or None")
        self._require("betas", all(0 <= beta < 1 for beta in self.betas), "two numbers from 0 to below 1")
        self._require("momentum", 0 <= self.momentum < 1, "from 0 to below 1")
        if self.warmup > self.steps:
            raise ValueError(f"warmup={self.warmup} takes longer than the run of steps={self.steps}.")
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"batch_size={self.batch_size} does not fall into accumulate={self.accumulate} equal parts."
            )

    @property
    def matrix_rate(self) -> int | float:
        """The highest learning rate of the matrices in the blocks: their own, or one that suits the optimizer.

        AdamW then takes `learning_rate` for all weights. Muon takes 0.02.

        >>> TrainConfig(learning_rate=0.01).matrix_rate, TrainConfig(matrix_learning_rate=0.001).matrix_rate
        (0.01, 0.001)
        """
        if self.matrix_learning_rate is not None:
            return self.matrix_learning_rate
        return MUON_RATE if self.optimizer == "muon" else self.learning_rate

    def _require(self, name: str, is_met: bool, expected: str) -> None:
        if not is_met:
            raise ValueError(f"{name} must be {expected}, got {getattr(self, name)}.")

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> "TrainConfig":
        """A config from names and values, as a TOML file gives them. Raises `ValueError` for a name it does not know.

        >>> TrainConfig.from_mapping({"learning_rat": 0.1})
        Traceback (most recent call last):
            ...
        ValueError: TrainConfig has no 'learning_rat'. Did you mean 'learning_rate'?
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in settings:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                meant = f" Did you mean {close[0]!r}?" if close else f" It has: {', '.join(known)}."
                raise ValueError(f"TrainConfig has no {name!r}.{meant}")
        arguments: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
        }
        for field in dataclasses.fields(cls):
            if field.name in arguments:
                _check_kind(field.name, arguments[field.name], field.type)
        for (choice, value), only in ONLY_WITH.items():
            chosen = arguments.get(choice, getattr(cls, choice))
            if chosen != value and (idle := [name for name in only if name in arguments]):
                raise ValueError(
                    f"{idle[0]} is for {choice}={value!r} only, and {choice} is {chosen!r}: it would do nothing. "
                    f"Leave it out, or choose {choice}={value!r}."
                )
        return cls(**arguments)


def _check_choice(name: str, value: Any, kind: Any) -> None:
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, get_args(kind)))}; got {value!r}.")


def _check_kind(name: str, value: Any, kind: Any) -> None:
    """Raise `ValueError` for a word where a number belongs, and the like."""
    _check_choice(name, value, kind)
    if get_origin(kind) is Literal:
        return
    if get_origin(kind) is tuple:
        fits, expected = (
            isinstance(value, tuple) and len(value) == len(get_args(kind)),
            f"{len(get_args(kind))} numbers",
        )
        fits = fits and all(isinstance(each, int | float) for each in value)
    else:
        kinds = get_args(kind) or (kind,)
        names = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
        fits = isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)  # True is an int to Python
        expected = names[float if float in kinds else kinds[0]]
    if not fits:
        raise ValueError(f"{name} must be {expected}, got {value!r}.")


def schedule_at(step: int, config: TrainConfig) -> float:
    """The learning rate of a step (from 0) as a share of the highest.

    It rises in equal parts over `warmup` steps, the first of which is not 0, and then stays ("constant"), falls in a
    line ("linear") or like half a cosine wave ("cosine"), or stays and then falls in a line ("wsd"), towards
    `final_share` at the step after the last. Sources: Loshchilov and Hutter (2017), "SGDR", for the cosine; Hu et al.
    (2024), "MiniCPM", for warm-up, stable, decay.

    >>> run = TrainConfig(steps=8, warmup=2, schedule="wsd", decay_share=0.5)
    >>> [round(schedule_at(step, run), 2) for step in range(8)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
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

"""Apply the sampling settings to the logits, and then draw the next token."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llmlib.sampling.logits import (
    Setting,
    add_bias,
    count_tokens,
    keep_allowed,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    keep_typical,
    penalise_counts,
    penalise_repetition,
    scale_temperature,
)

Numbers = int | float | Sequence[int | float]  # one for all texts in a batch, or one per text

# For each setting: its name, a test that its values must pass, and that test in words.
RANGES: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("temperature", lambda x: x >= 0, "0 or more"),
    ("top_k", lambda x: x >= 1 and x % 1 == 0, "a whole number, at least 1"),
    ("top_p", lambda x: 0 < x <= 1, "greater than 0 and at most 1"),
    ("min_p", lambda x: 0 <= x <= 1, "between 0 and 1"),
    ("typical_p", lambda x: 0 < x <= 1, "greater than 0 and at most 1"),
    ("repetition_penalty", lambda x: x > 0, "greater than 0 (1 changes nothing)"),
    ("frequency_penalty", lambda x: True, "a number"),
    ("presence_penalty", lambda x: True, "a number"),
)


@dataclass(frozen=True)
class Sampler:
    """Draws the next token from logits. A setting that you leave at its default does nothing.

    The settings apply in this order: `logit_bias` adds to the logits of individual ids (−∞ bans an id);
    `repetition_penalty`, `frequency_penalty` and `presence_penalty` make tokens less likely if they have already
    occurred; `temperature` divides the logits, and a temperature of 0 always takes the most likely token; `top_k`,
    `top_p`, `min_p` and `typical_p` cut the tail, each applied to the tokens that the previous cut has left.
    `llmlib.sampling.logits` defines a function for each setting, with its source. Every setting except `logit_bias`
    may also be a list, with a number for each text in a batch. Raises `ValueError` for values out of range.

    >>> Sampler(temperature=0.5).probabilities(torch.tensor([[0.0, 1.0]]))
    tensor([[0.1192, 0.8808]])
    >>> Sampler(temperature=[0, 1]).probabilities(torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    tensor([[0.0000, 1.0000],
            [0.2689, 0.7311]])
    """

    temperature: Numbers = 1.0
    top_k: Numbers | None = None
    top_p: Numbers | None = None
    min_p: Numbers | None = None
    typical_p: Numbers | None = None
    repetition_penalty: Numbers = 1.0
    frequency_penalty: Numbers = 0.0
    presence_penalty: Numbers = 0.0
    logit_bias: Mapping[int, float] | None = None

    def __post_init__(self) -> None:
        for name, fits, words in RANGES:
            setting = getattr(self, name)
            if isinstance(setting, Tensor | np.ndarray | np.number) and not isinstance(setting, float):
                raise ValueError(f"{name} must be a number or a list of numbers; write {name}={setting.tolist()}.")
            if setting is None and getattr(Sampler, name) is None:
                continue
            numbers = setting if isinstance(setting, Sequence) and not isinstance(setting, str) else (setting,)
            if not numbers:
                raise ValueError(f"{name} is an empty list: pass one number for all texts, or one per text.")
            for number in numbers:
                if not _is_number(number) or not fits(number):
                    raise ValueError(f"{name} must be {words}, got {number!r}.")
                if not _is_finite(number):
                    raise ValueError(f"{name} must be finite: {words}, got {number!r}.")
        if not isinstance(self.logit_bias, Mapping | None):
            raise ValueError(f"logit_bias must be a dict that maps ids to numbers, got {self.logit_bias!r}.")
        for token, bias in (self.logit_bias or {}).items():
            if not isinstance(token, int) or isinstance(token, bool):
                raise ValueError(
                    f"logit_bias contains {token!r}, which is not an id (an int). For text, use tokenizer.encode(text)."
                )
            if not isinstance(bias, int | float) or bias != bias or bias == float("inf"):
                raise ValueError(f"The logit_bias of id {token} must be a number or -inf, got {bias!r}.")

    @property
    def looks_back(self) -> bool:
        """Whether the settings depend on the tokens so far."""
        return any(self._sets(name, neutral) for name, neutral in PENALTIES)

    def _sets(self, name: str, neutral: int | None) -> bool:
        """Return whether a setting would change anything."""
        setting = getattr(self, name)
        if isinstance(setting, Sequence):
            return any(number != neutral for number in setting)
        return setting is not None and setting != neutral

    def stages(
        self,
        logits: Float[Tensor, "batch vocab"],
        ids: Int[Tensor, "batch seq"] | None = None,
        allowed: Bool[Tensor, "batch vocab"] | None = None,
    ) -> Iterator[tuple[str, Float[Tensor, "batch vocab"]]]:
        """Yield a name and the logits, first as they were given, and then after each setting that is in use.

        `ids` are the tokens so far, for the penalties (an id below 0 is padding); `allowed` marks the tokens that a
        constraint allows.
        """
        if not isinstance(logits, Tensor) or logits.ndim != 2 or not logits.numel():
            shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(
                f"logits must be a tensor of shape [batch, vocab], got {shape}. For one text, write logits[None]."
            )
        logits = logits.float()
        yield "logits", logits
        get = lambda name: _setting(name, getattr(self, name), logits)  # noqa: E731
        if self.logit_bias:
            _check_ids(self.logit_bias, logits.shape[-1])
            logits = add_bias(logits, self.logit_bias)
            yield "logit_bias", logits
        if self.looks_back:
            if ids is None:
                raise ValueError("A penalty needs the tokens so far: pass ids of shape [batch, seq].")
            counts = count_tokens(ids.to(logits.device), logits.shape[-1])
            if self._sets("repetition_penalty", 1):
                logits = penalise_repetition(logits, counts, get("repetition_penalty"))
                yield "repetition_penalty", logits
            for name in ("frequency", "presence"):
                if self._sets(f"{name}_penalty", 0):
                    logits = penalise_counts(logits, counts, **{name: get(f"{name}_penalty")})
                    yield f"{name}_penalty", logits
        if allowed is not None:
            logits = keep_allowed(logits, allowed)
            yield "constraint", logits
        if self._sets("temperature", 1):
            logits = scale_temperature(logits, get("temperature"))
            yield "temperature", logits
        for name, cut, neutral in CUTS:
            if self._sets(name, neutral) and self.temperature != 0:
                logits = cut(logits, get(name))
                yield name, logits

    def adjusted(
        self,
        logits: Float[Tensor, "batch vocab"],
        ids: Int[Tensor, "batch seq"] | None = None,
        allowed: Bool[Tensor, "batch vocab"] | None = None,
    ) -> Float[Tensor, "batch vocab"]:
        """Return the logits after all settings have been applied.

        Raises `ValueError` if a logit is NaN or +∞, or if no token is left.
        """
        ruled_out: list[tuple[str, Tensor]] = []
        for name, adjusted in self.stages(logits, ids, allowed):
            if name == "logits" and not (adjusted < float("inf")).all():  # this catches NaN too
                found = "NaN" if adjusted.isnan().any() else "+∞"
                raise ValueError(f"The logits contain {found}. Did training diverge, or did a hook divide by zero?")
            if name in ("logits", "logit_bias", "constraint"):  # no other setting can rule out every token
                ruled_out.append((name, adjusted == float("-inf")))
                if ruled_out[-1][1].all(dim=-1).any():
                    raise ValueError(_why_none_is_left(ruled_out))
        return adjusted

    def probabilities(
        self,
        logits: Float[Tensor, "batch vocab"],
        ids: Int[Tensor, "batch seq"] | None = None,
        allowed: Bool[Tensor, "batch vocab"] | None = None,
    ) -> Float[Tensor, "batch vocab"]:
        """Return the probability of drawing each token, in float32. Raises the same errors as `adjusted`."""
        return self.adjusted(logits, ids, allowed).softmax(dim=-1)

    def __call__(
        self,
        logits: Float[Tensor, "batch vocab"],
        generator: torch.Generator | None = None,
        *,
        ids: Int[Tensor, "batch seq"] | None = None,
        allowed: Bool[Tensor, "batch vocab"] | None = None,
    ) -> Int[Tensor, " batch"]:
        """Draw one id per row. `generator` must be on the CPU, so that a seed gives the same ids on every device."""
        if not isinstance(generator, torch.Generator | None):
            raise ValueError(f"generator must be a torch.Generator, got {generator!r}. To set a seed, use {OF_A_SEED}.")
        if self.temperature == 0:
            return self.adjusted(logits, ids, allowed).argmax(dim=-1)
        cumulative = self.probabilities(logits, ids, allowed).cumsum(dim=-1)
        drawn = torch.rand(logits.shape[0], 1, generator=generator).to(logits.device) * cumulative[:, -1:]
        # Take the first id whose cumulative probability exceeds the drawn number; this is never an id of probability 0.
        return torch.searchsorted(cumulative, drawn, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)


OF_A_SEED = "torch.Generator().manual_seed(seed)"
PENALTIES = (("repetition_penalty", 1), ("frequency_penalty", 0), ("presence_penalty", 0))
CUTS: tuple[tuple[str, Callable[[Tensor, Setting], Tensor], int | None], ...] = (
    ("top_k", keep_top_k, None),
    ("top_p", keep_top_p, 1),
    ("min_p", keep_min_p, 0),
    ("typical_p", keep_typical, 1),
)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(number: int | float) -> bool:
    try:
        return isfinite(number)
    except OverflowError:  # a whole number too large for a float
        return False


def _setting(name: str, setting: Numbers, logits: Tensor) -> Setting:
    """Return one number, or a tensor with one number per row; raise `ValueError` for any other number of values."""
    if not isinstance(setting, Sequence):
        return setting
    if len(setting) != len(logits):
        raise ValueError(
            f"{name} has {len(setting)} numbers for {len(logits)} texts: pass one for all, or one per text."
        )
    return torch.tensor(setting, device=logits.device)


def _check_ids(bias: Mapping[int, float], vocab_size: int) -> None:
    for token in bias:
        if not 0 <= token < vocab_size:
            raise ValueError(f"logit_bias contains the id {token}, but ids go from 0 to {vocab_size - 1}.")


def _why_none_is_left(ruled_out: list[tuple[str, Tensor]]) -> str:
    row = int(ruled_out[-1][1].all(dim=-1).nonzero()[0])
    names = {"logits": "the model itself", "logit_bias": "logit_bias", "constraint": "the constraint"}
    parts, before = [], 0
    for name, gone in ruled_out:
        count = int(gone[row].sum())
        parts += [f"{count - before:,} by {names[name]}"] if count > before else []
        before = count
    where = f" in row {row}" if len(ruled_out[-1][1]) > 1 else ""
    return f"No token is left to draw{where}: all {before:,} are ruled out, " + ", then ".join(parts) + "."

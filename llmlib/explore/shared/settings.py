"""Read and change a sampler's settings by name, as a view does."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llmlib.sampling import Sampler
from llmlib.widgets.shared.settings import NEUTRAL

Settings = Mapping[str, float | int | None]


def with_settings(sampler: Sampler, settings: Settings) -> Sampler:
    """Return a copy of the sampler with different settings.

    Raises `ValueError` for an unknown name or a value out of range.

    >>> with_settings(Sampler(), {"top_k": 3}).top_k
    3
    """
    if unknown := [name for name in settings if name not in NEUTRAL]:
        raise ValueError(f"There is no setting {unknown[0]!r}. The settings are {', '.join(NEUTRAL)}.")
    changes: dict[str, Any] = dict(settings)
    return replace(sampler, **changes)


def settings_of(sampler: Sampler) -> dict[str, Any]:
    """Return all settings by name; a setting that is not in use gets its neutral value, which changes nothing.

    >>> settings_of(Sampler(top_k=3))["top_p"]
    1.0
    """
    values = {name: getattr(sampler, name) for name in NEUTRAL}
    return {name: NEUTRAL[name] if value is None else value for name, value in values.items()}

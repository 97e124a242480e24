"""Show the scaling view with published scaling laws, your own laws, well-known models, and your own runs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from llmlib.scaling import BESIROGLU, HOFFMANN, KAPLAN, MACHINES, MODELS, Fit, KaplanLaw, Law
from llmlib.widgets.scaling.rows import AT
from llmlib.widgets.scaling.view import ScalingView

NOTES = {
    KAPLAN.name: "This law counts parameters without embeddings, and it describes training on the same D tokens until "
    "more training no longer helps. Its best sizes come from other curves in the paper, so these sizes do not "
    "have the lowest loss under the law’s own formula",
    HOFFMANN.name: "These rounded constants do not agree with the paper’s rule of 20 tokens per parameter",
    BESIROGLU.name: "Fitted to the runs of Hoffmann et al., with values read off a figure",
}


def explore_scaling(
    fits: Mapping[str, Fit | Law] | None = None,
    runs: Mapping[str, Sequence[tuple[float, float, float]]] | None = None,
    *,
    law: str = BESIROGLU.name,
    **place: Any,
) -> ScalingView:
    """Show what loss a scaling law predicts, where well-known models lie, and how much training and inference cost.

    The view shows three published laws and your own `fits` by name; with a `Fit`, the view also shows the runs that the
    law was fitted to. `runs` adds more runs by name, each as (parameters, tokens, loss). The view begins with `law`,
    and with any settings in `place`, for example `parameters=8e9, tokens=15e12, answers=1e10`. Raises `ValueError` for
    an unknown law or setting, or for numbers that are not positive.

    >>> explore_scaling(parameters=8.03e9, tokens=15e12).loss  # Llama 3 8B
    2.0218...
    """
    own = {name: fit.law if isinstance(fit, Fit) else fit for name, fit in (fits or {}).items()}
    points = {name: measured(fit) for name, fit in (fits or {}).items() if isinstance(fit, Fit)}
    return ScalingView(
        [
            *(law_row(one, note=NOTES[one.name]) for one in (KAPLAN, HOFFMANN, BESIROGLU)),
            *(law_row(one, own=True, **facts_of(name, (fits or {})[name])) for name, one in own.items()),
        ],
        [asdict(model) for model in MODELS],
        [asdict(machine) for machine in MACHINES],
        {**points, **(runs or {})},
        law=law,
        **{"machine": 1, **place},
    )


def law_row(law: Law | KaplanLaw, **more: Any) -> dict[str, Any]:
    """Write a law as plain numbers, in the one form that the view supports: (E + A / N^alpha + B / D^beta)^power."""
    row: dict[str, Any] = {
        "name": law.name,
        "source": law.source,
        "parameters": law.fitted_parameters and list(law.fitted_parameters),
        "tokens": law.fitted_tokens and list(law.fitted_tokens),
    }
    if isinstance(law, Law):
        row |= {"E": law.E, "A": law.A, "B": law.B, "alpha": law.alpha, "beta": law.beta}
    else:
        alpha = law.alpha_n / law.alpha_d
        row |= {"E": 0.0, "A": law.n_c**alpha, "B": law.d_c, "alpha": alpha, "beta": 1.0, "power": law.alpha_d}
        row |= {"best_size": law.optimum(AT).parameters, "size_exponent": law.size_exponent, "one_pass": False}
    return {**row, **more}


def measured(fit: Fit) -> list[tuple[float, float, float]]:
    """Return the number of parameters, number of tokens and measured loss of each run that a law was fitted to."""
    losses = fit.law.loss(fit.parameters, fit.tokens) * np.exp(fit.deviations)
    return [(float(n), float(d), float(loss)) for n, d, loss in zip(fit.parameters, fit.tokens, losses)]


def facts_of(name: str, fit: Fit | Law) -> dict[str, Any]:
    """Return what the view says about one of your own scaling laws."""
    note = "This law says nothing about other texts or tokenizers"
    if not isinstance(fit, Fit):
        return {"name": name, "source": fit.source or "Your own law", "note": note}
    both = (("parameters", fit.parameters), ("tokens", fit.tokens))
    ranges = {key: [float(min(values)), float(max(values))] for key, values in both}
    return {"name": name, "source": f"Fitted to {len(fit.parameters)} of your runs", "note": note, **ranges}

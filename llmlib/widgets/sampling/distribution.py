"""Compute what settings do to a distribution, from the logits after each setting."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

BEFORE, AFTER = 10, 8  # how many of the likeliest tokens are shown, before and after the settings

Stages = Sequence[tuple[str, Float[np.ndarray, " vocab"]]]  # each stage's name, and the logits after it; -inf: cut


def compare(stages: Stages, always: Sequence[int] = ()) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Find the tokens worth showing, including those in `always`, and describe what each stage did to the distribution.

    Each token has its `id` and the name of the stage that ruled it out (`cut`, or ""). The likeliest tokens of the
    first stage come first. Each stage has its `name`, its `entropy` in nats, how many tokens are `kept`, the
    probability of the kept tokens in the previous stage (`mass`) and in the first stage (`mass_of_first`), the
    probabilities `p` of the displayed tokens, and the probability of all other tokens (`rest`).

    >>> tokens, stages = compare([("logits", np.log([0.6, 0.3, 0.1])), ("top_k", np.array([0.0, -0.7, -np.inf]))])
    >>> tokens[2], stages[1]["kept"], round(stages[1]["mass"], 6)
    ({'id': 2, 'cut': 'top_k'}, 2, 0.9)
    """
    names, logits = [name for name, _ in stages], [np.asarray(array, dtype=np.float64) for _, array in stages]
    probabilities = [_softmax(array) for array in logits]
    possible = [array > -np.inf for array in logits]
    shown = _worth_showing(logits[0], probabilities[-1], always)
    tokens = []
    for id in shown:
        cut = next((name for name, kept in zip(names, possible) if not kept[id]), "")
        tokens.append({"id": int(id), "cut": cut})
    compared = []
    for k, (name, p, kept) in enumerate(zip(names, probabilities, possible)):
        compared.append(
            {
                "name": name,
                "entropy": max(0.0, float(-(p[p > 0] * np.log(p[p > 0])).sum())),
                "kept": int(kept.sum()),
                "mass": float(probabilities[max(0, k - 1)][kept].sum()),
                "mass_of_first": float(probabilities[0][kept].sum()),
                "p": [float(share) for share in p[shown]],
                "rest": max(0.0, float(p.sum() - p[shown].sum())),
            }
        )
    return tokens, compared


def _softmax(logits: Float[np.ndarray, " vocab"]) -> Float[np.ndarray, " vocab"]:
    """Turn logits into probabilities, which are all 0 if every token is ruled out."""
    most = logits.max()
    if most == -np.inf:
        return np.zeros_like(logits)
    weights = np.exp(logits - most)
    return weights / weights.sum()


def _worth_showing(
    before: Float[np.ndarray, " vocab"], after: Float[np.ndarray, " vocab"], always: Sequence[int]
) -> list[int]:
    """Find the likeliest tokens before and after the settings, and those in `always`.

    The tokens are sorted by their probability before the settings, and then by id.
    """
    order = np.argsort(-before, kind="stable")
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(len(order))
    best = [id for id in np.argsort(-after, kind="stable")[:AFTER].tolist() if after[id] > 0]
    return sorted({*order[:BEFORE].tolist(), *best, *always}, key=lambda id: int(rank[id]))

"""Let live models look for needles in a haystack; the view's grid fills up one cell at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llmlib.evaluation.contexts import needle_grid
from llmlib.explore.shared.own_model import own_model
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets.long_context.view import LongContextView, long_context_view


def explore_long_context(
    models: Transformer | Mapping[str, Transformer],
    tokenizer: Tokenizer,
    haystack: str,
    needles: Sequence[tuple[str, str, str]],
    lengths: Sequence[int],
    depths: Sequence[float | int],
    *,
    losses: Mapping[str, Any] | None = None,
    trained: int | None = None,
) -> LongContextView:
    """Show a grid of how often models find a needle in a haystack; a button runs the measurement cell by cell.

    `needles` and `haystack` mean the same as in `llmlib.evaluation.needle_grid`, and `losses` and `trained` mean the
    same as in `llmlib.widgets.long_context_view`. Cancel stops the measurement; when the user presses the button again,
    the measurement continues with the cells that are still missing. Raises `ValueError` if one of the `lengths` exceeds
    a model's context.

    >>> from llmlib.pretrained import load_pretrained
    >>> model, tokenizer = load_pretrained("tinytales", dtype="float32")
    >>> needle = (" Pip hid the key.", " Who hid the key?", " Pip")
    >>> explore_long_context(model, tokenizer, "The sun was warm. " * 20, [needle], [40, 80], [0, 1])
    <LongContextView: Needles found at 2 lengths and 2 depths: model not measured yet. 4 of 4 cells not measured yet.>
    """
    named = {"model": models} if isinstance(models, Transformer) else dict(models)
    longest = max(lengths, default=0)
    for name, model in named.items():
        if longest > (most := model.config.max_seq_len):
            raise ValueError(f"{name!r} takes at most {most:,} tokens, but the longest text has {longest:,}.")
    empty = np.full((len(lengths), len(depths)), np.nan)
    grids = dict.fromkeys(named, empty)
    view = long_context_view(losses, grids, lengths=lengths, depths=depths, trained=trained, needles=len(needles))
    read = {name: own_model(model, view.check) for name, model in named.items()}

    def measure() -> None:
        missing = np.argwhere(np.isnan(view.shares().transpose(1, 2, 0)))  # short texts first
        for done, (row, column, arm) in enumerate(missing):
            name, length, depth = list(named)[arm], lengths[row], depths[column]
            view.progress(f"cell {done + 1} of {len(missing)}: {name}, {length:,} tokens")
            view.put(name, length, depth, needle_grid(read[name], tokenizer, haystack, needles, [length], [depth]))

    view.on_act("measure", lambda: None, then=measure)
    return view

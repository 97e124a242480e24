"""Draw the static picture of a logit lens, for environments where widgets cannot run."""

import math
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from llmlib.widgets.logit_lens.cells import PENDING, Cells
from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.still import FAINT, INK, blend, ink_on
from llmlib.widgets.shared.token_text import percent, picture, visible_token, width_of

STOPS = ("#ffffff", "#cfe3f7", "#6aa5dc", "#0b5cad", "#06264d")  # the colours of canvas.mjs's light theme
COLUMNS, CELL, ROW, LEFT, TOP = 8, 84, 20, 76, 94
# In pixels, `GAP` is the space before the column of ranks, and `RANK` is its width. A rank of 10 ** `DEEP` or more has
# the palest shade.
GAP, RANK, DEEP = 26, 92, 4


@runtime_checkable
class Lens(Protocol):
    """The parts of `LogitLensView` that this module draws."""

    a: dict[str, Any]
    pinned: dict[str, Any]

    def pinned_ranks(self) -> Int[np.ndarray, "layer seq"] | None: ...
    def cells(self, side: str = "a") -> Cells: ...
    def word(self, id: int, side: str = "a") -> str: ...


def draw(view: Lens) -> str:
    """Draw what the model would say after each layer at the last positions of text A.

    The last column shows the rank of the final answer, or of the pinned token, after the last token.
    """
    tokens, cells = view.a["tokens"], view.cells()
    pinned = view.pinned_ranks()
    ranks = (cells.ranks if pinned is None else pinned)[:, -1].astype("<i4")  # signed: PENDING becomes -1 again
    ranked = view.word(int(cells.top[-1, -1, 0])) if pinned is None else view.pinned["token"]
    first, n_layers = max(0, len(tokens) - COLUMNS), view.a["layers"]
    shown = range(first, len(tokens))
    columns, width = len(shown), LEFT + COLUMNS * CELL + GAP + RANK + 12
    beside = LEFT + columns * CELL + GAP
    of = "" if not first else f"The last {columns} of {len(tokens):,} tokens. "
    parts = [
        f'<text x="8" y="22" font-weight="600">{of}Each cell: the likeliest next token if the model stopped there.'
        "</text>",
        f'<text x="8" y="42" fill="{FAINT}" font-size="12">Darker means more certain. Each column reads the token '
        "above it; the last row is the model’s answer.</text>",
        f'<text x="8" y="60" fill="{FAINT}" font-size="12">Last column: the rank of {_named(ranked)} after '
        f"the last token, where 1st is the model’s first choice.</text>",
        f'<text x="{LEFT - 8}" y="{TOP - 8}" text-anchor="end" fill="{FAINT}" font-size="12">reads</text>',
        _text(beside + RANK / 2, TOP - 8, "rank", INK, 600),
    ]
    for column, position in enumerate(shown):
        parts.append(_text(LEFT + column * CELL + CELL / 2, TOP - 8, _label(tokens[position]), INK, 600))
    for layer in range(n_layers):
        y = TOP + layer * ROW + (4 if layer == n_layers - 1 else 0)
        name = "embedding" if layer == 0 else f"layer {layer}" if layer < n_layers - 1 else "answer"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end" fill="{FAINT}" font-size="11">{name}</text>')
        for column, position in enumerate(shown):
            p, word = float(cells.probabilities[layer, position, 0]), view.word(int(cells.top[layer, position, 0]))
            fill, x = shade(p**0.5), LEFT + column * CELL
            parts.append(f'<rect x="{x}" y="{y}" width="{CELL - 1}" height="{ROW - 1}" fill="{fill}"/>')
            parts.append(_text(x + CELL / 2, y + 14, _label(word), ink_on(fill)))
        rank = int(ranks[layer])
        if rank != PENDING:
            fill = shade(max(0.0, 1 - math.log10(rank + 1) / DEEP))
            parts.append(f'<rect x="{beside}" y="{y}" width="{RANK}" height="{ROW - 1}" fill="{fill}"/>')
            parts.append(_text(beside + RANK / 2, y + 14, ordinal(rank + 1), ink_on(fill)))
    y = TOP + n_layers * ROW + 24
    stops = "".join(f'<stop offset="{k / 4}" stop-color="{colour}"/>' for k, colour in enumerate(STOPS))
    parts.append(f'<defs><linearGradient id="scale">{stops}</linearGradient></defs>')
    parts.append(f'<rect x="{LEFT}" y="{y}" width="240" height="8" fill="url(#scale)" stroke="#b8bec6"/>')
    for p in (0.0, 0.1, 0.5, 1.0):
        parts.append(_text(LEFT + 240 * p**0.5, y + 22, percent(p), FAINT))
    return picture("".join(parts), width, float(y + 34))


def _text(x: float, y: int, words: str, fill: str, weight: int = 400) -> str:
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return (
        f'<text x="{x:g}" y="{y}" text-anchor="middle" font-family="monospace" font-size="12" fill="{fill}"{bold}>'
        f"{escape_xml(words)}</text>"
    )


def _label(token: str) -> str:
    """Shorten a token so that it fits into a cell."""
    label = visible_token(token)
    while width_of(label) > CELL + 8:  # letters are smaller here than `width_of` assumes
        label = label.removesuffix("…")[:-1] + "…"
    return label


def _named(token: str) -> str:
    label = visible_token(token)
    return escape_xml(f"“{label if len(label) <= 30 else label[:29] + '…'}”")


def ordinal(n: int) -> str:
    """Format a number as an ordinal.

    >>> ordinal(1), ordinal(12), ordinal(1202)
    ('1st', '12th', '1,202nd')
    """
    ending = "th" if 11 <= n % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def shade(t: float) -> str:
    """Return the colour for a share between 0 and 1, from white to dark blue.

    >>> shade(0.0), shade(1.0)
    ('#ffffff', '#06264d')
    """
    return blend(t, STOPS)

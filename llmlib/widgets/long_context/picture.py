"""Draw the static picture of a long-context view, for environments where widgets cannot run."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from llmlib.widgets.long_context.losses import Curves
from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.runs.charts import COLOURS, LINE, domain, number, ticks, word
from llmlib.widgets.shared.still import FAINT, INK, blend, ink_on
from llmlib.widgets.shared.token_text import picture

WIDTH, LEFT, TOP = 860, 56.0, 72.0
TALL, NAMES = 240.0, 210.0  # pixels: the chart's height, and the width for the names of its arms
STOPS = ("#ffffff", "#cfe3f7", "#6aa5dc", "#0b5cad", "#06264d")  # the colours of canvas.mjs's light theme
CELL, ROW, HEAD = 46, 22, 58  # pixels: a cell's width and height, and the width for the names of its rows
BEYOND = "#f1f1f2"  # the background past the trained length


@runtime_checkable
class Board(Protocol):
    """The parts of `LongContextView` that this module draws."""

    about: Mapping[str, Any]

    def curves(self) -> Curves: ...
    def shares(self) -> Float[np.ndarray, "arm length depth"]: ...


def draw(view: Board) -> str:
    """Draw the losses of all arms by position, and below them the grids of all arms that have a grid."""
    trained = view.about["trained"]
    parts, y = [], 28.0
    if view.about["arms"]:
        limit = f" The model was trained on {trained:,} positions; the area beyond them is grey." if trained else ""
        parts.append(_line(8, y, "Loss by position (nats per token)", "600"))
        parts.append(f'<text x="8" y="{y + 20:g}" font-size="12" fill="{FAINT}">{limit.strip()}</text>')
        parts += _losses(view, y + 34)
        y += 34 + TALL + 62
    if view.about["grid_arms"]:
        parts.append(_line(8, y, "A needle in a haystack: how often it is found", "600"))
        words = "Across: length of the text in tokens. Down: how far into the text the needle is."
        beyond = " The line marks the trained length." if trained else ""
        parts.append(f'<text x="8" y="{y + 20:g}" font-size="12" fill="{FAINT}">{words}{beyond}</text>')
        grids, y = _grids(view, y + 36)
        parts += grids
    return picture("".join(parts), max(WIDTH, _across(view) + 16), y + 8)


def _line(x: float | int, y: float | int, words: str, weight: str = "400") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-weight="{weight}">{escape_xml(words)}</text>'


def _losses(view: Board, top: float | int) -> list[str]:
    curves, about = view.curves(), view.about
    low, high = domain(np.concatenate([curves.low.ravel(), curves.high.ravel()]), from_zero=True)
    end, width = float(curves.last[-1]), WIDTH - LEFT - NAMES
    x = lambda position: LEFT + width * position / max(1.0, end)  # noqa: E731
    y = lambda loss: top + TALL * (high - loss) / (high - low)  # noqa: E731
    parts, bottom = [], top + TALL
    if about["trained"] and about["trained"] < end:
        at = x(about["trained"])
        parts.append(
            f'<rect x="{at:.1f}" y="{top:g}" width="{LEFT + width - at:.1f}" height="{TALL:g}" fill="{BEYOND}"/>'
        )
        parts.append(f'<path d="M{at:.1f} {top:g}v{TALL:g}" stroke="{INK}" stroke-dasharray="4 3"/>')
    for loss in ticks(low, high, 5):
        parts.append(f'<path d="M{LEFT:g} {y(loss):.1f}h{width:g}" stroke="{LINE}"/>')
        parts.append(word(LEFT - 5, y(loss) + 4, number(round(loss, 6)), "end"))
    for position in ticks(0, end, 6):
        parts.append(word(x(position), bottom + 15, number(position), "middle"))
    parts.append(word(LEFT + width / 2, bottom + 32, "position (tokens)", "middle"))
    middles = [(x(a) + x(b)) / 2 for a, b in zip(curves.first, curves.last)]
    for row, arm in enumerate(about["arms"]):
        colour, known = COLOURS[arm % len(COLOURS)], np.flatnonzero(np.isfinite(curves.mean[row]))
        there = [f"{middles[k]:.1f},{y(curves.high[row, k]):.1f}" for k in known]
        back = [f"{middles[k]:.1f},{y(curves.low[row, k]):.1f}" for k in known[::-1]]
        if about["rows"] > 1:
            parts.append(f'<polygon points="{" ".join(there + back)}" fill="{colour}" fill-opacity="0.2"/>')
        line = " ".join(f"{middles[k]:.1f},{y(curves.mean[row, k]):.1f}" for k in known)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        at = top + 14 + 40 * row
        parts.append(f'<rect x="{WIDTH - NAMES + 14}" y="{at - 10:g}" width="14" height="10" fill="{colour}"/>')
        parts.append(
            f'<text x="{WIDTH - NAMES + 34}" y="{at:g}" font-size="12">{escape_xml(about["names"][arm][:26])}</text>'
        )
        inside, beyond = about["sides"][row]
        means = ([] if inside is None else [f"mean {inside:.2f}"]) + (
            [] if beyond is None else [f"beyond {beyond:.2f}"]
        )
        parts.append(word(WIDTH - NAMES + 34, at + 15, ", ".join(means), "start"))
    return parts


def _across(view: Board) -> int:
    """Return the width that one grid needs, in pixels."""
    return HEAD + CELL * len(view.about["lengths"]) + 24


def _grids(view: Board, top: float | int) -> tuple[list[str], float]:
    about, shares, parts = view.about, view.shares(), []
    each, tall = _across(view), 46 + ROW * len(about["depths"]) + 14
    columns = max(1, WIDTH // each)
    past = [k for k, length in enumerate(about["lengths"]) if about["trained"] and length > about["trained"]]
    for place, (arm, grid) in enumerate(zip(about["grid_arms"], shares)):
        left, y = 8 + each * (place % columns), top + tall * (place // columns)
        parts.append(
            f'<text x="{left}" y="{y + 12:g}" font-size="12"><tspan font-weight="600">'
            f"{escape_xml(about['names'][arm][:24])}</tspan> {found(grid)}</text>"
        )
        for k, length in enumerate(about["lengths"]):
            parts.append(word(left + HEAD + CELL * (k + 0.5), y + 34, f"{length:,}", "middle"))
        for row, depth in enumerate(about["depths"]):
            at = y + 40 + ROW * row
            parts.append(word(left + HEAD - 6, at + 15, f"{depth:.0%} in", "end"))
            for k in range(len(about["lengths"])):
                share = float(grid[k, row])
                fill = blend(share, STOPS) if share == share else "none"
                box = f'x="{left + HEAD + CELL * k}" y="{at:g}" width="{CELL - 1}" height="{ROW - 1}"'
                parts.append(f'<rect {box} fill="{fill}" stroke="{LINE}"/>')
                ink, words = (ink_on(fill), f"{share:.0%}") if share == share else (FAINT, "·")
                place_of = f'x="{left + HEAD + CELL * (k + 0.5) - 0.5:g}" y="{at + 15:g}" text-anchor="middle"'
                parts.append(f'<text {place_of} font-size="11" fill="{ink}">{words}</text>')
        if past:
            x = left + HEAD + CELL * past[0] - 1
            parts.append(
                f'<path d="M{x} {y + 24:g}v{16 + ROW * len(about["depths"])}" stroke="{INK}" stroke-width="2"/>'
            )
    return parts, top + tall * -(-len(shares) // columns)


def found(grid: Float[np.ndarray, "length depth"]) -> str:
    """Format the share of needles found, averaged over all measured cells.

    >>> found(np.array([[0.5, 1.0, np.nan]])), found(np.array([[np.nan]]))
    ('75%', 'not measured yet')
    """
    known = grid[np.isfinite(grid)]
    return f"{known.mean():.0%}" if known.size else "not measured yet"


def counted(n: int, what: str) -> str:
    """Write a number with its noun, in the singular or plural.

    >>> counted(1, "length"), counted(2000, "cell")
    ('1 length', '2,000 cells')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"

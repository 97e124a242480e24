"""Draw the charts of runs in a static picture, with small charts next to one large chart, as chart.mjs does."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.runs.curves import Curve
from llmlib.widgets.shared.still import FAINT, INK

COLOURS = ("#0b5cad", "#b85000", "#00745a", "#a3468b", "#1f7fb0", "#8a6000")  # from the light theme of board.css
DASHES = ("5 3", "2 3", "9 3 2 3")
POINTS = 240  # a line in the picture has at most this many points
DOTTED = 40  # a dashed line has at most this many marks, and none if it has as many points as the run's curve
LARGE, SMALL = (550, 260), (166, 48)
BELOW = 384.0  # the y coordinate of the first line under the charts
LINE = "#d5d9de"

Pairs = list[tuple[dict[str, Any], Curve, Curve]]


class Frame(NamedTuple):
    """The position of a chart in the picture, and the values at its edges."""

    left: float
    top: float
    width: float
    height: float
    to: float  # the last step, at the right edge; the left edge is step 0
    low: float
    high: float

    def x(self, step: int | float) -> float:
        return self.left + self.width * step / max(1.0, self.to)

    def y(self, value: int | float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.top + self.height * (1 - min(1.0, max(0.0, share)))


def charts(pairs: Pairs, titles: Sequence[str], caps: bool, from_zero: Sequence[bool]) -> str:
    """Draw each run's measurements: a large chart of the first value, with dashed lines, and small charts of the rest.

    If `caps` is true, a run whose values rise far above the runs' first values does not flatten the other curves.
    """
    to = max([1, *(about["steps"] or about["step"] for about, _, _ in pairs)])
    parts = []
    for which, title in enumerate(titles):
        at, size = ((52, 76), LARGE) if which == 0 else ((668, 76 + 106 * (which - 1)), SMALL)
        rows = [np.zeros(0), *(curve.mean[which] for _, curve, _ in pairs)]
        if which == 0:
            rows += [row for _, _, dashed in pairs for row in dashed.mean]
        values = np.concatenate(rows)
        firsts = [float(curve.mean[0, 0]) for _, curve, _ in pairs if which == 0 and len(curve)]
        if caps and firsts:
            values = np.minimum(values, 1.5 * max(firsts))
        frame = Frame(*at, *size, float(to), *domain(values, from_zero[which]))
        parts += [*_axes(frame, title), *_lines(frame, pairs, which)]
    return "".join(parts)


def _axes(frame: Frame, title: str) -> list[str]:
    large = frame.width == LARGE[0]
    bottom = frame.top + frame.height
    place = f'x="{frame.left:g}" y="{frame.top - 8:g}" font-size="12" font-weight="600"'
    parts = [f'<text {place} fill="{INK}">{title}</text>']
    for value in ticks(frame.low, frame.high, 5 if large else 2):
        y = frame.y(value)
        parts.append(f'<path d="M{frame.left:g} {y:.1f}h{frame.width:g}" stroke="{LINE}"/>')
        parts.append(word(frame.left - 5, y + 4, number(value), "end"))
    for step in ticks(0, frame.to, 5 if large else 2):
        words = f"{step:,.0f}" + (" steps" if step == 0 and large else "")
        parts.append(word(frame.x(step), bottom + 15, words, "middle"))
    return parts


def _lines(frame: Frame, pairs: Pairs, which: int) -> list[str]:
    parts = []
    for k, (_, curve, dashed) in enumerate(pairs):
        parts.append(line(frame, curve.last, curve.mean[which], colour(k), ""))
        if which == 0:
            for row, values in enumerate(dashed.mean):
                dots = thinned(dashed.last, values, DOTTED) if len(dashed) < len(curve) else []
                parts.append(line(frame, dashed.last, values, colour(k), DASHES[row % len(DASHES)]))
                place = lambda step, value: f'cx="{frame.x(step):.1f}" cy="{frame.y(value):.1f}"'  # noqa: E731
                parts += [f'<circle {place(*dot)} r="2.2" fill="{colour(k)}"/>' for dot in dots]
    return parts


def legends(pairs: Pairs, words: Sequence[str]) -> tuple[str, float]:
    """Draw the legend below the charts; return the SVG, and the y coordinate just below the legend.

    For each run, the legend shows the run's colour, its text from `words`, and why it failed, if it did.
    """
    parts, y = [], BELOW
    for k, (about, _, _) in enumerate(pairs):
        parts.append(f'<rect x="8" y="{y - 10:g}" width="14" height="10" rx="2" fill="{colour(k)}"/>')
        parts.append(f'<text x="28" y="{y:g}" font-size="12">{escape_xml(words[k])}</text>')
        y += 20
        for why in textwrap.wrap(about["words"], 118):
            parts.append(f'<text x="28" y="{y:g}" font-size="12" fill="#9a4f00">{escape_xml(why)}</text>')
            y += 18
    return "".join(parts), y


def thinned(steps: np.ndarray, values: np.ndarray, most: int) -> list[tuple[float, float]]:
    """Reduce a line to at most `most` points; each is the mean of neighbouring points, placed at their last step.

    >>> thinned(np.array([1, 2, 3, 4]), np.array([8.0, 6.0, 3.0, 1.0]), 2)
    [(2.0, 7.0), (4.0, 2.0)]
    """
    known = [(float(step), float(value)) for step, value in zip(steps, values) if math.isfinite(value)]
    every = max(1, math.ceil(len(known) / most))
    groups = [known[k : k + every] for k in range(0, len(known), every)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def line(frame: Frame, steps: np.ndarray, values: np.ndarray, colour: str, dashes: str) -> str:
    points = " ".join(f"{frame.x(step):.1f},{frame.y(value):.1f}" for step, value in thinned(steps, values, POINTS))
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"{dashed}/>' if points else ""


def wrapped(text: str, width: int = 112, most: int = 6) -> list[str]:
    """Wrap a text into at most `most` lines; "…" replaces the rest."""
    lines = [part for line in text.splitlines() for part in (textwrap.wrap(line, width) or [""])]
    return lines if len(lines) <= most else [*lines[: most - 1], "…"]


def word(x: int | float, y: int | float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="{FAINT}">{words}</text>'


def colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def domain(values: np.ndarray, from_zero: bool) -> tuple[float, float]:
    """Return the lowest and the highest value on a chart's y-axis.

    >>> domain(np.array([2.0, 4.0, math.nan]), from_zero=False)
    (1.9, 4.1)
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return (0.0, high + pad) if from_zero and low >= 0 else (low - pad, high + pad)


def ticks(low: int | float, high: int | float, about: int) -> list[float]:
    """Choose roughly `about` round numbers from `low` to `high`.

    >>> ticks(0, 1000, 5), ticks(1.9, 4.1, 3)
    ([0.0, 200.0, 400.0, 600.0, 800.0, 1000.0], [2.0, 3.0, 4.0])
    """
    step = nice((high - low) / about)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def nice(size: int | float) -> float:
    """Round the distance between two ticks to 1, 2 or 5 times a power of ten.

    >>> nice(0.7), nice(230)
    (0.5, 200.0)
    """
    power: float = 10.0 ** math.floor(math.log10(size))
    return float(min((1, 2, 5, 10), key=lambda k: abs(math.log(size / (k * power)))) * power)


def number(value: int | float) -> str:
    """Format a number compactly.

    >>> number(0.0003), number(12000.0), number(2.5), number(5e7), number(-3.14e12)
    ('0.0003', '12k', '2.5', '50M', '-3.1e+12')
    """
    if abs(value) >= 1e10:
        return f"{value:.1e}"
    unit, sign = (1e6, "M") if abs(value) >= 1e7 else (1e3, "k") if abs(value) >= 1e4 else (1, "")
    return f"{value / unit:g}{sign}"

"""The static picture of a training view: what is shown where no widget can run."""

import math
import textwrap
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.still import FAINT, INK, blend
from llmlib.widgets.shared.token_text import picture
from llmlib.widgets.training.curves import Curve
from llmlib.widgets.training.history import History

COLOURS = ("#0b5cad", "#b85000", "#00745a", "#a3468b", "#1f7fb0", "#8a6000")  # as in the light theme of view.css
POINTS = 240  # of a line in the picture
WIDTH, LARGE, SMALL = 860, (550, 260), (166, 48)
LINE = "#d5d9de"
STOPS = ("#ffffff", "#cfe3f7", "#6aa5dc", "#0b5cad", "#06264d")  # as in the light theme of canvas.mjs
DECADES = 3  # powers of ten between the ends of these colours


@runtime_checkable
class Board(Protocol):
    """The parts of `TrainingView` that this module draws."""

    def pairs(self) -> list[tuple[dict[str, Any], Curve, Curve]]: ...
    def last_samples(self) -> list[tuple[str, int, str]]: ...
    def histories(self) -> list[tuple[str, History]]: ...


class Frame(NamedTuple):
    """Where a chart is in the picture, and what its edges mean."""

    left: float
    top: float
    width: float
    height: float
    to: float  # the last step; the first is 0
    low: float
    high: float

    def x(self, step: int | float) -> float:
        return self.left + self.width * step / max(1.0, self.to)

    def y(self, value: int | float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.top + self.height * (1 - min(1.0, max(0.0, share)))


def draw(view: Board) -> str:
    """Draw all runs as they are now."""
    pairs = view.pairs()
    parts = [
        '<text x="8" y="22" font-weight="600">Loss, step by step: the lower, the better the model predicts.</text>',
        f'<text x="8" y="42" fill="{FAINT}" font-size="12">Lines: text it trains on. Dashed, with dots: validation, '
        "text it never trains on. Run this cell to use the view.</text>",
    ]
    parts += _charts(pairs)
    y = 384.0
    for number, (about, _, _) in enumerate(pairs):
        parts.append(f'<rect x="8" y="{y - 10:g}" width="14" height="10" rx="2" fill="{_colour(number)}"/>')
        parts.append(f'<text x="28" y="{y:g}" font-size="12">{escape_xml(_legend(about))}</text>')
        y += 20
        for line in textwrap.wrap(about["words"], 118):
            parts.append(f'<text x="28" y="{y:g}" font-size="12" fill="#9a4f00">{escape_xml(line)}</text>')
            y += 18
    histories = view.histories()
    for name, history in histories:
        source, y = _updates(f"{name}: " if len(pairs) > 1 else "", history, _power_above(histories), y + 12)
        parts.append(source)
    for name, step, text in view.last_samples():
        whose = f"{name} writes" if len(pairs) > 1 else "The model writes"
        y += 12
        parts.append(
            f'<text x="8" y="{y:g}" font-weight="600" font-size="13">{escape_xml(whose)} after {step:,} steps</text>'
        )
        for line in _lines(text):
            y += 18
            parts.append(f'<text x="8" y="{y:g}" font-family="monospace" font-size="12">{escape_xml(line)}</text>')
        y += 12
    return picture("".join(parts), WIDTH, y + 4)


def _charts(pairs: list[tuple[dict[str, Any], Curve, Curve]]) -> list[str]:
    to = max([1, *(about["steps"] or about["step"] for about, _, _ in pairs)])
    validations = [validation.mean[0] for _, _, validation in pairs]
    parts = _chart("Loss (nats a token)", (52, 76), LARGE, to, pairs, 0, validations)
    names = ("Learning rate", "Gradient norm", "Tokens a second")
    for row, name in enumerate(names):
        parts += _chart(name, (668, 76 + 106 * row), SMALL, to, pairs, row + 1, [])
    return parts


def _chart(
    title: str,
    at: tuple[int | float, int | float],
    size: tuple[int | float, int | float],
    to: int,
    pairs: list[tuple[dict[str, Any], Curve, Curve]],
    which: int,
    validations: list[np.ndarray],
) -> list[str]:
    everything = np.concatenate([np.zeros(0), *(curve.mean[which] for _, curve, _ in pairs), *validations])
    firsts = [float(curve.mean[0, 0]) for _, curve, _ in pairs if which == 0 and len(curve)]
    if firsts:  # a run that diverges does not flatten the others
        everything = np.minimum(everything, 1.5 * max(firsts))
    low, high = domain(everything, from_zero=which > 0)
    frame = Frame(*at, *size, float(to), low, high)
    bottom = frame.top + frame.height
    parts = [
        f'<text x="{frame.left:g}" y="{frame.top - 8:g}" font-size="12" font-weight="600" fill="{INK}">{title}</text>'
    ]
    for value in ticks(low, high, 5 if size == LARGE else 2):
        y = frame.y(value)
        parts.append(f'<path d="M{frame.left:g} {y:.1f}h{frame.width:g}" stroke="{LINE}"/>')
        parts.append(_word(frame.left - 5, y + 4, number(value), "end"))
    for step in ticks(0, to, 5 if size == LARGE else 2):
        parts.append(
            _word(
                frame.x(step), bottom + 15, f"{step:,.0f}" + (" steps" if step == 0 and size == LARGE else ""), "middle"
            )
        )
    for k, (_, curve, validation) in enumerate(pairs):
        parts.append(_line(frame, curve.last, curve.mean[which], _colour(k), ""))
        if validations:
            dots = "".join(
                f'<circle cx="{frame.x(step):.1f}" cy="{frame.y(value):.1f}" r="2.2" fill="{_colour(k)}"/>'
                for step, value in _thinned(validation.last, validation.mean[0], 40)
            )
            parts.append(_line(frame, validation.last, validation.mean[0], _colour(k), "5 3") + dots)
    return parts


def _power_above(histories: list[tuple[str, History]]) -> int:
    """Find the power of ten above the medians of all updates, so that all runs share the same colours."""
    medians = np.concatenate([history.of("updates")[:, :, 2].reshape(-1) for _, history in histories])
    known = medians[np.isfinite(medians) & (medians > 0)]
    return math.ceil(math.log10(float(known.max())) - 1e-6) if len(known) else 0


def _updates(whose: str, history: History, high: int, y: float) -> tuple[str, float]:
    """Draw how far each step moved the parts of a model, as colours over the steps; return it and the y below."""
    medians, low = history.of("updates")[:, :, 2], high - DECADES
    title = f"{whose}how far each step moved the weights, ‖Δw‖ / ‖w‖ (a rule of thumb: 0.001)"
    parts = [f'<text x="8" y="{y:g}" font-weight="600" font-size="13">{escape_xml(title)}</text>']
    left, width, y = 92, 620.0, y + 10
    for row, group in enumerate(reversed(history.groups)):
        top, column = y + 15 * row, medians[:, len(history.groups) - 1 - row]
        parts.append(_word(left - 6, top + 11, escape_xml(group), "end"))
        for k, median in enumerate(column.tolist()):
            if math.isnan(median):
                continue
            share = (math.log10(median) - low) / DECADES if median > 0 else 0.0
            x, each = left + width * k / len(column), width / len(column)
            fill = blend(share, STOPS)
            parts.append(f'<rect x="{x:.1f}" y="{top:g}" width="{each + 0.3:.1f}" height="14" fill="{fill}"/>')
        known = column[np.isfinite(column)]
        if len(known):
            parts.append(_word(left + width + 6, top + 11, f"{float(np.median(known)):.1g}", "start"))
    y += 15 * len(history.groups)
    ends = ((left, f"step {history.steps[0]:,}", "start"), (left + width, f"step {history.steps[-1]:,}", "end"))
    parts += [_word(x, y + 12, words, anchor) for x, words, anchor in ends]
    scale = f"white: {10.0**low:g} and less; dark: {10.0**high:g}; at the end: the median of all steps"
    parts.append(_word(left + width / 2, y + 12, scale, "middle"))
    return "".join(parts), y + 24


def _thinned(steps: np.ndarray, values: np.ndarray, most: int) -> list[tuple[float, float]]:
    """Thin a line to so many points, each the mean of neighbours at their last step.

    >>> _thinned(np.array([1, 2, 3, 4]), np.array([8.0, 6.0, 3.0, 1.0]), 2)
    [(2.0, 7.0), (4.0, 2.0)]
    """
    known = [(float(step), float(value)) for step, value in zip(steps, values) if math.isfinite(value)]
    every = max(1, math.ceil(len(known) / most))
    groups = [known[k : k + every] for k in range(0, len(known), every)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def _line(frame: Frame, steps: np.ndarray, values: np.ndarray, colour: str, dashes: str) -> str:
    points = " ".join(f"{frame.x(step):.1f},{frame.y(value):.1f}" for step, value in _thinned(steps, values, POINTS))
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"{dashed}/>' if points else ""


def _legend(about: dict[str, Any]) -> str:
    of = f" of {about['steps']:,}" if about["steps"] and about["state"] != "finished" else ""
    parts = [f"{about['name']}: {about['state']}, {about['step']:,}{of} steps"]
    if "loss" in about:
        parts.append(f"loss {about['loss']:.3f}")
    if "best" in about:
        parts.append(f"validation {about['validation_loss']:.3f}")
        parts[-1] += f" (lowest {about['best']:.3f} at step {about['best_step']:,})"
    return " · ".join(parts)


def _lines(text: str, width: int = 112, most: int = 6) -> list[str]:
    lines = [part for line in text.splitlines() for part in (textwrap.wrap(line, width) or [""])]
    return lines if len(lines) <= most else [*lines[: most - 1], "…"]


def _word(x: int | float, y: int | float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="{FAINT}">{words}</text>'


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def domain(values: np.ndarray, from_zero: bool) -> tuple[float, float]:
    """Find the values that a chart goes from and to.

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
    """Choose about so many round numbers from `low` to `high`.

    >>> ticks(0, 1000, 5), ticks(1.9, 4.1, 3)
    ([0.0, 200.0, 400.0, 600.0, 800.0, 1000.0], [2.0, 3.0, 4.0])
    """
    step = nice((high - low) / about)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def nice(size: int | float) -> float:
    """Round a distance between ticks to 1, 2, 5, 10, 20, 50 ….

    >>> nice(0.7), nice(230)
    (0.5, 200.0)
    """
    power: float = 10.0 ** math.floor(math.log10(size))
    return float(min((1, 2, 5, 10), key=lambda k: abs(math.log(size / (k * power)))) * power)


def number(value: int | float) -> str:
    """Write a number briefly.

    >>> number(0.0003), number(12000.0), number(2.5), number(5e7), number(-3.14e12)
    ('0.0003', '12k', '2.5', '50M', '-3.1e+12')
    """
    if abs(value) >= 1e10:
        return f"{value:.1e}"
    unit, sign = (1e6, "M") if abs(value) >= 1e7 else (1e3, "k") if abs(value) >= 1e4 else (1, "")
    return f"{value / unit:g}{sign}"

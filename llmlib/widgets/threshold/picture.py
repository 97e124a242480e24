"""Draw the static picture of a threshold view, for environments where widgets cannot run."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.runs.charts import LINE, ticks, word
from llmlib.widgets.shared.still import FAINT, INK
from llmlib.widgets.shared.token_text import picture
from llmlib.widgets.threshold.scores import Scores, brief, groups_in_words

WIDTH, LEFT, TOP = 860, 60, 82
TALL, BINS = 190.0, 40  # the height of both kinds of bars together, in pixels; the number of bins
RIGHT, WRONG, PALE = "#0b5cad", "#9a4f00", "0.3"  # from the light theme of shared.css
SIDE, CHARTS, GAP = 190.0, 352.0, 92.0  # pixels: the size of a small chart, its top, and the gap between charts
POINTS = 200  # a curve has at most this many points

Place = Callable[[float | int, float | int], tuple[float, float]]


@runtime_checkable
class Board(Protocol):
    """The parts of `ThresholdView` that this module draws."""

    about: Mapping[str, Any]
    place: Mapping[str, Any]

    @property
    def threshold(self) -> float: ...
    def looked_at(self) -> Scores: ...
    def all_scores(self) -> list[Scores]: ...


def draw(view: Board) -> str:
    """Draw the answers (along the axis of the current score), the threshold, and three small charts."""
    one, names = view.looked_at(), view.about["names"]
    about = view.about["scores"][view.place["score"]]
    kept, withheld = groups_in_words(one.counts(view.threshold), names)
    parts = [
        f'<text x="8" y="22" font-weight="600">{escape_xml(one.name)} at least {brief(view.threshold)}: '
        f"{escape_xml(kept)}</text>",
        f'<text x="8" y="42" fill="{FAINT}" font-size="12">{escape_xml(withheld)} Run this cell to drag the '
        "threshold.</text>",
        *_bars(one, view.threshold, names),
        *_risk(view, _place(0)),
        *_roc(view, _place(1)),
        *_reliability(about, names, _place(2)),
    ]
    return picture("".join(parts), WIDTH, CHARTS + SIDE + 44)


def _bars(one: Scores, threshold: float | int, names: list[str]) -> list[str]:
    """Draw bars along the score axis: up for right answers, down for wrong answers, and pale for withheld answers."""
    low, high, _ = one.axis()
    width = WIDTH - LEFT - 20.0
    x = lambda value: LEFT + width * (value - low) / (high - low)  # noqa: E731
    edges = np.linspace(low, high, BINS + 1)
    up, down = (np.histogram(one.values[side], edges)[0] for side in (one.right, ~one.right))
    unit = TALL / max(1, up.max() + down.max())
    middle = TOP + unit * up.max()
    at = x(min(max(threshold, low), high))
    parts = []
    for k in range(BINS):
        for count, colour, sign in ((up[k], RIGHT, -1), (down[k], WRONG, 1)):
            if count:
                height = unit * count
                top = middle - height if sign < 0 else middle
                begins, ends = x(edges[k]), x(edges[k + 1]) - 1
                for begin, end, opacity in ((begins, min(ends, at), PALE), (max(begins, at), ends, "1")):
                    if end > begin:
                        box = f'x="{begin:.1f}" y="{top:.1f}" width="{end - begin:.1f}" height="{height:.1f}"'
                        parts.append(f'<rect {box} fill="{colour}" fill-opacity="{opacity}"/>')
    bottom = TOP + TALL
    parts.append(f'<path d="M{LEFT} {middle:.1f}h{width:g}" stroke="{INK}"/>')
    for value in ticks(low, high, 5):
        parts.append(word(x(value), bottom + 18, brief(value), "middle"))
    for name, y, colour in ((names[0], middle - 6, RIGHT), (names[1], middle + 14, WRONG)):
        parts.append(
            f'<text x="{LEFT - 6}" y="{y:.1f}" text-anchor="end" font-size="11" fill="{colour}">'
            f"{escape_xml(name[:10])}</text>"
        )
    parts.append(f'<path d="M{at:.1f} {TOP - 18}v{TALL + 22:g}" stroke="{INK}" stroke-width="2"/>')
    for words, anchor, shift in (("withheld", "end", -6), ("let through", "start", 6)):
        if LEFT + 50 < at + shift * 10 < LEFT + width - 20:
            parts.append(word(at + shift, TOP - 8, words, anchor))
    return parts


def _place(number: int) -> Place:
    left = LEFT + number * (SIDE + GAP)
    return lambda x, y: (left + SIDE * x, CHARTS + SIDE * (1 - y))


def _frame(place: Place, title: str, across: str, up: str) -> list[str]:
    """Draw the axes of a small chart of shares, from 0 to 100%."""
    (left, bottom), (_, top) = place(0, 0), place(1, 1)
    parts = [f'<text x="{left:g}" y="{top - 10:g}" font-size="12" font-weight="600">{title}</text>']
    for value in (0.0, 0.5, 1.0):
        x, y = place(value, value)
        parts.append(f'<path d="M{left:g} {y:.1f}h{SIDE:g}M{x:.1f} {top:g}v{SIDE:g}" stroke="{LINE}" fill="none"/>')
        parts.append(word(left - 5, y + 4, f"{value:.0%}", "end") + word(x, bottom + 15, f"{value:.0%}", "middle"))
    parts.append(word(left + SIDE / 2, bottom + 32, escape_xml(across), "middle"))
    middle = (top + bottom) / 2
    turned = f'transform="rotate(-90 {left - 40:g} {middle:g})" text-anchor="middle" font-size="11" fill="{FAINT}"'
    return [*parts, f'<text x="{left - 40:g}" y="{middle:g}" {turned}>{escape_xml(up)}</text>']


def _curve(place: Place, xs: np.ndarray, ys: np.ndarray, colour: str, width: float | int) -> str:
    kept = np.unique(np.linspace(0, len(xs) - 1, min(len(xs), POINTS)).round().astype(int))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(xs[k], ys[k]) for k in kept))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _dot(place: Place, x: float | int, y: float | int) -> str:
    x, y = place(x, y)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{INK}"/>'


def _risk(view: Board, place: Place) -> list[str]:
    yes = view.about["names"][0]
    parts = _frame(place, "Fewer, but better?", "share let through", f"of these, {yes}")
    for one, shown in _all(view):
        right, wrong = one.steps()
        kept = (right + wrong)[1:]
        parts.append(_curve(place, kept / kept[-1], right[1:] / kept, RIGHT if shown else FAINT, 2 if shown else 1))
    counts = view.looked_at().counts(view.threshold)
    if counts.kept:
        parts.append(_dot(place, counts.kept / sum(counts), counts.kept_right / counts.kept))
    return parts


def _roc(view: Board, place: Place) -> list[str]:
    yes, no = view.about["names"]
    parts = _frame(place, "ROC", f"{no}, let through", f"{yes}, let through")
    counts = view.looked_at().counts(view.threshold)
    if view.looked_at().area() is None:
        x, y = place(0.5, 0.5)
        return [*parts, word(x, y, "needs both kinds", "middle")]
    parts.append(_curve(place, np.array([0.0, 1.0]), np.array([0.0, 1.0]), FAINT, 0.8))
    for one, shown in _all(view):
        right, wrong = one.steps()
        parts.append(_curve(place, wrong / wrong[-1], right / right[-1], RIGHT if shown else FAINT, 2 if shown else 1))
    return [*parts, _dot(place, counts.kept_wrong / wrong[-1], counts.kept_right / right[-1])]


def _all(view: Board) -> list[tuple[Scores, bool]]:
    """List all scores and whether each is current; the current score is last, so that it is drawn over the others."""
    pairs = [(one, number == view.place["score"]) for number, one in enumerate(view.all_scores())]
    return sorted(pairs, key=lambda pair: pair[1])


def _reliability(about: Mapping[str, Any], names: list[str], place: Place) -> list[str]:
    parts = _frame(place, "Reliability", "score", f"share {names[0]}")
    if about["error"] is None:
        x, y = place(0.5, 0.5)
        return [*parts, word(x, y, "not between 0 and 1", "middle")]
    parts.append(_curve(place, np.array([0.0, 1.0]), np.array([0.0, 1.0]), FAINT, 0.8))
    most = max(one["count"] for one in about["bins"])
    for one in about["bins"]:
        x, y = place(one["score"], one["right"])
        _, ideal = place(0, one["score"])
        parts.append(f'<path d="M{x:.1f} {ideal:.1f}V{y:.1f}" stroke="{WRONG}" stroke-width="2"/>')
        size = 2.5 + 4.5 * (one["count"] / most) ** 0.5
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="{RIGHT}"/>')
    return parts

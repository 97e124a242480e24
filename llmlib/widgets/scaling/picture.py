"""Draw the static picture of a scaling view, a plane of parameters and tokens, for use where widgets cannot run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from llmlib.widgets.scaling.rows import Number, Row, amount, best_for, line_of, loss_of
from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.still import FAINT, INK
from llmlib.widgets.shared.token_text import picture

YOURS = "#0b5cad"  # a colour from the light theme of shared.css
WIDTH, HEIGHT = 760, 470
LEFT, RIGHT, TOP, BOTTOM = 60.0, 16.0, 56.0, 66.0  # pixels around the plane
HALO = 'stroke="#ffffff" stroke-width="3" paint-order="stroke"'
Range = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom


@runtime_checkable
class Explorer(Protocol):
    """The parts of `ScalingView` that this module draws."""

    models: Sequence[Row]
    runs: Sequence[Row]
    place: Mapping[str, Any]

    @property
    def law(self) -> Row: ...
    @property
    def loss(self) -> float: ...


def draw(view: Explorer) -> str:
    """Draw lines of equal loss, the optimal sizes, known models, the user's runs, and the user's model."""
    law, you = view.law, (view.place["parameters"], view.place["tokens"])
    points = [(row["parameters"], row["tokens"]) for row in view.models]
    points += [(n, d) for row in view.runs for n, d, _ in row["points"]]
    corners = list(zip(law["parameters"], law["tokens"])) if law["parameters"] else []
    across, up = (_around([point[k] for point in (*points, *corners, you)]) for k in (0, 1))
    plane = _Plane(across, up)
    parts = [
        f'<text x="8" y="22" font-weight="600">{escape_xml(law["name"])}: {amount(you[0])} parameters and '
        f"{amount(you[1])} tokens reach a loss of {view.loss:.3f} nats.</text>",
        f'<text x="8" y="42" fill="{FAINT}" font-size="12">Thin lines: the same loss. Dashed: the best size for each '
        "amount of compute. Run this cell to use the view.</text>",
        '<clipPath id="plane"><rect x="60" y="56" width="684" height="348"/></clipPath><g clip-path="url(#plane)">',
    ]
    if corners:
        parts.append(plane.box(*corners))
    levels = _levels(law, across, up)
    for loss in levels:
        parts.append(plane.line(line_of(law, loss), f'stroke="{FAINT}" stroke-width="0.8"'))
    parts.append(plane.line(line_of(law, view.loss), f'stroke="{YOURS}" stroke-width="1.8"'))
    best = [best_for(law, 10.0**power) for power in range(-6, 37, 6)]
    parts.append(plane.line(best, f'stroke="{INK}" stroke-width="1.6" stroke-dasharray="7 4"'))
    parts.append("</g>" + plane.axes())
    parts += [plane.level_label(line_of(law, loss), f"{loss:g}") for loss in levels]
    parts += [plane.dot(n, d, 2.0) for row in view.runs for n, d, _ in row["points"]]
    parts += [plane.dot(row["parameters"], row["tokens"], 4.0) for row in view.models]
    parts.append(plane.names(view.models))
    x, y = plane.at(*you)
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="none" stroke="{YOURS}" stroke-width="3"/>')
    own = ", ".join(f"{len(row['points'])} of {row['name']}" for row in view.runs)
    words = "Ring: your model. " + (f"Small dots: your own runs, {own}." if own else "")
    parts.append(f'<text x="8" y="{HEIGHT - 8}" fill="{FAINT}" font-size="12">{escape_xml(words)}</text>')
    return picture("".join(parts), WIDTH, float(HEIGHT))


def _around(values: Sequence[Number]) -> Range:
    """Return a range slightly wider than the values need; its ends are powers of ten with whole or half exponents."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = 0.15 + 0.04 * (high - low)
    return 10 ** (math.floor(2 * (low - room)) / 2), 10 ** (math.ceil(2 * (high + room)) / 2)


def _levels(law: Row, across: Range, up: Range) -> list[float]:
    """Choose rounded losses for the lines, from losses along the diagonal of the plane."""
    shares = [0.04 + 0.92 * k / 9 for k in range(10)]
    diagonal = [loss_of(law, *(low * (high / low) ** share for low, high in (across, up))) for share in shares]
    least = loss_of(law, across[1], up[1])
    return sorted({loss for loss in (float(f"{value:.2g}") for value in diagonal) if loss > least * 1.0005})


class _Plane:
    """Finds positions on the plane of parameters and tokens, and draws lines, dots and names there."""

    def __init__(self, across: Range, up: Range):
        self.across, self.up = across, up

    def at(self, parameters: Number, tokens: Number) -> tuple[float, float]:
        x = math.log(parameters / self.across[0]) / math.log(self.across[1] / self.across[0])
        y = math.log(tokens / self.up[0]) / math.log(self.up[1] / self.up[0])
        return LEFT + (WIDTH - LEFT - RIGHT) * x, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y

    def line(self, points: Sequence[tuple[float, float]], looks: str) -> str:
        places = [self.at(*point) for point in points]
        near = " ".join(f"{x:.1f},{y:.1f}" for x, y in places if abs(x) < 1500 and abs(y) < 1500)
        return f'<polyline points="{near}" fill="none" {looks}/>'

    def level_label(self, points: Sequence[tuple[float, float]], words: str) -> str:
        """Label a line with its loss, at the last point that is well inside the plane."""
        places = [self.at(*point) for point in points]
        seen = [(x, y) for x, y in places if LEFT + 4 < x < WIDTH - RIGHT - 24 and TOP + 16 < y < HEIGHT - BOTTOM - 4]
        if not seen:
            return ""
        return (
            f'<text x="{seen[-1][0]:.1f}" y="{seen[-1][1] - 3:.1f}" fill="{FAINT}" font-size="11" {HALO}>{words}</text>'
        )

    def box(self, low: tuple[float, float], high: tuple[float, float]) -> str:
        (left, bottom), (right, top) = self.at(*low), self.at(*high)
        size = f'width="{right - left:.1f}" height="{bottom - top:.1f}"'
        return f'<rect x="{left:.1f}" y="{top:.1f}" {size} fill="{YOURS}" fill-opacity="0.09"/>'

    def dot(self, parameters: Number, tokens: Number, radius: float) -> str:
        x, y = self.at(parameters, tokens)
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{INK}"/>'

    def names(self, models: Sequence[Row]) -> str:
        """Write the name of each model next to its dot, unless the name would cover a dot or another name."""
        places = [self.at(row["parameters"], row["tokens"]) for row in models]
        taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
        parts = []
        for row, (x, y), own in zip(models, places, list(taken)):
            long = 7.0 * len(row["name"])
            for anchor, left, down in (
                ("start", 11.0, 4.0),
                ("end", -11.0 - long, 4.0),
                ("middle", -long / 2, -10.0),
                ("middle", -long / 2, 20.0),
            ):
                box = (x + left, y + down - 10, x + left + long, y + down + 3)
                if box[0] > LEFT and box[2] < WIDTH and not any(_meet(box, other) for other in taken if other != own):
                    at = {"start": x + 11, "end": x - 11, "middle": x}[anchor]
                    looks = f'font-size="11" font-weight="600" text-anchor="{anchor}" {HALO}'
                    parts.append(f'<text x="{at:.1f}" y="{y + down:.1f}" {looks}>{escape_xml(row["name"])}</text>')
                    taken.append(box)
                    break
        return "".join(parts)

    def axes(self) -> str:
        size = f'width="{WIDTH - LEFT - RIGHT:g}" height="{HEIGHT - TOP - BOTTOM:g}"'
        parts = [f'<rect x="{LEFT:g}" y="{TOP:g}" {size} fill="none" stroke="#b8bec6"/>']
        text = f'fill="{FAINT}" font-size="11"'
        for value in _tens(self.across):
            x, _ = self.at(value, self.up[0])
            y = HEIGHT - BOTTOM + 16
            parts.append(f'<text x="{x:.1f}" y="{y:g}" {text} text-anchor="middle">{amount(value)}</text>')
        for value in _tens(self.up):
            _, y = self.at(self.across[0], value)
            parts.append(f'<text x="{LEFT - 6:g}" y="{y + 4:.1f}" {text} text-anchor="end">{amount(value)}</text>')
        parts.append(f'<text x="400" y="{HEIGHT - BOTTOM + 34:g}" {text} text-anchor="middle">parameters</text>')
        parts.append(f'<text x="{LEFT + 6:g}" y="{TOP + 14:g}" {text}>tokens</text>')
        return "".join(parts)


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _tens(ends: Range) -> list[float]:
    return [10.0**power for power in range(math.ceil(math.log10(ends[0])), math.floor(math.log10(ends[1])) + 1)]

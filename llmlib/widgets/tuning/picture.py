"""Draw the static picture of a tuning view, for environments where widgets cannot run."""

import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.still import FAINT, INK, blend, ink_on
from llmlib.widgets.shared.token_text import picture, visible_token, width_of
from llmlib.widgets.tuning.moves import Mean, scale_of

LESS = ("#4a2600", "#9a4f00", "#e39b4b", "#fbe3c6")  # from the light theme of canvas.mjs
MORE = ("#cfe3f7", "#6aa5dc", "#0b5cad", "#06264d")
STOPS = (*LESS, "#ffffff", *MORE)
WIDTH, ROW, EDGE = 760, 40, 10
MOST_TOKENS = 220
Number = float | int


@runtime_checkable
class Tuning(Protocol):
    """The parts of `TuningView` that this module draws."""

    tokens: list[str]
    spans: list[dict[str, Any]]
    mask: bytes
    titles: list[str]

    def moves(self) -> Float[np.ndarray, " seq"]: ...
    def means(self) -> list[tuple[str, Mean]]: ...


def signed(move: float) -> str:
    """Write a change in nats with its sign, or "–" if the change is not known.

    >>> signed(1.26), signed(-0.5), signed(0.01), signed(float("nan"))
    ('+1.3', '−0.5', '0', '–')
    """
    if np.isnan(move):
        return "–"
    return "0" if abs(move) < 0.05 else f"{'+' if move > 0 else '−'}{abs(move):.1f}"


def draw(view: Tuning) -> str:
    """Draw the conversation token by token, with the colour scale and the mean surprise of each message."""
    moves, (base, tuned) = view.moves(), view.titles
    scale = scale_of(moves)
    parts = [
        _words(EDGE, 22, f"How much likelier each token is for {tuned} than for {base}", weight=600),
        _words(
            EDGE, 42, "In nats: +0.7 means twice as likely, −0.7 half as likely. Run this cell to use the view.", FAINT
        ),
    ]
    y: Number = 54
    means = view.means()
    rooms = shared_out([span["to"] - span["from"] for span in view.spans], MOST_TOKENS)
    for span, room, (role, mean) in zip(view.spans, rooms, means):
        words = (
            f"{mean.base:.2f} → {mean.tuned:.2f} nats of surprise per token" if mean.tokens else "nothing to compare"
        )
        parts += [_words(EDGE, y + 16, role, weight=600), _words(WIDTH - EDGE, y + 16, words, FAINT, anchor="end")]
        y += 24
        for part in ends_of(span["from"], span["to"], room):
            if part.start > span["from"]:
                hidden = span["to"] - span["from"] - room
                parts.append(_words(EDGE, y + 12, f"… {hidden} more tokens …", FAINT))
                y += 20
            boxes, y = _boxes(view, moves, scale, part, y)
            parts.append(boxes)
    for role, mean in means[len(view.spans) :]:
        words = (
            f"{mean.tokens} tokens {role} (underlined): {mean.base:.2f} → {mean.tuned:.2f} nats of surprise per token"
        )
        parts.append(_words(EDGE, y + 16, words if mean.tokens else f"No tokens were {role}."))
        y += 22
    return picture("".join([*parts, _scale(scale, y + 8)]), WIDTH, float(y + 48))


def shared_out(wanted: Sequence[int], most: int) -> list[int]:
    """Choose how many tokens of each message to show: all of a short message, and the same number for each long one.

    >>> shared_out([240, 11, 8], 100), shared_out([5, 5], 100)
    ([81, 11, 8], [5, 5])
    """
    given, left = [0] * len(wanted), most
    order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    for n, k in enumerate(order):
        given[k] = min(wanted[k], left // (len(order) - n))
        left -= given[k]
    return given


def ends_of(first: int, after: int, room: int) -> list[range]:
    """Choose which positions of a message to show: all of them if they fit, and otherwise only `room` of them.

    Two thirds of these positions are at the beginning of the message, and the rest are at its end.

    >>> ends_of(10, 14, 4), ends_of(10, 40, 6)
    ([range(10, 14)], [range(10, 14), range(38, 40)])
    """
    if after - first <= room:
        return [range(first, after)]
    start = first + math.ceil(2 * room / 3)
    return [range(first, start), range(after - (room - (start - first)), after)]


def _boxes(
    view: Tuning, moves: Float[np.ndarray, " seq"], scale: float, places: range, y: Number
) -> tuple[str, Number]:
    """Draw tokens with their changes below them; also return the y coordinate of the bottom edge."""
    parts, x = [], float(EDGE)
    for k in places:
        label, move = visible_token(view.tokens[k]), float(moves[k])
        label = label if len(label) <= 40 else label[:39] + "…"
        width = max(width_of(label) * 0.88, 6.2 * len(signed(move))) + 8
        if x > EDGE and x + width > WIDTH - EDGE:
            x, y = EDGE, y + ROW
        fill = blend(0.5 + 0.5 * (0.0 if np.isnan(move) else move) / scale, STOPS)
        rect = f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="20" rx="3" fill="{fill}" stroke="#d8dde3"/>'
        middle = x + width / 2
        parts += [rect, _words(middle, y + 14, label, ink_on(fill), mono=True, anchor="middle")]
        parts.append(_words(middle, y + 32, signed(move), FAINT, anchor="middle", size=10))
        if view.mask and view.mask[k]:
            parts.append(f'<rect x="{x:.1f}" y="{y + 21}" width="{width:.1f}" height="2" fill="{INK}"/>')
        x += width + 3
    return "".join(parts), y + (ROW if len(places) else 0)


def _scale(scale: float, y: Number) -> str:
    stops = "".join(f'<stop offset="{k / 8}" stop-color="{colour}"/>' for k, colour in enumerate(STOPS))
    ramp = f'<rect x="{EDGE}" y="{y}" width="300" height="9" fill="url(#moves)" stroke="#b8bec6"/>'
    ends = ((0, f"−{scale:g} nats or less", "start"), (150, "0", "middle"), (300, f"+{scale:g} or more", "end"))
    words = "".join(_words(EDGE + at, y + 24, text, FAINT, anchor=anchor, size=11) for at, text, anchor in ends)
    return f'<defs><linearGradient id="moves">{stops}</linearGradient></defs>{ramp}{words}'


def _words(
    x: Number,
    y: Number,
    words: str,
    fill: str = INK,
    *,
    weight: int = 400,
    mono: bool = False,
    anchor: str = "start",
    size: int = 12,
) -> str:
    family = ' font-family="monospace"' if mono else ""
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}"{family}{bold}>'
        f"{escape_xml(words)}</text>"
    )

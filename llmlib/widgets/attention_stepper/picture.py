"""The arrows of the stepper's static picture: the query and the keys in their plane."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.still import FAINT
from llmlib.widgets.shared.token_text import visible_token, width_of

QUERY, KEY = "#0b5cad", "#9a4f00"  # as in shared.css, light theme
PLANE, LEFT = 260, 220  # pixels of its side, and before it
MOST = 12  # arrows of keys: more cannot be told apart


def plane(
    query: Float[np.ndarray, " two"], keys: Float[np.ndarray, "seq two"], tokens: Sequence[str], of: int, top: float
) -> str:
    """SVG source of a square below `top`: an arrow for the query of token `of`, and one for each key."""
    half, most = PLANE / 2, max(2.0, float(np.abs(keys).max()), float(np.abs(query).max())) * 1.1
    x0, y0 = LEFT + half, top + half
    parts = [
        f'<rect x="{LEFT}" y="{top:.0f}" width="{PLANE}" height="{PLANE}" fill="none" stroke="#b8bec6"/>'
        f'<path d="M{LEFT} {y0:.0f}h{PLANE}M{x0:.0f} {top:.0f}v{PLANE}" stroke="#dddddd"/>',
        f'<text x="10" y="{top + 20:.0f}" fill="{QUERY}">blue: the query</text>'
        f'<text x="10" y="{top + 42:.0f}" fill="{KEY}">brown: the keys</text>'
        f'<text x="10" y="{top + 64:.0f}" fill="{FAINT}">The longer a key lies</text>'
        f'<text x="10" y="{top + 82:.0f}" fill="{FAINT}">along the query, the</text>'
        f'<text x="10" y="{top + 100:.0f}" fill="{FAINT}">larger is q·k.</text>',
    ]
    arrows = [(tokens[row], key, KEY) for row, key in enumerate(keys[:MOST])] + [(tokens[of], query, QUERY)]
    taken: list[tuple[float, float, float]] = []
    for token, (x, y), colour in arrows:
        dx, dy = half * x / most, -half * y / most
        length, label = float(np.hypot(dx, dy)), visible_token(token)[:12] + (" (q)" if colour == QUERY else "")
        parts.append(
            f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x0 + dx:.1f}" y2="{y0 + dy:.1f}" stroke="{colour}" '
            f'stroke-width="{3 if colour == QUERY else 2}"/>'
        )
        if length > 8:
            turn = float(np.degrees(np.arctan2(dy, dx)))
            parts.append(
                f'<path d="M0 0l-10 -4.5v9z" fill="{colour}" '
                f'transform="translate({x0 + dx:.1f} {y0 + dy:.1f}) rotate({turn:.1f})"/>'
            )
        right, lower = dx >= 0, y0 + dy + 5
        begin = x0 + dx + 6 if right else x0 + dx - 6 - width_of(label)
        while any(abs(lower - y) < 15 and start < begin + width_of(label) and begin < end for start, end, y in taken):
            lower += 15
        taken.append((begin, begin + width_of(label), lower))
        parts.append(
            f'<text x="{begin:.1f}" y="{lower:.1f}" fill="{colour}" font-family="monospace">{escape_xml(label)}</text>'
        )
    return "".join(parts)

"""Draw the arrows of the static picture: the query and the keys or, in the last stage, the values and their sum."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.still import FAINT
from llmlib.widgets.shared.token_text import visible_token, width_of

QUERY, KEY = "#0b5cad", "#9a4f00"  # the colours of shared.css's light theme
PLANE, LEFT = 260, 220  # pixels: the side of the square, and the space to its left
MOST = 12  # how many keys or values get an arrow; users could not tell more arrows apart


def plane(
    query: Float[np.ndarray, " two"], keys: Float[np.ndarray, "seq two"], tokens: Sequence[str], of: int, top: float
) -> str:
    """Draw a square below `top` with an arrow for the query of token `of`, and an arrow for each key."""
    name = visible_token(tokens[of])[:12] + " (q)"
    words = ("The farther a key", "reaches along the", "query, the larger q·k.")
    return _arrows(query, name, keys, tokens, top, ("blue: the query", "orange: the keys", *words))


def sum_plane(
    values: Float[np.ndarray, "seq two"], weights: Float[np.ndarray, " seq"], tokens: Sequence[str], top: float
) -> str:
    """Draw a square below `top` with an arrow for each value, and a path that joins the weighted values end to end."""
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(weights[:, None] * values, axis=0)])
    words = ("thick: each value times", "its weight, one after", "the other")
    return _arrows(sums[-1], "output", values, tokens, top, ("blue: the output", "orange: the values", *words), sums)


def _arrows(
    query: Float[np.ndarray, " two"],
    name: str,
    keys: Float[np.ndarray, "seq two"],
    tokens: Sequence[str],
    top: float,
    legend: Sequence[str],
    path: Float[np.ndarray, "point two"] | None = None,
) -> str:
    """Draw `query` as an arrow in colour QUERY, the first MOST `keys` in KEY, and any `path` as a thick line."""
    half, most = PLANE / 2, max(2.0, float(np.abs(keys).max()), float(np.abs(query).max())) * 1.1
    x0, y0 = LEFT + half, top + half
    parts = [
        f'<rect x="{LEFT}" y="{top:.0f}" width="{PLANE}" height="{PLANE}" fill="none" stroke="#b8bec6"/>'
        f'<path d="M{LEFT} {y0:.0f}h{PLANE}M{x0:.0f} {top:.0f}v{PLANE}" stroke="#dddddd"/>',
        *(
            f'<text x="10" y="{top + y}" fill="{colour}">{line}</text>'
            for y, colour, line in zip((20, 42, 64, 82, 100), (QUERY, KEY, FAINT, FAINT, FAINT), legend)
        ),
    ]
    if path is not None:
        points = " ".join(f"{x0 + half * x / most:.1f},{y0 - half * y / most:.1f}" for x, y in path)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{KEY}" stroke-width="6" opacity="0.5"/>')
    arrows = [(visible_token(tokens[row])[:12], key, KEY) for row, key in enumerate(keys[:MOST])]
    arrows.append((name, query, QUERY))
    taken: list[tuple[float, float, float]] = []
    for label, (x, y), colour in arrows:
        dx, dy = half * x / most, -half * y / most
        length = float(np.hypot(dx, dy))
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

"""The rotary view shows a dial for each frequency, and a dot product that depends only on the distance."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import traitlets

from llmlib.widgets.shared.base import View
from llmlib.widgets.shared.token_text import picture

QUERY, KEY = "#0b5cad", "#9a4f00"  # the colours of shared.css's light theme


class RotaryView(View):
    """A query and a key that users can move to other positions. Each pair of channels is drawn as a hand on a dial.

    `query` and `key` contain twice as many numbers as `frequencies` (radians per position); channels i and i +
    len(frequencies) form a pair, as in `llmlib.embeddings.rotate`. By default, all pairs are (1, 0). The key is never
    after the query, since a model only looks back. Raises `ValueError` if lengths do not match, or if a position is not
    between 0 and `max_position`.

    Source: Su et al. (2021), "RoFormer", section 3.4.

    >>> RotaryView([1.0, 0.1], query_position=7, key_position=4)
    <RotaryView: Query at position 7, key at 4, distance 3, on 2 dials. Dot product -0.035; at distance 0 it is 2.000.>
    """

    folder = Path(__file__).parent
    title = "Rotary positions"
    shown = ("frequencies", "query", "key", "query_position", "key_position", "max_position")

    frequencies = traitlets.List(traitlets.Float()).tag(sync=True)
    query = traitlets.List(traitlets.Float()).tag(sync=True)
    key = traitlets.List(traitlets.Float()).tag(sync=True)
    query_position = traitlets.Int(0).tag(sync=True)
    key_position = traitlets.Int(0).tag(sync=True)
    max_position = traitlets.Int(200).tag(sync=True)

    def __init__(
        self,
        frequencies: Sequence[float],
        query: Sequence[float] | None = None,
        key: Sequence[float] | None = None,
        query_position: int = 20,
        key_position: int = 14,
        max_position: int = 200,
        **traits: Any,
    ):
        pairs = len(frequencies)
        plain = [1.0] * pairs + [0.0] * pairs
        vectors = {"query": plain if query is None else query, "key": plain if key is None else key}
        for name, vector in vectors.items():
            if len(vector) != 2 * pairs:
                raise ValueError(
                    f"{name} must have two numbers for each of the {pairs} frequencies; got {len(vector)}."
                )
        if not pairs or not all(math.isfinite(x) for x in [*frequencies, *vectors["query"], *vectors["key"]]):
            raise ValueError("Pass at least one frequency; all numbers must be finite.")
        if not 0 <= key_position <= query_position <= max_position:
            raise ValueError(
                f"Positions must be 0 ≤ key ≤ query ≤ {max_position}; got key {key_position}, query {query_position}."
            )
        super().__init__(
            frequencies=[float(x) for x in frequencies],
            query=[float(x) for x in vectors["query"]],
            key=[float(x) for x in vectors["key"]],
            query_position=query_position,
            key_position=key_position,
            max_position=max_position,
            **traits,
        )

    @property
    def distance(self) -> int:
        """The number of positions by which the key precedes the query."""
        return self.query_position - self.key_position

    def score(self, distance: int) -> float:
        """Return the dot product of the rotated query and key at this distance, whatever their positions."""
        pairs, total = len(self.frequencies), 0.0
        for i, frequency in enumerate(self.frequencies):
            q, k = complex(self.query[i], self.query[i + pairs]), complex(self.key[i], self.key[i + pairs])
            turn = complex(math.cos(frequency * distance), math.sin(frequency * distance))
            total += (q * turn * k.conjugate()).real  # a pair is one complex number, so this multiplication rotates it
        return total

    @property
    def alt(self) -> str:
        return (
            f"Query at position {self.query_position}, key at {self.key_position}, distance {self.distance}, on "
            f"{len(self.frequencies)} dial{'' if len(self.frequencies) == 1 else 's'}. "
            f"Dot product {self.score(self.distance):.3f}; at distance 0 it is {self.score(0):.3f}."
        )

    def svg(self) -> str:
        """Draw the dials, and plot the dot product against distance; the same state always yields the same bytes."""
        width, pairs, parts = 760, len(self.frequencies), []
        for i, frequency in enumerate(self.frequencies):
            x, y = 52 + 92 * (i % 8), 62 + 96 * (i // 8)
            parts.append(f'<circle cx="{x}" cy="{y}" r="34" fill="none" stroke="#b8bec6"/>')
            for vector, position, colour in (
                (self.query, self.query_position, QUERY),
                (self.key, self.key_position, KEY),
            ):
                angle = math.atan2(vector[i + pairs], vector[i]) + frequency * position
                parts.append(
                    f'<line x1="{x}" y1="{y}" x2="{x + 32 * math.cos(angle):.1f}" y2="{y - 32 * math.sin(angle):.1f}" '
                    f'stroke="{colour}" stroke-width="3"/>'
                )
            caption = f"{2 * math.pi / abs(frequency):,.1f}" if frequency else "∞"
            parts.append(f'<text x="{x}" y="{y + 49}" font-size="11" text-anchor="middle">{caption}</text>')
        top = 62 + 96 * ((pairs - 1) // 8) + 74
        scores = [self.score(distance) for distance in range(self.max_position + 1)]
        low, high = min(0.0, *scores), max(0.0, *scores)
        span = (high - low) or 1.0

        def at(distance: int) -> tuple[float, float]:
            return 50 + 690 * distance / max(1, self.max_position), top + 120 * (high - scores[distance]) / span

        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, range(len(scores))))
        dot_x, dot_y = at(self.distance)
        zero = top + 120 * high / span
        parts += [
            f'<text x="10" y="18"><tspan fill="{QUERY}">query at {self.query_position}</tspan>, '
            f'<tspan fill="{KEY}">key at {self.key_position}</tspan>: dot product {self.score(self.distance):.3f}. '
            "Under each dial: positions for one turn.</text>",
            f'<line x1="50" x2="740" y1="{zero:.1f}" y2="{zero:.1f}" stroke="#b8bec6"/>',
            f'<polyline points="{line}" fill="none" stroke="{QUERY}" stroke-width="1.5"/>',
            f'<circle cx="{dot_x:.1f}" cy="{dot_y:.1f}" r="5" fill="{KEY}"/>',
            f'<text x="44" y="{top + 6}" font-size="11" text-anchor="end">{high:.1f}</text>',
            f'<text x="44" y="{top + 122}" font-size="11" text-anchor="end">{low:.1f}</text>',
            f'<text x="740" y="{top + 138}" font-size="11" text-anchor="end">distance {self.max_position}</text>',
        ]
        return picture("".join(parts), width, float(top + 146))

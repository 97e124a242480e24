"""The next-token view shows the text so far, and how probable each continuation is."""

from pathlib import Path
from typing import Any

import traitlets

from llmlib.widgets.shared.base import View, escape_xml
from llmlib.widgets.shared.still import FAINT
from llmlib.widgets.shared.token_text import joined_text, percent, visible_token

TRACK = "#848a91"  # has a contrast of 3.5:1 with white


class NextTokenView(View):
    """The tokens so far as boxes, candidates for the next token as clickable bars, and an adjustable temperature.

    The view shows `tokens` (see `token_text`), `candidates` and `probabilities`. The owner of a model handles these
    user actions by setting the traits (see `llmlib.explore.explore_next_token`): "prompt" with a `text`, "pick" with
    the `id` of a candidate, "draw" with a number of `times`, "undo", and "temperature" with a `value`.

    >>> NextTokenView(tokens=["2", " +", " 2"], candidates=[" =", " +"], probabilities=[0.9, 0.05])
    <NextTokenView: After “2 + 2”, the most probable next tokens are “·=” (90%), “·+” (5.0%).>
    """

    folder = Path(__file__).parent
    shown = ("prompt", "tokens", "candidates", "probabilities", "picked", "temperature", "rest")

    prompt = traitlets.Unicode("").tag(sync=True)  # the user's text, as it was typed
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    picked = traitlets.Int(0).tag(sync=True)  # how many tokens at the end were picked in this view
    candidates = traitlets.List(traitlets.Unicode()).tag(sync=True)  # most probable first
    ids = traitlets.List(traitlets.Int()).tag(sync=True)  # the ids of the candidates
    probabilities = traitlets.List(traitlets.Float()).tag(sync=True)
    rest = traitlets.Unicode("").tag(sync=True)  # a line below the bars
    temperature = traitlets.Float(1.0).tag(sync=True)

    @property
    def alt(self) -> str:
        best = ", ".join(f"“{visible_token(t)}” ({percent(p)})" for t, p in self._pairs()[:3])
        return f"After “{joined_text(self.tokens)}”, the most probable next tokens are {best}."

    def svg(self) -> str:
        row, labels, bars, top = 26, 150, 380, 64  # a bar of full width means 100%
        text = joined_text(self.tokens).replace("\n", "⏎")
        end = text if len(text) <= 66 else "…" + text[-65:]
        parts = [f'<text x="8" y="24" font-weight="bold">{escape_xml(end)} …</text>']
        for share, anchor, words in ((0, "start", "0%"), (0.5, "middle", "probability"), (1, "end", "100%")):
            place = f'x="{labels + share * bars:.0f}" y="{top - 8}" text-anchor="{anchor}"'
            parts.append(f'<text {place} font-size="12" fill="{FAINT}">{words}</text>')
        for number, (token, p) in enumerate(self._pairs()):
            y, width, label = top + number * row, bars * p, visible_token(token)
            label = label if len(label) <= 16 else label[:15] + "…"
            parts += [
                f'<text x="{labels - 8}" y="{y + 15}" text-anchor="end" font-family="monospace">'
                f"{escape_xml(label)}</text>",
                f'<rect x="{labels + 0.5}" y="{y + 0.5}" width="{bars - 1}" height="19" rx="3" fill="none"'
                f' stroke="{TRACK}"/>',
                f'<rect x="{labels}" y="{y}" width="{max(1, width):.0f}" height="20" rx="3" fill="#0b5cad"/>',
                f'<text x="{labels + bars + 8}" y="{y + 15}">{escape_xml(percent(p))}</text>',
            ]
        size = f'width="{labels + bars + 90}" height="{top + 8 + len(self.candidates) * row}"'
        style = 'font-size="14" font-family="sans-serif" fill="#1f2328"'
        background = '<rect width="100%" height="100%" fill="#ffffff"/>'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{background}{"".join(parts)}</svg>'

    def _pairs(self) -> list[tuple[Any, Any]]:
        return list(zip(self.candidates, self.probabilities))

"""The tokens view shows, side by side, how several tokenizers split the same text."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import traitlets

from llmlib.widgets.shared.base import View, escape_xml
from llmlib.widgets.shared.token_text import HUES, boxes, picture, token_label

LIMIT = 2000  # how many tokens are shown for each tokenizer; all tokens are counted


def encoding(
    name: str, ids: Sequence[int], tokens: Sequence[bytes], vocab_size: int, special: Iterable[int] = ()
) -> dict[str, Any]:
    """Describe one tokenizer's tokens for a `TokensView`: their ids and bytes, and the positions of special tokens.

    >>> encoding("bytes", [104, 105], [b"h", b"i"], vocab_size=256)["tokens"]
    ['68', '69']
    """
    return {
        "name": name,
        "vocab_size": vocab_size,
        "count": len(ids),
        "ids": list(ids[:LIMIT]),
        "tokens": [token.hex() for token in tokens[:LIMIT]],
        "special": [position for position in special if position < LIMIT],
    }


class TokensView(View):
    """A text to edit, with the colours, ids, bytes and counts of its tokens under each of several tokenizers.

    The view shows `encodings` (made with `encoding`) of `text`. The owner of the tokenizers handles the user's actions,
    "text" with a `text` and "special" with a `value`, by setting the traits (see `llmlib.explore.explore_tokens`).

    >>> TokensView(text="hi", encodings=[encoding("bytes", [104, 105], [b"h", b"i"], vocab_size=256)])
    <TokensView: “hi” in tokens. bytes: 2 tokens, 1.00 bytes per token: h|i.>
    """

    folder = Path(__file__).parent
    shown = ("text", "encodings", "special")

    text = traitlets.Unicode("").tag(sync=True)
    encodings = traitlets.List(traitlets.Dict()).tag(sync=True)
    special = traitlets.Bool(False).tag(sync=True)  # whether text that looks like a special token becomes that token

    @property
    def alt(self) -> str:
        shown = self.text if len(self.text) <= 60 else self.text[:59] + "…"
        rows = []
        for row in self.encodings:
            labels = _labels(row)
            some = "|".join(labels[:12]) + ("|…" if row["count"] > 12 else "")
            rows.append(f"{row['name']}: {self._numbers(row)}: {some}.")
        return f"“{shown}” in tokens. {' '.join(rows)}"

    def _numbers(self, row: dict[str, Any]) -> str:
        n_bytes = len(self.text.encode(errors="replace"))
        rate = f", {n_bytes / row['count']:.2f} bytes per token" if row["count"] else ""
        return f"{row['count']:,} token{'' if row['count'] == 1 else 's'}{rate}"

    def svg(self, most: int = 400) -> str:
        """Draw at most `most` tokens for each tokenizer; the same state always yields the same bytes."""
        width, y, parts = 760, 10.0, []
        for row in self.encodings:
            parts.append(
                f'<text x="10" y="{y + 16:.0f}"><tspan font-weight="bold">{escape_xml(row["name"])}</tspan>'
                f'<tspan fill="#57606a">  {self._numbers(row)}</tspan></text>'
            )
            labels = _labels(row)[:most]
            fills = ["#ffffff" if i in row["special"] else HUES[i % len(HUES)] for i in range(len(labels))]
            if row["count"] > len(labels):
                labels, fills = [*labels, "…"], [*fills, "#ffffff"]
            drawn, y = boxes(labels, fills, 10, y + 26, width - 10)
            parts.append(drawn)
            y += 12
        return picture("".join(parts), width, y)


def _labels(row: dict[str, Any]) -> list[str]:
    return [token_label(bytes.fromhex(token)) for token in row["tokens"]]

"""The attention-steps view follows one query of one head from its dot products to the weighted sum of the values."""

from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from llmlib.widgets.attention_steps.picture import PLANE, plane, sum_plane
from llmlib.widgets.shared.base import View, escape_xml
from llmlib.widgets.shared.token_text import picture, visible_token

STAGES = ("q·k", "scale", "mask", "softmax", "values")
MOST_TOKENS, MOST_WIDTH = 32, 256
EXPLAINED = (
    "q·k: how well does each key match the query?",
    "scale: divide by √d_head, so that the softmax does not become too sharp",
    "mask: later tokens get a score of −∞",
    "softmax: each exponential, divided by the sum of all, is a weight",
    "values: the head passes on the weighted sum of the values",
)


class AttentionStepsView(View):
    """A view that shows every number in five stages of one query's attention; if d_head = 2, users can drag the arrows.

    `q`, `k` and `v` contain float32 numbers (little-endian), row by row, with one row of length `d_head` for each
    token. `moved` maps "q0", "k3", … to vectors that the user has changed. Make a view with `attention_steps_view`, or
    from a model with `llmlib.explore.explore_attention_steps`.
    """

    folder = Path(__file__).parent
    shown = ("tokens", "d_head", "q", "k", "v", "moved", "query", "stage", "scaled", "masked", "source")

    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    d_head = traitlets.Int(2, min=1).tag(sync=True)
    q = traitlets.Bytes(b"").tag(sync=True)
    k = traitlets.Bytes(b"").tag(sync=True)
    v = traitlets.Bytes(b"").tag(sync=True)
    moved = traitlets.Dict().tag(sync=True)
    query = traitlets.Int(0, min=0).tag(sync=True)
    stage = traitlets.Int(0, min=0, max=len(STAGES) - 1).tag(sync=True)
    scaled = traitlets.Bool(True).tag(sync=True)
    masked = traitlets.Bool(True).tag(sync=True)
    source = traitlets.Unicode("").tag(sync=True)  # tells the user where the vectors come from

    @traitlets.validate("query")
    def _known_query(self, proposal: Any) -> Any:
        if self.tokens and proposal["value"] >= len(self.tokens):
            raise traitlets.TraitError(
                f"query must be a token number between 0 and {len(self.tokens) - 1}; got {proposal['value']}."
            )
        return proposal["value"]

    def vectors(self, kind: str) -> Float[np.ndarray, "seq d_head"]:
        """Return the current queries ("q"), keys ("k") or values ("v") of all tokens, with the user's changes."""
        data = {"q": self.q, "k": self.k, "v": self.v}[kind]
        rows = np.frombuffer(data, dtype="<f4").astype(np.float64).reshape(len(self.tokens), self.d_head)
        for row in range(len(rows)):
            if f"{kind}{row}" in self.moved:
                rows[row] = self.moved[f"{kind}{row}"]
        return rows

    def stages(self) -> dict[str, np.ndarray]:
        """Compute each stage from the previous one; a switched-off mask or scale leaves the numbers unchanged."""
        keys = self.vectors("k")
        dots = keys @ self.vectors("q")[self.query]
        scaled = dots / self.d_head**0.5 if self.scaled else dots
        later = np.arange(len(keys)) > self.query
        masked = np.where(later, -np.inf, scaled) if self.masked else scaled
        weights = np.exp(masked - masked.max())
        weights /= weights.sum()
        return {
            "dots": dots,
            "scaled": scaled,
            "masked": masked,
            "weights": weights,
            "output": weights @ self.vectors("v"),
        }

    @property
    def alt(self) -> str:
        if not self.tokens:
            return "Attention steps: there are no tokens yet."
        made = self.stages()
        name = ("dots", "scaled", "masked", "weights", "weights")[self.stage]
        shown = ", ".join(
            f"{visible_token(token)} {number(x)}" for token, x in zip(self.tokens, made[name], strict=True)
        )
        off = "".join(
            f" {what} is switched off." for what, on in (("Scaling", self.scaled), ("The mask", self.masked)) if not on
        )
        result = f" Output: {row_text(made['output'])}." if self.stage == len(STAGES) - 1 else ""
        which = f"“{visible_token(self.tokens[self.query])}” (token {self.query + 1} of {len(self.tokens)})"
        return f"Attention of {which}, stage {self.stage + 1} of 5, {STAGES[self.stage]}: {shown}.{result}{off}"

    def svg(self) -> str:
        """Draw the current stage, with one row for each key and one column for each stage so far."""
        if not self.tokens:
            return picture('<text x="10" y="26">No tokens</text>', 760, 40.0)
        made = self.stages()
        columns = ["q·k", "÷ √d" if self.scaled else "not scaled", "mask" if self.masked else "no mask", "softmax"]
        query = escape_xml(visible_token(self.tokens[self.query]))
        parts = [
            f'<text x="10" y="26" font-weight="bold">Query: {query}</text>',
            f'<text x="220" y="26" fill="#57606a">{escape_xml(EXPLAINED[self.stage])}</text>',
            '<text x="10" y="56" fill="#57606a">key</text>',
        ]
        n_shown = min(self.stage, 3) + 1
        for column in range(n_shown):
            x = 220 + 90 * column
            parts.append(f'<text x="{x}" y="56" text-anchor="end" fill="#57606a">{columns[column]}</text>')
        for row, token in enumerate(self.tokens):
            y = 80 + 24 * row
            parts.append(f'<text x="10" y="{y}" font-family="monospace">{escape_xml(visible_token(token)[:16])}</text>')
            for column, name in enumerate(("dots", "scaled", "masked", "weights")[:n_shown]):
                x = 220 + 90 * column
                parts.append(f'<text x="{x}" y="{y}" text-anchor="end">{number(made[name][row])}</text>')
            if self.stage >= 3:
                width = 220 * made["weights"][row]
                parts.append(f'<rect x="510" y="{y - 13}" width="{width:.1f}" height="16" fill="#0b5cad"/>')
        height = 92.0 + 24 * len(self.tokens)
        if self.stage == len(STAGES) - 1:
            output = row_text(made["output"][:8]) + (" …" if self.d_head > 8 else "")
            parts.append(f'<text x="10" y="{height:.0f}">Weighted sum of the values: {escape_xml(output)}</text>')
            height += 16
        if self.d_head == 2:
            if self.stage == len(STAGES) - 1:
                parts.append(sum_plane(self.vectors("v"), made["weights"], self.tokens, height))
            else:
                parts.append(plane(self.vectors("q")[self.query], self.vectors("k"), self.tokens, self.query, height))
            height += PLANE + 20
        return picture("".join(parts), 760, height)


def number(x: float) -> str:
    """Format a number with two decimal places, as the view does.

    >>> number(-0.125), number(-0.001), number(float("-inf"))
    ('−0.13', '0.00', '−∞')
    """
    if x == float("-inf"):
        return "−∞"
    cents = int(np.floor(abs(x) * 100 + 0.5))  # round halves away from zero, as in the browser
    return ("−" if x < 0 and cents else "") + f"{cents // 100}.{cents % 100:02d}"


def row_text(vector: np.ndarray) -> str:
    return "(" + ", ".join(number(x) for x in vector) + ")"


def attention_steps_view(
    tokens: list[str],
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    query: int = -1,
    stage: int = 0,
    source: str = "",
) -> AttentionStepsView:
    """Show one head's attention stage by stage, for any arrays; if d_head = 2, users can drag the vectors.

    `q`, `k` and `v` have the axes seq, d_head. A negative `query` counts from the end. Raises `ValueError` for
    shapes that do not fit, numbers that are not finite, or more than 32 tokens or 256 channels.

    >>> eye = np.eye(2)
    >>> attention_steps_view(["a", "b"], eye, eye, eye, stage=3)
    <AttentionStepsView: Attention of “b” (token 2 of 2), stage 4 of 5, softmax: a 0.33, b 0.67.>
    """
    arrays = [np.asarray(x, dtype=np.float32) for x in (q, k, v)]
    shape = arrays[0].shape
    if len(shape) != 2 or any(x.shape != shape for x in arrays) or shape[0] != len(tokens):
        raise ValueError(
            f"q, k and v must have the same shape, (tokens, d_head), with one row for each of the {len(tokens)} "
            "tokens; got "
            + ", ".join(str(x.shape) for x in arrays)
            + ". Pass one head's vectors, without a batch axis."
        )
    if not 1 <= shape[0] <= MOST_TOKENS or not 1 <= shape[1] <= MOST_WIDTH:
        raise ValueError(
            f"This view can show 1 to {MOST_TOKENS} tokens with 1 to {MOST_WIDTH} channels; got the shape {shape}. "
            "Use a shorter text; attention_view can show long texts."
        )
    if not all(np.isfinite(x).all() for x in arrays):
        raise ValueError("q, k and v must contain only finite numbers, but there is a NaN or an infinity.")
    if not -len(tokens) <= query < len(tokens):
        raise ValueError(f"query must be between {-len(tokens)} and {len(tokens) - 1}; got {query}.")
    queries, keys, values = (np.ascontiguousarray(x, dtype="<f4").tobytes() for x in arrays)
    return AttentionStepsView(
        tokens=list(tokens),
        d_head=shape[1],
        q=queries,
        k=keys,
        v=values,
        query=query % len(tokens),
        stage=stage,
        source=source,
    )

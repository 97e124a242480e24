"""Draw the static picture of a training view, for environments where widgets cannot run."""

import math
from typing import Any, Protocol, runtime_checkable

import numpy as np

from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.runs.charts import charts, legends, word, wrapped
from llmlib.widgets.shared.runs.curves import Curve
from llmlib.widgets.shared.still import FAINT, blend
from llmlib.widgets.shared.token_text import picture
from llmlib.widgets.training.history import History

WIDTH = 860
STOPS = ("#ffffff", "#cfe3f7", "#6aa5dc", "#0b5cad", "#06264d")  # from the light theme of canvas.mjs
DECADES = 3  # how many powers of ten the colours cover
TITLES = ("Loss (nats per token)", "Learning rate", "Gradient norm", "Tokens per second")


@runtime_checkable
class Board(Protocol):
    """The parts of `TrainingView` that this module draws."""

    def pairs(self) -> list[tuple[dict[str, Any], Curve, Curve]]: ...
    def last_samples(self) -> list[tuple[str, int, str]]: ...
    def histories(self) -> list[tuple[str, History]]: ...


def draw(view: Board) -> str:
    """Draw the current state of all runs."""
    pairs = view.pairs()
    below, y = legends(pairs, [_legend(about) for about, _, _ in pairs])
    parts = [
        '<text x="8" y="22" font-weight="600">Loss at each step: the lower it is, the better the model predicts.'
        "</text>",
        f'<text x="8" y="42" fill="{FAINT}" font-size="12">Solid lines: training text. Dashed, with dots: '
        "validation text, never used for training. Run this cell to use the view.</text>",
        charts(pairs, TITLES, caps=True, from_zero=(False, True, True, True)),
        below,
    ]
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
        for line in wrapped(text):
            y += 18
            parts.append(f'<text x="8" y="{y:g}" font-family="monospace" font-size="12">{escape_xml(line)}</text>')
        y += 12
    return picture("".join(parts), WIDTH, y + 4)


def _power_above(histories: list[tuple[str, History]]) -> int:
    """Find the power of ten above the medians of all updates, so that all runs share the same colours."""
    medians = np.concatenate([history.of("updates")[:, :, 2].reshape(-1) for _, history in histories])
    known = medians[np.isfinite(medians) & (medians > 0)]
    return math.ceil(math.log10(float(known.max())) - 1e-6) if len(known) else 0


def _updates(whose: str, history: History, high: int, y: float) -> tuple[str, float]:
    """Draw colours that show how far each step moved a model's parts; also return the y coordinate of the bottom."""
    medians, low = history.of("updates")[:, :, 2], high - DECADES
    title = f"{whose}how far each step moved the weights, ‖Δw‖ / ‖w‖ (a rule of thumb: 0.001)"
    parts = [f'<text x="8" y="{y:g}" font-weight="600" font-size="13">{escape_xml(title)}</text>']
    left, width, y = 92, 620.0, y + 10
    for row, group in enumerate(reversed(history.groups)):
        top, column = y + 15 * row, medians[:, len(history.groups) - 1 - row]
        parts.append(word(left - 6, top + 11, escape_xml(group), "end"))
        for k, median in enumerate(column.tolist()):
            if math.isnan(median):
                continue
            share = (math.log10(median) - low) / DECADES if median > 0 else 0.0
            x, each = left + width * k / len(column), width / len(column)
            fill = blend(share, STOPS)
            parts.append(f'<rect x="{x:.1f}" y="{top:g}" width="{each + 0.3:.1f}" height="14" fill="{fill}"/>')
        known = column[np.isfinite(column)]
        if len(known):
            parts.append(word(left + width + 6, top + 11, f"{float(np.median(known)):.1g}", "start"))
    y += 15 * len(history.groups)
    ends = ((left, f"step {history.steps[0]:,}", "start"), (left + width, f"step {history.steps[-1]:,}", "end"))
    parts += [word(x, y + 12, words, anchor) for x, words, anchor in ends]
    scale = f"white: {10.0**low:g} or less; dark: {10.0**high:g}; on the right: the median of all steps"
    parts.append(word(left + width / 2, y + 12, scale, "middle"))
    return "".join(parts), y + 24


def _legend(about: dict[str, Any]) -> str:
    of = f" of {about['steps']:,}" if about["steps"] and about["state"] != "finished" else ""
    parts = [f"{about['name']}: {about['state']}, {about['step']:,}{of} steps"]
    if "loss" in about:
        parts.append(f"loss {about['loss']:.3f}")
    if "best" in about:
        parts.append(f"validation {about['validation_loss']:.3f}")
        parts[-1] += f" (lowest {about['best']:.3f} at step {about['best_step']:,})"
    return " · ".join(parts)

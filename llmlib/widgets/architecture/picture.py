"""Draw the static picture of an architecture, for environments where widgets cannot run."""

from collections.abc import Mapping
from typing import Any

from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.still import FAINT
from llmlib.widgets.shared.token_text import picture

FILLS = {  # the colours --llm-hue-… of the light theme
    "embedding": "#e0d9f6",
    "output": "#e0d9f6",
    "norm": "#eef0f2",
    "attention": "#cfe3f7",
    "mlp": "#fbe0ae",
    "stream": "#ffffff",
    "group": "#ffffff",
}
WIDTH, ROW = 720, 34
LINE = "#8a929b"


def in_short(number: float | int, unit: str = "") -> str:
    """Format a number with three significant digits, as `inShort` in data.mjs does.

    >>> in_short(134_515_008), in_short(47_185_920, "B"), in_short(576)
    ('135 M', '47.2 MB', '576')
    """
    for size, letter in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:
            return f"{number / size:.3g} {letter}{unit}"
    return f"{number:g} {unit}".rstrip()


def counted(parameters: float | int) -> str:
    """Format a number of parameters in millions or billions.

    >>> counted(8_030_261_248)
    '8.03 B'
    """
    return in_short(parameters).replace("G", "B")


def draw(model: Mapping[str, Any], shares: Mapping[str, float]) -> str:
    """Draw the boxes of a model (one layer stands for all layers), and a strip that shows the parameters to scale."""
    tree, totals = model["tree"], model["totals"]
    parts = [
        f'<text x="12" y="26" font-size="16" font-weight="600">{escape_xml(model["title"])}</text>',
        f'<text x="12" y="46" font-size="12" fill="{FAINT}">{counted(totals["parameters"])} parameters. At '
        f"{model['context']:,} tokens in {model['dtype']}: {in_short(totals['cache_bytes'], 'B')} of KV cache, "
        f"{in_short(totals['training_flops'], 'FLOPs')} of training per token.</text>",
    ]
    body, bottom = _boxes(tree["boxes"], 40, 62, WIDTH - 12, tree["parameters"])
    parts.append(f'<line x1="24" y1="62" x2="24" y2="{bottom}" stroke="#0b5cad" stroke-width="4"/>')
    parts += body
    x, y = 40.0, bottom + 30
    parts.append(
        f'<text x="40" y="{y - 6}" font-size="12" fill="{FAINT}">To scale: how the parameters are divided</text>'
    )
    for (name, share), fill in zip(shares.items(), ("#e0d9f6", "#cfe3f7", "#fbe0ae", "#c4c9cf"), strict=True):
        width = share * (WIDTH - 52)
        parts.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="18" fill="{fill}" stroke="{LINE}"/>')
        if width > 70:
            parts.append(f'<text x="{x + 6:.1f}" y="{y + 13}" font-size="12">{name} {share:.0%}</text>')
        x += width
    return picture("".join(parts), WIDTH, float(y + 32))


def _boxes(
    boxes: list[dict[str, Any]], left: int, top: int, right: int, total: int, times: int = 1
) -> tuple[list[str], int]:
    """Draw boxes one below the other; also return the y coordinate below them.

    Boxes without inner boxes share a row.
    """
    parts: list[str] = []
    y, waiting, across = top, list(boxes), 1 if left <= 50 else 5 if len(boxes) <= 5 else 4
    while waiting:
        if waiting[0]["boxes"]:
            box = waiting.pop(0)
            inside, bottom = _boxes(box["boxes"], left + 12, y + 26, right - 12, total, times * box["repeat"])
            several = f"{box['repeat']} × " if box["repeat"] > 1 else ""
            share = box["parameters"] * box["repeat"] * times / total
            parts.append(_rectangle(left, y, right - left, bottom + 6 - y, FILLS[box["kind"]], box["kind"] != "group"))
            parts.append(
                f'<text x="{left + 10}" y="{y + 18}" font-size="13" font-weight="600">{several}'
                f"{escape_xml(box['title'])}</text>{_right(right - 10, y + 18, share * total, share)}"
            )
            parts += inside
            y = bottom + 14
            continue
        row: list[dict[str, Any]] = []
        while waiting and not waiting[0]["boxes"] and len(row) < across:
            row.append(waiting.pop(0))
        width = (right - left - 8 * (len(row) - 1)) / len(row)
        for k, box in enumerate(row):
            x = left + k * (width + 8)
            fill = "#ffffff" if left > 60 else FILLS[box["kind"]]
            parts.append(_rectangle(x, y, width, ROW - 8, fill, False))
            parts.append(f'<text x="{x + 8:.1f}" y="{y + 17}" font-size="12">{escape_xml(box["title"])}</text>')
            if box["parameters"] and left < 60:
                parts.append(_right(x + width - 10, y + 17, float(box["parameters"]), box["parameters"] / total))
        y += ROW
    return parts, y


def _rectangle(x: float | int, y: int, width: float | int, height: int, fill: str, pale: bool) -> str:
    opacity = ' fill-opacity="0.55"' if pale else ""
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="5" fill="{fill}"{opacity} '
        f'stroke="{LINE}"/>'
    )


def _right(x: float | int, y: int, parameters: float, share: float) -> str:
    words = f"{counted(parameters)} · {100 * share:.1f}%"
    return f'<text x="{x:.1f}" y="{y}" text-anchor="end" font-size="12" fill="{FAINT}">{words}</text>'

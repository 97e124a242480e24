"""Compute colours for static pictures, and draw pictures so that their bytes are the same every time."""

import io
from collections.abc import Callable, Sequence
from typing import Any

INK, FAINT, PAPER = "#1f2328", "#57606a", "#ffffff"


def drawn(draw_on: Callable[[Any], None], format: str, **figure: Any) -> io.BytesIO:
    """Return what `draw_on` draws on a new matplotlib figure, as PNG or SVG.

    The user's matplotlib settings have no effect on the picture.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.hashsalt": "llmlib",
        "svg.fonttype": "none",
        "font.family": "DejaVu Sans",
        "font.size": 9,
    }
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **style}):
        paper = Figure(dpi=100, facecolor=PAPER, layout="constrained", **figure)
        FigureCanvasAgg(paper)
        draw_on(paper)
        file = io.BytesIO()
        metadata = {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
        paper.savefig(file, format=format, metadata=metadata)
    return file


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the red, green and blue values (0 to 255) of a colour written as "#rrggbb"."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def blend(t: float, stops: Sequence[str]) -> str:
    """Return the colour at position `t` (between 0 and 1) on a colour scale.

    >>> blend(0.0, ("#ffffff", "#000000")), blend(0.5, ("#ffffff", "#000000"))
    ('#ffffff', '#808080')
    """
    at = min(max(t, 0.0), 1.0) * (len(stops) - 1)
    k = min(int(at), len(stops) - 2)
    mixed = (round(a + (b - a) * (at - k)) for a, b in zip(rgb(stops[k]), rgb(stops[k + 1])))
    return "#" + "".join(f"{c:02x}" for c in mixed)


def ink_on(fill: str) -> str:
    """Choose black or white, whichever is easier to read on the colour `fill` (WCAG 2.1, relative luminance)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb(fill))]
    return "#000000" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 else "#ffffff"

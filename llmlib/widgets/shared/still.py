"""What the static pictures of the explorers share: colours, and drawing the same bytes each time."""

import io
from collections.abc import Callable
from typing import Any

INK, FAINT, PAPER = "#1f2328", "#57606a", "#ffffff"


def drawn(draw_on: Callable[[Any], None], format: str, **figure: Any) -> io.BytesIO:
    """A PNG or SVG file of what `draw_on` draws on a new matplotlib figure, whatever the reader's own settings are."""
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
    """The numbers of "#rrggbb"."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)

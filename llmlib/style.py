"""One look for all plots: quiet, legible in light and dark, clear to colour-blind people, and described in words.

Colours are after Okabe and Ito (2008), darkened until each stands out from white by 3 : 1. No single colour of letters
can be read well on white and on JupyterLab's dark grey (4.5 : 1 on both is more than there is between the two), so
there is one picture, on white, and a dark theme turns its lightness round and keeps its hues: white becomes the dark
grey of the page. A code host ignores the style sheet and shows the picture as it is.
"""

import base64
import html
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0b5cad", "#d55e00", "#00805e", "#b3589a", "#1f8fc4", "#a87400")
TURNED = 0.933  # white becomes #111111, the page in JupyterLab's dark theme; black becomes #eeeeee
SHEET = (
    '<style>[data-jp-theme-light="false"] .llm-picture, body.vscode-dark .llm-picture, [data-theme="dark"] .llm-picture'
    f" {{ filter: invert({TURNED}) hue-rotate(180deg); }}</style>"
)


def use_style() -> None:
    """Set matplotlib's defaults for the plots that follow.

    >>> use_style()
    """
    import matplotlib
    from cycler import cycler

    matplotlib.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlelocation": "left",
            "grid.color": "#dddddd",
            "grid.linewidth": 0.8,
            "figure.figsize": (7.5, 3.6),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "font.size": 11,
            "legend.frameon": False,
            "savefig.facecolor": "white",
        }
    )


def show_plot(alt: str, figure: "Figure | None" = None) -> None:
    """Show a plot in a notebook, with what can be seen in it as one sentence for those who cannot see it.

    `figure` is the one that was drawn last, if none is given. It is closed, as by `plt.show()`. Raises `ValueError`
    for a sentence of less than 20 characters: "a plot" says nothing.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    if len(alt.strip()) < 20:
        raise ValueError(f"Say in a sentence what the plot shows; {alt!r} is too short for somebody who cannot see it.")
    figure = figure or plt.gcf()
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    plt.close(figure)
    bundle = {"text/plain": f"<Plot: {alt}>", "text/html": picture_html(file.getvalue(), alt)}
    display(bundle, raw=True)  # type: ignore[no-untyped-call]


def picture_html(source: bytes, alt: str, kind: str = "png") -> str:
    """A PNG or SVG picture on white as HTML that keeps its description and follows a dark theme.

    JupyterLab drops the description of an output that is a picture, and keeps that of HTML.

    >>> picture_html(b"", "Two lines that cross.").removeprefix(SHEET)
    '<img class="llm-picture" alt="Two lines that cross." src="data:image/png;base64,"/>'
    """
    media = "image/svg+xml" if kind == "svg" else f"image/{kind}"
    encoded = base64.b64encode(source).decode()
    return f'{SHEET}<img class="llm-picture" alt="{html.escape(alt, quote=True)}" src="data:{media};base64,{encoded}"/>'

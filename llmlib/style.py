"""Make all plots look alike: plain, readable in any theme and by colour-blind people, and described in words.

The colours follow Okabe and Ito (2008), darkened until each has a contrast ratio of 3 : 1 against white. No single text
colour is readable both on white and on JupyterLab's dark grey (the contrast between the two is too low for 4.5 : 1
against both). So each plot is a single picture on white, and a dark theme inverts its lightness and keeps its hues:
white becomes the dark grey of the page. A code host ignores the style sheet and shows the picture as it is.
"""

import base64
import html
import io
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import DisplayHandle
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0b5cad", "#d55e00", "#00805e", "#b3589a", "#1f8fc4", "#a87400")
TURNED = 0.933  # white becomes #111111, the colour of the page in JupyterLab's dark theme; black becomes #eeeeee
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


def show_plot(alt: str, figure: "Figure | None" = None, place: "DisplayHandle | None" = None) -> None:
    """Show a plot in a notebook, with a sentence that describes it for people who cannot see it.

    `figure` is the current figure by default, and is closed afterwards, as with `plt.show()`. With `place`, a
    handle from `IPython.display.display(…, display_id=True)`, the plot replaces the output there, so a curve can grow
    while you watch. Raises `ValueError` for a sentence with fewer than 20 characters, because a description such as "a
    plot" says nothing.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    if len(alt.strip()) < 20:
        raise ValueError(
            f"Say in a sentence what the plot shows; {alt!r} is too short to help somebody who cannot see it."
        )
    figure = figure or plt.gcf()
    file = io.BytesIO()
    figure.savefig(
        file, format="png", bbox_inches="tight", metadata={"Software": None}
    )  # "tight" fits the picture to its contents, so that no letter is cut off
    plt.close(figure)
    bundle = {"text/plain": f"<Plot: {alt}>", "text/html": picture_html(file.getvalue(), alt)}
    if place is None:
        display(bundle, raw=True)
    else:
        place.update(bundle, raw=True)


def picture_html(source: bytes, alt: str, kind: str = "png") -> str:
    """Return HTML that shows a PNG or SVG picture and describes it for people who cannot see it.

    A dark theme inverts the picture, so its background should be white. JupyterLab drops the description of a plain
    picture, but keeps the description of a picture in HTML.

    >>> picture_html(b"", "Two lines that cross.").removeprefix(SHEET)
    '<img class="llm-picture" alt="Two lines that cross." src="data:image/png;base64,"/>'
    """
    media = "image/svg+xml" if kind == "svg" else f"image/{kind}"
    encoded = base64.b64encode(source).decode()
    return f'{SHEET}<img class="llm-picture" alt="{html.escape(alt, quote=True)}" src="data:{media};base64,{encoded}"/>'


def label_points(axes: "Axes", points: Any, labels: Sequence[str], fontsize: float = 9) -> None:
    """Write a label next to each point, clear of other labels and points; a thin line leads to a distant label.

    `points` are rows of x and y. Call this last, because a label may cover another label or point if the axis limits
    change afterwards. A label is left out if there is no room for it inside the axes within 100 pixels of its point.

    >>> import matplotlib.pyplot as plt
    >>> figure, axes = plt.subplots()
    >>> label_points(axes, [[0.0, 0.0], [0.01, 0.0]], ["one", "other"])
    >>> [text.get_text() for text in axes.texts]
    ['one', 'other']
    >>> plt.close(figure)
    """
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import Bbox

    figure: Any = axes.figure
    figure.draw_without_rendering()  # only after drawing do we know where a point is on the page
    inside, pixels = axes.bbox, axes.transData.transform(points)
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in pixels]
    for point, (x, y), label in zip(points, pixels, labels):
        text = axes.annotate(label, point, (0, 0), textcoords="offset pixels", fontsize=fontsize, va="center")
        size = text.get_window_extent()
        for reach, turn in itertools.product(range(7, 100, 3), range(12)):
            dx, dy = reach * math.cos(math.tau * turn / 12), reach * math.sin(math.tau * turn / 12)
            left = x + dx - size.width * (0.5 if abs(dx) < 1 else 0 if dx > 0 else 1)
            box = Bbox.from_bounds(left, y + dy - size.height / 2, size.width, size.height)
            if (
                inside.x0 < box.x0
                and box.x1 < inside.x1
                and inside.y0 < box.y0
                and box.y1 < inside.y1
                and not box.count_overlaps(taken)
            ):
                break
        else:
            text.remove()
            continue
        taken.append(box)
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        text.set(position=(box.x0 - x, dy))
        if reach > 13:
            end = (min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1))
            axes.plot(*axes.transData.inverted().transform([(x, y), end]).T, color="#57606a", linewidth=0.6, zorder=1)

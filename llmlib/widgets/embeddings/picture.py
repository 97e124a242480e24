"""Draw the static picture of an embeddings view, for environments where widgets cannot run."""

import io
from typing import Any, Protocol, runtime_checkable

import numpy as np

from llmlib.widgets.shared.still import FAINT, INK, PAPER, drawn, rgb

# The colours of paint.mjs's light theme: each has a contrast of at least 3:1 with white, and is distinct for
# colour-blind people.
COLOURS = ("#0b5cad", "#d55e00", "#00805e", "#b3589a", "#1f8fc4", "#a87400", "#6b7280", "#1f2328")
MOST_KINDS = len(COLOURS)


@runtime_checkable
class Cloud(Protocol):
    """The parts of `EmbeddingsView` that this module draws."""

    kind_names: list[str]
    shares: list[float]
    place: dict[str, Any]
    chosen: int
    neighbours: dict[str, Any]
    analogy: dict[str, Any]
    near: bytes
    n_near: int

    @property
    def is_near(self) -> bool: ...

    @property
    def overlay(self) -> str: ...

    def coordinates(self) -> np.ndarray: ...

    def near_coordinates(self) -> np.ndarray: ...

    def kind_numbers(self) -> np.ndarray: ...

    def label(self, row: int) -> str: ...


def draw(view: Cloud, format: str) -> bytes:
    """Draw the view as a PNG or SVG file; the same view always yields the same bytes."""

    def draw_on(figure: Any) -> None:
        axes = figure.subplots()
        _draw_cloud(axes, view)
        _draw_marks(axes, view)

    file = drawn(draw_on, format, figsize=(7.2, 5.2))
    return _few_colours(file) if format == "png" else file.getvalue()


def _few_colours(file: io.BytesIO) -> bytes:
    """Reduce the picture to tints of its colours, so that notebooks store only a fraction of the bytes."""
    from PIL import Image

    tints = [np.linspace(rgb(colour), rgb(PAPER), 24, endpoint=False) for colour in (*COLOURS, FAINT)]
    palette = np.concatenate([[rgb(PAPER)], *tints]).round()  # Float[ndarray, "tint rgb"]
    pixels = np.asarray(Image.open(file).convert("RGB"), dtype=np.int64)
    packed = pixels[..., 0] | pixels[..., 1] << 8 | pixels[..., 2] << 16
    colours, at = np.unique(packed, return_inverse=True)
    seen = np.stack([colours & 255, colours >> 8 & 255, colours >> 16], axis=1)
    distances = (seen**2).sum(1)[:, None] - 2 * seen @ palette.T + (palette**2).sum(1)  # squared
    smaller = io.BytesIO()
    picture = Image.fromarray(distances.argmin(1).astype(np.uint8)[at].reshape(pixels.shape[:2]), mode="P")
    picture.putpalette(palette.astype(np.uint8).tobytes())
    picture.save(smaller, format="png", optimize=True)
    return smaller.getvalue()


def _places(view: Cloud) -> np.ndarray:
    return (view.near_coordinates() if view.is_near else view.coordinates())[:, :2]


def _draw_cloud(axes: Any, view: Cloud) -> None:
    points, kinds = _places(view), view.kind_numbers()
    drawn_rows = np.arange(len(points)) < (view.n_near if view.is_near else len(points))
    counts = np.bincount(kinds[drawn_rows], minlength=len(view.kind_names))
    hidden = set(view.place.get("hidden", ()))
    size = float(np.clip(20_000 / drawn_rows.sum(), 1.2, 30))
    for kind in range(len(counts)):  # the rarest kinds are drawn last, on top
        if kind in hidden:
            continue
        rows = drawn_rows & (kinds == kind)
        axes.scatter(
            points[rows, 0],
            points[rows, 1],
            s=size,
            color=COLOURS[kind],
            alpha=0.55,
            linewidths=0,
            rasterized=True,
            label=f"{view.kind_names[kind]} ({counts[kind]:,})",
        )
    if len(view.kind_names) > 1 and len(hidden) < len(view.kind_names):
        axes.figure.legend(
            loc="outside lower center", ncols=3, frameon=False, scatterpoints=1, markerscale=(30 / size) ** 0.5
        )
    low, high = _frame(points[drawn_rows])
    axes.set_xlim(low[0], high[0], auto=True)  # the limits may move, so that a unit has the same length on both axes
    axes.set_ylim(low[1], high[1], auto=True)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#b8bec6")
    if view.is_near:
        axes.set_xlabel("t-SNE: neighbours stay together; distances between groups mean little", color=FAINT)
        return
    shares = [f" ({share:.1%} of the variance)" for share in view.shares]
    for at, write in enumerate((axes.set_xlabel, axes.set_ylabel)):
        write(f"direction {at + 1}" + (shares[at] if at < len(shares) else ""), color=FAINT)


def _frame(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the picture's limits, as `startCamera` in data.mjs does: a few distant points must not shrink the cloud."""
    low, high = np.quantile(points, 0.005, axis=0), np.quantile(points, 0.995, axis=0)
    middle, half = (low + high) / 2, 1.15 * (high - low) / 2
    low, high = np.maximum(points.min(axis=0), middle - half), np.minimum(points.max(axis=0), middle + half)
    margin = np.maximum(0.04 * (high - low), 1e-3)
    return low - margin, high + margin


def _draw_marks(axes: Any, view: Cloud) -> None:
    """Draw the chosen token with its neighbours, or the arrows of an analogy."""
    from matplotlib.patheffects import withStroke

    points = _places(view)
    named: dict[int, str] = {}  # in order of importance
    if view.overlay == "analogy" and view.analogy:
        a, b, c = view.analogy["rows"]
        for start, end in ((a, b), *((c, row) for row, _ in view.analogy["answers"][:1])):
            axes.annotate("", points[end], points[start], arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.4})
            named |= {row: view.label(row) for row in (start, end)}
    elif view.chosen >= 0:
        named[view.chosen] = view.label(view.chosen)
        if view.neighbours.get("of") == view.chosen:
            for row, _ in view.neighbours[view.place.get("by", "cosine")]:
                axes.plot(*points[[view.chosen, row]].T, color=INK, linewidth=0.7, scalex=False, scaley=False)
                named.setdefault(row, view.label(row))
    axes.figure.draw_without_rendering()  # only after this do we know where each point is in the picture
    places = {row: axes.transData.transform(points[row]) for row in named}
    taken = [(x - 4, x + 4, y - 4, y + 4) for x, y in places.values()]  # a name must not cover a dot or another name
    for row, label in named.items():
        axes.plot(*points[row], "o", markersize=4.5, color=INK, markeredgecolor=PAPER, scalex=False, scaley=False)
        label = _plain(label)
        for dx, dy, side in SPOTS:
            box = _box(places[row], dx, dy, side, label)
            if (
                axes.bbox.contains(*box[::2])
                and axes.bbox.contains(*box[1::2])
                and not any(_meet(box, o) for o in taken)
            ):
                taken.append(box)
                far = {"arrowprops": {"arrowstyle": "-", "color": FAINT, "lw": 0.6}} if abs(dx) + abs(dy) > 12 else {}
                text = axes.annotate(
                    label,
                    points[row],
                    (0.72 * dx, 0.72 * dy),
                    textcoords="offset points",
                    ha=side,
                    va="center",
                    color=INK,
                    parse_math=False,
                    **far,
                )
                text.set_path_effects([withStroke(linewidth=2.5, foreground=PAPER)])
                break


# Positions for a name, in pixels from its dot: directly beside the dot, or farther away, with a line.
SPOTS = (
    (8, 0, "left"),
    (-8, 0, "right"),
    *(
        (round(r * np.cos(turn)), round(r * np.sin(turn)), "left" if np.cos(turn) > 0 else "right")
        for r in (28, 48, 70, 95, 125)
        for turn in np.pi * (np.arange(12) + 0.5) / 6
    ),
)


def _box(place: np.ndarray, dx: int, dy: int, side: str, label: str) -> tuple[float, float, float, float]:
    """Return the left, right, lower and upper edges of a token's label, in pixels."""
    width, x, y = 8 * len(label), place[0] + dx, place[1] + dy
    left = x if side == "left" else x - width
    return left, left + width, y - 7, y + 7


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return bool(a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3])


def _plain(label: str) -> str:
    """Shorten a label, and replace characters that fonts may lack or XML forbids with “□”."""
    label = "".join(c if c.isprintable() and ord(c) < 0x2E80 else "□" for c in label)
    return label if len(label) <= 18 else label[:17] + "…"

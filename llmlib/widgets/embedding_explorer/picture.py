"""The static picture of an embedding view: what stands in its place where no widget can live."""

import io
from typing import Any, Protocol, runtime_checkable

import numpy as np

from llmlib.widgets.shared.still import FAINT, INK, PAPER, drawn, rgb

# As in the light theme of embedding_paint.mjs: each at least 3:1 on white, and different to colour-blind people.
COLOURS = ("#0b5cad", "#d55e00", "#00805e", "#b3589a", "#1f8fc4", "#a87400", "#6b7280", "#1f2328")
MOST_KINDS = len(COLOURS)


@runtime_checkable
class Cloud(Protocol):
    """What is drawn: an `EmbeddingView`, of which this module has to know no more."""

    kind_names: list[str]
    shares: list[float]
    place: dict[str, Any]
    chosen: int
    neighbours: dict[str, Any]
    analogy: dict[str, Any]

    def coordinates(self) -> np.ndarray: ...

    def kind_numbers(self) -> np.ndarray: ...

    def label(self, row: int) -> str: ...


def draw(view: Cloud, format: str) -> bytes:
    """A PNG or SVG file; the same view gives the same bytes."""

    def draw_on(figure: Any) -> None:
        axes = figure.subplots()
        _draw_cloud(axes, view)
        _draw_marks(axes, view)

    file = drawn(draw_on, format, figsize=(7.2, 5.2))
    return _few_colours(file) if format == "png" else file.getvalue()


def _few_colours(file: io.BytesIO) -> bytes:
    """The same picture in tints of its own colours, a fraction of the bytes: notebooks carry these pictures."""
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


def _draw_cloud(axes: Any, view: Cloud) -> None:
    points, kinds = view.coordinates(), view.kind_numbers()
    counts = np.bincount(kinds, minlength=len(view.kind_names))
    hidden = set(view.place.get("hidden", ()))
    size = float(np.clip(20_000 / len(points), 1.2, 30))
    for kind in range(len(counts)):  # the rare ones last, on top
        if kind in hidden:
            continue
        rows = kinds == kind
        axes.scatter(
            points[rows, 0], points[rows, 1], s=size, color=COLOURS[kind], alpha=0.55, linewidths=0,
            rasterized=True, label=f"{view.kind_names[kind]} ({counts[kind]:,})",
        )  # fmt: skip
    if len(view.kind_names) > 1 and len(hidden) < len(view.kind_names):
        axes.figure.legend(
            loc="outside lower center", ncols=3, frameon=False, scatterpoints=1, markerscale=(30 / size) ** 0.5
        )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#b8bec6")
    shares = [f" ({share:.1%} of the variance)" for share in view.shares]
    for at, write in enumerate((axes.set_xlabel, axes.set_ylabel)):
        write(f"direction {at + 1}" + (shares[at] if at < len(shares) else ""), color=FAINT)


def _draw_marks(axes: Any, view: Cloud) -> None:
    """The chosen token with its neighbours, and the arrows of an analogy."""
    from matplotlib.patheffects import withStroke

    points = view.coordinates()[:, :2]
    named: dict[int, str] = {}  # in the order of importance
    if view.analogy:
        a, b, c = view.analogy["rows"]
        for start, end in ((a, b), *((c, row) for row, _ in view.analogy["answers"][:1])):
            axes.annotate("", points[end], points[start], arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.4})
            named |= {row: view.label(row) for row in (start, end)}
    if view.chosen >= 0:
        named[view.chosen] = view.label(view.chosen)
        if view.neighbours.get("of") == view.chosen:
            for row, _ in view.neighbours[view.place.get("by", "cosine")]:
                axes.plot(*points[[view.chosen, row]].T, color=INK, linewidth=0.7)
                named.setdefault(row, view.label(row))
    axes.figure.draw_without_rendering()  # from here on it is known where a point lies on the paper
    taken: list[tuple[float, float, float]] = []
    for row, label in named.items():
        axes.plot(*points[row], "o", markersize=4.5, color=INK, markeredgecolor=PAPER)
        label = _plain(label)
        x, y = axes.transData.transform(points[row])
        for side, left in (("left", x), ("right", x - 8 * len(label))):
            right = left + 8 * len(label)
            if not any(abs(y - up) < 14 and start < right and left < end for start, end, up in taken):
                taken.append((left, right, y))
                text = axes.annotate(
                    label, points[row], (6 if side == "left" else -6, 3), textcoords="offset points", ha=side,
                    color=INK, parse_math=False,
                )  # fmt: skip
                text.set_path_effects([withStroke(linewidth=2.5, foreground=PAPER)])
                break


def _plain(label: str) -> str:
    """A short label that any font can write and XML allows."""
    label = "".join(c if c.isprintable() and ord(c) < 0x2E80 else "□" for c in label)
    return label if len(label) <= 18 else label[:17] + "…"

"""Draw the static picture of an attention view, for environments where widgets cannot run."""

import io
from typing import Any, Protocol, runtime_checkable

import numpy as np

from llmlib.widgets.shared.still import FAINT, INK, PAPER, drawn, rgb
from llmlib.widgets.shared.token_text import joined_text, visible_token

OUTSIDE, MISSING = "#f3f4f6", "#c2185b"
STOPS = ("#ffffff", "#cfe3f7", "#6aa5dc", "#0b5cad", "#06264d")  # from the light theme of canvas.mjs
THUMB, LABELS = 40, 40  # the size of a thumbnail in pixels; how many labels an axis has at most


@runtime_checkable
class Heads(Protocol):
    """The parts of `AttentionView` that this module draws."""

    a: dict[str, Any]
    b: dict[str, Any]  # empty if there is no second text
    place: dict[str, Any]
    source: str  # the model's name

    def pattern(self, layer: int, head: int | str, side: str = "a") -> np.ndarray: ...


def draw(view: Heads, format: str) -> bytes:
    """Draw the view as a PNG or SVG file; the same view always yields the same bytes."""

    def draw_on(figure: Any) -> None:
        if "layer" in view.place and "head" in view.place:
            _draw_head(figure, view)
        else:
            _draw_grid(figure, view)

    file = drawn(draw_on, format)
    return _few_colours(file) if format == "png" else file.getvalue()


def _few_colours(file: io.BytesIO) -> bytes:
    """Reduce the picture to the colours that it needs, so that notebooks store only a third of the bytes."""
    from PIL import Image

    shades = _palette()(np.linspace(0, 1, 200))[:, :3] * 255  # Float[ndarray, "shade rgb"]
    greys = np.linspace(rgb(INK), rgb(PAPER), 40)  # for the edges of letters
    fixed = np.array([rgb(colour) for colour in (FAINT, OUTSIDE, MISSING)])
    carrier = Image.new("P", (1, 1))
    carrier.putpalette(np.concatenate([shades, greys, fixed]).round().astype(np.uint8).tobytes())
    smaller = io.BytesIO()
    picture = Image.open(file).convert("RGB").quantize(palette=carrier, dither=Image.Dither.NONE)
    picture.save(smaller, format="png", optimize=True)
    return smaller.getvalue()


def _palette() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    palette = LinearSegmentedColormap.from_list("attention", STOPS)
    palette.set_bad(MISSING)
    palette.set_over(OUTSIDE)
    return palette


def _roots(pattern: np.ndarray, causal: bool, scale: float) -> np.ndarray:
    """Compute each cell's shade: √(weight / scale), or 2 where a causal pattern has no weight."""
    shade = np.sqrt(pattern / scale)
    if causal:
        shade[np.triu_indices(len(shade), 1)] = 2.0
    return shade


def _thumbnail(shade: np.ndarray) -> np.ndarray:
    """Resize a pattern to THUMB × THUMB pixels, each of which shows the strongest cell that it covers."""
    n = len(shade)
    if n <= THUMB:
        near = (np.arange(THUMB) * n) // THUMB
        return shade[near][:, near]
    starts = (np.arange(THUMB) * n) // THUMB
    inside = np.where(shade > 1, -1.0, shade)  # a pixel has the colour OUTSIDE only if it covers no other cells
    pooled = np.maximum.reduceat(np.maximum.reduceat(inside, starts, axis=0), starts, axis=1)
    return np.where(pooled < 0, 2.0, pooled)


def _sides(view: Heads) -> dict[str, dict[str, Any]]:
    """Return the sides to draw: A and, if it exists, B."""
    return {"a": view.a, "b": view.b} if view.b else {"a": view.a}


def _draw_grid(figure: Any, view: Heads) -> None:
    n_layers, n_heads, step, sides = view.a["layers"], view.a["heads"], THUMB + 4, _sides(view)
    height, width = n_layers * step - 4, n_heads * step - 4
    figure.set_size_inches(max(len(sides) * width, 360) / 100 + 0.7 * len(sides), height / 100 + 2)
    all_axes = figure.subplots(1, len(sides), squeeze=False)[0]
    palette, every = _palette(), max(1, round(16 / step))
    for axes, (side, text) in zip(all_axes, sides.items()):
        mosaic = np.full((height, width, 4), 1.0)
        for layer in range(n_layers):
            for head in range(n_heads):
                shade = _roots(view.pattern(layer, head, side), text["causal"], text["scale"])
                y, x = layer * step, head * step
                mosaic[y : y + THUMB, x : x + THUMB] = palette(np.ma.masked_invalid(_thumbnail(shade)))
        axes.imshow(mosaic, interpolation="nearest")
        axes.set_xticks([head * step + THUMB / 2 for head in range(0, n_heads, every)], range(0, n_heads, every))
        axes.set_yticks([layer * step + THUMB / 2 for layer in range(0, n_layers, every)], range(0, n_layers, every))
        axes.set_xlabel("head", color=FAINT)
        axes.set_ylabel("layer", color=FAINT)
        _quiet(axes)
    _draw_titles(figure, view, all_axes, f"all {n_layers} × {n_heads} heads")
    _draw_legend(figure, view)


def _draw_head(figure: Any, view: Heads) -> None:
    layer, head, sides = view.place["layer"], view.place["head"], _sides(view)
    figure.set_size_inches(6.4 if len(sides) == 1 else 9.6, 7 if len(sides) == 1 else 6.2)
    all_axes = figure.subplots(1, len(sides), squeeze=False)[0]
    for axes, (side, text) in zip(all_axes, sides.items()):
        n = len(text["tokens"])
        shade = _roots(view.pattern(layer, head, side), text["causal"], text["scale"])
        axes.imshow(np.ma.masked_invalid(shade), cmap=_palette(), vmin=0, vmax=1, interpolation="nearest")
        at = range(0, n, -(-n * len(sides) // LABELS))
        written = [_label(text["tokens"][position]) for position in at]
        cell = len(shade) / n  # less than 1 in a thumbnail
        ticks = [(position + 0.5) * cell - 0.5 for position in at]
        axes.set_xticks(ticks, written, rotation=90, parse_math=False)
        axes.set_yticks(ticks, written, parse_math=False)
        axes.set_xlabel("key: where it looks", color=FAINT)
        axes.set_ylabel("query: the token that looks", color=FAINT)
        _quiet(axes)
    which = f"{head} of all heads" if isinstance(head, str) else f"head {head}"
    _draw_titles(figure, view, all_axes, f"layer {layer}, {which}")
    _draw_legend(figure, view)


def _draw_titles(figure: Any, view: Heads, all_axes: Any, which: str) -> None:
    """Write titles that name the heads, the model and the texts."""
    sides, source = list(_sides(view).values()), f" · {view.source}" if view.source else ""
    room = int(figure.get_size_inches()[0] * 14 / len(sides))  # the number of letters that fit in a line
    lines = [f"Attention of {which}{source}"]
    if len(sides) == 1:
        lines.append(_quoted(view.a["tokens"], room))
    for axes, text in zip(all_axes, sides if len(sides) > 1 else ()):
        title = f"{_short(text['title'], room)}\n{_quoted(text['tokens'], room)}"
        axes.set_title(title, fontsize=9, color=INK, loc="left", parse_math=False)
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10, color=INK, parse_math=False)


def _quoted(tokens: list[str], room: int) -> str:
    text = " ".join(joined_text(tokens).split())
    return f"“{_short(text, room - 2)}”"


def _short(text: str, room: int) -> str:
    """Shorten a text to at most `room` characters, and replace those that fonts may lack or XML forbids with “□”."""
    text = _writable(text)
    return text if len(text) <= room else text[: room - 1] + "…"


def _draw_legend(figure: Any, view: Heads) -> None:
    """Draw a scale that shows what each shade means."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = view.a["scale"]
    weights = [share * scale for share in (0, 0.05, 0.25, 0.5, 1)]
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), _palette()),
        ax=figure.axes,
        location="bottom",
        aspect=40,
        pad=0.01,
        shrink=0.9,
    )
    bar.set_ticks([(weight / scale) ** 0.5 for weight in weights], labels=[f"{weight:.0%}" for weight in weights])
    bar.ax.tick_params(length=0, colors=INK)
    bar.outline.set_edgecolor("#b8bec6")
    grey = "; grey: later tokens" if view.a["causal"] else ""
    bar.set_label(f"attention{grey}", color=FAINT)


def _label(token: str) -> str:
    """Make a short label from a token's text."""
    return _short(visible_token(token), 14)


def _writable(text: str) -> str:
    return "".join(c if c.isprintable() and ord(c) < 0x2E80 else "□" for c in text)


def _quiet(axes: Any) -> None:
    axes.tick_params(length=0, colors=INK, top=False, labeltop=True, labelbottom=False)
    axes.xaxis.set_label_position("top")
    for spine in axes.spines.values():
        spine.set_visible(False)

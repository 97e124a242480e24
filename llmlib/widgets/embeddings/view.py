"""The embeddings view shows a whole embedding table as a cloud of points to explore, with neighbours and analogies."""

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float, UInt8, UInt16

from llmlib.style import picture_html
from llmlib.widgets.embeddings.picture import MOST_KINDS, draw
from llmlib.widgets.shared.base import View
from llmlib.widgets.shared.token_text import token_label

STEPS = 65_535  # steps along each axis, far finer than the pixels of a screen


class EmbeddingsView(View):
    """A cloud of tokens. To make a view from arrays, use `embeddings_view`.

    `points` contains the coordinates of each row (see `pack_points`), `labels` the joined bytes of all tokens, `ends`
    the position where each label ends, and `kinds` the number of each row's kind. `chosen` is the row of the pinned
    token, or -1. `place` says how the user is looking at the cloud, such as `{"dims": 3, "by": "dot", "hidden": [1],
    "camera": [...]}`; parts that the user has not changed are missing. The owner of the embedding table handles
    the user's actions "neighbours", with a `row`, and "analogy", with three `rows` (or none), by setting the traits of
    the same names. For the action "map", the owner calls `set_near` (see `llmlib.explore.explore_embeddings`). The map
    shows either neighbours or an analogy (`place["overlay"]`).
    """

    folder = Path(__file__).parent
    shown = (
        "points",
        "labels",
        "ends",
        "kinds",
        "kind_names",
        "dims",
        "shares",
        "place",
        "chosen",
        "neighbours",
        "analogy",
        "near",
        "n_near",
    )

    points = traitlets.Bytes(b"").tag(sync=True)  # uint16 (row, 3), little-endian
    labels = traitlets.Bytes(b"").tag(sync=True)
    ends = traitlets.Bytes(b"").tag(sync=True)  # uint32, little-endian: where each label ends
    kinds = traitlets.Bytes(b"").tag(sync=True)  # uint8
    kind_names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    dims = traitlets.Int(3).tag(sync=True)  # 2 if there is no third direction to show
    shares = traitlets.List(traitlets.Float()).tag(sync=True)  # each direction's share of the variance; may be empty

    near = traitlets.Bytes(b"").tag(
        sync=True
    )  # the second map, which keeps neighbours together, packed like `points`; may be empty
    n_near = traitlets.Int(0).tag(sync=True)  # the second map shows this many rows, counted from the first row

    place = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)
    neighbours = traitlets.Dict().tag(sync=True)  # of: row; cosine, dot: [[row, similarity], …], nearest first
    analogy = traitlets.Dict().tag(sync=True)  # rows: [a, b, c]; answers: [[row, cosine], …], best first

    def __len__(self) -> int:
        return len(self.kinds)

    def __bool__(self) -> bool:
        return True

    def label(self, row: int) -> str:
        """Return the text of a row's token with visible white space, such as "·Paris"."""
        ends = np.frombuffer(self.ends, dtype="<u4")
        return token_label(self.labels[ends[row - 1] if row else 0 : ends[row]])

    def coordinates(self) -> Float[np.ndarray, "row 3"]:
        """Return the coordinates of all points, between -1 and 1, as precisely as the view stores them."""
        return unpack_points(self.points)

    def near_coordinates(self) -> Float[np.ndarray, "row 3"]:
        """Return the coordinates of all points on the second map; the third coordinate is 0."""
        return unpack_points(self.near)

    def set_near(self, places: Float[np.ndarray, "row two"], n_drawn: int) -> None:
        """Set the second map, on which only the points of the first `n_drawn` rows are drawn.

        The other rows have positions on this map, too, and their points are shown when the user asks for them. Raises
        `ValueError` unless `places` contains exactly one position per row, with finite coordinates.
        """
        if len(places) != len(self) or not np.isfinite(places).all():
            raise ValueError(
                f"The second map needs {len(self):,} finite positions, one for each row; got {len(places):,}."
            )
        with self.hold_sync():
            self.near, self.n_near = pack_points(places).tobytes(), n_drawn

    @property
    def is_near(self) -> bool:
        """Whether the user is looking at the second map."""
        return bool(self.near) and self.place.get("map") == "near"

    @property
    def overlay(self) -> str:
        """What the map shows: "neighbours" of the chosen token, or an "analogy"."""
        return self.place.get("overlay", "neighbours" if self.chosen >= 0 or not self.analogy else "analogy")

    def kind_numbers(self) -> UInt8[np.ndarray, " row"]:
        return np.frombuffer(self.kinds, dtype=np.uint8)

    @property
    def alt(self) -> str:
        counts = np.bincount(self.kind_numbers(), minlength=len(self.kind_names))
        kinds = [f"{name} {counts[at]:,}" for at, name in enumerate(self.kind_names) if counts[at]]
        tokens = "1 token" if len(self) == 1 else f"{len(self):,} tokens"
        if self.is_near:
            tokens += f" ({self.n_near:,} drawn), placed by t-SNE so that neighbours stay together"
        words = [f"A map of {tokens}" + (f", coloured by kind: {', '.join(kinds)}." if len(kinds) > 1 else ".")]
        if self.chosen >= 0 and self.overlay == "neighbours":
            words.append(f"Chosen: “{self.label(self.chosen)}”" + self._nearest_in_words() + ".")
        if self.analogy and self.overlay == "analogy":
            a, b, c = (self.label(row) for row in self.analogy["rows"])
            answers = [f"“{self.label(row)}”" for row, _ in self.analogy["answers"][:3]]
            words.append(f"“{a}” is to “{b}” as “{c}” is to {', '.join(answers) or 'nothing'}.")
        return " ".join(words)

    def _nearest_in_words(self) -> str:
        if self.neighbours.get("of") != self.chosen:
            return ""
        by = self.place.get("by", "cosine")
        found = [f"“{self.label(row)}”" for row, _ in self.neighbours[by][:5]]
        return f", nearest by {'dot product' if by == 'dot' else by}: {', '.join(found) or 'none'}"

    def svg(self) -> str:
        """Draw the first two dimensions, whatever the screen shows; the same state always yields the same bytes."""
        return draw(self, "svg").decode()

    def fallback_html(self) -> str:
        return picture_html(draw(self, "png"), self.alt)


def unpack_points(points: bytes) -> Float[np.ndarray, "row 3"]:
    """Unpack the coordinates that `pack_points` packed; the results are between -1 and 1.

    >>> unpack_points(pack_points(np.array([[0.0, 0.0], [2.0, 1.0]])).tobytes()).round(2).tolist()
    [[-1.0, -0.5, 0.0], [1.0, 0.5, 0.0]]
    """
    steps = np.frombuffer(points, dtype="<u2").reshape(-1, 3)
    return (steps / STEPS * 2 - 1).astype(np.float32)


def pack_points(points: Float[np.ndarray, "row dims"]) -> UInt16[np.ndarray, "row 3"]:
    """Pack coordinates as integers in a cube that holds all points, with one scale for all axes.

    If there is no third coordinate, it counts as 0.

    >>> pack_points(np.array([[0.0, 0.0], [2.0, 1.0]])).tolist()
    [[0, 16384, 32768], [65535, 49151, 32768]]
    """
    full = np.zeros((len(points), 3))
    full[:, : points.shape[1]] = points
    low, high = full.min(axis=0), full.max(axis=0)
    half = max((high - low).max() / 2, np.finfo(np.float64).tiny)
    inside = (full - (low + high) / 2) / half  # between -1 and 1
    return np.round((inside + 1) / 2 * STEPS).astype("<u2")


def embeddings_view(
    labels: Sequence[str | bytes],
    points: Float[np.ndarray, "row dims"],
    kinds: Sequence[str] | None = None,
    *,
    shares: Sequence[float] = (),
    chosen: int | None = None,
) -> EmbeddingsView:
    """Show an interactive map of any model's embeddings.

    Users can pan, rotate, search and colour tens of thousands of points. `points` has two or three columns; the flat
    map shows the first two. `llmlib.embeddings.project` returns suitable `points` (the principal components) and
    `shares` (each component's share of the variance). `labels` are strings, or bytes for tokens that contain only part
    of a character. `kinds` names each row's kind, with at most eight different kinds. The kinds determine the colours,
    and the most frequent kind gets the first colour.

    Neighbours and analogies need the whole table, so `llmlib.explore.explore_embeddings` computes them.

    Raises `ValueError` if there are no rows, if lengths do not match, if coordinates are NaN or infinite, or if the
    chosen row does not exist.

    >>> embeddings_view(
    ...     [" cat", " dog", "7"], np.array([[0.0, 1.0], [0.1, 1.0], [3.0, 0.0]]), ["word", "word", "number"]
    ... )
    <EmbeddingsView: A map of 3 tokens, coloured by kind: word 2, number 1.>
    """
    _check(labels, points, kinds, chosen)
    data = [label if isinstance(label, bytes) else label.encode(errors="replace") for label in labels]
    of_row = ["token"] * len(data) if kinds is None else list(kinds)
    names = [name for name, _ in Counter(of_row).most_common()]
    number = {name: at for at, name in enumerate(names)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a number that is out of range raises an error
        packed = pack_points(points)
    return EmbeddingsView(
        points=packed.tobytes(),
        labels=b"".join(data),
        ends=np.cumsum([len(label) for label in data]).astype("<u4").tobytes(),
        kinds=bytes(number[kind] for kind in of_row),
        kind_names=names,
        dims=points.shape[1],
        shares=[float(share) for share in shares],
        chosen=-1 if chosen is None else chosen,
    )


def _check(labels: Sequence[Any], points: np.ndarray, kinds: Sequence[str] | None, chosen: int | None) -> None:
    if not len(labels):
        raise ValueError("There is nothing to show: pass at least one label and its point.")
    if points.shape[1] not in (2, 3):
        raise ValueError(f"points must have 2 or 3 columns; got {points.shape[1]}. Use llmlib.embeddings.project.")
    if len(points) != len(labels):
        raise ValueError(
            f"There are {len(labels):,} labels, but {len(points):,} points; each row needs a label and a point."
        )
    if not (fine := np.isfinite(points).all(axis=1)).all():
        raise ValueError(
            f"{(~fine).sum():,} of {len(points):,} points contain NaN or infinity, the first in row {fine.argmin()}."
        )
    if kinds is not None:
        if len(kinds) != len(labels):
            raise ValueError(f"There are {len(labels):,} labels, but {len(kinds):,} kinds; each row needs a kind.")
        if (different := len(set(kinds))) > MOST_KINDS:
            raise ValueError(f"{different} kinds are too many to tell apart by colour; use at most {MOST_KINDS}.")
    if chosen is not None and not 0 <= chosen < len(labels):
        raise ValueError(f"chosen must be a row number from 0 to {len(labels) - 1}; got {chosen}.")

"""The long-context view shows losses up to the trained length and beyond, and needles found in a haystack."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from llmlib.widgets.long_context.losses import Curves, checked_losses, checked_positions, levels, sides
from llmlib.widgets.long_context.picture import counted, draw, found
from llmlib.widgets.shared.base import View

POINTS = 150  # a curve has at most this many points at first
LONGEST_NAME = 40


class LongContextView(View):
    """Losses by position and grids of needles found, for one or more arms. Make a view with `long_context_view`.

    `about` contains the `names` of all arms, `trained` (the trained length, or None) and `needles` (how many there are
    per cell, or None). For the losses, `about` contains the indices of the arms that have losses (`arms`), each arm's
    mean losses up to the trained length and beyond it (`sides`), and for each level of averaging its `width` and its
    `n` points (`levels`). For the grids, `about` contains the indices of the arms that have a grid (`grid_arms`),
    `lengths` and `depths`. `losses` contains the levels one after the other, as `Curves.pack` writes them. `grids`
    contains a share for each arm, length and depth (little-endian f4, with NaN for cells that have not been measured).
    """

    folder = Path(__file__).parent
    title = "Long contexts"
    sheets = (Path(__file__).parent.parent / "shared" / "runs" / "board.css",)
    shown = ("about", "losses", "grids", "place")

    about = traitlets.Dict().tag(sync=True)
    losses = traitlets.Bytes(b"").tag(sync=True)
    grids = traitlets.Bytes(b"").tag(sync=True)
    place = traitlets.Dict().tag(sync=True)  # position, width (of averages), cell (indices of length and depth), hidden
    still = traitlets.Dict().tag(sync=True)  # id, html: a newer picture, for a saved notebook

    def __init__(self, **traits: Any):
        self._levels: list[Curves] = traits.pop("curves", [])
        super().__init__(**traits)

    def shares(self) -> Float[np.ndarray, "arm length depth"]:
        """For each arm that has a grid, return the share of needles found in each cell (NaN: not measured yet)."""
        about = self.about
        shape = (len(about["grid_arms"]), len(about["lengths"]), len(about["depths"]))
        return np.frombuffer(self.grids, "<f4").reshape(shape).astype(np.float64)

    def curves(self) -> Curves:
        """Return the losses, averaged as the user has chosen."""
        return next(each for each in self._levels if each.width == self.place["width"])

    def put(self, arm: str, length: int, depth: float | int, share: Any) -> None:
        """Show the share of needles found in one cell of a grid, so that the grid fills up while you watch.

        Raises `ValueError` if the arm, the length or the depth is not in the grid, or if `share` is not between 0 and
        1.
        """
        shares, value, place = self.shares(), float(share), []
        axes: list[tuple[str, Any, list[Any]]] = [
            ("arm", arm, self._named("grid_arms")),
            ("length", int(length), self.about["lengths"]),
            ("depth", float(depth), self.about["depths"]),
        ]
        for what, wanted, known in axes:
            if wanted not in known:
                raise ValueError(f"The grid has no {what} {wanted!r}; it has {', '.join(map(repr, known)) or 'none'}.")
            place.append(known.index(wanted))
        if not 0 <= value <= 1:
            raise ValueError(f"A share must be between 0 and 1; got {value}.")
        shares[tuple(place)] = value
        with self.hold_sync():
            self.grids = shares.astype("<f4").tobytes()
            self.still = {"id": self.model_id, "html": self.fallback_html()}

    @property
    def alt(self) -> str:
        about, parts = self.about, []
        if about["arms"]:
            upto = f" up to position {about['trained']:,}, the trained length" if about["trained"] else ""
            losses = "; ".join(
                f"{name} {words}" for name, words in zip(self._named("arms"), map(_sides, about["sides"]))
            )
            parts.append(f"Mean loss{upto}: {losses}.")
        if about["grid_arms"]:
            shares = self.shares()
            found_shares = "; ".join(f"{name} {found(grid)}" for name, grid in zip(self._named("grid_arms"), shares))
            left = int(np.isnan(shares).sum())
            missing = f" {left:,} of {counted(shares.size, 'cell')} not measured yet." if left else ""
            size = f"{counted(len(about['lengths']), 'length')} and {counted(len(about['depths']), 'depth')}"
            parts.append(f"Needles found at {size}: {found_shares}.{missing}")
        return " ".join(parts)

    def _named(self, arms: str) -> list[str]:
        return [self.about["names"][number] for number in self.about[arms]]

    def svg(self) -> str:
        """Draw the losses by position and all grids; the same state always yields the same bytes."""
        return draw(self)


def long_context_view(
    losses: Mapping[str, Any] | None = None,
    grids: Mapping[str, Any] | None = None,
    *,
    positions: Any = None,
    lengths: Any = (),
    depths: Any = (),
    trained: int | None = None,
    needles: int | None = None,
) -> LongContextView:
    """Show how well one or more models read long texts: the loss at each position, and the needles found in a haystack.

    For each model (here called an arm), `losses` contains the loss in nats at each of the `positions` (1, 2, 3, … by
    default), in one or more rows. The view draws the mean of the rows, and a band from the lowest row to the highest
    (or, for more than 8 rows, two standard errors on each side of the mean). Arms may end at different positions. For
    each arm, `grids` contains the share of needles found, with the axes `[length, depth]`; NaN means that a cell has
    not been measured yet, and `view.put(arm, length, depth, share)` fills the cell in. `trained` is the length that the
    model was trained for, and `needles` is the number of needles behind each share. Sources: Kamradt (2023), "Needle in
    a Haystack"; Liu et al. (2023), "Lost in the Middle". Raises `ValueError` if there is nothing to show, or if sizes
    do not match.

    >>> long_context_view({"as trained": [3.0, 1.0, 5.0]}, trained=2)
    <LongContextView: Mean loss up to position 2, the trained length: as trained 2.00, 5.00 beyond.>
    >>> view = long_context_view(grids={"NTK": [[1.0, np.nan]]}, lengths=[128], depths=[0, 0.5])
    >>> view.put("NTK", 128, 0.5, 0.5)
    >>> view
    <LongContextView: Needles found at 1 length and 2 depths: NTK 75%.>
    """
    rows = checked_losses(losses or {})
    given = {str(name): np.asarray(grid, dtype=np.float64) for name, grid in (grids or {}).items()}
    if not rows and not given:
        raise ValueError("There is nothing to show: pass losses, grids, or both.")
    lengths, depths = [int(length) for length in lengths], [float(depth) for depth in depths]
    places = checked_positions(positions, max((each.shape[1] for each in rows.values()), default=0))
    for name, grid in given.items():
        if grid.shape != (len(lengths), len(depths)) or not grid.size:
            raise ValueError(
                f"The grid for {name!r} must have a share for each of the {len(lengths)} lengths and "
                f"{len(depths)} depths; got shape {list(grid.shape)}."
            )
        known = grid[~np.isnan(grid)]
        if ((known < 0) | (known > 1)).any():
            raise ValueError(
                f"Shares must be between 0 and 1; the grid for {name!r} has shares ranging from "
                f"{known.min():g} to {known.max():g}."
            )
    if len(set(lengths)) < len(lengths) or len(set(depths)) < len(depths):
        raise ValueError("Each length and each depth may appear only once in a grid.")
    if not all(0 <= depth <= 1 for depth in depths):
        raise ValueError(f"A depth must be a share of the text, from 0 (the start) to 1 (the end); got {list(depths)}.")
    if trained is not None and trained < 1:
        raise ValueError(f"trained must be a number of tokens, 1 or more; got {trained}.")
    names, curves = list(dict.fromkeys([*rows, *given])), levels(rows, places)
    fitting = [each.width for each in curves if len(each.first) <= POINTS] or [each.width for each in curves[-1:]]
    return LongContextView(
        curves=curves,
        about={
            "names": [_cut(name) for name in names],
            "trained": None if trained is None else int(trained),
            "needles": needles,
            "arms": [names.index(name) for name in rows],
            "sides": [sides(each, places, trained) for each in rows.values()],
            "levels": [{"width": each.width, "n": len(each.first)} for each in curves],
            "rows": max((len(each) for each in rows.values()), default=0),
            "grid_arms": [names.index(name) for name in given],
            "lengths": lengths,
            "depths": depths,
        },
        losses=b"".join(each.pack() for each in curves),
        grids=b"".join(grid.astype("<f4").tobytes() for grid in given.values()),
        place={
            "position": int(places[-1]) if rows else 0,
            "width": fitting[0] if curves else 1,
            "cell": None,
            "hidden": [],
        },
    )


def _sides(means: Sequence[float | None]) -> str:
    """Write the mean losses on both sides of the trained length."""
    inside, beyond = means
    parts = ([] if inside is None else [f"{inside:.2f}"]) + ([] if beyond is None else [f"{beyond:.2f} beyond"])
    return ", ".join(parts)


def _cut(name: str) -> str:
    whole = name.encode("utf-8", "replace").decode()  # half a surrogate pair cannot be sent
    return whole if len(whole) <= LONGEST_NAME else whole[: LONGEST_NAME - 1] + "…"

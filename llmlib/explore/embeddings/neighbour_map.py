"""A second map of an embedding table, on which neighbours stay together: t-SNE, computed once and then kept."""

import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from llmlib.embeddings import project
from llmlib.files.atomic import atomic_write
from llmlib.files.downloads import cache_dir

MOST_ROWS = 5_000  # t-SNE takes a laptop's core about half a minute for so many, and far longer for all
FEWEST_ROWS = 5
PERPLEXITY, STEPS = 30, 500  # about how many neighbours count for each row; half of the steps gather, half arrange
BESIDE = 0.01  # of the map's width: how far from its nearest row a row stands that t-SNE has not placed
NEEDED = (
    "This map is made by scikit-learn, which is not installed here. In a terminal: pip install scikit-learn. "
    "Then press the button again."
)


def neighbour_map(
    table: Float[Tensor, "vocab d_model"], most: int = MOST_ROWS, seed: int = 0
) -> tuple[Float[np.ndarray, "vocab two"], int]:
    """A place for each row, such that rows with a large cosine are near to each other, and how many t-SNE has placed.

    t-SNE places the first `most` rows; a byte-pair vocabulary begins with the tokens that were learned first. Each
    other row stands beside that one of them with which it has the largest cosine. The same table and seed give the
    same map, which is kept in llmlib's cache folder. Raises `ValueError` for fewer than 5 rows and `RuntimeError`
    where scikit-learn is not installed. Sources: van der Maaten and Hinton (2008), "Visualizing Data using t-SNE";
    Wattenberg et al. (2016), "How to Use t-SNE Effectively", on what such maps do not show: distances between groups,
    and their sizes.

    >>> neighbour_map(torch.eye(3))
    Traceback (most recent call last):
    ValueError: A map of neighbours needs at least 5 rows, and this table has 3.
    """
    rows = min(most, len(table))
    if rows < FEWEST_ROWS:
        raise ValueError(f"A map of neighbours needs at least {FEWEST_ROWS} rows, and this table has {rows}.")
    table = table.detach().float().cpu().contiguous()
    kept = _kept_in(table, rows, seed)
    if (places := _read(kept, len(table))) is None:
        directions = F.normalize(table, dim=1)
        places = _beside(_arranged(directions[:rows], seed), directions)
        _keep(kept, places)
    return places, rows


def _arranged(directions: Float[Tensor, "row d_model"], seed: int) -> Float[np.ndarray, "row two"]:
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise RuntimeError(NEEDED) from error
    tsne = TSNE(
        metric="cosine", init=_beginning(directions, seed), perplexity=min(PERPLEXITY, (len(directions) - 1) / 3),
        max_iter=STEPS, random_state=seed,
    )  # fmt: skip
    with threadpool_limits(1):  # several threads add up in another order each time, and t-SNE makes much of it
        return tsne.fit_transform(directions.numpy()).astype(np.float32)


def _beginning(directions: Float[Tensor, "row d_model"], seed: int) -> Float[np.ndarray, "row two"]:
    """Where t-SNE begins: two principal components, tiny, and a little chance, without which equal rows never part.

    scikit-learn's own `init="pca"` divides by their spread, and where all rows are equal it ends the whole process.
    """
    points = torch.zeros(len(directions), 2)
    components, _ = project(directions, min(2, directions.shape[1]))
    points[:, : components.shape[1]] = components / components[:, 0].std().clamp(min=1e-6)
    chance = torch.randn(points.shape, generator=torch.Generator().manual_seed(seed))
    return (1e-4 * (points.nan_to_num() + 0.1 * chance)).numpy()


def _beside(
    placed: Float[np.ndarray, "row two"], directions: Float[Tensor, "vocab d_model"]
) -> Float[np.ndarray, "vocab two"]:
    """Places of all rows: those of the first ones, and for each other a place right beside the nearest of these."""
    known, others = directions[: len(placed)], directions[len(placed) :]
    nearest = [(part @ known.T).argmax(dim=1) for part in others.split(4096)]
    turns = np.arange(len(others)) * 2.399963  # the golden angle: followers of one row stand around it
    away = np.stack([np.cos(turns), np.sin(turns)], axis=1) * BESIDE * np.ptp(placed, axis=0).max()
    followers = placed[torch.cat(nearest).numpy()] + away if len(others) else placed[:0]
    return np.concatenate([placed, followers]).astype(np.float32)


def _kept_in(table: Float[Tensor, "vocab d_model"], rows: int, seed: int) -> Path:
    made_from = hashlib.sha256(table.numpy().data)
    made_from.update(f"{tuple(table.shape)} {rows} {seed} {PERPLEXITY} {STEPS} {BESIDE}".encode())
    return cache_dir() / "maps" / f"tsne-{made_from.hexdigest()[:32]}.npy"


def _read(kept: Path, n_rows: int) -> Float[np.ndarray, "vocab two"] | None:
    """The map in a file; None where there is none that can be used."""
    try:
        places = np.load(kept, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    is_sound = places.shape == (n_rows, 2) and places.dtype == np.float32 and np.isfinite(places).all()
    return places if is_sound else None


def _keep(kept: Path, places: Float[np.ndarray, "vocab two"]) -> None:
    try:
        with atomic_write(kept) as file:
            np.save(file, places)
    except OSError:
        pass  # a folder that cannot be written costs half a minute the next time, and no map now

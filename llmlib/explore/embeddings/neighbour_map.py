"""Make a second map of an embedding table with t-SNE, which keeps neighbours together, and cache the map."""

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

MOST_ROWS = 5_000  # t-SNE takes about 30 s for this many rows on one core of a laptop, and far longer for whole tables
FEWEST_ROWS = 5
PERPLEXITY, STEPS = 30, 500  # roughly the number of neighbours; steps, half to gather the rows and half to arrange them
BESIDE = 0.01  # how far a row that t-SNE did not place is from its nearest placed row, as a share of the map's width
NEEDED = (
    "This map needs scikit-learn, which is not installed here. In a terminal, run: pip install scikit-learn. "
    "Then press the button again."
)


def neighbour_map(
    table: Float[Tensor, "vocab d_model"], most: int = MOST_ROWS, seed: int = 0
) -> tuple[Float[np.ndarray, "vocab two"], int]:
    """Return a map in which similar rows (by cosine) are close together, and the number of rows that t-SNE placed.

    t-SNE places the first `most` rows; in a byte-pair vocabulary, these are the tokens that were learned first. Every
    other row is put next to the placed row with which it has the largest cosine. The same table and seed always give
    the same map, which is stored in llmlib's cache folder. Raises `ValueError` for fewer than 5 rows and `RuntimeError`
    if scikit-learn is not installed. Sources: van der Maaten and Hinton (2008), "Visualizing Data using t-SNE";
    Wattenberg et al. (2016), "How to Use t-SNE Effectively", on what such maps do not show: cluster sizes and the
    distances between clusters.

    >>> neighbour_map(torch.eye(3))
    Traceback (most recent call last):
    ValueError: A map of neighbours needs at least 5 rows, but this table has 3.
    """
    rows = min(most, len(table))
    if rows < FEWEST_ROWS:
        raise ValueError(f"A map of neighbours needs at least {FEWEST_ROWS} rows, but this table has {rows}.")
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
        metric="cosine",
        init=_beginning(directions, seed),
        perplexity=min(PERPLEXITY, (len(directions) - 1) / 3),
        max_iter=STEPS,
        random_state=seed,
    )
    with threadpool_limits(1):  # several threads add numbers in varying order, and t-SNE amplifies the differences
        return tsne.fit_transform(directions.numpy()).astype(np.float32)


def _beginning(directions: Float[Tensor, "row d_model"], seed: int) -> Float[np.ndarray, "row two"]:
    """Make t-SNE's starting points: two principal components on a tiny scale, with noise to separate identical rows.

    scikit-learn's `init="pca"` divides by the spread of the points, so if all rows are identical, the whole process
    crashes.
    """
    points = torch.zeros(len(directions), 2)
    components, _ = project(directions, min(2, directions.shape[1]))
    points[:, : components.shape[1]] = components / components[:, 0].std().clamp(min=1e-6)
    chance = torch.randn(points.shape, generator=torch.Generator().manual_seed(seed))
    return (1e-4 * (points.nan_to_num() + 0.1 * chance)).numpy()


def _beside(
    placed: Float[np.ndarray, "row two"], directions: Float[Tensor, "vocab d_model"]
) -> Float[np.ndarray, "vocab two"]:
    """Return points for all rows: `placed`, and for each remaining row, a point next to the nearest placed row."""
    known, others = directions[: len(placed)], directions[len(placed) :]
    nearest = [(part @ known.T).argmax(dim=1) for part in others.split(4096)]
    turns = np.arange(len(others)) * 2.399963  # the golden angle, so that points next to the same row spread around it
    away = np.stack([np.cos(turns), np.sin(turns)], axis=1) * BESIDE * np.ptp(placed, axis=0).max()
    followers = placed[torch.cat(nearest).numpy()] + away if len(others) else placed[:0]
    return np.concatenate([placed, followers]).astype(np.float32)


def _kept_in(table: Float[Tensor, "vocab d_model"], rows: int, seed: int) -> Path:
    made_from = hashlib.sha256(table.numpy().data)
    made_from.update(f"{tuple(table.shape)} {rows} {seed} {PERPLEXITY} {STEPS} {BESIDE}".encode())
    return cache_dir() / "maps" / f"tsne-{made_from.hexdigest()[:32]}.npy"


def _read(kept: Path, n_rows: int) -> Float[np.ndarray, "vocab two"] | None:
    """Read the map from a file; return None if the file is missing or unusable."""
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
        pass  # if we cannot write to the folder, this map takes half a minute again next time

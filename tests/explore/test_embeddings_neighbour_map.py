"""The neighbour map: t-SNE keeps neighbours together, gives the same map for the same seed, and runs once per table."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import skip_or_fail

from llmlib.explore.embeddings import neighbour_map as module
from llmlib.explore.embeddings.neighbour_map import neighbour_map


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMLIB_CACHE", str(tmp_path))
    return tmp_path / "maps"


@pytest.fixture
def tsne():
    try:
        import sklearn.manifold  # noqa: F401
    except ImportError:
        skip_or_fail("no scikit-learn")


def three_groups(n=60, width=12):
    """Return rows near three directions: each row is near the next direction in turn."""
    generator = torch.Generator().manual_seed(0)
    return 5 * torch.eye(3, width).repeat(n // 3, 1) + 0.5 * torch.randn(n, width, generator=generator)


@pytest.mark.usefixtures("tsne")
def test_neighbours_stay_together():
    places, n_placed = neighbour_map(three_groups())
    assert n_placed == len(places) == 60
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(60)
    assert (distances.argmin(axis=1) % 3 == np.arange(60) % 3).mean() > 0.95


@pytest.mark.usefixtures("tsne")
def test_only_the_same_seed_gives_the_same_map(cache):
    table = three_groups()
    places, _ = neighbour_map(table)
    next(cache.iterdir()).unlink()
    assert np.array_equal(neighbour_map(table)[0], places)
    assert not np.array_equal(neighbour_map(table, seed=1)[0], places)


@pytest.mark.slow
@pytest.mark.usefixtures("tsne")
def test_a_map_is_recomputed_only_if_its_file_is_damaged_or_the_table_changes(cache, monkeypatch):
    table = three_groups()
    places, _ = neighbour_map(table)
    (kept,) = cache.iterdir()
    monkeypatch.setattr(module, "_arranged", lambda *_: pytest.fail("computed again"))
    assert np.array_equal(neighbour_map(table)[0], places)
    monkeypatch.undo()
    monkeypatch.setenv("LLMLIB_CACHE", str(cache.parent))
    for damage in (b"", b"no array", kept.read_bytes()[:-8]):
        kept.write_bytes(damage)
        assert np.array_equal(neighbour_map(table)[0], places)
    table[0, 0] += 1
    neighbour_map(table)
    assert len(list(cache.iterdir())) == 2


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 12), st.integers(0, 20), st.integers(0, 99))
def test_the_remaining_rows_are_placed_next_to_the_row_with_the_largest_cosine(n_placed, n_others, seed):
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(n_placed + n_others, 4, generator=generator), dim=1)
    placed = 100 * torch.randn(n_placed, 2, generator=generator).numpy()
    places = module._beside(placed, directions)
    assert places.shape == (n_placed + n_others, 2)
    width = np.ptp(placed, axis=0).max()
    for row in range(n_placed, len(places)):
        nearest = int(np.argmax([float(directions[row] @ directions[other]) for other in range(n_placed)]))
        assert np.linalg.norm(places[row] - placed[nearest]) == pytest.approx(0.01 * width, rel=1e-3)


@pytest.mark.usefixtures("tsne")
def test_small_and_unusual_tables_can_be_mapped():
    for table in (torch.zeros(5, 3), torch.eye(6), torch.ones(7, 2, dtype=torch.bfloat16)):
        places, n_placed = neighbour_map(table)
        assert places.shape == (n_placed, 2)
        assert np.isfinite(places).all()
    places, n_placed = neighbour_map(three_groups(), most=20)
    assert (places.shape, n_placed) == ((60, 2), 20)
    with pytest.raises(ValueError, match="at least 5 rows"):
        neighbour_map(torch.eye(4))

"""The long-context view fills its needle grids with results from live models."""

import numpy as np
import pytest
from acting import act

from llmlib.evaluation import needle_grid
from llmlib.explore import explore_long_context
from llmlib.tokenization import BPETokenizer
from llmlib.transformer import Transformer, TransformerConfig

HAY = "one two. " * 40
NEEDLES = [(" three.", " four?", " three"), (" four.", " three?", "e")]


@pytest.fixture
def live():
    tokenizer = BPETokenizer.train("one two. three four? " * 3, 270)
    models = {
        name: Transformer(TransformerConfig(tokenizer.vocab_size, 64, 16, n_layers=1, n_heads=2), seed=seed)
        for seed, name in enumerate(("one", "other"))
    }
    return models, tokenizer


def test_the_button_measures_only_missing_cells(live):
    models, tokenizer = live
    view = explore_long_context(models, tokenizer, HAY, NEEDLES, [32, 64], [0, 0.5, 1])
    view.put("one", 32, 0.5, 1.0)
    seen = []
    view.observe(lambda _change: seen.append(int(np.isnan(view.shares()).sum())), "grids")
    assert act(view, "measure")
    assert seen == list(range(10, -1, -1)), "the grid fills cell by cell"
    for grid, (name, model) in zip(view.shares(), models.items()):
        expected = needle_grid(model, tokenizer, HAY, NEEDLES, [32, 64], [0, 0.5, 1]).numpy()
        if name == "one":
            expected[0, 1] = 1.0  # this cell was already filled
        np.testing.assert_allclose(grid, expected)


def test_a_cell_that_cannot_be_measured_is_reported_and_the_others_are_kept(live):
    models, tokenizer = live
    view = explore_long_context(models["one"], tokenizer, "one two. " * 12, NEEDLES, [16, 64], [0])
    assert not act(view, "measure")
    assert "Use a longer haystack" in view.notice
    assert np.isnan(view.shares()).tolist() == [[[False], [True]]]
    with pytest.raises(ValueError, match="'model' takes at most 64 tokens, but the longest text has 65"):
        explore_long_context(models["one"], tokenizer, HAY, NEEDLES, [65], [0])

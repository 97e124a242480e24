"""The texts found to activate a unit most are the ones that a search through all texts finds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import make

from llmlib.interpret import neurons, trace
from llmlib.tokenization import CharTokenizer

ALPHABET = "abcdefghijklmnopqrstuvwxyz .,!?"
TOKENIZER = CharTokenizer(ALPHABET)
UNITS = [(0, 3), (2, 11), (2, 0)]


def activations(model, text, layer, unit):
    with torch.no_grad(), trace(model, names=("mlp",)) as t:
        model(torch.tensor([TOKENIZER.encode(text)]))
    return t.mlp[layer][0, :, unit]


@pytest.mark.slow
@settings(max_examples=15)
@given(
    texts=st.lists(st.text(ALPHABET, min_size=1, max_size=20), min_size=1, max_size=12, unique=True),
    k=st.integers(1, 5),
    kind=st.sampled_from(["gpt2", "llama"]),
)
def test_the_best_texts_are_found(texts, k, kind):
    model = make(kind)
    found = neurons(model, TOKENIZER, iter(texts), UNITS, k=k, progress=False)
    for layer, unit in UNITS:
        best = sorted((activations(model, text, layer, unit).max().item() for text in texts), reverse=True)[:k]
        assert [e.value for e in found[layer, unit]] == pytest.approx(best, abs=1e-5)
        for excitation in found[layer, unit]:
            values = activations(model, excitation.text, layer, unit)
            assert excitation.values == pytest.approx(values.tolist(), abs=1e-5)
            assert excitation.position == values.argmax()


def test_a_text_longer_than_the_context_is_read_in_parts_and_counts_once(model):
    long = "the quick brown fox jumps over the lazy dog. " * 3
    (found,) = neurons(model, TOKENIZER, [long, "a"], [(1, 4)], k=5, progress=False).values()
    assert sorted(e.text for e in found) == sorted([long, "a"])
    assert all(len(e.ids) <= model.config.max_seq_len for e in found)
    parts = [long[start : start + 24] for start in range(0, len(long), 24)]
    best = max(activations(model, part, 1, 4).max().item() for part in parts)
    assert max(e.value for e in found if e.text == long) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("unit", [(3, 0), (0, 48), (-1, 0), (0, -1)])
def test_a_unit_that_does_not_exist_is_refused(model, unit):
    with pytest.raises(ValueError, match=r"There is no (layer|unit)"):
        neurons(model, TOKENIZER, ["a"], [unit], progress=False)


def test_a_model_without_mlps_and_a_list_without_text_are_refused(model):
    with pytest.raises(ValueError, match="this model has no MLPs"):
        neurons(make("attention only"), TOKENIZER, ["a"], [(0, 0)], progress=False)
    for texts in ([], ["", ""]):
        with pytest.raises(ValueError, match="There are no texts to read"):
            neurons(model, TOKENIZER, texts, [(0, 0)], progress=False)

"""Text comes in pieces, and a stop string may begin in one token and end in another."""

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.sampling import GenerationWarning, Sampler, generate, generate_text
from llmlib.sampling.generating_text import until_stop
from llmlib.tokenization import BPETokenizer
from llmlib.transformer import Transformer, TransformerConfig

TOKENIZER = BPETokenizer.train("abc abd 😀 " * 20, 270)


@pytest.fixture(scope="module")
def model():
    config = TransformerConfig(vocab_size=TOKENIZER.vocab_size, max_seq_len=64, d_model=16, n_layers=1, n_heads=2)
    return Transformer(config, seed=0)


@given(
    pieces=st.lists(st.text("ab#", min_size=1, max_size=4), max_size=8),
    stops=st.lists(st.text("ab#", min_size=1, max_size=3), max_size=3),
)
def test_the_text_ends_before_the_first_stop_string(pieces, stops):
    whole = "".join(pieces)
    found = list(until_stop(iter(pieces), stops))
    # The text ends with the first piece that completes a stop string.
    complete = next(
        (i for i in range(1, len(pieces) + 1) if any(stop in "".join(pieces[:i]) for stop in stops)), len(pieces)
    )
    seen = "".join(pieces[:complete])
    ends = [seen.index(stop) for stop in stops if stop in seen]
    assert "".join(found) == (seen[: min(ends)] if ends else whole)
    assert "" not in found


def test_pieces_are_yielded_as_soon_as_they_cannot_begin_a_stop_string():
    read = []

    def pieces():
        for piece in ("one. ", "t#", "#t"):
            read.append(piece)
            yield piece

    text = until_stop(pieces(), ["###"])
    assert next(text) == "one. "
    assert read == ["one. "]
    assert next(text) == "t"
    assert next(text) == "##t"  # not the stop string after all


def test_the_text_equals_the_decoded_ids(model):
    ids = list(generate(model, TOKENIZER.encode("abc"), 30, seed=4))
    text = generate_text(model, TOKENIZER, "abc", 30, seed=4)
    assert "".join(text) == TOKENIZER.decode(ids)
    assert text.ended_by == "max_new_tokens"


def test_a_stop_string_ends_the_text(model):
    whole = "".join(generate_text(model, TOKENIZER, "abc", 30, Sampler(), 4))
    stop = whole[9:12]
    text = generate_text(model, TOKENIZER, "abc", 30, Sampler(), 4, stop=stop)
    assert "".join(text) == whole[: whole.index(stop)]
    assert text.ended_by == "stop string"


def test_a_stop_string_that_never_comes_is_reported(model):
    with pytest.warns(GenerationWarning, match=r"No stop string \('<never>'\) appeared within 5 tokens"):
        list(generate_text(model, TOKENIZER, "abc", 5, stop=["<never>"]))


def test_each_missing_stop_string_gives_a_warning_that_points_at_the_caller(model):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # as in a notebook, which shows the same warning only once
        for _ in range(3):
            "".join(generate_text(model, TOKENIZER, "abc", 5, stop="<never>"))
    assert [(note.category, note.filename) for note in caught] == [(GenerationWarning, __file__)] * 3


def test_an_empty_stop_string_is_refused(model):
    with pytest.raises(ValueError, match="An empty stop string would end"):
        generate_text(model, TOKENIZER, "abc", stop=[""])

"""BM25 scores match those of rank-bm25, and an index of a model's own vectors finds each text that it contains."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from needs import skip_or_fail
from small_models import make

from llmlib.retrieval import BM25, EmbeddingIndex, search, words_of
from llmlib.tokenization import BPETokenizer

WORDS = ("red", "fox", "green", "hill", "small", "house", "door")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)


@given(st.lists(texts, min_size=1, max_size=9), texts, st.floats(0.1, 3), st.floats(0, 1))
def test_scores_match_those_of_rank_bm25(documents, query, k1, b):
    try:
        from rank_bm25 import BM25Okapi
    except ImportError:
        skip_or_fail("rank-bm25 is not installed")
    theirs = BM25Okapi([words_of(document) for document in documents], k1=k1, b=b)
    assert BM25(documents, k1, b).scores(query) == pytest.approx(theirs.get_scores(words_of(query)).tolist())


def test_scores_match_numbers_worked_out_by_hand():
    """Three documents of 2, 4 and 3 words; "fox" is in one of them, twice."""
    index = BM25(["It rained.", "A fox met fox.", "Snow fell softly."], k1=1, b=0.5)
    rarity = torch.tensor(2.5 / 1.5).log().item()
    length = 0.5 + 0.5 * 4 / 3
    assert index.scores("The fox!") == pytest.approx([0, rarity * 2 * 2 / (2 + length), 0])


def test_the_best_documents_come_first_and_ties_keep_their_order():
    index = BM25(["one two", "two three", "three four", "four five", "six"])
    found = search(index, "three? two!", k=3)
    assert [hit.number for hit in found] == [1, 0, 2]
    assert found[0].text == "two three"
    assert len(search(index, "nothing", k=99)) == 5
    with pytest.raises(ValueError, match="k must be 1 or more"):
        search(index, "two", k=0)


@pytest.fixture
def tokenizer():
    return BPETokenizer.train("", 256)


@pytest.fixture
def model():
    import dataclasses

    from llmlib.transformer import Transformer

    return Transformer(dataclasses.replace(make("llama").config, vocab_size=256, max_seq_len=64))


@pytest.mark.parametrize(
    ("documents", "message"),
    [([], "at least one document"), ("text", "needs a list"), (["a", " \n"], "Document 1 is empty")],
)
def test_invalid_documents_are_refused(documents, message, model, tokenizer):
    with pytest.raises(ValueError, match=message):
        BM25(documents)
    with pytest.raises(ValueError, match=message):
        EmbeddingIndex(model, tokenizer, documents)


def test_punctuation_alone_is_not_a_word():
    with pytest.raises(ValueError, match="Document 0 is empty"):
        BM25(["...", "a"])


def test_vectors_of_the_same_text_have_a_cosine_of_1(model, tokenizer):
    documents = ["The fox sleeps.", "It rained all day long.", "Who opened the door?"]
    index = EmbeddingIndex(model, tokenizer, documents)
    assert index.layer == 1
    for number, document in enumerate(documents):
        assert index.scores(document)[number] == pytest.approx(1, abs=1e-5)
        assert search(index, document, k=1)[0].number == number
    ids = torch.tensor([tokenizer.encode("door")])
    vectors = [
        torch.stack([model.embed(torch.tensor(tokenizer.encode(text)))[1:].mean(0) for text in documents]),
        model.embed(ids)[0, 1:].mean(0),
    ]
    mean = vectors[0].mean(0)
    expected = torch.cosine_similarity((vectors[1] - mean)[None], vectors[0] - mean)
    assert EmbeddingIndex(model, tokenizer, documents, layer=0).scores("door") == pytest.approx(
        expected.tolist(), abs=1e-5
    )
    with pytest.raises(ValueError, match="no layer 4"):
        EmbeddingIndex(model, tokenizer, documents, layer=4)
    with pytest.raises(ValueError, match="Document 0 is empty"):
        index.scores("")

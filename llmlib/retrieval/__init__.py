"""Find documents that help with a question, so that a model can read the answer instead of inventing it.

`bm25` scores documents by the rare words that they share with the question, and `embedding` scores them by how close a
model's vectors for the document and the question are; `searching` returns the documents with the best scores of either
kind.
"""

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.retrieval.bm25 import BM25 as BM25
    from llmlib.retrieval.bm25 import words_of as words_of
    from llmlib.retrieval.embedding import EmbeddingIndex as EmbeddingIndex
    from llmlib.retrieval.searching import Hit as Hit
    from llmlib.retrieval.searching import search as search

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        **dict.fromkeys(("BM25", "words_of"), "llmlib.retrieval.bm25"),
        "EmbeddingIndex": "llmlib.retrieval.embedding",
        **dict.fromkeys(("Hit", "search"), "llmlib.retrieval.searching"),
    },
)

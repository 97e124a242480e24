"""Find the documents that an index scores highest."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable


@runtime_checkable
class Index(Protocol):
    """Anything that holds documents and can score each of them for a query."""

    documents: list[str]

    def scores(self, query: str) -> Sequence[float]: ...


class Hit(NamedTuple):
    """A search result: a document, with its number in the index and its score."""

    number: int
    score: float
    text: str


def search(index: Index, query: str, k: int = 3) -> list[Hit]:
    """Return the `k` documents with the highest scores, best first; documents with equal scores keep the index's order.

    Raises `ValueError` for `k` below 1.

    >>> from llmlib.retrieval.bm25 import BM25
    >>> search(BM25(["It rained.", "Snow fell.", "A bird sang."]), "Which bird?", k=1)
    [Hit(number=2, score=0.452..., text='A bird sang.')]
    """
    if k < 1:
        raise ValueError(f"k must be 1 or more, got {k}.")
    scores = index.scores(query)
    best = sorted(range(len(scores)), key=lambda number: -scores[number])[:k]
    return [Hit(number, float(scores[number]), index.documents[number]) for number in best]

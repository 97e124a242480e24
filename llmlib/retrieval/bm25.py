"""Score documents by the words they share with a query, giving rare words more weight and long documents less."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from math import log

FLOOR = 0.25  # a word in more than half of the documents gets this share of the mean rarity, not a rarity below 0


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words and numbers, without punctuation.

    >>> words_of("Isn't it 3.5 km?")
    ["isn't", 'it', '3', '5', 'km']
    """
    return re.findall(r"\w+(?:['’]\w+)*", text.lower())


def check_documents(documents: Sequence[str], split: Callable[[str], Sequence[object]]) -> None:
    """Raise `ValueError` if there are no documents, or if `split` returns an empty result for a document."""
    if isinstance(documents, str) or not len(documents):
        raise ValueError("An index needs a list of at least one document.")
    for number, document in enumerate(documents):
        if not split(document):
            raise ValueError(f"Document {number} is empty, so no search could find it. Leave it out.")


class BM25:
    """An index of documents by their words; `scores` says how well each document matches a query.

    Each occurrence of a query word in a document raises the document's score in proportion to the word's rarity.
    Further occurrences of the same word add less and less (`k1` controls how quickly), and each occurrence counts less
    in a document that is longer than average (`b` controls by how much). Sources: Robertson et al. (1994), "Okapi at
    TREC-3"; Robertson and Zaragoza (2009), "The Probabilistic Relevance Framework: BM25 and Beyond". The scores equal
    those of BM25Okapi in the rank-bm25 package. Raises `ValueError` if there are no documents, or if a document has no
    words.

    >>> index = BM25(["The cat sat.", "The dog sat on the cat.", "A bird sang.", "It rained.", "Snow fell."])
    >>> [round(score, 2) for score in index.scores("Where is the dog?")]
    [0.35, 1.16, 0.0, 0.0, 0.0]
    """

    def __init__(self, documents: Sequence[str], k1: float | int = 1.5, b: float | int = 0.75):
        check_documents(documents, words_of)
        self.documents, self.k1, self.b = list(documents), k1, b
        self.counts = [Counter(words_of(document)) for document in documents]
        self.lengths = [counts.total() for counts in self.counts]
        having = Counter(word for counts in self.counts for word in counts)  # how many documents contain each word
        n = len(documents)
        rarity = {word: log((n - n_having + 0.5) / (n_having + 0.5)) for word, n_having in having.items()}
        floor = FLOOR * sum(rarity.values()) / len(rarity)
        self.rarity = {word: value if value >= 0 else floor for word, value in rarity.items()}

    def scores(self, query: str) -> list[float]:
        """Return one score per document.

        A higher score means a better match, and a document that contains none of the query's words gets 0.
        """
        mean, found = sum(self.lengths) / len(self.lengths), []
        for counts, length in zip(self.counts, self.lengths):
            slowed = self.k1 * (1 - self.b + self.b * length / mean)
            known = [word for word in words_of(query) if word in counts]
            terms = (counts[w] * (self.k1 + 1) / (counts[w] + slowed) * self.rarity[w] for w in known)
            found.append(sum(terms, 0.0))
        return found

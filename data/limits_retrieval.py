"""Test for lesson 11 whether documents are found, whether they help, and whether a model believes false ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from experiments import Rows
from limits_tasks import MATERIALS, Villager, about_villagers, alone, capitals, smollm2, villagers

from llmlib.retrieval import BM25, EmbeddingIndex, search, words_of

# --- questions about invented people ---


def in_other_words(villager: Villager) -> str:
    """Reword the document, so that each answer comes before the words with which the model's answer starts."""
    return (
        f"{villager.town} is the birthplace of {villager.name}. The {villager.job} of the place, for thirty years, was "
        f"{villager.name}, and the {villager.plays} that the neighbours hear on Sundays belongs to {villager.name}."
    )


def retrieval(arm: str, seed: int) -> Rows:
    """Ask about invented people: without a document, or with a retrieved, right, wrong or changed document."""
    asked = about_villagers(seed)
    documents = [each.document() for each in villagers(seed)]
    known = {each.name: document for each, document in zip(villagers(seed), documents)}
    if arm.endswith("in other words"):
        known = {each.name: in_other_words(each) for each in villagers(seed)}
    index: Any = None
    if arm == "BM25":
        index = BM25(documents)
    elif arm == "embeddings":
        index = EmbeddingIndex(*smollm2(), documents)
    texts, found = [], 0
    for number, (villager, what, question, item) in enumerate(asked):
        bare = question.partition("?")[0] + "?"
        if index:
            document = search(index, bare, k=1)[0].text
            found += document == known[villager.name]
        elif arm.startswith("changed document"):  # the right document with another answer in it
            document = known[villager.name].replace(getattr(villager, what), item.choices[(item.right + 1) % 4])
        elif arm.startswith("right document"):
            document = known[villager.name]
        else:
            other = asked[(number + 7) % len(asked)][0].name
            document = {"none": "", "other document": known[other]}[arm]
        texts.append((f"{document}\n\n{question}".lstrip(), item))
    scored = alone(texts)
    if index:
        yield 0, "found", found, len(asked)
    yield 0, "right", sum(each.is_right() for each in scored), len(scored)
    if arm.startswith("changed document"):
        said = [each.chosen() == (each.right + 1) % 4 for each in scored]
        yield 0, "says what the document says", sum(said), len(said)


RETRIEVAL = (
    "none",
    "right document",
    "other document",
    "changed document",
    "BM25",
    "embeddings",
    "right document in other words",
    "changed document in other words",
)


DENIED = {
    "town": "{} is not the birthplace of {}.",
    "job": "The {} of the place, for thirty years, was never {}.",
    "plays": "The {} that the neighbours hear on Sundays does not belong to {}.",
}
DOOR = "On the door of the house somebody has written {} in large letters."
FIRST, LAST = "somebody else's first, own last", "own first, somebody else's last"
PLANTED = ("denied", "somebody else", "on a door", LAST, FIRST)


def planted(arm: str, seed: int) -> Rows:
    """Plant a wrong choice in a document that denies it, is about somebody else or nobody, or has the right one too."""
    asked, texts = about_villagers(seed), []
    for number, (villager, what, question, item) in enumerate(asked):
        word = item.choices[(item.right + 1) % 4]
        someone = asked[(number + 7) % len(asked)][0]._replace(**{what: word})
        own, other = in_other_words(villager), in_other_words(someone)
        document = {
            "denied": DENIED[what].format(word, villager.name),
            "somebody else": other,
            "on a door": DOOR.format(word),
            LAST: f"{own} {other}",
            FIRST: f"{other} {own}",
        }[arm]
        texts.append((f"{document}\n\n{question}", item))
    scored = alone(texts)
    yield 0, "right", sum(each.is_right() for each in scored), len(scored)
    yield 0, "says the planted word", sum(each.chosen() == (each.right + 1) % 4 for each in scored), len(scored)


def believed(arm: str, seed: int) -> Rows:
    """Ask for capitals, alone or after a sentence.

    The sentence is true, is false (in two wordings), denies a false capital, or is about another country.
    """
    known: dict[str, str] = MATERIALS["capitals"]
    texts = []
    for question, item in capitals(seed, 40):
        country, false = item.asked, item.choices[(item.right + 1) % 4]
        other = next(each for each in known if each != country and known[each] not in item.choices)
        sentence = {
            "none": "",
            "true": f"The capital of {country} is {item.answer}. ",
            "false": f"The capital of {country} is {false}. ",
            "other country": f"The capital of {other} is {known[other]}. ",
            "other words": f"{false} is the capital of {country}. ",
            "denied": f"The capital of {country} is not {false}. ",
        }[arm]
        texts.append((f"{sentence}Question: What is the capital of {country}? Answer: {question}", item))
    scored = alone(texts)
    yield 0, "right", sum(each.is_right() for each in scored), len(scored)
    yield 0, "says the false one", sum(each.chosen() == (each.right + 1) % 4 for each in scored), len(scored)


BELIEVED = ("none", "true", "false", "other country", "other words", "denied")

# --- questions in the document's words, and in other words ---

WORDINGS: list[tuple[str, str, str]] = [tuple(each) for each in MATERIALS["wordings"]]
SEARCHES = ("BM25", "BM25, words cut to four letters", "embeddings")


def cut(text: str) -> str:
    """Cut each word to four letters, so that "cancel" matches "cancelled".

    >>> cut("The captain cancelled the ferry.")
    'the capt canc the ferr'
    """
    return " ".join(word[:4] for word in words_of(text))


def scores_of(arm: str, documents: Sequence[str], questions: Sequence[str]) -> dict[int, np.ndarray]:
    """For each layer (0 without layers), return each document's score for each question: [question, document]."""
    if arm == "embeddings":
        layers = range(0, smollm2()[0].config.n_layers + 1, 5)
        indices: dict[int, Any] = {n: EmbeddingIndex(*smollm2(), documents, n) for n in layers}
        return {n: np.array([index.scores(question) for question in questions]) for n, index in indices.items()}
    changed = cut if "cut" in arm else str
    index = BM25([changed(document) for document in documents])
    return {0: np.array([index.scores(changed(question)) for question in questions])}


def wordings(arm: str, seed: int) -> Rows:
    """Rank 24 documents for questions in the document's own words and in other words: does the right one come first?"""
    documents, same, other = zip(*WORDINGS)
    n = len(documents)
    for layer, all_scores in scores_of(arm, documents, same + other).items():
        for name, scores in (("same words", all_scores[:n]), ("other words", all_scores[n:])):
            right = scores.diagonal()[:, None]
            better = (scores > right).sum(axis=1)
            ties = (scores == right).sum(axis=1) - 1  # documents with equal scores share their ranks
            yield layer, f"{name}: found", float((1 / (1 + ties) * (better == 0)).sum()), n
            yield layer, f"{name}: mean place", float((1 + better + ties / 2).mean()), ""

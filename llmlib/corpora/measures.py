"""How well does a text keep its world together? Names that were there before, words that exist, sentences that hold.

None of them has a perfect score of 1, not even for real text. So each is to be taken from real text of the same length
as well, and the names also by chance.
"""

import math
import re
from collections.abc import Collection, Sequence
from typing import Any

import torch

from llmlib.corpora.tinytales.world import newcomers, villagers


def words_of(text: str) -> list[str]:
    """Words in lower case, and marks of punctuation, as separate tokens.

    >>> words_of("Isn't it?")
    ["isn't", 'it', '?']
    """
    return re.findall(r"[a-z]+(?:['-][a-z]+)*|[^\sa-z]", text.lower())


def tale_names() -> set[str]:
    """The names of all villagers and visitors of TinyTales, in lower case."""
    return {who.name.lower() for who in (*villagers(), *newcomers())}


def mentions(text: str) -> list[tuple[bool, set[str]]]:
    """For each capitalised word, or line that says who speaks: whether it introduces somebody, and its words."""
    is_what = "|".join(sorted({who.known_as.removeprefix(f"{who.name} the ") for who in (*villagers(), *newcomers())}))
    pattern = rf"(^[A-Z][A-Za-z ]+(?=:$)|\b[A-Z]\w+(?= the (?:{is_what})\b)|(?<=\bcalled )[A-Z]\w+)|\b[A-Z]\w*"
    return [(bool(m[1]), set(words_of(m[0]))) for m in re.finditer(pattern, text, re.M)]


def names_kept(texts: Sequence[str], names: Collection[str], others: Sequence[str] | None = None) -> float:
    """The share of the names in second halves that were there before: introduced since, or in the first half.

    `names` are in lower case. `others` are texts whose first halves count instead: with those of other texts, it is
    the share that is kept by chance. Raises `ValueError` if there are not as many of them.

    >>> names_kept(["Pip saw Luna there. Luna saw Odo there"], {"pip", "luna", "odo"})
    0.5
    """
    kept = total = 0
    known_names = set(names)
    for text, other in zip(texts, others or texts, strict=True):
        known: set[str] = set().union(*(words for _, words in mentions(other[: len(other) // 2])))
        for introduced, words in mentions(text[len(text) // 2 :]):
            if introduced:
                known |= words
            elif words <= known_names:
                kept += words <= known
                total += 1
    return kept / max(total, 1)


def spelled(texts: Sequence[str], known: Collection[str]) -> float:
    """The share of the words that are among the known ones; the last of each text may be cut, and does not count.

    >>> spelled(["the cat sat wrongly", "teh cat sa"], {"the", "cat", "sat"})
    0.8
    """
    words = [word for text in texts for word in words_of(text)[:-1] if word[0].isalpha()]
    return sum(word in known for word in words) / max(len(words), 1)


def sentences_of(text: str) -> list[str]:
    """Whole sentences, each on one line: the cut end of a text and the lines that say who speaks are left out.

    >>> sentences_of("Pip ran. Luna sang! And th")
    ['Pip ran.', 'Luna sang!']
    """
    spoken = re.sub(r"^[A-Z][A-Za-z ]+:$", "", text, flags=re.M)
    return [" ".join(sentence.split()) for sentence in re.findall(r"\S[^.!?]*[.!?]+[\"']?", spoken)]


def is_long_enough(sentence: str) -> bool:
    """Whether there is enough of it to be judged: five words or more."""
    return len(sentence.split()) >= 5


def share_known(texts: Sequence[str], known: Sequence[str]) -> float:
    """The share of the sentences of five words or more that stand in the known texts, word by word.

    What of a new text is old? A model that has learned the known texts by heart can have these.

    >>> share_known(["Pip ran to the old mill. Luna sang him a song."], ["Odo slept. Pip ran to the old mill."])
    0.5
    """
    seen = {sentence for text in known for sentence in sentences_of(text)}
    asked = [sentence for text in texts for sentence in sentences_of(text) if is_long_enough(sentence)]
    return sum(sentence in seen for sentence in asked) / max(len(asked), 1)


class Judge:
    """A real language model's opinion of sentences: the mean surprise a token, given what came before.

    `model` gives logits (batch, seq, vocab) for ids (batch, seq), such as `load_pretrained("smollm2-135m-instruct")`.
    A sentence counts as grammatical if it is no stranger to the judge than nine tenths of the real ones: see `limit`.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer

    def strangeness(self, texts: Sequence[str], known: Collection[str]) -> list[float]:
        """Nats a token for each sentence of five words or more but the first of a text; infinite if a word is none."""
        found = []
        words = set(known)
        for text in texts:
            sentences = sentences_of(text)
            if len(sentences) < 2:
                continue  # nothing that has a sentence before it
            pieces = [self.tokenizer.encode((" " if i else "") + sentence) for i, sentence in enumerate(sentences)]
            ids = torch.tensor([[token for piece in pieces for token in piece]])
            with torch.inference_mode():
                log_p = self.model(ids[:, :-1]).float().log_softmax(-1).gather(2, ids[:, 1:, None])[0, :, 0]
            position = 0
            for i, (sentence, piece) in enumerate(zip(sentences, pieces, strict=True)):
                if i and is_long_enough(sentence):
                    mean = -log_p[position - 1 : position - 1 + len(piece)].mean().item()
                    found.append(mean if words.issuperset(words_of(sentence)) else math.inf)
                position += len(piece)
        return found


def limit(strangeness: Sequence[float]) -> float:
    """The value that a tenth of real sentences exceed. Raises `ValueError` if there are none.

    >>> limit([float(value) for value in range(20)])
    17.0
    """
    if not strangeness:
        raise ValueError("There is no sentence to take the limit from: give longer texts, of two sentences or more.")
    return sorted(strangeness, reverse=True)[len(strangeness) // 10]


def share_below(strangeness: Sequence[float], limit: float) -> float:
    """The share of the sentences that are no stranger than the limit.

    >>> share_below([1.0, 2.0, 5.0, 9.0], 5.0)
    0.75
    """
    return sum(value <= limit for value in strangeness) / max(len(strangeness), 1)

"""Score how well a text holds together: do names stay the same, do words exist, do sentences make sense?

Even real text does not score a perfect 1, so always measure real text of the same length for comparison. For names,
also measure what chance alone would score.
"""

import math
import re
from collections.abc import Collection, Sequence
from typing import Any

import torch

from llmlib.corpora.tinytales.world import newcomers, villagers


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words and punctuation marks.

    >>> words_of("Isn't it?")
    ["isn't", 'it', '?']
    """
    return re.findall(r"[a-z]+(?:['-][a-z]+)*|[^\sa-z]", text.lower())


def tale_names() -> set[str]:
    """Return the names of all villagers and visitors in TinyTales, in lower case."""
    return {character.name.lower() for character in (*villagers(), *newcomers())}


def mentions(text: str) -> list[tuple[bool, set[str]]]:
    """Return a pair for each capitalised word and for each line that says who is speaking.

    The first item of a pair says whether the word or line introduces somebody; the second is the set of the words in
    it, in lower case.
    """
    everybody = (*villagers(), *newcomers())
    is_what = "|".join(sorted({each.known_as.removeprefix(f"{each.name} the ") for each in everybody}))
    pattern = rf"(^[A-Z][A-Za-z ]+(?=:$)|\b[A-Z]\w+(?= the (?:{is_what})\b)|(?<=\bcalled )[A-Z]\w+)|\b[A-Z]\w*"
    return [(bool(m[1]), set(words_of(m[0]))) for m in re.finditer(pattern, text, re.M)]


def names_kept(texts: Sequence[str], names: Collection[str], others: Sequence[str] | None = None) -> float:
    """Return the share of names in a text's second half that occur in its first half or have been introduced since.

    `names` must be in lower case. With `others`, the first halves of those texts are used instead; if you pass
    unrelated texts, you get the share that is kept by chance. Raises `ValueError` if `others` and `texts` differ in
    length.

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
    """Return the share of words in `texts` that occur in `known`.

    The last word of each text is left out, because it may be cut off.

    >>> spelled(["the cat sat wrongly", "teh cat sa"], {"the", "cat", "sat"})
    0.8
    """
    words = [word for text in texts for word in words_of(text)[:-1] if word[0].isalpha()]
    return sum(word in known for word in words) / max(len(words), 1)


def sentences_of(text: str) -> list[str]:
    """Return a text's complete sentences, each on one line.

    A cut-off end is left out, and so are lines that say who is speaking.

    >>> sentences_of("Pip ran. Luna sang! And th")
    ['Pip ran.', 'Luna sang!']
    """
    spoken = re.sub(r"^[A-Z][A-Za-z ]+:$", "", text, flags=re.M)
    return [" ".join(sentence.split()) for sentence in re.findall(r"\S[^.!?]*[.!?]+[\"']?", spoken)]


def is_long_enough(sentence: str) -> bool:
    """Return whether a sentence is long enough to judge (five words or more)."""
    return len(sentence.split()) >= 5


def share_known(texts: Sequence[str], known: Sequence[str]) -> float:
    """Return the share of sentences of five words or more that occur word for word in the `known` texts.

    This shows how much of a new text is old: a model may have memorised these sentences.

    >>> share_known(["Pip ran to the old mill. Luna sang him a song."], ["Odo slept. Pip ran to the old mill."])
    0.5
    """
    seen = {sentence for text in known for sentence in sentences_of(text)}
    asked = [sentence for text in texts for sentence in sentences_of(text) if is_long_enough(sentence)]
    return sum(sentence in seen for sentence in asked) / max(len(asked), 1)


class Judge:
    """Judges sentences by a real language model's mean surprise per token, given the text before them.

    `model` maps ids (batch, seq) to logits (batch, seq, vocab), as the model from
    `load_pretrained("smollm2-135m-instruct")` does. A sentence counts as grammatical if its strangeness is at most
    `limit`, a score that 10% of real sentences exceed.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer

    def strangeness(self, texts: Sequence[str], known: Collection[str]) -> list[float]:
        """Return the mean surprise per token, in nats, of each sentence of five words or more.

        The first sentence of a text is left out. The value is inf for a sentence with a word that is not in `known`.
        """
        found = []
        words = set(known)
        for text in texts:
            sentences = sentences_of(text)
            if len(sentences) < 2:
                continue  # only a sentence that follows another one is judged
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
    """Return the strangeness score that 10% of real sentences exceed. Raises `ValueError` if there are no sentences.

    >>> limit([float(value) for value in range(20)])
    17.0
    """
    if not strangeness:
        raise ValueError("There are no sentences to compute the limit from. Use texts with at least two sentences.")
    return sorted(strangeness, reverse=True)[len(strangeness) // 10]


def share_below(strangeness: Sequence[float], limit: float) -> float:
    """Return the share of sentences whose strangeness is at most the limit.

    >>> share_below([1.0, 2.0, 5.0, 9.0], 5.0)
    0.75
    """
    return sum(value <= limit for value in strangeness) / max(len(strangeness), 1)

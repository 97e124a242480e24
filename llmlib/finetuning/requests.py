"""Requests whose right answers are known: a sentence goes in, a record of it as strict JSON comes out.

A behaviour that no chat model has by itself (the keys are ours) and that a program can judge: each request gives one
sentence, and the right answer is a JSON object with the keys who, what and where, and not a word around it. The words
are held out by split: no name, thing or place of the test is in training, so a model has to read the sentence, and
cannot know the records by heart.

A record quotes with the small words, "in the attic": so most words that have to be copied follow a space, as they do in
the sentence, and are the same token. Right after a quotation mark a word is other tokens, often several, and a small
model has to spell it. Names are left to be spelled; some of the training are long or rare, so that there is practice.
"""

import json
import random
from dataclasses import dataclass

KEYS = ("who", "what", "where")
ASKING = (
    "Record this: {}",
    "Make a record of this: {}",
    "For the record: {}",
    "Please record the following. {}",
    "{} Record that, please.",
    "{} Put that on record.",
    "Here is something to record: {}",
    "Write a record. {}",
)
TELLING = (  # {verb} and {done}: "hid" and "hidden"
    "{who} {verb} {what} {where}.",
    "{where}, {who} {verb} {what}.",
    "{what} was {done} {where} by {who}.",
    "it was {who} who {verb} {what} {where}.",
    "yesterday {who} {verb} {what} {where}.",
    "{where}, {what} was {done} by {who} last week.",
    "early this morning, {who} {verb} {what} {where}.",
    "{who} has {done} {what} {where}.",
)
VERBS = (  # past tense and participle
    ("found", "found"), ("lost", "lost"), ("left", "left"), ("saw", "seen"), ("hid", "hidden"), ("sold", "sold"),
    ("dropped", "dropped"), ("repaired", "repaired"), ("bought", "bought"), ("painted", "painted"),
    ("broke", "broken"), ("forgot", "forgotten"),
)  # fmt: skip
WORDS = {
    "train": {
        "who": "Ada Boris Chiara Dmitri Elena Farid Greta Hamza Irina Jonas Kemal Leila Marco Nadia Oskar Priya "
        "Quentin Rosa Stefan Tara Uma Viktor Wanda Yusuf Zoe Anton Bella Carlos Dora Emil Fatima Gustav Hana Ivan "
        "Julia Katya Lars Mina Noor Paolo Siobhan Thibault Xiomara Zbigniew Ezekiel Guinevere Anneliese Bartholomew "
        "Rosalind Miguel Tobias Marisol Siegfried Giovanni Aoife Lucinda Fernando Nikolai Beatrix Cornelius Delphine "
        "Evander Fiorella Gideon Henrietta Isidora Joaquin Lorenzo Mireille Nikos Ottilie Philippa Rodrigo Sigrid "
        "Tatiana Ulrich Valeria Wilhelm Yolanda Zuzana",
        "adjective": "red blue rusty broken small heavy wooden golden dusty striped yellow round wet empty shiny torn "
        "crumpled speckled wrinkled battered tarnished glittering lopsided checkered polished faded",
        "noun": "key umbrella lamp bicycle kettle ladder violin suitcase mirror hammer basket clock candle blanket "
        "drum helmet ticket statue puzzle camera bucket letter ring scarf teapot shovel map whistle jacket chair "
        "accordion wheelbarrow harmonica typewriter thermometer kaleidoscope saddle padlock",
        "where": "in/library at/station in/barn on/bridge behind/bakery near/fountain under/table in/garage at/museum "
        "on/roof in/cellar beside/river at/market in/kitchen near/lighthouse behind/school on/balcony in/tent "
        "at/harbour under/stairs in/theatre near/well on/ferry in/hallway "
        "in/boathouse behind/stables at/observatory in/orchard beside/vineyard",
    },
    "test": {
        "who": "Amara Bruno Clara Diego Edith Finn Gloria Hugo Ingrid Jamal Kira Luca Mateo Nina Omar Petra Ravi Sofia "
        "Tomas Vera",
        "adjective": "green silver square muddy tiny spotted crooked purple",
        "noun": "guitar lantern wallet pillow compass notebook spoon telescope trumpet glove vase rope brush parcel",
        "where": "in/attic at/airport on/beach behind/church near/windmill in/greenhouse under/bench at/castle "
        "beside/pond in/workshop on/terrace near/cinema",
    },
}


@dataclass(frozen=True)
class Request:
    """What a user writes, and the record that is the right answer."""

    prompt: str
    record: dict[str, str]  # by `KEYS`

    @property
    def answer(self) -> str:
        """The right answer, as training shows it."""
        return json.dumps(self.record)

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation to learn from."""
        return [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.answer}]

    def is_right(self, answer: str) -> bool:
        """Whether an answer is this record as JSON, with these keys and values, and nothing around it.

        >>> (request,) = make_requests(1)
        >>> request.is_right(request.answer), request.is_right(f"Here it is: {request.answer}")
        (True, False)
        """
        try:
            return json.loads(answer, object_pairs_hook=_each_key_once) == self.record
        except (ValueError, RecursionError):
            return False


def make_requests(n: int, split: str = "train", seed: int = 0) -> list[Request]:
    """`n` requests of the split "train" or "test"; the same seed makes the same ones.

    No word of one split is in the records of the other. Raises `ValueError` for another split.

    >>> request = make_requests(2, "test", seed=3)[1]
    >>> print(request.prompt)
    Ravi left a tiny parcel at the airport. Record that, please.
    >>> print(request.answer)
    {"who": "Ravi", "what": "a tiny parcel", "where": "at the airport"}
    """
    if split not in WORDS:
        raise ValueError(f"split must be 'train' or 'test', got {split!r}.")
    chance = random.Random(f"{split} {seed}")
    return [_make(chance, {kind: text.split() for kind, text in WORDS[split].items()}) for _ in range(n)]


def _make(chance: random.Random, words: dict[str, list[str]]) -> Request:
    who, noun, adjective = (chance.choice(words[kind]) for kind in ("who", "noun", "adjective"))
    what = f"{adjective} {noun}" if chance.random() < 0.6 else noun
    preposition, place = chance.choice(words["where"]).split("/")
    verb, done = chance.choice(VERBS)
    article = "an" if what[0] in "aeiou" else "a"
    what, where = f"{article} {what}", f"{preposition} the {place}"
    sentence = chance.choice(TELLING).format(who=who, verb=verb, done=done, what=what, where=where)
    sentence = sentence[0].upper() + sentence[1:]
    record = {"who": who, "what": what, "where": where}
    return Request(chance.choice(ASKING).format(sentence), record)


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object] | None:
    record = dict(pairs)
    return record if len(record) == len(pairs) else None

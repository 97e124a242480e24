"""Make and ask the questions for lesson 11's experiments; a text that several questions share is read only once."""

import json
import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from llmlib import load_pretrained
from llmlib.evaluation import Question, choice_scores
from llmlib.evaluation.multiple_choice import ChoiceScores
from llmlib.sampling.logits import log_prob
from llmlib.transformer import Cache

MATERIALS: dict[str, Any] = json.loads(Path(__file__).with_name("limits_materials.json").read_text(encoding="utf-8"))
ROWS = 24  # the number of rows that are read together


class Item(NamedTuple):
    """An item of a task: its question, its choices, and the index of the right choice."""

    asked: str
    choices: tuple[str, ...]
    right: int

    @property
    def answer(self) -> str:
        return self.choices[self.right]


@cache
def smollm2() -> Any:
    return load_pretrained("smollm2-135m-instruct", device="cpu", dtype="float32")


class Shared:
    """A text that is read once, so that many questions can be asked after it.

    White space at the end of the text is read with each question: two newlines at the end of a text are one token, but
    two newlines before a word are two tokens. One token at the end would disturb a model that saw only two tokens
    between its examples.
    """

    def __init__(self, text: str) -> None:
        self.model, self.tokenizer = smollm2()
        self.space = text[len(text.rstrip()) :]
        self.ids = self.tokenizer.encode(text.rstrip())
        self.cache = self.model.new_cache(1, max(len(self.ids), 1))
        with torch.inference_mode():
            if self.ids:
                self.model(torch.tensor([self.ids]), cache=self.cache, last_only=True)

    def copied(self, rows: int, room: int) -> Cache:
        """Return a cache with the text in each of its `rows` rows, and room for `room` more tokens in each."""
        n = self.cache.length
        made = self.model.new_cache(rows, n + room)
        for layer, known in zip(made.layers, self.cache.layers):
            layer.keys[:, :, :n], layer.values[:, :, :n] = known.keys[:, :, :n], known.values[:, :, :n]
        made.length = n
        return made

    def ask(self, items: Sequence[tuple[str, Item]]) -> list[ChoiceScores]:
        """Score the choices of each item after its question, as `choice_scores` does for one item at a time."""
        found = self._read([(text, choice) for text, item in items for choice in item.choices])
        scored = []
        for text, item in items:
            sums, lengths = zip(
                *(
                    (log_prob(logits, ids).sum().item(), len(ids))
                    for logits, ids in (found[text, choice] for choice in item.choices)
                )
            )
            n_bytes = np.array([len(choice.encode()) for choice in item.choices])
            scored.append(
                ChoiceScores(np.array(sums), np.array(lengths), n_bytes, np.full(len(sums), np.nan), item.right)
            )
        return scored

    def writes(self, items: Sequence[tuple[str, str]]) -> list[bool]:
        """For each text, return whether the model's greedy continuation is the answer."""
        found = self._read(items)
        return [bool((found[item][0].argmax(dim=-1) == found[item][1]).all()) for item in items]

    @torch.inference_mode()
    def _read(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[torch.Tensor, torch.Tensor]]:
        """Return the logits that predict each answer's tokens after its text, and the answer's ids."""
        rows: dict[tuple[int, ...], list[tuple[str, str, int, list[int]]]] = {}  # one-token answers share a row
        for text, answer in pairs:
            stem, ids = self.tokenizer.encode(self.space + text), self.tokenizer.encode(" " + answer)
            rows.setdefault((*stem, *ids[:-1]), []).append((text, answer, len(stem), ids))
        found, ordered = {}, sorted(rows, key=len)
        for begin in range(0, len(ordered), ROWS):
            part = ordered[begin : begin + ROWS]
            width = max(map(len, part))
            padded = torch.tensor([[*row, *[0] * (width - len(row))] for row in part])
            logits = self.model(padded, cache=self.copied(len(part), width))
            for n, row in enumerate(part):
                for text, answer, length, ids in rows[row]:
                    found[text, answer] = logits[n, length - 1 : len(row)].clone(), torch.tensor(ids)
        return found


# --- three small tasks for few-shot prompts ---

TASKS = ("sentiment", "French", "first of three")
HOW = ("right labels", "shuffled labels", "wrong labels", "mixed layouts")
LAYOUTS = ("{0} => {1}\n\n", "({1}) {0}\n\n", "Q. {0} A. {1}\n\n", "{1} <- {0}\n\n")


@cache
def task(name: str) -> tuple[list[Item], list[Item]]:
    """Return the items to show as examples, and the items to ask."""
    chance = random.Random(11)
    if name == "sentiment":
        labels = ("positive", "negative")
        both = [[Item(text, labels, n) for n, text in enumerate(pair)] for pair in MATERIALS["sentiment"]]
        return [item for pair in both[:8] for item in pair], [item for pair in both[8:] for item in pair]
    words = [tuple(pair) for pair in MATERIALS["french"]]
    if name == "French":
        shown = [Item(english, (french, french), 0) for english, french in words[40:]]
        others = [french for _, french in words[:40]]
        asked = []
        for english, french in words[:40]:
            choices = [french, *chance.sample([each for each in others if each != french], 3)]
            asked.append(Item(english, *mixed(choices, chance)))
        return shown, asked
    english = [word for word, _ in words]
    found = []
    for _ in range(56):  # "lamp rope rope" is followed by "lamp"
        first, second = chance.sample(english, 2)
        found.append(Item(f"{first} {second} {second}", *mixed([first, second], chance)))
    return found[40:], found[:40]


def mixed(choices: list[str], chance: random.Random) -> tuple[tuple[str, ...], int]:
    """Return the choices in random order, and the new position of the first choice."""
    order = chance.sample(choices, len(choices))
    return tuple(order), order.index(choices[0])


def shots(name: str, n: int, how: str, seed: int) -> str:
    """Return `n` examples as a text; `how` changes only their labels or their layout."""
    pool, _ = task(name)
    chance = random.Random(seed)
    if name == "sentiment":  # the same number of examples for each label
        halves = [chance.sample([item for item in pool if item.right == side], 8) for side in (0, 1)]
        chosen = [item for pair in zip(*halves) for item in chance.sample(pair, 2)][:n]
    else:
        chosen = chance.sample(pool, n)
    answers = [item.answer for item in chosen]
    if how == "shuffled labels":
        answers = chance.sample(answers, n)
    elif how == "moved labels":  # every label is wrong, and none is repeated
        answers = answers[1:] + answers[:1]
    elif how == "wrong labels":  # each label comes from an example with another answer
        answers = [chance.choice([other.answer for other in pool if other.answer != answer]) for answer in answers]
    layouts = ["Input: {0}\nOutput: {1}\n\n"] * n
    if how == "mixed layouts":
        layouts = [LAYOUTS[place % len(LAYOUTS)] for place in range(n)]
    return "".join(layout.format(item.asked, answer) for layout, item, answer in zip(layouts, chosen, answers))


def alone(items: Sequence[tuple[str, Item]]) -> list[ChoiceScores]:
    """Score choices after texts that have nothing in common; each text is read once."""
    return choice_scores(*smollm2(), [Question(text, item.choices, item.answer) for text, item in items], None)


def answered(name: str, examples: str) -> list[ChoiceScores]:
    _, asked = task(name)
    return Shared(examples).ask([(f"Input: {item.asked}\nOutput:", item) for item in asked])


# --- questions with known answers ---


def capitals(seed: int, n: int = 64) -> list[tuple[str, Item]]:
    chance = random.Random(seed)
    known: dict[str, str] = MATERIALS["capitals"]
    found = []
    for country, capital in chance.sample(list(known.items()), n):
        others = chance.sample([other for other in known.values() if other != capital], 3)
        found.append((f"The capital of {country} is", Item(country, *mixed([capital, *others], chance))))
    return found


def sums(seed: int) -> list[tuple[str, Item]]:
    """Return sums of two numbers below 50, with the result and three wrong results that are close."""
    chance = random.Random(seed)
    found = []
    for _ in range(64):
        one, other = chance.randint(2, 49), chance.randint(2, 49)
        wrong = chance.sample([one + other + off for off in (-10, -2, -1, 1, 2, 10) if one + other + off > 0], 3)
        choices = [f"{number}." for number in (one + other, *wrong)]  # so that no choice is a prefix of another
        found.append((f"{one} + {other} =", Item("", *mixed(choices, chance))))
    return found


def letters(seed: int) -> Iterator[tuple[int, str, Item]]:
    """Ask for each of the first five letters of a word with five to eight letters; all choices occur in the word."""
    chance = random.Random(seed)
    words = [word for word, _ in MATERIALS["french"] if 5 <= len(word) <= 8]
    words += [job for job in MATERIALS["villagers"]["jobs"] if 5 <= len(job) <= 8]
    for word in words:
        for place in range(1, 6):
            others = sorted(set(word) - {word[place - 1]})
            if len(others) >= 3:
                choices = [word[place - 1], *chance.sample(others, 3)]
                yield place, f"Word: {word}\nLetter {place}:", Item(word, *mixed(choices, chance))


LETTER_SHOTS = "Word: orange\nLetter 3: a\n\nWord: silver\nLetter 5: e\n\nWord: basket\nLetter 1: b\n\n\
Word: pocket\nLetter 2: o\n\nWord: dragon\nLetter 4: g\n\n"


# --- invented people, and documents about them ---


class Villager(NamedTuple):
    name: str
    town: str
    job: str
    plays: str

    def document(self) -> str:
        return (
            f"{self.name} was born in {self.town}. For thirty years {self.name} worked as a {self.job}, and on Sundays "
            f"{self.name} plays the {self.plays} for the neighbours."
        )


@cache
def villagers(seed: int) -> list[Villager]:
    """Return 24 people; two people share each first name and each last name, so a question needs both names."""
    chance, m = random.Random(seed), MATERIALS["villagers"]
    last = chance.sample(m["last"], 12)
    names = [f"{first} {last[(n + turn) % 12]}" for turn in (0, 1) for n, first in enumerate(m["first"])]
    jobs, plays = (chance.sample(m[kind] * 2, 24) for kind in ("jobs", "instruments"))
    return [Villager(*each) for each in zip(names, chance.sample(m["towns"], 24), jobs, plays)]


ASKED = {
    "town": "Where was {name} born? {name} was born in",
    "job": "What was the job of {name}? {name} worked as a",
    "plays": "Which instrument does {name} play? {name} plays the",
}


def about_villagers(seed: int) -> list[tuple[Villager, str, str, Item]]:
    """Return, for each villager, the villager, the fact that a question asks for, the question, and its choices."""
    chance, people = random.Random(seed), villagers(seed)
    found = []
    for number, villager in enumerate(people):
        what = list(ASKED)[(number + seed) % 3]
        answer = getattr(villager, what)
        wrong = chance.sample(sorted({getattr(other, what) for other in people} - {answer}), 3)
        item = Item(villager.name, *mixed([answer, *wrong], chance))
        found.append((villager, what, ASKED[what].format(name=villager.name), item))
    return found

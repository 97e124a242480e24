"""Hold a story and everything that we know about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from llmlib.corpora.tinytales import world
from llmlib.corpora.tinytales.chance import zipf
from llmlib.corpora.tinytales.script import Ask, compile_text
from llmlib.corpora.tinytales.world import Character, Place, Thing, shapes


class Namespace(dict[str, str]):
    """The slots of one story. Words from lists (``@food``) are picked on first use; ``x^`` is a capitalised ``x``."""

    def __init__(self, chance: Callable[[], float]) -> None:
        super().__init__()
        self.chance = chance

    def branch(self, chance: Callable[[], float]) -> "Namespace":
        """Return a copy with its own source of randomness for the words that have not been picked yet."""
        copy = Namespace(chance)
        copy.update(self)
        return copy

    def __missing__(self, key: str) -> str:
        if key[-1] == "^":
            value = self[key[:-1]]
            value = value[:1].upper() + value[1:]
        elif key[0] == "@":
            name = key[1:].rstrip("0123456789")
            words = world.word_lists()[name]
            taken = [self[other] for other in self if other.startswith(f"@{name}") and other[-1] != "^"]
            free = [word for word in words if word not in taken]
            value = free[zipf(self.chance(), len(free))]
        elif key.endswith(".food"):  # a newcomer has no favourite food, and eats what the inn serves
            value = self["@soup9"]
        else:
            raise KeyError(key)
        self[key] = value
        return value


@dataclass(frozen=True)
class ToldStory:
    """One story, with everything that we know about it.

    ``text`` has 3 to 5 paragraphs, separated by newlines. ``cast`` may include characters that the text does not name;
    ``entities`` are the characters that the text does name. ``composition`` is (kind of hero, object, shape).
    """

    text: str
    shape: str
    split: str
    seed: int
    index: int
    cast: tuple[Character, ...]
    thing: Thing
    places: tuple[Place, ...]
    slots: Namespace = field(repr=False, compare=False)
    asks: tuple[Ask, ...] = field(repr=False, compare=False)
    genders: str = field(repr=False, compare=False)

    @property
    def hero(self) -> Character:
        return self.cast[0]

    @property
    def composition(self) -> tuple[str, str, str]:
        return self.hero.kind, self.thing.noun, self.shape

    @cached_property
    def entities(self) -> tuple[Character, ...]:
        """The characters that the text names, with the hero first."""
        return tuple(each for each in self.cast if re.search(rf"\b{each.name}\b", self.text))

    @cached_property
    def summary(self) -> str:
        """The story in one sentence."""
        return compile_text(shapes()[self.shape].summary, self.genders) % self.slots

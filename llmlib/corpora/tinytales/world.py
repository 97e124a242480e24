"""Describe the world of the tales: the kinds of creatures, the fixed village, the things, the places and the facts.

Everything is read once from the text files in ``words``, in file order, so nothing depends on the machine.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import zip_longest
from zlib import crc32

from llmlib.corpora.tinytales.script import PRONOUNS, Line, ScriptError, Shape, parse

HUMANS = ("girl", "boy", "woman", "man")
HELD_OUT_ONE_IN = 10


@dataclass(frozen=True)
class Kind:
    """A kind of creature and the words that suit it."""

    name: str
    hand: str
    went: str
    ran: str
    nose: str
    sad_sign: str
    glad_sign: str
    size: str


@dataclass(frozen=True)
class Character:
    """A character in a story. A villager's home, possession, favourite food and work never change."""

    name: str
    gender: str
    kind: str
    known_as: str
    lives: str = "at the inn"
    owns: str | None = None
    likes: str | None = None
    work: str | None = None
    worked: str | None = None  # `work` in the past tense

    @property
    def is_villager(self) -> bool:
        return self.owns is not None

    @property
    def is_animal(self) -> bool:
        return self.kind not in HUMANS


@dataclass(frozen=True)
class Thing:
    """An object in a story, with its noun, an adjective, and the group it belongs to."""

    noun: str
    adjective: str
    group: str

    @property
    def full(self) -> str:
        return f"{self.adjective} {self.noun}"


@dataclass(frozen=True)
class Place:
    """A place that is not a home, with its name, and the words for being there and going there."""

    name: str
    at: str
    to: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """Something that is true of the village in every story."""

    name: str
    relation: str
    value: str
    sentence: str
    question: str


def with_article(phrase: str) -> str:
    """Return ``phrase`` with the right indefinite article.

    >>> with_article("old map"), with_article("red kite")
    ('an old map', 'a red kite')
    """
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def word_file(name: str) -> str:
    """Return the text of a file in ``words``, even if llmlib is an installed or zipped package."""
    return (resources.files("llmlib.corpora.tinytales") / "words" / name).read_text(encoding="utf-8")


def rows(name: str) -> list[list[str]]:
    """Return the rows of a ``|``-separated file in ``words``."""
    lines = (line for line in word_file(name).splitlines() if line and not line.startswith("#"))
    return [[cell.strip() for cell in line.split("|")] for line in lines]


@cache
def kinds() -> dict[str, Kind]:
    return {row[0]: Kind(*row) for row in rows("kinds.txt")}


@cache
def villagers() -> tuple[Character, ...]:
    return tuple(Character(*row) for row in rows("villagers.txt"))


@cache
def newcomers() -> tuple[Character, ...]:
    """Return everybody who may visit the village.

    These are all combinations of a name and a kind that suits the name's gender.
    """
    lines = [line.split(":") for line in word_file("newcomers.txt").splitlines() if not line.startswith("#")]
    return tuple(
        Character(name, gender, kind, f"{name} the {kind}")
        for gender, names in lines
        for name in names.split()
        for kind in kinds()
        if kind not in HUMANS and (kind != "hen" or gender == "f")
    )


@cache
def things() -> tuple[Thing, ...]:
    return tuple(
        Thing(noun, adjective.strip(), group)
        for group, noun, adjectives in rows("things.txt")
        for adjective in adjectives.split(",")
    )


@cache
def places() -> tuple[Place, ...]:
    return tuple(Place("the " + name, at, to, tuple(classes.split())) for name, at, to, classes in rows("places.txt"))


@cache
def word_lists() -> dict[str, tuple[str, ...]]:
    lines = (line.split(":", 1) for line in word_file("lists.txt").splitlines() if line)
    return {name: tuple(word.strip() for word in words.split(";")) for name, words in lines}


@cache
def scripts() -> tuple[dict[str, Shape], dict[str, tuple[Line, ...]]]:
    """Return two dicts keyed by name: all story shapes, taken in turn from their files, and all shared passages."""
    _, passages = parse(word_file("passages.txt"), "passages.txt")
    files = [parse(word_file(f"shapes/{name}"), name)[0] for name in ("friends.txt", "adventures.txt", "home.txt")]
    in_turn = [shape for some in zip_longest(*(file.values() for file in files)) for shape in some if shape]
    shapes = {shape.name: shape for shape in in_turn}
    if len(shapes) < len(in_turn):
        raise ScriptError(f"a shape is defined in two files: {[shape.name for shape in in_turn]}")
    return shapes, passages


def shapes() -> dict[str, Shape]:
    """Return all story shapes by name."""
    return scripts()[0]


def is_held_out(kind: str, noun: str, shape: str) -> bool:
    """Return whether to keep a composition (kind of hero, object, shape) out of training.

    About one in ten compositions is kept out.
    """
    return crc32(f"{kind}/{noun}/{shape}".encode()) % HELD_OUT_ONE_IN == 0


def world_facts() -> tuple[Fact, ...]:
    """Return the facts about each villager that hold in every story: kind, home, possession, favourite food and work.

    >>> world_facts()[1].sentence
    'Pip lives in the burrow under the old oak.'
    """
    facts = []
    for villager in villagers():
        pronoun = PRONOUNS[villager.gender]["he"]
        name, owns, likes = villager.name, villager.owns or "", villager.likes or ""
        kind = with_article(villager.kind)
        facts += [
            Fact(name, "kind", kind, f"{name} is {kind}.", f"What is {name}?"),
            Fact(name, "home", villager.lives, f"{name} lives {villager.lives}.", f"Where does {name} live?"),
            Fact(name, "owns", owns, f"{name} owns {owns}.", f"What does {name} own?"),
            Fact(name, "likes", likes, f"{name} likes {likes} best.", f"What does {name} like to eat best?"),
            Fact(name, "work", f"{pronoun} {villager.work}", f"{name} {villager.work}.", f"What work does {name} do?"),
        ]
    return tuple(facts)


@cache
def character_slots(role: str, character: Character) -> dict[str, str]:
    """Return the slots of a character in a role: ``{a}``, ``{a.the}``, ``{a.hand}`` ..."""
    kind = kinds()[character.kind]
    home = character.lives.split(" ", 1)[1]
    slots = {
        "the": character.known_as,
        "one": f"{with_article(character.kind)} called {character.name}",
        "kind": character.kind,
        "akind": with_article(character.kind),
        "hand": kind.hand,
        "hands": "hooves" if kind.hand == "hoof" else kind.hand + "s",
        "went": kind.went,
        "ran": kind.ran,
        "nose": kind.nose,
        "sadsign": kind.sad_sign,
        "gladsign": kind.glad_sign,
        "athome": character.lives,
        "home": home,
        "tohome": f"to {character.name}'s door",
        **PRONOUNS[character.gender],
    }
    if character.is_villager:
        slots |= {"food": character.likes or "", "owns": character.owns or "", "worked": character.worked or ""}
    return {role: character.name, **{f"{role}.{key}": value for key, value in slots.items()}}


@cache
def thing_slots(thing: Thing) -> dict[str, str]:
    return {"o": thing.noun, "o.full": thing.full, "o.a": with_article(thing.full), "o.the": f"the {thing.full}"}


@cache
def place_slots(role: str, place: Place) -> dict[str, str]:
    return {role: place.name, f"{role}.at": place.at, f"{role}.to": place.to}

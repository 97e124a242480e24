"""The world of the tales: kinds of creatures, the fixed village, things, places, and its facts.

Everything is read once from the text files in ``words``, in file order, so that nothing depends on the machine.
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
    """Somebody in a story; villagers have a home, a possession, a favourite food and work that never change."""

    name: str
    gender: str
    kind: str
    known_as: str
    lives: str = "at the inn"
    owns: str | None = None
    likes: str | None = None
    work: str | None = None
    worked: str | None = None  # the same in the past tense

    @property
    def is_villager(self) -> bool:
        return self.owns is not None

    @property
    def is_animal(self) -> bool:
        return self.kind not in HUMANS


@dataclass(frozen=True)
class Thing:
    """An object a story is about: the noun, an adjective, and the group it belongs to."""

    noun: str
    adjective: str
    group: str

    @property
    def full(self) -> str:
        return f"{self.adjective} {self.noun}"


@dataclass(frozen=True)
class Place:
    """A place outside of the homes: its name, how one is there and how one goes there."""

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
    """``phrase`` with the right indefinite article.

    >>> with_article("old map"), with_article("red kite")
    ('an old map', 'a red kite')
    """
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def word_file(name: str) -> str:
    """The text of a file in ``words`` (also from inside a zipped or installed package)."""
    return (resources.files("llmlib.corpora.tinytales") / "words" / name).read_text(encoding="utf-8")


def rows(name: str) -> list[list[str]]:
    """The rows of a ``|``-separated file in ``words``."""
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
    """Everybody who may visit the village: each of these names with each kind that suits its gender."""
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
    """All story shapes, taken from their files in turn, and all shared passages, by name."""
    _, passages = parse(word_file("passages.txt"), "passages.txt")
    files = [parse(word_file(f"shapes/{name}"), name)[0] for name in ("friends.txt", "adventures.txt", "home.txt")]
    in_turn = [shape for some in zip_longest(*(file.values() for file in files)) for shape in some if shape]
    shapes = {shape.name: shape for shape in in_turn}
    if len(shapes) < len(in_turn):
        raise ScriptError(f"a shape is defined in two files: {[shape.name for shape in in_turn]}")
    return shapes, passages


def shapes() -> dict[str, Shape]:
    """All story shapes by name."""
    return scripts()[0]


def is_held_out(kind: str, noun: str, shape: str) -> bool:
    """Whether this composition of character, object and event is kept out of training (about one in ten is)."""
    return crc32(f"{kind}/{noun}/{shape}".encode()) % HELD_OUT_ONE_IN == 0


def world_facts() -> tuple[Fact, ...]:
    """What is true of every villager in every story: kind, home, possession, favourite food and work.

    >>> world_facts()[1].sentence
    'Pip lives in the burrow under the old oak.'
    """
    facts = []
    for who in villagers():
        pronoun = PRONOUNS[who.gender]["he"]
        name, owns, likes = who.name, who.owns or "", who.likes or ""
        kind = with_article(who.kind)
        facts += [
            Fact(name, "kind", kind, f"{name} is {kind}.", f"What is {name}?"),
            Fact(name, "home", who.lives, f"{name} lives {who.lives}.", f"Where does {name} live?"),
            Fact(name, "owns", owns, f"{name} owns {owns}.", f"What does {name} own?"),
            Fact(name, "likes", likes, f"{name} likes {likes} best.", f"What does {name} like to eat best?"),
            Fact(name, "work", f"{pronoun} {who.work}", f"{name} {who.work}.", f"What work does {name} do?"),
        ]
    return tuple(facts)


@cache
def character_slots(role: str, who: Character) -> dict[str, str]:
    """The slots of a character in a role: ``{a}``, ``{a.the}``, ``{a.hand}`` ..."""
    kind = kinds()[who.kind]
    home = who.lives.split(" ", 1)[1]
    slots = {
        "the": who.known_as,
        "one": f"{with_article(who.kind)} called {who.name}",
        "kind": who.kind,
        "akind": with_article(who.kind),
        "hand": kind.hand,
        "hands": "hooves" if kind.hand == "hoof" else kind.hand + "s",
        "went": kind.went,
        "ran": kind.ran,
        "nose": kind.nose,
        "sadsign": kind.sad_sign,
        "gladsign": kind.glad_sign,
        "athome": who.lives,
        "home": home,
        "tohome": f"to {who.name}'s door",
        **PRONOUNS[who.gender],
    }
    if who.is_villager:
        slots |= {"food": who.likes or "", "owns": who.owns or "", "worked": who.worked or ""}
    return {role: who.name, **{f"{role}.{key}": value for key, value in slots.items()}}


@cache
def thing_slots(thing: Thing) -> dict[str, str]:
    return {"o": thing.noun, "o.full": thing.full, "o.a": with_article(thing.full), "o.the": f"the {thing.full}"}


@cache
def place_slots(role: str, place: Place) -> dict[str, str]:
    return {role: place.name, f"{role}.at": place.at, f"{role}.to": place.to}

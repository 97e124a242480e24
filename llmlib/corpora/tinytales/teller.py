"""Tell stories by choosing a cast for a story shape, going through its steps, and keeping track of what was said.

Every story has its own seed, so you can tell story 1,000 without telling the 999 before it. The only source of
randomness is ``random.Random(integer).random()``, which Python guarantees to be the same in all versions.

Characters, shapes, things and wordings are drawn according to Zipf's law: the earlier they come in their file, the more
often they are drawn. So a few come up again and again, and most are rare, as in any natural text. A small model that
sees little text can learn from the frequent ones what is also true of the rare ones, for example that names do not
change within a story.
"""

import operator
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from itertools import groupby

from llmlib.corpora.tinytales import tasks, world
from llmlib.corpora.tinytales.chance import Dice
from llmlib.corpora.tinytales.script import Ask, Beat, Line, ScriptError, Shape
from llmlib.corpora.tinytales.story import Namespace, ToldStory
from llmlib.corpora.tinytales.world import Character, Place, Thing, scripts, shapes

SPLITS = ("train", "validation", "heldout")
PARAGRAPH_SEPARATOR = "\n"
STORY_SEPARATOR = "\n\n"
NEWCOMER_CHANCE = 0.25


class Story(ToldStory):
    """A story with ``questions``, ``instructions`` and ``preferences`` based on it, all generated on first use."""

    @cached_property
    def questions(self) -> tuple[tasks.Question, ...]:
        return tasks.questions(self)

    @cached_property
    def instructions(self) -> tuple[tasks.Instruction, ...]:
        return tasks.instructions(self, self.questions)

    @cached_property
    def preferences(self) -> tuple[tasks.Preference, ...]:
        return tasks.preferences(self, self.questions)


class Stage:
    """Holds the characters, things and places that a shape can use; they are looked up only once."""

    def __init__(self, shape: Shape) -> None:
        needs = shape.fields
        self.shape = shape
        self.cast = needs.get("cast", "ab")
        groups = [group.replace("_", " ") for group in needs["thing"].split()]
        self.things = tuple(t for t in world.things() if t.group in groups or t.noun in groups)
        self.weathers = tuple(needs.get("weather", "sunny cloudy windy rainy snowy foggy").split())
        self.places = self._places(needs.get("place"))
        self.places2 = self._places(needs.get("place2"))
        self.sizes = {role: needs[role] for role in "abc" if role in needs}
        self.villagers = {role: tuple(filter(self._fits(role), world.villagers())) for role in "abcd"}
        self.newcomers = {role: self._newcomers(role) for role in "ab"}
        heroes = self.villagers["a"] + tuple(hero for namesakes in self.newcomers["a"] for hero in namesakes)
        pairs = {(hero.kind, thing.noun) for hero in heroes for thing in self.things}
        self.held_out = frozenset(pair for pair in pairs if world.is_held_out(*pair, shape.name))

    def _places(self, classes: str | None) -> tuple[Place, ...]:
        wanted = set(classes.split()) if classes else {"outdoor", "indoor"}
        return tuple(place for place in world.places() if wanted & set(place.classes))

    def _newcomers(self, role: str) -> tuple[tuple[Character, ...], ...]:
        """For each name, return the characters with this name who can play the role; each is of a different kind."""
        fitting = filter(self._fits(role), world.newcomers())
        return tuple(tuple(namesakes) for _, namesakes in groupby(fitting, key=lambda newcomer: newcomer.name))

    def _fits(self, role: str) -> Callable[[Character], bool]:
        size = self.sizes.get(role)
        return lambda character: size in (None, "new") or world.kinds()[character.kind].size == size


@cache
def stages() -> tuple[Stage, ...]:
    return tuple(Stage(shape) for shape in shapes().values())


def tell(seed: int, split: str, index: int) -> Story:
    """Tell story number ``index`` of a split, without telling the stories before it.

    >>> tell(0, "train", 7).text == tell(0, "train", 7).text
    True
    """
    dice = Dice(seed, SPLITS.index(split), index)
    chance, pick = dice.random, dice.favourite
    stage = pick(stages())
    cast, thing = _cast(stage, split, dice)
    weather = pick(stage.weathers)
    place = pick(stage.places)
    place2 = pick(stage.places2)
    while place2 is place:
        place2 = pick(stage.places2)

    slots = Namespace(chance)
    genders = ""
    for role in "abcd":
        if role in cast:
            slots.update(world.character_slots(role, cast[role]))
        genders += cast[role].gender if role in cast else "-"
    slots.update(world.thing_slots(thing))
    slots.update(world.place_slots("p", place))
    slots.update(world.place_slots("q", place2))
    for choice in stage.shape.choices:
        for name, value in zip(choice.names, pick(choice.options), strict=True):
            slots[name] = value % slots

    _, passages = scripts()
    asks: list[Ask] = []

    def say(line: Line) -> str:
        asks.extend(line.asks)
        return pick(line.forms(genders)) % slots

    def start() -> list[str]:
        opening = say(pick(passages[f"open.{weather}"]))
        intro = say(pick(passages["intro" if cast["a"].is_villager else "intro.new"]))
        return [opening, intro] if chance() < 0.5 else [intro, opening]

    paragraphs = []
    for steps in stage.shape.paragraphs:
        said: list[str] = []
        for step in steps:
            if step.chance < 100 and chance() * 100 >= step.chance:
                continue
            if isinstance(step, Beat):
                asks.extend(step.asks)
                said.append(say(pick(step.lines)))
            elif step.passage == "start":
                said += start()
            elif step.passage == "end.lesson":
                said.append(say(pick(passages[f"end.lesson.{stage.shape.name}"])))
            else:
                said.append(say(pick(passages[step.passage])))
        if said:
            paragraphs.append(" ".join(said))
    slots.chance = _nothing_more
    return Story(
        text=PARAGRAPH_SEPARATOR.join(paragraphs),
        shape=stage.shape.name,
        split=split,
        seed=seed,
        index=index,
        cast=tuple(cast.values()),
        thing=thing,
        places=(place, place2),
        slots=slots,
        asks=tuple(asks),
        genders=genders,
    )


def _nothing_more() -> float:
    raise ScriptError(
        "a question or summary needs a word from a list, but this word was not picked while the story was told"
    )


def _cast(stage: Stage, split: str, dice: Dice) -> tuple[dict[str, Character], Thing]:
    """Choose a character for each role, and a thing.

    Together, the hero and the thing form a held-out composition if, and only if, `split` is "heldout".
    """

    def somebody(role: str) -> Character:
        if stage.sizes.get(role) == "new" or (role in "ab" and dice.random() < NEWCOMER_CHANCE):
            return dice.choice(dice.favourite(stage.newcomers[role]))
        return dice.favourite(stage.villagers[role])

    hero, thing = somebody("a"), dice.favourite(stage.things)
    while ((hero.kind, thing.noun) in stage.held_out) != (split == "heldout"):
        hero, thing = somebody("a"), dice.favourite(stage.things)
    cast = {"a": hero}
    for role in "bcd":
        if role == "d" or role in stage.cast:
            candidate = somebody(role)
            while any(candidate.name == other.name for other in cast.values()):
                candidate = somebody(role)
            cast[role] = candidate
    return cast, thing


def tinytales(
    seed: int = 0, split: str = "train", *, n_stories: int | None = None, characters: int | None = None, start: int = 0
) -> Iterator[Story]:
    """Return the stories in a split: an endless series, ``n_stories`` stories, or enough for ``characters`` characters.

    The compositions (kind of hero, object, shape) in the split "heldout" do not occur in any other split. ``start`` is
    the index of the first story. The same seed gives the same stories on every machine. Raises ValueError if the split
    is unknown or a size is not positive.

    >>> story = next(tinytales(seed=0))
    >>> story.shape in shapes(), len(story.questions) > 2
    (True, True)
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: expected one of {', '.join(map(repr, SPLITS))}")
    if n_stories is not None and characters is not None:
        raise ValueError("give n_stories or characters, not both")
    for name, size in (("n_stories", n_stories), ("characters", characters)):
        if size is not None and operator.index(size) <= 0:
            raise ValueError(f"{name} must be 1 or more, got {size}")
    if operator.index(start) < 0:
        raise ValueError(f"start must be 0 or more, got {start}")
    return _stories(operator.index(seed), split, n_stories, characters, start)


def _stories(seed: int, split: str, n_stories: int | None, characters: int | None, start: int) -> Iterator[Story]:
    length, index = 0, start
    while (n_stories is None or index < start + n_stories) and (characters is None or length < characters):
        story = tell(seed, split, index)
        length += len(story.text) + len(STORY_SEPARATOR)
        index += 1
        yield story


def tinytales_text(characters: int = 1_000_000, *, seed: int = 0, split: str = "train") -> str:
    """Return at least ``characters`` characters of stories; the last story is complete.

    Paragraphs end with one newline, and stories end with two (a blank line). Raises the same ValueError as
    ``tinytales``.

    >>> len(tinytales_text(2_000)) >= 2_000
    True
    """
    return "".join(story.text + STORY_SEPARATOR for story in tinytales(seed, split, characters=characters))

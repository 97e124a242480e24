"""Questions, instructions and preference pairs whose right answers are known, because the story was made and not found."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from llmlib.tinytales import world

if TYPE_CHECKING:
    from llmlib.tinytales.script import Ask
    from llmlib.tinytales.teller import Story

NOT_TOLD = "The story does not say."
NOT_KNOWN = "I do not know."
FAULTS = ("off_topic", "contradicts", "rambles", "rude", "invents")
GLAD = ("happy", "proud", "glad", "delighted", "curious", "peaceful", "cheerful")
GLAD_TOO = ("merry", "overjoyed", "so happy", "thankful")
SORRY = ("sad", "afraid", "bored", "jealous", "angry", "lonely", "tired")
KINDS = {
    "who": "who", "whose": "who", "whom": "who", "what": "what", "where": "where", "when": "when", "on": "when", "why": "why",
    "did": "yes_no", "was": "yes_no", "were": "yes_no", "could": "yes_no", "does": "yes_no", "for": "who", "how": "how",
}  # fmt: skip

# Things that no story ever tells: a question about them has no answer in the text.
NEVER_TOLD = (
    "How old is {name}?",
    "What colour are {name}'s eyes?",
    "When is {name}'s birthday?",
    "How many cousins does {name} have?",
    "What is {name}'s middle name?",
    "How tall is {name}?",
    "What did {name} dream about a week later?",
    "Who is {name}'s dentist?",
    "How much does {name} weigh?",
    "What is {name}'s favourite number?",
)
ABSENT = (
    "Why did {absent} come to visit {name}?",
    "What did {absent} give to {name}?",
    "What did {absent} say to {name}?",
)
INVENTED = (
    "It was because of a blue elephant.",
    "Seventeen.",
    "It happened in Paris, in the year 1850.",
    "A purple one, as always.",
)
OFF_TOPIC = (
    "Bread is baked in an oven, and it smells good.",
    "The sea is very deep, and many ships sail on it.",
    "On Sundays the shops are closed.",
    "Two and two make four.",
    "A kettle is a thing to boil water in.",
    "In winter the nights are long.",
)
RUDE = (
    "What a stupid question. {reply} Anybody can see that.",
    "Read it yourself, lazybones! {reply}",
    "{reply} Now leave me alone, you fool.",
    "Do not waste my time with such silly questions. {reply}",
)
RAMBLE = (
    "Well, let me see, a story is a story, and stories are long and short, and this one is a story too.",
    "Where was I? Yes, the story. It has a beginning, and it has an end, and there is something in the middle.",
    "And one thing leads to another, and another thing leads to one, as they say, and they say it often.",
    "As I said, and I will say it again, it is as I said, and that is what I wanted to say.",
)

# Phrases with the word for an animal in which there is no animal.
NOT_ANIMALS = re.compile(
    r"(fish|dragon) soup|lion pudding|(rabbit|mouse) hole|rocking horse|duck pond|wooden duck|cuckoo clock|flying pig"
    r"|snow (bear|goose|horse)|young man's"
)


@dataclass(frozen=True)
class Question:
    """A question with its known answer; ``wrong`` are answers of the same sort that are false in this story.

    ``kind`` is one of who, what, where, when, why, how, feeling, yes_no, unanswerable. ``answer`` is a bare phrase such as
    ``"under the bench"``; ``reply`` is that phrase as a sentence.
    """

    text: str
    answer: str
    kind: str
    wrong: tuple[str, ...] = ()

    @property
    def reply(self) -> str:
        return as_sentence(self.answer)


@dataclass(frozen=True)
class Instruction:
    """A request and a right response. ``kind``: write, continue, summarise, other_ending, list_animals, one_word, answer."""

    kind: str
    prompt: str
    response: str


@dataclass(frozen=True)
class Preference:
    """A prompt with a better and a worse response; ``fault`` names what is wrong with the worse one (one of FAULTS)."""

    prompt: str
    chosen: str
    rejected: str
    fault: str


def as_sentence(phrase: str) -> str:
    """``phrase`` with a capital letter and a full stop.

    >>> as_sentence("under the bench")
    'Under the bench.'
    """
    return phrase[:1].upper() + phrase[1:] + ("" if phrase[-1] in ".!?" else ".")


def ask_about(text: str, question: str) -> str:
    """The prompt that puts a question about a story."""
    return f"{text}\n\n{question}"


def questions(story: "Story") -> tuple[Question, ...]:
    """All questions whose answers the story asserted, and three that it does not answer."""
    dice = _dice(story, 1)
    asked: dict[str, Question] = {}
    for ask in story.asks:
        text = as_question(ask.question % story.slots)
        answer = ask.answer % story.slots
        asked.setdefault(text, Question(text, answer, _kind(text), _wrong_answers(story, ask, text, answer)))
    hero = story.hero
    if hero.is_villager and hero.lives.lower() in story.text.lower():
        others = tuple(who.lives for who in world.villagers() if who.lives != hero.lives)
        home = Question(f"Where does {hero.name} live?", hero.lives, "where", tuple(dice.sample(others, 3)))
        asked.setdefault(home.text, home)
    return (*asked.values(), *_unanswerable(story, dice))


def instructions(story: "Story") -> tuple[Instruction, ...]:
    """One instruction of each kind, each with a response that is right for this story."""
    from llmlib.tinytales.teller import shapes

    dice = _dice(story, 2)
    about = shapes()[story.shape].fields["about"]
    kind, thing = world.with_article(story.hero.kind), story.slots["o.a"]
    first, *rest = story.text.split("\n")
    written = dice.choice(
        (
            f"Write a story about {kind} and {thing}. Its theme: {about}.",
            f"Tell me a story with {kind} and {thing} in it. It should be about this: {about}.",
            f"Write a short story. The hero is {story.hero.name} the {story.hero.kind}, there is {thing} in it, and this is the theme: {about}.",
        )
    )
    made = [
        Instruction("write", written, story.text),
        Instruction("continue", f"Continue this story.\n\n{first}", "\n".join(rest)),
        Instruction("summarise", f"Summarise the story in one sentence.\n\n{story.text}", story.summary),
        Instruction(
            "other_ending", f"Rewrite the story with another ending.\n\n{story.text}", _other_ending(story, dice)
        ),
    ]
    if animals := animals_in(story.text):
        made.append(
            Instruction(
                "list_animals", f"List the animals that are mentioned in the story.\n\n{story.text}", ", ".join(animals)
            )
        )
    answerable = [q for q in story.questions if q.kind != "unanswerable"]
    if short := [q for q in answerable if re.fullmatch(r"\w+", q.answer)]:
        question = dice.choice(short)
        made.append(
            Instruction("one_word", ask_about(story.text, f"Answer in one word: {question.text}"), question.reply[:-1])
        )
    question = dice.choice(story.questions)
    made.append(Instruction("answer", ask_about(story.text, question.text), question.reply))
    return tuple(made)


def preferences(story: "Story") -> tuple[Preference, ...]:
    """One preference pair for each fault: a right answer, and one with that fault."""
    dice = _dice(story, 3)
    answerable = [q for q in story.questions if q.kind != "unanswerable"]
    pairs = []
    for fault in FAULTS:
        pool = {
            "contradicts": [q for q in answerable if q.wrong],
            "invents": [q for q in story.questions if q.kind == "unanswerable"],
        }.get(fault, answerable)
        if pool:
            question = dice.choice(pool)
            pairs.append(
                Preference(
                    ask_about(story.text, question.text), question.reply, _with_fault(question, fault, dice), fault
                )
            )
    return tuple(pairs)


def world_questions() -> tuple[Question, ...]:
    """Questions without a story: about the fixed facts of the village, and some that nobody can answer.

    >>> world_questions()[1].text, world_questions()[1].answer
    ('Where does Pip live?', 'in the burrow under the old oak')
    """
    facts = world.world_facts()
    asked = []
    for fact in facts:
        same = [other.value for other in facts if other.relation == fact.relation and other.value != fact.value]
        wrong = tuple(dict.fromkeys(same))[:8]
        kind = "where" if fact.relation == "home" else "what"
        asked.append(Question(fact.question, fact.value, kind, wrong))
    for who in world.villagers():
        asked += [Question(text.format(name=who.name), NOT_KNOWN, "unanswerable") for text in NEVER_TOLD[:2]]
    for name in ("Zorba", "Quillon", "Mirabelle", "Hubertus"):
        asked.append(Question(f"Where does {name} live?", NOT_KNOWN, "unanswerable"))
    return tuple(asked)


@cache
def _animal_words() -> dict[str, str]:
    """Every word for an animal that the tales use, singular or plural -> singular."""
    return {word: singular for singular, *forms in world.rows("animals.txt") for word in (singular, *forms)}


def animals_in(text: str) -> list[str]:
    """The animals that a text mentions, in the order of their first mention.

    >>> animals_in("Rusty the fox saw two geese. The fox ran.")
    ['fox', 'goose']
    """
    words = _animal_words()
    text = NOT_ANIMALS.sub(" ", text)
    return list(dict.fromkeys(words[word] for word in re.findall(r"\b[a-z]+\b(?!')", text) if word in words))


def as_question(text: str) -> str:
    return text[:1].upper() + text[1:]


def _dice(story: "Story", stream: int) -> random.Random:
    """Chance of its own for each sort of task, so that one can be made without the others."""
    from llmlib.tinytales.teller import SPLITS, mix

    return _Dice(mix(mix(mix(mix(story.seed) + SPLITS.index(story.split)) + story.index) + stream))


class _Dice(random.Random):
    """``choice`` and ``sample`` made only of ``random()``, the one method that never changes between versions of Python."""

    def choice(self, seq):  # type: ignore[no-untyped-def]
        return seq[int(self.random() * len(seq))]

    def sample(self, population, k, *, counts=None):  # type: ignore[no-untyped-def]
        pool = list(population)
        return [pool.pop(int(self.random() * len(pool))) for _ in range(min(k, len(pool)))]


def _kind(text: str) -> str:
    if re.search(r"\bfeel|^How (was|did) .*(feeling|look)", text):
        return "why" if text.startswith("Why") else "feeling"
    return KINDS.get(text.split()[0].lower(), "what")


def _wrong_answers(story: "Story", ask: "Ask", text: str, answer: str) -> tuple[str, ...]:
    """False answers of the same sort: other names, the other options of a choice, another thing or place, the other feeling."""
    from llmlib.tinytales.teller import shapes

    kind = _kind(text)
    if kind == "yes_no":
        return ("no" if answer == "yes" else "yes",)
    if kind == "feeling":
        opposite = SORRY if answer in (*GLAD, *GLAD_TOO) else GLAD
        return tuple(word for word in opposite if not re.search(rf"\b{word}\b", story.text))
    slot = ask.slot or ""
    role, _, attribute = slot.partition(".")
    wrong: Sequence[str] = ()
    if slot in ("a", "b", "c", "d") or answer in {who.name for who in story.entities}:
        wrong = [who.name for who in story.entities] + [who.name for who in _strangers(story)[:2]]
    elif role == "o" and attribute in ("a", "the"):
        wrong = [world.thing_slots(other)[slot] for other in world.things() if other.noun != story.thing.noun][::7]
    elif role in ("p", "q") and attribute:
        wrong = [world.place_slots(role, place)[slot] for place in world.places() if place not in story.places]
    elif slot.startswith("@"):
        wrong = [word for word in world.word_lists()[slot[1:].rstrip("0123456789")] if word not in story.text]
    else:
        for choice in shapes()[story.shape].choices:
            if slot in choice.names:
                wrong = [option[choice.names.index(slot)] % story.slots for option in choice.options]
    if kind == "why" and not wrong:
        wrong = ["because " + reason for reason in world.word_lists()["reason"]]
    return tuple(dict.fromkeys(word for word in wrong if word != answer))


def _strangers(story: "Story") -> list[world.Character]:
    """Villagers who are not in the story, in an order that differs from story to story."""
    present = {who.name for who in story.cast}
    everybody = world.villagers()
    start = story.index % len(everybody)
    return [
        who
        for who in everybody[start:] + everybody[:start]
        if not re.search(rf"\b{who.name}\b", story.text) and who.name not in present
    ]


def _unanswerable(story: "Story", dice: random.Random) -> list[Question]:
    name = dice.choice(story.entities[:2]).name
    absent = dice.choice(_strangers(story)).name
    texts = [*dice.sample(NEVER_TOLD, 2), dice.choice(ABSENT)]
    return [Question(text.format(name=name, absent=absent), NOT_TOLD, "unanswerable") for text in texts]


def _other_ending(story: "Story", dice: random.Random) -> str:
    from llmlib.tinytales.teller import _scripts

    line = dice.choice(_scripts()[1]["twist"])
    ending = dice.choice(line.forms(story.genders)) % story.slots
    return "\n".join([*story.text.split("\n")[:-1], ending])


def _with_fault(question: Question, fault: str, dice: random.Random) -> str:
    if fault == "off_topic":
        return dice.choice(OFF_TOPIC)
    if fault == "contradicts":
        return as_sentence(dice.choice(question.wrong))
    if fault == "rude":
        return dice.choice(RUDE).format(reply=question.reply)
    if fault == "rambles":
        first, second = dice.sample(RAMBLE, 2)
        return f"{first} {question.reply} {second} {first}"
    return dice.choice(INVENTED)

"""Make questions, instructions and preference pairs, whose right answers we know because code wrote the story."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from zlib import crc32

from llmlib.corpora.tinytales import world
from llmlib.corpora.tinytales.chance import Dice
from llmlib.corpora.tinytales.script import Ask
from llmlib.corpora.tinytales.story import ToldStory

NOT_TOLD = "The story does not say."
NOT_KNOWN = "I do not know."
FAULTS = ("off_topic", "contradicts", "rambles", "rude", "invents")
GLAD = ("happy", "proud", "glad", "delighted", "curious", "peaceful", "cheerful")
GLAD_TOO = ("merry", "overjoyed", "so happy", "thankful")
SORRY = ("sad", "afraid", "bored", "jealous", "angry", "lonely", "tired")
FIRST_WORDS = {
    "who": "who whose whom for",
    "what": "what",
    "where": "where",
    "when": "when on",
    "why": "why",
    "how": "how",
    "yes_no": "did was were could does had",
}
KINDS = {word: kind for kind, words in FIRST_WORDS.items() for word in words.split()}

# Facts that no story ever gives: questions without an answer in the text, and answers that somebody might invent.
NEVER_TOLD = (
    ("How old is {name}?", ("{name} is seven years old", "{name} is almost forty")),
    ("What colour are {name}'s eyes?", ("{name} has green eyes", "{name}'s eyes are as blue as the sky")),
    ("What is the name of {name}'s mother?", ("{name}'s mother is called Ottilie", "her name is Rosamund")),
    ("How many cousins does {name} have?", ("{name} has three cousins", "{name} has eleven cousins")),
    ("What is {name}'s middle name?", ("{name}'s middle name is Gustav", "it is Valentine")),
    ("How tall is {name}?", ("{name} is as tall as a door", "{name} is two feet tall")),
    ("What did {name} dream about a week later?", ("{name} dreamed about a train", "it was a dream about the sea")),
    ("Who is {name}'s dentist?", ("{name}'s dentist is Doctor Quill", "it is Doctor Plum")),
    ("How much does {name} weigh?", ("{name} weighs nine pounds", "{name} weighs as much as a sack of coal")),
    ("What is {name}'s favourite number?", ("{name}'s favourite number is nine", "it is forty-two")),
)
ABSENT = (
    (
        "Why did {absent} come to visit {name}?",
        ("{absent} wanted to borrow some sugar", "because {absent} felt lonely"),
    ),
    ("What did {absent} give to {name}?", ("{absent} gave {name} a jar of jam", "a red balloon")),
    ("What did {absent} say to {name}?", ("{absent} said that it would rain", "that the tea was ready")),
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

# Phrases that contain the name of an animal but do not mean an animal.
NOT_ANIMALS = re.compile(
    r"(fish|dragon) soup|lion pudding|(rabbit|mouse) hole|rocking horse|duck pond|wooden duck|cuckoo clock|flying pig"
    r"|goat's cheese"
    r"|snow (bear|goose|horse)|young man's"
)


@dataclass(frozen=True)
class Question:
    """A question with its known answer; ``wrong`` lists similar answers that are false or invented.

    ``kind`` is one of who, what, where, when, why, how, feeling, yes_no, unanswerable. ``answer`` is a bare phrase
    such as ``"under the bench"``; ``reply`` is the same phrase as a sentence.
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
    """A request and a correct response.

    ``kind`` is one of write, continue, summarise, other_ending, list_animals, one_word, answer.
    """

    kind: str
    prompt: str
    response: str


@dataclass(frozen=True)
class Preference:
    """A prompt with a better and a worse response; ``fault`` says what is wrong with the worse one (see FAULTS)."""

    prompt: str
    chosen: str
    rejected: str
    fault: str


def as_sentence(phrase: str) -> str:
    """Return ``phrase`` with a capital letter and a full stop.

    >>> as_sentence("under the bench")
    'Under the bench.'
    """
    return phrase[:1].upper() + phrase[1:] + ("" if phrase[-1] in ".!?" else ".")


def ask_about(text: str, question: str) -> str:
    """Return a prompt that asks a question about a story."""
    return f"{text}\n\n{question}"


def _with_story(request: str, text: str) -> str:
    return f"{request}\n\n{text}"


def questions(story: ToldStory) -> tuple[Question, ...]:
    """Return all questions that the story answers, and three that it does not answer."""
    dice = _dice(story, 1)
    asked: dict[str, Question] = {}
    for ask in story.asks:
        text = as_question(ask.question % story.slots)
        answer = ask.answer % story.slots
        asked.setdefault(text, Question(text, answer, kind_of(text), _wrong_answers(story, ask, text, answer, dice)))
    hero = story.hero
    if _tells_home(story):
        others = tuple(other.lives for other in world.villagers() if other.lives != hero.lives)
        home = Question(f"Where does {hero.name} live?", hero.lives, "where", tuple(dice.sample(others, 3)))
        asked.setdefault(home.text, home)
    return (*asked.values(), *unanswerable(story, dice))


def answers(story: ToldStory) -> dict[str, str]:
    """Map each question that the story answers to its answer. This is faster than `questions`."""
    found: dict[str, str] = {}
    for ask in story.asks:
        found.setdefault(as_question(ask.question % story.slots), ask.answer % story.slots)
    if _tells_home(story):
        found.setdefault(f"Where does {story.hero.name} live?", story.hero.lives)
    return found


def _tells_home(story: ToldStory) -> bool:
    return story.hero.is_villager and story.hero.lives.lower() in story.text.lower()


def instructions(story: ToldStory, questions: Sequence[Question]) -> tuple[Instruction, ...]:
    """Return one instruction of each kind, with a response that is correct for this story."""
    dice = _dice(story, 2)
    about = world.shapes()[story.shape].fields["about"]
    kind, thing = world.with_article(story.hero.kind), story.slots["o.a"]
    first, rest = story.text.split("\n", 1)
    requests = (
        f"Write a story about {kind} and {thing}. Its theme: {about}.",
        f"Tell me a story with {kind} and {thing} in it. It should be about this: {about}.",
        f"Write a short story with {story.hero.name} the {story.hero.kind} and {thing}. The theme is: {about}.",
    )
    pairs = [
        ("write", dice.choice(requests), story.text),
        ("continue", _with_story("Continue this story.", first), rest),
        ("summarise", _with_story("Summarise the story in one sentence.", story.text), story.summary),
        ("other_ending", _with_story("Rewrite the story with another ending.", story.text), _other_ending(story, dice)),
    ]
    if animals := animals_in(story.text):
        prompt = _with_story("List the animals that are mentioned in the story.", story.text)
        pairs.append(("list_animals", prompt, ", ".join(animals)))
    short = [q for q in questions if re.fullmatch(r"\w+", q.answer)]
    if short:
        question = dice.choice(short)
        prompt = ask_about(story.text, f"Answer in one word: {question.text}")
        pairs.append(("one_word", prompt, question.reply.removesuffix(".")))
    question = dice.choice(questions)
    pairs.append(("answer", ask_about(story.text, question.text), question.reply))
    return tuple(Instruction(*pair) for pair in pairs)


def preferences(story: ToldStory, questions: Sequence[Question]) -> tuple[Preference, ...]:
    """Return one preference pair for each fault, with a correct answer and an answer that has the fault."""
    dice = _dice(story, 3)
    answerable = [q for q in questions if q.kind != "unanswerable"]
    pools = dict.fromkeys(FAULTS, answerable)
    pools["contradicts"] = [q for q in answerable if q.wrong]
    pools["invents"] = [q for q in questions if q.kind == "unanswerable"]
    pairs = []
    for fault, pool in pools.items():
        question = dice.choice(pool)
        prompt = ask_about(story.text, question.text)
        pairs.append(Preference(prompt, question.reply, _with_fault(question, fault, dice), fault))
    return tuple(pairs)


def world_questions() -> tuple[Question, ...]:
    """Return questions that can be asked without a story.

    Most are about the fixed facts of the village; the rest are questions that nobody can answer.

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
    for villager in world.villagers():
        for text, invented in NEVER_TOLD[:2]:
            wrong = tuple(answer.format(name=villager.name) for answer in invented)
            asked.append(Question(text.format(name=villager.name), NOT_KNOWN, "unanswerable", wrong))
    for name in ("Zorba", "Quillon", "Mirabelle", "Hubertus"):
        asked.append(Question(f"Where does {name} live?", NOT_KNOWN, "unanswerable", ("in the old mill",)))
    return tuple(asked)


@cache
def _animal_words() -> dict[str, str]:
    """Map every word for an animal in the tales, singular or plural, to its singular."""
    return {word: singular for singular, *forms in world.rows("animals.txt") for word in (singular, *forms)}


def animals_in(text: str) -> list[str]:
    """Return the animals that a text mentions, in the order in which they first appear.

    >>> animals_in("Rusty the fox saw two geese. The fox ran.")
    ['fox', 'goose']
    """
    words = _animal_words()
    text = NOT_ANIMALS.sub(" ", text)
    return list(dict.fromkeys(words[word] for word in re.findall(r"\b[a-z]+\b", text) if word in words))


def as_question(text: str) -> str:
    return text[:1].upper() + text[1:]


def _dice(story: ToldStory, stream: int) -> Dice:
    """Return separate dice for each kind of task, so that you can make tasks of one kind without the others."""
    return Dice(story.seed, crc32(story.split.encode()), story.index, stream)


def kind_of(text: str) -> str:
    """Return what kind of question this is, judging by its wording (for questions that a story answers)."""
    if re.search(r"\bfeel|^How (was|did) .*(feeling|look)", text):
        return "why" if text.startswith("Why") else "feeling"
    return KINDS.get(text.split()[0].lower(), "what")


def _wrong_answers(story: ToldStory, ask: Ask, text: str, answer: str, dice: Dice) -> tuple[str, ...]:
    """Return wrong answers of the same kind as `answer`.

    They are, for example, other names, other options of a choice, or another thing, place or mood.
    """
    kind = kind_of(text)
    if kind == "yes_no":
        return ("no" if answer == "yes" else "yes",)
    if kind == "feeling":
        opposite = SORRY if answer in (*GLAD, *GLAD_TOO) else GLAD
        return tuple(word for word in opposite if not re.search(rf"\b{word}\b", story.text, re.I))
    slot = ask.slot or ""
    role, _, attribute = slot.partition(".")
    names = [each.name for each in (*story.entities, *_strangers(story)[:2])]
    wrong: Sequence[str] = ()
    if answer in [f"{name}'s" for name in names]:
        wrong = [f"{name}'s" for name in names]
    elif slot in ("a", "b", "c", "d") or answer in {each.name for each in story.entities}:
        wrong = names
    elif role == "o" and attribute in ("a", "the"):
        wrong = [world.thing_slots(other)[slot] for other in world.things() if other.noun != story.thing.noun][::7]
    elif role in ("p", "q") and attribute:
        wrong = [world.place_slots(role, place)[slot] for place in world.places() if place not in story.places]
    elif slot.startswith("@"):
        wrong = [word for word in world.word_lists()[slot[1:].rstrip("0123456789")] if word not in story.text]
    else:
        for choice in world.shapes()[story.shape].choices:  # the options that were not chosen
            if any(f"%({name})s" in ask.answer for name in choice.names):
                wrong = [ask.answer % {**story.slots, **dict(zip(choice.names, option))} for option in choice.options]
                wrong = [answer % story.slots.branch(dice.random) for answer in wrong]
    if kind == "why" and not wrong:
        wrong = ["because " + reason for reason in world.word_lists()["reason"] if reason not in story.text]
    return tuple(dict.fromkeys(word for word in wrong if word != answer))


def _strangers(story: ToldStory) -> list[world.Character]:
    """Return the villagers who are not in the story, in an order that differs from story to story."""
    present = {each.name for each in story.cast}
    everybody = world.villagers()
    start = story.index % len(everybody)
    return [
        villager
        for villager in everybody[start:] + everybody[:start]
        if not re.search(rf"\b{villager.name}\b", story.text) and villager.name not in present
    ]


def unanswerable(story: ToldStory, dice: Dice) -> list[Question]:
    """Return three questions that the story does not answer, two of them about somebody in it."""
    name = dice.choice(story.entities[:2]).name
    absent = dice.choice(_strangers(story)).name

    def filled(text: str) -> str:
        return text.format(name=name, absent=absent)

    return [
        Question(filled(text), NOT_TOLD, "unanswerable", tuple(map(filled, invented)))
        for text, invented in (*dice.sample(NEVER_TOLD, 2), dice.choice(ABSENT))
    ]


def _other_ending(story: ToldStory, dice: Dice) -> str:
    line = dice.choice(world.scripts()[1]["twist"])
    ending = dice.choice(line.forms(story.genders)) % story.slots.branch(dice.random)
    return "\n".join([*story.text.split("\n")[:-1], ending])


def _with_fault(question: Question, fault: str, dice: Dice) -> str:
    if fault == "off_topic":
        return dice.choice(OFF_TOPIC)
    if fault in ("contradicts", "invents"):
        return as_sentence(dice.choice(question.wrong))
    if fault == "rude":
        return dice.choice(RUDE).format(reply=question.reply)
    if fault == "rambles":
        first, second = dice.sample(RAMBLE, 2)
        return f"{first} {question.reply} {second} {first}"
    raise ValueError(f"unknown fault {fault!r}: expected one of {', '.join(FAULTS)}")

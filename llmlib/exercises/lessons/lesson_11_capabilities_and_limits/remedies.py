"""Exercises for lesson 11 that work around limits: finding documents, lengthening the context, and calling tools."""

import math
import random
from dataclasses import dataclass, field
from pathlib import Path

from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.lessons.lesson_11_capabilities_and_limits.faulty_agent import faulty_agent
from llmlib.exercises.lessons.lesson_11_capabilities_and_limits.faulty_remedies import faulty_bm25, faulty_longer_theta

TEXTS = texts_of(Path(__file__).parent)


# --- limits.bm25 ---


def bm25(query, documents, k1, b):
    """Score how well each document matches the query: rare words count more, and words in long documents count less."""
    n, mean = len(documents), sum(map(len, documents)) / len(documents)

    def rarity(word):
        having = sum(word in document for document in documents)
        return math.log(1 + (n - having + 0.5) / (having + 0.5))

    def score(document):
        slowed, total = k1 * (1 - b + b * len(document) / mean), 0.0
        for word in query:
            times = document.count(word)
            total += rarity(word) * times * (k1 + 1) / (times + slowed)
        return total

    return [score(document) for document in documents]


def cases_bm25(seed):
    chance = random.Random(seed)
    words = ["the", "a", "cat", "category", "dog", "rain", "king", "old", "slept", "ran", "away", "home"]

    def drawn(n, query, k1, b, note=""):
        documents = [chance.choices(words, weights=range(len(words), 0, -1), k=chance.randint(2, 11)) for _ in range(n)]
        return Case((chance.sample(words, query), documents, k1, b), note)

    def texts(*lines):
        return [line.split() for line in lines]

    four = texts("the cat slept", "the dog ran and the cat slept", "rain", "the king is old and the king is away")
    return [
        Case((["cat"], texts("the cat slept", "the dog ran away", "it rained"), 1.5, 0.75)),
        Case((["king", "cat"], four, 1.5, 0.75), "a word that occurs twice"),
        Case((["king", "cat"], four, 1.5, 0.0), "b = 0"),
        Case((["king", "cat"], four, 1.2, 1.0), "b = 1"),
        Case((["the", "dog"], four, 2.0, 0.5), "a word in most documents"),
        Case((["rain", "the", "rain"], four, 1.5, 0.75), "a word that occurs twice in the query"),
        Case(
            (["the"], texts("the king is old and away", "the cat ran home", "the dog"), 1.5, 0.75),
            "a word in all documents",
        ),
        Case((["cat", "unicorn"], four, 1.5, 0.6), "a word that is not in any document"),
        Case((["unicorn"], four, 1.5, 0.75), "a query whose only word is not in any document"),
        Case(
            (["cat"], texts("category of the cats", "a cat", "cat cat cat"), 0.9, 0.4),
            "words that begin with the same letters",
        ),
        Case(
            (["Rose"], texts("the rose", "Rose slept", "a rose"), 1.5, 0.75),
            "words that differ only in a capital letter",
        ),
        Case(([], four, 1.5, 0.75), "an empty query"),
        Case((["cat", "sat"], texts("the cat sat"), 1.5, 0.75), "a single document"),
        drawn(5, 3, 1.2, 0.75),
        drawn(7, 4, 0.8, 0.3),
    ]


BM25 = Exercise(**TEXTS["bm25"], reference=bm25, cases=cases_bm25, faulty=faulty_bm25, double=False)


# --- limits.longer_theta ---


def longer_theta(theta, d_head, factor):
    """Return the base that slows down the slowest rotation by `factor` and leaves the fastest unchanged."""
    return theta * factor ** (d_head / (d_head - 2))


def cases_longer_theta(seed):
    chance = random.Random(seed)
    drawn = [(chance.uniform(500, 50_000), 2 * chance.randint(3, 40), chance.uniform(1.5, 9)) for _ in range(3)]
    return [
        Case((100.0, 4, 3)),
        Case((10_000.0, 64, 8), "heads as large as SmolLM2's"),
        Case((10_000.0, 16, 1), "the context is no longer than before"),
        Case((500_000.0, 128, 4), "the heads and the base of Llama 3"),
        Case((12.0, 6, 2.5), "a small base"),
        Case((10_000.0, 8, 2.5), "a factor that is not a whole number"),
        *(Case(each) for each in drawn),
    ]


LONGER_THETA = Exercise(
    **TEXTS["longer_theta"], reference=longer_theta, cases=cases_longer_theta, faulty=faulty_longer_theta, double=False
)


# --- limits.agent ---


def agent(model, tools, task, max_calls):
    """Let the model call tools and see the results, and return its answer, or None if it asks for too many calls."""
    transcript = [task]
    for calls in range(max_calls + 1):
        name, argument = model(transcript)
        if name == "answer":
            return argument
        if calls == max_calls:
            break
        if name not in tools:
            result = f"error: no tool {name}"
        else:
            try:
                result = tools[name](argument)
            except Exception as error:
                result = f"error: {error}"
        transcript.append((name, argument, result))
    return None


PATIENCE = 40  # the number of calls after which the most stubborn model gives up, so that every loop ends


def calls_in(transcript):
    """Return the calls in a transcript: all entries except the task, which may be missing."""
    return list(transcript)[1:] if transcript and isinstance(transcript[0], str) else list(transcript)


@dataclass(frozen=True)
class Model:
    """The base class of the scripted models. Each model takes a list, and raises an error if it is asked too often."""

    turns: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    def listen(self, transcript):
        if not isinstance(transcript, list):
            raise TypeError(f"the transcript that the model gets must be a list; got {transcript!r}")
        self.turns.append(len(transcript))
        if len(self.turns) > 2 * PATIENCE:
            raise RuntimeError(f"the model was asked {len(self.turns)} times, and its transcript is no longer growing")


@dataclass(frozen=True)
class Script(Model):
    """A model that makes the calls in `steps`, one after the other, and then answers with everything it has seen."""

    steps: tuple[tuple[str, str], ...]
    answers: str | None = None  # the answer, instead of all that the model has seen

    def __call__(self, transcript):
        self.listen(transcript)
        made = len(calls_in(transcript))
        if made < len(self.steps):
            return self.steps[made]
        return "answer", repr(transcript) if self.answers is None else self.answers


@dataclass(frozen=True)
class Stubborn(Model):
    """A model that repeats a call until the call succeeds."""

    call: tuple[str, str]
    instead: tuple[str, str] | None = None  # the call after an error

    def __call__(self, transcript):
        self.listen(transcript)
        calls = calls_in(transcript)
        last = calls[-1][-1] if calls and isinstance(calls[-1], (list, tuple)) else "error"
        if not str(last).startswith("error") or len(calls) > PATIENCE:
            return "answer", str(last)
        return self.instead if calls and self.instead else self.call


@dataclass(frozen=True, repr=False)
class Tool:
    """A tool that does what its name says."""

    name: str

    def __repr__(self):
        return self.name

    def __call__(self, argument):
        match self.name:
            case "add":
                return sum(map(int, argument.split()))
            case "divide":
                a, b = map(int, argument.split())
                return a / b
            case "capital":
                return {"Peru": "Lima", "Ghana": "Accra"}[argument]
            case _:  # "note"
                return ""


def cases_agent(seed):
    chance = random.Random(seed)
    tools = {name: Tool(name) for name in ("add", "divide", "capital", "note")}
    a, b, c = (chance.randint(2, 99) for _ in range(3))

    def case(steps, max_calls, note="", answers=None, task="Find out."):
        made = ", ".join(f"{name}({argument!r})" for name, argument in steps)
        note += f"; the model calls {made}" if made else ""
        return Case((Script(tuple(steps), answers), tools, task, max_calls), note)

    add, divide = ("add", f"{a} {b}"), ("divide", f"{c} {a}")
    return [
        case([("add", "3 4")], 5, "one call, and then an answer", task="What is 3 + 4?"),
        case([], 3, "the model answers at once"),
        case([], 3, "an empty answer", answers=""),
        case([add, divide], 6, "two calls"),
        case([add, divide, ("add", "1 1")], 3, "as many calls as are allowed"),
        case([add, divide, ("add", "1 1"), ("add", "2 2")], 3, "one more call than is allowed", answers="done"),
        case([], 0, "no calls are allowed, and the model does not need any"),
        case([add], 0, "no calls are allowed, but the model wants one", answers="done"),
        case([("divide", f"{a} 0"), add], 4, "a tool that raises an error"),
        case([("multiply", f"{a} {b}"), add], 4, "a tool that does not exist"),
        case([("capital", "Atlantis"), ("capital", "Peru")], 4, "a tool that raises a KeyError"),
        case([("note", "buy milk"), add], 4, "an empty result"),
        case([("multiply", "1 2"), ("divide", "1 0"), add], 2, "errors count as calls", answers="done"),
        Case((Stubborn(("divide", "1 0")), tools, "Divide.", 5), "the model repeats its mistake, divide('1 0')"),
        Case(
            (Stubborn(("add", "two 2"), add), tools, "Add.", 4),
            "the model calls add('two 2') and, after the error, makes another call",
        ),
    ]


def too_many_calls(call, case):
    """Return a complaint if tools were run more often than allowed, whatever the loop returned."""
    model, tools, task, max_calls = case.args
    made = []

    def counted(tool):
        def run(argument):
            made.append(argument)
            return tool(argument)

        return run

    call(model, {name: counted(tool) for name, tool in tools.items()}, task, max_calls)
    if len(made) <= max_calls:
        return None
    return (
        f"With max_calls = {max_calls} you run tools {len(made)} time{'s' if len(made) != 1 else ''}. Do not make the "
        "extra call, even if you discard its result. A call may, for example, send an email."
    )


AGENT = Exercise(
    **TEXTS["agent"],
    reference=agent,
    cases=cases_agent,
    faulty=faulty_agent,
    probes=(Probe("No more than max_calls tool calls are made.", too_many_calls),),
    double=False,
)

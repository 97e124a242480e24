"""Conversations about TinyTales stories: instructions of many kinds whose right answers are known.

To learn from: a story and several requests about it, one after the other. To be tested on: single requests about
stories whose combination of hero, thing and shape occurs in no story for training.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from llmlib.chat import Message
from llmlib.corpora.tinytales import Story, tell
from llmlib.corpora.tinytales.chance import Dice
from llmlib.corpora.tinytales.tasks import (
    NOT_TOLD,
    animals_in,
    answers,
    as_question,
    as_sentence,
    ask_about,
    kind_of,
    unanswerable,
)
from llmlib.corpora.tinytales.teller import SPLITS
from llmlib.finetuning.scores import Score, answer_all, score
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer

QUESTIONS = ("who", "what", "where", "when", "why", "how", "feeling", "yes_no")
ANSWERABLE = (*QUESTIONS, "one_word", "summary", "animals")
KINDS = (*ANSWERABLE, "unanswerable")
CONVERSATIONS, PROMPTS, NOT_ANSWERED = 5, 6, 7  # streams of chance, apart from each other and from those of other tasks
MOST_STORIES = 1000  # looked through for a prompt of a rare kind


@dataclass(frozen=True)
class Request:
    """What a user may say about a story, and the right answer. `kind` is one of `KINDS`."""

    kind: str
    text: str
    answer: str


@dataclass(frozen=True)
class Prompt:
    """A conversation that waits for an answer, and the right one."""

    kind: str
    messages: tuple[Message, ...]
    answer: str


def requests_about(story: Story, kinds: Collection[str] = KINDS) -> tuple[Request, ...]:
    """Everything that can be asked about a story, of these kinds: its questions, those of which one word is the answer
    once more as an instruction to give that word, its animals, and what happens in one sentence.

    Raises `ValueError` for an unknown kind.

    >>> from llmlib.corpora.tinytales import tell
    >>> requests_about(tell(0, "train", 1), ["animals"])
    (Request(kind='animals', text='List the animals in the story.', answer='cat, fox, sheep, mouse.'),)
    """
    _check_kinds(kinds)
    told = answers(story)
    asked = [Request(kind_of(question), question, as_sentence(answer)) for question, answer in told.items()]
    asked += [
        Request("one_word", f"Answer in one word: {question}", as_question(answer))
        for question, answer in told.items()
        if re.fullmatch(r"\w+", answer) and kind_of(question) != "yes_no"
    ]
    if "unanswerable" in kinds:
        dice = Dice(story.seed, SPLITS.index(story.split), story.index, NOT_ANSWERED)
        asked += [Request(question.kind, question.text, question.reply) for question in unanswerable(story, dice)]
    asked.append(Request("summary", "Tell the story in one sentence.", story.summary))
    if animals := animals_in(story.text):
        asked.append(Request("animals", "List the animals in the story.", f"{', '.join(animals)}."))
    return tuple(request for request in asked if request.kind in kinds)


def training_conversations(
    n: int, *, turns: int = 8, kinds: Collection[str] = ANSWERABLE, seed: int = 1, start: int = 0
) -> list[list[Message]]:
    """`n` conversations of up to so many turns, each about a story of its own.

    The first message holds the story, an empty line and a request; the others hold a request alone. What is asked is
    drawn from all that the story allows, of the given `kinds`; add "unanswerable" for questions to which the right
    answer is that the story does not say. The same arguments give the same conversations, the first of more are those
    of fewer, and `start` leaves out as many stories. Raises `ValueError` for an unknown kind or a size below 1.

    >>> (conversation,) = training_conversations(1, turns=2)
    >>> [message["role"] for message in conversation]
    ['user', 'assistant', 'user', 'assistant']
    """
    for name, value in (("n", n), ("turns", turns)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, got {value}.")
    conversations: list[list[Message]] = []
    while len(conversations) < n:
        story = tell(seed, "train", start)
        dice = Dice(seed, SPLITS.index("train"), start, CONVERSATIONS)
        start += 1
        if asked := dice.sample(requests_about(story, kinds), turns):  # a story may have nothing of a rare kind
            conversations.append(_conversation(story, asked))
    return conversations


def held_out_prompts(n: int, *, kinds: Collection[str] = KINDS, seed: int = 1, split: str = "heldout") -> list[Prompt]:
    """`n` prompts of each kind, each about another story of the split than the others of its kind.

    So they are independent of each other, as `wilson_interval` supposes. Raises `ValueError` for an unknown kind or
    split, or an `n` below 1.

    >>> prompt = held_out_prompts(1, kinds=["who"])[0]
    >>> prompt.messages[0]["content"].splitlines()[-1], prompt.answer
    ('Who came to the door?', 'Hazel.')
    """
    if n < 1 or split not in SPLITS:
        raise ValueError(f"n must be 1 or more, and split one of {', '.join(SPLITS)}; got {n} and {split!r}.")
    _check_kinds(kinds)
    found: dict[str, list[Prompt]] = {kind: [] for kind in KINDS if kind in kinds}
    for index in range(n * MOST_STORIES):
        wanted = [kind for kind, prompts in found.items() if len(prompts) < n]
        if not wanted:
            break
        story = tell(seed, split, index)
        dice = Dice(seed, SPLITS.index(split), index, PROMPTS)
        asked = requests_about(story, kinds)
        for kind in wanted:
            if of_kind := [request for request in asked if request.kind == kind]:
                request = dice.choice(of_kind)
                question, _ = _conversation(story, [request])
                found[kind].append(Prompt(kind, (question,), request.answer))
    return [prompt for prompts in found.values() for prompt in prompts]


def scores(
    model: Transformer, tokenizer: Tokenizer, prompts: Sequence[Prompt], max_new_tokens: int = 64
) -> dict[str, Score]:
    """How many of the model's likeliest answers are right word by word, by kind and of "all"; with two more rows.

    "says so" is how often it says that the story does not say where that is right, and "says so wrongly" how often it
    does where the story does say; each only if there are such prompts. Raises `ValueError` as `chat` does.
    """
    given = answer_all(model, tokenizer, [prompt.messages for prompt in prompts], max_new_tokens)
    found = score([p.kind for p in prompts], given, [p.answer for p in prompts])
    return found | shares_not_told(prompts, given)


def shares_not_told(prompts: Sequence[Prompt], given: Sequence[str]) -> dict[str, Score]:
    """How often the answer given is "The story does not say.", where that is right, and where it is wrong."""
    counts: dict[str, list[bool]] = {}
    for prompt, answer in zip(prompts, given, strict=True):
        name = "says so" if prompt.kind == "unanswerable" else "says so wrongly"
        counts.setdefault(name, []).append(answer.strip() == NOT_TOLD)
    return {name: Score(sum(said), len(said)) for name, said in sorted(counts.items())}


def _check_kinds(kinds: Collection[str]) -> None:
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        named = f"There is no kind {unknown[0]!r}" if unknown else "There is no kind to ask for"
        raise ValueError(f"{named}. There are: {', '.join(KINDS)}.")


def _conversation(story: Story, asked: Sequence[Request]) -> list[Message]:
    messages: list[Message] = []
    for request in asked:
        text = request.text if messages else ask_about(story.text, request.text)
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": request.answer}]
    return messages

"""Make conversations about TinyTales stories, with many kinds of instructions whose answers are known.

A training conversation contains a story and several requests about it, one after the other. A test prompt contains a
single request about a story whose combination of hero, thing and shape does not occur in training. (The words are still
the same: more than half of the eight-word sequences in a held-out story also occur in training stories.) `pairs`
contains the test that asks the same question about two stories, only one of which answers it.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from llmlib.chat import Message
from llmlib.corpora.tinytales import STORY_SEPARATOR, Story, tell
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
from llmlib.corpora.tinytales.untold import TAUGHT, answered_questions, open_questions
from llmlib.finetuning.scores import Score, answer_all, score
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer

QUESTIONS = ("who", "what", "where", "when", "why", "how", "feeling", "yes_no")
ANSWERABLE = (*QUESTIONS, "one_word", "summary", "animals")
KINDS = (*ANSWERABLE, "unanswerable")
CONVERSATIONS, PROMPTS, NOT_ANSWERED = 5, 6, 7  # which random streams we use; other tasks use others
MOST_STORIES = 1000  # look through at most this many stories per kind and prompt, since some kinds are rare
UNTOLD_A_STORY = 2  # a balanced conversation has at most this many unanswerable questions


@dataclass(frozen=True)
class Request:
    """A user's request about a story, and the right answer. `kind` is one of `KINDS`."""

    kind: str
    text: str
    answer: str


@dataclass(frozen=True)
class Prompt:
    """A conversation that is waiting for an answer, and the right answer."""

    kind: str
    messages: tuple[Message, ...]
    answer: str


def requests_about(story: Story, kinds: Collection[str] = KINDS) -> tuple[Request, ...]:
    """Return every request of these kinds that fits a story.

    The requests are questions that the story answers; for each of them with a one-word answer (other than yes or no),
    also an instruction to answer the question in one word; questions that the story does not answer; a request for a
    one-sentence summary; and a request for a list of the story's animals. Raises `ValueError` for an unknown kind.

    >>> from llmlib.corpora.tinytales import tell
    >>> requests_about(tell(0, "train", 1), ["animals"])
    (Request(kind='animals', text='List the animals in the story.', answer='cat, fox, sheep, mouse.'),)
    """
    _check_kinds(kinds)
    answered = answers(story)
    asked = [Request(kind_of(question), question, as_sentence(answer)) for question, answer in answered.items()]
    asked += [
        Request("one_word", f"Answer in one word: {question}", as_question(answer))
        for question, answer in answered.items()
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
    n: int,
    *,
    turns: int = 8,
    kinds: Collection[str] = ANSWERABLE,
    balanced: bool = True,
    seed: int = 1,
    start: int = 0,
) -> list[list[Message]]:
    """Make `n` conversations of up to `turns` turns, each about a different story.

    The first message contains the story, a blank line and a request; later messages contain only a request. The
    requests are drawn from all those of the given `kinds` that fit the story. The same arguments produce the same
    conversations, and a larger `n` adds more. `start` skips that many stories.

    With "unanswerable" in `kinds`, the story does not answer some of the questions, and the right answer is to say so.
    With `balanced`, these questions use eight frequent wordings (`llmlib.corpora.tinytales.untold.TAUGHT`). Each
    wording comes up about as often when the story does not say as when it does, so the wording reveals nothing. Without
    `balanced`, these questions are of a few types that hardly any story answers, and a model can learn to refuse those
    types. Raises `ValueError` for an unknown kind, a size below 1, or, with `balanced`, only unanswerable questions.

    >>> (conversation,) = training_conversations(1, turns=2)
    >>> [message["role"] for message in conversation]
    ['user', 'assistant', 'user', 'assistant']
    """
    for name, value in (("n", n), ("turns", turns)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, got {value}.")
    _check_kinds(kinds)
    balance = Balance() if balanced and "unanswerable" in kinds else None
    answerable = [kind for kind in kinds if kind != "unanswerable"] if balance else kinds
    if not answerable:
        raise ValueError(
            "Unanswerable questions cannot be balanced without other kinds of questions: add other kinds, or pass "
            "balanced=False."
        )
    conversations: list[list[Message]] = []
    while len(conversations) < n:
        story = tell(seed, "train", start)
        dice = Dice(seed, SPLITS.index("train"), start, CONVERSATIONS)
        start += 1
        requests = requests_about(story, answerable)
        asked = balance.drawn(story, requests, turns, dice) if balance else dice.sample(requests, turns)
        if asked:  # there may be no request of a rare kind about this story
            conversations.append(_conversation(story, asked))
    return conversations


class Balance:
    """Keeps each wording balanced between questions that the story answers and questions that it leaves open.

    A question that one story answers is matched with a question in the same wording that another story leaves open.
    """

    def __init__(self) -> None:
        self.owed = dict.fromkeys(TAUGHT, 0)

    def drawn(self, story: Story, requests: Sequence[Request], turns: int, dice: Dice) -> list[Request]:
        """Draw up to `turns` requests about a story, in random order.

        Questions that this story leaves open and that are still needed for balance are drawn first (at most two).
        Answered questions in the balanced wordings are drawn next, and other requests fill the remaining turns.
        """
        questions = open_questions(story, dice)
        wordings = {
            question: wording for question, wording in answered_questions(story).items() if wording in self.owed
        }
        due = sorted((w for w in questions if self.owed.get(w, 0) > 0), key=lambda w: -self.owed[w])
        due = due[: min(UNTOLD_A_STORY, turns - 1)]
        shuffled = dice.sample(requests, len(requests))
        answered = sorted(shuffled, key=lambda request: request.text not in wordings)[: turns - len(due)]
        for request in answered:
            if request.text in wordings:
                self.owed[wordings[request.text]] += 1
        for wording in due:
            self.owed[wording] -= 1
        silent = [Request("unanswerable", questions[wording], NOT_TOLD) for wording in due]
        return dice.sample([*silent, *answered], turns)


def held_out_prompts(
    n: int, *, kinds: Collection[str] = KINDS, seed: int = 1, split: str = "heldout", start: int = 0
) -> list[Prompt]:
    """Make `n` prompts of each kind, each about a different story, so that the prompts are independent.

    `start` skips that many stories, so that you can test on stories that no earlier test has used. The unanswerable
    prompts ask a few types of questions that hardly any story answers; `llmlib.finetuning.pairs` has a sharper test.
    Raises `ValueError` for an unknown kind or split, an `n` below 1 or a `start` below 0.

    >>> prompt = held_out_prompts(1, kinds=["who"])[0]
    >>> prompt.messages[0]["content"].splitlines()[-1], prompt.answer
    ('Who came to the door?', 'Hazel.')
    """
    if n < 1 or start < 0 or split not in SPLITS:
        raise ValueError(
            f"n must be 1 or more, start must be 0 or more, and split must be one of {', '.join(SPLITS)}; "
            f"got n={n}, start={start} and split={split!r}."
        )
    _check_kinds(kinds)
    found: dict[str, list[Prompt]] = {kind: [] for kind in KINDS if kind in kinds}
    for index in range(start, start + n * len(KINDS) * MOST_STORIES):
        if all(len(prompts) == n for prompts in found.values()):
            break
        kind = KINDS[index % len(KINDS)]  # each story is used for only one kind, whichever kinds you ask for
        if len(found.get(kind, range(n))) == n:
            continue
        story = tell(seed, split, index)
        if of_kind := requests_about(story, [kind]):
            dice = Dice(seed, SPLITS.index(split), index, PROMPTS)
            found[kind].append(prompt_about(story, dice.choice(of_kind)))
    return [prompt for prompts in found.values() for prompt in prompts]


def prompt_about(story: Story, request: Request) -> Prompt:
    """Return a request about a story as the first message of a conversation."""
    return Prompt(request.kind, ({"role": "user", "content": ask_about(story.text, request.text)},), request.answer)


def under_another_story(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the same requests and answers, but each with the story from the next prompt of the same kind.

    The score on these prompts shows how much of a score comes from the question alone. Raises `ValueError` if a kind
    has only one prompt.

    >>> one, two = held_out_prompts(2, kinds=["who"])
    >>> moved = under_another_story([one, two])[0]
    >>> (
    ...     [split_prompt(prompt)[0] == split_prompt(moved)[0] for prompt in (one, two)],
    ...     split_prompt(moved)[1] == split_prompt(one)[1],
    ... )
    ([False, True], True)
    """
    moved = []
    for prompt in prompts:
        others = [other for other in prompts if other.kind == prompt.kind]
        if len(others) < 2:
            raise ValueError(
                f"There is only one prompt of kind {prompt.kind!r}, so there is no other story to move the prompt to."
            )
        story, _ = split_prompt(others[(others.index(prompt) + 1) % len(others)])
        moved.append(
            Prompt(
                prompt.kind,
                ({"role": "user", "content": ask_about(story, split_prompt(prompt)[1])},),
                prompt.answer,
            )
        )
    return moved


def split_prompt(prompt: Prompt) -> tuple[str, str]:
    """Split a prompt into its story and its request."""
    story, _, request = prompt.messages[0]["content"].rpartition(STORY_SEPARATOR)
    return story, request


def as_on_a_page(prompt: Prompt) -> tuple[str, str]:
    """Put a prompt into the format of the reading book, for the base model to continue; also return the right answer.

    In the book, a summary begins with "In one sentence:", and a list begins with "Animals:"; the book never asks for a
    single word.

    >>> as_on_a_page(held_out_prompts(1, kinds=["animals"])[0])[0].splitlines()[-1]
    'Animals:'
    """
    story, request = split_prompt(prompt)
    answer = prompt.answer
    if prompt.kind == "one_word":
        request, answer = request.removeprefix("Answer in one word: "), as_sentence(answer)
    request = {"summary": "In one sentence:", "animals": "Animals:"}.get(prompt.kind, request)
    return ask_about(story, request), answer


def scores(
    model: Transformer, tokenizer: Tokenizer, prompts: Sequence[Prompt], max_new_tokens: int = 64
) -> dict[str, Score]:
    """Return the `Score` for each kind and for "all": how many of the model's most likely answers are right.

    An answer must match the right answer word for word. Two more scores are returned if there are prompts for them:
    "says so" counts how often the model answers "The story does not say." when this answer is right, and "says so
    wrongly" counts how often the model gives this answer when it is wrong. Raises `ValueError` for the same reasons as
    `chat`.
    """
    given = answer_all(model, tokenizer, [prompt.messages for prompt in prompts], max_new_tokens)
    found = score([p.kind for p in prompts], given, [p.answer for p in prompts])
    return found | shares_not_told(prompts, given)


def shares_not_told(prompts: Sequence[Prompt], given: Sequence[str]) -> dict[str, Score]:
    """Return how often the answer is "The story does not say.", both when this is right and when it is wrong."""
    counts: dict[str, list[bool]] = {}
    for prompt, answer in zip(prompts, given, strict=True):
        name = "says so" if prompt.kind == "unanswerable" else "says so wrongly"
        counts.setdefault(name, []).append(answer.strip() == NOT_TOLD)
    return {name: Score(sum(said), len(said)) for name, said in sorted(counts.items())}


def _check_kinds(kinds: Collection[str]) -> None:
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        named = f"There is no kind {unknown[0]!r}" if unknown else "kinds is empty"
        raise ValueError(f"{named}. The kinds are: {', '.join(KINDS)}.")


def _conversation(story: Story, asked: Sequence[Request]) -> list[Message]:
    messages: list[Message] = []
    for request in asked:
        text = request.text if messages else ask_about(story.text, request.text)
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": request.answer}]
    return messages

"""Make minimal pairs: the same question, word for word, about a story that answers it and a story that does not.

Does a tuned model look at the story, or has it learned which questions to refuse? A model that relies on the wording
answers both halves of a pair in the same way, and gets at most one half right. So look at the score "both", which no
rule based on wording can raise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmlib.corpora.tinytales import Story, tell
from llmlib.corpora.tinytales.chance import Dice
from llmlib.corpora.tinytales.tasks import NOT_TOLD, answers, as_sentence
from llmlib.corpora.tinytales.teller import SPLITS
from llmlib.corpora.tinytales.untold import (
    OTHER_WORDS,
    TAUGHT,
    WORDINGS,
    answered_questions,
    leaves_open,
    matter,
    open_questions,
    slots_of,
)
from llmlib.finetuning.scores import Score, answer_all
from llmlib.finetuning.tales import Prompt, Request, prompt_about, split_prompt
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer

PAIRS = 8  # number of the random stream for pairs; other tasks use other streams
GIVING = "What did {0} give to {1}?"
MOST_STORIES = 500  # look through at most this many stories per pair
AT_ONCE = 6  # a test uses at least this many wordings


@dataclass(frozen=True)
class Pair:
    """Two questions with the same wording; the story in `told` answers its question, and the one in `untold` does not.

    In the pairs from `minimal_pairs`, the stories differ, and the two questions are identical, unless they name two
    people ("What did Pip give to Mabel?"). Few stories have the same two people, so in this case the second question
    names two people from the second story. In the pairs from `wrong_way_round`, both questions are about one story.
    """

    wording: str
    told: Prompt
    untold: Prompt


def minimal_pairs(
    n: int, *, wordings: Sequence[str] = TAUGHT, seed: int = 1, split: str = "heldout", start: int = 0
) -> list[Pair]:
    """Make `n` pairs with these wordings from 2 n different stories in one split, skipping the first `start` stories.

    No wording is used for more than a sixth of the pairs, unless there are fewer than six wordings. Raises `ValueError`
    for an unknown wording or split, or if there are not enough stories.

    >>> (pair,) = minimal_pairs(1, wordings=["What was the prize?"])
    >>> split_prompt(pair.told)[1] == split_prompt(pair.untold)[1], pair.told.answer, pair.untold.answer
    (True, 'A brown cap.', 'The story does not say.')
    """
    unknown = [wording for wording in wordings if wording not in WORDINGS]
    if unknown or not wordings:
        raise ValueError(f"There is no wording {unknown[0]!r}." if unknown else "wordings is empty.")
    most = -(-n // min(AT_ONCE, len(wordings)))
    pairs: list[Pair] = []
    waiting: list[tuple[str, Request, Story]] = []  # questions that still need a story without the answer
    for story, dice in _stories(n, seed, split, start):
        full = {wording for wording in wordings if sum(pair.wording == wording for pair in pairs) >= most}
        waiting = [entry for entry in waiting if entry[0] not in full]
        other = next((entry for entry in waiting if _unanswered_version(story, *entry[:2], dice)), None)
        if other:
            wording, request, answering = other
            silent = Request("unanswerable", _unanswered_version(story, wording, request, dice), NOT_TOLD)
            pairs.append(Pair(wording, prompt_about(answering, request), prompt_about(story, silent)))
            waiting.remove(other)
        else:
            answered = answers(story)
            of_these = [
                (q, wording)
                for q, wording in answered_questions(story).items()
                if wording in wordings and wording not in full
            ]
            if of_these:
                question, wording = dice.choice(of_these)
                waiting.append((wording, Request(wording, question, as_sentence(answered[question])), story))
        if len(pairs) == n:
            return pairs
    raise ValueError(f"Only {len(pairs)} of {n} pairs were found. Ask for fewer pairs, or use more wordings.")


def _unanswered_version(story: Story, wording: str, request: Request, dice: Dice) -> str:
    """Return a version of the question that this story does not answer, or "" if there is none."""
    if "{1}" in wording:
        return open_questions(story, dice).get(wording, "")
    return request.text if leaves_open(story, request.text, wording) else ""


def in_other_words(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs that `OTHER_WORDS` can reword, with the new wording, which is never used in training."""

    def said(prompt: Prompt, wording: str) -> Prompt:
        _, question = split_prompt(prompt)
        named = slots_of(question, wording)
        people = [named[name] for name in sorted(named) if name != "thing"]
        asked = OTHER_WORDS[wording].format(*people, thing=named.get("thing", ""))
        content = prompt.messages[0]["content"].removesuffix(question) + asked
        return Prompt(prompt.kind, ({"role": "user", "content": content},), prompt.answer)

    return [
        Pair(pair.wording, said(pair.told, pair.wording), said(pair.untold, pair.wording))
        for pair in pairs
        if pair.wording in OTHER_WORDS
    ]


def wrong_way_round(n: int, *, seed: int = 1, split: str = "heldout", start: int = 0) -> list[Pair]:
    """Make `n` pairs of questions, each pair about one story.

    One question asks what A gave to B, which the story tells us, and the other asks what B gave to A, which the story
    does not tell us. The story contains both names in the question, and usually also the word "gave". Raises
    `ValueError` for an unknown split, or if there are not enough stories.

    >>> (pair,) = wrong_way_round(1)
    >>> [split_prompt(prompt)[1] for prompt in (pair.told, pair.untold)]
    ['What did Suki give to Hazel?', 'What did Hazel give to Suki?']
    """
    found: list[Pair] = []
    for story, _ in _stories(n, seed, split, start):
        given = [question for question, wording in answered_questions(story).items() if wording == GIVING]
        if len(given) == 1 and len(matter(GIVING).findall(story.text)) == 1:  # this is the only gift in the story
            names = slots_of(given[0], GIVING)
            turned = GIVING.format(names["1"], names["0"])
            right = Request("what", given[0], as_sentence(answers(story)[given[0]]))
            wrong = Request("unanswerable", turned, NOT_TOLD)
            found.append(Pair(GIVING, prompt_about(story, right), prompt_about(story, wrong)))
        if len(found) == n:
            return found
    raise ValueError(f"Only {len(found)} of {n} stories were found. Ask for fewer stories.")


def best_by_wording(asked: Sequence[tuple[str, bool]]) -> float:
    """Return the best possible score for a model that decides whether to answer based on the wording alone.

    `asked` lists each question's wording, and whether the story answers the question. The model decides once per
    wording whether to answer or to refuse, and is right wherever that decision is correct. On minimal pairs, such a
    model scores one half. Raises `ValueError` if `asked` is empty.

    >>> best_by_wording(
    ...     [("How old is …?", False), ("Who broke …?", True), ("Who broke …?", True), ("Who broke …?", False)]
    ... )
    0.75
    """
    if not asked:
        raise ValueError("asked is empty: it needs at least one question.")
    by_wording: dict[str, list[bool]] = {}
    for wording, is_answered in asked:
        by_wording.setdefault(wording, []).append(is_answered)
    return sum(max(sum(some), len(some) - sum(some)) for some in by_wording.values()) / len(asked)


def pair_scores(
    model: Transformer, tokenizer: Tokenizer, pairs: Sequence[Pair], max_new_tokens: int = 32
) -> dict[str, Score]:
    """Give the model both prompts of each pair, and count right answers, refusals, and pairs with both answers right.

    Raises `ValueError` for the same reasons as `chat`, or if there are no pairs.
    """
    prompts = [pair.told for pair in pairs] + [pair.untold for pair in pairs]
    if not prompts:
        raise ValueError("There are no pairs to score.")
    return score_answers(pairs, answer_all(model, tokenizer, [prompt.messages for prompt in prompts], max_new_tokens))


def score_answers(pairs: Sequence[Pair], given: Sequence[str]) -> dict[str, Score]:
    """Score answers to pairs as `pair_scores` does.

    `given` holds first the answers to all `told` prompts, and then the answers to all `untold` prompts. Raises
    `ValueError` if there are not two answers for each pair.

    >>> (pair,) = minimal_pairs(1, wordings=[GIVING])
    >>> score_answers([pair], [pair.told.answer, NOT_TOLD])["both"].right
    1
    """
    n = len(pairs)
    if len(given) != 2 * n:
        raise ValueError(f"{n} pairs need {2 * n} answers, got {len(given)}.")
    prompts = [pair.told for pair in pairs] + [pair.untold for pair in pairs]
    right = [answer == prompt.answer for answer, prompt in zip(given, prompts)]
    return {
        "told: right": Score(sum(right[:n]), n),
        "told: refused": Score(sum(answer == NOT_TOLD for answer in given[:n]), n),
        "untold: says so": Score(sum(right[n:]), n),
        "both": Score(sum(one and other for one, other in zip(right[:n], right[n:])), n),
    }


def _stories(n: int, seed: int, split: str, start: int) -> Iterator[tuple[Story, Dice]]:
    if n < 1 or start < 0 or split not in SPLITS:
        raise ValueError(
            f"n must be 1 or more, start must be 0 or more, and split must be one of {', '.join(SPLITS)}; "
            f"got n={n}, start={start} and split={split!r}."
        )
    for index in range(start, start + n * MOST_STORIES):
        yield tell(seed, split, index), Dice(seed, SPLITS.index(split), index, PAIRS)

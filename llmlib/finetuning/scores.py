"""How many answers are right, by kind, and how sure that is."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from llmlib.chat import Message, encode_chat
from llmlib.sampling import Sampler, generate
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer


@dataclass(frozen=True)
class Score:
    """So many right, of so many.

    >>> Score(9, 10)
    Score(90% of 10, 60% to 98%)
    """

    right: int
    of: int

    @property
    def share(self) -> float:
        return self.right / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share would lie for ever more such prompts, with 95% confidence; see `wilson_interval`."""
        return wilson_interval(self.right, self.of)

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Score({self.share:.0%} of {self.of:,}, {low:.0%} to {high:.0%})"


def wilson_interval(right: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """The shares for which `right` of `of` would be no surprise: 95 times in 100 such an interval holds the true one.

    All shares p that lie within z standard deviations, z · √(p (1 − p) / of), of the share that was seen. Unlike an
    interval of that width around the share seen, it never leaves 0 to 1, and 10 right of 10 is no proof of perfection.
    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference". Raises `ValueError`
    unless 0 ≤ right ≤ of and of ≥ 1.

    >>> low, high = wilson_interval(10, 10)
    >>> round(low, 2), high
    (0.72, 1.0)
    """
    if not 0 <= right <= of or of < 1:
        raise ValueError(f"{right} right of {of} cannot be: expected 0 ≤ right ≤ of, and of at least 1.")
    share, spread = right / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    # Where all or none are right, rounding must not leave the bound a hair beside it.
    return (0.0 if right == 0 else middle - half), (1.0 if right == of else middle + half)


def score(kinds: Iterable[str], answers: Iterable[str], right: Iterable[str]) -> dict[str, Score]:
    """Of each kind, and of "all", how many answers equal the right one, white space at both ends aside.

    Raises `ValueError` if there is nothing to score, or if there are not as many of each.

    >>> score(["who", "who", "where"], ["Pip.", "Mabel.", "Here."], ["Pip.", "Rusty.", "Here."])
    {'where': Score(100% of 1, 21% to 100%), 'who': Score(50% of 2, 9% to 91%), 'all': Score(67% of 3, 21% to 94%)}
    """
    counts: dict[str, list[int]] = {}
    for kind, answer, expected in zip(kinds, answers, right, strict=True):
        counts.setdefault(kind, []).append(answer.strip() == expected.strip())
    if not counts:
        raise ValueError("There is no answer to score.")
    everything = [hit for hits in counts.values() for hit in hits]
    return {kind: Score(sum(hits), len(hits)) for kind, hits in [*sorted(counts.items()), ("all", everything)]}


def answer_all(
    model: Transformer,
    tokenizer: Tokenizer,
    conversations: Sequence[str | Sequence[Message]],
    max_new_tokens: int = 64,
    batch_size: int = 32,
) -> list[str]:
    """The likeliest answer to the last message of each conversation, many at once; white space at both ends left out.

    An answer that does not end by itself is cut after `max_new_tokens`. Raises `ValueError` as `chat` does.
    """
    rows = [encode_chat(tokenizer, messages) for messages in conversations]
    ends = sorted({*tokenizer.eos_ids, *model.config.end_ids})
    answers = [""] * len(rows)
    by_length = sorted(range(len(rows)), key=lambda number: len(rows[number]))  # little padding
    for begin in range(0, len(rows), batch_size):
        part = by_length[begin : begin + batch_size]
        length = max(len(rows[number]) for number in part)
        ids = torch.tensor([[0] * (length - len(rows[number])) + rows[number] for number in part])
        real = torch.tensor([[False] * (length - len(rows[number])) + [True] * len(rows[number]) for number in part])
        written = list(generate(model, ids, max_new_tokens, Sampler(temperature=0), attention_mask=real, end_ids=ends))
        for number, row in zip(part, torch.stack(written, dim=1).tolist()):
            end = next((place for place, id in enumerate(row) if id in ends), len(row))
            answers[number] = tokenizer.decode(row[:end]).strip()
    return answers

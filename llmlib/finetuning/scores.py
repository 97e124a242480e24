"""Count right answers by kind, with a confidence interval."""

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
    """Holds the number of right answers and the total number of answers.

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
        """A 95% confidence interval for the share of right answers to prompts like these; see `wilson_interval`."""
        return wilson_interval(self.right, self.of)

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Score({self.share:.0%} of {self.of:,}, {low:.0%} to {high:.0%})"


def wilson_interval(right: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Return a confidence interval for a proportion; 95% of such intervals contain the true proportion.

    The interval contains all proportions p that are at most z standard deviations, z · √(p (1 − p) / of), away from the
    observed proportion. Unlike an interval of this width around the observed proportion, the Wilson interval stays
    between 0 and 1, and does not treat 10 right out of 10 as proof of perfection. Source: Wilson (1927), "Probable
    inference, the law of succession, and statistical inference". Raises `ValueError` unless 0 ≤ right ≤ of and of ≥ 1.

    >>> low, high = wilson_interval(10, 10)
    >>> round(low, 2), high
    (0.72, 1.0)
    """
    if not 0 <= right <= of or of < 1:
        raise ValueError(f"Expected 0 ≤ right ≤ of and of ≥ 1; got right={right} and of={of}.")
    share, spread = right / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    # If all answers are right or all are wrong, rounding must not move the upper bound away from 1, or the lower bound
    # away from 0.
    return (0.0 if right == 0 else middle - half), (1.0 if right == of else middle + half)


def score(kinds: Iterable[str], answers: Iterable[str], right: Iterable[str]) -> dict[str, Score]:
    """Return the `Score` for each kind and for "all"; leading and trailing white space in an answer does not matter.

    Raises `ValueError` if there is nothing to score, or if the three arguments differ in length.

    >>> score(["who", "who", "where"], ["Pip.", "Mabel.", "Here."], ["Pip.", "Rusty.", "Here."])
    {'where': Score(100% of 1, 21% to 100%), 'who': Score(50% of 2, 9% to 91%), 'all': Score(67% of 3, 21% to 94%)}
    """
    counts: dict[str, list[int]] = {}
    for kind, answer, expected in zip(kinds, answers, right, strict=True):
        counts.setdefault(kind, []).append(answer.strip() == expected.strip())
    if not counts:
        raise ValueError("There are no answers to score.")
    everything = [hit for hits in counts.values() for hit in hits]
    return {kind: Score(sum(hits), len(hits)) for kind, hits in [*sorted(counts.items()), ("all", everything)]}


def answer_all(
    model: Transformer,
    tokenizer: Tokenizer,
    conversations: Sequence[str | Sequence[Message]],
    max_new_tokens: int = 64,
    batch_size: int = 32,
) -> list[str]:
    """Return the model's most likely answer to each conversation, without leading or trailing white space.

    An answer that does not end on its own is cut off after `max_new_tokens`. Raises `ValueError` for the same reasons
    as `chat`.
    """
    rows = [encode_chat(tokenizer, messages) for messages in conversations]
    ends = sorted({*tokenizer.eos_ids, *model.config.end_ids})
    answers = [""] * len(rows)
    by_length = sorted(range(len(rows)), key=lambda number: len(rows[number]))  # so that each batch has little padding
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

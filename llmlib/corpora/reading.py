"""Make an endless reading book of TinyTales, with exercises after each story.

A model that has only seen stories learns to write stories. If it also reads questions with answers, it learns to find
the answer in the text above the question. (The web has pages like this too: exams, forums, interviews.)
"""

import operator
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from llmlib.corpora.tinytales import STORY_SEPARATOR, Story, tell
from llmlib.corpora.tinytales.chance import Dice
from llmlib.corpora.tinytales.tasks import animals_in, answers, as_sentence
from llmlib.corpora.tinytales.teller import SPLITS
from llmlib.tokenization.base import Tokenizer

EXERCISES = 4  # number of the random stream for the order of exercises; other tasks use other streams
STORIES_A_ROW = 8  # rows begin this many stories apart, so rows of at most about 2,500 tokens never share a story


def page(story: Story) -> str:
    """Return the story, followed by a blank line and its exercises in random order, one per line.

    The exercises are all the questions that the story answers, a list of the animals in it, and a one-sentence summary.

    >>> print(page(tell(0, "train", 5)).split(STORY_SEPARATOR)[1].splitlines()[0])
    Where was Mabel lost? By the river.
    """
    lines = [f"{question} {as_sentence(answer)}" for question, answer in answers(story).items()]
    lines.append(f"In one sentence: {story.summary}")
    if animals := animals_in(story.text):
        lines.append(f"Animals: {', '.join(animals)}.")
    dice = Dice(story.seed, SPLITS.index(story.split), story.index, EXERCISES)
    return story.text + STORY_SEPARATOR + "\n".join(dice.sample(lines, len(lines)))


class ReadingBook:
    """Makes training batches from new pages; each row starts with a page and is filled up with more pages.

    A page takes about 360 tokens with a vocabulary of 2,048, and ends with `end_id`. As with
    `llmlib.corpora.datasets.TokenDataset`, the same step and seed give the same batch, so a run that was stopped can
    resume exactly where it left off.

    >>> from llmlib.tokenization import BPETokenizer
    >>> book = ReadingBook(BPETokenizer.train(page(tell(0, "train", 0)), 300), end_id=0)
    >>> x, y = book.batch(0, batch_size=2, seq_len=16)
    >>> x.shape, torch.equal(x[:, 1:], y[:, :-1])
    (torch.Size([2, 16]), True)
    """

    def __init__(self, tokenizer: Tokenizer, *, end_id: int, split: str = "train") -> None:
        self.tokenizer, self.end_id, self.split = tokenizer, end_id, split

    def batch(
        self, step: int, *, batch_size: int, seq_len: int, seed: int = 0, device: Any = None
    ) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]:
        """Return the rows for a step, and the token that follows each token in these rows.

        Raises `ValueError` for sizes below 1.
        """
        for name, value, least in (("batch_size", batch_size, 1), ("seq_len", seq_len, 1), ("step", step, 0)):
            if operator.index(value) < least:
                raise ValueError(f"{name} must be {least} or more, got {value}.")
        rows = [self._row(step * batch_size + number, seq_len + 1, seed) for number in range(batch_size)]
        both = torch.tensor(rows, device=device)
        return both[:, :-1].contiguous(), both[:, 1:].contiguous()

    def _row(self, number: int, length: int, seed: int) -> list[int]:
        """Return row `number`, filled with the pages of consecutive stories; each row starts with a different story."""
        ids: list[int] = []
        index = number * STORIES_A_ROW
        while len(ids) < length:
            ids += [*self.tokenizer.encode(page(tell(seed, self.split, index))), self.end_id]
            index += 1
        return ids[:length]

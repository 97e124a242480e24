"""Lesson 11: the course's own model learns to add, at once, in written steps, or with a call to a calculator."""

import random
import re
from collections.abc import Callable, Sequence

import torch
from experiments import Rows
from torch import Tensor

from llmlib import Sampler, TrainConfig, Transformer, generate, load_pretrained, train

MASKED = -100
STEPS, ROWS = 240, 48
PLAN = TrainConfig(
    STEPS, ROWS, 64, warmup=12, optimizer="muon", learning_rate=3e-3, matrix_learning_rate=6e-3,
    betas=(0.9, 0.98), weight_decay=0.0, schedule="linear", dtype="float32",
)  # fmt: skip


def columns(one: int, other: int) -> list[str]:
    """Write an addition as it is done on paper: from the last digits to the first, with what is carried.

    >>> columns(348, 275)
    ['8+5=13', '4+7+1=12', '3+2+1=6']
    """
    found, carried = [], 0
    for a, b in zip(reversed(str(one)), reversed(str(other))):
        total = int(a) + int(b) + carried
        found.append(f"{a}+{b}{'+1' if carried else ''}={total}")
        carried = total // 10
    return found


def worked(one: int, other: int, how: str, chance: random.Random) -> str:
    """Return what is learned after "348+275:"; in every way but "at once" it has as many tokens as with steps."""
    steps = columns(one, other)
    if how == "shuffled steps":
        steps = chance.sample(steps, len(steps))
    elif how == "another sum's steps":
        other_one, other_other = (chance.randrange(10 ** (len(str(one)) - 1), 10 ** len(str(one))) for _ in "12")
        steps = columns(other_one, other_other)
    written = ",".join(steps)
    if how == "dots":
        written = "." * len(written)
    return f"={one + other}\n" if how == "at once" else f"{written}={one + other}\n"


def pair(digits: int, chance: random.Random) -> tuple[int, int]:
    return chance.randrange(10 ** (digits - 1), 10**digits), chance.randrange(10 ** (digits - 1), 10**digits)


class Examples:
    """New examples for each step; only what comes after the question is a target."""

    def __init__(self, made: Callable[[random.Random], tuple[str, str]], tokenizer, seed: int) -> None:
        self.made, self.tokenizer, self.seed = made, tokenizer, seed

    def batch(self, step: int, **sizes: int) -> tuple[Tensor, Tensor]:
        chance = random.Random(f"{self.seed} {step}")
        texts = [self.made(chance) for _ in range(sizes["batch_size"])]
        rows = [(self.tokenizer.encode(question), self.tokenizer.encode(answer)) for question, answer in texts]
        width = max(len(question) + len(answer) for question, answer in rows) - 1
        x, y = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), MASKED)
        for n, (question, answer) in enumerate(rows):
            all_ids = torch.tensor(question + answer)
            x[n, : len(all_ids) - 1] = all_ids[:-1]
            y[n, len(question) - 1 : len(all_ids) - 1] = all_ids[len(question) :]
        return x, y


def written(model: Transformer, tokenizer, questions: Sequence[str], most: int) -> list[str]:
    """Let the model answer questions that have as many tokens as each other, up to the end of the line."""
    (end,) = tokenizer.encode("\n")
    ids = torch.tensor([tokenizer.encode(question) for question in questions])
    rows = torch.stack(list(generate(model, ids, most, Sampler(temperature=0), end_ids=[end])), dim=1)
    return [tokenizer.decode(row).partition("\n")[0] for row in rows.tolist()]


def sums_in_steps(arm: str, seed: int) -> Rows:
    """Sums of two numbers with one to three digits; asked with up to four, which it has never seen."""
    model, tokenizer = load_pretrained("tinytales", device="cpu", dtype="float32")
    tested = random.Random(f"test {seed}")
    tests = {digits: [pair(digits, tested) for _ in range(60)] for digits in (1, 2, 3, 4)}
    held_out = {each for digits in (2, 3) for each in tests[digits]}

    def made(chance: random.Random) -> tuple[str, str]:
        while (each := pair(chance.choice((1, 2, 3, 3)), chance)) in held_out:
            pass
        return f"{each[0]}+{each[1]}:", worked(*each, arm, chance)

    import time
    t0 = time.time()
    for step in train(model, Examples(made, tokenizer, seed), PLAN):
        if step.step % 40 == 0:
            right = {d: sum(t.rpartition("=")[2] == str(sum(e)) for t, e in zip(written(model, tokenizer, [f"{a}+{b}:" for a, b in tests[d]], 48), tests[d])) for d in tests}
            print(arm, step.step, round(step.loss, 3), right, round(time.time() - t0), flush=True)
    yield 0, "x", 0, ""


if __name__ == "__main__":
    import sys
    for arm in sys.argv[1:]:
        list(sums_in_steps(arm, 0))

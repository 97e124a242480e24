"""Lesson 11, arithmetic: the course's own model learns to add, and digits are grouped in three ways."""

import random
import re
import time
from collections.abc import Sequence
from typing import Any

import torch
from experiments import Rows
from limits_sums import AT_ONCE, MUON, Examples, continued, give_digits_a_start, numbers, worked

from llmlib import TrainConfig, Transformer, TransformerConfig, load_pretrained, train

Sum = tuple[int, int]
RATES = ("3e-3", "1e-2", "3e-2")  # of the matrices; the other parameters get three tenths of it


def trained(model: Transformer, data: Any, batch_size: int, steps: int, rate: str) -> None:
    plan = TrainConfig(
        steps,
        batch_size,
        64,
        warmup=steps // 10,
        learning_rate=0.3 * float(rate),
        matrix_learning_rate=float(rate),
        **MUON,
    )
    torch.set_float32_matmul_precision("medium")  # products in bfloat16, where the CPU is faster at them
    for _ in train(model, data, plan):
        pass
    torch.set_float32_matmul_precision("highest")


def held_out(tests: dict[int, list[Sum]], longest: int, chance: random.Random) -> Sum:
    """Return a new sum of up to `longest` digits, the longest ones twice as often, that no test has."""
    while True:
        digits = min(chance.randint(1, longest + 1), longest)
        each = numbers(digits, chance)
        if digits == 1 or each not in tests[digits]:
            return each


# --- the course's own model ---

# A sum with steps is 2.7 times as long as one without: with these batches, both see as many tokens in as many steps.
BATCH = {AT_ONCE: 86, "steps": 32}
STEPS = 60
COURSE = tuple(f"{how} @ {rate}" for rate in RATES for how in BATCH)


def course_adder(arm: str, seed: int) -> Rows:
    """The course's own model, tuned to add at once or in steps; each digit is a token that no tale has."""
    how, _, rate = arm.partition(" @ ")
    model, tokenizer = load_pretrained("tinytales", device="cpu", dtype="float32")
    give_digits_a_start(model, tokenizer)
    tested = random.Random(f"test {seed}")
    tests = {digits: [numbers(digits, tested) for _ in range(50)] for digits in (1, 2, 3, 4)}

    def made(chance: random.Random) -> tuple[str, str]:
        each = held_out(tests, 3, chance)
        return f"{each[0]}+{each[1]}:", worked(*each, how, chance)

    begun = time.process_time()
    trained(model, Examples(made, tokenizer, seed), BATCH[how], STEPS, rate)
    yield STEPS, "seconds of one core", time.process_time() - begun, ""
    for digits, asked in tests.items():
        texts = continued(model, tokenizer, [f"{a}+{b}:" for a, b in asked], 40)
        right = [text.rpartition("=")[2] == f"{a + b}\n" for text, (a, b) in zip(texts, asked)]
        yield STEPS, f"{digits} digits", sum(right), len(right)


# --- digits in groups ---


class Groups:
    """A tokenizer with a token for each number of up to three digits, with and without zeros before it.

    >>> left, right = Groups("groups of three from the left"), Groups("groups of three from the right")
    >>> left.split("1234+56="), right.split("1234+56=")
    (['123', '4', '+', '56', '='], ['1', '234', '+', '56', '='])
    """

    def __init__(self, how: str) -> None:
        self.how, self.size = how, 1 if how == "one digit a token" else 3
        self.tokens = ["+", "=", "\n", *(f"{n:0{size}}" for size in (1, 2, 3) for n in range(10**size))]
        self.ids = {token: n for n, token in enumerate(self.tokens)}

    def split(self, text: str) -> list[str]:
        found: list[str] = []
        for part in re.findall(r"\d+|\D", text):
            begin = len(part) % self.size if self.how.endswith("right") else 0
            found += [part[:begin]] * (begin > 0)
            found += [part[at : at + self.size] for at in range(begin, len(part), self.size)]
        return found

    def encode(self, text: str) -> list[int]:
        return [self.ids[token] for token in self.split(text)]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.tokens[id] for id in ids)


GROUPS = {"one digit a token": 64, "groups of three from the left": 150, "groups of three from the right": 150}
GROUPED = tuple(f"{how} @ {rate}" for rate in RATES for how in GROUPS)
LONGEST, GROUP_STEPS = 6, 1000


def grouped(arm: str, seed: int) -> Rows:
    """A new model adds numbers of one to six digits at once, with the digits in groups; as many tokens, as many steps.

    A sum can have as many digits as the numbers, or one more: then groups from the left no longer line up.
    """
    how, _, rate = arm.partition(" @ ")
    tokenizer = Groups(how)
    model = Transformer(
        TransformerConfig(
            len(tokenizer.tokens),
            64,
            d_model=96,
            n_layers=3,
            n_heads=4,
            d_mlp=256,
            positions="rotary",
            norm="rmsnorm",
            mlp="swiglu",
        ),
        seed=seed,
    )
    tested = random.Random(f"test {seed}")
    tests = {digits: [numbers(digits, tested) for _ in range(100)] for digits in range(1, LONGEST + 1)}

    def made(chance: random.Random) -> tuple[str, str]:
        one, other = held_out(tests, LONGEST, chance)
        return f"{one}+{other}=", f"{one + other}\n"

    trained(model, Examples(made, tokenizer, seed), GROUPS[how], GROUP_STEPS, rate)
    for digits, asked in tests.items():
        texts = continued(model, tokenizer, [f"{a}+{b}=" for a, b in asked], 9)
        right = [text == f"{a + b}\n" for text, (a, b) in zip(texts, asked)]
        yield GROUP_STEPS, f"{digits} digits", sum(right), len(right)
        for name, more in (("as long", 0), ("one longer", 1)):
            some = [hit for hit, (a, b) in zip(right, asked) if len(str(a + b)) == digits + more]
            yield GROUP_STEPS, f"{digits} digits, the sum {name}", sum(some), len(some)
